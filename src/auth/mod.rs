//! Who somebody is: tokens from a file. Knows nothing of HTTP beyond the text of an `Authorization` header.
//!
//! Asked by the server's guard for every request once there is anything to ask for. Secrets never reach a log: nothing here
//! prints one, and their types have no readable `Debug`.

pub mod token;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::StartupError;
use token::Tokens;

/// Where secrets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// A file with one token a line.
    pub token_file: Option<PathBuf>,
    /// A token from the environment, for containers. Used when there is no file.
    pub token: Option<Secret>,
}

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Somebody who proved that they may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The holder of a token of the token file.
    Token,
}

impl Identity {
    /// How the log calls them.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Token => "token",
        }
    }
}

/// Everything that is compared with. Replaced as a whole when the files are read again.
#[derive(Debug, Default)]
struct Keys {
    tokens: Tokens,
}

/// The doorkeeper.
#[derive(Debug)]
pub struct Auth {
    sources: Sources,
    /// Read at each request for the time of a clone; written when the files are read again.
    keys: RwLock<Arc<Keys>>,
}

impl Auth {
    /// Reads all sources.
    pub fn load(sources: &Sources) -> Result<Self, StartupError> {
        let keys = Keys::load(sources)?;
        Ok(Self { sources: sources.clone(), keys: RwLock::new(Arc::new(keys)) })
    }

    /// Reads all sources again. When one is broken everything stays as it was.
    pub fn reload(&self) -> Result<(), StartupError> {
        let keys = Arc::new(Keys::load(&self.sources)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Whether strangers are kept out at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sources.is_any()
    }

    /// Who sent this `Authorization` header. `None` for nobody we know.
    #[must_use]
    pub fn identify(&self, authorization: Option<&str>) -> Option<Identity> {
        let (scheme, bearer) = authorization?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        self.keys().tokens.contains(bearer.trim()).then_some(Identity::Token)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sources {
    /// Whether there is any way to prove who one is.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.token_file.is_some() || self.token.is_some()
    }
}

impl Keys {
    fn load(sources: &Sources) -> Result<Self, StartupError> {
        let tokens = match (&sources.token_file, &sources.token) {
            (Some(file), _) => Tokens::from_file(file)?,
            (None, Some(token)) => Tokens::from_text(&token.0, "PSMONITOR_TOKEN")?,
            (None, None) => Tokens::default(),
        };
        Ok(Self { tokens })
    }
}
