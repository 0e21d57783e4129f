//! Whether `/proc` has to be listed at all: it has not while no process was started.
//!
//! Used by the process reader. Listing 2,000 processes costs more than a millisecond; the last field of `/proc/loadavg`,
//! the PID given out last, costs microseconds. That processes have ended is seen when they are read.

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags};

use super::parse::decimal;

/// Most passes in a row without a listing. A process restored under a PID of its own choice (`set_tid` of clone3(2)) or
/// made visible by a change of its user is noticed after that many.
const LONGEST_TRUST: u32 = 8;

/// Remembers which PID was given out last.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    last_pid: Option<u64>,
    /// Passes since the last listing.
    trusted: u32,
    /// Whether the last listing was made when no PID had been given out since the pass before it. A PID is given out a
    /// moment before its process can be seen, so the first listing after it may come too early.
    settled: bool,
}

impl Arrivals {
    /// Whether processes may have come since the last listing. `last_pid` is to be read before listing; `None` always
    /// means a listing.
    pub(super) fn possible(&mut self, last_pid: Option<u64>) -> bool {
        let quiet = last_pid.is_some() && last_pid == self.last_pid;
        if quiet && self.settled && self.trusted < LONGEST_TRUST {
            self.trusted += 1;
            return false;
        }
        *self = Self { last_pid, trusted: 0, settled: quiet };
        true
    }
}

/// The PID given out last in our own PID name space. `None` where `folder` is another one's `/proc`, or plain files.
pub(super) fn last_pid(folder: BorrowedFd<'_>) -> Option<u64> {
    let mut buffer = [0; 128];
    let length = rustix::fs::readlinkat_raw(folder, c"self", &mut buffer[..]).ok()?;
    let own = decimal(&buffer[..length])?;
    if own != u64::from(rustix::process::getpid().as_raw_pid().unsigned_abs()) {
        return None;
    }
    let file = rustix::fs::openat(folder, c"loadavg", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::pread(&file, &mut buffer, 0).ok()?;
    parse_last_pid(&buffer[..length])
}

/// The fifth field of `0.12 0.30 0.45 2/345 12345`.
fn parse_last_pid(text: &[u8]) -> Option<u64> {
    decimal(text.trim_ascii().rsplit(|byte| *byte == b' ').next()?)
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
    fn the_last_pid_is_known_of_our_own_proc_only() {
        assert_eq!(parse_last_pid(b"0.12 0.30 0.45 2/345 12345\n"), Some(12_345));
        assert_eq!(parse_last_pid(b"\n"), None);
        let live = std::fs::File::open("/proc").unwrap();
        assert!(last_pid(live.as_fd()).is_some_and(|pid| pid > 1));
        let plain = tempfile::tempdir().unwrap();
        std::fs::write(plain.path().join("loadavg"), "0 0 0 1/1 7\n").unwrap();
        assert_eq!(last_pid(std::fs::File::open(plain.path()).unwrap().as_fd()), None);
        std::os::unix::fs::symlink("1", plain.path().join("self")).unwrap();
        assert_eq!(last_pid(std::fs::File::open(plain.path()).unwrap().as_fd()), None);
    }
}
