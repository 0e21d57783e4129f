//! The settings as a file of TOML: what `psmonitor check-config` prints, each value with its origin. Makes text; never that
//! of a secret.

use super::typed::{Origin, Row, Typed};
use crate::model::redact;

/// What stands for a secret.
const MASKED: &str = "***";

impl Typed {
    /// Every setting, its value, and where that came from. The text is a configuration file with the same meaning, but for
    /// masked secrets.
    pub fn report(&self) -> String {
        let mut lines: Vec<(String, String)> = Vec::new();
        for (table, rows) in by_table(self.rows(), |row| row.setting.table) {
            lines.extend(table.map(|table| (format!("[{table}]"), String::new())));
            lines.extend(rows.into_iter().map(|row| (line(row), self.origin(row))));
        }
        if std::env::var_os("PSMONITOR_TOKEN").is_some() {
            lines.push((format!("# PSMONITOR_TOKEN = {MASKED}"), "PSMONITOR_TOKEN".to_owned()));
        }
        let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width < 50).max().unwrap_or(0);
        let mut text = String::new();
        for (line, origin) in lines {
            let line = match origin.is_empty() {
                true => line,
                false => format!("{line:width$}  # {origin}"),
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn origin(&self, row: &Row) -> String {
        match (&row.origin, &self.file) {
            (Origin::Flag, _) => format!("--{}", row.setting.flag),
            (Origin::Variable, _) => row.setting.variable.clone(),
            (Origin::Line(line), Some(file)) => format!("{}:{line}", file.display()),
            _ => "default".to_owned(),
        }
    }
}

fn line(row: &Row) -> String {
    let setting = &row.setting;
    match &row.values {
        None => format!("# {} is not set", setting.key),
        Some(_) if setting.is_secret() && row.origin != Origin::Default => {
            format!("{} = {}", setting.key, setting.toml(&[MASKED.to_owned()]))
        }
        Some(values) => {
            let values: Vec<String> =
                values.iter().map(|value| redact::redact(std::slice::from_ref(value)).concat()).collect();
            format!("{} = {}", setting.key, setting.toml(&values))
        }
    }
}

/// What stands at the top first, then table by table, each in the given order.
pub(super) fn by_table<'a, T>(
    all: &'a [T],
    table: fn(&T) -> Option<&'static str>,
) -> Vec<(Option<&'static str>, Vec<&'a T>)> {
    let mut groups: Vec<(Option<&'static str>, Vec<&'a T>)> = vec![(None, Vec::new())];
    for one in all {
        match groups.iter_mut().find(|(of, _)| *of == table(one)) {
            Some((_, group)) => group.push(one),
            None => groups.push((table(one), vec![one])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Args;
    use crate::config::settings::{self, Setting};
    use clap::CommandFactory;

    #[test]
    fn what_is_secret_is_not_shown() {
        let url = |text: &str| redact::redact(&[text.to_owned()]).concat();
        assert_eq!(url("https://host/write?token=secret&to=x"), "https://host/write?token=***&to=x");
        assert_eq!(url("https://ann:secret@host:1/x?y@z"), "https://ann:***@host:1/x?y@z");
        assert_eq!(url("https://host/@x"), "https://host/@x");
        assert_eq!(url("no url: a@b"), "no url: a@b");
        let mut setting =
            settings::all(&Args::command()).into_iter().find(|setting| setting.flag == "interval").unwrap();
        let shown = |setting: &Setting| {
            line(&Row { setting: setting.clone(), values: Some(vec!["hidden".into()]), origin: Origin::Flag })
        };
        assert_eq!(shown(&setting), "interval = \"hidden\"");
        setting.flag = "smtp-password".into();
        assert_eq!(shown(&setting), "interval = \"***\"");
        setting.value_name = "FILE".into();
        assert_eq!(shown(&setting), "interval = \"hidden\"", "where a secret stands is none");
    }
}
