//! Answers that do not end: WebSockets and event streams, what their frames may be, and how many there may be. Knows no
//! dialect; the routes say what is sent.

pub mod events;
pub mod frame_guard;
pub mod stream_limits;
pub mod websocket;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{INTERVALS, parse_time};
use crate::limits::Limits;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::stopping::Stopping;
use stream_limits::Gate;

/// What every stream needs, whatever it carries. One instance for all worker threads.
pub struct Streams {
    /// Places for streams, and counts of what went over them.
    pub gate: Arc<Gate>,
    /// What a client may send, and how long it may take nothing.
    pub limits: Limits,
    /// Tells every stream that the server stops.
    pub stopping: Stopping,
}

/// The interval that a stream's `?interval=` asks for, or else the sampler's. What is no time, or out of the bounds of
/// `--interval`, is refused.
pub fn wanted_interval(sampler: &Sampler, text: Option<&str>) -> Result<Duration, ApiError> {
    let Some(text) = text else { return Ok(sampler.interval()) };
    let is_bounded = |time: &Duration| INTERVALS.contains(time);
    let parsed = parse_time(text)
        .and_then(|time| Some(time).filter(is_bounded).ok_or_else(|| "it must be between 100ms and 1h".to_owned()));
    parsed.map_err(|why| ApiError::BadRequest(format!("interval={text}: {why}")))
}
