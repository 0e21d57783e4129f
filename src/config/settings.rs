//! Every setting under its three names: the flag `--max-connections`, the variable `PSMONITOR_MAX_CONNECTIONS` and the key
//! `max-connections` of the configuration file. The list is made from the flags themselves, so a new flag is a setting by
//! being there; one that belongs into a table of the file has a row in [`IN_TABLES`].
//!
//! Used by the rest of `config`. Must not know what a setting means.

use clap::builder::ArgAction;
use clap::{Arg, Command};

use super::defaults;

/// Flags whose key stands in a table: table, key, flag. Every other key stands at the top and has the flag's name.
const IN_TABLES: &[(&str, &str, &str)] = &[
    ("receiver", "enabled", "receive"),
    ("receiver", "auto-register", "auto-register"),
    ("receiver", "systems", "register-system"),
    ("receiver", "max-systems", "max-systems"),
    ("receiver", "forget-after", "forget-after"),
    ("receiver", "disk-mib", "receiver-mib"),
    ("agent", "url", "agent-url"),
    ("agent", "interval", "agent-interval"),
    ("agent", "system-id", "agent-system-id"),
    ("agent", "token-file", "agent-token-file"),
    ("agent", "ca-file", "agent-ca-file"),
    ("agent", "forward", "agent-forward"),
    ("remote-write", "url", "remote-write-url"),
    ("remote-write", "interval", "remote-write-interval"),
    ("remote-write", "token-file", "remote-write-token-file"),
    ("remote-write", "ca-file", "remote-write-ca-file"),
    ("remote-write", "collect", "remote-write-collect"),
    ("remote-write", "series", "remote-write-series"),
    ("remote-write", "job", "remote-write-job"),
    ("remote-write", "instance", "remote-write-instance"),
    ("remote-write", "external-labels", "remote-write-label"),
];

/// Flags that are no settings.
const NO_SETTINGS: [&str; 4] = ["config", "generate", "help", "version"];

/// What a value looks like in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `key = "text"`
    Text,
    /// `key = 1`
    Number,
    /// `key = true`
    Switch,
    /// `key = ["text", "text"]`
    List,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What clap calls it.
    pub id: String,
    /// The flag, without dashes.
    pub flag: String,
    /// The variable.
    pub variable: String,
    /// The table of the file in which the key stands.
    pub table: Option<&'static str>,
    /// The key in the file.
    pub key: String,
    /// What a value looks like.
    pub kind: Kind,
    /// The text of `--help`, without the default.
    pub help: String,
    /// What the flag's text calls a value.
    pub value_name: String,
    /// What holds where nothing was set, as it is typed. `None` where nothing holds.
    pub default: Option<Vec<String>>,
}

impl Setting {
    fn new(arg: &Arg) -> Option<Self> {
        let (id, flag) = (arg.get_id().as_str(), arg.get_long()?);
        if NO_SETTINGS.contains(&id) {
            return None;
        }
        let kind = kind(arg);
        let row = IN_TABLES.iter().find(|(_, _, in_table)| *in_table == flag);
        let default = match kind {
            Kind::Switch => Some(vec!["false".to_owned()]),
            Kind::List => Some(Vec::new()),
            Kind::Text | Kind::Number => defaults::text(id).map(|text| vec![text]),
        };
        Some(Self {
            id: id.to_owned(),
            flag: flag.to_owned(),
            variable: arg.get_env()?.to_string_lossy().into_owned(),
            table: row.map(|(table, _, _)| *table),
            key: row.map_or(flag, |(_, key, _)| key).to_owned(),
            kind,
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
            value_name: arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default(),
            default,
        })
    }

    /// The key with its table, `table.key`.
    pub fn path(&self) -> String {
        self.table.map_or_else(|| self.key.clone(), |table| format!("{table}.{}", self.key))
    }

    /// Values as the file spells them.
    pub fn toml(&self, values: &[String]) -> String {
        match self.kind {
            Kind::Text => quoted(values.first().map_or("", String::as_str)),
            Kind::Number | Kind::Switch => values.first().cloned().unwrap_or_default(),
            Kind::List => format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")),
        }
    }

    /// An example of a line in the file, for complaints.
    pub fn example(&self) -> String {
        let value = match (&self.default, self.kind) {
            (Some(values), Kind::Text | Kind::Number | Kind::Switch) => self.toml(values),
            (None, Kind::Number) => "1".to_owned(),
            (_, Kind::List) => format!("[{}]", quoted(&self.value_name)),
            (None, Kind::Text | Kind::Switch) => quoted(&self.value_name),
        };
        format!("{} = {value}", self.key)
    }

    /// Whether the value itself must not be shown. Files of secrets may be named.
    pub fn is_secret(&self) -> bool {
        let is_file = self.value_name == "FILE" || self.value_name == "FOLDER";
        !is_file && ["token", "password", "secret"].iter().any(|word| self.flag.contains(word))
    }
}

/// Every setting, in the order of `--help`.
pub fn all(command: &Command) -> Vec<Setting> {
    command.get_arguments().filter_map(Setting::new).collect()
}

fn kind(arg: &Arg) -> Kind {
    use std::any::TypeId;
    let value = arg.get_value_parser().type_id();
    if matches!(arg.get_action(), ArgAction::Append) {
        Kind::List
    } else if value == TypeId::of::<bool>() {
        Kind::Switch
    } else if [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()]
        .iter()
        .any(|number| value == *number)
    {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// Text as TOML takes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Args;
    use clap::CommandFactory;

    #[test]
    fn every_flag_is_a_setting_with_three_names() {
        let settings = all(&Args::command());
        let flags = Args::command().get_arguments().filter(|arg| !NO_SETTINGS.contains(&arg.get_id().as_str())).count();
        assert_eq!(settings.len(), flags);
        for setting in &settings {
            assert_eq!(setting.variable, format!("PSMONITOR_{}", setting.flag.to_uppercase().replace('-', "_")));
            assert!(setting.table.is_some() || setting.key == setting.flag);
        }
        for (table, key, flag) in IN_TABLES {
            assert!(settings.iter().any(|setting| setting.flag == *flag), "{table}.{key}: there is no --{flag}");
        }
        let mut paths: Vec<_> = settings.iter().map(Setting::path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), settings.len(), "two flags have one key");
    }

    #[test]
    fn kinds_follow_the_types_of_the_flags() {
        let settings = all(&Args::command());
        let kind = |flag: &str| settings.iter().find(|setting| setting.flag == flag).unwrap().kind;
        assert_eq!(kind("port"), Kind::Number);
        assert_eq!(kind("workers"), Kind::Number);
        assert_eq!(kind("interval"), Kind::Text);
        assert_eq!(kind("data-dir"), Kind::Text);
        assert_eq!(kind("no-auth"), Kind::Switch);
        assert_eq!(kind("listen"), Kind::List);
    }

    #[test]
    fn text_survives_being_quoted() {
        for text in ["", "a", r#"say "so""#, r"C:\n", "two\nlines\t\u{1}", "Straße"] {
            let line = format!("key = {}", quoted(text));
            let table = toml::de::DeTable::parse(&line).unwrap();
            assert_eq!(table.get_ref()["key"].get_ref().as_str(), Some(text), "{line}");
        }
    }
}
