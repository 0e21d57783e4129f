//! What is to be sent and was not confirmed yet, oldest first: on the disk where there is a data directory, else in memory.
//!
//! redb (`file`): an entry is there or it is not, whatever is killed meanwhile, and the room of what was sent is used again.
//! Bounded by age and by bytes, those that wait and those that the file takes on the disk, which the database may make twice
//! as many; the oldest go first, and are counted. While the disk takes nothing, what comes waits in
//! memory behind what is on the disk, bounded too. A damaged file is set aside. Filled by whoever has something to send,
//! emptied by [`super::thread`].

mod file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redb::Database;

use crate::database::{self, Failure};

/// Most bytes that wait in memory, where there is no disk or it takes nothing.
const MOST_MEMORY_BYTES: u64 = 8 << 20;

/// How long after a failed write the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The file may always be so large: the database needs room of its own.
const LEAST_FILE_BYTES: u64 = 1 << 20;

/// What a transaction writes beside its entries.
const TRANSACTION_BYTES: u64 = 64 << 10;

/// How often the file is made smaller for one transaction, by a quarter of what is in it each time.
const MOST_CUTS: u32 = 8;

/// What a spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on the disk, packed; and of the file as a whole, from 1 MiB on.
    pub most_bytes: u64,
    /// How long an entry is worth sending.
    pub most_age: Duration,
}

/// The spool cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used: {reason}; give a --data-dir that can be written and that no other process uses")]
pub struct OpenError {
    path: String,
    reason: String,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, for [`Spool::done`].
    pub number: u64,
    /// What is to be sent.
    pub body: Vec<u8>,
}

/// What a spool holds, and what it lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that wait.
    pub entries: u64,
    /// Their bytes, packed.
    pub bytes: u64,
    /// Entries that went unsent, for age or want of room, since the start.
    pub dropped: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Spool {
    /// Locked for a write at most: by those who fill it, and by the one that empties it.
    state: Mutex<State>,
    bounds: Bounds,
    path: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    database: Option<Database>,
    /// What whoever fills it must know after a restart, and whether that is on the disk.
    note: Option<Vec<u8>>,
    is_noted: bool,
    /// When and how large each entry on the disk is, oldest first.
    on_disk: VecDeque<Slot>,
    /// Done with, and still on a disk that takes nothing: not to be given out again.
    gone: BTreeSet<u64>,
    /// Newer than those on the disk.
    in_memory: VecDeque<(Slot, Vec<u8>)>,
    next: u64,
    disk_bytes: u64,
    memory_bytes: u64,
    dropped: u64,
    failed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u64,
    came: u64,
    bytes: u64,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Spool {
    /// Opens the spool in the file at `path`, or makes it; `None` keeps it in memory.
    pub fn open(path: Option<&Path>, bounds: Bounds) -> Result<Self, OpenError> {
        let mut state = State { is_noted: true, ..State::default() };
        if let Some(path) = path {
            let unusable = |reason: String| OpenError { path: path.display().to_string(), reason };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
            }
            state.open(path).map_err(|failure| unusable(failure.to_string()))?;
        }
        Ok(Self { state: Mutex::new(state), bounds, path: path.map(Path::to_owned) })
    }

    /// Whether what waits outlives this process.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.path.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes entries in. On the disk when this returns; where that takes nothing just now, in memory.
    pub fn push(&self, bodies: &[&[u8]]) {
        self.push_noted(bodies, None);
    }

    /// The same with a new note, which is there after a restart if and only if they are.
    pub fn push_noted(&self, bodies: &[&[u8]], note: Option<Vec<u8>>) {
        let mut state = self.lock();
        if note.is_some() {
            (state.note, state.is_noted) = (note, false);
        }
        for body in bodies {
            state.keep_in_memory(body);
        }
        state.bound(self.bounds, self.path.is_some());
        let _ = self.write(&mut state);
    }

    /// Takes all of the entries in, onto the disk, or none.
    pub fn push_durably(&self, bodies: &[&[u8]]) -> Result<(), String> {
        let mut state = self.lock();
        let next = state.next;
        for body in bodies {
            state.keep_in_memory(body);
        }
        let written = if self.path.is_some() { self.write(&mut state) } else { Ok(()) };
        if written.is_err() {
            while state.in_memory.pop_back_if(|(slot, _)| slot.number >= next).is_some() {}
            state.memory_bytes = state.in_memory.iter().map(|(slot, _)| slot.bytes).sum();
        }
        state.bound(self.bounds, self.path.is_some());
        written
    }

    /// The note that was left here last, by this process or one before.
    #[must_use]
    pub fn note(&self) -> Option<Vec<u8>> {
        self.lock().note.clone()
    }

    /// The oldest entries, at most `count`.
    #[must_use]
    pub fn oldest(&self, count: usize) -> Vec<Entry> {
        let mut state = self.lock();
        if self.path.is_some() && (state.database.is_none() || !state.gone.is_empty()) {
            let _ = self.write(&mut state);
        }
        state.bound(self.bounds, self.path.is_some());
        if state.on_disk.len() == state.gone.len() {
            let all = state.in_memory.iter().take(count);
            return all.map(|(slot, packed)| file::entry_of(slot.number, packed)).collect();
        }
        match state.read(count) {
            Ok(entries) => entries,
            Err(failure) => {
                self.failed(&mut state, &failure);
                Vec::new()
            }
        }
    }

    /// These entries are done with, sent or not.
    pub fn done(&self, numbers: &[u64]) {
        let mut state = self.lock();
        state.forget(numbers);
        let _ = self.write(&mut state);
    }

    /// What there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            entries: (state.on_disk.len() - state.gone.len() + state.in_memory.len()) as u64,
            bytes: state.waiting_bytes(),
            dropped: state.dropped,
        }
    }

    /// Takes to the disk what waits in memory, and from it what is done with.
    fn write(&self, state: &mut State) -> Result<(), String> {
        let Some(path) = &self.path else { return Ok(()) };
        let is_written = state.in_memory.is_empty() && state.gone.is_empty() && state.is_noted;
        if is_written && state.database.is_some() {
            return Ok(());
        }
        if state.failed_at.is_some_and(|at| at.elapsed() < RETRY) {
            return Err("the disk does not take it".to_owned());
        }
        let written = state.write(path, self.bounds.most_bytes);
        match &written {
            Ok(()) if state.failed_at.take().is_some() => log::info!("spool: {} is written again", path.display()),
            Ok(()) => {}
            Err(failure) => self.failed(state, failure),
        }
        written.map_err(|failure| failure.to_string())
    }

    /// redb gives and takes nothing more once a write has failed: it is opened again, at once since there is more to be sent
    /// where the disk is full. A damaged file is set aside then.
    fn failed(&self, state: &mut State, failure: &Failure) {
        state.database = None;
        let Some(path) = &self.path else { return };
        if let Err(failure) = state.open(path) {
            log::debug!("spool: {}: {failure}", path.display());
        }
        if state.failed_at.replace(Instant::now()).is_some() {
            return;
        }
        log::error!(
            "spool: {} is not written: {failure}; what comes waits in memory, and what was sent is sent again after a \
             restart",
            path.display()
        );
    }
}

impl State {
    /// Opens the file. What it holds takes the place of what was known of it: after damage that is nothing.
    fn open(&mut self, path: &Path) -> Result<(), Failure> {
        let waited = self.on_disk.len() - self.gone.len();
        let (opened, is_anew) = database::open_or_set_aside("spool", path, || file::open(path))?;
        let is_there = |number: u64| opened.slots.binary_search_by_key(&number, |slot| slot.number).is_ok();
        self.gone.retain(|number| is_there(*number));
        // A write that failed may have come to its end on the disk all the same.
        self.in_memory.retain(|(slot, _)| !is_there(slot.number));
        self.memory_bytes = self.in_memory.iter().map(|(slot, _)| slot.bytes).sum();
        if is_anew {
            self.dropped += waited as u64;
            self.is_noted = self.note.is_none();
        } else if self.is_noted {
            // One that is to be written is newer.
            self.note = opened.note;
        }
        self.next = opened.slots.last().map_or(0, |slot| slot.number + 1).max(self.next);
        self.disk_bytes = opened.slots.iter().map(|slot| slot.bytes).sum();
        self.on_disk = opened.slots.into();
        self.database = Some(opened.database);
        Ok(())
    }

    fn keep_in_memory(&mut self, body: &[u8]) {
        let came = now();
        let packed = file::packed(came, body);
        let slot = Slot { number: self.next, came, bytes: packed.len() as u64 };
        self.next += 1;
        self.memory_bytes += slot.bytes;
        self.in_memory.push_back((slot, packed));
    }

    fn write(&mut self, path: &Path, most_bytes: u64) -> Result<(), Failure> {
        if self.database.is_none() {
            self.open(path)?;
        }
        self.make_room(path, most_bytes.max(LEAST_FILE_BYTES))?;
        let Some(database) = &self.database else { return Ok(()) };
        let coming = self.in_memory.iter().map(|(slot, packed)| (slot.number, packed.as_slice()));
        let note = self.note.as_deref().filter(|_| !self.is_noted);
        file::put(database, coming, self.gone.iter().copied(), note)?;
        self.is_noted = true;
        let gone = std::mem::take(&mut self.gone);
        self.on_disk.retain(|slot| !gone.contains(&slot.number));
        self.on_disk.extend(self.in_memory.drain(..).map(|(slot, _)| slot));
        self.memory_bytes = 0;
        self.disk_bytes = self.on_disk.iter().map(|slot| slot.bytes).sum();
        Ok(())
    }

    /// Makes the file smaller where what comes would make it larger than it may be. The database gives every entry pages, up
    /// to twice its bytes, uses freed ones again as they fit, and gives none back by itself: so the oldest entries go where it
    /// is entries that take the room, a quarter at once, since then all that stays is moved together.
    fn make_room(&mut self, path: &Path, most_bytes: u64) -> Result<(), Failure> {
        let note = self.note.as_ref().filter(|_| !self.is_noted).map_or(0, Vec::len) as u64;
        let coming = 2 * (self.memory_bytes + note) + TRANSACTION_BYTES;
        for _ in 0..MOST_CUTS {
            let taken = file::bytes_on_disk(path);
            if taken + coming <= most_bytes || self.on_disk.is_empty() && taken <= LEAST_FILE_BYTES {
                break;
            }
            let waiting = self.waiting_bytes() - self.memory_bytes;
            if waiting > taken / 3 {
                let (mut left, mut cut) = (waiting, Vec::new());
                for slot in self.on_disk.iter().filter(|slot| !self.gone.contains(&slot.number)) {
                    if left <= waiting / 4 * 3 {
                        break;
                    }
                    left -= slot.bytes;
                    cut.push(slot.number);
                }
                self.drop_unsent(&cut);
            }
            let Some(database) = &mut self.database else { break };
            file::put(database, std::iter::empty(), self.gone.iter().copied(), None)?;
            let gone = std::mem::take(&mut self.gone);
            self.on_disk.retain(|slot| !gone.contains(&slot.number));
            self.disk_bytes = self.on_disk.iter().map(|slot| slot.bytes).sum();
            file::compact(database)?;
        }
        Ok(())
    }

    fn read(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        let first = self.on_disk.iter().find(|slot| !self.gone.contains(&slot.number));
        let (Some(database), Some(first)) = (&self.database, first) else { return Ok(Vec::new()) };
        file::read(database, first.number, count, |number| !self.gone.contains(&number))
    }

    /// These are done with: those in memory at once, those on the disk with the next write.
    fn forget(&mut self, numbers: &[u64]) {
        self.in_memory.retain(|(slot, _)| !numbers.contains(&slot.number));
        self.memory_bytes = self.in_memory.iter().map(|(slot, _)| slot.bytes).sum();
        let newest = self.on_disk.back().map(|slot| slot.number);
        self.gone.extend(numbers.iter().copied().filter(|number| newest.is_some_and(|newest| *number <= newest)));
    }

    /// What waits, on the disk and in memory, without what is done with.
    fn waiting_bytes(&self) -> u64 {
        let all = self.disk_bytes + self.memory_bytes;
        if self.gone.is_empty() {
            return all;
        }
        all - self.on_disk.iter().filter(|slot| self.gone.contains(&slot.number)).map(|slot| slot.bytes).sum::<u64>()
    }

    /// Drops what is too old or too much, the oldest first.
    fn bound(&mut self, bounds: Bounds, has_disk: bool) {
        let oldest = now().saturating_sub(bounds.most_age.as_secs());
        let mut gone = Vec::new();
        let mut bytes = self.waiting_bytes();
        for slot in self.on_disk.iter().filter(|slot| !self.gone.contains(&slot.number)) {
            if bytes <= bounds.most_bytes && slot.came >= oldest {
                break;
            }
            bytes -= slot.bytes;
            gone.push(slot.number);
        }
        let most = if has_disk { MOST_MEMORY_BYTES } else { bounds.most_bytes.min(MOST_MEMORY_BYTES) };
        let mut bytes = self.memory_bytes;
        for (slot, _) in &self.in_memory {
            if bytes <= most && slot.came >= oldest {
                break;
            }
            bytes -= slot.bytes;
            gone.push(slot.number);
        }
        self.drop_unsent(&gone);
    }

    fn drop_unsent(&mut self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        if self.dropped == 0 {
            log::warn!("spool: there is no room for all that waits; the oldest is dropped, and counted");
        }
        self.forget(numbers);
        self.dropped += numbers.len() as u64;
    }
}
