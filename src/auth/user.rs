//! The users file: one `name:hash` a line, `#` begins a comment line.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use super::file;
use super::password::PasswordHash;
use crate::error::StartupError;

/// Longest name of a user.
const LONGEST_NAME: usize = 64;

/// Everybody who may log in.
#[derive(Default)]
pub struct Users {
    by_name: HashMap<Arc<str>, PasswordHash>,
    /// The same names, for choosing one by number.
    names: Vec<Arc<str>>,
    chooser: RandomState,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} user{}", self.names.len(), if self.names.len() == 1 { "" } else { "s" })
    }
}

/// What a login is compared with.
pub struct Candidate {
    /// The user's hash, or somebody's.
    pub hash: PasswordHash,
    /// The user. `None` for a name that nobody has.
    pub name: Option<Arc<str>>,
}

impl Users {
    /// Reads a users file. Warns about one that other users of the machine can read.
    pub fn from_file(path: &Path) -> Result<Self, StartupError> {
        let text = file::read_secret_text("--users-file", path)?;
        Self::from_text(&text, &format!("--users-file {}", path.display()))
    }

    /// Takes the users out of a text; `file` is how complaints call it.
    pub fn from_text(text: &str, file: &str) -> Result<Self, StartupError> {
        let mut users = Self::default();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let problem = |what: &str| StartupError::Config(format!("{file}, line {}: {what}", at + 1));
            let (name, hash) = line.split_once(':').ok_or_else(|| problem("it must be NAME:HASH"))?;
            if !is_name(name) {
                return Err(problem("a name has 1 to 64 characters: letters and digits of ASCII, and . _ @ -"));
            }
            let name: Arc<str> = name.into();
            let hash = PasswordHash::parse(hash).map_err(problem)?;
            if users.by_name.insert(Arc::clone(&name), hash).is_some() {
                return Err(problem("there is a user of this name above"));
            }
            users.names.push(name);
        }
        Ok(users)
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The user of this name, and the hash of the password.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&Arc<str>, &PasswordHash)> {
        self.by_name.get_key_value(name)
    }

    /// What a login under this name is compared with. For a name that nobody has it is the hash of one of the users,
    /// always the same one for the same name, so that the answer takes as long. `None` when there are no users.
    #[must_use]
    pub fn candidate(&self, name: &str) -> Option<Candidate> {
        // Chosen also when it is not needed, so that both ways do the same.
        let other = (self.chooser.hash_one(name) as usize).checked_rem(self.names.len()).map(|at| &self.names[at])?;
        let (known, chosen) = match self.by_name.get_key_value(name) {
            Some((name, _)) => (Some(name), name),
            None => (None, other),
        };
        Some(Candidate { hash: self.by_name.get(chosen)?.clone(), name: known.cloned() })
    }
}

/// Names stand in URLs and in the log as they are, so they have no character that means anything there.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'-');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    #[test]
    fn a_file_has_comments_and_users() {
        let users = Users::from_text(&format!("# who\n\nann:{HASH}\n  bob@home:{HASH} \n"), "f").unwrap();
        assert!(users.find("ann").is_some() && users.find("bob@home").is_some() && users.find("Ann").is_none());
        assert_eq!(format!("{users:?}"), "2 users");
        let one = Users::from_text(&format!("ann:{HASH}\n"), "f").unwrap();
        assert_eq!((format!("{one:?}").as_str(), one.is_empty()), ("1 user", false));
        let none = Users::from_text("# nobody\n", "f").unwrap();
        assert_eq!((format!("{none:?}").as_str(), none.is_empty()), ("0 users", true));
    }

    #[test]
    fn a_wrong_line_is_told_without_its_hash() {
        for (line, hint) in [
            ("ann", "NAME:HASH"),
            (":$2b$05$x", "a name has"),
            ("a b:$2b$05$x", "a name has"),
            ("a&b:$2b$05$x", "a name has"),
            ("ann:secretword", "hash-password"),
            ("first:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "above"),
        ] {
            let error = Users::from_text(&format!("first:{HASH}\n{line}\n"), "users.txt").unwrap_err().to_string();
            assert!(error.contains("users.txt, line 2") && error.contains(hint), "{error}");
            assert!(!error.contains("secretword") && !error.contains("abcdefg"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_compared_with_somebody() {
        let users = Users::from_text(&format!("ann:{HASH}\nbob:{HASH}\n"), "f").unwrap();
        assert_eq!(users.candidate("ann").unwrap().name.as_deref(), Some("ann"));
        let nobody = users.candidate("eve").unwrap();
        assert!(nobody.name.is_none() && nobody.hash.as_str() == HASH);
        assert!(Users::default().candidate("ann").is_none());
    }
}
