//! The running system: host facts, operating system, clock, entropy, file handles, SELinux.
//!
//! Filled by [`crate::collect`] and told as they were read.

use serde::Serialize;

use super::cpu::RawCpuModel;

/// Facts about the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HostFacts {
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
    /// Cores of the processors, threads of one core counted once.
    pub physical_cores: Option<usize>,
    /// `/proc/sys/kernel/pid_max`.
    pub pid_max: Option<u64>,
    /// `/proc/cpuinfo`, one entry a logical core.
    pub cpu_models: Vec<RawCpuModel>,
}

/// `/proc/uptime`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawUptime {
    /// Seconds since boot.
    pub seconds: f64,
}

/// uname(2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uname {
    /// `Linux`.
    pub system: String,
    /// Release of the kernel.
    pub release: String,
    /// Build of the kernel.
    pub version: String,
    /// Architecture.
    pub machine: String,
    /// Host name.
    pub node: String,
    /// NIS domain, `(none)` where there is none.
    pub domain: String,
}

/// os-release(5). A field that the file does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// The values, in the order of [`OsRelease::KEYS`].
    pub values: [String; 12],
}

impl OsRelease {
    /// The keys of the file that are kept.
    pub const KEYS: [&'static str; 12] = [
        "BUILD_ID",
        "ID",
        "ID_LIKE",
        "IMAGE_ID",
        "IMAGE_VERSION",
        "NAME",
        "PRETTY_NAME",
        "VARIANT",
        "VARIANT_ID",
        "VERSION",
        "VERSION_CODENAME",
        "VERSION_ID",
    ];

    /// The value of one of the keys; empty for any other.
    pub fn get(&self, key: &str) -> &str {
        Self::KEYS.iter().position(|k| *k == key).map_or("", |index| self.values[index].as_str())
    }
}

/// Time zone and clock sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Abbreviation of the local time zone, `CET` for example.
    pub zone: String,
    /// Seconds east of UTC.
    pub zone_offset_seconds: i64,
    /// `/sys/devices/system/clocksource/clocksourceN`: number, available sources, current source.
    pub sources: Vec<ClockSources>,
}

/// One `clocksourceN` directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockSources {
    /// N.
    pub device: String,
    /// `available_clocksource`.
    pub available: Vec<String>,
    /// `current_clocksource`.
    pub current: String,
}

/// adjtimex(2), as the call returns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timex {
    /// Whether the call said anything but `TIME_ERROR`: the clock follows a reliable source.
    pub synchronized: bool,
    /// `offset`: microseconds, or nanoseconds while `STA_NANO` stands in the status.
    pub offset: i64,
    /// `freq`: parts per million, scaled by 65536.
    pub frequency: i64,
    /// `maxerror`, microseconds.
    pub maximum_error_microseconds: i64,
    /// `esterror`, microseconds.
    pub estimated_error_microseconds: i64,
    /// `status`: the STA_* bits.
    pub status: i64,
    /// `constant`.
    pub time_constant: i64,
    /// `tick`, microseconds.
    pub tick_microseconds: i64,
    /// `ppsfreq`, scaled as `freq`.
    pub pps_frequency: i64,
    /// `jitter`, in the unit of `offset`.
    pub pps_jitter: i64,
    /// `shift`, seconds as a power of two.
    pub pps_shift: i64,
    /// `stabil`, scaled as `freq`.
    pub pps_stability: i64,
    /// `jitcnt`.
    pub pps_jitter_exceeded: i64,
    /// `calcnt`.
    pub pps_calibrations: i64,
    /// `errcnt`.
    pub pps_errors: i64,
    /// `stbcnt`.
    pub pps_stability_exceeded: i64,
    /// `tai`, seconds.
    pub tai_offset_seconds: i64,
}

impl Timex {
    /// The bit of [`Timex::status`] that makes offset and jitter nanoseconds.
    pub const STA_NANO: i64 = 0x2000;

    /// How many units of offset and jitter make a second.
    pub const fn units_per_second(&self) -> f64 {
        if self.status & Self::STA_NANO == 0 { 1e6 } else { 1e9 }
    }
}

/// `/proc/sys/kernel/random`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entropy {
    /// `entropy_avail`, bits.
    pub available_bits: u64,
    /// `poolsize`, bits.
    pub pool_bits: Option<u64>,
}

/// `/proc/sys/fs/file-nr`: open file handles of the whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHandles {
    /// Allocated.
    pub allocated: u64,
    /// Most there may be.
    pub maximum: u64,
}

/// SELinux, from `/sys/fs/selinux` and `/etc/selinux/config`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selinux {
    /// Whether the kernel has it switched on.
    pub enabled: bool,
    /// Mode of the configuration file: 1 enforcing, 0 permissive, -1 disabled. `None` unless enabled.
    pub configured_mode: Option<i64>,
    /// Mode now: 1 enforcing, 0 permissive. `None` unless enabled.
    pub current_mode: Option<i64>,
}
