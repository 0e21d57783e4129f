//! What is remembered of each process between passes: its descriptors, its name and its user.
//!
//! Kept by the process reader. An entry lives as long as its process: the kept descriptors fail once it is gone, and where
//! none is kept, another start time in `/proc/PID/stat` tells of another process with the same PID.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::parse::Stat;

/// Passes between two looks at a process's user and full name, once it has settled.
const LONGEST_GAP: u32 = 32;

/// One process.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pid: u32,
    /// `/proc/PID/statm`.
    pub(super) statm: Option<OwnedFd>,
    /// `/proc/PID/stat`.
    pub(super) stat: Option<OwnedFd>,
    /// Found to be gone in this pass.
    pub(super) gone: bool,
    pub(super) uid: Option<u32>,
    pub(super) user: Option<Arc<str>>,
    pub(super) gids: Option<[u32; 3]>,
    known: Option<Known>,
    /// Pass in which the user is to be looked at again.
    due: u32,
    /// Passes from that look to the one after.
    gap: u32,
}

#[derive(Debug)]
struct Known {
    start_ticks: u64,
    comm: Box<[u8]>,
    name: Arc<str>,
}

impl Entry {
    /// A process not seen before. One that just started (`young`) is looked at again soon and then less and less often,
    /// since servers change their user right after their start; one that was there before us has settled.
    fn new(pid: u32, pass: u32, young: bool) -> Self {
        let gap = if young { 1 } else { LONGEST_GAP };
        Self {
            pid,
            statm: None,
            stat: None,
            gone: false,
            uid: None,
            user: None,
            gids: None,
            known: None,
            due: pass,
            gap,
        }
    }

    /// How many descriptors it keeps.
    pub(super) fn kept(&self) -> usize {
        usize::from(self.statm.is_some()) + usize::from(self.stat.is_some())
    }

    /// Starts anew: the PID belongs to another process now.
    pub(super) fn forget(&mut self, pass: u32) {
        *self = Self::new(self.pid, pass, true);
    }

    /// Whether `stat` speaks of the process that is remembered here, or of the first one.
    pub(super) fn is_same(&self, stat: &Stat<'_>) -> bool {
        self.known.as_ref().is_none_or(|known| known.start_ticks == stat.start_ticks)
    }

    /// The name that belongs to `comm`, if it was already made.
    pub(super) fn name_of(&self, comm: &[u8]) -> Option<Arc<str>> {
        self.known.as_ref().filter(|known| *known.comm == *comm).map(|known| Arc::clone(&known.name))
    }

    /// Remembers the name to show. The text is shared with the earlier one when it is the same.
    pub(super) fn rename(&mut self, stat: &Stat<'_>, full: &str) -> Arc<str> {
        let earlier = self.known.take().map(|known| known.name).filter(|name| **name == *full);
        let name = earlier.unwrap_or_else(|| Arc::from(full));
        self.known = Some(Known { start_ticks: stat.start_ticks, comm: stat.comm.into(), name: Arc::clone(&name) });
        name
    }

    /// Whether user and full name are to be looked at in this pass.
    pub(super) fn is_due(&self, pass: u32) -> bool {
        pass >= self.due
    }

    /// They were looked at. Settled processes are spread over the passes by their PID.
    pub(super) fn looked_at(&mut self, pass: u32) {
        let spread = pass.wrapping_add(self.pid) % LONGEST_GAP;
        self.due = pass + if self.gap < LONGEST_GAP { self.gap } else { LONGEST_GAP - spread };
        self.gap = (self.gap * 2).min(LONGEST_GAP);
    }

    /// They are to be looked at now if the process had another name before: it has executed another program.
    pub(super) fn hurry(&mut self, pass: u32) {
        if self.known.is_some() {
            self.due = pass;
            self.gap = 1;
        }
    }
}

/// The processes, by PID.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

impl Table {
    /// Brings the entries in line with `pids`, which are ascending. An entry whose PID is not listed is dropped, and with
    /// it its descriptors.
    pub(super) fn update(&mut self, pids: &[u32], pass: u32) {
        let young = !self.entries.is_empty();
        let same = self.entries.len() == pids.len() && self.entries.iter().map(|e| e.pid).eq(pids.iter().copied());
        if same {
            return;
        }
        let mut old = std::mem::take(&mut self.entries).into_iter().peekable();
        self.entries.reserve(pids.len());
        for pid in pids {
            while old.next_if(|entry| entry.pid < *pid).is_some() {}
            let entry = old.next_if(|entry| entry.pid == *pid);
            self.entries.push(entry.unwrap_or_else(|| Entry::new(*pid, pass, young)));
        }
    }

    /// Drops what was found to be gone.
    pub(super) fn bury(&mut self) {
        self.entries.retain(|entry| !entry.gone);
    }

    /// How many descriptors are kept.
    pub(super) fn kept(&self) -> usize {
        self.entries.iter().map(Entry::kept).sum()
    }

    /// Closes descriptors until `most` are kept, those of the largest PIDs first.
    pub(super) fn close_past(&mut self, most: usize) {
        let mut kept = 0;
        for entry in &mut self.entries {
            for slot in [&mut entry.statm, &mut entry.stat] {
                kept += usize::from(slot.is_some());
                if kept > most {
                    *slot = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pids(table: &Table) -> Vec<u32> {
        table.entries.iter().map(|entry| entry.pid).collect()
    }

    fn stat(comm: &[u8], start_ticks: u64) -> Stat<'_> {
        Stat {
            comm,
            start_ticks,
            ..super::super::parse::parse_stat(b"1 (x) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 0").unwrap()
        }
    }

    fn null() -> Option<OwnedFd> {
        Some(std::fs::File::open("/dev/null").unwrap().into())
    }

    #[test]
    fn the_table_follows_the_list() {
        let mut table = Table::default();
        table.update(&[1, 5, 9], 1);
        table.entries[1].uid = Some(7);
        table.update(&[5, 6], 2);
        assert_eq!(pids(&table), [5, 6]);
        assert_eq!(table.entries[0].uid, Some(7));
        table.entries[0].gone = true;
        table.bury();
        assert_eq!(pids(&table), [6]);
        table.update(&[], 3);
        assert!(table.entries.is_empty());
    }

    #[test]
    fn a_name_is_shared_until_it_changes() {
        let mut entry = Entry::new(7, 1, true);
        let first = entry.rename(&stat(b"bash", 10), "bash");
        assert!(Arc::ptr_eq(&first, &entry.name_of(b"bash").unwrap()));
        assert!(Arc::ptr_eq(&first, &entry.rename(&stat(b"bash", 10), "bash")));
        assert_eq!(entry.name_of(b"vi"), None);
        assert!(entry.is_same(&stat(b"vi", 10)));
        assert!(!entry.is_same(&stat(b"bash", 11)));
    }

    #[test]
    fn a_young_process_is_looked_at_soon_and_then_seldom() {
        let looks = |mut entry: Entry| {
            (1..200).filter(|pass| entry.is_due(*pass).then(|| entry.looked_at(*pass)).is_some()).collect::<Vec<u32>>()
        };
        let young = looks(Entry::new(7, 1, true));
        assert_eq!(young[..5], [1, 2, 4, 8, 16]);
        assert!(young.windows(2).all(|pair| pair[1] - pair[0] <= LONGEST_GAP));
        let settled = looks(Entry::new(7, 1, false));
        assert!(settled.len() < 10 && settled.len() > 4, "{settled:?}");
    }

    #[test]
    fn closing_spares_the_first() {
        let mut table = Table::default();
        table.update(&[1, 2, 3], 1);
        for entry in &mut table.entries {
            (entry.statm, entry.stat) = (null(), null());
        }
        assert_eq!(table.kept(), 6);
        table.close_past(3);
        assert_eq!(table.entries.iter().map(Entry::kept).collect::<Vec<_>>(), [2, 1, 0]);
    }
}
