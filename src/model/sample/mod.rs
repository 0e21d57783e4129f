//! Raw readings: counters as the kernel counts them, each with the moment it was read.
//!
//! Written by [`crate::collect`], read by [`super::derive()`] only. A number carries its unit in its name; where the
//! kernel leaves something out (an older version, a container, a missing device) the field is `None`. Some readings are
//! told as they stand: for those [`super::snapshot`] has another name, not another type.

mod network;
mod process;
mod storage;
mod system;

use std::sync::Arc;
use std::time::Duration;

use super::kernel::KernelTables;

pub use network::{
    HolderUsers, RawAddress, RawInterfaceCounters, RawLink, RawSocket, RawSockets, RawWireless, SocketEnd, SocketKind,
};
pub use process::{RawProcess, RawProcessStat, RawProcesses};
pub use storage::{MountPlace, RawDisk, RawFilesystem, RawFilesystemUsage};
pub use system::{
    RawCpu, RawCpuModel, RawCpuTicks, RawFan, RawFrequency, RawHost, RawLoad, RawMemory, RawPressure, RawSensors,
    RawStall, RawSwapIo, RawTemperature,
};

/// Why a reader has nothing to tell. The sample goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This kernel or machine does not have the thing at all. Not a fault, never warned about.
    #[error("{path}: not available on this machine")]
    Unsupported {
        /// What was looked for.
        path: String,
    },
    /// The thing exists and this process may not read it.
    #[error("{path}: permission denied")]
    Denied {
        /// What was looked for.
        path: String,
    },
    /// The thing was there a moment ago: a process that ended, a device that was pulled.
    #[error("{path}: gone")]
    Vanished {
        /// What was looked for.
        path: String,
    },
    /// The text is not in the form that the kernel documents.
    #[error("{path}:{line}: {reason}")]
    Parse {
        /// What was read.
        path: String,
        /// Line of the text, counted from 1; 0 when the text as a whole is wrong.
        line: usize,
        /// What was expected there.
        reason: String,
    },
    /// A read that answers to no one in time (a dead network file system).
    #[error("{path}: no answer yet")]
    Stuck {
        /// What was looked for.
        path: String,
    },
    /// Any other failure of the system call.
    #[error("{path}: {reason}")]
    Io {
        /// What was looked for.
        path: String,
        /// The system's own words.
        reason: String,
    },
}

/// What a reader returns.
pub type Reading<T> = Result<T, ReadError>;

/// One subject's reading and when it was taken.
#[derive(Clone, Debug)]
pub struct Gathered<T> {
    /// Monotonic moment of the reading, counted from the start of the program.
    pub at: Duration,
    /// The reading.
    pub value: Reading<T>,
}

/// Constants of the machine that counters are scaled with. Injected, so that a fixture root means the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of a memory page (`getconf PAGESIZE`).
    pub page_bytes: u64,
    /// Clock ticks a second of `/proc/stat` and `/proc/PID/stat` (`getconf CLK_TCK`).
    pub ticks_per_second: u64,
}

/// Everything one pass of the collector left behind. A subject that was not asked for is `None`; one carried over from an
/// earlier pass keeps its own, earlier `at`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Monotonic moment at which the pass began, counted from the start of the program.
    pub at: Duration,
    /// Wall clock at the same moment, seconds since 1970.
    pub unix_seconds: f64,
    /// The machine's constants.
    pub machine: Machine,
    /// `/proc/stat`.
    pub cpu: Option<Arc<Gathered<RawCpu>>>,
    /// Current clock of each core, MHz.
    pub frequency: Option<Arc<Gathered<Vec<RawFrequency>>>>,
    /// `/proc/meminfo`.
    pub memory: Option<Arc<Gathered<RawMemory>>>,
    /// `/proc/vmstat`, the swap counters of it.
    pub swap_io: Option<Arc<Gathered<RawSwapIo>>>,
    /// `/proc/loadavg`.
    pub load: Option<Arc<Gathered<RawLoad>>>,
    /// `/proc/pressure/*`.
    pub pressure: Option<Arc<Gathered<RawPressure>>>,
    /// `/proc/uptime`, seconds since boot.
    pub uptime_seconds: Option<Arc<Gathered<f64>>>,
    /// `/proc/net/dev`.
    pub network: Option<Arc<Gathered<Vec<RawInterfaceCounters>>>>,
    /// `/proc/diskstats`.
    pub disks: Option<Arc<Gathered<Vec<RawDisk>>>>,
    /// `/sys/class/net` and the interfaces' addresses.
    pub links: Option<Arc<Gathered<Vec<RawLink>>>>,
    /// nl80211.
    pub wireless: Option<Arc<Gathered<Vec<RawWireless>>>>,
    /// `/proc/self/mountinfo` and `statvfs`.
    pub filesystems: Option<Arc<Gathered<Vec<RawFilesystem>>>>,
    /// `/sys/class/hwmon`, `/sys/class/thermal`.
    pub sensors: Option<Arc<Gathered<RawSensors>>>,
    /// `/proc/PID/*`.
    pub processes: Option<Arc<Gathered<RawProcesses>>>,
    /// `/proc/net/{tcp,tcp6,udp,udp6,unix}` and `/proc/PID/fd`.
    pub sockets: Option<Arc<Gathered<Arc<RawSockets>>>>,
    /// Facts that do not change while the machine runs.
    pub host: Option<Arc<Gathered<Arc<RawHost>>>>,
    /// Tables that only `/metrics` tells.
    pub kernel: Option<Arc<Gathered<Arc<KernelTables>>>>,
    /// How each reader of this pass fared.
    pub runs: Vec<RunReport>,
}

impl Sample {
    /// A sample with nothing in it.
    #[must_use]
    pub fn empty(at: Duration, unix_seconds: f64, machine: Machine) -> Self {
        Self {
            at,
            unix_seconds,
            machine,
            cpu: None,
            frequency: None,
            memory: None,
            swap_io: None,
            load: None,
            pressure: None,
            uptime_seconds: None,
            network: None,
            disks: None,
            links: None,
            wireless: None,
            filesystems: None,
            sensors: None,
            processes: None,
            sockets: None,
            host: None,
            kernel: None,
            runs: Vec::new(),
        }
    }

    /// Adds reports; a newer one of the same reader takes the older one's place.
    pub fn add_runs(&mut self, runs: Vec<RunReport>) {
        for run in runs {
            self.runs.retain(|old| old.reader != run.reader);
            self.runs.push(run);
        }
    }
}

/// How one reader fared in one pass.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The reader's name, as its file is called.
    pub reader: &'static str,
    /// How long it took.
    pub duration: Duration,
    /// What went wrong, if anything.
    pub error: Option<ReadError>,
}
