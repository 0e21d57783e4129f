//! The program: parse, set up the log, run one command; an error becomes one line and an exit code.

use std::io::Write;
use std::process::ExitCode;

use psmonitor::cli::{self, Command};
use psmonitor::config::{self, Config};
use psmonitor::{app, auth};

fn main() -> ExitCode {
    let args = match config::typed() {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let _ =
                writeln!(std::io::stderr(), "psmonitor: {}; see psmonitor --help", cli::one_line(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn")).init();
    let system = actix_rt::System::new();
    let run = match args.command {
        Some(Command::HashPassword) => auth::prompt::hash_password(),
        None => Config::from_args(&args).and_then(|config| system.block_on(app::run(&config))),
    };
    let code = match run {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "psmonitor: {error}");
            error.exit_code()
        }
    };
    // Not a return, and the system still lives here: dropping the runtime would wait for a read that a dead device may hold for ever.
    std::process::exit(code.into())
}
