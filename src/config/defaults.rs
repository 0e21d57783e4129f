//! What holds where nothing was typed: no flag, no variable. The one place for it, apart from the bounds in `limits` and
//! the roots in `collect::Paths`, which are named here so that `--help` shows them too.

use crate::collect::Paths;
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

/// Most threads that serve, where `--workers` does not say how many.
const MOST_WORKERS: usize = 4;

/// `--workers`: one a core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// What holds for a setting with one value, by the flag's name, as it is typed. The others are "none".
pub(super) fn text(flag: &str) -> Option<String> {
    let (limits, paths) = (Limits::default(), Paths::host());
    let text = match flag {
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
        "procfs" => paths.procfs.display().to_string(),
        "sysfs" => paths.sysfs.display().to_string(),
        "rootfs" => paths.rootfs.display().to_string(),
        _ => return None,
    };
    Some(text)
}

/// What holds for a setting with a list of values.
pub(super) fn list(_flag: &str) -> Vec<String> {
    Vec::new()
}
