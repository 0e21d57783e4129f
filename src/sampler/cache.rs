//! The newest reading of each source, and the readers that fetch newer ones.
//!
//! Owned by the clock. Sources of one lane are read one after the other in one job on the blocking pool; lanes run beside
//! each other, so that a reader that hangs holds up its own lane and nothing else. Nothing here decides when: it is told
//! what is wanted and how old it may be.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::demand::Wanted;
use crate::collect::{Answer, Every, SHORTEST_SPAN, Source};
use crate::model::{AnyReading, Faults, Machine, ReadError, Readings, Run, Sample, Subjects};

/// Readings stay in the frames for three intervals and at least this long, should no newer one come.
const HOLDS: Duration = Duration::from_secs(15);

/// The work of one lane: its name, for tests that script how long it takes, and what it does.
pub(super) type Job = (&'static str, Box<dyn FnOnce() -> Vec<Done> + Send>);

/// Starts a job where it may block.
pub(super) type Launch = Box<dyn Fn(Job) -> JoinHandle<Vec<Done>>>;

/// Makes all sources anew.
pub(super) type Factory = Box<dyn Fn() -> Vec<Source>>;

/// When the clock asks. At a tick all is read that will be too old in the middle of the interval, and what is wanted at
/// every tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Tick,
    Between,
}

/// What a job brings back of one source. Opaque: made and taken here.
pub(super) struct Done {
    slot: usize,
    /// `None` when it panicked.
    source: Option<Source>,
    asked: Subjects,
    at: Duration,
    seconds: f64,
    answer: Option<Answer>,
}

/// A lane and what its job brought, if it came back.
type Finished = (&'static str, Option<Vec<Done>>);

/// One source.
struct Slot {
    name: &'static str,
    serves: Subjects,
    every: Every,
    lane: &'static str,
    deadline: Option<Duration>,
    partial: bool,
    rests_after: Option<Duration>,
    /// Here while it rests, in the job while it reads; made anew after a panic or a long rest.
    source: Option<Source>,
    /// Since when it reads.
    reads_since: Option<Instant>,
    /// Whether it has been reading for longer than its deadline: nobody waits for it any more.
    is_late: bool,
    /// When it was wanted last.
    wanted_at: Option<Instant>,
    /// When it answered last, or was given up, and for which subjects.
    answered: Option<(Instant, Subjects)>,
    reading: Option<(Duration, AnyReading)>,
    run: Option<Run>,
}

pub(super) struct Cache {
    slots: Vec<Slot>,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    factory: Factory,
    launch: Launch,
    epoch: Instant,
    interval: Duration,
    /// Whether something was answered since this was last set to false.
    pub(super) has_news: bool,
}

impl Cache {
    pub(super) fn new(make: Factory, launch: Launch, epoch: Instant, interval: Duration) -> Self {
        let factory: Factory = Box::new(move || {
            let mut sources = make();
            sources.iter_mut().for_each(|source| source.shortest_span = SHORTEST_SPAN.min(interval / 2));
            sources
        });
        let slot = |source: Source| Slot {
            name: source.name,
            serves: source.serves,
            every: source.every,
            lane: source.lane,
            deadline: source.deadline,
            partial: source.partial,
            rests_after: source.rests_after,
            source: Some(source),
            reads_since: None,
            is_late: false,
            wanted_at: None,
            answered: None,
            reading: None,
            run: None,
        };
        let slots = factory().into_iter().map(slot).collect();
        Self { slots, running: FuturesUnordered::new(), factory, launch, epoch, interval, has_news: false }
    }

    /// Starts to read what is wanted and too old, as far as its lane rests.
    pub(super) fn start(&mut self, wanted: &Wanted, pass: Pass) {
        let now = Instant::now();
        let slots = self.slots.iter_mut().enumerate();
        let due: Vec<(usize, Subjects)> =
            slots.filter_map(|(index, slot)| Some((index, slot.due(wanted, pass, now, self.interval)?))).collect();
        let mut lanes: Vec<&'static str> = Vec::new();
        for (index, _) in &due {
            let lane = self.slots[*index].lane;
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        for lane in lanes {
            let is_busy = self.slots.iter().any(|slot| slot.lane == lane && slot.reads_since.is_some());
            let mut work = Vec::new();
            for (index, asked) in due.iter().copied() {
                if self.slots[index].lane != lane {
                    continue;
                }
                if !is_busy {
                    let source = self.take(index, now);
                    work.push((index, asked, source));
                } else if self.slots[index].is_late {
                    // It hangs, and that is the answer for as long as it does. Else the answer is on its way.
                    self.slots[index].answered = Some((now, self.slots[index].serves));
                    self.has_news = true;
                }
            }
            if is_busy {
                continue;
            }
            let epoch = self.epoch;
            let handle = (self.launch)((lane, Box::new(move || work.into_iter().map(|w| read(epoch, w)).collect())));
            self.running.push(async move { (lane, handle.await.ok()) }.boxed());
        }
        self.rest(now);
    }

    /// The source of a slot, to be read.
    fn take(&mut self, index: usize, now: Instant) -> Option<Source> {
        let slot = &mut self.slots[index];
        slot.reads_since = Some(now);
        slot.source.take().or_else(|| (self.factory)().into_iter().find(|source| source.name == slot.name))
    }

    /// Drops readers that nobody has wanted for long, with what they keep open.
    fn rest(&mut self, now: Instant) {
        for slot in &mut self.slots {
            let is_idle = |after| slot.wanted_at.is_some_and(|at| now.saturating_duration_since(at) > after);
            if slot.reads_since.is_none() && slot.rests_after.is_some_and(is_idle) {
                (slot.source, slot.wanted_at) = (None, None);
            }
        }
    }

    /// Waits until a lane has finished and keeps what it brought. Pends for ever while none reads. May be dropped at any
    /// time without losing anything.
    pub(super) async fn finished(&mut self) {
        let Some((lane, done)) = self.running.next().await else { return std::future::pending().await };
        for done in done.unwrap_or_default() {
            self.keep(done);
        }
        // Whatever did not come back is made anew when it is wanted again.
        for slot in self.slots.iter_mut().filter(|slot| slot.lane == lane && slot.reads_since.is_some()) {
            slot.failed();
        }
        self.has_news = true;
    }

    fn keep(&mut self, done: Done) {
        let slot = &mut self.slots[done.slot];
        let Some(answer) = done.answer else { return slot.failed() };
        slot.source = done.source;
        (slot.reads_since, slot.is_late) = (None, false);
        slot.answered = Some((self.epoch + done.at, if slot.partial { done.asked } else { slot.serves }));
        slot.run = Some(Run { reader: slot.name, seconds: done.seconds, error: answer.error, faults: answer.faults });
        slot.reading = Some((done.at, answer.reading));
    }

    /// Waits for the lanes that were started at `since`: for those with a deadline no longer than `grace`, for the others
    /// no longer than `limit`. Says whether the others are done.
    pub(super) async fn settle(&mut self, since: Instant, grace: Duration, limit: Duration) -> bool {
        loop {
            let young = || self.slots.iter().filter(|slot| slot.reads_since.is_some_and(|begin| begin >= since));
            let firm = self.slots.iter().any(|slot| slot.reads_since.is_some() && slot.deadline.is_none());
            let wait = match (firm, young().next().is_some()) {
                (true, _) => limit,
                (false, true) => grace,
                (false, false) => return true,
            };
            if tokio::time::timeout_at(since + wait, self.finished()).await.is_err() {
                return !firm;
            }
        }
    }

    /// When the next reader passes its deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.slots.iter().filter(|slot| !slot.is_late).filter_map(|slot| Some(slot.reads_since? + slot.deadline?)).min()
    }

    /// Gives up waiting for readers that are past their deadline. Their older readings stay for a while.
    pub(super) fn give_up(&mut self) {
        let now = Instant::now();
        for slot in &mut self.slots {
            let (Some(since), Some(deadline)) = (slot.reads_since, slot.deadline) else { continue };
            if !slot.is_late && now >= since + deadline {
                slot.is_late = true;
                slot.answered = Some((now, slot.serves));
                let error = Some(ReadError::Stuck { path: format!("reader {}", slot.name) });
                slot.run = Some(Run {
                    reader: slot.name,
                    seconds: (now - since).as_secs_f64(),
                    error,
                    faults: Faults::default(),
                });
                self.has_news = true;
            }
        }
    }

    /// What is known now, as far as it still holds, and when the oldest answer to each subject was given. A reading that is
    /// left out answers nothing; a subject that no source serves is answered for ever.
    pub(super) fn sample(
        &self,
        (at, unix_seconds): (Duration, f64),
        machine: Machine,
        wanted: &Wanted,
    ) -> (Sample, [Option<Instant>; Subjects::COUNT]) {
        let now = Instant::now();
        let mut readings = Readings::default();
        let mut answers: [Option<Instant>; Subjects::COUNT] = [Some(now); Subjects::COUNT];
        for slot in &self.slots {
            let holds = slot.holds(wanted, self.interval);
            let held =
                slot.reading.as_ref().filter(|(then, _)| now.saturating_duration_since(self.epoch + *then) <= holds);
            if let Some((_, reading)) = held {
                readings.put(reading.clone());
            }
            let is_told = held.is_some() || slot.reading.is_none() || slot.is_late;
            for bit in slot.serves.bits() {
                let answered = slot.answered.filter(|(_, to)| is_told && to.contains(Subjects::from_bit(bit)));
                answers[bit] = answers[bit].and_then(|oldest| Some(oldest.min(answered?.0)));
            }
        }
        let runs = self.slots.iter().filter_map(|slot| slot.run.clone()).collect();
        (Sample { at, unix_seconds, machine, readings, runs }, answers)
    }
}

impl Slot {
    /// How long a reading stays in the frames.
    fn holds(&self, wanted: &Wanted, interval: Duration) -> Duration {
        let is_wanted = || wanted.wants.iter().any(|(subjects, _)| subjects.intersects(self.serves));
        match self.every {
            // The processes: deriving thousands of rows for frames in which nobody wants them costs more than it is worth.
            _ if self.rests_after.is_some() && !is_wanted() => interval,
            Every::Span(span) => span.saturating_mul(2).max(HOLDS),
            Every::Tick | Every::Asked => interval.saturating_mul(3).max(HOLDS),
        }
    }

    /// What is to be read of it now; `None` when it is fresh enough or nobody wants it.
    fn due(&mut self, wanted: &Wanted, pass: Pass, now: Instant, interval: Duration) -> Option<Subjects> {
        let answered = self.answered;
        let is_fresh = |part: Subjects, max_age: Duration| {
            let (lasts, slack) = match pass {
                Pass::Tick => (max_age > interval, interval / 2),
                Pass::Between => (true, Duration::ZERO),
            };
            lasts
                && answered
                    .is_some_and(|(at, to)| to.contains(part) && now.saturating_duration_since(at) + slack <= max_age)
        };
        let mut asked = Subjects::VITALS;
        let mut is_due = match self.every {
            Every::Tick => pass == Pass::Tick,
            Every::Span(span) => pass == Pass::Tick && !is_fresh(Subjects::VITALS, span),
            Every::Asked => false,
        };
        for (subjects, max_age) in &wanted.wants {
            let part = subjects.and(self.serves);
            if part != Subjects::VITALS {
                asked = asked.with(part);
                self.wanted_at = Some(now);
                is_due |= !is_fresh(part, *max_age);
            }
        }
        is_due.then(|| asked.with(wanted.lately.and(self.serves)))
    }

    /// The reader did not come back. Its numbers are unknown until it is made anew.
    fn failed(&mut self) {
        (self.reads_since, self.is_late, self.reading) = (None, false, None);
        self.answered = Some((Instant::now(), self.serves));
        let error = ReadError::Io { path: format!("reader {}", self.name), reason: "it failed and starts anew".into() };
        self.run = Some(Run { reader: self.name, seconds: 0.0, error: Some(error), faults: Faults::default() });
    }
}

/// Reads one source, on whatever thread this is. A panic costs this source its answer.
fn read(epoch: Instant, (slot, asked, source): (usize, Subjects, Option<Source>)) -> Done {
    let at = epoch.elapsed();
    let read = source.and_then(|mut source| {
        catch_unwind(AssertUnwindSafe(|| {
            let answer = source.read(at, asked);
            (source, answer)
        }))
        .ok()
    });
    let seconds = (epoch.elapsed() - at).as_secs_f64();
    let (source, answer) = read.unzip();
    Done { slot, source, asked, at, seconds, answer }
}
