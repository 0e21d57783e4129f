//! Heartbeat's `/api/disk` and `/api/diskio`.
//!
//! Encoded by the rows of [`super`]. Which file systems were asked, and which answered, the snapshot tells.

use serde::Serialize;

use crate::dialect::number::{milliseconds, percent};
use crate::dialect::rows::Entries;
use crate::model::Snapshot;
use crate::model::storage::{Disk, Filesystem, by_device};

/// `/api/disk`: one row a mounted device. `free` is what an unprivileged user may fill, as `df` prints it.
pub fn disk(snapshot: &Snapshot) -> impl Serialize + '_ {
    object! {
        disk_usage: snapshot.filesystems.as_deref().map(|list| {
            by_device(list).into_iter().map(partition).collect::<Vec<_>>()
        }),
    }
}

fn partition(mount: &Filesystem) -> impl Serialize {
    let usage = mount.usage.as_ref();
    object!(#[serde(rename_all = "camelCase")] {
        path: &mount.mount_point,
        fstype: &mount.kind,
        total: usage.map(|usage| usage.total_bytes),
        free: usage.map(|usage| usage.available_bytes),
        used: usage.map(|usage| usage.used_bytes),
        used_percent: usage.and_then(|usage| usage.used_ratio).map(percent),
        inodes_total: usage.and_then(|usage| usage.inodes_total),
        inodes_used: usage.and_then(|usage| usage.inodes_used),
        inodes_free: usage.and_then(|usage| usage.inodes_free),
        inodes_used_percent: usage.and_then(|usage| usage.inodes_used_ratio).map(percent),
    })
}

/// `/api/diskio`: an object by device name; times in milliseconds.
pub fn diskio(snapshot: &Snapshot) -> impl Serialize + '_ {
    let disks = snapshot.disks.as_deref().unwrap_or_default();
    Entries(move || disks.iter().map(|disk| (&*disk.name, counters(disk))))
}

fn counters(disk: &Disk) -> impl Serialize {
    object!(#[serde(rename_all = "camelCase")] {
        read_count: disk.reads,
        merged_read_count: disk.reads_merged,
        write_count: disk.writes,
        merged_write_count: disk.writes_merged,
        read_bytes: disk.read_bytes,
        write_bytes: disk.written_bytes,
        read_time: disk.read_seconds.and_then(milliseconds),
        write_time: disk.write_seconds.and_then(milliseconds),
        iops_in_progress: disk.in_progress,
        io_time: disk.busy_seconds.and_then(milliseconds),
        #[serde(rename = "weightedIO")]
        weighted_io: disk.weighted_seconds.and_then(milliseconds),
        name: &disk.name,
        serial_number: disk.serial.as_deref().unwrap_or_default(),
        label: disk.label.as_deref().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::by_device;
    use crate::model::storage::Filesystem;

    fn mount(device: &str, mount_point: &str, device_backed: bool) -> Filesystem {
        Filesystem { device: device.into(), mount_point: mount_point.into(), device_backed, ..Filesystem::default() }
    }

    #[test]
    fn a_device_has_one_row_however_often_it_is_mounted() {
        let list = [
            mount("/dev/vdb1", "/srv/data", true),
            mount("tmpfs", "/run", false),
            mount("/dev/vda1", "/etc/hosts", true),
            mount("/dev/vda1", "/", true),
            mount("/dev/vda1", "/etc/resolv.conf", true),
            mount("/dev/vdb1", "/home/data", true),
        ];
        let paths: Vec<&str> = by_device(&list).iter().map(|mount| mount.mount_point.as_str()).collect();
        assert_eq!(paths, ["/srv/data", "/"]);
    }
}
