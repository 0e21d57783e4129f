//! Block devices and file systems: the disk part of [`super::derive()`].

use std::sync::Arc;

use super::derive::Pair;
use super::sample::{RawDisk, RawFilesystem, ReadError};
use super::snapshot::{Disk, Filesystem};

/// Bytes of a sector in `/proc/diskstats`, whatever the device's own sector size.
const SECTOR_BYTES: u64 = 512;

pub(super) fn disks(pair: &Pair<'_, Vec<RawDisk>>) -> Vec<Disk> {
    pair.current.iter().map(|now| disk(pair, now)).collect()
}

fn disk(pair: &Pair<'_, Vec<RawDisk>>, now: &RawDisk) -> Disk {
    // The same name with another device number, or with counters that went back, is another device.
    let same = |b: &&RawDisk| b.name == now.name && b.major_minor == now.major_minor;
    let grew = |b: &&RawDisk| b.reads[2] <= now.reads[2] && b.writes[2] <= now.writes[2];
    let before = pair.previous.and_then(|list| list.iter().find(same)).filter(grew);
    let rate = |pick: fn(&RawDisk) -> u64| pair.per_second(before.map(pick), pick(now));
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    Disk {
        name: Arc::clone(&now.name),
        major: now.major_minor.0,
        minor: now.major_minor.1,
        whole: now.whole,
        serial: now.serial.clone(),
        label: now.label.clone(),
        reads: now.reads[0],
        reads_merged: now.reads[1],
        read_bytes: now.reads[2].saturating_mul(SECTOR_BYTES),
        read_seconds: seconds(now.reads[3]),
        writes: now.writes[0],
        writes_merged: now.writes[1],
        written_bytes: now.writes[2].saturating_mul(SECTOR_BYTES),
        write_seconds: seconds(now.writes[3]),
        in_progress: now.in_progress,
        busy_seconds: seconds(now.busy_milliseconds),
        weighted_seconds: seconds(now.weighted_milliseconds),
        discards: now.discards.map(|d| d[0]),
        discards_merged: now.discards.map(|d| d[1]),
        discarded_bytes: now.discards.map(|d| d[2].saturating_mul(SECTOR_BYTES)),
        discard_seconds: now.discards.map(|d| seconds(d[3])),
        flushes: now.flushes.map(|f| f[0]),
        flush_seconds: now.flushes.map(|f| seconds(f[1])),
        read_bytes_per_second: rate(|d| d.reads[2]).map(|sectors| sectors * SECTOR_BYTES as f64),
        written_bytes_per_second: rate(|d| d.writes[2]).map(|sectors| sectors * SECTOR_BYTES as f64),
        reads_per_second: rate(|d| d.reads[0]),
        writes_per_second: rate(|d| d.writes[0]),
        busy_ratio: rate(|d| d.busy_milliseconds).map(|milliseconds| (milliseconds / 1000.0).min(1.0)),
    }
}

pub(super) fn filesystem(raw: &RawFilesystem) -> Filesystem {
    Filesystem {
        device: raw.device.clone(),
        mount_point: raw.mount_point.clone(),
        kind: raw.kind.clone(),
        options: raw.options.clone(),
        also_at: raw.also_at.clone(),
        major: raw.major_minor.0,
        minor: raw.major_minor.1,
        device_backed: raw.device_backed,
        stuck: matches!(raw.usage, Err(ReadError::Stuck { .. })),
        usage: raw.usage.as_ref().ok().copied().map(Into::into),
    }
}
