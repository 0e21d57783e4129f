//! The derived model: one immutable picture of the machine, from which every dialect takes its words.
//!
//! Made by [`super::derive()`]. Every number carries its unit in its name; a ratio is 0 to 1 unless its text says
//! otherwise. `None` (JSON `null`) means unknown: not gathered, not readable, or not yet computable from one sample.
//! Serialized as it stands, this is the native JSON.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::average::Averages;
use super::kernel::KernelTables;
use super::sample::{RawFilesystemUsage, RawHost, RawSockets};

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

/// Host facts as read; see [`RawHost`] for the sources.
pub type HostFacts = RawHost;

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

/// CPU time by mode. In [`CpuTime::seconds`] cumulative seconds since boot, in [`CpuTime::ratios`] shares of the last
/// interval. `user` and `nice` exclude the guests that they contain in `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Modes {
    /// User mode, guests excluded.
    pub user: f64,
    /// User mode at low priority, guests excluded.
    pub nice: f64,
    /// Kernel mode.
    pub system: f64,
    /// Idle.
    pub idle: f64,
    /// Idle with I/O outstanding.
    pub iowait: f64,
    /// Serving interrupts.
    pub irq: f64,
    /// Serving soft interrupts.
    pub softirq: f64,
    /// Taken by the hypervisor for others.
    pub steal: f64,
    /// Running guests.
    pub guest: f64,
    /// Running low priority guests.
    pub guest_nice: f64,
}

/// CPU time of the machine or of one core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuTime {
    /// 1 - (idle + iowait) / total over the last interval, 0 to 1.
    pub busy_ratio: Option<f64>,
    /// Share of each mode of the last interval, 0 to 1.
    pub ratios: Option<Modes>,
    /// Seconds in each mode since boot.
    pub seconds: Modes,
}

/// CPU.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// All cores together.
    pub total: CpuTime,
    /// Each core that is online.
    pub cores: Vec<Core>,
    /// Context switches since boot.
    pub context_switches: Option<u64>,
    /// Interrupts since boot.
    pub interrupts: Option<u64>,
    /// Forks since boot.
    pub forks: Option<u64>,
    /// Runnable tasks now.
    pub running: Option<u64>,
    /// Tasks blocked on I/O now.
    pub blocked: Option<u64>,
    /// Wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
}

/// One core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Core {
    /// Its number.
    pub core: u32,
    /// Its time.
    #[serde(flatten)]
    pub time: CpuTime,
    /// Its clock, MHz.
    pub frequency_mhz: Option<f64>,
    /// Lowest clock of the hardware, MHz.
    pub frequency_min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub frequency_max_mhz: Option<f64>,
}

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`.
    pub available_bytes: u64,
    /// `MemTotal` - `MemAvailable`, never below 0.
    pub used_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// used / total. `None` when the total is 0.
    pub used_ratio: Option<f64>,
    /// `Buffers`.
    pub buffers_bytes: Option<u64>,
    /// `Cached`.
    pub cached_bytes: Option<u64>,
    /// `Active`.
    pub active_bytes: Option<u64>,
    /// `Inactive`.
    pub inactive_bytes: Option<u64>,
    /// `Shmem`.
    pub shared_bytes: Option<u64>,
    /// `Slab`.
    pub slab_bytes: Option<u64>,
    /// `SReclaimable`.
    pub slab_reclaimable_bytes: Option<u64>,
    /// `Dirty`.
    pub dirty_bytes: Option<u64>,
}

/// Swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Swap {
    /// `SwapTotal`.
    pub total_bytes: u64,
    /// `SwapTotal` - `SwapFree`.
    pub used_bytes: u64,
    /// `SwapFree`.
    pub free_bytes: u64,
    /// used / total; 0 where there is no swap.
    pub used_ratio: f64,
    /// Bytes swapped in since boot.
    pub in_bytes: Option<u64>,
    /// Bytes swapped out since boot.
    pub out_bytes: Option<u64>,
    /// Bytes a second swapped in over the last interval.
    pub in_bytes_per_second: Option<f64>,
    /// Bytes a second swapped out over the last interval.
    pub out_bytes_per_second: Option<f64>,
}

/// Load averages: mean number of runnable and uninterruptible tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Over 1 minute.
    pub one: f64,
    /// Over 5 minutes.
    pub five: f64,
    /// Over 15 minutes.
    pub fifteen: f64,
    /// Runnable scheduling entities.
    pub runnable: u64,
    /// Scheduling entities that exist.
    pub total: u64,
}

/// Pressure stall information: who waits for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Option<Stalls>,
    /// Waiting for memory.
    pub memory: Option<Stalls>,
    /// Waiting for I/O.
    pub io: Option<Stalls>,
}

/// Both lines of one pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// At least one task was waiting.
    pub some: Stall,
    /// All tasks were waiting. `None` where the kernel has no such line.
    pub full: Option<Stall>,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Share of the last 10 seconds, 0 to 1.
    pub avg10_ratio: f64,
    /// Share of the last minute, 0 to 1.
    pub avg60_ratio: f64,
    /// Share of the last 5 minutes, 0 to 1.
    pub avg300_ratio: f64,
    /// Seconds since boot.
    pub total_seconds: f64,
}

/// One block device. Counters since boot; rates over the last interval, `None` after a reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Disk {
    /// Name, as under `/dev`.
    pub name: Arc<str>,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Whole device (true) or partition.
    pub whole: bool,
    /// Serial number.
    pub serial: Option<Arc<str>>,
    /// Device-mapper name.
    pub label: Option<Arc<str>>,
    /// Reads completed.
    pub reads: u64,
    /// Reads merged.
    pub reads_merged: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Seconds spent reading.
    pub read_seconds: f64,
    /// Writes completed.
    pub writes: u64,
    /// Writes merged.
    pub writes_merged: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Seconds spent writing.
    pub write_seconds: f64,
    /// I/Os in progress.
    pub in_progress: u64,
    /// Seconds with I/O in progress.
    pub busy_seconds: f64,
    /// Seconds of I/O weighted by their number.
    pub weighted_seconds: f64,
    /// Discards completed, since Linux 4.18.
    pub discards: Option<u64>,
    /// Discards merged.
    pub discards_merged: Option<u64>,
    /// Bytes discarded.
    pub discarded_bytes: Option<u64>,
    /// Seconds spent discarding.
    pub discard_seconds: Option<f64>,
    /// Flushes completed, since Linux 5.5.
    pub flushes: Option<u64>,
    /// Seconds spent flushing.
    pub flush_seconds: Option<f64>,
    /// Bytes a second read.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes a second written.
    pub written_bytes_per_second: Option<f64>,
    /// Reads a second.
    pub reads_per_second: Option<f64>,
    /// Writes a second.
    pub writes_per_second: Option<f64>,
    /// Share of the interval with I/O in progress, 0 to 1.
    pub busy_ratio: Option<f64>,
}

/// One mounted file system.
#[derive(Clone, Debug, Serialize)]
pub struct Filesystem {
    /// Device.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Mount options.
    pub options: String,
    /// Device number of the file system.
    pub major: u32,
    /// Device number of the file system.
    pub minor: u32,
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// True while its numbers are unknown because it does not answer.
    pub stuck: bool,
    /// Numbers of statvfs(3).
    pub usage: Option<FilesystemUsage>,
}

/// What a file system holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FilesystemUsage {
    /// `f_blocks` x `f_frsize`.
    pub total_bytes: u64,
    /// (`f_blocks` - `f_bfree`) x `f_frsize`.
    pub used_bytes: u64,
    /// `f_bavail` x `f_frsize`: free to an unprivileged user.
    pub available_bytes: u64,
    /// `f_bfree` x `f_frsize`: free, with what is reserved for root.
    pub free_bytes: u64,
    /// used / (used + available), as `df` prints it. `None` when both are 0.
    pub used_ratio: Option<f64>,
    /// Inodes. 0 for a file system that makes them as needed.
    pub inodes_total: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// Inodes in use.
    pub inodes_used: u64,
    /// used / total. `None` when the total is 0.
    pub inodes_used_ratio: Option<f64>,
    /// Mounted, or fallen back to, read-only.
    pub read_only: bool,
}

impl From<RawFilesystemUsage> for FilesystemUsage {
    fn from(raw: RawFilesystemUsage) -> Self {
        let used_bytes = raw.blocks.saturating_sub(raw.free).saturating_mul(raw.block_bytes);
        let available_bytes = raw.available.saturating_mul(raw.block_bytes);
        let inodes_used = raw.inodes.saturating_sub(raw.inodes_free);
        Self {
            total_bytes: raw.blocks.saturating_mul(raw.block_bytes),
            used_bytes,
            available_bytes,
            free_bytes: raw.free.saturating_mul(raw.block_bytes),
            used_ratio: ratio(used_bytes, used_bytes.saturating_add(available_bytes)),
            inodes_total: raw.inodes,
            inodes_free: raw.inodes_free,
            inodes_used,
            inodes_used_ratio: ratio(inodes_used, raw.inodes),
            read_only: raw.read_only,
        }
    }
}

/// `part / whole`, `None` when the whole is 0.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One network interface. Counters since it came up; rates over the last interval, `None` after a reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interface {
    /// Name.
    pub name: Arc<str>,
    /// Receiving side.
    pub received: Traffic,
    /// Sending side.
    pub sent: Traffic,
    /// Properties. `None` when they were not gathered.
    pub link: Option<Link>,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// FIFO errors.
    pub fifo: u64,
    /// Framing errors (receive) or collisions (send).
    pub frame_or_collisions: u64,
    /// Compressed packets.
    pub compressed: u64,
    /// Multicast packets (receive) or carrier losses (send).
    pub multicast_or_carrier: u64,
    /// Bytes a second.
    pub bytes_per_second: Option<f64>,
    /// Packets a second.
    pub packets_per_second: Option<f64>,
}

/// An interface's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// IFF_* bits of netdevice(7).
    pub flags: Option<u32>,
    /// Largest packet, bytes.
    pub mtu_bytes: Option<u32>,
    /// MAC address.
    pub mac: Option<String>,
    /// `up`, `down`, `unknown`, ...
    pub operational_state: Option<String>,
    /// Speed, bits a second.
    pub speed_bits_per_second: Option<u64>,
    /// `full` or `half`.
    pub duplex: Option<String>,
    /// Addresses.
    pub addresses: Vec<Address>,
}

/// An address with its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix in bits.
    pub prefix_length: u8,
}

/// One Wi-Fi link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wireless {
    /// Interface.
    pub interface: String,
    /// Name of the network.
    pub ssid: Option<String>,
    /// Access point.
    pub bssid: Option<String>,
    /// Channel number.
    pub channel: Option<u32>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// 0 at -110 dBm to 1 at -40 dBm, the scale of the kernel's own `link/70`.
    pub quality_ratio: Option<f64>,
    /// Encryption.
    pub encryption: Option<String>,
}

/// Temperatures and fans.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sensors {
    /// Temperatures.
    pub temperatures: Vec<Temperature>,
    /// Fans.
    pub fans: Vec<Fan>,
}

/// One temperature, degrees Celsius.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Temperature {
    /// Chip.
    pub chip: String,
    /// Label.
    pub label: String,
    /// Now.
    pub celsius: f64,
    /// The maker's limit for normal work.
    pub high_celsius: Option<f64>,
    /// The maker's limit before damage.
    pub critical_celsius: Option<f64>,
}

/// One fan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fan {
    /// Chip.
    pub chip: String,
    /// Label.
    pub label: String,
    /// Revolutions a minute.
    pub rpm: u64,
}

/// Whether other users' processes can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// All processes are in the list.
    #[default]
    All,
    /// The kernel hides other users' processes.
    Limited,
}

/// The processes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Processes {
    /// Whether the list can be complete.
    pub visibility: Visibility,
    /// Number of processes seen.
    pub count: usize,
    /// Whether `list` holds all of them or only the ten largest by resident memory.
    pub complete: bool,
    /// The processes by PID when complete, else the ten largest, largest first.
    pub list: Vec<Process>,
}

impl Processes {
    /// All processes by PID; `None` when only the largest were gathered.
    #[must_use]
    pub fn all(&self) -> Option<&[Process]> {
        self.complete.then_some(self.list.as_slice())
    }

    /// The process of a PID, if it is in the list.
    #[must_use]
    pub fn find(&self, pid: u32) -> Option<&Process> {
        if self.complete {
            self.list.binary_search_by_key(&pid, |process| process.pid).ok().map(|index| &self.list[index])
        } else {
            self.list.iter().find(|process| process.pid == pid)
        }
    }

    /// The ten largest by resident memory, largest first; equal sizes by PID.
    #[must_use]
    pub fn largest(&self) -> Vec<&Process> {
        let mut all: Vec<&Process> = self.list.iter().collect();
        let order = |p: &&Process| (std::cmp::Reverse(p.memory.map_or(0, |m| m.resident_bytes)), p.pid);
        if all.len() > TOP {
            all.select_nth_unstable_by_key(TOP - 1, order);
            all.truncate(TOP);
        }
        all.sort_unstable_by_key(order);
        all
    }
}

/// How many processes a top list holds.
pub const TOP: usize = 10;

/// State of a process, from the state letter of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// `R`.
    Running,
    /// `S`.
    Sleeping,
    /// `D`.
    DiskSleep,
    /// `T`.
    Stopped,
    /// `t`.
    TracingStop,
    /// `Z`.
    Zombie,
    /// `X` and `x`.
    Dead,
    /// `I`.
    Idle,
    /// Any other letter.
    Unknown,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    /// PID.
    pub pid: u32,
    /// Parent's PID.
    pub parent_pid: u32,
    /// Name; may be empty.
    pub name: Arc<str>,
    /// State.
    pub state: ProcessState,
    /// Real user's number.
    pub uid: Option<u32>,
    /// Real user's name; `None` when the system knows none.
    pub user: Option<Arc<str>>,
    /// Threads.
    pub threads: u32,
    /// Niceness, -20 to 19.
    pub nice: i32,
    /// Wall clock of its start, seconds since 1970.
    pub start_time_unix_seconds: Option<f64>,
    /// CPU seconds in user mode since its start.
    pub cpu_user_seconds: f64,
    /// CPU seconds in kernel mode since its start.
    pub cpu_system_seconds: f64,
    /// Share of one core since the sample before; may pass 1. `None` at the first sample.
    pub cpu_ratio: Option<f64>,
    /// Memory. `None` when it could not be read.
    pub memory: Option<ProcessMemory>,
    /// resident / `MemTotal`.
    pub memory_ratio: Option<f64>,
}

/// A process's memory: `/proc/PID/statm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessMemory {
    /// Resident set.
    pub resident_bytes: u64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Resident pages that are backed by files or shared memory.
    pub shared_bytes: u64,
    /// Code.
    pub text_bytes: u64,
    /// 0 since Linux 2.6.
    pub library_bytes: u64,
    /// Data and stack.
    pub data_bytes: u64,
    /// 0 since Linux 2.6.
    pub dirty_bytes: u64,
}
