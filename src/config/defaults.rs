//! What holds where nothing was typed: no flag, no variable. The one place for it, apart from the bounds in `limits` and
//! the roots in `collect::Paths`, which are named here so that `--help` shows them too.

use clap::ValueEnum;

use crate::cli::Collector;
use crate::collect::{Paths, Readers};
use crate::limits::Limits;
use crate::model::exclude;

/// `--address`: both loopback addresses.
pub const ADDRESS: &str = "localhost";

/// `--port`.
pub const PORT: u16 = 4500;

/// `--interval`.
pub const INTERVAL: &str = "1s";

/// `--socket-mode`: our user and our group.
pub const SOCKET_MODE: &str = "0660";

/// `--collector`: the best there is for this system.
pub const COLLECTOR: Collector = match Readers::BEST {
    #[cfg(target_os = "linux")]
    Readers::Linux => Collector::Linux,
    Readers::Portable => Collector::Portable,
};

/// `--max-systems`.
pub const MOST_SYSTEMS: usize = 1_024;

/// `--forget-after`: 30 days.
pub const FORGET_AFTER: &str = "720h";

/// `--receiver-mib`.
pub const RECEIVER_MIB: u64 = 1_024;

/// Most reports a second of one system. No setting: who sends more has none to send.
pub const REPORTS_PER_SECOND: u32 = 20;

/// `--agent-interval`: System Monitor's.
pub const AGENT_INTERVAL: &str = "60s";

/// `--remote-write-interval`.
pub const REMOTE_WRITE_INTERVAL: &str = "15s";

/// `--remote-write-job`.
pub const REMOTE_WRITE_JOB: &str = "psmonitor";

/// `--spool-mib`.
pub const SPOOL_MIB: u64 = 64;

/// `--spool-age`: a week.
pub const SPOOL_AGE: &str = "168h";

/// Most threads that serve, where `--workers` does not say how many.
const MOST_WORKERS: usize = 4;

/// `--workers`: one a core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// What holds for a setting with one value, as it is typed, by clap's name for it. `None` where nothing holds.
pub(super) fn text(id: &str) -> Option<String> {
    let (limits, paths) = (Limits::default(), Paths::host());
    let text = match id {
        "address" => ADDRESS.to_owned(),
        "port" => PORT.to_string(),
        "interval" => INTERVAL.to_owned(),
        "socket_mode" => SOCKET_MODE.to_owned(),
        "max_connections" => limits.streams.to_string(),
        "max_per_address" => limits.streams_per_address.to_string(),
        "max_unclaimed" => limits.unclaimed_workers.to_string(),
        "mount_points_exclude" => exclude::MOUNT_POINTS.to_owned(),
        "fs_types_exclude" => exclude::FS_TYPES.to_owned(),
        "interfaces_exclude" => String::new(),
        "log_format" => "text".to_owned(),
        "collector" => COLLECTOR.to_possible_value()?.get_name().to_owned(),
        "max_systems" => MOST_SYSTEMS.to_string(),
        "forget_after" => FORGET_AFTER.to_owned(),
        "receiver_mib" => RECEIVER_MIB.to_string(),
        "agent_interval" => AGENT_INTERVAL.to_owned(),
        "remote_write_interval" => REMOTE_WRITE_INTERVAL.to_owned(),
        "remote_write_job" => REMOTE_WRITE_JOB.to_owned(),
        "spool_mib" => SPOOL_MIB.to_string(),
        "spool_age" => SPOOL_AGE.to_owned(),
        "procfs" => paths.procfs.display().to_string(),
        "sysfs" => paths.sysfs.display().to_string(),
        "rootfs" => paths.rootfs.display().to_string(),
        _ => return None,
    };
    Some(text)
}
