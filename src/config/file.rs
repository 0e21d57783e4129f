//! The configuration file: TOML in which each key is a flag's name, so that every value goes through the same checks as if
//! it had been typed. Called by [`super::typed`]; reads one file and knows no setting by name.

use std::path::Path;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{Kind, Setting};
use crate::auth::file;
use crate::error::StartupError;

/// How alike two names must be (1 is the same) for one to be proposed for the other.
const ALIKE: f64 = 0.5;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which setting, by clap's name.
    pub id: String,
    /// What it is set to, as it would be typed.
    pub values: Vec<String>,
    /// The line, the first is 1.
    pub line: usize,
}

/// What the file at `path` sets. `settings` are all that there are, `command` is who judges their values.
pub fn read(path: &Path, settings: &[Setting], command: &Command) -> Result<Vec<Entry>, StartupError> {
    let text = String::from_utf8(file::read("--config", path)?)
        .map_err(|_| file::complaint("--config", path, "it is not UTF-8 text"))?;
    let document = Document { path, text: &text, settings };
    let entries = document.entries()?;
    for entry in &entries {
        document.judge(entry, command)?;
    }
    Ok(entries)
}

/// A file's text, for what is said about it.
struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    settings: &'a [Setting],
}

impl Document<'_> {
    fn complaint(&self, line: usize, problem: &str) -> StartupError {
        StartupError::Config(format!("{}: {problem}", place(self.path, line)))
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn entries(&self) -> Result<Vec<Entry>, StartupError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let line = self.line(error.span().map_or(0, |span| span.start));
            self.complaint(line, &format!("this is no TOML: {}", error.message().replace('\n', ", ")))
        })?;
        let mut entries = Vec::new();
        self.walk(None, table.get_ref(), &mut entries)?;
        // The order of the file, so that the first mistake is told first.
        entries.sort_by_key(|entry| entry.line);
        Ok(entries)
    }

    fn walk(&self, table: Option<&str>, keys: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<(), StartupError> {
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in keys {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span().start));
            let found = self.settings.iter().find(|setting| setting.table == table && setting.key == name);
            match (found, value.get_ref()) {
                (Some(setting), _) => {
                    entries.push(Entry { id: setting.id.clone(), values: self.values(setting, value, line)?, line });
                }
                (None, DeValue::Table(inner)) if table.is_none() && self.has_table(name) => {
                    self.walk(Some(name), inner, entries)?;
                }
                (None, _) => return Err(self.complaint(line, &self.unknown(table, name))),
            }
        }
        Ok(())
    }

    fn has_table(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.table == Some(name))
    }

    /// What is said of a key that is no setting.
    fn unknown(&self, table: Option<&str>, name: &str) -> String {
        let whole = table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"));
        let alike = |known: &str| {
            let written = |text: &str| text.to_lowercase().replace('_', "-");
            let whole = strsim::normalized_damerau_levenshtein(&written(&whole), known);
            // The right key at the wrong place.
            let key = known.rsplit('.').next().unwrap_or(known);
            // Of keys that stand in several tables, the one in the right place.
            (whole.max(strsim::normalized_damerau_levenshtein(&written(name), key)), whole)
        };
        let tables = self.settings.iter().filter_map(|setting| setting.table).map(ToOwned::to_owned);
        let known = self.settings.iter().map(Setting::path).chain(tables);
        let best = known.map(|known| (alike(&known), known));
        let best = best.max_by(|((a, whole), _), ((b, other), _)| a.total_cmp(b).then(whole.total_cmp(other)));
        match best.filter(|((alike, _), _)| *alike >= ALIKE) {
            // As happens to a line at the end of a file with tables.
            Some((_, known)) if table.is_some() && known == name => {
                format!("there is no setting {whole:?}; {name:?} must stand above the first [table]")
            }
            Some((_, known)) => format!("there is no setting {whole:?}; did you mean {known:?}?"),
            None => format!("there is no setting {whole:?}; `psmonitor check-config` prints all that there are"),
        }
    }

    /// The values of a setting, as they would be typed.
    fn values(
        &self,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
        line: usize,
    ) -> Result<Vec<String>, StartupError> {
        let wrong = |found: &DeValue<'_>| {
            let wanted = match setting.kind {
                Kind::Text => "text in quotes",
                Kind::Number => "a whole number",
                Kind::Switch => "true or false",
                Kind::List => "a list of texts",
            };
            let found = match found {
                DeValue::String(_) => "text",
                DeValue::Integer(_) => "a number",
                DeValue::Float(_) => "a number with a fraction",
                DeValue::Boolean(_) => "true or false",
                DeValue::Datetime(_) => "a date or time",
                DeValue::Array(_) => "a list",
                DeValue::Table(_) => "a table",
            };
            let example = setting.example();
            self.complaint(line, &format!("{} must be {wanted}, not {found}; write it as {example}", setting.path()))
        };
        match (setting.kind, value.get_ref()) {
            (Kind::Text, DeValue::String(text)) => Ok(vec![text.to_string()]),
            (Kind::Number, found @ DeValue::Integer(number)) => {
                let number = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
                Ok(vec![number.map_err(|_| wrong(found))?.to_string()])
            }
            (Kind::Switch, DeValue::Boolean(is)) => Ok(vec![is.to_string()]),
            (Kind::List, DeValue::Array(all)) => all
                .iter()
                .map(|one| one.get_ref().as_str().map(ToOwned::to_owned).ok_or_else(|| wrong(one.get_ref())))
                .collect(),
            (_, found) => Err(wrong(found)),
        }
    }

    /// Whether the value would be taken as a flag.
    fn judge(&self, entry: &Entry, command: &Command) -> Result<(), StartupError> {
        let Some(setting) = self.settings.iter().find(|setting| setting.id == entry.id) else { return Ok(()) };
        let flags = entry.values.iter().map(|value| format!("--{}={value}", setting.flag));
        let typed = std::iter::once("psmonitor".to_owned()).chain(flags);
        let Err(error) = command.clone().try_get_matches_from(typed) else { return Ok(()) };
        let text = crate::cli::one_line(&error.to_string());
        // As clap says it: `invalid value 'x' for '--port <PORT>': why`.
        let why = text.split_once(">': ").or_else(|| text.split_once(">'; ")).map_or(text.as_str(), |(_, why)| why);
        Err(self.complaint(entry.line, &format!("{} = {}: {why}", setting.path(), setting.toml(&entry.values))))
    }
}

/// How a line of a file is called.
pub fn place(path: &Path, line: usize) -> String {
    format!("{}, line {line}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{command, settings};

    fn entries(text: &str) -> Result<Vec<Entry>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, text).unwrap();
        let said = read(&path, &settings::all(&command()), &command()).map_err(|error| error.to_string());
        said.map_err(|text| text.replace(&*path.to_string_lossy(), "test.toml"))
    }

    #[test]
    fn keys_are_flags() {
        let text = "# a comment\nport = 0x1F_90\ninterval = \"5s\"\n\nno-auth = true\nlisten = [\n  \"127.0.0.1:1\",\n  '[::1]:2',\n]\n";
        let entry = |id: &str, values: &[&str], line| Entry {
            id: id.into(),
            values: values.iter().map(ToString::to_string).collect(),
            line,
        };
        let expected = [
            entry("port", &["8080"], 2),
            entry("interval", &["5s"], 3),
            entry("no_auth", &["true"], 5),
            entry("listen", &["127.0.0.1:1", "[::1]:2"], 6),
        ];
        assert_eq!(entries(text).unwrap(), expected);
        assert_eq!(entries("").unwrap(), []);
    }

    #[test]
    fn each_mistake_is_told_with_its_line_and_what_would_be_right() {
        for (text, line, hint) in [
            ("prot = 80", 1, "did you mean \"port\"?"),
            ("\n\nmax_connections = 5", 3, "did you mean \"max-connections\"?"),
            ("Interval = \"1s\"", 1, "did you mean \"interval\"?"),
            ("xyzzy = 1", 1, "check-config"),
            ("[server]\nport = 1", 1, "there is no setting \"server\""),
            ("[agent]\nport = 1", 2, "\"agent.port\"; \"port\" must stand above the first [table]"),
            ("a = 1\na = 2", 2, "duplicate key"),
            ("port = ", 1, "no TOML"),
            ("port = 80\ninterval = 'x", 2, "no TOML"),
            ("port = \"80\"", 1, "port must be a whole number, not text; write it as port = 4500"),
            ("interval = 5", 1, "interval must be text in quotes, not a number; write it as interval = \"1s\""),
            ("no-auth = \"yes\"", 1, "true or false, not text; write it as no-auth = false"),
            ("allow-host = \"a\"", 1, "a list of texts, not text; write it as allow-host = [\"NAME\"]"),
            ("allow-host = [1]", 1, "a list of texts, not a number"),
            ("port = [80]", 1, "not a list"),
            ("port = {a = 1}", 1, "not a table"),
            ("\nport = 70000", 2, "port = 70000: 70000 is not in 0..=65535"),
            ("port = -1", 1, "port = -1: -1 is not in 0..=65535"),
            ("port = 99999999999999999999", 1, "port must be a whole number"),
            ("token-file = \"\"", 1, "token-file = \"\": "),
            ("max-connections = 1.5", 1, "max-connections must be a whole number, not a number with a fraction"),
        ] {
            let error = entries(text).unwrap_err();
            assert!(
                error.starts_with(&format!("test.toml, line {line}: ")) && error.contains(hint),
                "{text:?}: {error}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let settings = settings::all(&command());
        let error = read(Path::new("/nonexistent/x.toml"), &settings, &command()).unwrap_err().to_string();
        assert!(error.contains("--config /nonexistent/x.toml"), "{error}");
    }
}
