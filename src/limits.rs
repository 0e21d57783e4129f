//! The bounds of everything that clients can make the server hold.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Bytes of an answer that actix takes before it hands them to the kernel, and of the pieces that it gets. A client that
/// reads nothing keeps one answer and twice this.
pub const ANSWER_PIECE_BYTES: usize = 16 * 1024;

/// Bytes read from a client before what is in them is dealt with.
pub const READ_PIECE_BYTES: usize = 2 * 1024;

/// Bytes read behind a request while it is being answered. Enough for a client's farewell over TLS, too little for a
/// request.
pub const READ_AHEAD_BYTES: u64 = 64;

/// What the kernel may hold for a client that does not read: a few frames.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// What the kernel may hold of a client before it is read: the longest body.
pub const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// When places are short, this many connections from loopback count as one from elsewhere.
pub const LOOPBACK_SHARE: usize = 4;

/// Whose share something at `address` is counted to: one IPv4 address, or the network of 64 bits that one IPv6 customer has
/// whole.
#[must_use]
pub fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

/// What is bounded, and by how much. The one place for these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams in all.
    pub streams: usize,
    /// Streams from one address, loopback exempt.
    pub streams_per_address: usize,
    /// Workers that wait to be claimed.
    pub unclaimed_workers: usize,
    /// Bytes of one message from a WebSocket client, in one frame or many.
    pub message_bytes: usize,
    /// Frames of one message.
    pub message_fragments: usize,
    /// Messages of one client a second, control frames included.
    pub messages_per_second: u32,
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Bytes of a request head.
    pub head_bytes: usize,
    /// Time for a head, and for a body.
    pub request_time: Duration,
    /// Time after which a client that takes nothing is cut off.
    pub stalled_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 1024,
            streams_per_address: 256,
            unclaimed_workers: 1024,
            message_bytes: 64 * 1024,
            message_fragments: 1_000,
            messages_per_second: 100,
            body_bytes: 64 * 1024,
            head_bytes: 16 * 1024,
            request_time: Duration::from_secs(5),
            stalled_time: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_holder() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::"),
            ("2001:db8:0:1::", "2001:db8:0:1::"),
            ("2001:db8:0:2::5", "2001:db8:0:2::"),
            ("fe80::5", "fe80::"),
        ] {
            assert_eq!(holder(address.parse().unwrap()).to_string(), expected, "{address}");
        }
    }
}
