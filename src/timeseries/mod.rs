//! Time series: numbers under the keys (host, series), from the last second to two years ago, in memory and in one file.
//!
//! A host is a machine by name; the empty name is this one. [`crate::history`] records this machine's numbers and answers
//! what is asked of them; nothing here knows what the numbers mean, and nothing here knows HTTP.
//!
//! Four tiers, each with minimum, mean and maximum of its slots: the last hour by seconds in memory, and with a directory,
//! on disk, a day by 10 s, 14 days by the minute, 2 years by the hour. A [`View`] takes the finest tier that reaches back
//! far enough, and what the memory knows better from there.
//!
//! What it promises:
//! - A sample costs some microseconds and never waits for a disk: a thread of its own (`writer`) writes, in batches that
//!   are synced every 9 s. A kill loses what came after the last one and never what was there before.
//! - A damaged file is set aside under another name; a full disk pauses the writing, which is tried again every minute.
//! - Space is fixed at the start, for each host: [`Store::space_bytes`] on disk, [`MOST_DYNAMIC_SERIES`] series that come
//!   and go, some 200 KiB of memory. So is the number of hosts. Hosts share nothing but the file and the thread. Of a host
//!   that went silent nothing stays in memory but its names ([`Store::rest`]), and nothing at all once it is taken out
//!   ([`Store::remove`]).
//! - Time never goes back; `clock` and `host` say what happens when the wall clock does.

mod batch;
mod clock;
mod disk_budget;
mod file;
mod file_reader;
mod host;
mod layout;
mod pack;
mod ring;
mod series;
mod slot;
#[cfg(test)]
mod tests;
mod tier;
mod view;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use series::{MOST_DYNAMIC_SERIES, Series, Unit, Values};
#[cfg(test)]
pub(crate) use tier::single;
pub use tier::{BLOCK_SLOTS, DISK, Gauge, Point, SAMPLES, SeriesId, Tier};
pub use view::View;

use batch::Batch;
use file::{Loaded, LoadedHost};
use host::Host;
use writer::{Disk, Message, Writer};

use crate::database::{self, Failure};

/// Name of the file in the directory.
const FILE: &str = "history.redb";

/// Name of this machine among the hosts.
pub const THIS_MACHINE: &str = "";

/// Batches that may wait for the writer before they are held back. One a host is the rule.
const WAITING_BATCHES: usize = 16;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the directory.
    #[error("{path} is in use by another process; stop it, or give this one a --data-dir of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The directory or the file cannot be made or opened.
    #[error(
        "{path} cannot be used: {reason}; give a --data-dir that can be written, or none to keep history in memory"
    )]
    Unusable {
        /// The directory or the file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// There is room for no more hosts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is room for {0} hosts and no more")]
pub struct TooManyHosts(usize);

/// What a store may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Hosts, this machine among them.
    pub hosts: usize,
    /// Series of each host that may be busy all the time; quiet ones take next to nothing.
    pub busy_series: usize,
    /// How far apart the samples of a host are, now and then an earlier one.
    pub interval: Duration,
    /// How long after a failed write the next one is tried.
    pub retry: Duration,
    /// How long samples wait in memory for the batch that takes them to the disk.
    pub batch: Duration,
}

/// The store. Shared between those who record and those who read.
#[derive(Debug)]
pub struct Store {
    /// Written by `record` for some microseconds a sample, read by `view` for about as long: it takes names and pointers to
    /// blocks, and unpacks after the lock. A plain mutex, since neither side may skip the other's change.
    hosts: Mutex<HashMap<Arc<str>, Host>>,
    disk: Option<Arc<Disk>>,
    /// To the writer; `None` without a file and once closed. Bounded, and never waited for.
    writer: Mutex<Option<SyncSender<Message>>>,
    bounds: Bounds,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left at worst one slot half filled, which is no reason to end.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the store under `directory`, which is made if need be; `None` keeps the last hour in memory and no more.
    ///
    /// A damaged file is set aside and named in the log. A full disk is no error: writing begins once there is room.
    pub fn open(directory: Option<&Path>, bounds: Bounds) -> Result<Self, StoreError> {
        Self::open_as(FILE, directory, bounds)
    }

    /// The same in a file of another name.
    pub fn open_as(file: &str, directory: Option<&Path>, bounds: Bounds) -> Result<Self, StoreError> {
        let Some(directory) = directory else {
            let (hosts, writer) = (Mutex::default(), Mutex::default());
            return Ok(Self { hosts, disk: None, writer, bounds });
        };
        let path = directory.join(file);
        let unusable = |path: &Path, reason: String| StoreError::Unusable { path: path.to_owned(), reason };
        std::fs::create_dir_all(directory).map_err(|error| unusable(directory, error.to_string()))?;
        let (database, loaded) = match database::open_or_set_aside("history", &path, || file::open(&path)) {
            Ok(((database, loaded), _)) => (Some(database), loaded),
            Err(Failure::InUse) => return Err(StoreError::InUse { path }),
            Err(Failure::Refused(kind, reason)) if !is_temporary(kind) => return Err(unusable(&path, reason)),
            Err(failure) => {
                log::error!("history: {} is not written: {failure}; it is tried again every minute", path.display());
                (None, Loaded::default())
            }
        };
        let disk = Arc::new(Disk::new(path.clone(), disk_budget::block_bytes(bounds.busy_series)));
        for (host, known) in &loaded {
            known.newest.iter().for_each(|row| disk.has_stored(host, row));
        }
        let writer = Writer::new(Arc::clone(&disk), &loaded, bounds.retry);
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer.run(database, &receiver))
            .map_err(|error| unusable(&path, error.to_string()))?;
        let hosts = loaded.into_iter().map(|(name, known)| (name.into(), Host::new(known, &bounds, true)));
        Ok(Self { hosts: Mutex::new(hosts.collect()), disk: Some(disk), writer: Mutex::new(Some(sender)), bounds })
    }

    /// Remembers one sample of a host: of unix time `time`, `interval` seconds after the one before, with the values that
    /// `fill` puts in. In the order of the samples, off the async threads.
    pub fn record(
        &self,
        host: &str,
        time: f64,
        interval: Option<f64>,
        fill: impl FnOnce(&mut Values<'_>),
    ) -> Result<(), TooManyHosts> {
        let mut hosts = lock(&self.hosts);
        if !hosts.contains_key(host) {
            if hosts.len() >= self.bounds.hosts {
                return Err(TooManyHosts(self.bounds.hosts));
            }
            let new = Host::new(LoadedHost::default(), &self.bounds, self.disk.is_some());
            hosts.insert(host.into(), new);
        }
        let Some(state) = hosts.get_mut(host) else { return Ok(()) };
        if let Some(batch) = state.record(time, interval, fill)
            && let Err(batch) = self.send(host, batch)
        {
            state.put_back(batch);
        }
        Ok(())
    }

    /// Gives a batch to the writer, or back when that is behind: the disk is slower than a batch in 9 s. It is held in
    /// [`Host`] then, within the bound of a batch.
    fn send(&self, host: &str, batch: Batch) -> Result<(), Batch> {
        let writer = lock(&self.writer);
        let Some(sender) = writer.as_ref() else { return Ok(()) };
        match sender.try_send(Message::Batch(host.into(), batch)) {
            Err(TrySendError::Full(Message::Batch(_, batch))) => Err(batch),
            _ => Ok(()),
        }
    }

    /// A host's series as they are now; empty for a host that is not known. Reads the disk: not for an async thread.
    pub fn view(&self, host: &str) -> View {
        let hosts = lock(&self.hosts);
        let state = hosts.get(host);
        let current = state.map(Host::current);
        let open_second = current.and_then(|timeline| timeline.open_second());
        let memory_oldest = current.and_then(|timeline| timeline.ring.oldest());
        let mut view = View {
            series: state.map(|state| state.series.all().to_vec()).unwrap_or_default(),
            newest: current.and_then(|timeline| timeline.newest()),
            interval: state.map_or(self.bounds.interval.as_secs_f64(), Host::interval),
            memory: current.map(|timeline| timeline.ring.contents()).unwrap_or_default(),
            memory_oldest: memory_oldest.or(open_second.as_ref().map(|row| row.slot)),
            open_second,
            disk: self.disk.clone(),
            reader: None,
        };
        drop(hosts);
        view.open_file(host);
        view
    }

    /// The file; `None` without a directory.
    pub fn path(&self) -> Option<&Path> {
        self.disk.as_ref().map(|disk| disk.path())
    }

    /// Most bytes that the store takes on disk. Fixed at the start; 0 without a directory.
    pub fn space_bytes(&self) -> u64 {
        let of_one = disk_budget::file_bytes(disk_budget::block_bytes(self.bounds.busy_series));
        if self.disk.is_some() { of_one.saturating_mul(self.bounds.hosts as u64) } else { 0 }
    }

    /// The newest ten seconds of a host that are on the disk: their number (unix time / 10) and how many samples of them.
    /// `None` while there is nothing.
    pub fn stored(&self, host: &str) -> Option<(i64, f32)> {
        self.disk.as_ref()?.stored(host)
    }

    /// Hosts that there are, this machine among them.
    pub fn hosts(&self) -> Vec<Arc<str>> {
        lock(&self.hosts).keys().cloned().collect()
    }

    /// A host is silent: its last hour leaves the memory once it is on the disk. It goes on as if nothing had been when it
    /// comes again. False when the writer has no room for what is not on its way there yet: nothing is changed then, and it may
    /// be tried again.
    pub fn rest(&self, host: &str) -> bool {
        let mut hosts = lock(&self.hosts);
        let Some(state) = hosts.get_mut(host) else { return true };
        if let Some(batch) = state.take_batch()
            && let Err(batch) = self.send(host, batch)
        {
            state.put_back(batch);
            return false;
        }
        state.rest();
        true
    }

    /// Takes a host out, of memory now and of the file with the next write. False when the writer has no room for the
    /// message: nothing is changed then, and it may be tried again.
    pub fn remove(&self, host: &str) -> bool {
        let mut hosts = lock(&self.hosts);
        let writer = lock(&self.writer);
        if let Some(sender) = writer.as_ref()
            && sender.try_send(Message::Remove(host.into())).is_err()
        {
            return false;
        }
        hosts.remove(host);
        true
    }

    /// Gives what there is to the writer without waiting, so that it is on its way to the disk while something else ends.
    pub fn flush(&self) {
        for (host, state) in lock(&self.hosts).iter_mut() {
            let Some(batch) = state.take_batch() else { continue };
            if let Err(batch) = self.send(host, batch) {
                state.put_back(batch);
            }
        }
    }

    /// Writes what is left and closes the file; waits for it until `deadline` at most. Samples that come later stay in
    /// memory.
    pub fn close_by(&self, deadline: Instant) {
        let Some(sender) = lock(&self.writer).take() else { return };
        let (done, closed) = sync_channel(1);
        let mut messages: Vec<Message> = lock(&self.hosts)
            .iter_mut()
            .filter_map(|(host, state)| Some(Message::Batch(Arc::clone(host), state.take_batch()?)))
            .collect();
        messages.push(Message::Close(done));
        for mut message in messages {
            while let Err(TrySendError::Full(back)) = sender.try_send(message) {
                if Instant::now() >= deadline {
                    break;
                }
                message = back;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if closed.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
            log::warn!("history: the disk did not answer in time; the last seconds may be missing");
        }
    }
}

/// Whether a refusal may pass without anybody changing the configuration.
fn is_temporary(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    !matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::IsADirectory | ErrorKind::NotFound
    )
}
