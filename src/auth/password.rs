//! Hashes of passwords: argon2 as `psmonitor hash-password` makes them, and bcrypt as other programs do.
//!
//! Checking one is slow on purpose; callers do it off the async threads.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use subtle::ConstantTimeEq;

/// Most work that checking an argon2 hash may cost: memory in KiB times passes. `hash-password` takes 38,912.
const MOST_ARGON2: u64 = 4 * 1024 * 1024;

/// Most memory that checking an argon2 hash may take, KiB.
const MOST_ARGON2_MEMORY: u32 = 1024 * 1024;

/// Highest cost of a bcrypt hash. Each step doubles the time; 12 is usual, 15 takes seconds.
const MOST_BCRYPT: u32 = 15;

/// A hash that passwords can be compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$argon2id$...`, also argon2i and argon2d.
    Argon2(String),
    /// `$2b$...`, also 2a, 2x and 2y.
    Bcrypt(String),
}

impl PasswordHash {
    /// Takes a hash as it stands in a file. Complaints do not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("$argon2") {
            let hash = Phc::new(text).map_err(|_| "the argon2 hash is damaged")?;
            let params = Params::try_from(&hash).map_err(|_| "the argon2 hash has parameters that make no sense")?;
            if hash.salt.is_none() || hash.hash.is_none() {
                return Err("the argon2 hash is cut short");
            }
            let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
            if work > MOST_ARGON2 || params.m_cost() > MOST_ARGON2_MEMORY {
                return Err("the argon2 hash takes too much time or memory to check");
            }
            return Ok(Self::Argon2(text.to_owned()));
        }
        if text.starts_with("$2") {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| "the bcrypt hash is damaged")?;
            if parts.get_cost() > MOST_BCRYPT {
                return Err("the bcrypt hash takes too long to check; use a cost of at most 15");
            }
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        Err("what follows the name is no argon2 or bcrypt hash; `psmonitor hash-password` makes one")
    }

    /// As it stands in a file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Argon2(text) | Self::Bcrypt(text) => text,
        }
    }

    /// Whether the hash was made of this password. Takes tens of milliseconds of CPU.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        match self {
            Self::Argon2(text) => verify_argon2(text, password).unwrap_or(false),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }
}

/// As the argon2 crate does it, but for hashes of the first version too, which say no version. `None` when the hash makes no
/// sense.
fn verify_argon2(text: &str, password: &str) -> Option<bool> {
    let hash = Phc::new(text).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let params = Params::try_from(&hash).ok()?;
    // The reference program leaves the version out where it is the first one.
    let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
    let mut blocks = vec![Block::new(); params.block_count()];
    let mut output = vec![0; expected.len()];
    Argon2::new(Algorithm::try_from(hash.algorithm.as_str()).ok()?, version, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, &mut blocks)
        .ok()?;
    Some(output.ct_eq(expected.as_ref()).into())
}

/// A new hash of a password: argon2id with a random salt, 19 MiB and two passes.
pub fn hash(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| format!("the password could not be hashed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_fits_its_password_only() {
        let text = hash("correct horse").unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert_ne!(text, hash("correct horse").unwrap(), "the salt is random");
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.verify("correct horse"));
        for wrong in ["", "Correct horse", "correct horse "] {
            assert!(!hash.verify(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn hashes_of_other_programs_are_taken() {
        for (password, text) in [
            // libxcrypt: perl -e 'print crypt("secret", "\$2b\$05\$abcdefghijklmnopqrstuu")'
            ("secret", "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"),
            // The reference program: echo -n password | argon2 somesalt -t 2 -m 16 -p 4 -l 24
            ("password", "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"),
        ] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify(password), "{text}");
            assert!(!hash.verify("Secret") && !hash.verify(""), "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for (text, hint) in [
            ("secret", "no argon2 or bcrypt"),
            ("", "no argon2 or bcrypt"),
            ("$1$salt$hash", "no argon2 or bcrypt"),
            ("$argon2id$", "damaged"),
            ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0", "cut short"),
            ("$argon2id$v=19$m=2097152,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdA", "too much"),
            ("$argon2id$v=19$m=1048576,t=9,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdA", "too much"),
            ("$2b$12$short", "damaged"),
            ("$2b$16$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "at most 15"),
        ] {
            let error = PasswordHash::parse(text).err();
            assert!(error.is_some_and(|error| error.contains(hint)), "{text}: {error:?}");
        }
    }
}
