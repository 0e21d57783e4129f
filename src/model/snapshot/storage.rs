//! Derived numbers of block devices and file systems.

use std::sync::Arc;

use serde::Serialize;

use super::ratio;
use crate::model::sample::{MountPlace, RawFilesystemUsage};

/// One block device. Counters since boot; rates over the last interval, `None` after a reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Disk {
    /// Name, as under `/dev`.
    pub name: Arc<str>,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Whole device (true) or partition.
    pub whole: bool,
    /// Serial number.
    pub serial: Option<Arc<str>>,
    /// Device-mapper name.
    pub label: Option<Arc<str>>,
    /// Reads completed.
    pub reads: u64,
    /// Reads merged.
    pub reads_merged: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Seconds spent reading.
    pub read_seconds: f64,
    /// Writes completed.
    pub writes: u64,
    /// Writes merged.
    pub writes_merged: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Seconds spent writing.
    pub write_seconds: f64,
    /// I/Os in progress.
    pub in_progress: u64,
    /// Seconds with I/O in progress.
    pub busy_seconds: f64,
    /// Seconds of I/O weighted by their number.
    pub weighted_seconds: f64,
    /// Discards completed, since Linux 4.18.
    pub discards: Option<u64>,
    /// Discards merged.
    pub discards_merged: Option<u64>,
    /// Bytes discarded.
    pub discarded_bytes: Option<u64>,
    /// Seconds spent discarding.
    pub discard_seconds: Option<f64>,
    /// Flushes completed, since Linux 5.5.
    pub flushes: Option<u64>,
    /// Seconds spent flushing.
    pub flush_seconds: Option<f64>,
    /// Bytes a second read.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes a second written.
    pub written_bytes_per_second: Option<f64>,
    /// Reads a second.
    pub reads_per_second: Option<f64>,
    /// Writes a second.
    pub writes_per_second: Option<f64>,
    /// Share of the interval with I/O in progress, 0 to 1.
    pub busy_ratio: Option<f64>,
}

/// One mounted file system.
#[derive(Clone, Debug, Serialize)]
pub struct Filesystem {
    /// Device.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Mount options.
    pub options: String,
    /// Where the device or a part of it is mounted besides.
    pub also_at: Vec<MountPlace>,
    /// Device number of the file system.
    pub major: u32,
    /// Device number of the file system.
    pub minor: u32,
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// True while its numbers are unknown because it does not answer.
    pub stuck: bool,
    /// Numbers of statvfs(3).
    pub usage: Option<FilesystemUsage>,
}

/// What a file system holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FilesystemUsage {
    /// `f_blocks` x `f_frsize`.
    pub total_bytes: u64,
    /// (`f_blocks` - `f_bfree`) x `f_frsize`.
    pub used_bytes: u64,
    /// `f_bavail` x `f_frsize`: free to an unprivileged user.
    pub available_bytes: u64,
    /// `f_bfree` x `f_frsize`: free, with what is reserved for root.
    pub free_bytes: u64,
    /// used / (used + available), as `df` prints it. `None` when both are 0.
    pub used_ratio: Option<f64>,
    /// Inodes. 0 for a file system that makes them as needed.
    pub inodes_total: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// Inodes in use.
    pub inodes_used: u64,
    /// used / total. `None` when the total is 0.
    pub inodes_used_ratio: Option<f64>,
    /// Mounted, or fallen back to, read-only.
    pub read_only: bool,
}

impl From<RawFilesystemUsage> for FilesystemUsage {
    fn from(raw: RawFilesystemUsage) -> Self {
        let used_bytes = raw.blocks.saturating_sub(raw.free).saturating_mul(raw.block_bytes);
        let available_bytes = raw.available.saturating_mul(raw.block_bytes);
        let inodes_used = raw.inodes.saturating_sub(raw.inodes_free);
        Self {
            total_bytes: raw.blocks.saturating_mul(raw.block_bytes),
            used_bytes,
            available_bytes,
            free_bytes: raw.free.saturating_mul(raw.block_bytes),
            used_ratio: ratio(used_bytes, used_bytes.saturating_add(available_bytes)),
            inodes_total: raw.inodes,
            inodes_free: raw.inodes_free,
            inodes_used,
            inodes_used_ratio: ratio(inodes_used, raw.inodes),
            read_only: raw.read_only,
        }
    }
}
