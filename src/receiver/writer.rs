//! The thread that stores reports: takes all that wait, has it decided what each is (`decide`), makes one transaction of
//! them, and confirms them once that is on the disk. Also the one that forgets who is silent.
//!
//! Nothing of a transaction that fails is remembered: its reports are refused, and will come again.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use super::disk::{self, Tables};
use super::report::Report;
use super::resume::draw;
use super::system::System;
use super::{Forward, Refused, Shared, Taken, lock, now};
use crate::database::{self, Failure};

/// Most reports of one transaction.
const MOST_TOGETHER: usize = 256;

/// How often it is looked who is silent.
const SWEEP: Duration = Duration::from_secs(30);

/// After how long a silence the last hour of a system leaves the memory: it is over then.
const REST_SECONDS: f64 = 3_600.0;

/// How long after the file could not be opened it is tried again.
const REOPEN: Duration = Duration::from_millis(500);

/// What the thread is sent.
pub(super) enum Message {
    /// To be stored.
    Report(Box<Incoming>),
    /// Store what waits, tell it through the channel, and end.
    Close(SyncSender<()>),
}

/// A report and who waits for it.
pub(super) struct Incoming {
    pub(super) report: Box<Report>,
    /// As it came.
    pub(super) body: Bytes,
    /// When it was sent, by its sender's clock.
    pub(super) sent: Option<f64>,
    /// When it came, by ours.
    pub(super) arrived: f64,
    pub(super) reply: oneshot::Sender<Result<Taken, Refused>>,
}

/// The thread's state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    path: PathBuf,
    pub(super) forward: Option<Forward>,
    /// Whether the last write failed, which is told once.
    is_failing: bool,
    /// When a file that could not be written is tried again.
    retry_at: Option<Instant>,
    swept_at: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, path: PathBuf, forward: Option<Forward>) -> Self {
        Self { shared, path, forward, is_failing: false, retry_at: None, swept_at: Instant::now() }
    }

    /// Stores what comes until it is told to end.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let first = match messages.recv_timeout(SWEEP) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut reports = Vec::new();
            let mut end = None;
            for message in first.into_iter().chain(messages.try_iter().take(MOST_TOGETHER - 1)) {
                match message {
                    Message::Report(report) => reports.push(*report),
                    Message::Close(done) => end = Some(done),
                }
            }
            if !reports.is_empty() {
                self.store(reports);
            }
            if let Some(done) = end {
                *lock(&self.shared.database) = None;
                // Whoever asked may have given up waiting.
                let _ = done.try_send(());
                return;
            }
            if self.swept_at.elapsed() >= SWEEP {
                self.swept_at = Instant::now();
                self.sweep(now());
            }
        }
    }

    /// The database to be written. A while after a write has failed it is tried again; everything in it is as it was after the
    /// last commit.
    fn database(&mut self) -> Result<Arc<Database>, Failure> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(Failure::refused("the disk does not take it"));
        }
        if let Some(database) = lock(&self.shared.database).clone() {
            return Ok(database);
        }
        self.retry_at = Some(Instant::now() + REOPEN);
        self.open()
    }

    fn open(&self) -> Result<Arc<Database>, Failure> {
        let (database, is_anew) = database::open_or_set_aside("receiver", &self.path, || disk::open(&self.path))?;
        if is_anew {
            self.begin_anew(&database)?;
        }
        let database = Arc::new(database);
        *lock(&self.shared.database) = Some(Arc::clone(&database));
        Ok(database)
    }

    /// A write has failed, and redb gives and takes nothing more: opened again at once, for those who read.
    fn failed(&mut self) {
        self.retry_at = Some(Instant::now() + REOPEN);
        *lock(&self.shared.database) = None;
        if let Err(failure) = self.open() {
            log::debug!("receiver: {}: {failure}", self.path.display());
        }
    }

    /// Puts what is known of each system into a file that is new. Their last reports and moments are lost with the old one.
    fn begin_anew(&self, database: &Database) -> Result<(), Failure> {
        let mut systems = self.shared.systems.write().unwrap_or_else(PoisonError::into_inner);
        Tables::change(database, |tables| {
            systems.iter().try_for_each(|(name, system)| tables.put_system(name, system))
        })?;
        systems.values_mut().for_each(|system| (system.moments, system.report_bytes) = (0, 0));
        Ok(())
    }

    fn store(&mut self, reports: Vec<Incoming>) {
        let decided = self.database().and_then(|database| {
            let decided = Tables::change(&database, |tables| self.decide(tables, &reports));
            drop(database);
            match &decided {
                Ok(_) => self.retry_at = None,
                Err(_) => self.failed(),
            }
            decided
        });
        let decided = match decided {
            Ok(decided) => decided,
            Err(failure) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::error!("receiver: {} is not written: {failure}; reports are refused", self.path.display());
                }
                for incoming in reports {
                    let _ = incoming.reply.send(Err(Refused::Disk(failure.to_string())));
                }
                return;
            }
        };
        if std::mem::take(&mut self.is_failing) {
            log::info!("receiver: {} is written again", self.path.display());
        }
        for (name, system) in &decided.systems {
            if system.reports == 1 && !system.is_configured {
                log::info!("receiver: {name:?} has registered itself");
            }
        }
        self.shared.systems.write().unwrap_or_else(PoisonError::into_inner).extend(decided.systems);
        for (name, at, since, sample) in decided.samples {
            draw(&self.shared.history, &name, at, since, &sample);
        }
        for (incoming, outcome) in reports.into_iter().zip(decided.outcomes) {
            // Who is gone did not want to know.
            let _ = incoming.reply.send(outcome);
        }
    }

    /// Lets silent systems rest, and forgets those that are silent for too long and not named.
    pub(super) fn sweep(&mut self, now: f64) {
        let forget_after = self.shared.settings.forget_after.as_secs_f64();
        let silent = |system: &System| system.last_seen.map_or(0.0, |last| now - last);
        let all: Vec<(Arc<str>, System)> = self.shared.read(|systems| {
            let quiet = systems.iter().filter(|(_, system)| silent(system) > REST_SECONDS.min(forget_after));
            quiet.map(|(name, system)| (Arc::clone(name), system.clone())).collect()
        });
        for (name, mut system) in all {
            if silent(&system) > forget_after && !system.is_configured {
                self.forget(&name, &system);
            } else if !system.is_resting && silent(&system) > REST_SECONDS {
                // Tried again at the next sweep where the history's writer has no room.
                system.is_resting = self.shared.history.rest(&name);
                self.shared.systems.write().unwrap_or_else(PoisonError::into_inner).insert(name, system);
            }
        }
    }

    fn forget(&mut self, name: &Arc<str>, system: &System) {
        let forgotten =
            self.database().and_then(|database| Tables::change(&database, |tables| tables.remove(name, system.number)));
        match forgotten {
            // History's writer may be behind: what is left over goes at the next start.
            Ok(()) => {
                let is_gone = self.shared.history.remove(name);
                self.shared.systems.write().unwrap_or_else(PoisonError::into_inner).remove(name);
                log::info!("receiver: {name:?} was silent for too long and is forgotten");
                if !is_gone {
                    let _ = self.shared.history.rest(name);
                }
            }
            Err(failure) => {
                self.failed();
                log::warn!("receiver: {name:?} cannot be forgotten: {failure}");
            }
        }
    }
}
