//! What this process was told: flags over `PSMONITOR_*` variables over the configuration file, and where each value came
//! from. Called by `main`, and again at SIGHUP; reads the command line, the environment and one file, and judges no meaning.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::file::{self, Entry};
use super::settings::{self, Kind, Setting};
use crate::cli::{Args, Command};
use crate::error::StartupError;

/// The file that is read where `--config` names none, if it is there.
const CONFIG_FILE: &str = "/etc/psmonitor/psmonitor.toml";

/// The settings, by clap's names, that a running server takes over at SIGHUP. All others need a restart.
pub const LIVE: &[&str] = &[
    "max_connections",
    "max_per_address",
    "max_unclaimed",
    "allow_host",
    "allow_origin",
    "trusted_proxy",
    "token_file",
    "users_file",
    "no_auth",
    "allow_kill",
];

/// Why it is not known what this process should do.
#[derive(Debug)]
pub enum Refusal {
    /// Clap's answer; `--help` and `--version` are answers too.
    Usage(clap::Error),
    /// The configuration file is wrong.
    File(StartupError),
}

impl From<StartupError> for Refusal {
    fn from(error: StartupError) -> Self {
        Self::File(error)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The command line.
    Flag,
    /// The environment.
    Variable,
    /// This line of the configuration file.
    Line(usize),
}

/// A setting and what it was set to.
#[derive(Clone, Debug)]
pub struct Row {
    /// The setting.
    pub setting: Setting,
    /// Its values, as they are typed; the default where nobody set it, and `None` where there is none.
    pub values: Option<Vec<String>>,
    /// Where they came from.
    pub origin: Origin,
}

/// What was typed, all sources together.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The values.
    pub args: Args,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is wrong with the usual file, where the command does without it.
    pub ignored: Option<String>,
    rows: Vec<Row>,
}

/// The flags with their texts, and their defaults beside them.
pub fn command() -> clap::Command {
    let command = Args::command();
    let defaults = settings::all(&command).into_iter().filter(|setting| setting.kind != Kind::Switch);
    let shown = defaults.filter_map(|setting| Some((setting.id, setting.default?.join(","))));
    shown.filter(|(_, default)| !default.is_empty()).fold(command, |command, (id, default)| {
        command.mut_arg(id, |arg| {
            let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.help(format!("{text} [default: {default}]"))
        })
    })
}

/// What this process was started with. Prints nothing: clap's answer, `--help` included, is a refusal here.
pub fn typed() -> Result<Typed, Refusal> {
    typed_from(std::env::args_os().collect(), Path::new(CONFIG_FILE))
}

fn typed_from(arguments: Vec<std::ffi::OsString>, usual_file: &Path) -> Result<Typed, Refusal> {
    let (command, settings) = (command(), settings::all(&Args::command()));
    let matches = command.clone().try_get_matches_from(&arguments).map_err(Refusal::Usage)?;
    let args = Args::from_arg_matches(&matches).map_err(Refusal::Usage)?;
    let without_file = |args, ignored| Typed { rows: rows(settings.clone(), &matches, &[]), file: None, ignored, args };
    let Some(path) = file_of(&args, usual_file) else { return Ok(without_file(args, None)) };
    let entries = match file::read(&path, &settings, &command) {
        Ok(entries) => entries,
        Err(error) if args.config.is_none() && use_of_file(&args) != Use::Needed => {
            return Ok(without_file(args, Some(error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    // The file's values stand where a default of clap would: everything that is typed wins over them.
    let with_file = entries
        .iter()
        .fold(command, |command, entry| command.mut_arg(&entry.id, |arg| arg.default_values(entry.values.clone())));
    let matches = with_file.try_get_matches_from(arguments).map_err(Refusal::Usage)?;
    let args = Args::from_arg_matches(&matches).map_err(Refusal::Usage)?;
    Ok(Typed { rows: rows(settings, &matches, &entries), file: Some(path), ignored: None, args })
}

/// What the usual file is to a command. One that was named with `--config` must be there and right, whatever the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// The command is about the server or the receiver that the file describes.
    Needed,
    /// The file may hold something of use, as where the machine's files are; without it the command works as well.
    Welcome,
    /// The command reads no setting.
    None,
}

fn use_of_file(args: &Args) -> Use {
    match &args.command {
        _ if args.generate.is_some() => Use::None,
        Some(Command::HashPassword | Command::GenerateSystemId) => Use::None,
        Some(Command::Statistics(_)) => Use::Welcome,
        Some(Command::Status(status)) if status.url.is_some() => Use::Welcome,
        None
        | Some(
            Command::CheckConfig
            | Command::Status(_)
            | Command::Background(_)
            | Command::CheckUrl(_)
            | Command::CheckSystemId(_),
        ) => Use::Needed,
    }
}

/// The file to read.
fn file_of(args: &Args, usual_file: &Path) -> Option<PathBuf> {
    if let Some(path) = &args.config {
        // System Monitor's `config.json` is no TOML; `config::standalone` reads it.
        return Some(path.clone()).filter(|path| !is_foreign(args, path));
    }
    if use_of_file(args) == Use::None {
        return None;
    }
    let is_for_server = matches!(args.command, None | Some(Command::CheckConfig));
    match std::fs::File::open(usual_file) {
        Ok(_) => Some(usual_file.to_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        // Reading it says what is wrong. The server's file may be for its user alone; others run the other commands.
        Err(_) => is_for_server.then(|| usual_file.to_owned()),
    }
}

/// Whether a file is System Monitor's `config.json`, for the commands that take one.
pub(super) fn is_foreign(args: &Args, path: &Path) -> bool {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    is_json && matches!(args.command, Some(Command::Background(_) | Command::CheckUrl(_) | Command::CheckSystemId(_)))
}

fn rows(settings: Vec<Setting>, matches: &ArgMatches, entries: &[Entry]) -> Vec<Row> {
    let row = |setting: Setting| {
        let entry = entries.iter().find(|entry| entry.id == setting.id);
        let origin = match (matches.value_source(&setting.id), entry) {
            (Some(ValueSource::CommandLine), _) => Origin::Flag,
            (Some(ValueSource::EnvVariable), _) => Origin::Variable,
            (_, Some(entry)) => Origin::Line(entry.line),
            _ => Origin::Default,
        };
        let typed = matches.get_raw(&setting.id);
        let typed = typed.map(|all| all.map(|value| value.to_string_lossy().into_owned()).collect());
        let values = match origin {
            Origin::Default => setting.default.clone(),
            // A list without a value is none to clap.
            _ => typed.or_else(|| entry.map(|entry| entry.values.clone())),
        };
        Row { setting, values, origin }
    };
    settings.into_iter().map(row).collect()
}

impl Typed {
    /// Every setting with its values.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The settings that `new` has otherwise: those that a running server takes over, and those that need a restart.
    pub fn changes(&self, new: &Self) -> (Vec<String>, Vec<String>) {
        let is_changed = |row: &&Row| {
            let old = self.rows.iter().find(|old| old.setting.id == row.setting.id);
            old.is_none_or(|old| old.values != row.values)
        };
        let (live, others): (Vec<&Row>, Vec<&Row>) =
            new.rows.iter().filter(is_changed).partition(|row| LIVE.contains(&row.setting.id.as_str()));
        let paths = |rows: Vec<&Row>| rows.into_iter().map(|row| row.setting.path()).collect();
        (paths(live), paths(others))
    }

    /// The error, with the place where its setting was really set.
    pub fn locate(&self, error: StartupError) -> StartupError {
        let StartupError::Setting { place, problem } = error else { return error };
        let row = self.rows.iter().find(|row| place.strip_prefix("--") == Some(&row.setting.flag));
        let found = row.and_then(|row| match (&row.origin, &self.file) {
            (Origin::Variable, _) => Some(row.setting.variable.clone()),
            (Origin::Line(line), Some(file)) => Some(format!("{}: {}", file::place(file, *line), row.setting.path())),
            _ => None,
        });
        StartupError::Setting { place: found.unwrap_or(place), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn typed_with(file: &str, flags: &[&str]) -> Result<Typed, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.to_str().unwrap();
        let arguments = ["psmonitor", "--config", path].iter().chain(flags).map(Into::into).collect();
        typed_from(arguments, Path::new("/nonexistent")).map_err(|refusal| match refusal {
            Refusal::Usage(error) => error.to_string(),
            Refusal::File(error) => error.to_string(),
        })
    }

    fn row<'a>(typed: &'a Typed, id: &str) -> &'a Row {
        typed.rows().iter().find(|row| row.setting.id == id).unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let typed = typed_with(
            "port = 1\ninterval = '5s'\nno-auth = true\nallow-host = ['a', 'b']",
            &["--port=2", "--no-auth=false", "--allow-host=c"],
        )
        .unwrap();
        assert_eq!((typed.args.port, typed.args.no_auth), (Some(2), Some(false)));
        assert_eq!(typed.args.interval.as_deref(), Some("5s"));
        assert_eq!(typed.args.allow_host, Some(vec!["c".to_owned()]), "a list is replaced, not joined");
        assert_eq!(row(&typed, "port").origin, Origin::Flag);
        assert_eq!(row(&typed, "interval").origin, Origin::Line(2));
        assert_eq!(row(&typed, "interval").values, Some(vec!["5s".to_owned()]));
        assert_eq!(row(&typed, "address").origin, Origin::Default);
        assert_eq!(row(&typed, "address").values, Some(vec!["localhost".to_owned()]));
        assert_eq!(row(&typed, "token_file").values, None);
    }

    #[test]
    fn a_command_does_not_mind_where_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, "port = 1").unwrap();
        let path = path.to_str().unwrap();
        for arguments in
            [["psmonitor", "--config", path, "check-config"], ["psmonitor", "check-config", "--config", path]]
        {
            let typed = typed_from(arguments.iter().map(Into::into).collect(), Path::new("/nonexistent")).unwrap();
            assert_eq!((typed.args.port, typed.args.command), (Some(1), Some(Command::CheckConfig)));
        }
    }

    #[test]
    fn the_usual_file_is_read_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        let port = || typed_from(vec!["psmonitor".into()], &path).unwrap().args.port;
        assert_eq!(port(), None);
        std::fs::write(&path, "port = 1").unwrap();
        assert_eq!(port(), Some(1));
        let missing = ["psmonitor", "--config", "/nonexistent/x.toml"].map(Into::into).to_vec();
        assert!(matches!(typed_from(missing, &path), Err(Refusal::File(_))));
    }

    #[test]
    fn a_wrong_usual_file_stops_whoever_needs_it_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, "\nprot = 1").unwrap();
        let of = |line: &str| typed_from(line.split(' ').map(Into::into).collect(), &path);
        for line in ["cpu", "processes --watch", "status http://localhost:4500"] {
            let typed = of(&format!("psmonitor {line}")).unwrap();
            assert!(typed.ignored.unwrap().contains("test.toml, line 2: there is no setting \"prot\""), "{line}");
            assert_eq!(typed.file, None);
        }
        for line in ["hash-password", "generate-system-id", "--generate man"] {
            assert_eq!(of(&format!("psmonitor {line}")).unwrap().ignored, None, "{line} reads no file");
        }
        let named = format!("psmonitor --config {} cpu", path.display());
        for line in [
            "psmonitor",
            "psmonitor check-config",
            "psmonitor status",
            "psmonitor background",
            "psmonitor check-url",
            &named,
        ] {
            assert!(matches!(of(line), Err(Refusal::File(_))), "{line}");
        }
        std::fs::write(&path, "procfs = '/tmp'").unwrap();
        let typed = of("psmonitor cpu").unwrap();
        assert_eq!((typed.ignored, typed.args.procfs), (None, Some("/tmp".into())));
    }

    #[test]
    fn what_a_value_means_is_judged_with_its_line() {
        for (file, line, hint) in [
            ("\ninterval = '2h'", 2, "interval 2h: it must be between"),
            ("listen = ['localhost']", 1, "listen localhost: it must be ADDRESS:PORT"),
            ("tls-cert = 'c'", 1, "tls-cert needs --tls-key"),
            ("max-connections = 0", 1, "max-connections 0: it must be at least 1"),
            ("\n\naddress = '0.0.0.0'", 3, "address 0.0.0.0:4500 can be reached from outside"),
            ("allow-origin = ['dash']", 1, "allow-origin dash: it must be an origin"),
        ] {
            let typed = typed_with(file, &[]).unwrap();
            let error = Config::from_typed(&typed).unwrap_err().to_string();
            assert!(error.contains(&format!("test.toml, line {line}: {hint}")), "{file:?}: {error}");
        }
        let typed = typed_with("interval = '2h'", &["--interval=3h"]).unwrap();
        let error = Config::from_typed(&typed).unwrap_err().to_string();
        assert!(error.starts_with("--interval 3h: "), "{error}");
    }
}
