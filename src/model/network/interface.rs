//! Network interfaces: raw from `/proc/net/dev`, `/sys/class/net` and the kernel's list of addresses, derived with rates.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::model::Pair;

/// One line of `/proc/net/dev`. Counted since the interface came up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawInterfaceCounters {
    /// Name.
    pub name: Arc<str>,
    /// Receive columns in the file's order: bytes, packets, errs, drop, fifo, frame, compressed, multicast.
    pub received: [u64; 8],
    /// Transmit columns in the file's order: bytes, packets, errs, drop, fifo, colls, carrier, compressed.
    pub sent: [u64; 8],
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RawAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_length: u8,
}

/// One interface's properties: `/sys/class/net/NAME/*` and the address list of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLink {
    /// Name.
    pub name: Arc<str>,
    /// `ifindex`.
    pub index: u32,
    /// `flags`: the IFF_* bits of netdevice(7).
    pub flags: Option<u32>,
    /// `mtu`, bytes.
    pub mtu_bytes: Option<u32>,
    /// `address`, lower case with colons. `None` for interfaces without one, loopback among them.
    pub mac: Option<String>,
    /// `operstate`: `up`, `down`, `unknown`, ...
    pub operational_state: Option<String>,
    /// `speed`, megabits a second. `None` when the driver does not know.
    pub speed_megabits: Option<u64>,
    /// `duplex`: `full`, `half` or `None` when unknown.
    pub duplex: Option<String>,
    /// Addresses, in the order in which the kernel lists them.
    pub addresses: Vec<RawAddress>,
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
    pub dropped: u64,
    /// FIFO errors.
    pub fifo: u64,
    /// Framing errors (receive) or collisions (send).
    pub frame_or_collisions: u64,
    /// Compressed packets.
    pub compressed: u64,
    /// Multicast packets (receive) or carrier losses (send).
    pub multicast_or_carrier: u64,
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
    /// Addresses.
    pub addresses: Vec<Address>,
}

/// An address of an interface.
pub type Address = RawAddress;

/// The interfaces with their rates, and with their properties where those were gathered.
pub(in crate::model) fn derive(
    pair: &Pair<'_, Vec<RawInterfaceCounters>>,
    links: Option<&[RawLink]>,
) -> Vec<Interface> {
    let traffic = |now: &[u64; 8], before: Option<&[u64; 8]>| Traffic {
        bytes: now[0],
        packets: now[1],
        errors: now[2],
        dropped: now[3],
        fifo: now[4],
        frame_or_collisions: now[5],
        compressed: now[6],
        multicast_or_carrier: now[7],
        bytes_per_second: pair.per_second(before.map(|b| b[0]), now[0]),
        packets_per_second: pair.per_second(before.map(|b| b[1]), now[1]),
    };
    let interface = |now: &RawInterfaceCounters| {
        let before = pair.previous.and_then(|list| list.iter().find(|b| b.name == now.name));
        // A reset of either direction is a reset of both: the interface was taken away and came back.
        let before = before.filter(|b| b.received[0] <= now.received[0] && b.sent[0] <= now.sent[0]);
        Interface {
            name: Arc::clone(&now.name),
            received: traffic(&now.received, before.map(|b| &b.received)),
            sent: traffic(&now.sent, before.map(|b| &b.sent)),
            link: links.and_then(|links| links.iter().find(|link| link.name == now.name)).map(derive_link),
        }
    };
    pair.current.iter().map(interface).collect()
}

fn derive_link(raw: &RawLink) -> Link {
    Link {
        index: raw.index,
        flags: raw.flags,
        mtu_bytes: raw.mtu_bytes,
        mac: raw.mac.clone(),
        operational_state: raw.operational_state.clone(),
        speed_bits_per_second: raw.speed_megabits.map(|megabits| megabits * 1_000_000),
        duplex: raw.duplex.clone(),
        addresses: raw.addresses.clone(),
    }
}
