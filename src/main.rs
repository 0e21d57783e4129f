//! The program: parse, set up the log, run one command; an error becomes one line and an exit code.

use std::process::ExitCode;

use psmonitor::cli::{self, Command};
use psmonitor::config::{self, Config, Refusal};
use psmonitor::{app, auth, command, terminal};

fn main() -> ExitCode {
    let typed = match config::typed() {
        Ok(typed) => typed,
        Err(Refusal::Usage(error)) if !error.use_stderr() => error.exit(),
        Err(Refusal::File(error)) => {
            terminal::complain(&format!("psmonitor: {error}"));
            return ExitCode::from(error.exit_code());
        }
        Err(Refusal::Usage(error)) => {
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
    let run = match &typed.args.command {
        Some(Command::HashPassword) => auth::prompt::hash_password(),
        Some(Command::CheckConfig) => app::check(&typed),
        Some(Command::GenerateSystemId) => command::generate_system_id(),
        Some(Command::Background(given)) => system.block_on(app::background(&typed, given)),
        Some(Command::CheckUrl(receiver)) => {
            app::ask(&typed, &cli::Named { receiver: receiver.clone(), system_id: None }, false)
        }
        Some(Command::CheckSystemId(receiver)) => app::ask(&typed, receiver, true),
        Some(Command::Statistics(wanted)) => app::show(&typed.args, wanted),
        None => Config::from_typed(&typed).and_then(|config| system.block_on(app::run(&typed, &config))),
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
