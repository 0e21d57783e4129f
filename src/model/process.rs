//! Processes: raw from `/proc/PID/*`, derived with their use of CPU and memory.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

use std::sync::Arc;

use serde::Serialize;

use super::cpu::RawCpu;
use super::memory::RawMeminfo;
use super::{Pair, Sample};

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
    /// Name; may be empty. Nothing of a command line's arguments, at most 255 bytes, no control characters.
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

/// Readings further apart than this say nothing about now: a process's use of the CPU is then unknown, as at the first.
const LONGEST_SPAN_SECONDS: f64 = 60.0;

/// The processes, each with its use of the CPU since the reading before.
pub(super) fn derive(pair: &Pair<'_, RawProcesses>, current: &Sample) -> Processes {
    let raw = pair.current;
    let scale = Scale {
        page_bytes: current.machine.page_bytes,
        ticks_per_second: current.machine.ticks_per_second as f64,
        boot_unix_seconds: boot_time(current),
        now_unix_seconds: current.unix_seconds,
        memory_bytes: current
            .readings
            .value::<RawMeminfo>()
            .and_then(|all| all.memory.total_bytes)
            .filter(|total| *total > 0),
        span_seconds: pair.seconds.filter(|span| *span <= LONGEST_SPAN_SECONDS),
    };
    // Both lists are ordered by PID, so one walk finds every process's earlier self.
    let mut earlier = pair.previous.map_or(&[][..], |p| p.list.as_slice()).iter().peekable();
    let mut list = Vec::with_capacity(if raw.complete { raw.list.len() } else { TOP });
    for process in &raw.list {
        while earlier.next_if(|before| before.pid < process.pid).is_some() {}
        let before = earlier.next_if(|before| before.pid == process.pid).and_then(|before| before.stat.as_ref());
        if let Some(stat) = &process.stat {
            list.push(scale.process(process, stat, before));
        }
    }
    let mut processes = Processes {
        visibility: if raw.all_visible { Visibility::All } else { Visibility::Limited },
        count: raw.list.len(),
        complete: raw.complete,
        list,
    };
    if !raw.complete {
        processes.list = processes.largest().into_iter().cloned().collect();
    }
    processes
}

fn boot_time(current: &Sample) -> Option<f64> {
    let cpu = current.readings.value::<RawCpu>()?;
    cpu.boot_time_unix_seconds.map(|seconds| seconds as f64)
}

struct Scale {
    page_bytes: u64,
    ticks_per_second: f64,
    boot_unix_seconds: Option<f64>,
    now_unix_seconds: f64,
    memory_bytes: Option<u64>,
    span_seconds: Option<f64>,
}

impl Scale {
    fn process(&self, raw: &RawProcess, stat: &RawProcessStat, before: Option<&RawProcessStat>) -> Process {
        let memory = raw.memory_pages.map(|pages| {
            let [size, resident, shared, text, library, data, dirty] =
                pages.map(|count| count.saturating_mul(self.page_bytes));
            ProcessMemory {
                resident_bytes: resident,
                virtual_bytes: size,
                shared_bytes: shared,
                text_bytes: text,
                library_bytes: library,
                data_bytes: data,
                dirty_bytes: dirty,
            }
        });
        Process {
            pid: raw.pid,
            parent_pid: stat.parent,
            name: Arc::clone(&stat.name),
            state: state_of(stat.state),
            uid: raw.uid,
            user: raw.user.clone(),
            threads: stat.threads,
            nice: stat.nice,
            start_time_unix_seconds: self.start_time(stat),
            cpu_user_seconds: stat.user_ticks as f64 / self.ticks_per_second,
            cpu_system_seconds: stat.system_ticks as f64 / self.ticks_per_second,
            cpu_ratio: self.cpu_ratio(stat, before),
            memory,
            memory_ratio: memory.zip(self.memory_bytes).map(|(m, total)| m.resident_bytes as f64 / total as f64),
        }
    }

    /// `None` for a start to come: the boot time is then another one than that the ticks count from. In a container lxcfs tells
    /// the container's, while the kernel counts from the host's.
    fn start_time(&self, stat: &RawProcessStat) -> Option<f64> {
        let start = self.boot_unix_seconds? + stat.start_ticks as f64 / self.ticks_per_second;
        (start <= self.now_unix_seconds).then_some(start)
    }

    /// Share of one core. `None` when there is no earlier reading of this very process: a reused PID has another start.
    fn cpu_ratio(&self, now: &RawProcessStat, before: Option<&RawProcessStat>) -> Option<f64> {
        let before = before.filter(|before| before.start_ticks == now.start_ticks)?;
        let ticks = (now.user_ticks + now.system_ticks).checked_sub(before.user_ticks + before.system_ticks)?;
        Some(ticks as f64 / self.ticks_per_second / self.span_seconds?)
    }
}

fn state_of(letter: char) -> ProcessState {
    match letter {
        'R' => ProcessState::Running,
        'S' => ProcessState::Sleeping,
        'D' => ProcessState::DiskSleep,
        'T' => ProcessState::Stopped,
        't' => ProcessState::TracingStop,
        'Z' => ProcessState::Zombie,
        'X' | 'x' => ProcessState::Dead,
        'I' => ProcessState::Idle,
        _ => ProcessState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::cpu::RawCpu;
    use crate::model::{Gathered, Machine, Readings};

    /// A container's boot time (lxcfs) and the host's ticks do not fit.
    #[test]
    fn a_start_to_come_is_unknown() {
        let now = 1_000_000.0;
        let starts = |boot: u64| {
            let process = |pid: u32, start_ticks: u64| RawProcess {
                pid,
                memory_pages: None,
                uid: None,
                user: None,
                stat: Some(RawProcessStat {
                    name: Arc::from("x"),
                    state: 'S',
                    parent: 1,
                    user_ticks: 0,
                    system_ticks: 0,
                    nice: 0,
                    threads: 1,
                    start_ticks,
                }),
            };
            let list = vec![process(1, 0), process(2, 50_000), process(3, 50_001)];
            let machine = Machine { page_bytes: 4096, ticks_per_second: 100 };
            let cpu = RawCpu { boot_time_unix_seconds: Some(boot), ..RawCpu::default() };
            let cpu = Gathered { at: Duration::ZERO, value: Ok(Arc::new(cpu)), previous: None };
            let mut sample = Sample {
                at: Duration::ZERO,
                unix_seconds: now,
                machine,
                readings: Readings::default(),
                runs: Vec::new(),
            };
            sample.readings.put(cpu);
            let raw = RawProcesses { all_visible: true, complete: true, list };
            let pair = Pair { previous: None, current: &raw, seconds: None };
            derive(&pair, &sample).list.iter().map(|p| p.start_time_unix_seconds).collect::<Vec<_>>()
        };
        assert_eq!(starts(900_000), [Some(900_000.0), Some(900_500.0), Some(900_500.01)]);
        assert_eq!(starts(999_500), [Some(999_500.0), Some(now), None]);
        assert_eq!(starts(2_000_000), [None, None, None]);
    }
}
