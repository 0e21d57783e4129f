//! Heartbeat's `/api/network`: counters, interfaces and connections.
//!
//! Encoded by a row of [`super`]. Rows are made while they are written: a busy machine has tens of thousands of sockets.

use std::net::IpAddr;

use serde::Serialize;

use crate::dialect::rows::Rows;
use crate::model::Snapshot;
use crate::model::network::{Address, Interface};
use crate::model::socket::{HolderUsers, RawSocket, SocketEnd, SocketKind};

/// `/api/network`. `connections` holds TCP and UDP sockets, a row for each process that holds one, and a row for each type
/// of UNIX sockets: the original's page draws a card and sends a request for each row. All of them stand in our own API.
pub fn network(snapshot: &Snapshot) -> impl Serialize + '_ {
    let interfaces = snapshot.interfaces.as_deref();
    let sockets = snapshot.sockets.as_deref();
    object! {
        io_usage: interfaces.map(|list| Rows(move || list.iter().map(counters))),
        interfaces: interfaces.map(|list| Rows(move || list.iter().map(interface))),
        connections: sockets.map(|all| {
            Rows(move || listed(&all.list).flat_map(move |(socket, most)| connections(socket, &all.users).take(most)))
        }),
    }
}

fn counters(interface: &Interface) -> impl Serialize {
    let (received, sent) = (&interface.received, &interface.sent);
    object!(#[serde(rename_all = "camelCase")] {
        name: &interface.name,
        bytes_sent: sent.bytes,
        bytes_recv: received.bytes,
        packets_sent: sent.packets,
        packets_recv: received.packets,
        errin: received.errors,
        errout: sent.errors,
        dropin: received.dropped,
        dropout: sent.dropped,
        fifoin: received.fifo,
        fifoout: sent.fifo,
    })
}

/// An interface without a MAC has an empty `hardwareaddr`; one whose properties were not read has `null`.
fn interface(interface: &Interface) -> impl Serialize {
    let link = interface.link.as_ref();
    object! {
        index: link.map(|link| link.index),
        mtu: link.and_then(|link| link.mtu_bytes),
        name: &interface.name,
        hardwareaddr: link.map(|link| link.mac.as_deref().unwrap_or_default()),
        flags: link.and_then(|link| link.flags).map(flag_words),
        // `10.0.0.2/24`.
        addrs: link.and_then(|link| link.addresses.as_ref()).map(|list| {
            let address = |a: &Address| object! { addr: format!("{}/{}", a.ip, a.prefix_length) };
            list.iter().map(address).collect::<Vec<_>>()
        }),
    }
}

/// The IFF_* bits of netdevice(7) that have a word, in the original's order.
const FLAG_WORDS: [(u32, &str); 5] =
    [(0x1, "up"), (0x2, "broadcast"), (0x8, "loopback"), (0x10, "pointtopoint"), (0x1000, "multicast")];

fn flag_words(flags: u32) -> Vec<&'static str> {
    FLAG_WORDS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect()
}

#[derive(Serialize)]
#[serde(untagged)]
enum Host<'a> {
    Ip(IpAddr),
    Path(&'a str),
}

/// The sockets that are told, each with how many rows at most: all of TCP and UDP, and of UNIX sockets the first of each
/// type, as the original: it tells them apart by address, type and status, and they have neither address nor status.
fn listed(all: &[RawSocket]) -> impl Iterator<Item = (&RawSocket, usize)> {
    let mut told = Vec::new();
    all.iter().filter_map(move |socket| match socket.kind {
        SocketKind::Unix(kind) if told.contains(&kind) => None,
        SocketKind::Unix(kind) => {
            told.push(kind);
            Some((socket, 1))
        }
        _ => Some((socket, usize::MAX)),
    })
}

/// One row for each holder; one with `pid` and `fd` 0 and no `uids` where none may be seen.
fn connections<'a>(socket: &'a RawSocket, users: &'a HolderUsers) -> impl Iterator<Item = impl Serialize> + use<'a> {
    let unseen: &[Option<(u32, u32)>] = if socket.holders.is_empty() { &[None] } else { &[] };
    socket.holders.iter().copied().map(Some).chain(unseen.iter().copied()).map(move |holder| {
        let (pid, fd) = holder.unwrap_or_default();
        let uids = holder.and_then(|(pid, _)| users.get(&pid)).map_or(&[][..], |uids| uids);
        let (family, kind) = numbers(socket.kind);
        object! {
            fd,
            family,
            r#type: kind,
            localaddr: end(&socket.local),
            remoteaddr: end(&socket.remote),
            status: status(socket),
            // The holder's real, effective, saved and file system user; empty when they are not known.
            uids,
            pid,
        }
    })
}

/// AF_* and SOCK_* of socket(2).
fn numbers(kind: SocketKind) -> (u16, u16) {
    match kind {
        SocketKind::Tcp4 => (2, 1),
        SocketKind::Tcp6 => (10, 1),
        SocketKind::Udp4 => (2, 2),
        SocketKind::Udp6 => (10, 2),
        SocketKind::Unix(kind) => (1, kind),
    }
}

/// An IPv4 address inside an IPv6 one is written as the IPv4 address, as Go does.
fn end(end: &SocketEnd) -> impl Serialize {
    let (ip, port) = match end {
        SocketEnd::Inet(ip, port) => (Host::Ip(ip.to_canonical()), *port),
        SocketEnd::Path(path) => (Host::Path(path), 0),
    };
    object! { ip, port }
}

/// The word for a TCP state (`include/net/tcp_states.h`). The others have no state.
fn status(socket: &RawSocket) -> Option<&'static str> {
    if !matches!(socket.kind, SocketKind::Tcp4 | SocketKind::Tcp6) {
        return Some("NONE");
    }
    Some(match socket.state {
        1 => "ESTABLISHED",
        2 => "SYN_SENT",
        3 | 12 => "SYN_RECV",
        4 => "FIN_WAIT1",
        5 => "FIN_WAIT2",
        6 => "TIME_WAIT",
        7 => "CLOSE",
        8 => "CLOSE_WAIT",
        9 => "LAST_ACK",
        10 => "LISTEN",
        11 => "CLOSING",
        _ => return None,
    })
}
