//! History: what every vital did, from the last second to two years ago.
//!
//! The sampler calls [`History::record`] once a tick; the server calls [`History::query`]. Four tiers, each with minimum,
//! mean and maximum of its slots: the last hour by seconds in memory, and with a data directory, on disk, a day by 10 s,
//! 14 days by the minute, 2 years by the hour. An answer takes the finest tier that reaches back far enough, and what the
//! memory knows better from there.
//!
//! What it promises:
//! - A tick costs some microseconds and never waits for a disk: a thread of its own (`writer`) writes, in batches that
//!   are synced every 9 s. A kill loses what came after the last one and never what was there before.
//! - A damaged file is set aside under another name; a full disk pauses the writing, which is tried again every minute.
//! - Space is fixed at the start: [`History::space_bytes`] on disk, [`MOST_DYNAMIC_SERIES`] series that come and go.
//! - Time never goes back; `clock` says what happens when the wall clock does.
//!
//! Nothing here reads `/proc`, and nothing here knows HTTP.

mod answer;
mod aside;
mod clock;
mod failure;
mod layout;
mod live;
mod pack;
mod query;
mod record;
mod ring;
mod series;
mod space;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_clock;
#[cfg(test)]
mod tests_disk;
#[cfg(test)]
mod tests_process;
mod tier;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use answer::{Answer, Column};
pub use query::{DEFAULT_POINTS, MOST_POINTS, Parameters, Query, QueryError, Span};
pub use series::{MOST_CORES, MOST_DYNAMIC_SERIES, Unit};

use answer::{Columns, Steps};
use failure::Failure;
use live::Live;
use store::Loaded;
use tier::{DISK, SECONDS};
use writer::{Batch, Disk, Message, Writer};

use crate::model::Snapshot;

/// Name of the file in the data directory.
const FILE: &str = "history.redb";

/// Batches that may wait for the writer before they are held back. One is the rule.
const WAITING_BATCHES: usize = 4;

/// How long [`History::close`] waits for the disk.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// Why the history cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Another process uses the data directory.
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

/// The history. Shared between the sampler, which writes, and requests, which read.
#[derive(Debug)]
pub struct History {
    /// Written by `record` at every tick for some microseconds, read by queries for about as long: they take names and
    /// pointers to blocks, and unpack after the lock. A plain mutex, since neither side may skip the other's change.
    live: Mutex<Live>,
    disk: Option<Arc<Disk>>,
    /// To the writer; `None` without a file and once closed. Bounded, and never waited for.
    writer: Mutex<Option<SyncSender<Message>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left at worst one slot half filled, which is no reason to end the history.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl History {
    /// Opens the history under `directory`, which is made if need be; `None` keeps the last hour in memory and no more.
    /// Samples will come every `interval`, now and then an earlier one.
    ///
    /// A damaged file is set aside and named in the log. A full disk is no error: writing begins once there is room.
    pub fn open(directory: Option<&Path>, interval: Duration) -> Result<Self, HistoryError> {
        Self::open_with(directory, interval, writer::RETRY)
    }

    fn open_with(directory: Option<&Path>, interval: Duration, retry: Duration) -> Result<Self, HistoryError> {
        let live = |loaded| Mutex::new(Live::new(loaded, interval.as_secs_f64()));
        let Some(directory) = directory else {
            return Ok(Self { live: live(None), disk: None, writer: Mutex::new(None) });
        };
        let path = directory.join(FILE);
        let unusable = |path: &Path, reason: String| HistoryError::Unusable { path: path.to_owned(), reason };
        std::fs::create_dir_all(directory).map_err(|error| unusable(directory, error.to_string()))?;
        let (database, loaded) = match open_file(&path) {
            Ok((database, loaded)) => (Some(database), loaded),
            Err(Failure::InUse) => return Err(HistoryError::InUse { path }),
            Err(Failure::Refused(kind, reason)) if !is_temporary(kind) => return Err(unusable(&path, reason)),
            Err(failure) => {
                log::error!("history: {} is not written: {failure}; it is tried again every minute", path.display());
                (None, Loaded::default())
            }
        };
        // Decides about space alone, so the cores that this process may use are near enough to those that it will see.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let disk = Arc::new(Disk::new(path.clone(), space::block_bytes(cores)));
        let writer = Writer::new(Arc::clone(&disk), &loaded, retry);
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer.run(database, &receiver))
            .map_err(|error| unusable(&path, error.to_string()))?;
        Ok(Self { live: live(Some(&loaded)), disk: Some(disk), writer: Mutex::new(Some(sender)) })
    }

    /// Remembers one sample. To be called once a tick, in the order of the samples, off the async threads.
    pub fn record(&self, snapshot: &Snapshot) {
        let mut live = lock(&self.live);
        let Some(batch) = live.record(snapshot) else { return };
        if let Err(batch) = self.send(batch) {
            live.put_back(batch);
        }
    }

    /// Gives a batch to the writer, or back when that is behind: the disk is slower than a batch in 9 s. It is held in
    /// [`Live`] then, within the bound of a batch.
    fn send(&self, batch: Batch) -> Result<(), Batch> {
        let writer = lock(&self.writer);
        let Some(sender) = writer.as_ref() else { return Ok(()) };
        match sender.try_send(Message::Batch(batch)) {
            Err(TrySendError::Full(Message::Batch(batch))) => Err(batch),
            _ => Ok(()),
        }
    }

    /// The answer to a query. Reads the disk: not for an async thread.
    pub fn query(&self, query: &Query) -> Result<Answer, QueryError> {
        self.query_at(query, unix_now())
    }

    fn query_at(&self, query: &Query, wall: f64) -> Result<Answer, QueryError> {
        let live = lock(&self.live);
        let newest = live.newest();
        // The newest point is never in the future of its own history; see `clock`.
        let now = newest.map_or(wall, |newest| newest.max(wall));
        let (from, to) = query.bounds(now.floor() as i64 + 1)?;
        let known = live.catalogue.all().to_vec();
        let (held, open_second) = (live.ring.hold(), live.open_second());
        let memory_oldest = live.ring.oldest().or(open_second.as_ref().map(|row| row.slot));
        let interval = live.interval();
        drop(live);
        let names: Vec<Arc<str>> = known.iter().map(|series| series.name.clone()).collect();
        let chosen = query::choose(query.series.as_deref(), &names)?;
        let series: Vec<_> = chosen.iter().map(|place| &known[*place]).collect();

        let database = self.disk.as_ref().and_then(|disk| disk.database());
        let mut oldest = vec![memory_oldest];
        if let Some(database) = &database {
            match store::oldest(database) {
                Ok(slots) => {
                    oldest.extend(slots.iter().zip(DISK).map(|(slot, tier)| slot.map(|slot| slot * tier.step)));
                }
                Err(failure) => self.unreadable(&failure),
            }
        }
        let tier = choose_tier(from, &oldest);
        let tier_step = if tier == 0 { SECONDS.step } else { DISK[tier - 1].step };
        let points = (query.points as usize).min(query::MOST_VALUES / series.len().max(1)).max(1);
        let steps = Steps::new(from, to, tier_step, points);
        let mut columns = Columns::new(steps, series.iter().map(|series| series.id));
        // From here on memory knows every second, and the disk only what was synced.
        let memory_from = memory_oldest.map_or(i64::MAX, |oldest| next_multiple(oldest, tier_step));
        if let (Some(database), true) = (&database, tier > 0) {
            let end = steps.end().min(memory_from);
            let (from, to) = (steps.first.div_euclid(tier_step), end.div_euclid(tier_step));
            let ids = columns.ids();
            let result =
                store::read(database, tier - 1, from, to, &ids, |id, points| columns.add(id, tier_step, points));
            result.unwrap_or_else(|failure| self.unreadable(&failure));
        }
        let memory_from = if tier == 0 { i64::MIN } else { memory_from };
        let ids = columns.ids();
        let seconds = steps.first.max(memory_from)..steps.end();
        held.read(seconds, &ids, |id, points| columns.add(id, SECONDS.step, points));
        for row in open_second.iter().filter(|row| row.slot >= memory_from) {
            row.points.iter().for_each(|(id, point)| columns.add(*id, SECONDS.step, &[(row.slot, *point)]));
        }
        let hold = 2.5 * interval;
        let series = series.iter().enumerate();
        let series = series.map(|(number, series)| (series.name.clone(), columns.column(number, series.unit, hold)));
        Ok(Answer {
            from,
            to,
            step_seconds: steps.seconds,
            age_seconds: newest.map(|newest| (now - newest).max(0.0)),
            time: columns.time(),
            series: series.collect(),
        })
    }

    fn unreadable(&self, failure: &Failure) {
        if let (Some(disk), Failure::Damaged(_)) = (&self.disk, failure) {
            disk.report_damage();
        }
        log::warn!("history: a query could not read the disk: {failure}");
    }

    /// Most bytes that the history takes on disk. Fixed at the start; 0 without a data directory.
    #[must_use]
    pub fn space_bytes(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.file_bytes())
    }

    /// One line for the log at the start: what is kept, where, and how much space it may take.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.disk {
            None => {
                "history: every second of the last hour, in memory only: without --data-dir nothing outlives a restart"
                    .to_owned()
            }
            Some(disk) => format!(
                "history: every second for 1 h in memory; every 10 s for 1 day, every minute for 14 days, every hour for \
                 2 years in {}, at most {} MiB",
                disk.path().display(),
                disk.file_bytes().div_ceil(1 << 20)
            ),
        }
    }

    /// Gives what there is to the writer without waiting, so that it is on its way to the disk while something else ends.
    pub fn flush(&self) {
        let mut live = lock(&self.live);
        let Some(batch) = live.take_batch() else { return };
        if let Err(batch) = self.send(batch) {
            live.put_back(batch);
        }
    }

    /// Writes what is left and closes the file; waits some seconds for it at most. Samples that come later stay in
    /// memory.
    pub fn close(&self) {
        self.close_by(Instant::now() + CLOSE_WAIT);
    }

    /// The same, and waits no longer than until `deadline`.
    pub fn close_by(&self, deadline: Instant) {
        let Some(sender) = lock(&self.writer).take() else { return };
        let (done, closed) = sync_channel(1);
        let batch = lock(&self.live).take_batch().map(Message::Batch);
        for mut message in batch.into_iter().chain([Message::Close(done)]) {
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

impl Drop for History {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens the file; one that is damaged is set aside for a new one.
fn open_file(path: &Path) -> Result<(redb::Database, Loaded), Failure> {
    let failure = match store::open(path) {
        Err(failure @ Failure::Damaged(_)) => failure,
        opened => return opened,
    };
    let aside = aside::set_aside(path, "damaged").map_err(|error| Failure::Refused(error.kind(), error.to_string()))?;
    log::error!("history: {} is unusable: {failure}; set aside as {}", path.display(), aside.display());
    store::open(path)
}

/// Whether a refusal may pass without anybody changing the configuration.
fn is_temporary(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    !matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::IsADirectory | ErrorKind::NotFound
    )
}

/// The finest tier (0: memory) that reaches back to `from`. `oldest` gives the oldest moment of each, finest first. A
/// coarser one is taken only where it is a whole slot older: slots begin before the first sample in them.
fn choose_tier(from: i64, oldest: &[Option<i64>]) -> usize {
    let mut chosen = 0;
    for (tier, slot) in DISK.iter().enumerate().map(|(tier, disk)| (tier + 1, disk.step)) {
        let current = oldest[chosen].unwrap_or(i64::MAX);
        if current <= from {
            break;
        }
        if let Some(Some(moment)) = oldest.get(tier)
            && moment.saturating_add(slot) <= current
        {
            chosen = tier;
        }
    }
    chosen
}

fn next_multiple(number: i64, step: i64) -> i64 {
    (number + step - 1).div_euclid(step) * step
}
