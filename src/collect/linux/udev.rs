//! `/run/udev/data/bMAJOR:MINOR`: what udev found out about the block devices, `E:ID_MODEL=Samsung_SSD` for example. A
//! machine without udev (a container, many a virtual machine) has no such directory and therefore an empty list.
//!
//! udev writes a file anew and renames it, which changes the directory: while that is as it was, nothing is read.

use std::time::SystemTime;

use super::file::optional;
use super::{Below, Paths};
use crate::model::Reading;
use crate::model::storage::UdevDevice;

/// The keys that are kept.
const KEYS: [&str; 19] = [
    "DM_LV_LAYER",
    "DM_LV_NAME",
    "DM_NAME",
    "DM_UUID",
    "DM_VG_NAME",
    "ID_ATA",
    "ID_ATA_ROTATION_RATE_RPM",
    "ID_ATA_WRITE_CACHE",
    "ID_ATA_WRITE_CACHE_ENABLED",
    "ID_FS_TYPE",
    "ID_FS_USAGE",
    "ID_FS_UUID",
    "ID_FS_VERSION",
    "ID_MODEL",
    "ID_PATH",
    "ID_REVISION",
    "ID_SERIAL_SHORT",
    "ID_WWN",
    "SCSI_IDENT_SERIAL",
];

/// Major numbers of RAM disks and loop devices, about which udev knows nothing of use.
const UNINTERESTING: [u32; 2] = [1, 7];

/// Keeps the devices until the directory changes.
#[derive(Debug)]
pub struct Reader {
    directory: Below,
    changed: Option<SystemTime>,
    devices: Vec<UdevDevice>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.root("run/udev/data"), changed: None, devices: Vec::new() }
    }

    /// All block devices that udev knows.
    pub fn read(&mut self) -> Reading<Vec<UdevDevice>> {
        let changed = match self.directory.metadata().and_then(|metadata| metadata.modified()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            changed => changed.ok(),
        };
        if changed.is_none() || changed != self.changed {
            self.devices = self.read_all()?;
            self.changed = changed;
        }
        Ok(self.devices.clone())
    }

    fn read_all(&self) -> Reading<Vec<UdevDevice>> {
        let mut devices = Vec::new();
        for name in optional(self.directory.names())?.unwrap_or_default() {
            let Some(major_minor) = device_number(&name).filter(|number| !UNINTERESTING.contains(&number.0)) else {
                continue;
            };
            if let Some(text) = optional(self.directory.join(&name).read_text())? {
                devices.push(UdevDevice { major_minor, properties: parse_properties(&text) });
            }
        }
        Ok(devices)
    }
}

fn device_number(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.strip_prefix('b')?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn parse_properties(text: &str) -> Vec<(Box<str>, String)> {
    let property = |line: &str| {
        let (key, value) = line.strip_prefix("E:")?.split_once('=')?;
        KEYS.contains(&key).then(|| (key.into(), value.to_owned()))
    };
    text.lines().filter_map(property).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_devices_only_and_known_keys_only() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { rootfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        assert_eq!(reader.read(), Ok(Vec::new()));
        let data = dir.path().join("run/udev/data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("b8:16"), "S:disk/by-id/x\nE:ID_MODEL=Disk_1\nE:SECRET=1\nE:ID_PATH=pci-0=1\n")
            .unwrap();
        std::fs::write(data.join("b7:0"), "E:ID_MODEL=loop\n").unwrap();
        std::fs::write(data.join("c1:3"), "E:ID_MODEL=null\n").unwrap();
        let devices = reader.read().unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].major_minor, (8, 16));
        assert_eq!(devices[0].get("ID_PATH"), Some("pci-0=1"));
        assert_eq!(devices[0].get("SECRET"), None);
    }
}
