//! Raw readings of the process table.

use std::sync::Arc;

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
