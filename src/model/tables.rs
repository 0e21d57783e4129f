//! The kernel's own tables: counters that Prometheus users expect beyond the subjects of the other readers.
//!
//! Filled by [`crate::collect::kernel`], carried unchanged from sample to snapshot (there is no rate to derive: the
//! monitoring server derives its own) and worded by [`crate::dialect::prometheus`]. A table that this machine does not
//! have, or whose reading failed, is `None`; [`KernelTables::runs`] tells which and why.

use super::cpu::{FrequencyLimits, SchedstatRow, Throttles};
use super::hardware::{Dmi, HwmonChip, PowerSupply, Thermal};
use super::memory::MeminfoLine;
use super::network::{Conntrack, NetClass, NetstatField, SockstatField, SoftnetRow, UdpQueue};
use super::own::OwnProcess;
use super::storage::{MountRow, UdevDevice};
use super::system::{Clock, Entropy, FileHandles, OsRelease, Selinux, Timex, Uname};

/// A name as the kernel prints it, and its number.
pub type Named = (Box<str>, u64);

/// All tables of one pass.
#[derive(Clone, Debug, Default)]
pub struct KernelTables {
    /// `/proc/meminfo`, every line in the file's order. The name is the line's, and ends in ` kB` never: the flag tells
    /// whether the number is bytes (the line carried `kB`) or a plain count.
    pub meminfo: Option<Vec<MeminfoLine>>,
    /// `/proc/vmstat`: `oom_kill`, `pgpg*`, `pswp*` and `pg*fault*`.
    pub vmstat: Option<Vec<Named>>,
    /// `/proc/net/{netstat,snmp,snmp6}`, the fields that matter.
    pub netstat: Option<Vec<NetstatField>>,
    /// `/proc/net/{sockstat,sockstat6}`.
    pub sockstat: Option<Vec<SockstatField>>,
    /// `/proc/net/softnet_stat`.
    pub softnet: Option<Vec<SoftnetRow>>,
    /// `/proc/net/arp`: entries by device.
    pub arp: Option<Vec<Named>>,
    /// `/proc/net/{udp,udp6}`: bytes queued.
    pub udp_queues: Option<Vec<UdpQueue>>,
    /// `/proc/sys/net/netfilter/*`, `/proc/net/stat/nf_conntrack`.
    pub conntrack: Option<Conntrack>,
    /// `/sys/class/net/*`.
    pub netclass: Option<Vec<NetClass>>,
    /// `/proc/schedstat`.
    pub schedstat: Option<Vec<SchedstatRow>>,
    /// `/proc/sys/fs/file-nr`.
    pub file_handles: Option<FileHandles>,
    /// `/proc/sys/kernel/random/*`.
    pub entropy: Option<Entropy>,
    /// adjtimex(2).
    pub timex: Option<Timex>,
    /// Time zone and clock sources.
    pub clock: Option<Clock>,
    /// uname(2).
    pub uname: Option<Uname>,
    /// os-release(5).
    pub os_release: Option<OsRelease>,
    /// SELinux.
    pub selinux: Option<Selinux>,
    /// `/sys/class/dmi/id`.
    pub dmi: Option<Dmi>,
    /// `/sys/class/hwmon`.
    pub hwmon: Option<Vec<HwmonChip>>,
    /// `/sys/class/thermal`.
    pub thermal: Option<Thermal>,
    /// `/sys/class/power_supply`.
    pub power_supplies: Option<Vec<PowerSupply>>,
    /// `/sys/devices/system/cpu/cpu*/cpufreq`.
    pub frequencies: Option<Vec<FrequencyLimits>>,
    /// `/sys/devices/system/cpu/cpu*/thermal_throttle`.
    pub throttles: Option<Throttles>,
    /// `/run/udev/data/b*`: what udev knows about block devices.
    pub udev: Option<Vec<UdevDevice>>,
    /// `/proc/PID/mountinfo`: every mount, where the file system reader has one a device.
    pub mounts: Option<Vec<MountRow>>,
    /// This process itself.
    pub own: Option<OwnProcess>,
    /// How each table's reading went.
    pub runs: Vec<TableRun>,
}

/// How the reading of one table went.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRun {
    /// The collector that it counts for, by `node_exporter`'s name.
    pub collector: &'static str,
    /// How long it took.
    pub duration_seconds: f64,
    /// What went wrong; a machine without the thing counts as going wrong here, as `node_exporter` has it.
    pub error: Option<String>,
}
