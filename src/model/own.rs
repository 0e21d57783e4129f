//! What this program knows about itself: filled by the server ([`OwnStats`]) and by [`crate::collect`]
//! ([`OwnProcess`]), worded by [`crate::dialect::prometheus`].

use super::received::ReceivedSystem;

/// Counters of the running server, as they stand when `/metrics` is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnStats {
    /// Streams that are open now, by dialect: one entry a dialect, whether or not it has clients.
    pub clients: Vec<(&'static str, u64)>,
    /// Frames sent to streams since the start.
    pub frames_sent: u64,
    /// Frames that were passed over because a client was slower than the ticks.
    pub frames_skipped: u64,
    /// Ticks of the sampler since the start.
    pub ticks: u64,
    /// Ticks left out because the one before took too long.
    pub ticks_skipped: u64,
    /// How late the last tick began after the moment it was due for, seconds.
    pub tick_lateness_seconds: f64,
    /// How long ago the last tick was published, seconds. `None` before the first.
    pub tick_age_seconds: Option<f64>,
    /// Workers created since the start.
    pub workers_created: u64,
    /// Workers that a client claimed.
    pub workers_claimed: u64,
    /// Workers that nobody claimed in time.
    pub workers_reaped: u64,
    /// Workers that were refused because too many were waiting.
    pub workers_refused: u64,
    /// Workers that wait for their client now.
    pub workers_waiting: u64,
    /// The machines that report to this one.
    pub received: Vec<ReceivedSystem>,
    /// What this program sends of its own accord: one entry a destination.
    pub pushed: Vec<Pushed>,
}

/// What was sent to one destination, and what waits to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// `agent` or `remote_write`.
    pub name: &'static str,
    /// Reports or requests that were confirmed.
    pub sent: u64,
    /// Those that were refused for good and dropped.
    pub refused: u64,
    /// Tries that failed.
    pub failed_tries: u64,
    /// Those that were dropped unsent, for age or want of room.
    pub dropped: u64,
    /// Those that wait.
    pub waiting: u64,
    /// Their bytes, packed.
    pub waiting_bytes: u64,
}

/// This process, from `/proc/self/stat` and its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnProcess {
    /// CPU time in user and kernel mode since the start, seconds.
    pub cpu_seconds: f64,
    /// Resident set.
    pub resident_bytes: u64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Limit of the address space. `None` when there is none.
    pub virtual_limit_bytes: Option<u64>,
    /// Descriptors open now.
    pub open_descriptors: Option<u64>,
    /// Soft limit of descriptors. `None` when there is none.
    pub descriptor_limit: Option<u64>,
    /// Moment of the start, seconds after boot.
    pub start_seconds_after_boot: f64,
}
