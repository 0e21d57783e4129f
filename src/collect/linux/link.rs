//! `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net): the properties of each interface, by the kernel's
//! names. Counters are [`super::network`]'s, addresses [`super::address`]'s. Not sysinfo: it tells neither index nor flags, speed
//! or duplex. `speed` takes the lock of the network and may wait for it.
//!
//! On the live machine only those files are read again that can change unannounced, as long as the kernel has announced no
//! change of any interface ([`super::link_watch`]): a third of the time. Every sixteenth time all of them are, should a driver
//! have kept silent.

use std::path::Path;

use super::Paths;
use super::attributes::{KeptDir, KeptDirs};
use super::link_watch::{Announcements, LINKS};
use crate::model::Reading;
use crate::model::network::NetClass;

/// The files of an interface, in the order in which [`properties`] takes them.
const FILES: [&str; 23] = [
    "addr_assign_type",
    "carrier",
    "carrier_changes",
    "carrier_up_count",
    "carrier_down_count",
    "dev_id",
    "dormant",
    "flags",
    "ifindex",
    "iflink",
    "link_mode",
    "mtu",
    "name_assign_type",
    "netdev_group",
    "speed",
    "tx_queue_len",
    "type",
    "statistics/rx_nohandler",
    "address",
    "broadcast",
    "duplex",
    "ifalias",
    "operstate",
];

/// Places in [`FILES`] of those whose change is not announced, or up to a second late: a carrier that comes and goes.
const CARRIER_CHANGES: usize = 2;
const GROUP: usize = 13;
const SPEED: usize = 14;
const NO_HANDLER: usize = 17;
const DUPLEX: usize = 20;

/// Passes from one reading of all files to the next.
const FULL_READING: u32 = 16;

/// Keeps the files of the first interfaces open.
#[derive(Debug)]
pub struct Reader {
    interfaces: KeptDirs,
    announcements: Announcements,
    last: Vec<NetClass>,
    /// Whether the last reading found all as it was announced. One that follows an announcement may come before the change.
    settled: bool,
    pass: u32,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        // Another sysfs may be that of another network name space.
        let announced = paths.is_live() && paths.sysfs == Path::new("/sys");
        Self {
            interfaces: KeptDirs::new(paths.sys("class/net"), &FILES),
            announcements: if announced { Announcements::Ahead(LINKS) } else { Announcements::Absent },
            last: Vec::new(),
            settled: false,
            pass: 0,
        }
    }

    /// All interfaces. One that vanishes while it is read is left out.
    pub fn read(&mut self) -> Reading<Vec<NetClass>> {
        let quiet = self.announcements.were_none();
        let full = !self.settled || self.pass.is_multiple_of(FULL_READING);
        self.pass = self.pass.wrapping_add(1);
        self.settled = quiet;
        let renewed = if quiet && !full { self.renewed() } else { None };
        let list = match renewed {
            Some(list) => list,
            None => self.interfaces.read(|name, files| Some(properties(name, files)))?,
        };
        if !matches!(self.announcements, Announcements::Absent) {
            self.last.clone_from(&list);
        }
        Ok(list)
    }

    /// What was read before, with what may have changed unannounced. `None` when all has to be read after all: an interface
    /// has lost or found its carrier, or is gone.
    fn renewed(&self) -> Option<Vec<NetClass>> {
        let renewed = |before: &NetClass| {
            if let Some(files) = self.interfaces.kept(&before.name) {
                return renewed(before, |index| files.number(index), |index| files.text(index));
            }
            let files = self.interfaces.open(&before.name).ok()?;
            renewed(before, |index| files.number(FILES[index]), |index| files.text(FILES[index]))
        };
        self.last.iter().map(renewed).collect()
    }
}

/// `before` with what the places of [`FILES`] hold now that may have changed unannounced.
fn renewed(
    before: &NetClass,
    number: impl Fn(usize) -> Option<i64>,
    text: impl Fn(usize) -> Option<String>,
) -> Option<NetClass> {
    let carrier_changes = number(CARRIER_CHANGES)?;
    if before.carrier_changes != Some(carrier_changes) {
        return None;
    }
    // One that has no speed gets none before something else changes: it has to be up, or have another driver.
    let has_speed = before.speed_megabits.is_some();
    Some(NetClass {
        group: number(GROUP),
        speed_megabits: if has_speed { number(SPEED) } else { None },
        duplex: if has_speed { text(DUPLEX).unwrap_or_default() } else { before.duplex.clone() },
        received_without_handler: number(NO_HANDLER).and_then(|count| u64::try_from(count).ok()),
        ..before.clone()
    })
}

fn properties(name: String, files: &KeptDir) -> NetClass {
    let number = |index: usize| files.number(index);
    let text = |index: usize| files.text(index).unwrap_or_default();
    NetClass {
        name: name.into(),
        address_assign_type: number(0),
        carrier: number(1),
        carrier_changes: number(CARRIER_CHANGES),
        carrier_up: number(3),
        carrier_down: number(4),
        device_id: number(5),
        dormant: number(6),
        flags: number(7),
        index: number(8),
        link: number(9),
        link_mode: number(10),
        mtu_bytes: number(11),
        name_assign_type: number(12),
        group: number(GROUP),
        speed_megabits: number(SPEED),
        transmit_queue_length: number(15),
        protocol_type: number(16),
        received_without_handler: number(NO_HANDLER).and_then(|count| u64::try_from(count).ok()),
        address: text(18),
        broadcast: text(19),
        duplex: text(DUPLEX),
        alias: text(21),
        operational_state: text(22),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(root: &Path, name: &str, files: &[(&str, &str)]) {
        let place = root.join("class/net").join(name);
        std::fs::create_dir_all(place.join("statistics")).unwrap();
        for (file, text) in files {
            std::fs::write(place.join(file), text).unwrap();
        }
    }

    #[test]
    fn an_interface_is_read_by_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("flags", "0x1003\n"),
            ("speed", "-1\n"),
            ("operstate", "up\n"),
            ("type", "772\n"),
            ("statistics/rx_nohandler", "4\n"),
            ("address", "02:00:00:00:00:01\n"),
        ];
        place(dir.path(), "eth0", &files);
        std::fs::write(dir.path().join("class/net/bonding_masters"), "bond0\n").unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let list = Reader::new(&paths).read().unwrap();
        let expected = NetClass {
            name: "eth0".into(),
            flags: Some(0x1003),
            speed_megabits: Some(-1),
            protocol_type: Some(772),
            received_without_handler: Some(4),
            address: "02:00:00:00:00:01".to_owned(),
            operational_state: "up".to_owned(),
            ..NetClass::default()
        };
        assert_eq!(list, [expected]);
    }

    #[test]
    fn the_second_reading_tells_what_the_files_tell() {
        let mut reader = Reader::new(&Paths::host());
        reader.read().unwrap();
        // Interfaces of this machine may change meanwhile; some moment is quiet.
        let quiet = (0..50).any(|_| {
            let full = !reader.settled || reader.pass.is_multiple_of(FULL_READING);
            let known = reader.renewed().is_some() && reader.announcements.were_none() && !full;
            let (before, again) = (Reader::new(&Paths::host()).read().unwrap(), reader.read().unwrap());
            let after = Reader::new(&Paths::host()).read().unwrap();
            known && before == again && again == after
        });
        assert!(quiet, "what is kept differs from the files, or is never used");
    }

    #[test]
    fn another_sysfs_is_read_each_time() {
        let dir = tempfile::tempdir().unwrap();
        FILES.iter().for_each(|file| place(dir.path(), "eth0", &[(file, "1\n")]));
        let mut reader = Reader::new(&Paths { sysfs: dir.path().into(), ..Paths::host() });
        (0..3).for_each(|_| assert_eq!(reader.read().unwrap()[0].mtu_bytes, Some(1)));
        place(dir.path(), "eth0", &[("mtu", "9000\n")]);
        assert_eq!(reader.read().unwrap()[0].mtu_bytes, Some(9000));
        std::fs::remove_dir_all(dir.path().join("class/net/eth0")).unwrap();
        assert_eq!(reader.read().unwrap(), []);
    }

    #[test]
    fn what_is_announced_by_nothing_is_read_each_time() {
        let dir = tempfile::tempdir().unwrap();
        place(dir.path(), "eth0", &[("speed", "100\n"), ("duplex", "half\n"), ("statistics/rx_nohandler", "7\n")]);
        place(dir.path(), "eth0", &[("carrier_changes", "2\n"), ("mtu", "1500\n"), ("netdev_group", "3\n")]);
        let before = NetClass {
            name: "eth0".into(),
            mtu_bytes: Some(9000),
            speed_megabits: Some(10),
            carrier_changes: Some(2),
            ..NetClass::default()
        };
        let mut reader = Reader::new(&Paths { sysfs: dir.path().into(), ..Paths::host() });
        let expected = NetClass {
            group: Some(3),
            speed_megabits: Some(100),
            duplex: "half".to_owned(),
            received_without_handler: Some(7),
            ..before.clone()
        };
        reader.last = vec![before.clone()];
        assert_eq!(reader.renewed().unwrap(), [expected]);
        for carrier_changes in [Some(1), None] {
            reader.last = vec![NetClass { carrier_changes, ..before.clone() }];
            assert_eq!(reader.renewed(), None, "all has to be read");
        }
        reader.last = vec![NetClass { speed_megabits: None, ..before }];
        assert_eq!(reader.renewed().unwrap()[0].speed_megabits, None, "it is not asked");
        std::fs::remove_dir_all(dir.path().join("class/net/eth0")).unwrap();
        assert_eq!(reader.renewed(), None);
    }
}
