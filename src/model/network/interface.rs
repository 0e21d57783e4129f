//! Network interfaces: raw from `/proc/net/dev`, `/sys/class/net` and the kernel's list of addresses, derived with rates.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::Serialize;

use crate::model::Pair;

/// One line of `/proc/net/dev`. Counted since the interface came up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawInterfaceCounters {
    /// Name.
    pub name: Arc<str>,
    /// `ifindex`, which no other interface had since boot. `None` when it is not known.
    pub index: Option<u32>,
    /// Receive columns in the file's order: bytes, packets, errs, drop, fifo, frame, compressed, multicast.
    pub received: [u64; 8],
    /// Transmit columns in the file's order: bytes, packets, errs, drop, fifo, colls, carrier, compressed.
    pub sent: [u64; 8],
    /// Only the first three columns of both are known: the portable reader.
    pub only_first: bool,
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_length: u8,
}

impl Address {
    /// The prefix of an IPv4 address as a mask: `24` is `255.255.255.0`.
    pub fn netmask(&self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(self.prefix_length.into());
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }
}

/// Addresses with the name of their interface, in the order in which the kernel lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawAddresses(pub Vec<(String, Address)>);

impl RawAddresses {
    /// Those of each interface. A host of containers has thousands, so nothing goes through all of them for each.
    pub fn by_name(&self) -> HashMap<&str, Vec<Address>> {
        let mut all: HashMap<&str, Vec<Address>> = HashMap::new();
        for (name, address) in &self.0 {
            all.entry(name).or_default().push(*address);
        }
        all
    }
}

/// `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net). A file that is missing, or that the driver
/// refuses to answer, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetClass {
    /// Name of the interface.
    pub name: Box<str>,
    /// `addr_assign_type`.
    pub address_assign_type: Option<i64>,
    /// `carrier`; refused while the interface is down.
    pub carrier: Option<i64>,
    /// `carrier_changes`.
    pub carrier_changes: Option<i64>,
    /// `carrier_up_count`, since Linux 4.16.
    pub carrier_up: Option<i64>,
    /// `carrier_down_count`, since Linux 4.16.
    pub carrier_down: Option<i64>,
    /// `dev_id`, hexadecimal there.
    pub device_id: Option<i64>,
    /// `dormant`.
    pub dormant: Option<i64>,
    /// `flags`, hexadecimal there.
    pub flags: Option<i64>,
    /// `ifindex`.
    pub index: Option<i64>,
    /// `iflink`.
    pub link: Option<i64>,
    /// `link_mode`.
    pub link_mode: Option<i64>,
    /// `mtu`, bytes.
    pub mtu_bytes: Option<i64>,
    /// `name_assign_type`.
    pub name_assign_type: Option<i64>,
    /// `netdev_group`.
    pub group: Option<i64>,
    /// `speed`, megabits a second; -1 when the driver does not know.
    pub speed_megabits: Option<i64>,
    /// `tx_queue_len`.
    pub transmit_queue_length: Option<i64>,
    /// `type`, the ARPHRD number.
    pub protocol_type: Option<i64>,
    /// `statistics/rx_nohandler`, since Linux 4.6.
    pub received_without_handler: Option<u64>,
    /// `address`.
    pub address: String,
    /// `broadcast`.
    pub broadcast: String,
    /// `duplex`; empty when the driver does not know.
    pub duplex: String,
    /// `ifalias`.
    pub alias: String,
    /// `operstate`.
    pub operational_state: String,
}

/// One network interface. Counters since it came up; rates over the last interval, `None` after a reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interface {
    /// Name.
    pub name: Arc<str>,
    /// Receiving side.
    pub received: Traffic,
    /// Sending side.
    pub sent: Traffic,
    /// Properties. `None` when they were not gathered.
    pub link: Option<Link>,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: Option<u64>,
    /// FIFO errors.
    pub fifo: Option<u64>,
    /// Framing errors (receive) or collisions (send).
    pub frame_or_collisions: Option<u64>,
    /// Compressed packets.
    pub compressed: Option<u64>,
    /// Multicast packets (receive) or carrier losses (send).
    pub multicast_or_carrier: Option<u64>,
    /// Bytes a second.
    pub bytes_per_second: Option<f64>,
    /// Packets a second.
    pub packets_per_second: Option<f64>,
}

/// An interface's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// IFF_* bits of netdevice(7).
    pub flags: Option<u32>,
    /// Largest packet, bytes.
    pub mtu_bytes: Option<u32>,
    /// MAC address.
    pub mac: Option<String>,
    /// `up`, `down`, `unknown`, ...
    pub operational_state: Option<String>,
    /// Speed, bits a second.
    pub speed_bits_per_second: Option<u64>,
    /// `full` or `half`.
    pub duplex: Option<String>,
    /// Addresses. `None` when they are not known.
    pub addresses: Option<Vec<Address>>,
}

/// The interfaces with their rates, and with their properties where those were gathered.
pub(in crate::model) fn derive(
    pair: &Pair<'_, Vec<RawInterfaceCounters>>,
    links: Option<(&[NetClass], Option<&RawAddresses>)>,
) -> Vec<Interface> {
    let traffic = |now: &[u64; 8], before: Option<&[u64; 8]>, only_first: bool| Traffic {
        bytes: now[0],
        packets: now[1],
        errors: now[2],
        dropped: (!only_first).then_some(now[3]),
        fifo: (!only_first).then_some(now[4]),
        frame_or_collisions: (!only_first).then_some(now[5]),
        compressed: (!only_first).then_some(now[6]),
        multicast_or_carrier: (!only_first).then_some(now[7]),
        bytes_per_second: pair.per_second(before.map(|b| b[0]), now[0]),
        packets_per_second: pair.per_second(before.map(|b| b[1]), now[1]),
    };
    let previous: HashMap<&str, &RawInterfaceCounters> =
        pair.previous.into_iter().flatten().map(|before| (&*before.name, before)).collect();
    let classes: HashMap<&str, &NetClass> =
        links.into_iter().flat_map(|(classes, _)| classes).map(|class| (&*class.name, class)).collect();
    let addresses = links.and_then(|(_, addresses)| addresses).map(RawAddresses::by_name);
    let interface = |now: &RawInterfaceCounters| {
        let before = previous.get(&*now.name).copied();
        // The same name with another index is another interface.
        let before = before.filter(|b| b.index.zip(now.index).is_none_or(|(before, now)| before == now));
        // A reset of either direction is a reset of both: the interface was taken away and came back.
        let before = before.filter(|b| b.received[0] <= now.received[0] && b.sent[0] <= now.sent[0]);
        let link = classes.get(&*now.name).and_then(|class| {
            Link::of(class, addresses.as_ref().map(|all| all.get(&*now.name).cloned().unwrap_or_default()))
        });
        Interface {
            name: Arc::clone(&now.name),
            received: traffic(&now.received, before.map(|b| &b.received), now.only_first),
            sent: traffic(&now.sent, before.map(|b| &b.sent), now.only_first),
            link,
        }
    };
    pair.current.iter().map(interface).collect()
}

impl Link {
    /// The properties of one interface. What the driver does not know is `None`; so is the whole where there is no index: the
    /// interface has gone.
    pub fn of(class: &NetClass, addresses: Option<Vec<Address>>) -> Option<Self> {
        let word = |text: &str| Some(text.trim().to_owned()).filter(|word| !word.is_empty());
        // -1, or the same without its sign: the driver does not know.
        let speed = class.speed_megabits.and_then(|speed| u64::try_from(speed).ok());
        Some(Self {
            index: u32::try_from(class.index?).ok()?,
            flags: class.flags.and_then(|flags| u32::try_from(flags).ok()),
            mtu_bytes: class.mtu_bytes.and_then(|bytes| u32::try_from(bytes).ok()),
            // Loopback and tunnels have an address of zeros, or none.
            mac: word(&class.address).filter(|mac| mac.bytes().any(|byte| !matches!(byte, b'0' | b':'))),
            operational_state: word(&class.operational_state),
            speed_bits_per_second: speed
                .filter(|speed| *speed != u64::from(u32::MAX))
                .and_then(|speed| speed.checked_mul(1_000_000)),
            duplex: word(&class.duplex).filter(|duplex| duplex != "unknown"),
            addresses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_netmask() {
        for (prefix_length, mask) in
            [(0, "0.0.0.0"), (1, "128.0.0.0"), (20, "255.255.240.0"), (32, "255.255.255.255"), (99, "255.255.255.255")]
        {
            assert_eq!(Address { ip: Ipv4Addr::LOCALHOST.into(), prefix_length }.netmask().to_string(), mask);
        }
    }

    #[test]
    fn a_link_of_what_is_known() {
        let class = NetClass {
            name: "x0".into(),
            index: Some(7),
            speed_megabits: Some(-1),
            duplex: "unknown".to_owned(),
            address: "00:00:00:00".to_owned(),
            ..NetClass::default()
        };
        assert_eq!(Link::of(&class, None), Some(Link { index: 7, ..Link::default() }));
        assert_eq!(Link::of(&NetClass { index: None, ..class.clone() }, None), None, "it has gone");
        let address = |ip: &str| Address { ip: ip.parse().unwrap(), prefix_length: 24 };
        let list = [("x0", "10.0.0.1"), ("x1", "10.0.0.2"), ("x0", "10.0.0.3")];
        let list = RawAddresses(list.map(|(name, ip)| (name.to_owned(), address(ip))).into());
        let full = NetClass {
            flags: Some(0x1003),
            mtu_bytes: Some(1500),
            speed_megabits: Some(1000),
            duplex: "full".to_owned(),
            address: "02:00:00:00:00:10".to_owned(),
            operational_state: "up".to_owned(),
            ..class
        };
        let expected = Link {
            index: 7,
            flags: Some(0x1003),
            mtu_bytes: Some(1500),
            mac: Some("02:00:00:00:00:10".to_owned()),
            operational_state: Some("up".to_owned()),
            speed_bits_per_second: Some(1_000_000_000),
            duplex: Some("full".to_owned()),
            addresses: Some(vec![address("10.0.0.1"), address("10.0.0.3")]),
        };
        assert_eq!(Link::of(&full, list.by_name().remove("x0")), Some(expected));
        assert_eq!(
            Link::of(&NetClass { speed_megabits: Some(4_294_967_295), ..full }, None).unwrap().speed_bits_per_second,
            None
        );
    }

    fn counters(name: &str, index: Option<u32>, received: u64, sent: u64) -> RawInterfaceCounters {
        let columns = |bytes| [bytes, bytes / 10, 3, 4, 5, 6, 7, 8];
        RawInterfaceCounters {
            name: name.into(),
            index,
            received: columns(received),
            sent: columns(sent),
            only_first: false,
        }
    }

    /// Bytes a second received and sent, of each interface.
    fn rates(
        previous: Option<&[RawInterfaceCounters]>,
        current: &[RawInterfaceCounters],
        seconds: Option<f64>,
    ) -> Vec<[Option<f64>; 2]> {
        let (previous, current) = (previous.map(<[_]>::to_vec), current.to_vec());
        let pair = Pair { previous: previous.as_ref(), current: &current, seconds };
        derive(&pair, None).iter().map(|i| [i.received.bytes_per_second, i.sent.bytes_per_second]).collect()
    }

    #[test]
    fn traffic_between_two_readings() {
        let (before, now) = (counters("a", Some(2), 1_000, 500), counters("a", Some(2), 3_000, 500));
        let pair = Pair { previous: Some(&vec![before]), current: &vec![now], seconds: Some(2.0) };
        let interface = derive(&pair, None).remove(0);
        let received = Traffic {
            bytes: 3_000,
            packets: 300,
            errors: 3,
            dropped: Some(4),
            fifo: Some(5),
            frame_or_collisions: Some(6),
            compressed: Some(7),
            multicast_or_carrier: Some(8),
            bytes_per_second: Some(1_000.0),
            packets_per_second: Some(100.0),
        };
        assert_eq!(interface.received, received);
        assert_eq!((interface.sent.bytes, interface.sent.bytes_per_second), (500, Some(0.0)));
        assert_eq!(interface.link, None);
    }

    #[test]
    fn of_an_interface_that_is_half_known_the_rest_is_unknown() {
        let now = RawInterfaceCounters { only_first: true, ..counters("a", Some(2), 3_000, 500) };
        let received = derive(&Pair { previous: None, current: &vec![now], seconds: None }, None).remove(0).received;
        let known = Traffic { bytes: 3_000, packets: 300, errors: 3, ..Traffic::default() };
        assert_eq!((received, received.dropped), (known, None));
    }

    #[test]
    fn no_rate_of_a_first_reading_a_reset_or_another_interface() {
        let of = |index, received, sent| [counters("a", index, received, sent)];
        let before = of(Some(2), 1_000, 500);
        let none = [[None, None]];
        assert_eq!(rates(None, &before, None), none, "the first");
        assert_eq!(rates(Some(&before), &of(Some(2), 999, 600), Some(1.0)), none, "one direction went back");
        assert_eq!(rates(Some(&before), &of(Some(3), 2_000, 600), Some(1.0)), none, "another with the same name");
        assert_eq!(rates(Some(&before), &[counters("b", Some(2), 2_000, 600)], Some(1.0)), none, "another name");
        let grown = [[Some(1_000.0), Some(100.0)]];
        assert_eq!(rates(Some(&before), &of(Some(2), 2_000, 600), Some(1.0)), grown);
        assert_eq!(rates(Some(&before), &of(None, 2_000, 600), Some(1.0)), grown, "an index that is not known");
        let huge = of(Some(2), u64::MAX, u64::MAX);
        assert_eq!(rates(Some(&huge), &huge, Some(1.0)), [[Some(0.0), Some(0.0)]]);
    }

    #[test]
    fn interfaces_are_found_wherever_they_stand() {
        let list = |names: &[&str], bytes| names.iter().map(|name| counters(name, None, bytes, 0)).collect::<Vec<_>>();
        let (before, now) = (list(&["a", "b", "c"], 10), list(&["c", "new", "a"], 40));
        let found = rates(Some(&before), &now, Some(3.0)).into_iter().map(|[received, _]| received);
        assert_eq!(found.collect::<Vec<_>>(), [Some(10.0), None, Some(10.0)]);
        let classes = ["a", "c"].map(|name| NetClass { name: name.into(), index: Some(4), ..NetClass::default() });
        let pair = Pair { previous: None, current: &now, seconds: None };
        let addresses = RawAddresses(Vec::new());
        let links =
            |addresses| derive(&pair, Some((&classes, addresses))).into_iter().map(|i| i.link).collect::<Vec<_>>();
        let link = |addresses| Some(Link { index: 4, addresses, ..Link::default() });
        assert_eq!(links(Some(&addresses)), [link(Some(Vec::new())), None, link(Some(Vec::new()))]);
        assert_eq!(links(None), [link(None), None, link(None)], "addresses that could not be read");
    }
}
