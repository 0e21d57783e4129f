//! The bounds of everything that clients can make the server hold.

use std::time::Duration;

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
