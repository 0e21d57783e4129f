//! Processes: raw from `/proc/PID/*`, derived with their use of CPU and memory.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

mod derive;

use std::sync::Arc;

use serde::Serialize;

pub(super) use derive::{LONGEST_SPAN_SECONDS, derive};

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
    /// Real, effective and saved group, from the `Gid` line of the same file.
    pub gids: Option<[u32; 3]>,
}

/// What is read of each process apart from the table, at the same moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawProcessDetails {
    /// By PID.
    pub list: Vec<RawProcessDetail>,
}

/// One process of [`RawProcessDetails`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawProcessDetail {
    /// PID.
    pub pid: u32,
    /// `read_bytes` and `write_bytes` of `/proc/PID/io`. `None` for a process of another user, as a rule.
    pub io_bytes: Option<[u64; 2]>,
    /// `/proc/PID/cmdline`, secrets masked. A kernel thread has none.
    pub arguments: Option<Arc<[String]>>,
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
    /// Fields 16 and 17, ticks in user and kernel mode of the children that were waited for.
    pub children_ticks: Option<[u64; 2]>,
    /// Field 42, ticks waited for disks. `None` unless [`RawProcessDetails`] are read too.
    pub waiting_ticks: Option<u64>,
    /// Field 19.
    pub nice: i32,
    /// Field 20.
    pub threads: u32,
    /// Field 22, ticks since boot. With the PID it identifies the process for good.
    pub start_ticks: u64,
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
    /// How many there are in each state. `None` unless all were read.
    pub states: Option<ProcessStates>,
    /// Threads of all processes together. `None` unless all were read.
    pub threads: Option<u64>,
}

/// How many processes there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessStates {
    /// Running or ready to.
    pub running: u64,
    /// Sleeping.
    pub sleeping: u64,
    /// Waiting for a disk, or for something else that no signal ends.
    pub disk_sleep: u64,
    /// Stopped, by a signal or by a debugger.
    pub stopped: u64,
    /// Ended and not waited for.
    pub zombie: u64,
    /// Idle threads of the kernel.
    pub idle: u64,
    /// In any other state.
    pub other: u64,
}

impl ProcessStates {
    /// Counts one more.
    pub fn add(&mut self, state: ProcessState) {
        let count = match state {
            ProcessState::Running => &mut self.running,
            ProcessState::Sleeping => &mut self.sleeping,
            ProcessState::DiskSleep => &mut self.disk_sleep,
            ProcessState::Stopped | ProcessState::TracingStop => &mut self.stopped,
            ProcessState::Zombie => &mut self.zombie,
            ProcessState::Idle => &mut self.idle,
            ProcessState::Dead | ProcessState::Unknown => &mut self.other,
        };
        *count += 1;
    }
}

impl Processes {
    /// All processes by PID; `None` when only the largest were gathered.
    pub fn all(&self) -> Option<&[Process]> {
        self.complete.then_some(self.list.as_slice())
    }

    /// The process of a PID, if it is in the list.
    pub fn find(&self, pid: u32) -> Option<&Process> {
        if self.complete {
            self.list.binary_search_by_key(&pid, |process| process.pid).ok().map(|index| &self.list[index])
        } else {
            self.list.iter().find(|process| process.pid == pid)
        }
    }

    /// The ten largest by resident memory, largest first; equal sizes by PID.
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

    /// The ten largest, largest first, and after them the ten that use most CPU, busiest first, that are not among those.
    pub fn foremost(&self) -> Self {
        let mut list = self.largest();
        let mut busiest: Vec<&Process> = self.list.iter().filter(|process| process.cpu_ratio > Some(0.0)).collect();
        busiest.sort_unstable_by(|a, b| {
            let order = b.cpu_ratio.partial_cmp(&a.cpu_ratio).unwrap_or(std::cmp::Ordering::Equal);
            order.then(a.pid.cmp(&b.pid))
        });
        busiest.truncate(TOP);
        busiest.retain(|busy| list.iter().all(|one| one.pid != busy.pid));
        list.extend(busiest);
        Self { list: list.into_iter().cloned().collect(), complete: false, ..*self }
    }
}

/// How many processes a top list holds.
pub const TOP: usize = 10;

/// State of a process, from the state letter of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
    #[default]
    Unknown,
}

/// One process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Process {
    /// PID.
    pub pid: u32,
    /// Parent's PID.
    pub parent_pid: Option<u32>,
    /// Name; may be empty. Nothing of a command line's arguments, at most 255 bytes, no control characters.
    pub name: Arc<str>,
    /// State.
    pub state: ProcessState,
    /// Real user's number.
    pub uid: Option<u32>,
    /// Real user's name; `None` when the system knows none.
    pub user: Option<Arc<str>>,
    /// Threads.
    pub threads: Option<u32>,
    /// Niceness, -20 to 19.
    pub nice: Option<i32>,
    /// Wall clock of its start, seconds since 1970.
    pub start_time_unix_seconds: Option<f64>,
    /// CPU seconds in user mode since its start.
    pub cpu_user_seconds: Option<f64>,
    /// CPU seconds in kernel mode since its start.
    pub cpu_system_seconds: Option<f64>,
    /// CPU seconds in both modes, where the parts are not known. The sum of the parts is never told besides them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Share of one core since the sample before; may pass 1. `None` at the first sample.
    pub cpu_ratio: Option<f64>,
    /// Memory. `None` when it could not be read.
    pub memory: Option<ProcessMemory>,
    /// resident / `MemTotal`.
    pub memory_ratio: Option<f64>,
    /// What it read and wrote. `None` unless that was asked for, and for a process whose counts are not ours to see.
    pub io: Option<ProcessIo>,
    /// Real, effective and saved group. This and what follows would be too long for every native answer.
    #[serde(skip)]
    pub gids: Option<[u32; 3]>,
    /// CPU seconds in user and kernel mode of its children that ended and were waited for.
    #[serde(skip)]
    pub children_seconds: Option<[f64; 2]>,
    /// Seconds that it waited for disks. `None` unless that was asked for.
    #[serde(skip)]
    pub waiting_seconds: Option<f64>,
    /// Its command line, secrets masked. `None` unless that was asked for. Not everybody may see it.
    #[serde(skip)]
    pub arguments: Option<Arc<[String]>>,
}

/// What a process read from storage and wrote to it: `/proc/PID/io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ProcessIo {
    /// Bytes read since its start.
    pub read_bytes: u64,
    /// Bytes written since its start.
    pub written_bytes: u64,
    /// Bytes a second read.
    pub read_bytes_per_second: Option<f64>,
    /// Bytes a second written.
    pub written_bytes_per_second: Option<f64>,
}

/// A process's memory: `/proc/PID/statm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessMemory {
    /// Resident set.
    pub resident_bytes: u64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Resident pages that are backed by files or shared memory.
    pub shared_bytes: Option<u64>,
    /// Code.
    pub text_bytes: Option<u64>,
    /// 0 since Linux 2.6.
    pub library_bytes: Option<u64>,
    /// Data and stack.
    pub data_bytes: Option<u64>,
    /// 0 since Linux 2.6.
    pub dirty_bytes: Option<u64>,
}
