//! `packaging/psmonitor.toml`, every setting with its text and its default, commented out, and `docs/settings.md`, the same as
//! a table. They are made here, of the flags, so that they cannot lag behind: `UPDATE_GOLDEN=1 cargo test --lib config::`
//! writes them anew.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::report::by_table;
use super::settings::{Kind, Setting};
use super::{command, file, settings};
use crate::cli::Args;

/// Width of a line of the reference, without `# `.
const WIDTH: usize = 96;

/// The reference of all settings: what each is, and its default, commented out.
fn reference(settings: &[Setting]) -> String {
    let mut text = String::from(
        "# Settings of psmonitor, read as /etc/psmonitor/psmonitor.toml or with --config FILE.\n\
         #\n\
         # Each line shows the default, or a placeholder where there is none: take the # away and change the value. A flag\n\
         # (--max-connections) wins over a variable (PSMONITOR_MAX_CONNECTIONS), which wins over this file. After a change,\n\
         # `psmonitor check-config` says whether all is well, and SIGHUP (systemctl reload psmonitor) takes over what can\n\
         # change while the server runs; the log names what needs a restart.\n\
         #\n\
         # `agent.url = ...` is the same as `url = ...` below a line `[agent]`. There is no such line here, so that what is added at\n\
         # the end is what it looks like.\n",
    );
    for (table, settings) in by_table(settings, |setting| setting.table) {
        if let Some(table) = table {
            text.push_str(&format!("\n# --- {table} ---\n"));
        }
        for setting in settings {
            let help =
                if setting.default.is_none() { format!("{} (not set)", setting.help) } else { setting.help.clone() };
            text.push('\n');
            for line in wrapped(&help) {
                text.push_str(&format!("# {line}\n"));
            }
            text.push_str(&format!("#{}\n", default_line(setting)));
        }
    }
    text
}

fn default_line(setting: &Setting) -> String {
    match (&setting.default, setting.kind) {
        (Some(values), _) => format!("{} = {}", setting.path(), setting.toml(values)),
        (None, Kind::Number) => format!("{} = 1", setting.path()),
        (None, _) => format!("{} = {}", setting.path(), setting.toml(std::slice::from_ref(&setting.value_name))),
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if lines[last].chars().count() + 1 + word.chars().count() <= WIDTH {
            lines[last] = format!("{} {word}", lines[last]);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/psmonitor.toml")
}

fn all() -> Vec<Setting> {
    settings::all(&Args::command())
}

/// The table of all settings.
fn page(settings: &[Setting]) -> String {
    let mut text = String::from(
        "# Settings\n\n\
         A flag wins over its variable, the variable over the key of the same name in the configuration file, the file over the\n\
         default. In a variable, several values are separated by commas; in the file they are a list. `psmonitor --help` prints\n\
         the same. How the file is read, checked and read again: [service.md](service.md#settings).\n\n\
         | flag | variable | default | what it is |\n|---|---|---|---|\n\
         | `--config FILE` | `PSMONITOR_CONFIG` | | the configuration file; without this `/etc/psmonitor/psmonitor.toml`, where there is one |\n",
    );
    for setting in settings {
        let default = setting.default.clone().unwrap_or_default().join(",");
        let default = match (default.is_empty(), setting.kind) {
            (true, _) => String::new(),
            (false, Kind::Switch) => "off ".to_owned(),
            (false, _) => format!("`{}` ", in_table(&default)),
        };
        let value = if setting.kind == Kind::Switch { String::new() } else { format!(" {}", setting.value_name) };
        let key = setting.table.map(|_| format!(" Key: `{}`.", setting.path())).unwrap_or_default();
        let (flag, variable, help) = (&setting.flag, &setting.variable, in_table(&setting.help));
        text.push_str(&format!("| `--{flag}{value}` | `{variable}` | {default}| {help}{key} |\n"));
    }
    text
}

fn in_table(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Compares a file with what it should be, or writes it where that was asked for.
fn check(path: &Path, expected: &str) -> String {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text, expected, "UPDATE_GOLDEN=1 cargo test --lib config:: writes it anew");
    text
}

#[test]
fn the_table_knows_every_setting() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md"), &page(&all()));
}

#[test]
fn the_shipped_file_knows_every_setting() {
    let text = check(&shipped(), &reference(&all()));
    for setting in all() {
        assert!(text.lines().any(|line| line.starts_with(&format!("#{} = ", setting.path()))), "{}", setting.path());
    }
}

/// As it is, and with the `#` taken away from every line that shows a default.
#[test]
fn the_shipped_file_means_the_defaults() {
    assert_eq!(file::read(&shipped(), &all(), &command()).unwrap(), []);
    let text = std::fs::read_to_string(shipped()).unwrap();
    let is_default = |line: &str| {
        all().iter().any(|setting| setting.default.is_some() && line.starts_with(&format!("#{} = ", setting.path())))
    };
    let uncommented = text.lines().map(|line| if is_default(line) { &line[1..] } else { line }).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.toml");
    std::fs::write(&path, uncommented.join("\n")).unwrap();
    let entries = file::read(&path, &all(), &command()).unwrap();
    let with_default: Vec<_> = all().into_iter().filter(|setting| setting.default.is_some()).collect();
    assert_eq!(entries.len(), with_default.len());
    for setting in with_default {
        let entry = entries.iter().find(|entry| entry.id == setting.id).unwrap();
        assert_eq!(Some(&entry.values), setting.default.as_ref(), "{}", setting.path());
    }
}
