//! The table of readers: what a row is, and which rows there are on this system.
//!
//! Called by [`crate::sampler`], which runs the rows on the blocking pool, and by [`super::Collector`], which runs them one
//! after the other. Readers open nothing before they are asked. The rows themselves are `linux`'s and `portable`'s.

use std::collections::VecDeque;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::Paths;
use super::paths::Readers;
use crate::model::{AnyReading, Faults, Gathered, ReadError, Reading, Subjects};

/// How often facts that do not change are looked at again (a renamed host, an upgraded distribution).
pub(super) const FACTS_AGE: Duration = Duration::from_secs(300);

/// How long the processes' files stay open after nobody wants them any more: a page that is reloaded finds them open, an
/// idle server holds no descriptors.
pub(super) const PROCESSES_KEPT: Duration = Duration::from_secs(30);

/// How long a sample waits for a reader that may hang. After that its numbers come with a later sample, or are null.
const PATIENCE: Duration = Duration::from_secs(1);

/// Readings closer to each other than this make no rate: one tick of the kernel's clock is a twentieth of it. Where ticks
/// come faster, half of what lies between them takes its place.
pub const SHORTEST_SPAN: Duration = Duration::from_millis(200);

/// Readings of one source that are kept as what later ones are counted from. As long as they are closer to each other than
/// a rate may be, the newest takes the place of the one before it.
const MOST_KEPT: usize = 4;

/// A row of the table.
pub struct Source {
    /// Name of the reader, as logs and the native JSON have it.
    pub name: &'static str,
    /// Who wants it besides the vitals.
    pub serves: Subjects,
    /// How often it is read.
    pub every: Every,
    /// Where it is read: rows of one lane one after the other, lanes beside each other.
    pub lane: &'static str,
    /// How long anybody waits for the lane. `None`: plain files of the kernel, which do not block.
    pub deadline: Option<Duration>,
    /// Whether a reading answers no more than was asked for: less costs less.
    pub partial: bool,
    /// The reader is dropped, with what it keeps open, when nobody wanted it for so long.
    pub rests_after: Option<Duration>,
    /// The shortest time between two readings that make a rate.
    pub shortest_span: Duration,
    read: Box<dyn FnMut(&Call) -> Answer + Send>,
}

/// When a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At every tick.
    Tick,
    /// At a tick when the last reading is older than this.
    Span(Duration),
    /// When somebody wants it.
    Asked,
}

/// One call of a source.
struct Call {
    /// The moment, counted from the start of the program.
    at: Duration,
    asked: Subjects,
    shortest_span: Duration,
}

/// What a source said.
pub struct Answer {
    /// The reading, good or not.
    pub reading: AnyReading,
    /// Why it is not good.
    pub error: Option<ReadError>,
    /// What was wrong with a good one.
    pub faults: Faults,
}

impl Source {
    /// A source of which every reading stands for itself. `read` is told which of the subjects that it serves are wanted.
    pub fn new<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        mut read: impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send + 'static,
    ) -> Self {
        Self::made(name, serves, move |call, faults| Gathered {
            at: call.at,
            value: read(call.asked, faults).map(Arc::new),
            previous: None,
        })
    }

    /// A source of counters: each reading carries a good one before it, the newest that is far enough back to make a rate,
    /// and is held by `hold` to what the last one told.
    pub fn counters<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        hold: impl Fn(&T, &mut T) + Send + 'static,
        mut read: impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send + 'static,
    ) -> Self {
        // Good ones, oldest first.
        let mut kept: VecDeque<(Duration, Arc<T>)> = VecDeque::with_capacity(MOST_KEPT);
        Self::made(name, serves, move |call, faults| {
            let value = read(call.asked, faults).map(|mut now| {
                if let Some((_, told)) = kept.back() {
                    hold(told, &mut now);
                }
                Arc::new(now)
            });
            let is_far = |(then, _): &(Duration, Arc<T>)| call.at.saturating_sub(*then) >= call.shortest_span;
            while kept.get(1).is_some_and(is_far) {
                kept.pop_front();
            }
            let previous = kept.front().filter(|first| is_far(first)).cloned();
            if let Ok(now) = &value {
                if kept.len() == MOST_KEPT {
                    kept.pop_back();
                }
                kept.push_back((call.at, Arc::clone(now)));
            }
            Gathered { at: call.at, value, previous }
        })
    }

    fn made<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        mut read: impl FnMut(&Call, &mut Faults) -> Gathered<T> + Send + 'static,
    ) -> Self {
        let read = move |call: &Call| {
            let mut faults = Faults::default();
            let gathered = read(call, &mut faults);
            let error = gathered.value.as_ref().err().cloned();
            Answer { reading: gathered.into(), error, faults }
        };
        let (every, lane) = (Every::Asked, "tables");
        let deadline = Some(PATIENCE);
        let (partial, rests_after, shortest_span) = (false, None, SHORTEST_SPAN);
        Self { name, serves, every, lane, deadline, partial, rests_after, shortest_span, read: Box::new(read) }
    }

    /// Read at these times.
    #[must_use]
    pub fn when(self, every: Every) -> Self {
        Self { every, ..self }
    }

    /// Dropped, with what it keeps, when nobody wanted it for so long.
    #[must_use]
    pub fn rests_after(self, time: Duration) -> Self {
        Self { rests_after: Some(time), ..self }
    }

    /// Read at every tick, in the lane that makes the tick.
    #[must_use]
    pub fn each_tick(self) -> Self {
        Self { every: Every::Tick, ..self.in_tick() }
    }

    /// Read in the lane that makes the tick.
    #[must_use]
    pub fn in_tick(self) -> Self {
        Self { lane: "tick", deadline: None, ..self }
    }

    /// A reading answers no more than was asked for, and the reader is dropped when nobody wanted it for so long.
    #[must_use]
    pub fn partial(self, rests_after: Option<Duration>) -> Self {
        Self { partial: true, rests_after, ..self }
    }

    /// The kernel may make it wait (a bus, a server, a lock): it has a lane of its own.
    #[must_use]
    pub fn may_hang(self) -> Self {
        Self { lane: self.name, ..self }
    }

    /// Reads now, on the calling thread. `at` is the moment, counted from the start of the program.
    pub fn read(&mut self, at: Duration, asked: Subjects) -> Answer {
        (self.read)(&Call { at, asked, shortest_span: self.shortest_span })
    }
}

/// Makes the table, again whenever a reader has to start anew.
#[derive(Clone, Debug)]
pub struct Registry {
    paths: Paths,
    /// Shared by two readers of Linux; kept here as readers are made anew one by one.
    #[cfg(target_os = "linux")]
    newest_pid: Arc<AtomicU32>,
}

impl Registry {
    /// Readers under `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            #[cfg(target_os = "linux")]
            newest_pid: Arc::default(),
        }
    }

    /// Every row. Opens nothing yet.
    pub fn sources(&self) -> Vec<Source> {
        match self.paths.readers {
            #[cfg(target_os = "linux")]
            Readers::Linux => super::linux::sources(&self.paths, &self.newest_pid),
            Readers::Portable => super::portable::sources(),
        }
    }
}
