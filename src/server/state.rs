//! What all handlers share. One instance for all worker threads.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::gate::Gate;
use super::guard::Policy;
use super::heartbeat::ProcessReads;
use crate::auth::Auth;
use crate::collect::Paths;
use crate::history::History;
use crate::limits::Limits;
use crate::sampler::Sampler;
use crate::worker::Registry;

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
