//! Who somebody is: tokens from a file, and users with passwords who get a token by logging in. Knows nothing of HTTP.
//!
//! Asked by the server's guard for every request once there is anything to ask for. Secrets never reach a log: nothing here
//! prints one, and their types have no readable `Debug`.

mod attempts;
pub mod file;
mod opener;
mod password;
pub mod prompt;
mod session;
pub mod token;
mod user;
mod verdict;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use log::Level;
use tokio::sync::Semaphore;

use crate::error::StartupError;
use attempts::Attempts;
pub use opener::Opener;
use password::PasswordHash;
use session::Sessions;
pub use token::Reporting;
use token::Tokens;
use user::Users;
use verdict::Verdicts;

/// Passwords that are checked at once. Each takes one core and, with our own hashes, 19 MiB for some 30 ms.
const CHECKS_AT_ONCE: usize = 2;

/// How long a login waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What is wrong with a users file that only comments are in.
const NO_USER: &str = "there is no user in it, so nobody can log in";

/// Where secrets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// A file with one token a line.
    pub token_file: Option<PathBuf>,
    /// A token from the environment, for containers. Used when there is no file.
    pub token: Option<Secret>,
    /// A file with one `name:hash` a line.
    pub users_file: Option<PathBuf>,
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
    /// A user who logged in.
    User(Arc<str>),
}

impl Identity {
    /// How the log calls them.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Token => "token",
            Self::User(name) => name,
        }
    }
}

/// What somebody may prove with who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// A token of a file or of the environment.
    pub token: bool,
    /// The name and the password of a user.
    pub password: bool,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no users file.
    NoUsers,
    /// There is no such user, or the password is another. It is not told which.
    Wrong,
    /// Too many tries from this address; when there will be another.
    TooMany(Duration),
    /// Too many logins at once.
    Busy,
}

/// Everything that is compared with. Replaced as a whole when the files are read again.
#[derive(Clone, Debug, Default)]
struct Keys {
    sources: Sources,
    tokens: Arc<Tokens>,
    users: Arc<Users>,
    /// What was found with these users.
    verdicts: Arc<Verdicts>,
}

/// The doorkeeper.
#[derive(Debug)]
pub struct Auth {
    /// Read at each request for the time of a clone; written when the files are read again.
    keys: RwLock<Keys>,
    sessions: Sessions,
    attempts: Attempts,
    turns: Arc<Semaphore>,
}

impl Auth {
    /// Reads all sources. Without a token, a users file with nobody in it would lock everybody out, which is refused.
    pub fn load(sources: &Sources) -> Result<Self, StartupError> {
        let keys = sources.read()?;
        if let Some(path) = sources.users_file.as_deref().filter(|_| keys.users.is_empty()) {
            if !sources.has_tokens() {
                let what = "there is no user in it, so nobody could come in; put a line NAME:HASH in it, with the hash \
                            that `psmonitor hash-password` prints, or give --token-file FILE";
                return Err(file::complaint("--users-file", path, what));
            }
            log::warn!("--users-file {}: {NO_USER}", path.display());
        }
        let sessions = Sessions::new().ok_or_else(|| StartupError::Io {
            what: "cannot make a key for the tokens of users",
            source: std::io::Error::other("the system has no random numbers"),
        })?;
        Ok(Self {
            keys: RwLock::new(keys),
            sessions,
            attempts: Attempts::default(),
            turns: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        })
    }

    /// Reads the files of `sources` again, and says in the log what came of each. What is broken stays as it was; users who are
    /// gone are gone, the last one too. Other files than before are taken over together or not at all. Reads files, so not
    /// for the async threads.
    pub fn reload(&self, sources: &Sources) {
        let old = self.keys();
        // Told once the new keys are in place: whoever reads that a token is gone may count on it.
        let (keys, told) = if old.sources == *sources { old.read_again() } else { old.read_others(sources) };
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        for (level, line) in told {
            log::log!(level, "{line}");
        }
    }

    /// Whether strangers are kept out at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).sources.is_any()
    }

    /// What there is to prove with who one is.
    #[must_use]
    pub fn ways(&self) -> Ways {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ways { token: keys.sources.has_tokens(), password: !keys.users.is_empty() }
    }

    /// Who holds this token, one of a file or one that a login gave. `None` for nobody we know.
    #[must_use]
    pub fn identify(&self, token: Option<&str>) -> Option<Identity> {
        let (bearer, keys) = (token?, self.keys());
        if keys.tokens.contains(bearer) {
            return Some(Identity::Token);
        }
        self.sessions.verify(bearer, &keys.users, SystemTime::now()).map(Identity::User)
    }

    /// What this token hands in reports of, if it does. Its holder is nobody we know: it opens nothing.
    #[must_use]
    pub fn may_report(&self, token: &str) -> Option<Reporting> {
        self.keys().tokens.reporting(token)
    }

    /// Who sends this name and password with a request (HTTP Basic): the holder of a token, which then is the password, or a
    /// user. What was checked a moment ago is not checked again; what is wrong counts as a login, once.
    pub async fn identify_basic(&self, name: &str, password: &str, address: IpAddr) -> Result<Identity, Refused> {
        if let Some(identity) = self.identify(Some(password)) {
            return Ok(identity);
        }
        let (keys, mark) = (self.keys(), self.sessions.mark(name, password));
        let remembered = || {
            // Only who has a try left is told: else whoever guesses could ask what is remembered as often as they like.
            self.attempts.look(address).map_err(Refused::TooMany)?;
            keys.verdicts.of(&mark).map(|name| name.map(Identity::User).ok_or(Refused::Wrong)).transpose()
        };
        if let Some(identity) = remembered()? {
            return Ok(identity);
        }
        let turn = tokio::time::timeout(TURN, keys.verdicts.turn(&mark)).await;
        let Ok(_turn) = turn else { return Err(Refused::Busy) };
        if let Some(identity) = remembered()? {
            return Ok(identity);
        }
        match self.check(&keys.users, name, password.to_owned(), address).await {
            Ok((name, _)) => {
                keys.verdicts.keep(mark, Some(&name));
                Ok(Identity::User(name))
            }
            Err(Refused::Wrong) => {
                keys.verdicts.keep(mark, None);
                Err(Refused::Wrong)
            }
            Err(other) => Err(other),
        }
    }

    /// The token of a user with this name and password, and the name.
    pub async fn log_in(&self, name: &str, password: String, address: IpAddr) -> Result<(String, Arc<str>), Refused> {
        if self.keys().sources.users_file.is_none() {
            return Err(Refused::NoUsers);
        }
        let (name, hash) = self.check(&self.keys().users, name, password, address).await?;
        Ok((self.sessions.issue(&name, &hash, SystemTime::now()), name))
    }

    /// The user with this name and password. An unknown name takes as long as a wrong password.
    async fn check(
        &self,
        users: &Users,
        name: &str,
        password: String,
        address: IpAddr,
    ) -> Result<(Arc<str>, PasswordHash), Refused> {
        let taken = self.attempts.take(address).map_err(Refused::TooMany)?;
        let candidate = users.candidate(name).ok_or(Refused::Wrong)?;
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Refused::Busy) };
        let check = tokio::task::spawn_blocking(move || {
            // Kept until the check is over, also when the client is gone before.
            let _turn = turn;
            let is_right = candidate.hash.verify(&password);
            candidate.name.filter(|_| is_right).map(|name| (name, candidate.hash))
        });
        let Ok(Some((name, hash))) = check.await else {
            log::warn!("a login from {address} was refused");
            return Err(Refused::Wrong);
        };
        self.attempts.give_back(taken);
        log::info!("{name} logged in from {address}");
        Ok((name, hash))
    }

    fn keys(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Keys {
    /// The same files again, each for itself.
    fn read_again(mut self) -> (Self, Vec<(Level, String)>) {
        let mut told = Vec::new();
        if let Some(path) = &self.sources.token_file {
            match self.sources.tokens() {
                Ok(tokens) => {
                    told.push((Level::Info, format!("--token-file {}: read again, {tokens:?}", path.display())));
                    self.tokens = Arc::new(tokens);
                }
                Err(error) => told.push((Level::Error, format!("{error}; the old tokens stay"))),
            }
        }
        if let Some(path) = &self.sources.users_file {
            match self.sources.users() {
                Ok(users) => {
                    told.push((Level::Info, format!("--users-file {}: read again, {users:?}", path.display())));
                    if users.is_empty() {
                        told.push((Level::Warn, format!("--users-file {}: {NO_USER}", path.display())));
                    }
                    (self.users, self.verdicts) = (Arc::new(users), Arc::default());
                }
                Err(error) => told.push((Level::Error, format!("{error}; the old users stay"))),
            }
        }
        (self, told)
    }

    /// Other files. One that is broken must not open a door that the other has closed.
    fn read_others(self, sources: &Sources) -> (Self, Vec<(Level, String)>) {
        match sources.read() {
            Ok(new) => {
                let line = format!("tokens and users are read from other files: {:?}, {:?}", new.tokens, new.users);
                (new, vec![(Level::Info, line)])
            }
            Err(error) => (self, vec![(Level::Error, format!("{error}; the old tokens and users stay"))]),
        }
    }
}

impl Sources {
    fn read(&self) -> Result<Keys, StartupError> {
        let (tokens, users) = (Arc::new(self.tokens()?), Arc::new(self.users()?));
        Ok(Keys { sources: self.clone(), tokens, users, verdicts: Arc::default() })
    }

    /// Whether there is any way to prove who one is.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.has_tokens() || self.users_file.is_some()
    }

    /// One of the tokens, to show to a server that wants one.
    ///
    /// # Errors
    /// A file that cannot be read, or in which there is none.
    pub fn first_token(&self) -> Result<Option<String>, StartupError> {
        Ok(self.tokens()?.first())
    }

    fn has_tokens(&self) -> bool {
        self.token_file.is_some() || self.token.is_some()
    }

    fn tokens(&self) -> Result<Tokens, StartupError> {
        match (&self.token_file, &self.token) {
            (Some(file), _) => Tokens::from_file(file),
            (None, Some(token)) => Tokens::from_text(&token.0, "PSMONITOR_TOKEN"),
            (None, None) => Ok(Tokens::default()),
        }
    }

    fn users(&self) -> Result<Users, StartupError> {
        self.users_file.as_deref().map_or_else(|| Ok(Users::default()), Users::from_file)
    }
}

#[cfg(test)]
mod tests;
