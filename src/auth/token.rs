//! The token file: one token a line, `#` begins a comment line, compared in constant time. A line `report TOKEN` has a token
//! that hands in reports and opens nothing: what is given to other machines should be worth nothing to who breaks into them.
//! `report TOKEN SYSTEM-ID` has one that reports as this system and as no other.

use std::path::Path;

use subtle::ConstantTimeEq;

use super::file;
use crate::error::StartupError;

/// Shortest token that is taken: a guessable one is worse than none, because it looks like protection.
const SHORTEST: usize = 16;

/// What stands before a token that hands in reports.
const REPORT: &str = "report";

/// The tokens of a file.
#[derive(Default)]
pub struct Tokens {
    /// Those that open everything.
    full: Vec<Box<[u8]>>,
    /// Those that hand in reports.
    reporting: Vec<ReportToken>,
}

struct ReportToken {
    token: Box<[u8]>,
    /// The system that it reports as; `None` as any.
    system: Option<Box<str>>,
}

/// What a token hands in reports of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reporting {
    /// Any system.
    Any,
    /// These.
    Only(Vec<Box<str>>),
}

impl Reporting {
    /// Whether it may report as this system.
    #[must_use]
    pub fn allows(&self, system: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(systems) => systems.iter().any(|allowed| **allowed == *system),
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} token{}", self.full.len(), if self.full.len() == 1 { "" } else { "s" })?;
        if self.reporting.is_empty() { Ok(()) } else { write!(f, " and {} for reports", self.reporting.len()) }
    }
}

impl Tokens {
    /// Reads a token file. Warns about one that other users of the machine can read.
    pub fn from_file(path: &Path) -> Result<Self, StartupError> {
        let text = file::read_secret_text("--token-file", path)?;
        Self::from_text(&text, &format!("--token-file {}", path.display()))
    }

    /// Takes the tokens out of a text; `name` is how complaints call it.
    pub fn from_text(text: &str, name: &str) -> Result<Self, StartupError> {
        let mut tokens = Self::default();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (token, system) = match line.split_once(char::is_whitespace) {
                Some((REPORT, rest)) => {
                    let rest = rest.trim_start();
                    let (token, system) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                    (token, Some(Some(system.trim_start()).filter(|system| !system.is_empty())))
                }
                _ => (line, None),
            };
            let is_well = token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_well {
                return Err(StartupError::Config(format!(
                    "{name}, line {}: a token has at least {SHORTEST} characters, printable ASCII without spaces, and \
                     may stand behind the word `{REPORT}`; `openssl rand -hex 32` makes a good one",
                    at + 1
                )));
            }
            if system.flatten().is_some_and(|system| system.starts_with('#')) {
                return Err(StartupError::Config(format!(
                    "{name}, line {}: what stands behind a token for reports is the one system that it reports as; a comment \
                     has a line of its own",
                    at + 1
                )));
            }
            match system {
                None => tokens.full.push(token.as_bytes().into()),
                Some(system) => tokens
                    .reporting
                    .push(ReportToken { token: token.as_bytes().into(), system: system.map(Into::into) }),
            }
        }
        if tokens.full.is_empty() && tokens.reporting.is_empty() {
            return Err(StartupError::Config(format!("{name}: there is no token in it; put one on a line of its own")));
        }
        Ok(tokens)
    }

    /// The first token of the file that opens everything.
    pub(super) fn first(&self) -> Option<String> {
        self.full.first().map(|token| String::from_utf8_lossy(token).into_owned())
    }

    /// Whether `given` is one of the tokens that open everything.
    #[must_use]
    pub fn contains(&self, given: &str) -> bool {
        is_among(&self.full, given)
    }

    /// What `given` hands in reports of, if it is one of those that do and open nothing. One that stands in several lines
    /// reports as each of their systems.
    #[must_use]
    pub fn reporting(&self, given: &str) -> Option<Reporting> {
        let mut found = None;
        for ReportToken { token, system } in &self.reporting {
            if !bool::from(token.ct_eq(given.as_bytes())) {
                continue;
            }
            match (system, &mut found) {
                (None, found) => *found = Some(Reporting::Any),
                (Some(system), None) => found = Some(Reporting::Only(vec![system.clone()])),
                (Some(system), Some(Reporting::Only(systems))) => systems.push(system.clone()),
                (Some(_), Some(Reporting::Any)) => {}
            }
        }
        found
    }
}

/// All are compared, whichever fits; only the length can be timed.
fn is_among(tokens: &[Box<[u8]>], given: &str) -> bool {
    tokens.iter().fold(subtle::Choice::from(0), |found, token| found | token.ct_eq(given.as_bytes())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_comments_and_tokens() {
        let tokens = Tokens::from_text("# for the dashboard\n\n0123456789abcdef\n  fedcba9876543210  \n", "f").unwrap();
        assert!(tokens.contains("0123456789abcdef") && tokens.contains("fedcba9876543210"));
        for wrong in ["", "0123456789abcde", "0123456789abcdefg", "# for the dashboard", "0123456789ABCDEF"] {
            assert!(!tokens.contains(wrong), "{wrong}");
        }
        assert_eq!(format!("{tokens:?}"), "2 tokens");
        assert_eq!(format!("{:?}", Tokens::from_text("0123456789abcdef", "f").unwrap()), "1 token");
    }

    #[test]
    fn a_token_for_reports_is_another_kind() {
        let tokens =
            Tokens::from_text("report 0123456789abcdef\nfedcba9876543210\nreport\t 00112233445566778899\n", "f");
        let tokens = tokens.unwrap();
        for reporting in ["0123456789abcdef", "00112233445566778899"] {
            assert_eq!(tokens.reporting(reporting), Some(Reporting::Any), "{reporting}");
            assert!(!tokens.contains(reporting), "{reporting}");
        }
        assert!(tokens.contains("fedcba9876543210") && tokens.reporting("fedcba9876543210").is_none());
        for wrong in ["report 0123456789abcdef", "report", ""] {
            assert!(tokens.reporting(wrong).is_none() && !tokens.contains(wrong), "{wrong}");
        }
        assert_eq!(format!("{tokens:?}"), "1 token and 2 for reports");
        assert_eq!(tokens.first().as_deref(), Some("fedcba9876543210"));
    }

    #[test]
    fn a_token_for_reports_may_be_of_some_systems() {
        let text = "report 0123456789abcdef web 1\nreport\tfedcba9876543210  db1\nreport fedcba9876543210 db2\n\
                    report 00112233445566778899 db1\nreport 00112233445566778899\n";
        let tokens = Tokens::from_text(text, "f").unwrap();
        let may = |token: &str, system: &str| tokens.reporting(token).is_some_and(|reporting| reporting.allows(system));
        for (token, allowed) in [
            ("0123456789abcdef", [true, false, false]),
            ("fedcba9876543210", [false, true, true]),
            ("00112233445566778899", [true, true, true]),
            ("0123456789abcdef web 1", [false, false, false]),
        ] {
            assert_eq!(["web 1", "db1", "db2"].map(|system| may(token, system)), allowed, "{token}");
            assert!(!tokens.contains(token), "{token}");
        }
    }

    #[test]
    fn a_file_that_protects_nothing_is_refused() {
        for (text, hint) in [
            ("", "no token"),
            ("# only this\n", "no token"),
            ("a\n", "line 1"),
            ("# x\nwith space in it!\n", "line 2"),
            ("report\n", "line 1"),
            ("report short", "line 1"),
            ("report short db1", "line 1"),
            ("# x\nreport 0123456789abcdef # for db1", "line of its own"),
        ] {
            let error = Tokens::from_text(text, "tokens.txt").unwrap_err().to_string();
            assert!(error.contains("tokens.txt") && error.contains(hint), "{error}");
            assert!(!error.contains("with space"), "a token must not be repeated: {error}");
        }
    }
}
