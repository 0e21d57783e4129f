//! One published moment: the snapshot and every encoding made of it, each made at most once.
//!
//! Made by the sampler, shared by all streams and requests; the encodings are filled in by whoever needs them first.

use std::sync::OnceLock;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::Instant;

use crate::model::{Snapshot, Subjects};

/// The encodings that many clients share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// psmonitor's stream message.
    PsmonitorFrame,
    /// psmonitor's `/system`.
    PsmonitorSystem,
    /// psmonitor's `/network`.
    PsmonitorNetwork,
    /// Heartbeat's `/api/cpu`.
    HeartbeatCpu,
    /// Heartbeat's `/api/memory`.
    HeartbeatMemory,
    /// Heartbeat's `/api/disk`.
    HeartbeatDisk,
    /// Heartbeat's `/api/diskio`.
    HeartbeatDiskio,
    /// Heartbeat's `/api/network`.
    HeartbeatNetwork,
    /// Heartbeat's `/api/uptime`.
    HeartbeatUptime,
    /// Heartbeat's `/api/platform`.
    HeartbeatPlatform,
    /// Heartbeat's `/api/cpumodel`.
    HeartbeatCpumodel,
    /// Process Monitor's event.
    ProcessMonitorEvent,
    /// Process Monitor's object.
    ProcessMonitorObject,
    /// psiod's `process.getall`.
    PsiodProcesses,
    /// Our own snapshot.
    NativeSnapshot,
    /// Our own event.
    NativeEvent,
}

impl Encoding {
    const COUNT: usize = Self::NativeEvent as usize + 1;
}

/// A snapshot with its encodings. Immutable but for the encodings, which are each set once.
pub struct Frame {
    snapshot: Snapshot,
    tick: u64,
    made_at: Instant,
    answered: [Option<Instant>; Subjects::COUNT],
    /// Written once by the first thread that needs the encoding; others that come meanwhile wait for it (microseconds).
    encoded: [OnceLock<ByteString>; Encoding::COUNT],
}

impl Frame {
    pub(super) fn new(snapshot: Snapshot, tick: u64, answered: [Option<Instant>; Subjects::COUNT]) -> Self {
        Self { snapshot, tick, made_at: Instant::now(), answered, encoded: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// The numbers.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Number of the tick whose vitals these are, counted from 1.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Time since this frame was made.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.made_at.elapsed()
    }

    /// Whether each of `subjects` was answered since `oldest`: read, found missing, or given up.
    #[must_use]
    pub fn answers(&self, subjects: Subjects, oldest: Instant) -> bool {
        subjects.bits().all(|bit| self.answered[bit].is_some_and(|at| at >= oldest))
    }

    /// The bytes of one encoding. Made by the first caller; every later one shares them.
    pub fn encoded(&self, encoding: Encoding, encode: fn(&Snapshot) -> String) -> ByteString {
        self.encoded[encoding as usize].get_or_init(|| encode(&self.snapshot).into()).clone()
    }
}
