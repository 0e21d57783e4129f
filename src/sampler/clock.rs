//! The task behind the sampler: ticks, runs the readers, derives, publishes.
//!
//! Runs on the main thread's runtime, which serves no client. It alone owns the readers and the raw samples.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::lane::Lanes;
use super::{Frame, Observer, SLOW, Settings, Shared};
use crate::collect::{Collector, Judge, Paths};
use crate::model::process::RawProcesses;
use crate::model::{AverageRing, Gathered, Sample, Subjects, derive};

/// How long a tick waits for the slow lanes, so that in the usual case a frame holds values of one moment.
const SLOW_LANE_GRACE: Duration = Duration::from_millis(20);

/// The second tick follows the first one this soon, so that rates are known before the first interval is over.
const WARM_UP: Duration = Duration::from_millis(200);

/// Readings of the slow lanes stay in the frames for three intervals and at least this long.
const SLOW_READING_HOLDS: Duration = Duration::from_secs(15);

pub(super) struct Clock {
    shared: Arc<Shared>,
    paths: Paths,
    epoch: std::time::Instant,
    background: Option<(Subjects, Duration)>,
    background_at: Option<Instant>,
    observers: Vec<Observer>,
    judge: Judge,
    averages: AverageRing,
    /// Here between passes, on the blocking pool while it reads.
    collector: Option<Collector>,
    lanes: Lanes,
    /// The last tick's sample, with what was added to it between two ticks.
    current: Option<Sample>,
    /// The sample before it: what rates are counted from.
    before: Option<Sample>,
    /// When the next tick is due. `None` before the first one.
    next_due: Option<Instant>,
    /// The newest reading of the processes, which may be older than `current`.
    processes: Option<Arc<Gathered<RawProcesses>>>,
}

impl Clock {
    pub(super) fn new(shared: Arc<Shared>, settings: Settings) -> Self {
        let epoch = std::time::Instant::now();
        Self {
            shared,
            lanes: Lanes::new(&settings.paths, epoch),
            paths: settings.paths,
            epoch,
            background: settings.background,
            background_at: None,
            observers: settings.observers,
            judge: Judge::default(),
            averages: AverageRing::new(),
            collector: None,
            current: None,
            before: None,
            next_due: None,
            processes: None,
        }
    }

    pub(super) async fn run(mut self) {
        let begin = Instant::now();
        let warm_up = begin + WARM_UP.min(self.shared.interval);
        let mut ticker = tokio::time::interval_at(warm_up + self.shared.interval, self.shared.interval);
        // A late tick is skipped, not caught up.
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.tick(begin).await;
        let warmed_up = tokio::time::sleep_until(warm_up);
        tokio::pin!(warmed_up);
        let mut warm = false;
        loop {
            tokio::select! {
                biased;
                due = ticker.tick() => self.tick(due).await,
                () = &mut warmed_up, if !warm => {
                    warm = true;
                    self.tick(warm_up).await;
                }
                () = self.lanes.finished() => self.publish(false),
                // Where the next tick is due already, its timer just not run out, whoever asks is answered by the tick, or
                // asks again after it.
                () = self.shared.wake.notified() => if !self.is_due() { self.between().await },
            }
        }
    }

    fn is_due(&self) -> bool {
        self.next_due.is_some_and(|due| Instant::now() >= due)
    }

    async fn tick(&mut self, due: Instant) {
        let late = Instant::now().saturating_duration_since(due);
        self.shared.lateness_microseconds.store(late.as_micros() as u64, Ordering::Relaxed);
        let missed = late.as_nanos() / self.shared.interval.as_nanos().max(1);
        self.shared.ticks_skipped.fetch_add(missed as u64, Ordering::Relaxed);
        let intervals = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.next_due = self.shared.interval.checked_mul(intervals).and_then(|wait| due.checked_add(wait));

        let wanted = self.shared.wanted_at_tick().with(self.background_now());
        self.lanes.start(wanted);
        let previous = self.current.take();
        let carried = previous.clone();
        let sample = self.gather(move |collector| collector.tick(wanted.without(SLOW), carried.as_ref())).await;
        self.lanes.settle(SLOW_LANE_GRACE).await;
        let Some(sample) = sample else {
            self.current = previous;
            return;
        };
        self.before = previous;
        self.renew_processes(sample.processes.clone());
        self.current = Some(sample);
        self.shared.ticks_done.fetch_add(1, Ordering::Relaxed);
        self.publish(true);
    }

    /// What the background wants at this tick.
    fn background_now(&mut self) -> Subjects {
        let now = Instant::now();
        let Some((subjects, every)) = self.background else { return Subjects::VITALS };
        if self.background_at.is_some_and(|at| now.saturating_duration_since(at) < every) {
            return Subjects::VITALS;
        }
        self.background_at = Some(now);
        subjects
    }

    /// A pass between two ticks for what single requests asked for and the newest frame does not hold.
    async fn between(&mut self) {
        let asked = self.shared.asked_now();
        let newest = self.shared.latest.borrow().clone();
        let absent = newest.map_or(asked, |frame| frame.stale(asked, self.shared.interval));
        if absent == Subjects::VITALS {
            return;
        }
        self.lanes.start(absent);
        let fast = absent.without(SLOW);
        if fast != Subjects::VITALS
            && let Some(current) = self.current.clone()
        {
            let renewed = self.gather(move |collector| {
                let mut sample = current;
                collector.add_processes(&mut sample, fast);
                sample
            });
            if let Some(sample) = renewed.await {
                self.renew_processes(sample.processes.clone());
                self.current = Some(sample);
            }
        }
        self.lanes.settle(SLOW_LANE_GRACE).await;
        self.publish(false);
    }

    /// Runs the collector on the blocking pool. `None` when a reader panicked; all readers then start anew.
    async fn gather(&mut self, pass: impl FnOnce(&mut Collector) -> Sample + Send + 'static) -> Option<Sample> {
        let mut collector = self.collector.take().unwrap_or_else(|| Collector::new(&self.paths, self.epoch));
        let reading = tokio::task::spawn_blocking(move || {
            let sample = pass(&mut collector);
            (collector, sample)
        });
        match reading.await {
            Ok((collector, sample)) => {
                self.collector = Some(collector);
                Some(sample)
            }
            Err(error) => {
                log::error!("a reader failed, all of them are started anew: {error}");
                None
            }
        }
    }

    /// Keeps the newest reading of the processes and puts the one before it where rates are counted from.
    fn renew_processes(&mut self, newest: Option<Arc<Gathered<RawProcesses>>>) {
        if newest.is_none() {
            return;
        }
        let earlier = std::mem::replace(&mut self.processes, newest);
        if let Some(before) = &mut self.before {
            before.processes = earlier;
        }
    }

    /// Derives and publishes what is known now: to everybody after a tick, else to single requests alone.
    fn publish(&mut self, is_tick: bool) {
        let Some(current) = &self.current else { return };
        let mut sample = current.clone();
        self.lay_over(&mut sample);
        self.judge.judge(&sample.runs);
        let mut snapshot = derive(self.before.as_ref(), &sample);
        if is_tick {
            self.averages.push(
                sample.at,
                snapshot.interval_seconds.unwrap_or(0.0),
                snapshot.cpu.as_ref().and_then(crate::model::cpu::Cpu::busy_ratio),
                snapshot.memory.and_then(|memory| memory.used_bytes),
            );
        }
        snapshot.averages = self.averages.averages(sample.at);
        if is_tick {
            for observer in &mut self.observers {
                observer(&snapshot);
            }
        }
        let tick = self.shared.ticks_done.load(Ordering::Relaxed);
        let frame = Arc::new(Frame::new(snapshot, tick, self.gathered_at(&sample)));
        if is_tick {
            self.shared.ticks.send_replace(Some(Arc::clone(&frame)));
        }
        self.shared.latest.send_replace(Some(frame));
    }

    /// Lays the slow lanes' readings, as far as they still hold, over `sample`.
    fn lay_over(&self, sample: &mut Sample) {
        let slow = &self.lanes.readings;
        let now = self.epoch.elapsed();
        let longest = self.shared.interval.saturating_mul(3).max(SLOW_READING_HOLDS);
        fn held<T>(kept: &Option<Arc<Gathered<T>>>, oldest: Duration) -> Option<Arc<Gathered<T>>> {
            kept.clone().filter(|reading| reading.at >= oldest)
        }
        let oldest = now.saturating_sub(longest);
        sample.frequency = held(&slow.frequency, oldest);
        sample.links = held(&slow.links, oldest);
        sample.wireless = held(&slow.wireless, oldest);
        sample.filesystems = held(&slow.filesystems, oldest);
        sample.sensors = held(&slow.sensors, oldest);
        sample.sockets = held(&slow.sockets, oldest);
        sample.kernel = held(&slow.kernel, oldest);
        sample.add_runs(slow.runs.clone());
    }

    /// When each subject in `sample` was read.
    fn gathered_at(&self, sample: &Sample) -> [Option<std::time::Instant>; Subjects::COUNT] {
        let mut at = [None; Subjects::COUNT];
        let mut note = |subject: Subjects, moment: Option<Duration>| {
            for bit in subject.bits() {
                at[bit] = moment.map(|moment| self.epoch + moment);
            }
        };
        note(Subjects::FREQUENCY, sample.frequency.as_ref().map(|reading| reading.at));
        note(Subjects::INTERFACES, sample.links.as_ref().map(|reading| reading.at));
        note(Subjects::WIRELESS, sample.wireless.as_ref().map(|reading| reading.at));
        note(Subjects::FILESYSTEMS, sample.filesystems.as_ref().map(|reading| reading.at));
        note(Subjects::SENSORS, sample.sensors.as_ref().map(|reading| reading.at));
        note(Subjects::SOCKETS, sample.sockets.as_ref().map(|reading| reading.at));
        note(Subjects::KERNEL, sample.kernel.as_ref().map(|reading| reading.at));
        if let Some(processes) = &sample.processes {
            let complete = processes.value.as_ref().map_or(true, |list| list.complete);
            let subject = if complete { Subjects::ALL_PROCESSES } else { Subjects::TOP_PROCESSES };
            note(subject, Some(processes.at));
        }
        at
    }
}
