//! `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net): the properties of each interface, by the kernel's
//! names. The network reader takes the counters and what the model shows; this one takes the rest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::attributes::{KeptDir, names_in};
use crate::collect::Paths;
use crate::collect::limit::descriptor_limit;
use crate::model::Reading;
use crate::model::kernel::network::NetClass;

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

/// Of how many interfaces the files are kept open: 368 descriptors. A host with more (one for each container) has the rest
/// opened and closed each time.
const KEPT_INTERFACES: usize = 16;

/// Nothing is kept open by a process that may have fewer descriptors than this.
const ENOUGH_DESCRIPTORS: u64 = 4096;

/// Keeps the files of the first interfaces open.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    kept: HashMap<String, KeptDir>,
    most_kept: usize,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let most_kept = if descriptor_limit() < ENOUGH_DESCRIPTORS { 0 } else { KEPT_INTERFACES };
        Self { directory: paths.sys("class/net"), kept: HashMap::new(), most_kept }
    }

    /// All interfaces by name. One that vanishes while it is read is left out; so is a plain file such as
    /// `bonding_masters`.
    pub fn read(&mut self) -> Reading<Vec<NetClass>> {
        let names = names_in(&self.directory)?;
        let directory = &self.directory;
        self.kept.retain(|name, kept| names.binary_search(name).is_ok() && kept.is_at(&directory.join(name)));
        Ok(names.into_iter().filter_map(|name| self.read_interface(name)).collect())
    }

    fn read_interface(&mut self, name: String) -> Option<NetClass> {
        if let Some(kept) = self.kept.get(&name) {
            return Some(properties(name, kept));
        }
        let path: &Path = &self.directory.join(&name);
        let opened = KeptDir::open(path, &FILES).ok()?;
        let class = properties(name.clone(), &opened);
        if self.kept.len() < self.most_kept {
            self.kept.insert(name, opened);
        }
        Some(class)
    }
}

fn properties(name: String, files: &KeptDir) -> NetClass {
    let number = |index: usize| files.number(index);
    let text = |index: usize| files.text(index).unwrap_or_default();
    NetClass {
        name: name.into(),
        address_assign_type: number(0),
        carrier: number(1),
        carrier_changes: number(2),
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
        group: number(13),
        speed_megabits: number(14),
        transmit_queue_length: number(15),
        protocol_type: number(16),
        received_without_handler: number(17).and_then(|count| u64::try_from(count).ok()),
        address: text(18),
        broadcast: text(19),
        duplex: text(20),
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
    fn interfaces_come_and_go_kept_or_not() {
        for most_kept in [0, 1, 16] {
            let dir = tempfile::tempdir().unwrap();
            let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
            let mut reader = Reader { most_kept, ..Reader::new(&paths) };
            let mut read = || -> Vec<(String, Option<i64>)> {
                reader.read().unwrap().into_iter().map(|class| (class.name.into(), class.mtu_bytes)).collect()
            };
            place(dir.path(), "a", &[("mtu", "1\n")]);
            place(dir.path(), "b", &[("mtu", "2\n")]);
            assert_eq!(read(), [("a".to_owned(), Some(1)), ("b".to_owned(), Some(2))]);
            let class = dir.path().join("class/net");
            std::fs::rename(class.join("a"), class.join("c")).unwrap();
            std::fs::rename(class.join("b"), class.join("a")).unwrap();
            assert_eq!(read(), [("a".to_owned(), Some(2)), ("c".to_owned(), Some(1))]);
            std::fs::remove_dir_all(class.join("c")).unwrap();
            assert_eq!(read(), [("a".to_owned(), Some(2))]);
        }
    }
}
