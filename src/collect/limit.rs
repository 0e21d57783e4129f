//! The limit on open descriptors (`RLIMIT_NOFILE` of getrlimit(2)).
//!
//! Raised once by the program at start. Readers that keep files open ask how many they may.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one and returns both as they are now: soft, hard. No limit is `u64::MAX`.
///
/// A refusal leaves the soft limit as it was, which the first number then tells.
pub fn raise_descriptor_limit() -> (u64, u64) {
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum {
        let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            log::warn!(
                "the limit of {:?} open descriptors could not be raised to {:?}: {error}",
                now.current,
                now.maximum
            );
        }
    }
    (descriptor_limit(), now.maximum.unwrap_or(u64::MAX))
}

/// The soft limit now. No limit is `u64::MAX`.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_ends_at_the_hard_one() {
        let (soft, hard) = raise_descriptor_limit();
        assert_eq!(soft, hard);
        assert_eq!(descriptor_limit(), soft);
        assert!(soft > 0);
    }
}
