//! The program: parse, set up the log, run one command; an error becomes one line and an exit code.

use std::process::ExitCode;

use psmonitor::cli::{self, Command};
use psmonitor::config::{self, Config};
use psmonitor::{app, auth, command, terminal};

fn main() -> ExitCode {
    let args = match config::typed() {
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
    let run = match &args.command {
        Some(Command::HashPassword) => auth::prompt::hash_password(),
        Some(Command::Status(wanted)) => command::status::status(&args, wanted),
        Some(Command::GenerateSystemId) => command::generate_system_id(),
        Some(Command::Statistics(wanted)) => app::show(&args, wanted),
        None => Config::from_args(&args).and_then(|config| system.block_on(app::run(&config))),
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
