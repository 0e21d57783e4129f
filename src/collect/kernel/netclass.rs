//! `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net): the properties of each interface, by the kernel's
//! names. The network reader takes the counters and what the model shows; this one takes the rest.

use std::path::PathBuf;

use super::attributes::{AttributeDir, names_in};
use crate::collect::Paths;
use crate::model::Reading;
use crate::model::kernel::network::NetClass;

/// Reader without state: interfaces come and go.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.sys("class/net") }
    }

    /// All interfaces by name. One that vanishes while it is read is left out; so is a plain file such as
    /// `bonding_masters`.
    pub fn read(&mut self) -> Reading<Vec<NetClass>> {
        let names = names_in(&self.directory)?;
        Ok(names.into_iter().filter_map(|name| self.read_interface(name)).collect())
    }

    fn read_interface(&self, name: String) -> Option<NetClass> {
        let attributes = AttributeDir::open(&self.directory.join(&name)).ok()?;
        let number = |file: &str| attributes.number(file);
        let text = |file: &str| attributes.text(file).unwrap_or_default();
        Some(NetClass {
            address_assign_type: number("addr_assign_type"),
            carrier: number("carrier"),
            carrier_changes: number("carrier_changes"),
            carrier_up: number("carrier_up_count"),
            carrier_down: number("carrier_down_count"),
            device_id: number("dev_id"),
            dormant: number("dormant"),
            flags: number("flags"),
            index: number("ifindex"),
            link: number("iflink"),
            link_mode: number("link_mode"),
            mtu_bytes: number("mtu"),
            name_assign_type: number("name_assign_type"),
            group: number("netdev_group"),
            speed_megabits: number("speed"),
            transmit_queue_length: number("tx_queue_len"),
            protocol_type: number("type"),
            received_without_handler: number("statistics/rx_nohandler").and_then(|count| u64::try_from(count).ok()),
            address: text("address"),
            broadcast: text("broadcast"),
            duplex: text("duplex"),
            alias: text("ifalias"),
            operational_state: text("operstate"),
            name: name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_read_by_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("class/net/eth0");
        std::fs::create_dir_all(place.join("statistics")).unwrap();
        for (file, text) in
            [("flags", "0x1003\n"), ("speed", "-1\n"), ("operstate", "up\n"), ("statistics/rx_nohandler", "4\n")]
        {
            std::fs::write(place.join(file), text).unwrap();
        }
        std::fs::write(dir.path().join("class/net/bonding_masters"), "bond0\n").unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let list = Reader::new(&paths).read().unwrap();
        let expected = NetClass {
            name: "eth0".into(),
            flags: Some(0x1003),
            speed_megabits: Some(-1),
            received_without_handler: Some(4),
            operational_state: "up".to_owned(),
            ..NetClass::default()
        };
        assert_eq!(list, [expected]);
    }
}
