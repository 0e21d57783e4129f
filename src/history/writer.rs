//! The thread that writes the history's file, so that a slow, full or damaged disk never delays a sample.
//!
//! `History::record` sends it a [`Batch`] some seconds apart, through a bounded channel and without waiting. Each batch
//! becomes one transaction with one sync. What cannot be written is kept for an hour and tried again every minute.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;

use super::aside::{copy_aside, set_aside};
use super::failure::{Failure, guarded};
use super::series::Series;
use super::space;
use super::store;
use super::tier::{DISK, Open, Row, SeriesId};

/// Rows of 10 s that wait for a disk that takes nothing: an hour.
pub(super) const MOST_WAITING_ROWS: usize = 360;

/// How long after a failed write the next one is tried.
pub(super) const RETRY: Duration = Duration::from_secs(60);

/// How long a query waits for the check at the start.
const CHECK_WAIT: Duration = Duration::from_secs(2);

/// What happened since the last batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Finished rows of the first tier, oldest first.
    pub(super) closed: Vec<Row>,
    /// The row that is still being filled, as it stands.
    pub(super) open: Option<Row>,
    /// New series.
    pub(super) fresh: Vec<Series>,
    /// Series that gave their place to new ones.
    pub(super) forgotten: Vec<SeriesId>,
    /// What the file has after this moment, unix seconds, was stamped by a clock that was wrong.
    pub(super) take_out_after: Option<i64>,
}

impl Batch {
    /// Adds a later batch. Past an hour of rows the oldest go.
    pub(super) fn append(&mut self, later: Self) {
        if let Some(moment) = later.take_out_after {
            // What still waits here may be of that time, too.
            let last = moment.div_euclid(DISK[0].step);
            self.closed.retain(|row| row.slot <= last);
            self.open.take_if(|row| row.slot > last);
        }
        self.closed.extend(later.closed);
        let excess = self.closed.len().saturating_sub(MOST_WAITING_ROWS);
        self.closed.drain(..excess);
        self.open = later.open.or(self.open.take());
        self.take_out_after = later.take_out_after.or(self.take_out_after);
        // What was never written need not be forgotten: while the disk takes nothing, series may come and go for days.
        let is_fresh = |id: &SeriesId| self.fresh.iter().any(|series| series.id == *id);
        self.forgotten.extend(later.forgotten.iter().copied().filter(|id| !is_fresh(id)));
        self.fresh.retain(|series| !later.forgotten.contains(&series.id));
        self.fresh.extend(later.fresh);
    }

    fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_none() && self.fresh.is_empty() && self.forgotten.is_empty()
    }
}

/// What the thread is sent.
#[derive(Debug)]
pub(super) enum Message {
    /// To be written.
    Batch(Batch),
    /// Write what there is, tell it through the channel, and end.
    Close(SyncSender<()>),
}

/// The database as the writer and the queries share it.
///
/// The lock is held for a pointer's copy only: the writer sets the state, queries clone the `Arc` and read without it.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// What the packed blocks may take.
    block_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Set by a query that met damage; the writer acts on it.
    damaged: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// The writer has not read it through yet.
    Checking,
    Open(Arc<Database>),
    Closed,
}

impl Disk {
    /// The file at `path`, not checked yet, whose packed blocks may take `block_bytes`.
    pub(super) fn new(path: PathBuf, block_bytes: u64) -> Self {
        Self {
            path,
            block_bytes,
            state: Mutex::new(State::Checking),
            changed: Condvar::new(),
            damaged: AtomicBool::new(false),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Most bytes that the file takes.
    pub(super) fn file_bytes(&self) -> u64 {
        space::file_bytes(self.block_bytes)
    }

    /// The database, if it can be read now.
    pub(super) fn database(&self) -> Option<Arc<Database>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let checking = |state: &mut State| matches!(state, State::Checking);
        match self.changed.wait_timeout_while(state, CHECK_WAIT, checking) {
            Ok((state, _)) => match &*state {
                State::Open(database) => Some(Arc::clone(database)),
                State::Checking | State::Closed => None,
            },
            Err(_) => None,
        }
    }

    /// A query met damage.
    pub(super) fn report_damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<Disk>,
    /// The catalogue as the file should have it.
    series: BTreeMap<SeriesId, Series>,
    /// Open rows of the minute and the hour.
    coarse: [Open; 2],
    pending: Batch,
    /// Whether the file was copied for what is to be taken out of it.
    has_copy: bool,
    failed_at: Option<Instant>,
    retry: Duration,
}

impl Writer {
    /// A writer that goes on where `loaded` ends, and tries again `retry` after a write that failed.
    pub(super) fn new(disk: Arc<Disk>, loaded: &store::Loaded, retry: Duration) -> Self {
        let resume = |tier: usize| loaded.newest[tier].as_ref().map(Open::resume).unwrap_or_default();
        Self {
            disk,
            series: loaded.series.iter().map(|series| (series.id, series.clone())).collect(),
            coarse: [resume(1), resume(2)],
            pending: Batch::default(),
            has_copy: false,
            failed_at: None,
            retry,
        }
    }

    /// Checks `database` (`None`: it could not be made yet), then writes until it is told to end.
    pub(super) fn run(mut self, database: Option<Database>, messages: &Receiver<Message>) {
        self.begin(database);
        while let Ok(message) = messages.recv() {
            match message {
                Message::Batch(batch) => {
                    self.take(batch);
                    if self.failed_at.is_none_or(|at| at.elapsed() >= self.retry) {
                        self.write();
                    }
                }
                Message::Close(done) => {
                    self.write();
                    self.disk.set(State::Closed);
                    // Whoever asked may have given up waiting.
                    let _ = done.try_send(());
                    return;
                }
            }
        }
    }

    fn begin(&mut self, database: Option<Database>) {
        let Some(mut database) = database else {
            self.failed_at = Some(Instant::now());
            return self.disk.set(State::Closed);
        };
        match store::check(&mut database) {
            Ok(()) => self.disk.set(State::Open(Arc::new(database))),
            Err(failure) => {
                drop(database);
                self.failed(&failure);
            }
        }
    }

    pub(super) fn take(&mut self, batch: Batch) {
        self.series.extend(batch.fresh.iter().map(|series| (series.id, series.clone())));
        for id in &batch.forgotten {
            self.series.remove(id);
        }
        self.pending.append(batch);
    }

    /// One transaction with all that is pending. After damage it is tried once more, on a new file.
    fn write(&mut self) {
        if self.disk.damaged.swap(false, Ordering::Relaxed) {
            self.failed(&Failure::Damaged("a query could not read it".to_owned()));
        }
        for _ in 0..2 {
            if self.pending.is_empty() {
                return;
            }
            match self.open().and_then(|database| self.commit(&database)) {
                Ok(()) => {
                    if self.failed_at.take().is_some() {
                        log::info!("history: {} is written again", self.disk.path.display());
                    }
                    return;
                }
                Err(failure) => {
                    self.failed(&failure);
                    if !matches!(failure, Failure::Damaged(_)) {
                        return;
                    }
                }
            }
        }
    }

    fn open(&self) -> Result<Arc<Database>, Failure> {
        if let Some(database) = self.disk.database() {
            return Ok(database);
        }
        let (database, _) = store::open(&self.disk.path)?;
        let database = Arc::new(database);
        self.disk.set(State::Open(Arc::clone(&database)));
        Ok(database)
    }

    pub(super) fn commit(&mut self, database: &Database) -> Result<(), Failure> {
        // Worked on copies: what is not committed has not happened.
        let mut coarse = self.coarse.clone();
        let mut seen: Vec<Series> = Vec::new();
        let (pending, series, bytes) = (&self.pending, &self.series, self.disk.block_bytes);
        if pending.take_out_after.is_some() && !self.has_copy {
            let copy = copy_aside(&self.disk.path, "ahead")?;
            self.has_copy = true;
            log::warn!(
                "history: {} has points from the future; they are taken out, and stay in {}",
                self.disk.path.display(),
                copy.display()
            );
        }
        guarded(|| {
            let transaction = database.begin_write()?;
            if let Some(moment) = pending.take_out_after {
                let left = store::take_out_after(&transaction, moment)?;
                coarse = [left.minute, left.hour].map(|row| row.as_ref().map(Open::resume).unwrap_or_default());
            }
            store::put_series(&transaction, &pending.fresh)?;
            if !pending.forgotten.is_empty() {
                store::forget_series(&transaction, &pending.forgotten)?;
            }
            for row in &pending.closed {
                store::put_row(&transaction, 0, row, bytes)?;
                let [minute, hour] = &mut coarse;
                let Some(finished) = minute.add(slot_in(1, 0, row.slot), row) else { continue };
                store::put_row(&transaction, 1, &finished, bytes)?;
                let Some(finished) = hour.add(slot_in(2, 1, finished.slot), &finished) else { continue };
                store::put_row(&transaction, 2, &finished, bytes)?;
                seen = seen_in(&finished, series);
                store::put_series(&transaction, &seen)?;
            }
            if let Some(row) = &pending.open {
                store::put_row(&transaction, 0, row, bytes)?;
            }
            for (tier, open) in [(1, &coarse[0]), (2, &coarse[1])] {
                if !pending.closed.is_empty()
                    && let Some(row) = open.row()
                {
                    store::put_row(&transaction, tier, &row, bytes)?;
                }
            }
            Ok(transaction.commit()?)
        })?;
        self.coarse = coarse;
        self.has_copy = false;
        self.series.extend(seen.into_iter().map(|series| (series.id, series)));
        self.pending = Batch::default();
        Ok(())
    }

    /// Puts a damaged file aside, closes one that the system refuses; says so once.
    fn failed(&mut self, failure: &Failure) {
        let path = self.disk.path.clone();
        self.disk.set(State::Closed);
        match failure {
            Failure::Damaged(_) => match set_aside(&path, "damaged") {
                Ok(aside) => {
                    log::error!("history: {} is unusable: {failure}; set aside as {}", path.display(), aside.display());
                    // The new file knows no series and no row of before.
                    self.pending.fresh = self.series.values().cloned().collect();
                    self.pending.forgotten.clear();
                    (self.pending.take_out_after, self.has_copy) = (None, false);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.pending.fresh = self.series.values().cloned().collect();
                    (self.pending.take_out_after, self.has_copy) = (None, false);
                }
                Err(error) => {
                    log::error!("history: {} is unusable: {failure}; it cannot be moved: {error}", path.display());
                    self.failed_at = Some(Instant::now());
                }
            },
            Failure::InUse | Failure::Refused(..) => {
                if self.failed_at.is_none() {
                    log::error!(
                        "history: {} is not written: {failure}; the last hour stays in memory, the next try is in {} s",
                        path.display(),
                        self.retry.as_secs()
                    );
                }
                self.failed_at = Some(Instant::now());
            }
        }
        // What is on the disk can still be read, if it opens.
        if let Ok((database, _)) = store::open(&path) {
            self.disk.set(State::Open(Arc::new(database)));
        }
    }
}

/// The slot of `tier` in which a slot of the tier `finer` lies.
fn slot_in(tier: usize, finer: usize, slot: i64) -> i64 {
    slot.div_euclid(DISK[tier].step / DISK[finer].step)
}

/// The series of an hour's row, with when they were last seen.
fn seen_in(hour: &Row, series: &BTreeMap<SeriesId, Series>) -> Vec<Series> {
    let last_seen = (hour.slot + 1) * DISK[2].step;
    let known = hour.points.iter().filter_map(|(id, _)| series.get(id));
    known.map(|series| Series { last_seen, ..series.clone() }).collect()
}
