//! What is known about the machine: raw counters in, derived numbers out.
//!
//! One module a subject; each holds what the readers of [`crate::collect`] left behind (`Raw...`), what it means, and the
//! function that makes the one of the other. [`derive()`] turns two [`Sample`]s into one immutable [`Snapshot`], which is
//! all that a dialect ever sees. Nothing here reads a clock or a file.
//!
//! A number carries its unit in its name; a ratio is 0 to 1 unless its text says otherwise. `None` (JSON `null`) means
//! unknown: not gathered, not readable, not on this machine, or not yet computable from one reading.

pub mod answer;
pub mod average;
pub mod cpu;
pub mod hardware;
pub mod hold;
#[cfg(test)]
pub(crate) mod hostile_text;
pub mod load;
pub mod memory;
pub mod network;
pub mod own;
pub mod pressure;
pub mod process;
mod reading;
pub mod redact;
pub mod socket;
pub mod storage;
mod subject;
pub mod system;
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use cpu::{Cpu, RawCpu, RawFrequency};
use hardware::{RawSensors, Sensors};
use load::{Load, RawLoad};
use memory::{Memory, RawMemory, RawSwapIo, Swap};
use network::{Interface, RawInterfaceCounters, RawLink, RawWireless, Wireless};
use pressure::{Pressure, RawPressure};
use process::{Processes, RawProcesses};
use reading::value;
use socket::RawSockets;
use storage::{Disk, Filesystem, RawDisk, RawFilesystem};
use system::{HostFacts, RawHost};
use tables::KernelTables;

pub use answer::Answer;
pub use average::{AverageRing, Averages};
pub use reading::{Faults, Gathered, Pair, ReadError, Reader, Reading, RunReport, ratio};
pub use subject::Subjects;

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

/// What `current` means, given the sample before it.
#[must_use]
pub fn derive(previous: Option<&Sample>, current: &Sample) -> Snapshot {
    let before = |pick: fn(&Sample) -> &Option<Arc<Gathered<RawCpu>>>| previous.and_then(|p| pick(p).as_deref());
    let cpu_pair = Pair::of(before(|s| &s.cpu), current.cpu.as_deref());
    let network = Pair::of(previous.and_then(|p| p.network.as_deref()), current.network.as_deref());
    let memory = value(&current.memory);
    Snapshot {
        time_unix_seconds: current.unix_seconds,
        interval_seconds: cpu_pair.as_ref().and_then(|pair| pair.seconds),
        host: value(&current.host).cloned(),
        uptime_seconds: value(&current.uptime_seconds).copied(),
        cpu: cpu_pair.map(|pair| {
            cpu::derive(&pair, value(&current.frequency).map(Vec::as_slice).unwrap_or_default(), current.machine)
        }),
        cpu_frequency_mhz: value(&current.frequency).and_then(|clocks| cpu::mean_frequency(clocks)),
        cpu_temperature_celsius: value(&current.sensors).and_then(hardware::package_temperature),
        memory: memory.map(memory::derive),
        swap: memory.and_then(|memory| {
            let io = Pair::of(previous.and_then(|p| p.swap_io.as_deref()), current.swap_io.as_deref());
            memory::derive_swap(memory, io.as_ref(), current.machine)
        }),
        load: value(&current.load).copied(),
        pressure: value(&current.pressure).map(pressure::derive),
        disks: Pair::of(previous.and_then(|p| p.disks.as_deref()), current.disks.as_deref())
            .map(|pair| storage::disk::derive(&pair)),
        filesystems: value(&current.filesystems).map(|list| list.iter().map(storage::filesystem::derive).collect()),
        interfaces: network.map(|pair| network::interface::derive(&pair, value(&current.links).map(Vec::as_slice))),
        wireless: value(&current.wireless).map(|list| list.iter().map(network::wireless::derive).collect()),
        sensors: value(&current.sensors).cloned(),
        processes: Pair::of(previous.and_then(|p| p.processes.as_deref()), current.processes.as_deref())
            .map(|pair| process::derive(&pair, current)),
        sockets: value(&current.sockets).cloned(),
        kernel: value(&current.kernel).cloned(),
        // Two samples do not tell of minutes: the sampler, which sees them all, fills these in.
        averages: Averages::default(),
        readers: current.runs.iter().map(Reader::from).collect(),
    }
}
