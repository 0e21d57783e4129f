//! The one clock: samples once for everybody and publishes each result as a [`Frame`].
//!
//! Watchers say what they watch ([`Sampler::watch`]) and get every tick; single requests take the latest frame or wait for
//! the pass that they caused ([`Sampler::latest`]). What nobody wants is not gathered. Reading happens on the blocking
//! pool, in two lanes: the fast one (vitals and processes) makes the tick; the slow one (sockets, sensors, file systems,
//! Wi-Fi and whatever else may take its time) runs beside it and can never hold a tick up. Nothing here waits for a client.

mod clock;
mod frame;
mod lane;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use clock::Clock;
pub use frame::Frame;

use crate::collect::Paths;
use crate::model::{Snapshot, Subjects};

/// Subjects of the slow lane.
const SLOW: Subjects = Subjects::SOCKETS
    .with(Subjects::WIRELESS)
    .with(Subjects::INTERFACES)
    .with(Subjects::FILESYSTEMS)
    .with(Subjects::SENSORS)
    .with(Subjects::FREQUENCY)
    .with(Subjects::KERNEL);

/// How long a single request waits for values of the slow lane before it is answered with what there is.
const SLOW_LANE_PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a single request waits for a frame at all.
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
    /// How many streams watch each subject, by bit.
    watchers: [AtomicU32; Subjects::COUNT],
    /// How often each subject was asked for by single requests since the last tick, and between the two before. Written at
    /// each request and each tick, for a few instructions.
    asked: Mutex<[Asked; Subjects::COUNT]>,
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
}

/// A stream's share in the sampler: while it lives, its subjects are gathered at every tick.
pub struct Watch {
    sampler: Sampler,
    subjects: Subjects,
    ticks: watch::Receiver<Option<Arc<Frame>>>,
}

impl Sampler {
    /// A handle, and the task that does the work until it is dropped.
    pub fn new(settings: Settings) -> (Self, impl Future<Output = ()> + use<>) {
        let shared = Arc::new(Shared {
            interval: settings.interval,
            started: Instant::now(),
            ticks: watch::Sender::new(None),
            latest: watch::Sender::new(None),
            watchers: std::array::from_fn(|_| AtomicU32::new(0)),
            asked: Mutex::default(),
            wake: Notify::new(),
            lateness_microseconds: AtomicU64::new(0),
            ticks_done: AtomicU64::new(0),
            ticks_skipped: AtomicU64::new(0),
        });
        let clock = Clock::new(Arc::clone(&shared), settings);
        (Self { shared }, clock.run())
    }

    /// Time between two ticks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.shared.interval
    }

    /// Watches `subjects` from now on.
    #[must_use]
    pub fn watch(&self, subjects: Subjects) -> Watch {
        for bit in subjects.bits() {
            self.shared.watchers[bit].fetch_add(1, Ordering::Relaxed);
        }
        Watch { sampler: self.clone(), subjects, ticks: self.shared.ticks.subscribe() }
    }

    /// The newest frame with `subjects` in it, at most one interval old. Waits for a pass of its own when there is none;
    /// for subjects of the slow lane it does not wait for ever, they are then absent from the frame.
    pub async fn latest(&self, subjects: Subjects) -> Result<Arc<Frame>, StandsStill> {
        let mut frames = self.shared.latest.subscribe();
        let begin = Instant::now();
        let mut asked_in_tick = None;
        loop {
            let newest = frames.borrow_and_update().clone();
            let tick = newest.as_ref().map_or(0, |frame| frame.tick());
            if let Some(frame) = newest {
                // Young enough is what was when the request came: while it waits for one reader, the others' values age.
                let absent = frame.stale(subjects, self.shared.interval + begin.elapsed());
                let patient = begin.elapsed() < SLOW_LANE_PATIENCE;
                if absent == Subjects::VITALS || (!patient && SLOW.contains(absent)) {
                    if asked_in_tick != Some(tick) {
                        self.shared.note_asked(subjects);
                    }
                    return Ok(frame);
                }
            }
            // Again in each tick: one that begins right after a question takes it for an old one.
            if asked_in_tick != Some(tick) {
                self.shared.note_asked(subjects);
                self.shared.wake.notify_one();
                asked_in_tick = Some(tick);
            }
            let limit = if begin.elapsed() < SLOW_LANE_PATIENCE { SLOW_LANE_PATIENCE } else { PATIENCE };
            if !matches!(tokio::time::timeout_at(begin + limit, frames.changed()).await, Ok(Ok(())))
                && begin.elapsed() >= PATIENCE
            {
                return Err(StandsStill);
            }
        }
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

impl Drop for Watch {
    fn drop(&mut self) {
        for bit in self.subjects.bits() {
            self.sampler.shared.watchers[bit].fetch_sub(1, Ordering::Relaxed);
        }
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

/// How often single requests asked for a subject.
#[derive(Clone, Copy, Default)]
struct Asked {
    now: u16,
    before: u16,
}

impl Asked {
    /// Whether more than one request came between the last ticks.
    fn by_many(self) -> bool {
        self.now >= 2 && self.before >= 2
    }
}

impl Shared {
    fn note_asked(&self, subjects: Subjects) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for bit in subjects.bits() {
            asked[bit].now = asked[bit].now.saturating_add(1);
        }
    }

    /// What single requests asked for since the last pass.
    fn asked_now(&self) -> Subjects {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        (0..Subjects::COUNT)
            .filter(|bit| asked[*bit].now > 0)
            .fold(Subjects::VITALS, |set, bit| set.with(Subjects::from_bit(bit)))
    }

    /// What the next tick gathers: what streams watch, and what several single requests ask for between every two ticks, so
    /// that a hundred pollers cost one pass a tick and not one pass each. A poller that is alone is better off with a pass
    /// of its own when it comes.
    fn wanted_at_tick(&self) -> Subjects {
        let mut wanted = Subjects::VITALS;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for bit in 0..Subjects::COUNT {
            let watched = self.watchers[bit].load(Ordering::Relaxed) > 0;
            if watched || asked[bit].by_many() {
                wanted = wanted.with(Subjects::from_bit(bit));
            }
            asked[bit] = Asked { now: 0, before: asked[bit].now };
        }
        wanted
    }
}
