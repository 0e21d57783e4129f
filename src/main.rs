//! The program: parse, set up the log, run one command; an error becomes one line and an exit code.

use std::process::ExitCode;

use psmonitor::cli::{self, Command};
use psmonitor::config::{self, Config, Refusal};
use psmonitor::{agent, app, auth, command, logging, terminal};

fn main() -> ExitCode {
    // First of all: it changes the environment, which nothing else may read meanwhile.
    let passed = config::passed();
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
    if let Some(wrong) = &typed.ignored {
        terminal::complain(&format!("psmonitor: {wrong}; that file is left out"));
    }
    terminal::catch_panics();
    logging::init(typed.args.log_format.as_deref() == Some("json"));
    let system = actix_rt::System::new();
    let run = match &typed.args.command {
        _ if let Some(page) = typed.args.generate => command::generate::generate(page),
        Some(Command::HashPassword) => {
            auth::prompt::hash_password().and_then(|hash| command::print(&format!("{hash}\n")))
        }
        Some(Command::CheckConfig) => app::check(&typed),
        Some(Command::Status(wanted)) => command::status::status(&typed, wanted),
        Some(Command::GenerateSystemId) => command::print(&format!("{}\n", agent::new_system_id())),
        Some(Command::Background(given)) => system.block_on(app::background(&typed, given)),
        Some(Command::CheckUrl(receiver)) => {
            app::ask(&typed, &cli::Named { receiver: receiver.clone(), system_id: None }, false)
        }
        Some(Command::CheckSystemId(receiver)) => app::ask(&typed, receiver, true),
        Some(Command::Statistics(wanted)) => app::show(&typed, wanted),
        None => Config::from_typed(&typed)
            .and_then(|config| config.with_passed(&typed, passed?))
            .and_then(|config| system.block_on(app::run(&typed, &config))),
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
