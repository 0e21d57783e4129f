//! Glances' `network`, `ip` and `wifi`.
//!
//! Called by the table of plugins. What Glances hides unless told otherwise is hidden here too, since clients add up what
//! they see: loopback, Docker's bridges, what is down or has no address.

use serde::Serialize;

use super::{Version, delta, span, whole_rate};
use crate::model::Snapshot;
use crate::model::network::{Address, Interface, Link, RawInterfaceCounters};

/// `IFF_UP` and `IFF_LOOPBACK` of netdevice(7).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;

/// `network`: what went over each interface since the reading before. `speed` in bits a second, 0 where it is not known.
pub fn network(snapshot: &Snapshot, version: Version) -> Vec<impl Serialize> {
    let seconds = span::<Vec<RawInterfaceCounters>>(snapshot);
    shown(snapshot).filter_map(|interface| row(interface, seconds?, version)).collect()
}

/// The interfaces that are told of.
pub fn shown(snapshot: &Snapshot) -> impl Iterator<Item = &Interface> {
    // Of another machine's `/proc` only IPv6 is known: that an interface has no address there says nothing.
    let mut links = snapshot.interfaces.iter().flatten().filter_map(|interface| interface.link.as_ref());
    let all_known = links.any(|link| first_address(link).is_some());
    snapshot.interfaces.iter().flatten().filter(move |interface| {
        let link = interface.link.as_ref();
        let has = |bit: u32, unknown: bool| link.and_then(|link| link.flags).map_or(unknown, |flags| flags & bit != 0);
        let is_bare = link.and_then(|link| link.addresses.as_ref()).is_some_and(Vec::is_empty);
        let is_hidden = &*interface.name == "lo" || interface.name.starts_with("docker") || has(LOOPBACK, false);
        has(UP, true) && !(is_bare && all_known) && !is_hidden
    })
}

fn row(interface: &Interface, seconds: f64, version: Version) -> Option<impl Serialize> {
    let (received, sent) = (&interface.received, &interface.sent);
    let (bytes_recv, bytes_sent) =
        (delta(received.bytes_per_second, Some(seconds))?, delta(sent.bytes_per_second, Some(seconds))?);
    let rate = |bytes: f64| whole_rate(Some(bytes));
    let bytes_all_gauge = received.bytes.saturating_add(sent.bytes);
    let bytes_all = bytes_recv.saturating_add(bytes_sent);
    Some(object! {
        bytes_sent,
        bytes_recv,
        speed: interface.link.as_ref().and_then(|link| link.speed_bits_per_second).unwrap_or(0),
        key: "interface_name",
        interface_name: &interface.name,
        alias: (),
        bytes_all,
        time_since_update: seconds,
        bytes_recv_gauge: received.bytes,
        bytes_recv_rate_per_sec: rate(received.bytes_per_second?)?,
        bytes_sent_gauge: sent.bytes,
        bytes_sent_rate_per_sec: rate(sent.bytes_per_second?)?,
        bytes_all_gauge,
        bytes_all_rate_per_sec: rate(received.bytes_per_second? + sent.bytes_per_second?)?,
        is_up: true,
        // The names of version 3 for the same.
        #[serde(flatten)]
        third: (version == Version::Three).then(|| object! {
            rx: bytes_recv,
            tx: bytes_sent,
            cx: bytes_all,
            cumulative_rx: received.bytes,
            cumulative_tx: sent.bytes,
            cumulative_cx: bytes_all_gauge,
        }),
    })
}

/// `ip`: the first IPv4 address of an interface that is told of, and the mask of its network.
pub fn ip(snapshot: &Snapshot) -> impl Serialize {
    let addresses = shown(snapshot).filter_map(|interface| interface.link.as_ref()).filter_map(first_address);
    let first = addresses.into_iter().next();
    object! {
        address: first.map(|address| address.ip),
        mask: first.map(Address::netmask),
        mask_cidr: first.map(|address| address.prefix_length),
    }
}

fn first_address(link: &Link) -> Option<&Address> {
    link.addresses.iter().flatten().find(|address| address.ip.is_ipv4())
}

/// `wifi`: quality in per cent, level in dBm.
pub fn wifi(snapshot: &Snapshot) -> Vec<impl Serialize> {
    let rows = snapshot.wireless.iter().flatten().map(|link| {
        object! {
            ssid: link.ssid.as_deref().unwrap_or(&link.interface),
            quality_link: link.quality_ratio.map(|ratio| (ratio * 100.0).round()),
            quality_level: link.signal_dbm,
            key: "ssid",
        }
    });
    rows.collect()
}
