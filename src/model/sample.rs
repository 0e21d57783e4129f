//! Raw readings: counters as the kernel counts them, each with the moment it was read.
//!
//! Written by [`crate::collect`], read by [`super::derive()`] only. A number carries its unit in its name; where the
//! kernel leaves something out (an older version, a container, a missing device) the field is `None`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::kernel::KernelTables;

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

/// CPU time by mode in clock ticks, one line of `/proc/stat` (`proc_stat(5)`). Fields that an old kernel lacks are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawCpuTicks {
    /// User mode. Includes `guest`.
    pub user: u64,
    /// User mode at low priority. Includes `guest_nice`.
    pub nice: u64,
    /// Kernel mode.
    pub system: u64,
    /// Idle.
    pub idle: u64,
    /// Idle with I/O outstanding.
    pub iowait: u64,
    /// Serving interrupts.
    pub irq: u64,
    /// Serving soft interrupts.
    pub softirq: u64,
    /// Taken by the hypervisor for others.
    pub steal: u64,
    /// Running guests.
    pub guest: u64,
    /// Running low priority guests.
    pub guest_nice: u64,
}

/// `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawCpu {
    /// The `cpu` line.
    pub total: RawCpuTicks,
    /// The `cpuN` lines: number and ticks. A core that is offline has no line.
    pub cores: Vec<(u32, RawCpuTicks)>,
    /// `ctxt`: context switches since boot.
    pub context_switches: Option<u64>,
    /// `processes`: forks since boot.
    pub forks: Option<u64>,
    /// `intr`, first number: interrupts served since boot.
    pub interrupts: Option<u64>,
    /// `btime`: wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
    /// `procs_running`.
    pub running: Option<u64>,
    /// `procs_blocked`.
    pub blocked: Option<u64>,
}

/// One core's clock. cpufreq where there is one, else the `cpu MHz` line of `/proc/cpuinfo`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawFrequency {
    /// Number of the core.
    pub core: u32,
    /// Clock now, MHz.
    pub current_mhz: f64,
    /// Lowest clock of the hardware, MHz (`cpuinfo_min_freq`).
    pub min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz (`cpuinfo_max_freq`).
    pub max_mhz: Option<f64>,
}

/// `/proc/meminfo` in bytes (the file says kB and means KiB). `None`: this kernel has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawMemory {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// `MemAvailable`, since Linux 3.14; on an older kernel free + buffers + cached.
    pub available_bytes: u64,
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
    /// `SwapTotal`.
    pub swap_total_bytes: Option<u64>,
    /// `SwapFree`.
    pub swap_free_bytes: Option<u64>,
    /// `SwapCached`.
    pub swap_cached_bytes: Option<u64>,
}

/// Pages swapped in and out since boot, `pswpin` and `pswpout` of `/proc/vmstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawSwapIo {
    /// `pswpin`, pages.
    pub pages_in: u64,
    /// `pswpout`, pages.
    pub pages_out: u64,
}

/// `/proc/loadavg`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawLoad {
    /// Mean number of runnable and uninterruptible tasks over 1 minute.
    pub one: f64,
    /// The same over 5 minutes.
    pub five: f64,
    /// The same over 15 minutes.
    pub fifteen: f64,
    /// Runnable scheduling entities now.
    pub runnable: u64,
    /// Scheduling entities that exist.
    pub total: u64,
}

/// One line of a pressure file: share of time in per cent and total stall time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawStall {
    /// Per cent of the last 10 seconds.
    pub avg10: f64,
    /// Per cent of the last 60 seconds.
    pub avg60: f64,
    /// Per cent of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds since boot.
    pub total_microseconds: u64,
}

/// `/proc/pressure/{cpu,memory,io}` (Documentation/accounting/psi.rst), since Linux 4.20. `cpu` has a `full` line since
/// 5.13.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawPressure {
    /// `cpu`: `some` and `full`.
    pub cpu: Option<(RawStall, Option<RawStall>)>,
    /// `memory`.
    pub memory: Option<(RawStall, Option<RawStall>)>,
    /// `io`.
    pub io: Option<(RawStall, Option<RawStall>)>,
}

/// One line of `/proc/net/dev`. Counted since the interface came up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawInterfaceCounters {
    /// Name.
    pub name: Arc<str>,
    /// Receive columns in the file's order: bytes, packets, errs, drop, fifo, frame, compressed, multicast.
    pub received: [u64; 8],
    /// Transmit columns in the file's order: bytes, packets, errs, drop, fifo, colls, carrier, compressed.
    pub sent: [u64; 8],
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAddress {
    /// The address.
    pub ip: std::net::IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_length: u8,
}

/// One interface's properties: `/sys/class/net/NAME/*` and the address list of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLink {
    /// Name.
    pub name: Arc<str>,
    /// `ifindex`.
    pub index: u32,
    /// `flags`: the IFF_* bits of netdevice(7).
    pub flags: Option<u32>,
    /// `mtu`, bytes.
    pub mtu_bytes: Option<u32>,
    /// `address`, lower case with colons. `None` for interfaces without one, loopback among them.
    pub mac: Option<String>,
    /// `operstate`: `up`, `down`, `unknown`, ...
    pub operational_state: Option<String>,
    /// `speed`, megabits a second. `None` when the driver does not know.
    pub speed_megabits: Option<u64>,
    /// `duplex`: `full`, `half` or `None` when unknown.
    pub duplex: Option<String>,
    /// Addresses, in the order in which the kernel lists them.
    pub addresses: Vec<RawAddress>,
}

/// One Wi-Fi link as nl80211 tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawWireless {
    /// Name of the interface.
    pub interface: String,
    /// Name of the network (SSID).
    pub ssid: Option<String>,
    /// MAC address of the access point.
    pub bssid: Option<String>,
    /// Channel frequency, MHz.
    pub frequency_mhz: Option<u32>,
    /// Signal, dBm.
    pub signal_dbm: Option<i32>,
    /// `WPA2`, `WPA3`, `open`, ... as far as the link tells.
    pub encryption: Option<String>,
}

/// One line of `/proc/diskstats` (Documentation/admin-guide/iostats.rst). Sectors are 512 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawDisk {
    /// Name, as under `/dev`.
    pub name: Arc<str>,
    /// Device number.
    pub major_minor: (u32, u32),
    /// Reads completed, reads merged, sectors read, milliseconds spent reading.
    pub reads: [u64; 4],
    /// Writes completed, writes merged, sectors written, milliseconds spent writing.
    pub writes: [u64; 4],
    /// I/Os in progress.
    pub in_progress: u64,
    /// Milliseconds with I/O in progress.
    pub busy_milliseconds: u64,
    /// Weighted milliseconds.
    pub weighted_milliseconds: u64,
    /// Discards completed, merged, sectors discarded, milliseconds; since Linux 4.18.
    pub discards: Option<[u64; 4]>,
    /// Flushes completed and milliseconds; since Linux 5.5.
    pub flushes: Option<[u64; 2]>,
    /// Serial number, `/sys/block/NAME/serial`, `device/serial` or `device/vpd_pg80`.
    pub serial: Option<Arc<str>>,
    /// Label of the device-mapper device, `/sys/block/NAME/dm/name`.
    pub label: Option<Arc<str>>,
    /// Whether it is a whole device (listed in `/sys/block`), not a partition.
    pub whole: bool,
}

/// A mounted file system and, when it answered, its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct RawFilesystem {
    /// Device, as the mount table names it.
    pub device: String,
    /// Mount point.
    pub mount_point: String,
    /// Type.
    pub kind: String,
    /// Options, as the mount table lists them.
    pub options: String,
    /// Device number of the file system.
    pub major_minor: (u32, u32),
    /// Whether a block device stands behind it.
    pub device_backed: bool,
    /// The answer of statvfs(3); [`ReadError::Stuck`] for one that hangs.
    pub usage: Reading<RawFilesystemUsage>,
}

/// statvfs(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFilesystemUsage {
    /// `f_frsize`, bytes.
    pub block_bytes: u64,
    /// `f_blocks`.
    pub blocks: u64,
    /// `f_bfree`.
    pub free: u64,
    /// `f_bavail`: free to an unprivileged user.
    pub available: u64,
    /// `f_files`.
    pub inodes: u64,
    /// `f_ffree`.
    pub inodes_free: u64,
    /// `ST_RDONLY` of `f_flag`.
    pub read_only: bool,
}

/// Temperatures and fans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawSensors {
    /// hwmon `tempN_*` and thermal zones.
    pub temperatures: Vec<RawTemperature>,
    /// hwmon `fanN_*`.
    pub fans: Vec<RawFan>,
}

/// One temperature. Documentation/hwmon/sysfs-interface.rst; milli-degrees there.
#[derive(Clone, Debug, PartialEq)]
pub struct RawTemperature {
    /// Chip: `name` of the hwmon device, or `type` of the thermal zone.
    pub chip: String,
    /// `tempN_label`, or `tempN` where there is none.
    pub label: String,
    /// `tempN_input`, degrees Celsius.
    pub celsius: f64,
    /// `tempN_max`, degrees Celsius.
    pub high_celsius: Option<f64>,
    /// `tempN_crit`, degrees Celsius.
    pub critical_celsius: Option<f64>,
}

/// One fan.
#[derive(Clone, Debug, PartialEq)]
pub struct RawFan {
    /// Chip: `name` of the hwmon device.
    pub chip: String,
    /// `fanN_label`, or `fanN` where there is none.
    pub label: String,
    /// `fanN_input`, revolutions a minute.
    pub rpm: u64,
}

/// The process table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawProcesses {
    /// False where the kernel hides other users' processes (`hidepid` of proc(5)).
    pub all_visible: bool,
    /// Whether every process carries [`RawProcess::stat`], or only the ten largest.
    pub complete: bool,
    /// The processes, by PID.
    pub list: Vec<RawProcess>,
}

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub struct RawProcess {
    /// PID.
    pub pid: u32,
    /// `/proc/PID/statm` in pages: size, resident, shared, text, lib, data, dirty. `None` when it could not be read.
    pub memory_pages: Option<[u64; 7]>,
    /// `/proc/PID/stat`, when it was asked for and the process was still there.
    pub stat: Option<RawProcessStat>,
    /// Real user, from the `Uid` line of `/proc/PID/status`.
    pub uid: Option<u32>,
    /// Name of that user. `None` when the system knows none.
    pub user: Option<Arc<str>>,
}

/// `/proc/PID/stat` (`proc_pid_stat(5)`).
#[derive(Clone, Debug, PartialEq)]
pub struct RawProcessStat {
    /// Field 2, completed from the command line where the kernel cut it at 15 bytes.
    pub name: Arc<str>,
    /// Field 3, the state letter.
    pub state: char,
    /// Field 4.
    pub parent: u32,
    /// Field 14, ticks.
    pub user_ticks: u64,
    /// Field 15, ticks.
    pub system_ticks: u64,
    /// Field 19.
    pub nice: i32,
    /// Field 20.
    pub threads: u32,
    /// Field 22, ticks since boot. With the PID it identifies the process for good.
    pub start_ticks: u64,
}

/// All sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSockets {
    /// The sockets.
    pub list: Vec<RawSocket>,
    /// Real user of each process that holds one, by PID, from the `Uid` line of `/proc/PID/status`.
    pub users: HashMap<u32, u32>,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSocket {
    /// Protocol and family.
    pub kind: SocketKind,
    /// Local end: address and port, or the path of a UNIX socket (empty when unnamed).
    pub local: SocketEnd,
    /// Remote end.
    pub remote: SocketEnd,
    /// State by the kernel's number (`include/net/tcp_states.h`); for UDP and UNIX sockets as the file prints it.
    pub state: u8,
    /// Inode, 0 for a socket that no process holds any more.
    pub inode: u64,
    /// Owner of the socket. `None` where the file does not tell (UNIX).
    pub uid: Option<u32>,
    /// The processes that hold it and the descriptor in each, as far as this process may see.
    pub holders: Vec<(u32, u32)>,
}

/// Protocol and family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// UNIX; the number is the socket type (1 stream, 2 datagram, 5 seqpacket).
    Unix(u16),
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// Address and port.
    Inet(std::net::IpAddr, u16),
    /// Path of a UNIX socket; empty when unnamed, a leading `@` for the abstract name space.
    Path(Arc<str>),
}

/// Facts about the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RawHost {
    /// `/proc/sys/kernel/hostname`.
    pub hostname: Option<String>,
    /// `PRETTY_NAME` of os-release(5).
    pub distribution: Option<String>,
    /// `ID` of os-release(5).
    pub distribution_id: Option<String>,
    /// `ID_LIKE` of os-release(5).
    pub distribution_like: Option<String>,
    /// The most exact version there is: `/etc/debian_version` on Debian, else `VERSION_ID` of os-release(5).
    pub distribution_version: Option<String>,
    /// `/proc/sys/kernel/osrelease` (`uname -r`).
    pub kernel: Option<String>,
    /// `uname -m`.
    pub architecture: Option<String>,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// `/sys/class/dmi/id/product_uuid`, readable by root only and therefore not for everybody's eyes.
    #[serde(skip)]
    pub product_uuid: Option<String>,
    /// `kvm`, `docker`, ...; `None` when nothing tells of one.
    pub virtualization: Option<String>,
    /// `guest` or `host`; `None` when nothing tells.
    pub virtualization_role: Option<String>,
    /// Name of the user that this process runs as.
    pub own_user: Option<String>,
    /// `/proc/cpuinfo`, one entry a logical core.
    pub cpu_models: Vec<RawCpuModel>,
}

/// One `processor` block of `/proc/cpuinfo`. The keys are those of x86; another architecture fills what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RawCpuModel {
    /// `processor`.
    pub core: u32,
    /// `vendor_id`.
    pub vendor: String,
    /// `cpu family`.
    pub family: String,
    /// `model`.
    pub model: String,
    /// `stepping`.
    pub stepping: Option<i32>,
    /// `physical id`.
    pub physical_id: String,
    /// `core id`.
    pub core_id: String,
    /// `model name`.
    pub model_name: String,
    /// Highest clock of the core where cpufreq tells, else the `cpu MHz` line; MHz.
    pub mhz: Option<f64>,
    /// `cache size`, KiB.
    pub cache_kibibytes: Option<u64>,
    /// `flags`. All cores of one machine share one list. Too long to be part of every native answer.
    #[serde(skip)]
    pub flags: Arc<[String]>,
    /// `microcode`.
    pub microcode: String,
}
