//! Raw readings of interfaces, Wi-Fi links and sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

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

/// One Wi-Fi link as nl80211 tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawWireless {
    /// Name of the interface.
    pub interface: String,
    /// Name of the network (SSID).
    pub ssid: Option<String>,
    /// MAC address of the access point.
    pub bssid: Option<String>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// `WPA2`, `WPA3`, `open`, ... as far as the link tells.
    pub encryption: Option<String>,
}

/// All sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSockets {
    /// The sockets.
    pub list: Vec<RawSocket>,
    /// The users of each process that holds one.
    pub users: HolderUsers,
}

/// Real, effective, saved and file system user of processes, by PID, from the `Uid` line of `/proc/PID/status`.
pub type HolderUsers = HashMap<u32, [u32; 4]>;

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSocket {
    /// Protocol and family.
    pub kind: SocketKind,
    /// Local end: address and port, or the path of a UNIX socket (empty when unnamed).
    pub local: SocketEnd,
    /// Remote end.
    pub remote: SocketEnd,
    /// State by the kernel's number (`include/net/tcp_states.h`); for UDP and UNIX sockets as the file prints it.
    pub state: u8,
    /// Inode, 0 for a socket that no process holds any more.
    pub inode: u64,
    /// Owner of the socket. `None` where the file does not tell (UNIX).
    pub uid: Option<u32>,
    /// The processes that hold it and the descriptor in each, as far as this process may see.
    pub holders: Vec<(u32, u32)>,
}

/// Protocol and family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// UNIX; the number is the socket type (1 stream, 2 datagram, 5 seqpacket).
    Unix(u16),
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// Address and port.
    Inet(IpAddr, u16),
    /// Path of a UNIX socket; empty when unnamed, a leading `@` for the abstract name space.
    Path(Arc<str>),
}
