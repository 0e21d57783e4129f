//! Answers that do not end: WebSockets and event streams, what their frames may be, and how many there may be. Knows no
//! dialect; the routes say what is sent.

pub mod events;
pub mod frame_guard;
pub mod stream_limits;
pub mod websocket;

use std::sync::Arc;

use tokio::sync::watch;

use crate::limits::Limits;
use stream_limits::Gate;

/// What every stream needs, whatever it carries. One instance for all worker threads.
pub struct Streams {
    /// Places for streams, and counts of what went over them.
    pub gate: Arc<Gate>,
    /// What a client may send, and how long it may take nothing.
    pub limits: Limits,
    /// Turns true once, when the server stops. Written by the server, read by every stream.
    pub stopping: watch::Receiver<bool>,
}
