//! What all handlers share. One instance for all worker threads.

use std::sync::Arc;

use tokio::sync::watch;

use super::gate::Gate;
use super::guard::Policy;
use crate::config::Limits;
use crate::sampler::Sampler;
use crate::worker::Registry;

/// Shared state.
pub struct State {
    /// Bounds.
    pub limits: Limits,
    /// Numbers.
    pub sampler: Sampler,
    /// Workers.
    pub workers: Arc<Registry>,
    /// Streams.
    pub gate: Arc<Gate>,
    /// Who gets in.
    pub policy: Policy,
    /// Turns true once, when the server stops. Written by the server, read by every stream.
    pub stopping: watch::Receiver<bool>,
}
