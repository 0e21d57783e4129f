//! The log on stderr: lines with the time, or for the journal with a priority instead, or JSON objects. Set up once by
//! `main`. What is logged must hold no secret; characters that move a terminal are written out by [`crate::terminal`].

use std::io::Write;

use env_logger::{Builder, Env, Target};
use log::{Level, Record};

use crate::terminal::{self, Stderr};

/// What is logged where `RUST_LOG` does not say otherwise. What a client's frame breaks is an error to actix; its close code
/// says it to who sent it, and the log is not theirs to fill.
const DEFAULT: &str = "info,actix_server=warn,actix_http::ws=off";

/// Sets the log up. `is_json` makes an object of each line.
pub fn init(is_json: bool) {
    let mut builder = Builder::from_env(Env::default().default_filter_or(DEFAULT));
    builder.target(Target::Pipe(Box::new(Stderr))).format_indent(None);
    let is_journal = terminal::is_journal();
    if is_json {
        builder.format(move |out, record| {
            let time = (!is_journal).then(|| out.timestamp_millis().to_string());
            writeln!(out, "{}{}", prefix(is_journal, record.level()), json(record, time))
        });
    } else if is_journal {
        builder.format(|out, record| writeln!(out, "{}{}", prefix(true, record.level()), plain(record)));
    }
    builder.init();
}

/// The priority as the journal reads it from the beginning of a line (sd-daemon(3)).
fn prefix(is_journal: bool, level: Level) -> &'static str {
    match level {
        _ if !is_journal => "",
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// The journal knows the time and who we are; where in the program a line comes from helps in looking closer alone.
fn plain(record: &Record<'_>) -> String {
    match record.level() {
        Level::Debug | Level::Trace => format!("{}: {}", record.target(), record.args()),
        _ => record.args().to_string(),
    }
}

fn json(record: &Record<'_>, time: Option<String>) -> String {
    let mut line = serde_json::Map::new();
    line.extend(time.map(|time| ("time".to_owned(), time.into())));
    line.insert("level".to_owned(), record.level().as_str().to_ascii_lowercase().into());
    line.insert("target".to_owned(), record.target().into());
    line.insert("message".to_owned(), record.args().to_string().into());
    // What moves a terminal is escaped as JSON does it, so that `terminal::plain`, which comes after, finds nothing to do.
    let text = serde_json::Value::Object(line).to_string();
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if terminal::is_control(c) {
            plain.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<T>(level: Level, text: &str, with: impl FnOnce(&Record<'_>) -> T) -> T {
        with(&Record::builder().level(level).target("psmonitor::x").args(format_args!("{text}")).build())
    }

    #[test]
    fn the_journal_gets_priorities() {
        for (level, expected) in
            [(Level::Error, "<3>"), (Level::Warn, "<4>"), (Level::Info, "<6>"), (Level::Debug, "<7>")]
        {
            assert_eq!((prefix(true, level), prefix(false, level)), (expected, ""));
        }
        assert_eq!(record(Level::Info, "all is well", plain), "all is well");
        assert_eq!(record(Level::Debug, "all is well", plain), "psmonitor::x: all is well");
    }

    #[test]
    fn a_line_of_json_is_json_whatever_is_in_it() {
        for text in ["all is well", "a \"b\"\\", "two\nlines\t", "\u{1b}[31m\u{7f}\u{9b}", "\u{202e}gpj\u{2028}", "🐧"]
        {
            let line = record(Level::Warn, text, |record| json(record, Some("now".into())));
            assert_eq!(terminal::plain(&line), line, "there is nothing left to be written out");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(
                value,
                serde_json::json!({"time": "now", "level": "warn", "target": "psmonitor::x", "message": text})
            );
        }
        assert!(!record(Level::Info, "x", |record| json(record, None)).contains("time"));
    }
}
