//! Load averages. Filled by [`crate::collect`] and told as they were read.

use serde::Serialize;

/// `/proc/loadavg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Mean number of runnable and uninterruptible tasks over 1 minute.
    pub one: f64,
    /// The same over 5 minutes.
    pub five: f64,
    /// The same over 15 minutes.
    pub fifteen: f64,
    /// Runnable scheduling entities now.
    pub runnable: Option<u64>,
    /// Scheduling entities that exist.
    pub total: Option<u64>,
}
