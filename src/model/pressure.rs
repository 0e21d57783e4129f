//! Pressure stall information: who waits for what. Raw in per cent and microseconds, derived in ratios and seconds.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

use serde::Serialize;

/// `/proc/pressure/{cpu,memory,io}` (Documentation/accounting/psi.rst), since Linux 4.20. `cpu` has a `full` line since
/// 5.13.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawPressure {
    /// `cpu`.
    pub cpu: Option<RawStalls>,
    /// `memory`.
    pub memory: Option<RawStalls>,
    /// `io`.
    pub io: Option<RawStalls>,
}

/// Both lines of one pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawStalls {
    /// The line `some`.
    pub some: Option<RawStall>,
    /// The line `full`.
    pub full: Option<RawStall>,
}

/// One line of a pressure file: share of time in per cent and total stall time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawStall {
    /// Per cent of the last 10 seconds.
    pub avg10: f64,
    /// Per cent of the last 60 seconds.
    pub avg60: f64,
    /// Per cent of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds since boot.
    pub total_microseconds: u64,
}

/// Pressure stall information: who waits for what.
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

/// The same in ratios and seconds.
pub(super) fn derive(raw: &RawPressure) -> Pressure {
    let stall = |raw: RawStall| Stall {
        avg10_ratio: raw.avg10 / 100.0,
        avg60_ratio: raw.avg60 / 100.0,
        avg300_ratio: raw.avg300 / 100.0,
        total_seconds: raw.total_microseconds as f64 / 1e6,
    };
    let stalls =
        |raw: Option<RawStalls>| raw.map(|raw| Stalls { some: raw.some.map(stall), full: raw.full.map(stall) });
    Pressure { cpu: stalls(raw.cpu), memory: stalls(raw.memory), io: stalls(raw.io) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cent_become_ratios_and_a_line_that_is_missing_is_unknown() {
        let some = RawStall { avg10: 50.0, avg60: 25.0, avg300: 12.5, total_microseconds: 2_500_000 };
        let stalls = RawStalls { some: Some(some), full: None };
        let pressure = derive(&RawPressure { io: Some(stalls), ..RawPressure::default() });
        assert!(pressure.cpu.is_none() && pressure.memory.is_none());
        let expected = Stall { avg10_ratio: 0.5, avg60_ratio: 0.25, avg300_ratio: 0.125, total_seconds: 2.5 };
        assert_eq!(pressure.io, Some(Stalls { some: Some(expected), full: None }));
    }
}
