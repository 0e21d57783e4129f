//! Sockets: TCP, UDP and UNIX, with their owners. Filled by [`crate::collect`]; there is nothing to derive.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::network::UdpQueue;

/// What the tables of sockets tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSocketTables {
    /// Bytes queued in UDP sockets, by family.
    pub udp_queues: Vec<UdpQueue>,
    /// All sockets, when they were wanted.
    pub sockets: Option<Arc<RawSockets>>,
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
