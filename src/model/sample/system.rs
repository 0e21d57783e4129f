//! Raw readings of the machine: processor, memory, load, pressure, sensors, host facts.

use std::sync::Arc;

use serde::Serialize;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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

/// Temperatures and fans.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RawSensors {
    /// hwmon `tempN_*` and thermal zones.
    pub temperatures: Vec<RawTemperature>,
    /// hwmon `fanN_*`.
    pub fans: Vec<RawFan>,
}

/// One temperature. Documentation/hwmon/sysfs-interface.rst; milli-degrees there.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawFan {
    /// Chip: `name` of the hwmon device.
    pub chip: String,
    /// `fanN_label`, or `fanN` where there is none.
    pub label: String,
    /// `fanN_input`, revolutions a minute.
    pub rpm: u64,
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
