//! The program: parse, set up the log, run; an error becomes one line and an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use psmonitor::cli::{self, Args, Command};
use psmonitor::config::Config;
use psmonitor::error::StartupError;
use psmonitor::{auth, collect, server, terminal};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            terminal::complain(&format!("psmonitor: {}; see psmonitor --help", cli::one_line(&error.to_string())));
            return ExitCode::from(2);
        }
    };
    terminal::catch_panics();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn"))
        .format_indent(None)
        .target(env_logger::Target::Pipe(Box::new(terminal::Stderr)))
        .init();
    let system = actix_rt::System::new();
    let run = match args.command {
        Some(Command::HashPassword) => auth::prompt::hash_password(),
        None => Config::from_args(&args).and_then(|config| system.block_on(run(&config))),
    };
    let code = match run {
        Ok(()) => 0,
        Err(error) => {
            terminal::complain(&format!("psmonitor: {error}"));
            error.exit_code()
        }
    };
    // Not a return, and the system still lives here: dropping the runtime would wait for a read that a dead device may hold for ever.
    std::process::exit(code.into())
}

async fn run(config: &Config) -> Result<(), StartupError> {
    collect::limit::raise_descriptor_limit();
    let signals = |kind| signal(kind).map_err(|source| StartupError::Io { what: "cannot listen for signals", source });
    let (mut terminate, mut interrupt) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let mut hangup = signals(SignalKind::hangup())?;
    let server = server::start(config)?;
    let reloader = server.reloader();
    actix_rt::spawn(async move {
        while hangup.recv().await.is_some() {
            reloader.reload().await;
        }
    });
    let _ = writeln!(std::io::stdout(), "psmonitor is listening, open {}", server.url());
    if !server.further_urls().is_empty() {
        let _ = writeln!(std::io::stdout(), "and at {}", server.further_urls().join(" "));
    }
    if !server.outside_urls().is_empty() {
        let _ = writeln!(std::io::stdout(), "from other machines: {}", server.outside_urls().join(" "));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info!("stopping");
    tokio::select! {
        () = server.stop() => {}
        _ = terminate.recv() => log::warn!("told twice, stopping at once"),
        _ = interrupt.recv() => log::warn!("told twice, stopping at once"),
    }
    Ok(())
}
