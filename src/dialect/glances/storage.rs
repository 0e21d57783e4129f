//! Glances' `fs` and `diskio`.
//!
//! Called by the table of plugins. What Glances hides unless told otherwise is hidden here too: loop devices and RAM disks,
//! `/boot` and snaps.

use serde::Serialize;

use super::{delta, span, whole_rate};
use crate::dialect::number::{milliseconds, percent_one_decimal};
use crate::model::Snapshot;
use crate::model::storage::{Disk, Filesystem, RawDisk};

/// `fs`: one row for each place where a device is mounted, and whatever is mounted at `/`. One that does not answer has none.
pub fn fs(snapshot: &Snapshot) -> Vec<impl Serialize> {
    shown_filesystems(snapshot).flat_map(rows).collect()
}

fn shown_filesystems(snapshot: &Snapshot) -> impl Iterator<Item = &Filesystem> {
    snapshot.filesystems.iter().flatten().filter(|mount| mount.device_backed || mount.mount_point == "/")
}

/// The mount points of [`fs`] that have a series in the history.
pub fn mount_points(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    shown_filesystems(snapshot).map(|mount| mount.mount_point.as_str()).filter(|place| is_shown(place))
}

fn is_shown(mount_point: &str) -> bool {
    !mount_point.starts_with("/boot") && !mount_point.contains("/snap")
}

fn rows(mount: &Filesystem) -> impl Iterator<Item = impl Serialize> {
    let places = mount.places().filter(|(place, _)| is_shown(place));
    let usage = mount.usage.and_then(|usage| Some((usage, usage.used_ratio?)));
    usage.into_iter().flat_map(move |(usage, ratio)| {
        places.clone().map(move |(mnt_point, options)| {
            object! {
                device_name: &mount.device,
                fs_type: &mount.kind,
                mnt_point,
                options,
                size: usage.total_bytes,
                used: usage.used_bytes,
                free: usage.available_bytes,
                percent: percent_one_decimal(ratio),
                key: "mnt_point",
            }
        })
    })
}

/// `diskio`: what went over each device, partitions included, since the reading before. Times in milliseconds; latencies
/// are those of one read or write.
pub fn diskio(snapshot: &Snapshot) -> Vec<impl Serialize> {
    let seconds = span::<Vec<RawDisk>>(snapshot);
    shown_disks(snapshot).filter_map(|disk| disk_row(disk, seconds?)).collect()
}

/// The devices of [`diskio`].
pub fn shown_disks(snapshot: &Snapshot) -> impl Iterator<Item = &Disk> {
    let is_shown = |disk: &&Disk| !disk.name.starts_with("loop") && !disk.name.starts_with("ram");
    snapshot.disks.iter().flatten().filter(is_shown)
}

fn disk_row(disk: &Disk, seconds: f64) -> Option<impl Serialize> {
    let (reads, writes) = (disk.reads_per_second, disk.writes_per_second);
    let (read, written) = (disk.read_bytes_per_second, disk.written_bytes_per_second);
    let reading = disk.read_time_ratio.map(|ratio| ratio * 1000.0);
    let writing = disk.write_time_ratio.map(|ratio| ratio * 1000.0);
    let counted = |rate| delta(rate, Some(seconds));
    let (read_count, write_count) = (counted(reads)?, counted(writes)?);
    let (read_time, write_time) = (counted(reading)?, counted(writing)?);
    Some(object! {
        read_count,
        write_count,
        read_bytes: counted(read)?,
        write_bytes: counted(written)?,
        read_time,
        write_time,
        key: "disk_name",
        disk_name: &disk.name,
        time_since_update: seconds,
        read_count_gauge: disk.reads?,
        read_count_rate_per_sec: whole_rate(reads)?,
        write_count_gauge: disk.writes?,
        write_count_rate_per_sec: whole_rate(writes)?,
        read_bytes_gauge: disk.read_bytes,
        read_bytes_rate_per_sec: whole_rate(read)?,
        write_bytes_gauge: disk.written_bytes,
        write_bytes_rate_per_sec: whole_rate(written)?,
        read_time_gauge: disk.read_seconds.and_then(milliseconds),
        read_time_rate_per_sec: whole_rate(reading)?,
        write_time_gauge: disk.write_seconds.and_then(milliseconds),
        write_time_rate_per_sec: whole_rate(writing)?,
        read_latency: read_time.checked_div(read_count).unwrap_or(0),
        write_latency: write_time.checked_div(write_count).unwrap_or(0),
    })
}
