//! Derived numbers of interfaces and Wi-Fi links.

use std::sync::Arc;

use serde::Serialize;

use super::Address;

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

/// One Wi-Fi link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wireless {
    /// Interface.
    pub interface: String,
    /// Name of the network.
    pub ssid: Option<String>,
    /// Access point.
    pub bssid: Option<String>,
    /// Channel number.
    pub channel: Option<u32>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// 0 at -110 dBm to 1 at -40 dBm, the scale of the kernel's own `link/70`.
    pub quality_ratio: Option<f64>,
    /// Encryption.
    pub encryption: Option<String>,
}
