//! Readings: what a reader returns, when it was taken, why there is none, and how far two of them lie apart.
//!
//! Written by [`crate::collect`]; [`Pair`] is what the subjects' `derive` functions compute rates from. Pure data: no clock
//! and no file is read here.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Why a reader has nothing to tell. The sample goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This kernel or machine does not have the thing at all. Not a fault, never warned about.
    #[error("{path}: not available on this machine")]
    Unsupported {
        /// What was looked for.
        path: String,
    },
    /// The thing exists and this process may not read it.
    #[error("{path}: permission denied")]
    Denied {
        /// What was looked for.
        path: String,
    },
    /// The thing was there a moment ago: a process that ended, a device that was pulled.
    #[error("{path}: gone")]
    Vanished {
        /// What was looked for.
        path: String,
    },
    /// The text is not in the form that the kernel documents.
    #[error("{path}:{line}: {reason}")]
    Parse {
        /// What was read.
        path: String,
        /// Line of the text, counted from 1; 0 when the text as a whole is wrong.
        line: usize,
        /// What was expected there.
        reason: String,
    },
    /// A read that answers to no one in time (a dead network file system).
    #[error("{path}: no answer yet")]
    Stuck {
        /// What was looked for.
        path: String,
    },
    /// Any other failure of the system call.
    #[error("{path}: {reason}")]
    Io {
        /// What was looked for.
        path: String,
        /// The system's own words.
        reason: String,
    },
}

/// What a reader returns.
pub type Reading<T> = Result<T, ReadError>;

/// What is wrong with a reading that is good as a whole: bad lines of a file, one file of several. The first of them and how
/// many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    first: Option<ReadError>,
    count: usize,
}

impl Faults {
    /// One more. Only the first is made.
    pub fn add_with(&mut self, fault: impl FnOnce() -> ReadError) {
        self.first.get_or_insert_with(fault);
        self.count += 1;
    }

    /// All of `other` as well.
    pub fn append(&mut self, other: Self) {
        self.count += other.count;
        if self.first.is_none() {
            self.first = other.first;
        }
    }

    /// The value of one part of a reading. A part that failed is `None` and a fault; one that this machine does not have is
    /// `None` only.
    pub fn part<T>(&mut self, reading: Reading<T>) -> Option<T> {
        match reading {
            Ok(value) => Some(value),
            Err(ReadError::Unsupported { .. }) => None,
            Err(error) => {
                self.add_with(|| error);
                None
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them.
    pub fn into_first(self) -> Option<ReadError> {
        self.first
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = &self.first else { return Ok(()) };
        match self.count {
            1 => write!(f, "{first}"),
            count => write!(f, "{first}; and {} more", count - 1),
        }
    }
}

/// One source's newest reading, with the last good one before it: what rates are counted from.
#[derive(Clone, Debug)]
pub struct Gathered<T> {
    /// Monotonic moment of the reading, counted from the start of the program.
    pub at: Duration,
    /// The reading.
    pub value: Reading<Arc<T>>,
    /// The last good reading that lies far enough back, and its moment. Only sources of counters keep one.
    pub previous: Option<(Duration, Arc<T>)>,
}

/// A reading of any source, found again by the type of its value.
#[derive(Clone)]
pub struct AnyReading {
    kind: TypeId,
    /// A [`Gathered`] of that type.
    reading: Arc<dyn Any + Send + Sync>,
}

impl<T: Send + Sync + 'static> From<Gathered<T>> for AnyReading {
    fn from(reading: Gathered<T>) -> Self {
        Self { kind: TypeId::of::<T>(), reading: Arc::new(reading) }
    }
}

/// One reading of each source, by the type of its value: a new source needs no field of its own. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readings(Vec<AnyReading>);

impl Readings {
    /// Adds a reading; an older one of the same source goes.
    pub fn put(&mut self, reading: impl Into<AnyReading>) {
        let reading = reading.into();
        match self.0.iter_mut().find(|known| known.kind == reading.kind) {
            Some(known) => *known = reading,
            None => self.0.push(reading),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The reading whose value is a `T`.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&Gathered<T>> {
        self.0.iter().find(|known| known.kind == TypeId::of::<T>())?.reading.downcast_ref()
    }

    /// The value of a good reading.
    pub fn value<T: Send + Sync + 'static>(&self) -> Option<&Arc<T>> {
        self.get()?.value.as_ref().ok()
    }

    /// A good reading with the one before it.
    pub fn pair<T: Send + Sync + 'static>(&self) -> Option<Pair<'_, T>> {
        Pair::of(self.get()?)
    }
}

impl fmt::Debug for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} readings", self.0.len())
    }
}

/// How one reader fared when it ran last.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The reader's name.
    pub reader: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong, if the reading failed.
    pub error: Option<ReadError>,
    /// What was wrong with a reading that is good as a whole.
    pub faults: Faults,
}

/// As the native JSON has it. A subject that this machine does not have counts as success there; its `error` tells of that, and
/// of what cost its own value only.
impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Run", 4)?;
        fields.serialize_field("name", self.reader)?;
        fields.serialize_field("duration_seconds", &self.seconds)?;
        fields.serialize_field("success", &matches!(self.error, None | Some(ReadError::Unsupported { .. })))?;
        let faults = || (!self.faults.is_empty()).then(|| self.faults.to_string());
        fields.serialize_field("error", &self.error.as_ref().map(ToString::to_string).or_else(faults))?;
        fields.end()
    }
}

/// A good reading and, where there is one, the good reading before it.
#[derive(Debug)]
pub struct Pair<'a, T> {
    /// The reading before it.
    pub previous: Option<&'a T>,
    /// The reading.
    pub current: &'a T,
    /// Seconds between the two.
    pub seconds: Option<f64>,
}

impl<'a, T> Pair<'a, T> {
    /// The pair, if the reading is good. One before it that is not earlier counts for none.
    pub fn of(reading: &'a Gathered<T>) -> Option<Self> {
        let current = reading.value.as_ref().ok()?;
        let earlier = reading.previous.as_ref().filter(|(at, _)| *at < reading.at);
        Some(Self {
            previous: earlier.map(|(_, value)| &**value),
            current,
            seconds: earlier.map(|(at, _)| (reading.at - *at).as_secs_f64()),
        })
    }

    /// How much a counter grew a second; `None` without a reading before, and when it went backwards.
    pub fn per_second(&self, previous: Option<u64>, current: u64) -> Option<f64> {
        Some(current.checked_sub(previous?)? as f64 / self.seconds?)
    }
}

/// `part / whole`, `None` when the whole is 0.
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(at: u64, value: Reading<u64>, previous: Option<(u64, u64)>) -> Gathered<u64> {
        let previous = previous.map(|(at, value)| (Duration::from_secs(at), Arc::new(value)));
        Gathered { at: Duration::from_secs(at), value: value.map(Arc::new), previous }
    }

    #[test]
    fn a_rate_needs_an_earlier_reading_and_a_counter_that_grew() {
        let rate = |reading: Gathered<u64>| {
            let pair = Pair::of(&reading).unwrap();
            assert_eq!(pair.previous.is_some(), pair.seconds.is_some());
            pair.per_second(pair.previous.copied(), *pair.current)
        };
        assert_eq!(rate(gathered(3, Ok(50), Some((1, 10)))), Some(20.0));
        assert_eq!(rate(gathered(3, Ok(10), Some((1, 10)))), Some(0.0));
        assert_eq!(rate(gathered(3, Ok(50), None)), None, "the first");
        assert_eq!(rate(gathered(3, Ok(9), Some((1, 10)))), None, "a reset");
        assert_eq!(rate(gathered(3, Ok(50), Some((3, 10)))), None, "equal times");
        assert_eq!(rate(gathered(3, Ok(50), Some((4, 10)))), None, "a clock that ran back");
        assert!(rate(gathered(3, Ok(u64::MAX), Some((2, 0)))).is_some_and(f64::is_finite));
    }

    #[test]
    fn a_failed_reading_is_no_pair() {
        let error = ReadError::Unsupported { path: "x".to_owned() };
        assert!(Pair::of(&gathered(3, Err(error), Some((1, 10)))).is_none());
    }

    #[test]
    fn faults_keep_the_first_and_count_the_rest() {
        let error = |line| ReadError::Parse { path: "f".to_owned(), line, reason: "bad".to_owned() };
        let mut faults = Faults::default();
        assert_eq!(faults.part(Ok(7)), Some(7));
        assert_eq!(faults.part::<u64>(Err(ReadError::Unsupported { path: "x".to_owned() })), None);
        assert!(faults.is_empty() && faults.to_string().is_empty(), "what is not there is no fault");
        assert_eq!(faults.part::<u64>(Err(error(3))), None);
        assert_eq!(faults.to_string(), "f:3: bad");
        let mut more = Faults::default();
        more.add_with(|| error(8));
        more.add_with(|| error(9));
        faults.append(more);
        assert_eq!(faults.to_string(), "f:3: bad; and 2 more");
        assert_eq!(faults.into_first(), Some(error(3)));
    }

    #[test]
    fn part_of_a_whole() {
        assert_eq!((ratio(1, 4), ratio(0, 0), ratio(1, 0)), (Some(0.25), None, None));
    }
}
