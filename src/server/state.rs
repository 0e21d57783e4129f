//! What all handlers share. One instance for all worker threads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::gate::Gate;
use super::guard::Policy;
use super::heartbeat::ProcessReads;
use crate::auth::Auth;
use crate::collect::Paths;
use crate::config::{INTERVALS, parse_time};
use crate::error::ApiError;
use crate::history::History;
use crate::limits::Limits;
use crate::sampler::Sampler;
use crate::worker::Registry;

impl State {
    /// The interval that a stream's `?interval=` asks for, or else the sampler's.
    ///
    /// # Errors
    /// What is no time, or out of the bounds of `--interval`.
    pub fn wanted_interval(&self, text: Option<&str>) -> Result<Duration, ApiError> {
        let Some(text) = text else { return Ok(self.sampler.interval()) };
        let is_bounded = |time: &Duration| INTERVALS.contains(time);
        let parsed = parse_time(text)
            .and_then(|time| Some(time).filter(is_bounded).ok_or_else(|| "it must be between 100ms and 1h".to_owned()));
        parsed.map_err(|why| ApiError::BadRequest(format!("interval={text}: {why}")))
    }
}

/// Shared state.
pub struct State {
    /// Bounds.
    pub limits: Limits,
    /// Numbers.
    pub sampler: Sampler,
    /// What happened.
    pub history: Arc<History>,
    /// Bounds how many queries of the history run at once; each may read the disk.
    pub history_queries: Semaphore,
    /// Bounds the reads of single processes.
    pub process_reads: ProcessReads,
    /// Workers.
    pub workers: Arc<Registry>,
    /// Streams.
    pub gate: Arc<Gate>,
    /// Who gets in.
    pub policy: Policy,
    /// Whether every connection is encrypted.
    pub is_secure: bool,
    /// Who somebody is.
    pub auth: Auth,
    /// Whether `process.kill` works.
    pub allow_kill: bool,
    /// Where the machine's files are.
    pub paths: Paths,
    /// Turns true once, when the server stops. Written by the server, read by every stream.
    pub stopping: watch::Receiver<bool>,
}
