//! Processes: the process part of [`super::derive()`].

use std::sync::Arc;

use super::derive::Pair;
use super::sample::{RawProcess, RawProcessStat, RawProcesses, Sample};
use super::snapshot::{Process, ProcessMemory, ProcessState, Processes, Visibility};

/// Readings further apart than this say nothing about now: a process's use of the CPU is then unknown, as at the first.
const LONGEST_SPAN_SECONDS: f64 = 60.0;

pub(super) fn processes(pair: &Pair<'_, RawProcesses>, current: &Sample) -> Processes {
    let raw = pair.current;
    let scale = Scale {
        page_bytes: current.machine.page_bytes,
        ticks_per_second: current.machine.ticks_per_second as f64,
        boot_unix_seconds: boot_time(current),
        now_unix_seconds: current.unix_seconds,
        memory_bytes: current
            .memory
            .as_ref()
            .and_then(|m| m.value.as_ref().ok())
            .map(|memory| memory.total_bytes)
            .filter(|total| *total > 0),
        span_seconds: pair.seconds.filter(|span| *span <= LONGEST_SPAN_SECONDS),
    };
    // Both lists are ordered by PID, so one walk finds every process's earlier self.
    let mut earlier = pair.previous.map_or(&[][..], |p| p.list.as_slice()).iter().peekable();
    let mut list = Vec::with_capacity(if raw.complete { raw.list.len() } else { super::snapshot::TOP });
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
    let cpu = current.cpu.as_ref()?.value.as_ref().ok()?;
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

    use super::super::sample::{Gathered, Machine, RawCpu};
    use super::*;

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
            let mut sample = Sample::empty(Duration::ZERO, now, machine);
            let cpu = RawCpu { boot_time_unix_seconds: Some(boot), ..RawCpu::default() };
            sample.cpu = Some(Arc::new(Gathered { at: Duration::ZERO, value: Ok(cpu) }));
            let raw = RawProcesses { all_visible: true, complete: true, list };
            let pair = Pair { previous: None, current: &raw, seconds: None };
            processes(&pair, &sample).list.iter().map(|p| p.start_time_unix_seconds).collect::<Vec<_>>()
        };
        assert_eq!(starts(900_000), [Some(900_000.0), Some(900_500.0), Some(900_500.01)]);
        assert_eq!(starts(999_500), [Some(999_500.0), Some(now), None]);
        assert_eq!(starts(2_000_000), [None, None, None]);
    }
}
