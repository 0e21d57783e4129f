//! What is known about the machine: raw counters in, derived numbers out.
//!
//! [`sample`] holds what the readers of [`crate::collect`] left behind, untouched. [`derive()`] turns two such samples
//! into one immutable [`Snapshot`], which is all that a dialect ever sees. Nothing here reads a clock or a file.

pub mod answer;
pub mod average;
pub mod derive;
mod derive_disk;
mod derive_process;
pub mod kernel;
pub mod own;
pub mod redact;
pub mod sample;
pub mod snapshot;
pub mod subject;

pub use answer::Answer;
pub use average::{AverageRing, Averages};
pub use derive::derive;
pub use sample::{Gathered, Machine, ReadError, Reading, Sample};
pub use snapshot::Snapshot;
pub use subject::Subjects;
