//! The token file: one token a line, `#` begins a comment line, compared in constant time. A line `report TOKEN` has a token
//! that hands in reports and opens nothing: what is given to other machines should be worth nothing to who breaks into them.

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
    reporting: Vec<Box<[u8]>>,
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
            let (line, kind) = match line.split_once(char::is_whitespace) {
                Some((REPORT, token)) => (token.trim_start(), &mut tokens.reporting),
                _ => (line, &mut tokens.full),
            };
            let is_well = line.len() >= SHORTEST && line.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_well {
                return Err(StartupError::Config(format!(
                    "{name}, line {}: a token has at least {SHORTEST} characters, printable ASCII without spaces, and \
                     may stand behind the word `{REPORT}`; `openssl rand -hex 32` makes a good one",
                    at + 1
                )));
            }
            kind.push(line.as_bytes().into());
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

    /// Whether `given` is one of those that hand in reports and open nothing.
    #[must_use]
    pub fn contains_reporting(&self, given: &str) -> bool {
        is_among(&self.reporting, given)
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
            assert!(tokens.contains_reporting(reporting) && !tokens.contains(reporting), "{reporting}");
        }
        assert!(tokens.contains("fedcba9876543210") && !tokens.contains_reporting("fedcba9876543210"));
        for wrong in ["report 0123456789abcdef", "report", ""] {
            assert!(!tokens.contains_reporting(wrong) && !tokens.contains(wrong), "{wrong}");
        }
        assert_eq!(format!("{tokens:?}"), "1 token and 2 for reports");
        assert_eq!(tokens.first().as_deref(), Some("fedcba9876543210"));
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
        ] {
            let error = Tokens::from_text(text, "tokens.txt").unwrap_err().to_string();
            assert!(error.contains("tokens.txt") && error.contains(hint), "{error}");
            assert!(!error.contains("with space"), "a token must not be repeated: {error}");
        }
    }
}
