//! What is to be sent and was not confirmed yet, oldest first: on the disk where there is a data directory, else in memory.
//!
//! redb: an entry is there or it is not, whatever is killed meanwhile, and the room of what was sent is used again. Bounded
//! by bytes and by age; the oldest go first, and are counted. While the disk takes nothing, what comes waits in memory
//! behind what is on the disk, bounded too. Filled by whoever has something to send, emptied by [`super::thread`].

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

/// Number of an entry -> when it came (8 bytes, unix seconds), what is to be sent (snappy).
const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

/// Memory that redb may use for pages.
const CACHE_BYTES: usize = 512 << 10;

/// Most bytes that wait in memory, where there is no disk or it takes nothing.
const MOST_MEMORY_BYTES: u64 = 8 << 20;

/// How long after a failed write the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What a spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on the disk, packed.
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

#[derive(Debug)]
struct State {
    database: Option<Database>,
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

/// Any of redb's errors in words.
fn words(error: impl Into<redb::Error>) -> String {
    error.into().to_string()
}

impl Spool {
    /// Opens the spool in the file at `path`, or makes it; `None` keeps it in memory.
    pub fn open(path: Option<&Path>, bounds: Bounds) -> Result<Self, OpenError> {
        let mut state = State {
            database: None,
            on_disk: VecDeque::new(),
            gone: BTreeSet::new(),
            in_memory: VecDeque::new(),
            next: 0,
            disk_bytes: 0,
            memory_bytes: 0,
            dropped: 0,
            failed_at: None,
        };
        if let Some(path) = path {
            let unusable = |reason: String| OpenError { path: path.display().to_string(), reason };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
            }
            let database = open(path).map_err(unusable)?;
            state.load(&database).map_err(|error| unusable(words(error)))?;
            state.database = Some(database);
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
        let mut state = self.lock();
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
            return all
                .filter_map(|(slot, packed)| Some(Entry { number: slot.number, body: unpack(packed)? }))
                .collect();
        }
        match state.read(count) {
            Ok(entries) => entries,
            Err(error) => {
                log::error!("spool: {} cannot be read: {error}", self.name());
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

    fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "memory".to_owned(), |path| path.display().to_string())
    }

    /// Takes to the disk what waits in memory, and from it what is done with.
    fn write(&self, state: &mut State) -> Result<(), String> {
        let Some(path) = &self.path else { return Ok(()) };
        if state.in_memory.is_empty() && state.gone.is_empty() && state.database.is_some() {
            return Ok(());
        }
        if state.failed_at.is_some_and(|at| at.elapsed() < RETRY) {
            return Err("the disk does not take it".to_owned());
        }
        let written = state.write(path);
        match &written {
            Ok(()) if state.failed_at.take().is_some() => log::info!("spool: {} is written again", path.display()),
            Ok(()) => {}
            Err(error) => {
                // redb takes nothing more once a write has failed; it is opened again.
                state.database = None;
                if state.failed_at.replace(Instant::now()).is_none() {
                    log::error!(
                        "spool: {} is not written: {error}; what comes waits in memory, and what was sent is sent again \
                         after a restart",
                        path.display()
                    );
                }
            }
        }
        written
    }
}

fn open(path: &Path) -> Result<Database, String> {
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(words)?;
    let write = database.begin_write().map_err(words)?;
    drop(write.open_table(ENTRIES).map_err(words)?);
    write.commit().map_err(words)?;
    Ok(database)
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let unpacked = snap::raw::Decoder::new().decompress_vec(packed.get(8..)?);
    unpacked.inspect_err(|error| log::error!("spool: an entry cannot be read: {error}")).ok()
}

impl State {
    fn load(&mut self, database: &Database) -> Result<(), redb::Error> {
        let entries = database.begin_read()?.open_table(ENTRIES)?;
        for entry in entries.iter()? {
            let (number, packed) = entry?;
            let (number, packed) = (number.value(), packed.value());
            let came = packed.first_chunk().map_or(0, |came| u64::from_le_bytes(*came));
            self.on_disk.push_back(Slot { number, came, bytes: packed.len() as u64 });
            self.disk_bytes += packed.len() as u64;
            self.next = number + 1;
        }
        Ok(())
    }

    fn keep_in_memory(&mut self, body: &[u8]) {
        let came = now();
        let mut packed = came.to_le_bytes().to_vec();
        // It fails beyond 4 GiB only, which nothing here has.
        packed.extend(snap::raw::Encoder::new().compress_vec(body).unwrap_or_default());
        let slot = Slot { number: self.next, came, bytes: packed.len() as u64 };
        self.next += 1;
        self.memory_bytes += slot.bytes;
        self.in_memory.push_back((slot, packed));
    }

    fn write(&mut self, path: &Path) -> Result<(), String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(path)?,
        };
        let written = self.put(&database).map_err(words);
        self.database = Some(database);
        written?;
        let gone = std::mem::take(&mut self.gone);
        self.on_disk.retain(|slot| {
            let stays = !gone.contains(&slot.number);
            self.disk_bytes -= if stays { 0 } else { slot.bytes };
            stays
        });
        self.disk_bytes += std::mem::take(&mut self.memory_bytes);
        self.on_disk.extend(self.in_memory.drain(..).map(|(slot, _)| slot));
        Ok(())
    }

    fn put(&self, database: &Database) -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        {
            let mut entries = write.open_table(ENTRIES)?;
            for (slot, packed) in &self.in_memory {
                entries.insert(slot.number, packed.as_slice())?;
            }
            for number in &self.gone {
                entries.remove(number)?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, count: usize) -> Result<Vec<Entry>, redb::Error> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let entries = database.begin_read()?.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for entry in entries.iter()? {
            let (number, packed) = entry?;
            if found.len() == count {
                break;
            }
            if self.gone.contains(&number.value()) {
                continue;
            }
            // One that cannot be read is sent empty, refused, and done with.
            found.push(Entry { number: number.value(), body: unpack(packed.value()).unwrap_or_default() });
        }
        Ok(found)
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
        if gone.is_empty() {
            return;
        }
        if self.dropped == 0 {
            log::warn!("spool: there is no room for all that waits; the oldest is dropped, and counted");
        }
        self.forget(&gone);
        self.dropped += gone.len() as u64;
    }
}

#[cfg(test)]
mod tests;
