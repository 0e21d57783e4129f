//! The one thread that dials out: takes from each spool what is oldest, sends it, and keeps it until that was confirmed.
//!
//! A [`Lane`] is a spool and where it goes. One that fails waits by its own back-off, and holds up no other for longer than
//! a request may take. What a receiver refuses for good is dropped, counted and told in the log.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::backoff::Backoff;
use super::client::{self, Answer, Client, ClientError};
use super::spool::{Entry, Spool};
use crate::model::own::Pushed;

/// How long the thread sleeps when nothing is to be done. It is woken when something is.
const SLEEP: Duration = Duration::from_secs(30);

/// How long the end of the program waits for an answer. One that hangs may not hold it up for longer.
const MOST_WAIT: Duration = Duration::from_secs(2);

/// What a lane carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reports of System Monitor's form.
    Reports,
    /// Requests of Prometheus' remote write 1.0.
    Samples,
}

/// A spool and where it goes.
pub struct Lane {
    kind: Kind,
    spool: Arc<Spool>,
    client: Box<dyn Carrier>,
    /// Entries that are sent before they are taken out of the spool together: what a kill in between sends again.
    together: usize,
    backoff: Backoff,
    takes_gzip: bool,
    counts: Arc<Counts>,
    warned_of: Option<u16>,
}

/// What carries a request to where it goes: a [`Client`], and in a test a receiver that does as it likes.
trait Carrier: Send {
    /// Where it sends, for logs.
    fn shown(&self) -> String;
    fn read_token(&mut self) -> Result<(), ClientError>;
    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String>;
}

impl Carrier for Client {
    fn shown(&self) -> String {
        Self::shown(self)
    }

    fn read_token(&mut self) -> Result<(), ClientError> {
        Self::read_token(self)
    }

    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        Self::post(self, headers, body)
    }
}

/// What a lane did, for the metrics.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// What came of an entry.
enum Fate {
    Sent,
    Refused(String),
    Later(String, Option<Duration>),
}

/// Wakes the thread. Set by whoever has something for it.
#[derive(Debug, Default)]
struct Wake {
    is_due: Mutex<bool>,
    changed: Condvar,
    is_over: AtomicBool,
}

impl Wake {
    fn wake(&self) {
        *self.is_due.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn sleep(&self, time: Duration) {
        let is_due = self.is_due.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self.changed.wait_timeout_while(is_due, time, |is_due| !*is_due);
        *woken.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// The running thread.
pub struct Pusher {
    wake: Arc<Wake>,
    lanes: Vec<(Kind, Arc<Spool>, Arc<Counts>)>,
    /// Closed by the thread as it ends. Asked by [`Pusher::close_by`] alone.
    ended: Mutex<Receiver<()>>,
}

/// Where to put what is to be sent. Cheap to clone.
#[derive(Clone)]
pub struct Outlet {
    spool: Arc<Spool>,
    wake: Arc<Wake>,
}

impl Outlet {
    /// To be sent; on the disk when this returns, where there is one. Not for an async thread.
    pub fn push(&self, bodies: &[&[u8]]) {
        self.push_noted(bodies, None);
    }

    /// The same with a note for whoever fills the spool after a restart.
    pub fn push_noted(&self, bodies: &[&[u8]], note: Option<Vec<u8>>) {
        self.spool.push_noted(bodies, note);
        self.wake.wake();
    }

    /// The note that was left with what was pushed last.
    pub fn note(&self) -> Option<Vec<u8>> {
        self.spool.note()
    }

    /// The same, and an error where the disk does not take it.
    pub fn push_durably(&self, bodies: &[&[u8]]) -> Result<(), String> {
        self.spool.push_durably(bodies)?;
        self.wake.wake();
        Ok(())
    }
}

impl Pusher {
    /// Starts sending what the spools of these lanes hold.
    pub fn start(lanes: Vec<Lane>) -> std::io::Result<Self> {
        let wake = Arc::new(Wake::default());
        let known = lanes.iter().map(|lane| (lane.kind, Arc::clone(&lane.spool), Arc::clone(&lane.counts))).collect();
        let waking = Arc::clone(&wake);
        let (end, ended) = sync_channel(0);
        std::thread::Builder::new().name("push".to_owned()).spawn(move || {
            run(lanes, &waking);
            drop(end);
        })?;
        Ok(Self { wake, lanes: known, ended: Mutex::new(ended) })
    }

    /// Where to put what goes this way.
    pub fn outlet(&self, kind: Kind) -> Option<Outlet> {
        let (_, spool, _) = self.lanes.iter().find(|(one, ..)| *one == kind)?;
        Some(Outlet { spool: Arc::clone(spool), wake: Arc::clone(&self.wake) })
    }

    /// What was sent and what waits.
    pub fn counts(&self) -> Vec<Pushed> {
        let pushed = |(kind, spool, counts): &(Kind, Arc<Spool>, Arc<Counts>)| {
            let spooled = spool.counts();
            Pushed {
                name: kind.name(),
                sent: counts.sent.load(Ordering::Relaxed),
                refused: counts.refused.load(Ordering::Relaxed),
                failed_tries: counts.failed.load(Ordering::Relaxed),
                dropped: spooled.dropped,
                waiting: spooled.entries,
                waiting_bytes: spooled.bytes,
            }
        };
        self.lanes.iter().map(pushed).collect()
    }

    /// Ends with the request that is on its way.
    pub fn stop(&self) {
        self.wake.is_over.store(true, Ordering::Relaxed);
        self.wake.wake();
    }

    /// Ends, and waits until `deadline` at most for the answer to the request that is on its way: what is confirmed is taken
    /// out of its spool, and not sent again by the next process. What is not stays there.
    pub fn close_by(&self, deadline: Instant) {
        self.stop();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // An error either way: it has ended, or the time is over.
        let _ = ended.recv_timeout(deadline.saturating_duration_since(Instant::now()).min(MOST_WAIT));
    }
}

fn run(mut lanes: Vec<Lane>, wake: &Wake) {
    while !wake.is_over.load(Ordering::Relaxed) {
        let mut sleep = Some(SLEEP);
        for lane in &mut lanes {
            sleep = match (lane.step(&Instant::now, &wake.is_over), sleep) {
                (Some(wait), Some(sleep)) => Some(wait.min(sleep)),
                _ => None,
            };
        }
        if let Some(sleep) = sleep {
            wake.sleep(sleep);
        }
    }
}

impl Kind {
    /// As it is called in metrics and in the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Reports => "agent",
            Self::Samples => "remote_write",
        }
    }

    /// What an answer means.
    fn judge(self, answer: &Answer) -> Fate {
        let told = || if answer.text.is_empty() { String::new() } else { format!(": {}", answer.text) };
        let text = format!("it answered {}{}", answer.status, told());
        match (answer.status, self) {
            (200..=299, _) => Fate::Sent,
            // A fault of the configuration, not of what is sent: it waits until somebody mends that.
            _ if answer.wants_tls => {
                Fate::Later(format!("{text}; it speaks TLS, so write https:// in its address"), None)
            }
            (300..=399, _) => {
                Fate::Later(format!("{text}; redirects are not followed, so give the address they lead to"), None)
            }
            (429, _) | (401 | 408, Self::Reports) => Fate::Later(text, answer.retry_after),
            (400..=499, _) => Fate::Refused(text),
            _ => Fate::Later(text, answer.retry_after),
        }
    }
}

impl Lane {
    /// A lane from this spool over this client, which sends `together` entries before the spool is told.
    pub fn new(kind: Kind, spool: Arc<Spool>, client: Client, together: usize) -> Self {
        Self::carried_by(kind, spool, Box::new(client), together)
    }

    fn carried_by(kind: Kind, spool: Arc<Spool>, client: Box<dyn Carrier>, together: usize) -> Self {
        let (backoff, counts) = (Backoff::default(), Arc::default());
        Self { kind, spool, client, together, backoff, takes_gzip: false, counts, warned_of: None }
    }

    /// Sends what is due by the clock `now`. How long until there is something to do; `None`: at once.
    fn step(&mut self, now: &dyn Fn() -> Instant, is_over: &AtomicBool) -> Option<Duration> {
        if let Some(wait) = self.backoff.wait(now()) {
            return Some(wait);
        }
        let entries = self.spool.oldest(self.together);
        if entries.is_empty() {
            return Some(SLEEP);
        }
        let mut done = Vec::new();
        let mut failure = None;
        for entry in &entries {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            match self.send(entry) {
                Fate::Sent => {
                    self.counts.sent.fetch_add(1, Ordering::Relaxed);
                    self.recovered();
                }
                Fate::Refused(why) => self.refused(&why),
                Fate::Later(why, asked) => {
                    failure = Some((why, asked));
                    break;
                }
            }
            done.push(entry.number);
        }
        if !done.is_empty() {
            self.spool.done(&done);
        }
        let (why, asked) = failure?;
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        if !self.backoff.is_failing() {
            log::warn!(
                "{}: {} does not take what is sent: {why}; it is kept{} and sent again",
                self.kind.name(),
                self.client.shown(),
                if self.spool.is_on_disk() { "" } else { " in memory" }
            );
        }
        Some(self.backoff.failed(now(), asked))
    }

    fn recovered(&mut self) {
        self.warned_of = None;
        if self.backoff.is_failing() {
            log::info!("{}: {} takes what is sent again", self.kind.name(), self.client.shown());
        }
        self.backoff.succeeded();
    }

    fn refused(&mut self, why: &str) {
        let count = self.counts.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // Once a reason, or the log would be full of it.
        let status = why.split_whitespace().find_map(|word| word.trim_end_matches(':').parse().ok());
        if self.warned_of != status || status.is_none() {
            log::error!("{}: {} refuses what is sent, and it is dropped: {why}", self.kind.name(), self.client.shown());
            self.warned_of = status;
        } else {
            log::debug!("{}: {} refuses what is sent: {why} ({count})", self.kind.name(), self.client.shown());
        }
    }

    fn send(&mut self, entry: &Entry) -> Fate {
        if entry.body.is_empty() {
            return Fate::Refused("it cannot be read any more".to_owned());
        }
        let answer = match self.kind {
            Kind::Reports => self.send_report(&entry.body),
            Kind::Samples => self.client.post(
                &[
                    ("Content-Type", "application/x-protobuf"),
                    ("Content-Encoding", "snappy"),
                    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
                ],
                &entry.body,
            ),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Fate::Later(error, None),
        };
        if answer.status == 401
            && let Err(error) = self.client.read_token()
        {
            log::error!("{}: {error}; the old token stays", self.kind.name());
        }
        self.kind.judge(&answer)
    }

    /// Packed, where the receiver has said that it takes that.
    fn send_report(&mut self, body: &[u8]) -> Result<Answer, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let sent = format!("{now:.3}");
        let headers = [("Content-Type", "application/json"), ("X-Psmonitor-Sent", sent.as_str())];
        let packed = if self.takes_gzip { client::packed(body) } else { None };
        let answer = match &packed {
            Some(packed) => self.client.post(&[headers[0], headers[1], ("Content-Encoding", "gzip")], packed)?,
            None => self.client.post(&headers, body)?,
        };
        let is_refused = matches!(answer.status, 400 | 415) && packed.is_some();
        self.takes_gzip = answer.takes_gzip && !is_refused;
        // Another program may listen there now, which does not know what it was sent.
        if is_refused { self.client.post(&headers, body) } else { Ok(answer) }
    }
}
