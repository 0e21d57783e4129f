//! What is known about the machine: raw counters in, derived numbers out.
//!
//! One module a subject; each holds what the readers of [`crate::collect`] left behind (`Raw...`), what it means, and the
//! function that turns the one into the other. [`derive()`] turns a [`Sample`] into one immutable [`Snapshot`], which is all
//! that a dialect ever sees. Nothing here reads a clock or a file.
//!
//! A number carries its unit in its name; a ratio is 0 to 1 unless its text says otherwise. `None` (JSON `null`) means
//! unknown: not gathered, not readable, not on this machine, or not yet computable from one reading.

pub mod answer;
pub mod average;
pub mod container;
pub mod cpu;
pub mod exclude;
pub mod hardware;
pub mod hold;
#[cfg(test)]
pub(crate) mod hostile_text;
pub mod load;
pub mod memory;
pub mod network;
pub mod own;
pub mod portable;
pub mod pressure;
pub mod process;
mod reading;
pub mod received;
pub mod redact;
pub mod socket;
pub mod storage;
mod subject;
pub mod system;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smol_str::SmolStr;

use container::{Container, RawContainer};
use cpu::{Cpu, RawClocks, RawCpu};
use hardware::{HwmonChip, PowerSupply, Sensors, Thermal};
use load::Load;
use memory::{Memory, RawMeminfo, RawVmstat, Swap};
use network::{Interface, NetClass, RawAddresses, RawInterfaceCounters, Wireless};
use pressure::Pressure;
use process::Processes;
use socket::{RawSocketTables, RawSockets};
use storage::{Disk, Filesystem, RawDisk, RawMount};
use system::{HostFacts, RawUptime};

pub use answer::Answer;
pub use average::{AverageRing, Averages};
pub use reading::{AnyReading, Faults, Gathered, Pair, ReadError, Reading, Readings, Run, ratio};
pub use subject::Subjects;

/// A name as the kernel prints it, and its number. Tables have dozens of short ones, so the names take no memory of their own.
pub type Named = (SmolStr, u64);

/// Constants of the machine that counters are scaled with. Injected, so that a fixture root means the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of a memory page (`getconf PAGESIZE`).
    pub page_bytes: u64,
    /// Clock ticks a second of `/proc/stat` and `/proc/PID/stat` (`getconf CLK_TCK`).
    pub ticks_per_second: u64,
}

/// What is known in raw form at one moment. A source that was not asked for is absent; each reading has its own moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Monotonic moment of the tick, counted from the start of the program.
    pub at: Duration,
    /// Wall clock at the same moment, seconds since 1970.
    pub unix_seconds: f64,
    /// The machine's constants.
    pub machine: Machine,
    /// The readings.
    pub readings: Readings,
    /// How each reader fared.
    pub runs: Vec<Run>,
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
    /// Temperatures, fans and batteries.
    pub sensors: Option<Sensors>,
    /// Processes.
    pub processes: Option<Processes>,
    /// Sockets. Raw already: there is nothing to derive.
    #[serde(skip)]
    pub sockets: Option<Arc<RawSockets>>,
    /// What this container may use. `None` on a machine, and where another machine's `/proc` is watched.
    pub container: Option<Container>,
    /// How each reader fared.
    pub readers: Vec<Run>,
    /// The readings that all this was made of, for dialects that tell a source as it stands.
    #[serde(skip)]
    pub readings: Readings,
}

impl Snapshot {
    /// A source as it was read, if it was.
    pub fn raw<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.readings.value().map(|value| &**value)
    }
}

/// What `sample` means.
pub fn derive(sample: &Sample) -> Snapshot {
    let readings = &sample.readings;
    let cpu = readings.pair::<RawCpu>();
    let memory = readings.value::<RawMeminfo>().map(|all| &all.memory);
    let clocks = readings.value::<RawClocks>().map(|raw| cpu::frequencies(raw)).unwrap_or_default();
    let addresses = readings.value::<RawAddresses>().map(|addresses| &**addresses);
    let links = readings.value::<Vec<NetClass>>().map(|classes| (&classes[..], addresses));
    let chips = readings.value::<Vec<HwmonChip>>().map_or(&[][..], |chips| chips);
    let supplies = readings.value::<Vec<PowerSupply>>().map(|supplies| &supplies[..]);
    let sensors = hardware::sensors(chips, readings.value::<Thermal>().map(|thermal| &**thermal), supplies);
    let mut snapshot = Snapshot {
        time_unix_seconds: sample.unix_seconds,
        interval_seconds: cpu.as_ref().and_then(|pair| pair.seconds),
        host: readings.value::<HostFacts>().cloned(),
        uptime_seconds: readings.value::<RawUptime>().map(|uptime| uptime.seconds),
        cpu: cpu.map(|pair| cpu::derive(&pair, &clocks, sample.machine)),
        cpu_frequency_mhz: cpu::mean_frequency(&clocks),
        cpu_temperature_celsius: sensors.as_ref().and_then(|all| cpu::temperature(&all.temperatures)),
        memory: memory.map(memory::derive),
        swap: memory
            .and_then(|memory| memory::derive_swap(memory, readings.pair::<RawVmstat>().as_ref(), sample.machine)),
        load: readings.value::<Load>().map(|load| **load),
        pressure: readings.value::<Pressure>().map(|pressure| **pressure),
        disks: readings.pair::<Vec<RawDisk>>().map(|pair| storage::disk::derive(&pair)),
        filesystems: readings
            .value::<Vec<RawMount>>()
            .map(|mounts| mounts.iter().filter_map(storage::filesystem::derive).collect()),
        interfaces: readings.pair::<Vec<RawInterfaceCounters>>().map(|pair| network::interface::derive(&pair, links)),
        wireless: readings.value::<Vec<Wireless>>().map(|list| list.iter().map(network::wireless::derive).collect()),
        sensors,
        container: readings.value::<RawContainer>().map(|raw| container::derive(raw)),
        processes: process::derive(sample),
        sockets: readings.value::<RawSocketTables>().and_then(|tables| tables.sockets.clone()),
        // Two readings do not tell of minutes: the sampler, which sees them all, fills these in.
        averages: Averages::default(),
        readers: sample.runs.clone(),
        readings: readings.clone(),
    };
    portable::complete(&mut snapshot, sample, &clocks);
    snapshot
}
