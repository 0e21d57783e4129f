//! The thread that writes the file, so that a slow, full or damaged disk never delays a sample.
//!
//! [`super::Store::record`] sends it a [`Batch`] of each host some seconds apart, through a bounded channel and without
//! waiting. All batches that wait become one transaction with one sync. What cannot be written is kept for an hour and a half
//! and tried again every minute.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;

use super::batch::Batch;
use super::file::{self, Loaded, Tables};
use super::series::Series;
use super::tier::Row;
use crate::database::{self, Failure, guarded};

/// How long a query waits for the check at the start.
const CHECK_WAIT: Duration = Duration::from_secs(2);

/// What the thread is sent.
#[derive(Debug)]
pub(super) enum Message {
    /// To be written for this host.
    Batch(Arc<str>, Batch),
    /// Nothing of this host is wanted any more.
    Remove(Arc<str>),
    /// Write what there is, tell it through the channel, and end.
    Close(SyncSender<()>),
}

/// The database as the writer and the queries share it.
///
/// The lock is held for a pointer's copy only: the writer sets the state, queries clone the `Arc` and read without it.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// What the packed blocks of one host may take.
    block_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Set by a query that met damage; the writer acts on it.
    damaged: AtomicBool,
    /// Of each host the newest row of 10 s that is on the disk, and its samples. Set by the writer after each commit, asked
    /// by whoever keeps samples until they are there; held for one look.
    stored: Mutex<HashMap<Arc<str>, (i64, f32)>>,
}

#[derive(Debug)]
enum State {
    /// The writer has not read it through yet.
    Checking,
    Open(Arc<Database>),
    Closed,
}

impl Disk {
    /// The file at `path`, not checked yet, in which the packed blocks of each host may take `block_bytes`.
    pub(super) fn new(path: PathBuf, block_bytes: u64) -> Self {
        Self {
            path,
            block_bytes,
            state: Mutex::new(State::Checking),
            changed: Condvar::new(),
            damaged: AtomicBool::new(false),
            stored: Mutex::default(),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
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

    /// Whether the check at the start is over.
    #[cfg(test)]
    pub(super) fn is_checked(&self) -> bool {
        !matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Checking)
    }

    /// The newest row of 10 s of a host that is on the disk, and its samples.
    pub(super) fn stored(&self, host: &str) -> Option<(i64, f32)> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// This row is on the disk now.
    pub(super) fn has_stored(&self, host: &str, row: &Row) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = (row.slot, row.samples());
        match stored.get_mut(host) {
            Some(known) => *known = newest,
            None => drop(stored.insert(host.into(), newest)),
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
    hosts: BTreeMap<Arc<str>, Pending>,
    /// Whose tables go with the next commit, before anything is written. Bounded as the hosts are.
    removed: BTreeSet<Arc<str>>,
    /// Whether the file was copied for what is to be taken out of it.
    has_copy: bool,
    failed_at: Option<Instant>,
    retry: Duration,
}

/// What is to be written of one host.
#[derive(Debug, Default)]
struct Pending {
    /// All its series, for a new file.
    series: Vec<Series>,
    batch: Batch,
}

impl Writer {
    /// A writer that goes on where `loaded` ends, and tries again `retry` after a write that failed.
    pub(super) fn new(disk: Arc<Disk>, loaded: &Loaded, retry: Duration) -> Self {
        let pending = |series: &Vec<Series>| Pending { series: series.clone(), batch: Batch::default() };
        let hosts = loaded.iter().map(|(host, known)| (host.as_str().into(), pending(&known.series))).collect();
        Self { disk, hosts, removed: BTreeSet::new(), has_copy: false, failed_at: None, retry }
    }

    /// Checks `database` (`None`: it could not be made yet), then writes until it is told to end.
    pub(super) fn run(mut self, database: Option<Database>, messages: &Receiver<Message>) {
        self.begin(database);
        while let Ok(message) = messages.recv() {
            for message in std::iter::once(message).chain(messages.try_iter()) {
                match message {
                    Message::Batch(host, batch) => self.take(host, batch),
                    Message::Remove(host) => {
                        self.hosts.remove(&host);
                        self.removed.insert(host);
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
            if self.failed_at.is_none_or(|at| at.elapsed() >= self.retry) {
                self.write();
            }
        }
    }

    fn begin(&mut self, database: Option<Database>) {
        let Some(mut database) = database else {
            self.failed_at = Some(Instant::now());
            return self.disk.set(State::Closed);
        };
        match file::check(&mut database) {
            Ok(()) => self.disk.set(State::Open(Arc::new(database))),
            Err(failure) => {
                drop(database);
                self.failed(&failure);
            }
        }
    }

    pub(super) fn take(&mut self, host: Arc<str>, batch: Batch) {
        let pending = self.hosts.entry(host).or_default();
        if let Some(series) = &batch.series {
            pending.series.clone_from(series);
        }
        pending.batch.append(batch);
    }

    /// One transaction with all that is pending. After damage it is tried once more, on a new file.
    fn write(&mut self) {
        if self.disk.damaged.swap(false, Ordering::Relaxed) {
            self.failed(&Failure::Damaged("a query could not read it".to_owned()));
        }
        for _ in 0..2 {
            if self.hosts.values().all(|pending| pending.batch.is_empty()) && self.removed.is_empty() {
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
        let (database, _) = file::open(&self.disk.path)?;
        let database = Arc::new(database);
        self.disk.set(State::Open(Arc::clone(&database)));
        Ok(database)
    }

    /// Writes all that is pending, or nothing.
    pub(super) fn commit(&mut self, database: &Database) -> Result<(), Failure> {
        let takes_out = self.hosts.values().any(|pending| pending.batch.take_out_after.is_some());
        if takes_out && !self.has_copy {
            let copy = copy_ahead(&self.disk.path)?;
            self.has_copy = true;
            log::warn!(
                "history: {} has points from the future; they are taken out, and stay in {}",
                self.disk.path.display(),
                copy.display()
            );
        }
        guarded(|| {
            let transaction = database.begin_write()?;
            for host in &self.removed {
                file::remove_tables(&transaction, host)?;
            }
            for (host, Pending { batch, .. }) in self.hosts.iter().filter(|(_, pending)| !pending.batch.is_empty()) {
                let mut tables = Tables::open(&transaction, host)?;
                if let Some(moment) = batch.take_out_after {
                    tables.take_out_after(moment)?;
                }
                if let Some(series) = &batch.series {
                    tables.put_series(series)?;
                }
                for row in &batch.rows {
                    tables.put_row(row, self.disk.block_bytes)?;
                }
            }
            Ok(transaction.commit()?)
        })?;
        self.has_copy = false;
        for host in std::mem::take(&mut self.removed) {
            self.disk.stored.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
        }
        for (host, pending) in &mut self.hosts {
            std::mem::take(&mut pending.batch).rows.last().iter().for_each(|row| self.disk.has_stored(host, row));
        }
        Ok(())
    }

    /// Sets a damaged file aside, closes one that the system refuses; says so once.
    fn failed(&mut self, failure: &Failure) {
        let path = self.disk.path.clone();
        self.disk.set(State::Closed);
        match failure {
            Failure::Damaged(_) => match database::set_aside(&path) {
                Ok(aside) => {
                    log::error!("history: {} is unusable: {failure}; set aside as {}", path.display(), aside.display());
                    self.begin_anew();
                }
                Err(Failure::Refused(ErrorKind::NotFound, _)) => self.begin_anew(),
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
        if let Ok((database, _)) = file::open(&path) {
            self.disk.set(State::Open(Arc::new(database)));
        }
    }

    /// The next file will be new: it knows no series, and nothing has to be taken out of it.
    fn begin_anew(&mut self) {
        self.has_copy = false;
        self.disk.stored.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for pending in self.hosts.values_mut() {
            pending.batch.series = Some(pending.series.clone());
            pending.batch.take_out_after = None;
        }
    }
}

/// Copies the file as it was last committed, for people to look at, and gives the copy's name once it is synced. It takes the
/// place of an older one: they may not fill the disk.
fn copy_ahead(path: &Path) -> Result<PathBuf, Failure> {
    let (copy, new) = (database::beside(path, "ahead"), database::beside(path, "ahead.new"));
    let made = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let room = rustix::fs::statvfs(folder)?;
        // Nor does a copy fill the disk to its end, where it could not be finished anyway.
        if room.f_bavail.saturating_mul(room.f_frsize) < std::fs::metadata(path)?.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        std::fs::copy(path, &new)?;
        std::fs::File::open(&new)?.sync_all()?;
        std::fs::rename(&new, &copy)?;
        std::fs::File::open(folder)?.sync_all()
    };
    made().map_err(|error| {
        let _ = std::fs::remove_file(&new);
        let why = format!("it needs a copy before it is changed, and that fails: {error}");
        Failure::Refused(error.kind(), why)
    })?;
    Ok(copy)
}
