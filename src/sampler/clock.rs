//! The task behind the sampler: ticks, has read what is wanted, derives, publishes.
//!
//! Runs on the main thread's runtime, which serves no client.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::cache::{Cache, Factory, Launch, Pass};
use super::demand::Want;
use super::{Frame, Observer, Shared};
use crate::collect::{Judge, SHORTEST_SPAN, unix_seconds};
use crate::model::{AverageRing, Machine, derive};

/// How long a pass waits for readers that may hang, so that in the usual case a frame holds values of one moment.
const GRACE: Duration = Duration::from_millis(20);

/// How long a tick waits for the readers that it is made of, where the interval is shorter. Without them there is no tick.
const TICK_LIMIT: Duration = Duration::from_secs(1);

/// The second tick comes this soon after the first one is done, so that rates are known before the first interval is over.
const WARM_UP: Duration = SHORTEST_SPAN;

pub(super) struct Clock {
    shared: Arc<Shared>,
    machine: Machine,
    observers: Vec<Observer>,
    /// What is wanted without any client.
    _background: Option<Want>,
    judge: Judge,
    averages: AverageRing,
    cache: Cache,
    epoch: Instant,
    /// Moment and wall clock of the last tick.
    ticked_at: (Duration, f64),
    /// When the next tick is due. `None` before the first one.
    next_due: Option<Instant>,
}

impl Clock {
    pub(super) fn new(
        shared: Arc<Shared>,
        machine: Machine,
        observers: Vec<Observer>,
        background: Option<Want>,
        (factory, launch): (Factory, Launch),
    ) -> Self {
        let epoch = Instant::now();
        Self {
            cache: Cache::new(factory, launch, epoch, shared.interval),
            shared,
            machine,
            observers,
            _background: background,
            judge: Judge::default(),
            averages: AverageRing::default(),
            epoch,
            ticked_at: (Duration::ZERO, 0.0),
            next_due: None,
        }
    }

    pub(super) async fn run(mut self) {
        let begin = Instant::now();
        self.tick(begin).await;
        let warm_up = Instant::now() + WARM_UP.min(self.shared.interval);
        let mut ticker = tokio::time::interval_at(warm_up + self.shared.interval, self.shared.interval);
        // A late tick is skipped, not caught up.
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let warmed_up = tokio::time::sleep_until(warm_up);
        tokio::pin!(warmed_up);
        let mut is_warm = false;
        loop {
            let deadline = self.cache.next_deadline();
            tokio::select! {
                biased;
                due = ticker.tick() => self.tick(due).await,
                () = &mut warmed_up, if !is_warm => {
                    is_warm = true;
                    self.tick(warm_up).await;
                }
                () = self.cache.finished() => self.tell_waiting(),
                () = tokio::time::sleep_until(deadline.unwrap_or(begin)), if deadline.is_some() => {
                    self.cache.give_up();
                    self.tell_waiting();
                }
                // When the next tick is due and only its timer has not fired yet, there is no pass for this request: the tick
                // answers it, or it asks again after the tick.
                () = self.shared.wake.notified() => if !self.is_due() { self.between().await },
            }
        }
    }

    fn is_due(&self) -> bool {
        self.next_due.is_some_and(|due| Instant::now() >= due)
    }

    async fn tick(&mut self, due: Instant) {
        let now = Instant::now();
        let late = now.saturating_duration_since(due);
        self.shared.lateness_microseconds.store(late.as_micros() as u64, Ordering::Relaxed);
        let missed = late.as_nanos() / self.shared.interval.as_nanos().max(1);
        self.shared.ticks_skipped.fetch_add(missed as u64, Ordering::Relaxed);
        let intervals = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.next_due = self.shared.interval.checked_mul(intervals).and_then(|wait| due.checked_add(wait));

        self.ticked_at = (self.epoch.elapsed(), unix_seconds());
        self.start(Pass::Tick);
        if self.cache.settle(now, GRACE, self.shared.interval.max(TICK_LIMIT)).await {
            self.shared.ticks_done.fetch_add(1, Ordering::Relaxed);
            self.publish(Pass::Tick);
        }
    }

    fn start(&mut self, pass: Pass) {
        // A poller's second may be a little longer than ours.
        let lately = Instant::now().checked_sub(self.shared.interval.saturating_mul(3) / 2);
        self.cache.start(&self.shared.demand.all(lately), pass);
    }

    /// A pass between two ticks for what requests wait for and the cache does not hold.
    async fn between(&mut self) {
        let now = Instant::now();
        self.start(Pass::Between);
        self.cache.settle(now, GRACE, self.shared.interval.max(TICK_LIMIT)).await;
        self.tell_waiting();
    }

    /// Streams take what comes with a tick; what comes between is for requests that wait. Before the first tick nobody is
    /// told anything: the vitals would be missing.
    fn tell_waiting(&mut self) {
        let has_ticked = self.shared.ticks_done.load(Ordering::Relaxed) > 0;
        if self.cache.has_news && has_ticked && self.shared.waiting.load(Ordering::Relaxed) > 0 {
            self.publish(Pass::Between);
        }
    }

    /// Derives and publishes what is known now: to everybody after a tick, else to single requests alone.
    fn publish(&mut self, pass: Pass) {
        let is_tick = pass == Pass::Tick;
        let (at, _) = self.ticked_at;
        // Whoever waits for this frame wants something still, and what they caused is told however long it took.
        let wanted = self.shared.demand.all(None);
        let (sample, answers) = self.cache.sample(self.ticked_at, self.machine, &wanted);
        self.cache.has_news = false;
        self.judge.judge(&sample.runs);
        let mut snapshot = derive(&sample);
        if is_tick {
            self.averages.push(
                at,
                snapshot.interval_seconds.unwrap_or(0.0),
                snapshot.cpu.as_ref().and_then(crate::model::cpu::Cpu::busy_ratio),
                snapshot.memory.and_then(|memory| memory.used_bytes),
            );
        }
        snapshot.averages = self.averages.averages(at);
        if is_tick {
            for observer in &mut self.observers {
                observer(&snapshot);
            }
        }
        let tick = self.shared.ticks_done.load(Ordering::Relaxed);
        let frame = Arc::new(Frame::new(snapshot, tick, answers));
        // In this order: whoever is woken by a tick and asks for the newest frame then gets that tick's.
        self.shared.latest.send_replace(Some(Arc::clone(&frame)));
        if is_tick {
            self.shared.ticks.send_replace(Some(frame));
        }
    }
}
