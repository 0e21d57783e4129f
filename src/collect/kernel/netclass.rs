//! `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net): the properties of each interface, by the kernel's
//! names. The network reader takes the counters and what the model shows; this one takes the rest.

use super::attributes::{KeptDir, KeptDirs};
use crate::collect::Paths;
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

/// Keeps the files of the first interfaces open.
#[derive(Debug)]
pub struct Reader {
    interfaces: KeptDirs,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { interfaces: KeptDirs::new(paths.sys("class/net"), &FILES) }
    }

    /// All interfaces by name.
    pub fn read(&mut self) -> Reading<Vec<NetClass>> {
        self.interfaces.read(|name, files| Some(properties(name, files)))
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
    use std::path::Path;

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
}
