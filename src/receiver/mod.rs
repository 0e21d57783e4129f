//! Reports of other machines, kept: who may report, what was reported last, what history says of each. Speaks System
//! Monitor's actions; `server` carries them, and nothing here knows HTTP.
//!
//! [`Receiver::take`] answers once a report is on the disk, not before: a thread of its own (`writer`) makes one
//! transaction of all reports that wait, so that many at once cost one sync. A report is known by its system and its epoch,
//! and is stored once, however often it comes. What is bounded: systems, bytes of a report, reports a second of each
//! system, reports that wait, bytes on the disk, and how long a silent system is remembered.

mod decide;
mod disk;
pub mod report;
mod resume;
mod system;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redb::Database;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::history::{self, Answer, Query, QueryError};
use crate::model::received::ReceivedSystem;
use crate::timeseries::{Bounds, Store};
use report::Request;
use system::System;
use writer::{Incoming, Message, Writer};

/// Names of the files in the data directory.
const FILE: &str = "systems.redb";
const HISTORY_FILE: &str = "systems-history.redb";

/// Most bytes of a report.
pub const MOST_REPORT_BYTES: usize = 4 << 20;

/// Bytes of reports that may be on their way at once, and reports. What is more waits, for [`PATIENCE`].
const MOST_BYTES_AT_ONCE: usize = 32 << 20;
const MOST_AT_ONCE: usize = 1_024;

/// How long a report waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reports that a system may send at once after a silence, beyond its share a second: what it kept meanwhile.
const BURST_SECONDS: f64 = 10.0;

/// Series that there is room for in the history of one system when all of them are busy.
const BUSY_SERIES: usize = 16;

/// How long a report's numbers wait for the batch that takes them to history's file. They are in the receiver's own until
/// then, so this is about the cost alone.
const BATCH: Duration = Duration::from_secs(60);

/// How long after a failed write of history the next one is tried.
const RETRY: Duration = Duration::from_secs(10);

/// Called with reports as they came, before they are confirmed, to be passed on to another receiver. It may refuse.
pub type Forward = Box<dyn Fn(&[&[u8]]) -> Result<(), String> + Send>;

/// What the receiver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where reports are kept.
    pub data_dir: PathBuf,
    /// Systems that may report.
    pub systems: Vec<String>,
    /// Whether others may, too, from their first report on.
    pub auto_register: bool,
    /// Most systems.
    pub most_systems: usize,
    /// After how long a silence a system that registered itself is forgotten.
    pub forget_after: Duration,
    /// Most reports a second of one system.
    pub reports_per_second: u32,
    /// Most bytes that the last reports may take on the disk.
    pub most_bytes: u64,
}

impl Settings {
    /// Whether a system may report, `known` being what is known of it, of `count` systems in all.
    fn admits(&self, name: &str, known: Option<&System>, count: usize) -> Result<(), Refused> {
        let is_in = known.is_some_and(|system| system.is_configured || !system.is_by_configuration);
        if !is_in && !self.auto_register {
            return Err(Refused::NotRegistered(name.to_owned()));
        }
        if known.is_none() && count >= self.most_systems {
            return Err(Refused::Full(format!(
                "there is room for {} systems and no more; raise --max-systems on the receiver",
                self.most_systems
            )));
        }
        Ok(())
    }
}

/// Why the receiver cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used: {reason}; give a --data-dir that can be written, or start without --receive")]
pub struct OpenError {
    path: String,
    reason: String,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This is a receiver.
    UrlIsRight,
    /// The name is known.
    Known,
    /// The name is free.
    Free,
    /// The report is on the disk, since now or since it came before.
    Stored,
}

/// Why a request is refused. The text is for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none.
    #[error("{0}")]
    Malformed(String),
    /// Nobody allowed it.
    #[error(
        "{0:?} is not registered here; name it with --register-system, or start the server with --auto-register so that \
         new systems may report"
    )]
    NotRegistered(String),
    /// Who sends it may not report as this system.
    #[error(
        "the token that this came with does not report as {0:?}; the receiver's token file has the system behind it that it \
         reports as"
    )]
    Anothers(String),
    /// It is older than what is still known of its system.
    #[error("this report is older than the {0} newest of its system, so nobody can tell whether it is a repeated one")]
    TooOld(u32),
    /// Its system sends too many.
    #[error("more than {0} reports a second of one system; send them later")]
    TooMany(u32),
    /// There is no room.
    #[error("{0}")]
    Full(String),
    /// The disk does not take it.
    #[error("the report could not be stored ({0}); send it again later")]
    Disk(String),
    /// Too much at once, or the receiver ends.
    #[error("too many reports at once; send it again later")]
    Busy,
}

/// One system of [`Receiver::list`].
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub system_id: Arc<str>,
    /// When its last report came, unix seconds by this machine's clock. `None`: never.
    pub last_seen: Option<f64>,
    /// How often it says that it reports, seconds.
    pub interval: Option<f64>,
    /// Whether it has missed three reports, or never sent one.
    pub late: bool,
    /// The moment of its newest report, unix seconds by its own clock.
    pub epoch: Option<i64>,
    /// How far its clock is ahead of this machine's, seconds.
    pub clock_offset_seconds: Option<f64>,
    /// Whether that is too far.
    pub clock_wrong: Option<bool>,
    /// Reports that are stored.
    pub reports: u64,
    /// Reports that came again, since the start.
    pub repeated: u64,
    /// Reports that were stored behind newer ones: they are counted and not drawn.
    pub out_of_order: u64,
}

/// What requests and the thread share.
struct Shared {
    settings: Settings,
    /// Changed by the thread after each commit, read by requests for some microseconds.
    systems: RwLock<HashMap<Arc<str>, System>>,
    history: Store,
    /// `None` while it cannot be opened. Set by the thread, cloned by requests.
    database: Mutex<Option<Arc<Database>>>,
}

/// See the head of this file.
pub struct Receiver {
    shared: Arc<Shared>,
    /// To the thread; `None` once closed. Never full: who sends holds a place.
    sender: Mutex<Option<SyncSender<Message>>>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// What each system may still send at once, and since when. One entry a registered system at most.
    allowances: Mutex<HashMap<Arc<str>, (f64, Instant)>>,
}

/// Now, unix seconds.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn read<T>(&self, look: impl FnOnce(&HashMap<Arc<str>, System>) -> T) -> T {
        look(&self.systems.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Receiver {
    /// Opens what was kept before, and is ready. `forward` is asked for each report before it is confirmed.
    pub fn open(settings: Settings, forward: Option<Forward>) -> Result<Self, OpenError> {
        let path = settings.data_dir.join(FILE);
        let unusable = |reason: String| OpenError { path: path.display().to_string(), reason };
        std::fs::create_dir_all(&settings.data_dir).map_err(|error| unusable(error.to_string()))?;
        let bounds = Bounds {
            // Those that are about to be taken out may still be there.
            hosts: settings.most_systems * 2,
            busy_series: BUSY_SERIES,
            interval: Duration::from_secs(1),
            retry: RETRY,
            batch: BATCH,
        };
        let history = Store::open_as(HISTORY_FILE, Some(&settings.data_dir), bounds)
            .map_err(|error| unusable(error.to_string()))?;
        let found = resume::open(&path).map_err(|error| unusable(error.to_string()))?;
        let systems = resume::resume(found.systems, found.is_new, &settings, &history);
        let shared = Arc::new(Shared {
            settings,
            systems: RwLock::new(systems),
            history,
            database: Mutex::new(Some(Arc::new(found.database))),
        });
        let (sender, messages) = sync_channel(MOST_AT_ONCE + 1);
        let writer = Writer::new(Arc::clone(&shared), path.clone(), forward);
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            shared,
            sender: Mutex::new(Some(sender)),
            places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            bytes: Arc::new(Semaphore::new(MOST_BYTES_AT_ONCE)),
            allowances: Mutex::default(),
        })
    }

    /// One line for the log at the start.
    pub fn describe(&self) -> String {
        let (settings, known) = (&self.shared.settings, self.shared.read(HashMap::len));
        let others = if settings.auto_register { "others may register themselves" } else { "no others may report" };
        format!(
            "receiver: {known} systems are known, {others}, at most {} in all; their reports are kept in {}",
            settings.most_systems,
            settings.data_dir.display()
        )
    }

    /// Room for a body of so many bytes, to be held until it is dealt with. Waits for it, not for ever.
    pub async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let bytes = u32::try_from(bytes.clamp(1, MOST_REPORT_BYTES)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(PATIENCE, Arc::clone(&self.bytes).acquire_many_owned(bytes)).await;
        room.ok().and_then(Result::ok).ok_or(Refused::Busy)
    }

    /// Does what a request asks for. `sent` is when it was sent by its sender's clock, unix seconds, where that is told.
    /// `may` says whether the sender may speak for a system. Dropping this does not take a report back.
    pub async fn take(
        &self,
        body: bytes::Bytes,
        sent: Option<f64>,
        may: impl Fn(&str) -> bool,
    ) -> Result<Taken, Refused> {
        let parsed = if body.len() > 256 << 10 {
            let body = body.clone();
            let parsed = tokio::task::spawn_blocking(move || report::parse(&body)).await;
            parsed.map_err(|error| Refused::Malformed(error.to_string()))?
        } else {
            report::parse(&body)
        };
        let report = match parsed.map_err(Refused::Malformed)? {
            Request::CheckUrl => return Ok(Taken::UrlIsRight),
            Request::CheckSystemId(name) if !may(&name) => return Err(Refused::Anothers(name)),
            Request::SendStats(report) if !may(&report.system_id) => {
                return Err(Refused::Anothers(report.system_id.to_string()));
            }
            Request::CheckSystemId(name) => {
                let is_known = self.shared.read(|systems| systems.contains_key(name.as_str()));
                return Ok(if is_known { Taken::Known } else { Taken::Free });
            }
            Request::SendStats(report) => report,
        };
        // Whoever is refused by its name alone costs no write.
        let is_known = self.shared.read(|systems| {
            let system = systems.get(&report.system_id);
            let admitted = self.shared.settings.admits(&report.system_id, system, systems.len());
            admitted.map(|()| system.is_some())
        })?;
        if is_known {
            self.is_allowed(&report.system_id, Instant::now())?;
        }
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let _place = place.ok().and_then(Result::ok).ok_or(Refused::Busy)?;
        let (reply, stored) = oneshot::channel();
        let incoming = Incoming { report, body, sent, arrived: now(), reply };
        {
            let sender = lock(&self.sender);
            let sender = sender.as_ref().ok_or(Refused::Busy)?;
            sender.try_send(Message::Report(Box::new(incoming))).map_err(|_| Refused::Busy)?;
        }
        stored.await.unwrap_or(Err(Refused::Busy))
    }

    /// A system's share of reports.
    fn is_allowed(&self, name: &Arc<str>, now: Instant) -> Result<(), Refused> {
        let rate = f64::from(self.shared.settings.reports_per_second);
        let most = rate * BURST_SECONDS;
        let mut allowances = lock(&self.allowances);
        if allowances.len() > self.shared.settings.most_systems * 2 {
            allowances.retain(|_, (_, since)| now.duration_since(*since).as_secs_f64() < BURST_SECONDS);
        }
        let (left, since) = allowances.entry(Arc::clone(name)).or_insert((most, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * rate).min(most);
        *since = now;
        if *left < 1.0 {
            return Err(Refused::TooMany(self.shared.settings.reports_per_second));
        }
        *left -= 1.0;
        Ok(())
    }

    /// Every system, by name.
    pub fn list(&self) -> Vec<Listed> {
        let now = now();
        let listed = |(name, system): (&Arc<str>, &System)| Listed {
            system_id: Arc::clone(name),
            last_seen: system.last_seen,
            interval: system.interval,
            late: system.is_late(now),
            epoch: system.newest,
            clock_offset_seconds: system.clock_offset,
            clock_wrong: system.is_clock_wrong(),
            reports: system.reports,
            repeated: system.repeated,
            out_of_order: system.out_of_order,
        };
        let all: BTreeMap<_, _> =
            self.shared.read(|systems| systems.iter().map(|entry| (Arc::clone(entry.0), listed(entry))).collect());
        all.into_values().collect()
    }

    /// Every system as it is told on, by name.
    pub fn systems(&self) -> Vec<ReceivedSystem> {
        let now = now();
        let mut all: Vec<_> =
            self.shared.read(|systems| systems.iter().map(|(name, system)| system.told(name, now)).collect());
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Whether a system may report.
    pub fn knows(&self, name: &str) -> bool {
        self.shared.read(|systems| systems.contains_key(name))
    }

    /// A system's last report as it came; `None` while there is none. Reads the disk: not for an async thread.
    pub fn last(&self, name: &str) -> Result<Option<Vec<u8>>, Refused> {
        let database = lock(&self.shared.database).clone();
        let database = database.ok_or_else(|| Refused::Disk("the file cannot be opened".to_owned()))?;
        disk::last(&database, name).map_err(|failure| Refused::Disk(failure.to_string()))
    }

    /// What history says of a system. Reads the disk: not for an async thread.
    pub fn history(&self, name: &str, query: &Query) -> Result<Answer, QueryError> {
        history::answer_of(&self.shared.history, name, query)
    }

    /// Ends: what waits is stored, history's file is written and closed; waits for it until `deadline` at most.
    pub fn close_by(&self, deadline: Instant) {
        if let Some(sender) = lock(&self.sender).take() {
            let (done, closed) = sync_channel(1);
            // Only a thread that hangs in the disk has no room for it.
            if sender.try_send(Message::Close(done)).is_ok() {
                let _ = closed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            }
        }
        self.shared.history.close_by(deadline);
    }
}
