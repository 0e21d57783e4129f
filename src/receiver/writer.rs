//! The thread that stores reports: takes all that wait, decides of each what it is, makes one transaction of them, and
//! confirms them once that is on the disk. Also the one that forgets who is silent.
//!
//! Nothing of a transaction that fails is remembered: its reports are refused, and will come again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use super::disk::{self, Failure, Kept, Tables};
use super::report::{self, Report, Sample};
use super::system::{Place, System};
use super::{Forward, Refused, Settings, Shared, Taken, lock, now};
use crate::timeseries::{DISK, Store};

/// Moments of each system by which a report is known again.
const KEPT_MOMENTS: u32 = 256;

/// How many more there may be before they are cut back, and how many at most while history's file takes nothing.
const SLACK_MOMENTS: u32 = 32;
const MOST_MOMENTS: u32 = 8_640;

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

/// What a transaction has decided, to be put in place once it is on the disk.
#[derive(Default)]
struct Decided {
    systems: HashMap<Arc<str>, System>,
    /// For history: whose, when, how long after the one before where the clock went back, the numbers.
    samples: Vec<(Arc<str>, i64, Option<f64>, Sample)>,
    /// One for each report, in their order.
    outcomes: Vec<Result<Taken, Refused>>,
}

/// Opens the file, and reads what is in it. A damaged one is set aside for a new one; one that the system refuses for now is
/// tried again later.
pub(super) fn open(path: &Path) -> Result<(Option<Database>, BTreeMap<String, Kept>), Failure> {
    let opened = || disk::open(path).and_then(|database| Ok((disk::load(&database)?, database)));
    let (kept, database) = match opened() {
        Err(failure @ Failure::Damaged(_)) => {
            let aside = disk::set_aside(path).map_err(|error| Failure::Refused(error.to_string()))?;
            log::error!("receiver: {} is unusable: {failure}; set aside as {}", path.display(), aside.display());
            opened()?
        }
        opened => opened?,
    };
    Ok((Some(database), kept))
}

/// The systems that there were and those that are named; history gets what it had not on the disk yet.
pub(super) fn resume(kept: BTreeMap<String, Kept>, settings: &Settings, history: &Store) -> HashMap<Arc<str>, System> {
    let mut systems: HashMap<Arc<str>, System> = HashMap::new();
    for (name, Kept { mut system, last, moments }) in kept {
        let last = last.and_then(|last| match report::parse(&last) {
            Ok(report::Request::SendStats(report)) => Some(report.vitals),
            _ => None,
        });
        system.vitals = last.map(Arc::new);
        let stored = history.stored(&name);
        let mut left_out = 0.0;
        for (epoch, sample) in moments {
            let Some(sample) = sample else { continue };
            let slot = epoch.div_euclid(DISK[0].step);
            if let Some((newest, samples)) = stored {
                // Of the ten seconds that were being filled, the first few are there.
                if slot < newest || slot == newest && left_out < samples {
                    left_out += if slot == newest { 1.0 } else { 0.0 };
                    continue;
                }
            }
            remember(history, &name, epoch, None, &sample);
        }
        systems.insert(name.into(), system);
    }
    for host in history.hosts().iter().filter(|host| !systems.contains_key(*host)) {
        history.remove(host);
    }
    let mut number = systems.values().map(|system| system.number).max().unwrap_or(0);
    for name in &settings.systems {
        let system = systems.entry(name.as_str().into()).or_insert_with(|| {
            number += 1;
            System { number, ..System::default() }
        });
        system.is_configured = true;
    }
    systems
}

fn remember(history: &Store, name: &str, epoch: i64, since: Option<f64>, sample: &Sample) {
    if let Err(error) = history.record(name, epoch as f64, since, |values| sample.put(values)) {
        log::error!("receiver: no history of {name}: {error}");
    }
}

/// The thread's state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    forward: Option<Forward>,
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

    /// The database, opened again if it was not. After a failure everything in it is as it was after the last commit.
    fn database(&mut self) -> Result<Arc<Database>, Failure> {
        if let Some(database) = lock(&self.shared.database).clone() {
            return Ok(database);
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(Failure::Refused("the disk does not take it".to_owned()));
        }
        self.retry_at = Some(Instant::now() + REOPEN);
        let opened = match disk::open(&self.path) {
            Err(failure @ Failure::Damaged(_)) => {
                let aside = disk::set_aside(&self.path).map_err(|error| Failure::Refused(error.to_string()))?;
                log::error!(
                    "receiver: {} is unusable: {failure}; set aside as {}",
                    self.path.display(),
                    aside.display()
                );
                disk::open(&self.path)
            }
            opened => opened,
        };
        let database = Arc::new(opened?);
        *lock(&self.shared.database) = Some(Arc::clone(&database));
        Ok(database)
    }

    fn store(&mut self, reports: Vec<Incoming>) {
        let decided = self.database().and_then(|database| {
            let decided = Tables::change(&database, |tables| self.decide(tables, &reports));
            if decided.is_err() {
                // redb takes nothing more once a write has failed; it is opened again.
                drop(database);
                self.retry_at = Some(Instant::now() + REOPEN);
                *lock(&self.shared.database) = None;
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
        for (name, epoch, since, sample) in decided.samples {
            remember(&self.shared.history, &name, epoch, since, &sample);
        }
        for (incoming, outcome) in reports.into_iter().zip(decided.outcomes) {
            // Who is gone did not want to know.
            let _ = incoming.reply.send(outcome);
        }
    }

    fn decide(&self, tables: &mut Tables<'_>, reports: &[Incoming]) -> Result<Decided, Failure> {
        let mut decided = Decided::default();
        let (mut bytes, mut count, mut number) = self.shared.read(|systems| {
            let number = systems.values().map(|system| system.number).max().unwrap_or(0);
            (systems.values().map(|system| system.report_bytes).sum::<u64>(), systems.len(), number)
        });
        let mut new = Vec::new();
        for incoming in reports {
            let name = &incoming.report.system_id;
            let known = decided.systems.get(name).cloned();
            let known = known.or_else(|| self.shared.read(|systems| systems.get(name).cloned()));
            let mut system = match known {
                Some(system) => system,
                None => match self.may_register(name, count) {
                    Err(refused) => {
                        decided.outcomes.push(Err(refused));
                        continue;
                    }
                    Ok(()) => {
                        (count, number) = (count + 1, number + 1);
                        System { number, ..System::default() }
                    }
                },
            };
            let (before, stored) = (system.report_bytes, system.reports);
            let outcome = self.decide_one(tables, incoming, &mut system, bytes, &mut decided.samples)?;
            bytes = bytes - before + system.report_bytes;
            if system.reports > stored {
                new.push(&incoming.body[..]);
            }
            // One that was refused with its first report is not registered by it.
            if system.reports > 0 || system.is_configured {
                decided.systems.insert(Arc::clone(name), system);
            }
            decided.outcomes.push(outcome);
        }
        if let Some(forward) = self.forward.as_ref().filter(|_| !new.is_empty()) {
            // Before the commit: what is confirmed here is on its way there, too.
            forward(&new).map_err(Failure::Refused)?;
        }
        Ok(decided)
    }

    fn may_register(&self, name: &str, count: usize) -> Result<(), Refused> {
        let settings = &self.shared.settings;
        if !settings.auto_register {
            return Err(Refused::NotRegistered(name.to_owned()));
        }
        if count >= settings.most_systems {
            return Err(Refused::Full(format!(
                "there is room for {} systems and no more; raise --max-systems on the receiver",
                settings.most_systems
            )));
        }
        Ok(())
    }

    /// Puts one report where it belongs. `bytes` is what the last reports of all systems take.
    fn decide_one(
        &self,
        tables: &mut Tables<'_>,
        incoming: &Incoming,
        system: &mut System,
        bytes: u64,
        samples: &mut Vec<(Arc<str>, i64, Option<f64>, Sample)>,
    ) -> Result<Result<Taken, Refused>, Failure> {
        let Incoming { report, body, sent, arrived, .. } = incoming;
        let (name, epoch, number) = (&report.system_id, report.epoch, system.number);
        match system.place(epoch, *arrived) {
            Place::Newest => {
                let packed = disk::pack(body);
                let size = packed.len() as u64;
                let most = self.shared.settings.most_bytes;
                if bytes - system.report_bytes + size > most {
                    return Ok(Err(Refused::Full(format!(
                        "the last reports of all systems may take {most} bytes and no more; let systems that are gone be \
                         forgotten, or raise [receiver] disk"
                    ))));
                }
                let sample = Sample::new(&report.vitals, system.vitals.as_deref());
                tables.put_last(name, &packed)?;
                system.moments += u32::from(tables.put_moment(number, epoch, Some(&sample))?);
                let went_back = system.newest.is_some_and(|newest| epoch < newest);
                let since = went_back.then(|| report.interval.unwrap_or(1.0));
                samples.push((Arc::clone(name), epoch, since, sample));
                system.goes_on(report, *arrived, size);
            }
            Place::Before if !tables.has_moment(number, epoch)? => {
                let oldest = tables.oldest_moment(number)?;
                if system.moments >= KEPT_MOMENTS && oldest.is_some_and(|oldest| epoch < oldest) {
                    system.heard(report, *arrived, *sent, false);
                    return Ok(Err(Refused::TooOld(KEPT_MOMENTS)));
                }
                system.moments += u32::from(tables.put_moment(number, epoch, None)?);
                system.filled_in(epoch, *arrived);
            }
            Place::Repeated | Place::Before => {
                system.repeated += 1;
                system.heard(report, *arrived, *sent, false);
                return Ok(Ok(Taken::Stored));
            }
        }
        system.heard(report, *arrived, *sent, system.newest == Some(epoch));
        self.forget_moments(tables, name, system)?;
        tables.put_system(name, system)?;
        Ok(Ok(Taken::Stored))
    }

    /// Cuts a system's moments back to those that are needed: the latest, and those that history has not on the disk.
    fn forget_moments(&self, tables: &mut Tables<'_>, name: &str, system: &mut System) -> Result<(), Failure> {
        if system.moments <= KEPT_MOMENTS + SLACK_MOMENTS {
            return Ok(());
        }
        let is_too_much = system.moments > MOST_MOMENTS;
        let stored = self.shared.history.stored(name).map(|(slot, _)| slot * DISK[0].step);
        let until = if is_too_much { i64::MAX } else { stored.unwrap_or(i64::MIN) };
        let most = if is_too_much { MOST_MOMENTS } else { KEPT_MOMENTS };
        system.moments -= tables.forget_moments(system.number, system.moments - most, until)?;
        Ok(())
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
                *lock(&self.shared.database) = None;
                log::warn!("receiver: {name:?} cannot be forgotten: {failure}");
            }
        }
    }
}
