//! Answers that do not end: WebSockets and event streams, what their frames may be, and how many there may be. Knows no
//! dialect; the routes say what is sent.

pub mod events;
pub mod frame_guard;
pub mod stream_limits;
pub mod websocket;
