//! Descriptors of `/proc/PID/*` files that stay open between passes, inside a budget.
//!
//! Used by the process reader. Opening a file of `/proc` costs several times what reading it does. Each kept one costs the
//! kernel about 6 KiB and us one descriptor, so they are few enough to leave clients theirs; past the budget a file is
//! opened, read and closed, with the same result.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::list::{open, read_at_start};
use crate::collect::limit::descriptor_limit;

/// Descriptors that are never used for this: clients, listeners, other readers.
const RESERVE: u64 = 1_024;

/// Most descriptors kept, whatever the limit: they hold about 200 MiB of kernel memory.
const MOST_KEPT: usize = 32_768;

/// By how much the budget grows back in each pass after descriptors had run out.
const RECOVERY: usize = 64;

/// Reads files of processes and decides which stay open.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Budget for tests; `None` goes by the descriptor limit.
    fixed: Option<usize>,
    /// Descriptors that may be kept in this pass.
    allowed: usize,
    /// Descriptors that are kept.
    kept: usize,
}

impl Keeper {
    pub(super) fn new(fixed: Option<usize>) -> Self {
        Self { fixed, allowed: usize::MAX, kept: 0 }
    }

    /// To be called before each pass with the number of descriptors that are kept. Only on a real `/proc` is a kept
    /// descriptor bound to the process: in a plain folder (`on_procfs` false) none is kept.
    pub(super) fn begin(&mut self, kept: usize, on_procfs: bool) {
        let budget = if on_procfs { self.fixed.unwrap_or_else(|| budget_of(descriptor_limit())) } else { 0 };
        self.allowed = self.allowed.saturating_add(RECOVERY).min(budget);
        self.kept = kept;
    }

    /// Lowers the budget to half of what is kept, because the system has no descriptors left, and returns it. The caller
    /// closes those past it.
    pub(super) fn halve(&mut self) -> usize {
        self.allowed = self.kept / 2;
        self.kept = self.allowed;
        self.allowed
    }

    /// Whether any descriptor is kept that could be given back.
    pub(super) fn keeps_any(&self) -> bool {
        self.kept > 0
    }

    /// Reads `PID/FILE` from its start through the kept descriptor, or opens it, and keeps it if there is a `slot` for it
    /// and room in the budget. A kept descriptor that fails is closed: its process is gone.
    pub(super) fn read(
        &mut self,
        folder: BorrowedFd<'_>,
        pid: u32,
        file: &str,
        slot: Option<&mut Option<OwnedFd>>,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let Some(slot) = slot else {
            return read_at_start(open(folder, pid, file)?.as_fd(), buffer);
        };
        if let Some(kept) = slot {
            let outcome = read_at_start(kept.as_fd(), buffer);
            if outcome.is_err() {
                *slot = None;
                self.kept = self.kept.saturating_sub(1);
            }
            return outcome;
        }
        let opened = open(folder, pid, file)?;
        let length = read_at_start(opened.as_fd(), buffer)?;
        if self.kept < self.allowed {
            *slot = Some(opened);
            self.kept += 1;
        }
        Ok(length)
    }
}

/// Most descriptors that the process reader keeps, by the limit that holds now.
pub fn descriptor_budget() -> usize {
    budget_of(descriptor_limit())
}

/// Half of what the limit leaves after the reserve.
fn budget_of(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(RESERVE) / 2).map_or(MOST_KEPT, |half| half.min(MOST_KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_leaves_the_reserve_and_half_of_the_rest() {
        assert_eq!(budget_of(256), 0);
        assert_eq!(budget_of(1_024), 0);
        assert_eq!(budget_of(20_000), 9_488);
        assert_eq!(budget_of(u64::MAX), MOST_KEPT);
    }

    #[test]
    fn a_halved_budget_grows_back() {
        let mut keeper = Keeper::new(Some(1_000));
        keeper.begin(1_000, true);
        assert_eq!(keeper.halve(), 500);
        assert_eq!(keeper.halve(), 250);
        keeper.begin(250, true);
        assert_eq!(keeper.allowed, 314);
        for _ in 0..20 {
            keeper.begin(314, true);
        }
        assert_eq!(keeper.allowed, 1_000);
        keeper.begin(0, false);
        assert_eq!(keeper.allowed, 0);
    }

    #[test]
    fn no_more_than_the_budget_is_kept() {
        let folder = std::fs::File::open("/proc").unwrap();
        let mut keeper = Keeper::new(Some(1));
        keeper.begin(0, true);
        let (mut first, mut second) = (None, None);
        let mut buffer = [0; 1_024];
        let own = std::process::id();
        for _ in 0..2 {
            let length = keeper.read(folder.as_fd(), own, "statm", Some(&mut first), &mut buffer).unwrap();
            assert!(length > 13);
            let length = keeper.read(folder.as_fd(), own, "stat", Some(&mut second), &mut buffer).unwrap();
            assert!(buffer[..length].starts_with(own.to_string().as_bytes()));
        }
        assert!(first.is_some() && second.is_none());
        assert_eq!(keeper.read(folder.as_fd(), u32::MAX, "stat", None, &mut buffer), Err(Errno::NOENT));
    }
}
