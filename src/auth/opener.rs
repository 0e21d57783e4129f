//! What a stream was opened with, to be asked again whether it still counts: who lost their token must lose what they opened
//! with it.
//!
//! Made by the server's guard and routes, kept by workers that wait and by streams, asked at each reload.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::password::PasswordHash;
use super::{Auth, Secret};

/// See the head of this file. Cheap to clone; tells nothing about the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Opener(Proof);

#[derive(Clone, PartialEq, Eq)]
enum Proof {
    /// A token of a file, or one that a login gave.
    Token(Arc<Secret>),
    /// The password of a user, which has this hash.
    Password(Arc<str>, Arc<PasswordHash>),
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Proof::Token(_) => f.write_str("a token"),
            Proof::Password(name, _) => write!(f, "the password of {name}"),
        }
    }
}

impl Opener {
    /// Whoever holds this token.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self(Proof::Token(Arc::new(Secret(token.to_owned()))))
    }
}

impl Auth {
    /// Whoever sends this name and password, the password of now or a token. Made before they are checked: when the users are
    /// read again meanwhile, it is the old password that counted.
    #[must_use]
    pub fn opener(&self, name: &str, password: &str) -> Opener {
        let keys = self.keys();
        match keys.users.find(name) {
            Some((name, hash)) if self.identify(Some(password)).is_none() => {
                Opener(Proof::Password(Arc::clone(name), Arc::new(hash.clone())))
            }
            _ => Opener::token(password),
        }
    }

    /// Whether what a stream was opened with would open it now. `None` is enough where nothing is asked.
    #[must_use]
    pub fn counts(&self, opener: Option<&Opener>) -> bool {
        let keys = self.keys();
        match opener.map(|opener| &opener.0) {
            _ if !keys.sources.is_any() => true,
            None => false,
            Some(Proof::Token(token)) => self.identify(Some(&token.0)).is_some(),
            Some(Proof::Password(name, hash)) => keys.users.find(name).is_some_and(|(_, now)| now == &**hash),
        }
    }

    /// How long it counts by itself from now on; `None` for ever.
    #[must_use]
    pub fn lasts(&self, opener: &Opener) -> Option<Duration> {
        match &opener.0 {
            Proof::Token(token) => self.sessions.left(&token.0, SystemTime::now()),
            Proof::Password(..) => None,
        }
    }
}
