//! Pressure stall information: who waits for what. Filled by [`crate::collect`] and told as it was read.

use serde::Serialize;

/// `/proc/pressure/{cpu,memory,io}` (Documentation/accounting/psi.rst), since Linux 4.20. `cpu` has a `full` line since
/// 5.13.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Option<Stalls>,
    /// Waiting for memory.
    pub memory: Option<Stalls>,
    /// Waiting for I/O.
    pub io: Option<Stalls>,
}

/// Both lines of one pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// At least one task was waiting. `None` where the line could not be read.
    pub some: Option<Stall>,
    /// All tasks were waiting. `None` where the kernel has no such line or it could not be read.
    pub full: Option<Stall>,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Share of the last 10 seconds, 0 to 1.
    pub avg10_ratio: f64,
    /// Share of the last minute, 0 to 1.
    pub avg60_ratio: f64,
    /// Share of the last 5 minutes, 0 to 1.
    pub avg300_ratio: f64,
    /// Seconds since boot.
    pub total_seconds: f64,
}
