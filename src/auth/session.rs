//! The token that a login gives: a JSON Web Token signed with HMAC-SHA-256, good for an hour.
//!
//! The key is made at start and stays in memory, so a restart ends all sessions. Only the one header that is written here
//! is read back, so no other algorithm can be asked for. jsonwebtoken was not taken: it would bring RSA and the elliptic
//! curves along, and what signs is in the program already, for TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use super::password::PasswordHash;
use super::user::Users;
use super::verdict::Mark;

/// How long a login lasts.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What the token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The user's name.
    sub: String,
    /// When it was made, unix seconds.
    iat: u64,
    /// From when on it is worth nothing, unix seconds.
    exp: u64,
    /// Stands for the password's hash, so that a new password ends the sessions of the old one.
    pwd: String,
}

/// Makes and checks tokens.
#[derive(Debug)]
pub struct Sessions {
    key: hmac::Key,
}

impl Sessions {
    /// A new key. `None` when the system has no randomness to give.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self { key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()? })
    }

    /// A token for a user who has just proved who they are.
    #[must_use]
    pub fn issue(&self, name: &str, hash: &PasswordHash, now: SystemTime) -> String {
        let iat = unix(now);
        let claims = Claims { sub: name.to_owned(), iat, exp: iat + LIFETIME.as_secs(), pwd: self.stand_in(hash) };
        let claims = BASE64.encode(serde_json::to_vec(&claims).unwrap_or_default());
        let signed = format!("{HEADER}.{claims}");
        let signature = BASE64.encode(hmac::sign(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whose token it is. `None` when it is not ours, too old, or its user is gone or has another password now.
    #[must_use]
    pub fn verify(&self, token: &str, users: &Users, now: SystemTime) -> Option<Arc<str>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
        hmac::verify(&self.key, signed.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        let (name, hash) = users.find(&claims.sub)?;
        (unix(now) < claims.exp && self.stand_in(hash) == claims.pwd).then(|| Arc::clone(name))
    }

    /// How long a token that was found to be ours is still good. `None` for what is no such token.
    #[must_use]
    pub fn left(&self, token: &str, now: SystemTime) -> Option<Duration> {
        let claims = token.strip_prefix(HEADER)?.strip_prefix('.')?.split('.').next()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        Some(Duration::from_secs(claims.exp).saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// What stands for a name and a password in [`super::verdict`], and tells nothing about either without the key.
    #[must_use]
    pub fn mark(&self, name: &str, password: &str) -> Mark {
        let mut signed = hmac::Context::with_key(&self.key);
        // No token begins so, and where the name ends is certain.
        signed.update(b"basic\0");
        signed.update(&(name.len() as u64).to_be_bytes());
        signed.update(name.as_bytes());
        signed.update(password.as_bytes());
        let mut mark = Mark::default();
        mark.copy_from_slice(signed.sign().as_ref());
        mark
    }

    /// A text that stands for a hash and tells nothing about it without the key.
    fn stand_in(&self, hash: &PasswordHash) -> String {
        let tag = hmac::sign(&self.key, hash.as_str().as_bytes());
        BASE64.encode(&tag.as_ref()[..16])
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    const OTHER: &str = "$2b$05$abcdefghijklmnopqrstuuVQd15VhR/oN1H3pzUR5lME0fZO6.qRW";

    fn users(hash: &str) -> Users {
        Users::from_text(&format!("ann:{hash}\n"), "f").unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn token(sessions: &Sessions) -> String {
        sessions.issue("ann", &PasswordHash::parse(HASH).unwrap(), at(0))
    }

    #[test]
    fn a_token_is_good_for_an_hour() {
        let sessions = Sessions::new().unwrap();
        let token = token(&sessions);
        for (seconds, is_good) in [(0, true), (3_599, true), (3_600, false), (90_000, false)] {
            assert_eq!(sessions.verify(&token, &users(HASH), at(seconds)).is_some(), is_good, "{seconds}");
            let left = Duration::from_secs(3_600_u64.saturating_sub(seconds));
            assert_eq!(sessions.left(&token, at(seconds)), Some(left), "{seconds}");
        }
        assert_eq!(sessions.left("0123456789abcdef", at(0)), None);
    }

    #[test]
    fn a_token_ends_with_its_user_password_or_server() {
        let sessions = Sessions::new().unwrap();
        let token = token(&sessions);
        assert_eq!(sessions.verify(&token, &users(HASH), at(1)).as_deref(), Some("ann"));
        assert_eq!(sessions.verify(&token, &users(OTHER), at(1)), None);
        assert_eq!(sessions.verify(&token, &Users::default(), at(1)), None);
        assert_eq!(Sessions::new().unwrap().verify(&token, &users(HASH), at(1)), None);
    }

    #[test]
    fn a_mark_is_of_one_name_one_password_and_one_server() {
        let sessions = Sessions::new().unwrap();
        assert_eq!(sessions.mark("ann", "secret"), sessions.mark("ann", "secret"));
        for (name, password) in [("ann", "Secret"), ("anns", "ecret"), ("", "annsecret"), ("Ann", "secret")] {
            assert_ne!(sessions.mark(name, password), sessions.mark("ann", "secret"));
        }
        assert_ne!(Sessions::new().unwrap().mark("ann", "secret"), sessions.mark("ann", "secret"));
    }

    #[test]
    fn a_changed_token_is_worth_nothing() {
        let sessions = Sessions::new().unwrap();
        let token = token(&sessions);
        let parts: Vec<_> = token.split('.').collect();
        let claims = String::from_utf8(BASE64.decode(parts[1]).unwrap()).unwrap();
        assert!(claims.contains("\"sub\":\"ann\"") && claims.contains("\"exp\":1700003600"), "{claims}");
        let longer = BASE64.encode(claims.replace("1700003600", "1800000000"));
        let none = BASE64.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            format!("{}.{longer}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}A"),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(sessions.verify(&forged, &users(HASH), at(1)), None, "{forged}");
        }
    }
}
