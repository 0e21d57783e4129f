//! The derived model: one immutable picture of the machine, from which every dialect takes its words.
//!
//! Made by [`super::derive()`]. Every number carries its unit in its name; a ratio is 0 to 1 unless its text says
//! otherwise. `None` (JSON `null`) means unknown: not gathered, not readable, or not yet computable from one sample.
//! Serialized as it stands, this is the native JSON.

mod network;
mod process;
mod storage;
mod system;

use std::sync::Arc;

use serde::Serialize;

use super::average::Averages;
use super::kernel::KernelTables;
use super::sample::{RawAddress, RawFan, RawHost, RawLoad, RawSensors, RawSockets, RawTemperature};

pub use network::{Interface, Link, Traffic, Wireless};
pub use process::{Process, ProcessMemory, ProcessState, Processes, TOP, Visibility};
pub use storage::{Disk, Filesystem, FilesystemUsage};
pub use system::{Core, Cpu, CpuTime, Memory, Modes, Pressure, Stall, Stalls, Swap};

/// Everything known at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// Wall clock of the sample, seconds since 1970.
    pub time_unix_seconds: f64,
    /// Length of time that the rates of the vitals cover, seconds.
    pub interval_seconds: Option<f64>,
    /// Host facts. They do not change while the machine runs.
    pub host: Option<Arc<HostFacts>>,
    /// Seconds since boot.
    pub uptime_seconds: Option<f64>,
    /// CPU.
    pub cpu: Option<Cpu>,
    /// Mean clock of the cores, MHz. Read apart from their times, so known without them.
    pub cpu_frequency_mhz: Option<f64>,
    /// Temperature of the CPU's package, degrees Celsius.
    pub cpu_temperature_celsius: Option<f64>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Swap.
    pub swap: Option<Swap>,
    /// Load averages.
    pub load: Option<Load>,
    /// Pressure stall information.
    pub pressure: Option<Pressure>,
    /// Means of the last minutes.
    pub averages: Averages,
    /// Block devices' counters.
    pub disks: Option<Vec<Disk>>,
    /// File systems that a device stands behind, and whatever is mounted at `/`; one row a mount.
    pub filesystems: Option<Vec<Filesystem>>,
    /// Network interfaces in the kernel's order.
    pub interfaces: Option<Vec<Interface>>,
    /// Wi-Fi links; empty where there are none.
    pub wireless: Option<Vec<Wireless>>,
    /// Temperatures and fans.
    pub sensors: Option<Sensors>,
    /// Processes.
    pub processes: Option<Processes>,
    /// Sockets. Raw already: there is nothing to derive.
    #[serde(skip)]
    pub sockets: Option<Arc<RawSockets>>,
    /// Tables that only `/metrics` tells.
    #[serde(skip)]
    pub kernel: Option<Arc<KernelTables>>,
    /// How each reader fared.
    pub readers: Vec<Reader>,
}

// Nothing is derived from these: they are told as they were read, and the raw types say where that was.

/// Host facts.
pub type HostFacts = RawHost;

/// Load averages.
pub type Load = RawLoad;

/// An address of an interface.
pub type Address = RawAddress;

/// Temperatures and fans.
pub type Sensors = RawSensors;

/// One temperature.
pub type Temperature = RawTemperature;

/// One fan.
pub type Fan = RawFan;

/// How one reader fared in the last pass that ran it.
#[derive(Clone, Debug, Serialize)]
pub struct Reader {
    /// Name of the reader.
    pub name: &'static str,
    /// Seconds it took.
    pub duration_seconds: f64,
    /// Whether it succeeded. A subject that this machine does not have counts as success.
    pub success: bool,
    /// What went wrong; where `success` is true all the same, what this machine does not have.
    pub error: Option<String>,
}

/// `part / whole`, `None` when the whole is 0.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
