//! What another machine reported about itself, as far as it is told on: filled by [`crate::receiver`], worded by
//! [`crate::dialect::prometheus`]. Nothing here is derived; a number that the report did not have is `None`.

use std::sync::Arc;

/// One machine that reports to this one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedSystem {
    /// Its name.
    pub id: Arc<str>,
    /// When its last report came, unix seconds by this machine's clock.
    pub last_seen_unix_seconds: Option<f64>,
    /// How often it says that it reports.
    pub interval_seconds: Option<f64>,
    /// Whether it has missed three reports.
    pub is_late: bool,
    /// How far its clock is ahead of this machine's.
    pub clock_offset_seconds: Option<f64>,
    /// Reports that are stored.
    pub reports: u64,
    /// Its last report.
    pub vitals: Option<Arc<Vitals>>,
}

/// The numbers of one report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// When it was made, unix seconds by its machine's clock.
    pub epoch: i64,
    /// Logical processors.
    pub cpus: Option<f64>,
    /// How busy they were, 0 to 1.
    pub cpu_busy_ratio: Option<f64>,
    /// Their clock, MHz.
    pub cpu_frequency_mhz: Option<f64>,
    /// Memory.
    pub memory_total_bytes: Option<f64>,
    /// Memory that a program could have.
    pub memory_available_bytes: Option<f64>,
    /// Memory in use, as the machine counts it.
    pub memory_used_bytes: Option<f64>,
    /// How many processes there are.
    pub processes: Option<f64>,
    /// File systems by device.
    pub filesystems: Vec<ReceivedFilesystem>,
    /// Interfaces by name.
    pub interfaces: Vec<ReceivedInterface>,
}

/// One file system of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedFilesystem {
    /// What it is on.
    pub device: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// Which kind.
    pub kind: String,
    /// Its size.
    pub total_bytes: Option<f64>,
    /// What is taken.
    pub used_bytes: Option<f64>,
    /// What an ordinary user may still take.
    pub free_bytes: Option<f64>,
}

impl ReceivedFilesystem {
    /// How full it is, as `df` reckons.
    pub fn used_ratio(&self) -> Option<f64> {
        let (used, free) = (self.used_bytes?, self.free_bytes?);
        (used + free > 0.0).then(|| used / (used + free))
    }
}

/// One interface of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedInterface {
    /// Its name.
    pub name: String,
    /// Sent since it came up.
    pub sent_bytes: Option<f64>,
    /// Received since it came up.
    pub received_bytes: Option<f64>,
}
