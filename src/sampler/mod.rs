//! The one clock: has everything read once for everybody and publishes each result as a [`Frame`].
//!
//! Watchers say what they watch ([`Sampler::watch`]) and get every tick; single requests take the latest frame or wait for
//! the pass that they caused ([`Sampler::latest`]). What nobody wants is not read, and nothing is read again before it is
//! older than somebody wants it to be. Reading happens on the blocking pool; what makes a tick is read in one lane, what
//! may hang each in its own, and that can never hold a tick up. Nothing here waits for a client.

mod cache;
mod clock;
mod demand;
mod frame;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use cache::{Factory, Launch};
use clock::Clock;
use demand::Demand;
pub use demand::Want;
pub use frame::Frame;

use crate::collect::{Paths, Registry};
use crate::model::{Machine, Snapshot, Subjects};

/// How long a single request waits for a frame. Readers that hang are given up long before.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sampler stands still: no frame within the time that a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sampler does not answer; try again later")]
pub struct StandsStill;

/// Called with every tick's snapshot on the sampler's thread, which serves no client. It must be quick all the same.
pub type Observer = Box<dyn FnMut(&Snapshot)>;

/// What the sampler is started with.
pub struct Settings {
    /// Time between two ticks.
    pub interval: Duration,
    /// Where to read.
    pub paths: Paths,
    /// What is gathered at times even when nobody watches (history), and how often.
    pub background: Option<(Subjects, Duration)>,
    /// Called with every tick's snapshot.
    pub observers: Vec<Observer>,
}

/// Handle to the running sampler. Cheap to clone.
#[derive(Clone)]
pub struct Sampler {
    shared: Arc<Shared>,
}

struct Shared {
    interval: Duration,
    started: Instant,
    /// Every tick's frame. Written by the sampler, read by every stream; a slow reader sees only the newest.
    ticks: watch::Sender<Option<Arc<Frame>>>,
    /// The newest frame, passes between two ticks included. Written by the sampler, read by single requests.
    latest: watch::Sender<Option<Arc<Frame>>>,
    /// What is wanted and how old it may be.
    demand: Arc<Demand>,
    /// How many requests wait for a frame. Written by them; without any, nothing is published between two ticks.
    waiting: AtomicUsize,
    /// Wakes the sampler for a pass between two ticks.
    wake: Notify,
    lateness_microseconds: AtomicU64,
    ticks_done: AtomicU64,
    ticks_skipped: AtomicU64,
}

/// What the sampler knows of its own punctuality.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Punctuality {
    /// Ticks done since the start.
    pub ticks: u64,
    /// Ticks left out because the one before took too long.
    pub skipped: u64,
    /// How late the last tick began, seconds.
    pub lateness_seconds: f64,
    /// How long ago the last tick was published, seconds. `None` before the first.
    pub age_seconds: Option<f64>,
}

/// A stream's share in the sampler: while it lives, its subjects are gathered at every tick.
pub struct Watch {
    sampler: Sampler,
    subjects: Subjects,
    _want: Want,
    ticks: watch::Receiver<Option<Arc<Frame>>>,
}

impl Sampler {
    /// A handle, and the task that does the work until it is dropped.
    pub fn new(settings: Settings) -> (Self, impl Future<Output = ()> + use<>) {
        let registry = Registry::new(&settings.paths);
        let launch: Launch = Box::new(|(_, job)| tokio::task::spawn_blocking(job));
        Self::with_sources(settings, Box::new(move || registry.sources()), launch)
    }

    /// The same with sources of the caller's.
    fn with_sources(settings: Settings, factory: Factory, launch: Launch) -> (Self, impl Future<Output = ()> + use<>) {
        let shared = Arc::new(Shared {
            interval: settings.interval,
            started: Instant::now(),
            ticks: watch::Sender::new(None),
            latest: watch::Sender::new(None),
            demand: Arc::default(),
            waiting: AtomicUsize::new(0),
            wake: Notify::new(),
            lateness_microseconds: AtomicU64::new(0),
            ticks_done: AtomicU64::new(0),
            ticks_skipped: AtomicU64::new(0),
        });
        let background = settings.background.map(|(subjects, every)| shared.demand.want(subjects, every));
        let machine: Machine = settings.paths.machine;
        let clock = Clock::new(Arc::clone(&shared), machine, settings.observers, background, (factory, launch));
        (Self { shared }, clock.run())
    }

    /// Time between two ticks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.shared.interval
    }

    /// Wants `subjects` at most `max_age` old in every frame, until the answer is dropped. They are read at ticks.
    #[must_use]
    pub fn want(&self, subjects: Subjects, max_age: Duration) -> Want {
        self.shared.demand.want(subjects, max_age)
    }

    /// Watches `subjects` from now on.
    #[must_use]
    pub fn watch(&self, subjects: Subjects) -> Watch {
        let want = self.want(subjects, self.shared.interval);
        Watch { sampler: self.clone(), subjects, _want: want, ticks: self.shared.ticks.subscribe() }
    }

    /// The newest frame with `subjects` in it, at most one interval old when this is called. Waits for a pass of its own
    /// when there is none. Readers that hang are not waited for beyond their deadline; theirs is absent from the frame then.
    pub async fn latest(&self, subjects: Subjects) -> Result<Arc<Frame>, StandsStill> {
        let shared = &*self.shared;
        let now = Instant::now();
        let oldest = now.checked_sub(shared.interval).unwrap_or(shared.started);
        shared.demand.note(subjects, now);
        let mut frames = shared.latest.subscribe();
        let answering = |frame: &Option<Arc<Frame>>| frame.clone().filter(|frame| frame.answers(subjects, oldest));
        if let Some(frame) = answering(&frames.borrow_and_update()) {
            return Ok(frame);
        }
        let _waiting = Waiting::new(shared);
        let _want = self.want(subjects, shared.interval);
        let wait = async {
            loop {
                shared.wake.notify_one();
                frames.changed().await.map_err(|_| StandsStill)?;
                if let Some(frame) = answering(&frames.borrow_and_update()) {
                    return Ok(frame);
                }
            }
        };
        tokio::time::timeout_at(now + PATIENCE, wait).await.unwrap_or(Err(StandsStill))
    }

    /// Whether a tick was published within the last three intervals, or the first one still has time.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let frame = self.shared.ticks.borrow();
        // The pass itself may take a moment; with very short intervals that counts.
        let longest = self.shared.interval.saturating_mul(3).max(Duration::from_secs(1));
        frame.as_ref().map_or_else(|| self.shared.started.elapsed(), |frame| frame.age()) < longest
    }

    /// How punctual the ticks are.
    #[must_use]
    pub fn punctuality(&self) -> Punctuality {
        Punctuality {
            ticks: self.shared.ticks_done.load(Ordering::Relaxed),
            skipped: self.shared.ticks_skipped.load(Ordering::Relaxed),
            lateness_seconds: self.shared.lateness_microseconds.load(Ordering::Relaxed) as f64 / 1e6,
            age_seconds: self.shared.ticks.borrow().as_ref().map(|frame| frame.age().as_secs_f64()),
        }
    }
}

impl Watch {
    /// The next tick that is due for a stream which takes every `stride`-th; ticks that pass meanwhile are skipped.
    pub async fn next(&mut self, stride: Stride) -> Option<Arc<Frame>> {
        loop {
            self.ticks.changed().await.ok()?;
            let frame = self.ticks.borrow_and_update().clone();
            if let Some(frame) = frame.filter(|frame| stride.takes(frame.tick())) {
                return Some(frame);
            }
        }
    }

    /// The newest frame that holds what this stream watches: its first one.
    pub async fn first(&mut self) -> Result<Arc<Frame>, StandsStill> {
        let frame = self.sampler.latest(self.subjects).await?;
        // The tick that this frame belongs to counts as seen; a newer one that came meanwhile does not.
        let seen = self.ticks.borrow().as_ref().is_none_or(|newest| newest.tick() <= frame.tick());
        if seen {
            self.ticks.mark_unchanged();
        }
        Ok(frame)
    }
}

/// Which ticks a stream takes: every `every`-th, counted from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    first: u64,
    every: u64,
}

impl Stride {
    /// Frames `wanted` apart, counted from tick `first`; at least every tick, rounded to the nearest number of ticks.
    #[must_use]
    pub fn new(first: u64, wanted: Duration, interval: Duration) -> Self {
        let every = (wanted.as_secs_f64() / interval.as_secs_f64()).round().max(1.0) as u64;
        Self { first, every }
    }

    fn takes(self, tick: u64) -> bool {
        tick > self.first && (tick - self.first).is_multiple_of(self.every)
    }
}

/// A request that waits, as long as this lives.
struct Waiting<'s>(&'s AtomicUsize);

impl<'s> Waiting<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&shared.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
