//! Collectors `diskstats`, with the exclusions that `node_exporter` has by default, and `filesystem`, with those that are set.

use std::collections::HashSet;

use super::writer::{Kind, Value, Writer};
use crate::model::Snapshot;
use crate::model::storage::RawMount;
use crate::model::storage::UdevDevice;
use crate::model::storage::{Disk, FilesystemUsage};

/// Counters of the block devices, and what udev knows about them.
pub fn diskstats(writer: &mut Writer, snapshot: &Snapshot) {
    let disks: Vec<&Disk> = snapshot.disks.iter().flatten().filter(|disk| !is_excluded_disk(&disk.name)).collect();
    type Pick = fn(&Disk) -> Option<Value>;
    let counters: [(&str, &str, Pick); 16] = [
        ("discard_time_seconds", "Seconds spent discarding.", |d| d.discard_seconds.map(Into::into)),
        ("discarded_sectors", "Sectors discarded.", |d| d.discarded_bytes.map(|bytes| (bytes / 512).into())),
        ("discards_completed", "Discards completed.", |d| d.discards.map(Into::into)),
        ("discards_merged", "Discards merged.", |d| d.discards_merged.map(Into::into)),
        ("flush_requests_time_seconds", "Seconds spent flushing.", |d| d.flush_seconds.map(Into::into)),
        ("flush_requests", "Flushes completed.", |d| d.flushes.map(Into::into)),
        ("io_time_seconds", "Seconds with I/O in progress.", |d| Some(d.busy_seconds.into())),
        ("io_time_weighted_seconds", "Seconds of I/O, weighted by their number.", |d| Some(d.weighted_seconds.into())),
        ("read_bytes", "Bytes read.", |d| Some(d.read_bytes.into())),
        ("read_time_seconds", "Seconds spent reading.", |d| Some(d.read_seconds.into())),
        ("reads_completed", "Reads completed.", |d| Some(d.reads.into())),
        ("reads_merged", "Reads merged.", |d| Some(d.reads_merged.into())),
        ("write_time_seconds", "Seconds spent writing.", |d| Some(d.write_seconds.into())),
        ("writes_completed", "Writes completed.", |d| Some(d.writes.into())),
        ("writes_merged", "Writes merged.", |d| Some(d.writes_merged.into())),
        ("written_bytes", "Bytes written.", |d| Some(d.written_bytes.into())),
    ];
    for (name, help, pick) in counters {
        let name = format!("node_disk_{name}_total");
        let mut family = writer.family(&name, Kind::Counter, help);
        for disk in &disks {
            family.maybe(&[("device", &disk.name)], pick(disk));
        }
    }
    let mut family = writer.family("node_disk_io_now", Kind::Gauge, "I/Os in progress now.");
    for disk in &disks {
        family.sample(&[("device", &disk.name)], disk.in_progress);
    }
    let devices = snapshot.raw::<Vec<UdevDevice>>().map_or(&[][..], Vec::as_slice);
    let known = |disk: &Disk| devices.iter().find(|device| device.major_minor == (disk.major, disk.minor));
    let disks: Vec<(&Disk, Option<&UdevDevice>)> = disks.into_iter().map(|disk| (disk, known(disk))).collect();
    udev(writer, &disks);
}

/// An info family: name, help, the key without which a device has none, and label and key of each label.
type Info = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

fn udev(writer: &mut Writer, disks: &[(&Disk, Option<&UdevDevice>)]) {
    fn key<'u>(udev: Option<&'u UdevDevice>, name: &str) -> &'u str {
        udev.and_then(|udev| udev.get(name)).unwrap_or_default()
    }
    let mut family = writer.family("node_disk_info", Kind::Gauge, "Number, model and serial number, in labels.");
    for (disk, udev) in disks {
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT"].map(|name| key(*udev, name));
        let labels = [
            ("device", &*disk.name),
            ("major", &disk.major.to_string()),
            ("minor", &disk.minor.to_string()),
            ("model", key(*udev, "ID_MODEL")),
            ("path", key(*udev, "ID_PATH")),
            ("revision", key(*udev, "ID_REVISION")),
            ("serial", serials.into_iter().find(|serial| !serial.is_empty()).unwrap_or_default()),
            ("wwn", key(*udev, "ID_WWN")),
        ];
        family.sample(&labels, 1_u64);
    }
    let infos: [Info; 2] = [
        (
            "node_disk_filesystem_info",
            "The file system on the device, in labels.",
            "ID_FS_TYPE",
            &[("type", "ID_FS_TYPE"), ("usage", "ID_FS_USAGE"), ("uuid", "ID_FS_UUID"), ("version", "ID_FS_VERSION")],
        ),
        (
            "node_disk_device_mapper_info",
            "The device-mapper names, in labels.",
            "DM_NAME",
            &[
                ("lv_layer", "DM_LV_LAYER"),
                ("lv_name", "DM_LV_NAME"),
                ("name", "DM_NAME"),
                ("uuid", "DM_UUID"),
                ("vg_name", "DM_VG_NAME"),
            ],
        ),
    ];
    for (name, help, condition, fields) in infos {
        let mut family = writer.family(name, Kind::Gauge, help);
        for (disk, udev) in disks.iter().filter(|(_, udev)| !key(*udev, condition).is_empty()) {
            let mut labels = vec![("device", &*disk.name)];
            labels.extend(fields.iter().map(|(label, field)| (*label, key(*udev, field))));
            family.sample(&labels, 1_u64);
        }
    }
    let numbers = [
        (
            "node_disk_ata_rotation_rate_rpm",
            "Revolutions a minute; 0 without moving parts.",
            "ID_ATA_ROTATION_RATE_RPM",
        ),
        ("node_disk_ata_write_cache", "Whether there is a write cache.", "ID_ATA_WRITE_CACHE"),
        ("node_disk_ata_write_cache_enabled", "Whether the write cache is on.", "ID_ATA_WRITE_CACHE_ENABLED"),
    ];
    for (name, help, field) in numbers {
        let mut family = writer.family(name, Kind::Gauge, help);
        for (disk, udev) in disks.iter().filter(|(_, udev)| !key(*udev, "ID_ATA").is_empty()) {
            family.maybe(&[("device", &disk.name)], key(*udev, field).parse::<f64>().ok());
        }
    }
}

/// `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`: RAM disks, loop devices, floppies and partitions.
fn is_excluded_disk(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let is_lettered = |rest: &str| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_numbers = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(stem, "ram" | "loop" | "fd")
        || ["hd", "sd", "vd", "xvd"].iter().any(|prefix| stem.strip_prefix(prefix).is_some_and(is_lettered))
        || stem
            .strip_prefix("nvme")
            .and_then(|rest| rest.strip_suffix('p'))
            .and_then(|rest| rest.split_once('n'))
            .is_some_and(|(controller, namespace)| is_numbers(controller) && is_numbers(namespace))
}

/// One row of the collector: device, mount point, type, numbers.
type Row<'a> = (&'a str, &'a str, &'a str, Option<FilesystemUsage>);

/// Size and use of the file systems, one row a mount.
pub fn filesystem(writer: &mut Writer, snapshot: &Snapshot) {
    let mut seen = HashSet::new();
    let rows: Vec<Row<'_>> = rows(snapshot)
        .into_iter()
        .filter(|row| !writer.exclusions().has_mount(row.1, row.2))
        .filter(|row| seen.insert((row.0, row.1, row.2)))
        .collect();
    let mut family = |name: &str, help: &str, pick: &dyn Fn(Option<FilesystemUsage>) -> Option<u64>| {
        let mut family = writer.family(name, Kind::Gauge, help);
        for (device, mount_point, kind, usage) in &rows {
            family.maybe(&[("device", device), ("fstype", kind), ("mountpoint", mount_point)], pick(*usage));
        }
    };
    family("node_filesystem_avail_bytes", "Free to unprivileged users.", &|u| Some(u?.available_bytes));
    family("node_filesystem_device_error", "Whether its numbers are unknown.", &|u| Some(u64::from(u.is_none())));
    family("node_filesystem_files", "Inodes.", &|u| Some(u?.inodes_total));
    family("node_filesystem_files_free", "Free inodes.", &|u| Some(u?.inodes_free));
    family("node_filesystem_free_bytes", "Free, with what is reserved for root.", &|u| Some(u?.free_bytes));
    family("node_filesystem_readonly", "Whether it is read-only.", &|u| Some(u64::from(u?.read_only)));
    family("node_filesystem_size_bytes", "Size.", &|u| Some(u?.total_bytes));
}

/// Every mount whose numbers are known, or ought to be.
fn rows<'s>(snapshot: &'s Snapshot) -> Vec<Row<'s>> {
    let mounts = snapshot.raw::<Vec<RawMount>>().map_or(&[][..], Vec::as_slice);
    let usage = |mount: &RawMount| -> Option<Option<FilesystemUsage>> {
        let usage = mount.usage.as_ref()?.as_ref().ok().map(|usage| FilesystemUsage::from(*usage));
        Some(usage.map(|usage| FilesystemUsage { read_only: mount.is_read_only(), ..usage }))
    };
    let row = |mount: &'s RawMount| Some((&*mount.device, &*mount.mount_point, &*mount.kind, usage(mount)?));
    mounts.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_loops_are_left_out() {
        for name in ["ram0", "loop12", "fd0", "sda1", "xvdb2", "nvme0n1p3", "hdc4", "vda15"] {
            assert!(is_excluded_disk(name), "{name}");
        }
        for name in ["sda", "nvme0n1", "dm-0", "md127", "zram0", "mmcblk0p1", "sdaa1", "sr0", "vdA1", "nvmep1"] {
            assert!(!is_excluded_disk(name), "{name}");
        }
    }
}
