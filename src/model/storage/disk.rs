//! Block devices: raw from `/proc/diskstats` and udev, derived in bytes, seconds and rates.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::model::Pair;

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
    /// Of the numbers only the sectors are known, and neither device number nor kind: the portable reader.
    pub only_sectors: bool,
}

/// What udev knows about one block device: the `E:` lines of `/run/udev/data/bMAJOR:MINOR` that are of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdevDevice {
    /// Device number.
    pub major_minor: (u32, u32),
    /// Key and value.
    pub properties: Vec<(Box<str>, String)>,
}

impl UdevDevice {
    /// The value of a key, if udev has it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|(name, _)| &**name == key).map(|(_, value)| value.as_str())
    }
}

/// One block device. Counters since boot; rates over the last interval, `None` after a reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Disk {
    /// Name, as under `/dev`.
    pub name: Arc<str>,
    /// Device number.
    pub major: Option<u32>,
    /// Device number.
    pub minor: Option<u32>,
    /// Whole device (true) or partition.
    pub whole: Option<bool>,
    /// Serial number.
    pub serial: Option<Arc<str>>,
    /// Device-mapper name.
    pub label: Option<Arc<str>>,
    /// Reads completed.
    pub reads: Option<u64>,
    /// Reads merged.
    pub reads_merged: Option<u64>,
    /// Bytes read.
    pub read_bytes: u64,
    /// Seconds spent reading.
    pub read_seconds: Option<f64>,
    /// Writes completed.
    pub writes: Option<u64>,
    /// Writes merged.
    pub writes_merged: Option<u64>,
    /// Bytes written.
    pub written_bytes: u64,
    /// Seconds spent writing.
    pub write_seconds: Option<f64>,
    /// I/Os in progress.
    pub in_progress: Option<u64>,
    /// Seconds with I/O in progress.
    pub busy_seconds: Option<f64>,
    /// Seconds of I/O weighted by their number.
    pub weighted_seconds: Option<f64>,
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
    /// Seconds spent reading in a second, of all reads together: may pass 1.
    pub read_time_ratio: Option<f64>,
    /// Seconds spent writing in a second, of all writes together: may pass 1.
    pub write_time_ratio: Option<f64>,
    /// Share of the interval with I/O in progress, 0 to 1.
    pub busy_ratio: Option<f64>,
}

/// Bytes of a sector in `/proc/diskstats`, whatever the device's own sector size.
const SECTOR_BYTES: u64 = 512;

/// The devices with their rates.
pub(in crate::model) fn derive(pair: &Pair<'_, Vec<RawDisk>>) -> Vec<Disk> {
    // By name: the portable collector knows no numbers.
    let previous: HashMap<&str, &RawDisk> =
        pair.previous.into_iter().flatten().map(|before| (&*before.name, before)).collect();
    let before = |now: &RawDisk| previous.get(&*now.name).copied();
    pair.current.iter().map(|now| disk(pair, before(now), now)).collect()
}

/// `before` has the same name.
fn disk(pair: &Pair<'_, Vec<RawDisk>>, before: Option<&RawDisk>, now: &RawDisk) -> Disk {
    // The same name with another device number, or with counters that went back, is another device.
    let before = before
        .filter(|b| b.major_minor == now.major_minor && b.reads[2] <= now.reads[2] && b.writes[2] <= now.writes[2]);
    let rate = |pick: fn(&RawDisk) -> u64| pair.per_second(before.map(pick), pick(now));
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    let is_told = !now.only_sectors;
    let count = |count: u64| is_told.then_some(count);
    let time = |milliseconds: u64| is_told.then(|| seconds(milliseconds));
    let told_rate = |pick: fn(&RawDisk) -> u64| rate(pick).filter(|_| is_told);
    Disk {
        name: Arc::clone(&now.name),
        major: is_told.then_some(now.major_minor.0),
        minor: is_told.then_some(now.major_minor.1),
        whole: is_told.then_some(now.whole),
        serial: now.serial.clone(),
        label: now.label.clone(),
        reads: count(now.reads[0]),
        reads_merged: count(now.reads[1]),
        read_bytes: now.reads[2].saturating_mul(SECTOR_BYTES),
        read_seconds: time(now.reads[3]),
        writes: count(now.writes[0]),
        writes_merged: count(now.writes[1]),
        written_bytes: now.writes[2].saturating_mul(SECTOR_BYTES),
        write_seconds: time(now.writes[3]),
        in_progress: count(now.in_progress),
        busy_seconds: time(now.busy_milliseconds),
        weighted_seconds: time(now.weighted_milliseconds),
        discards: now.discards.map(|d| d[0]),
        discards_merged: now.discards.map(|d| d[1]),
        discarded_bytes: now.discards.map(|d| d[2].saturating_mul(SECTOR_BYTES)),
        discard_seconds: now.discards.map(|d| seconds(d[3])),
        flushes: now.flushes.map(|f| f[0]),
        flush_seconds: now.flushes.map(|f| seconds(f[1])),
        read_bytes_per_second: rate(|d| d.reads[2]).map(|sectors| sectors * SECTOR_BYTES as f64),
        written_bytes_per_second: rate(|d| d.writes[2]).map(|sectors| sectors * SECTOR_BYTES as f64),
        reads_per_second: told_rate(|d| d.reads[0]),
        writes_per_second: told_rate(|d| d.writes[0]),
        read_time_ratio: told_rate(|d| d.reads[3]).map(|milliseconds| milliseconds / 1000.0),
        write_time_ratio: told_rate(|d| d.writes[3]).map(|milliseconds| milliseconds / 1000.0),
        busy_ratio: told_rate(|d| d.busy_milliseconds).map(|milliseconds| (milliseconds / 1000.0).min(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &str, minor: u32, sectors: u64, busy_milliseconds: u64) -> RawDisk {
        RawDisk {
            name: name.into(),
            major_minor: (8, minor),
            reads: [sectors / 8, 1, sectors, 500],
            writes: [4, 5, 6, 7],
            busy_milliseconds,
            ..RawDisk::default()
        }
    }

    fn one(previous: Option<RawDisk>, current: RawDisk, seconds: f64) -> Disk {
        let previous = previous.map(|disk| vec![disk]);
        let seconds = previous.as_ref().map(|_| seconds);
        derive(&Pair { previous: previous.as_ref(), current: &vec![current], seconds }).remove(0)
    }

    #[test]
    fn sectors_become_bytes_and_differences_rates() {
        let disk = one(Some(raw("sda", 0, 800, 1_000)), raw("sda", 0, 1_600, 2_000), 2.0);
        assert_eq!((disk.major, disk.minor), (Some(8), Some(0)));
        assert_eq!((disk.reads, disk.read_bytes), (Some(200), 1_600 * 512));
        assert_eq!((disk.read_seconds, disk.busy_seconds), (Some(0.5), Some(2.0)));
        assert_eq!((disk.reads_per_second, disk.read_bytes_per_second), (Some(50.0), Some(400.0 * 512.0)));
        assert_eq!((disk.writes_per_second, disk.busy_ratio), (Some(0.0), Some(0.5)));
        assert_eq!((disk.discards, disk.flushes), (None, None));
    }

    #[test]
    fn the_time_of_many_at_once_may_pass_the_clocks() {
        let now = RawDisk { reads: [200, 1, 1_600, 6_500], ..raw("sda", 0, 1_600, 2_000) };
        let disk = one(Some(raw("sda", 0, 800, 1_000)), now, 2.0);
        assert_eq!((disk.read_time_ratio, disk.write_time_ratio), (Some(3.0), Some(0.0)));
    }

    #[test]
    fn of_a_disk_of_which_only_the_sectors_are_known_all_else_is_unknown() {
        let only = |sectors| RawDisk { only_sectors: true, ..raw("sda", 0, sectors, 0) };
        let disk = one(Some(only(800)), only(1_600), 2.0);
        assert_eq!((disk.read_bytes, disk.read_bytes_per_second), (1_600 * 512, Some(400.0 * 512.0)));
        let told = serde_json::to_value(&disk).unwrap();
        let known: Vec<_> = told.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).collect();
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["name", "read_bytes", "read_bytes_per_second", "written_bytes", "written_bytes_per_second"]);
    }

    #[test]
    fn disks_without_numbers_have_their_rates_each() {
        let only = |name: &str, sectors| RawDisk {
            name: name.into(),
            reads: [0, 0, sectors, 0],
            only_sectors: true,
            ..RawDisk::default()
        };
        let (before, now) = (vec![only("vda", 8), only("vdb", 8)], vec![only("vda", 16), only("vdb", 8)]);
        let disks = derive(&Pair { previous: Some(&before), current: &now, seconds: Some(1.0) });
        let rates: Vec<_> = disks.iter().map(|disk| disk.read_bytes_per_second).collect();
        assert_eq!(rates, [Some(8.0 * 512.0), Some(0.0)]);
    }

    #[test]
    fn no_rate_of_a_first_reading_a_reset_or_another_device() {
        let rates = |disk: Disk| {
            let all = [disk.reads_per_second, disk.read_bytes_per_second, disk.writes_per_second, disk.busy_ratio];
            assert!(all.iter().all(Option::is_some) || all.iter().all(Option::is_none), "{all:?}");
            all[0]
        };
        let before = || Some(raw("sda", 0, 800, 1_000));
        assert_eq!(rates(one(None, raw("sda", 0, 1_600, 2_000), 1.0)), None, "the first");
        assert_eq!(rates(one(before(), raw("sda", 0, 799, 2_000), 1.0)), None, "a reset");
        assert_eq!(rates(one(before(), raw("sda", 16, 1_600, 2_000), 1.0)), None, "another number");
        assert_eq!(rates(one(before(), raw("sdb", 0, 1_600, 2_000), 1.0)), None, "another name");
        assert_eq!(rates(one(before(), raw("sda", 0, 1_600, 2_000), 1.0)), Some(100.0));
    }

    #[test]
    fn numbers_too_large_do_not_wrap_and_no_device_is_more_than_busy() {
        let disk = one(Some(raw("sda", 0, 0, 0)), raw("sda", 0, u64::MAX, 5_000), 1.0);
        assert_eq!((disk.read_bytes, disk.busy_ratio), (u64::MAX, Some(1.0)));
        assert!(disk.read_bytes_per_second.is_some_and(f64::is_finite));
    }
}
