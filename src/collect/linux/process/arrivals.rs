//! Whether `/proc` has to be listed at all: it has not while no process was started.
//!
//! Used by the process reader. Listing 2,000 processes costs more than a millisecond; the last field of `/proc/loadavg`,
//! the PID given out last, is read at every tick anyway. That processes have ended is seen when they are read.

use std::os::fd::BorrowedFd;

use super::parse::decimal;

/// Most passes in a row without a listing. A process restored under a PID of its own choice (`set_tid` of clone3(2)) or
/// made visible by a change of its user is noticed after that many.
const LONGEST_TRUST: u32 = 8;

/// Remembers which PID was given out last.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    newest_pid: Option<u32>,
    /// Passes since the last listing.
    trusted: u32,
    /// Whether the last listing was made when no PID had been given out since the pass before it. A PID is given out a
    /// moment before its process can be seen, so the first listing after it may come too early.
    settled: bool,
}

impl Arrivals {
    /// Whether processes may have come since the last listing. `newest_pid` is to be read before listing; `None` always
    /// means a listing.
    pub(super) fn possible(&mut self, newest_pid: Option<u32>) -> bool {
        let quiet = newest_pid.is_some() && newest_pid == self.newest_pid;
        if quiet && self.settled && self.trusted < LONGEST_TRUST {
            self.trusted += 1;
            return false;
        }
        *self = Self { newest_pid, trusted: 0, settled: quiet };
        true
    }
}

/// Whether `folder` is the `/proc` of our own PID name space: only there the newest PID tells of every process.
pub(super) fn is_own(folder: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 16];
    let length = rustix::fs::readlinkat_raw(folder, c"self", &mut buffer[..]);
    let own = rustix::process::getpid().as_raw_pid().unsigned_abs();
    length.is_ok_and(|length| decimal(&buffer[..length]) == Some(u64::from(own)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn quiet_passes_are_not_listed_for_a_while() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.possible(Some(10)));
        assert!(arrivals.possible(Some(10)), "the first listing may have come too early");
        for _ in 0..LONGEST_TRUST {
            assert!(!arrivals.possible(Some(10)));
        }
        assert!(arrivals.possible(Some(10)), "trust ends");
        assert!(!arrivals.possible(Some(10)));
        assert!(arrivals.possible(Some(11)));
        assert!(arrivals.possible(Some(11)));
        assert!(!arrivals.possible(Some(11)));
        assert!(arrivals.possible(None));
        assert!(arrivals.possible(None));
    }

    #[test]
    fn only_our_own_proc_is_ours() {
        assert!(is_own(std::fs::File::open("/proc").unwrap().as_fd()));
        let plain = tempfile::tempdir().unwrap();
        assert!(!is_own(std::fs::File::open(plain.path()).unwrap().as_fd()));
        std::os::unix::fs::symlink("1", plain.path().join("self")).unwrap();
        assert!(!is_own(std::fs::File::open(plain.path()).unwrap().as_fd()));
    }
}
