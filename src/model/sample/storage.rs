//! Raw readings of block devices and file systems.

use std::sync::Arc;

use serde::Serialize;

use super::Reading;

/// One line of `/proc/diskstats` (Documentation/admin-guide/iostats.rst). Sectors are 512 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawDisk {
    /// Name, as under `/dev`.
    pub name: Arc<str>,
    /// Device number.
    pub major_minor: (u32, u32),
    /// Reads completed, reads merged, sectors read, milliseconds spent reading.
    pub reads: [u64; 4],
    /// Writes completed, writes merged, sectors written, milliseconds spent writing.
    pub writes: [u64; 4],
    /// I/Os in progress.
    pub in_progress: u64,
    /// Milliseconds with I/O in progress.
    pub busy_milliseconds: u64,
    /// Weighted milliseconds.
    pub weighted_milliseconds: u64,
    /// Discards completed, merged, sectors discarded, milliseconds; since Linux 4.18.
    pub discards: Option<[u64; 4]>,
    /// Flushes completed and milliseconds; since Linux 5.5.
    pub flushes: Option<[u64; 2]>,
    /// Serial number, `/sys/block/NAME/serial`, `device/serial` or `device/vpd_pg80`.
    pub serial: Option<Arc<str>>,
    /// Label of the device-mapper device, `/sys/block/NAME/dm/name`.
    pub label: Option<Arc<str>>,
    /// Whether it is a whole device (listed in `/sys/block`), not a partition.
    pub whole: bool,
}

/// A mounted file system and, when it answered, its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct RawFilesystem {
    /// Device, as the mount table names it.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    pub kind: String,
    /// Options, as the mount table lists them.
    pub options: String,
    /// Where the device or a part of it is mounted besides.
    pub also_at: Vec<MountPlace>,
    /// Device number of the file system.
    pub major_minor: (u32, u32),
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// The answer of statvfs(3); [`super::ReadError::Stuck`] for one that hangs.
    pub usage: Reading<RawFilesystemUsage>,
}

/// A further place of a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountPlace {
    /// Mount point.
    pub mount_point: String,
    /// Options, as the mount table lists them.
    pub options: String,
}

/// statvfs(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFilesystemUsage {
    /// `f_frsize`, bytes.
    pub block_bytes: u64,
    /// `f_blocks`.
    pub blocks: u64,
    /// `f_bfree`.
    pub free: u64,
    /// `f_bavail`: free to an unprivileged user.
    pub available: u64,
    /// `f_files`.
    pub inodes: u64,
    /// `f_ffree`.
    pub inodes_free: u64,
    /// `ST_RDONLY` of `f_flag`.
    pub read_only: bool,
}
