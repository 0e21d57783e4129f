//! Readings: what a reader returns, when it was taken, why there is none, and how far two of them lie apart.
//!
//! Written by [`crate::collect`]; [`Pair`] is what the subjects' `derive` functions compute rates from. Pure data: no clock
//! and no file is read here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

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
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them.
    #[must_use]
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

/// One subject's reading and when it was taken.
#[derive(Clone, Debug)]
pub struct Gathered<T> {
    /// Monotonic moment of the reading, counted from the start of the program.
    pub at: Duration,
    /// The reading.
    pub value: Reading<T>,
}

/// How one reader fared in one pass.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The reader's name, as its file is called.
    pub reader: &'static str,
    /// How long it took.
    pub duration: Duration,
    /// What went wrong, if the reading failed.
    pub error: Option<ReadError>,
    /// What was wrong with a reading that is good as a whole.
    pub faults: Faults,
}

/// How one reader fared in the last pass that ran it.
#[derive(Clone, Debug, Serialize)]
pub struct Reader {
    /// Name of the reader.
    pub name: &'static str,
    /// Seconds it took.
    pub duration_seconds: f64,
    /// Whether it succeeded. A subject that this machine does not have counts as success.
    pub success: bool,
    /// Whether there is a reading, be it of a part only. A subject that this machine does not have has none.
    #[serde(skip)]
    pub has_reading: bool,
    /// What went wrong. Where `success` is true all the same: what this machine does not have, or the first thing that could
    /// not be read and cost its own value only.
    pub error: Option<String>,
}

impl From<&RunReport> for Reader {
    fn from(run: &RunReport) -> Self {
        let faults = || (!run.faults.is_empty()).then(|| run.faults.to_string());
        Self {
            name: run.reader,
            duration_seconds: run.duration.as_secs_f64(),
            success: matches!(run.error, None | Some(ReadError::Unsupported { .. })),
            has_reading: run.error.is_none(),
            error: run.error.as_ref().map(ToString::to_string).or_else(faults),
        }
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
    /// The pair, if `current` is good. A `previous` that is not earlier counts for none.
    #[must_use]
    pub fn of(previous: Option<&'a Gathered<T>>, current: Option<&'a Gathered<T>>) -> Option<Self> {
        let current = current?;
        let value = current.value.as_ref().ok()?;
        let earlier = previous.filter(|previous| previous.at < current.at);
        let seconds = earlier.map(|previous| (current.at - previous.at).as_secs_f64());
        Some(Self { previous: earlier.and_then(|previous| previous.value.as_ref().ok()), current: value, seconds })
    }

    /// How much a counter grew a second; `None` without a reading before, and when it went backwards.
    #[must_use]
    pub fn per_second(&self, previous: Option<u64>, current: u64) -> Option<f64> {
        Some(current.checked_sub(previous?)? as f64 / self.seconds?)
    }
}

/// `part / whole`, `None` when the whole is 0.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The value of a good reading.
pub(super) fn value<T>(gathered: &Option<Arc<Gathered<T>>>) -> Option<&T> {
    gathered.as_ref()?.value.as_ref().ok()
}
