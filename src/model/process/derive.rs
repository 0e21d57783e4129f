//! What two readings of the process table mean: each process's use of CPU and memory.
//!
//! Called by [`crate::model::derive()`]. Pure; it sees nothing but the readings.

use std::sync::Arc;

use super::{
    Process, ProcessMemory, ProcessState, Processes, RawProcess, RawProcessStat, RawProcesses, TOP, Visibility,
};
use crate::model::cpu::RawCpu;
use crate::model::memory::RawMeminfo;
use crate::model::{Pair, Sample};

/// Readings further apart than this say nothing about now: a process's use of the CPU is then unknown, as at the first.
pub(in crate::model) const LONGEST_SPAN_SECONDS: f64 = 60.0;

/// The processes, each with its use of the CPU since the reading before.
pub(in crate::model) fn derive(pair: &Pair<'_, RawProcesses>, current: &Sample) -> Processes {
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
                shared_bytes: Some(shared),
                text_bytes: Some(text),
                library_bytes: Some(library),
                data_bytes: Some(data),
                dirty_bytes: Some(dirty),
            }
        });
        Process {
            pid: raw.pid,
            parent_pid: Some(stat.parent),
            name: Arc::clone(&stat.name),
            state: state_of(stat.state),
            uid: raw.uid,
            user: raw.user.clone(),
            threads: Some(stat.threads),
            nice: Some(stat.nice),
            start_time_unix_seconds: self.start_time(stat),
            cpu_user_seconds: Some(stat.user_ticks as f64 / self.ticks_per_second),
            cpu_system_seconds: Some(stat.system_ticks as f64 / self.ticks_per_second),
            cpu_seconds: None,
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
        let all = |stat: &RawProcessStat| stat.user_ticks.saturating_add(stat.system_ticks);
        let ticks = all(now).checked_sub(all(before))?;
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
    use crate::model::memory::RawMemory;
    use crate::model::{Gathered, Machine, Readings};

    fn process(pid: u32, start_ticks: u64, user_ticks: u64, system_ticks: u64) -> RawProcess {
        let stat = RawProcessStat {
            name: Arc::from("x"),
            state: 'S',
            parent: 1,
            user_ticks,
            system_ticks,
            nice: 0,
            threads: 1,
            start_ticks,
        };
        RawProcess { pid, memory_pages: None, uid: None, user: None, stat: Some(stat) }
    }

    fn table(list: Vec<RawProcess>) -> RawProcesses {
        RawProcesses { all_visible: true, complete: true, list }
    }

    /// A machine of 100 ticks a second that was booted at `boot`, with `memory` bytes.
    fn sample(boot: u64, memory: Option<u64>) -> Sample {
        let mut readings = Readings::default();
        let at = Duration::ZERO;
        let cpu = RawCpu { boot_time_unix_seconds: Some(boot), ..RawCpu::default() };
        readings.put(Gathered { at, value: Ok(Arc::new(cpu)), previous: None });
        let memory = RawMemory { total_bytes: memory, ..RawMemory::default() };
        let meminfo = RawMeminfo { memory, ..RawMeminfo::default() };
        readings.put(Gathered { at, value: Ok(Arc::new(meminfo)), previous: None });
        let machine = Machine { page_bytes: 4096, ticks_per_second: 100 };
        Sample { at, unix_seconds: 1_000_000.0, machine, readings, runs: Vec::new() }
    }

    /// Share of the CPU of each process.
    fn shares(previous: Option<&RawProcesses>, current: &RawProcesses, seconds: f64) -> Vec<(u32, Option<f64>)> {
        let pair = Pair { previous, current, seconds: previous.map(|_| seconds) };
        derive(&pair, &sample(1, None)).list.iter().map(|process| (process.pid, process.cpu_ratio)).collect()
    }

    #[test]
    fn the_use_of_the_cpu_is_of_this_very_process() {
        let before = table(vec![process(1, 5, 100, 100), process(2, 7, 50, 0), process(4, 9, 10, 10)]);
        let now = table(vec![process(1, 5, 150, 150), process(3, 8, 9, 9), process(4, 10, 20, 20)]);
        // The second has ended, the third is new, the fourth has the number of another.
        assert_eq!(shares(Some(&before), &now, 2.0), [(1, Some(0.5)), (3, None), (4, None)]);
        assert_eq!(shares(None, &now, 2.0), [(1, None), (3, None), (4, None)], "the first reading");
    }

    #[test]
    fn no_share_across_a_reset_or_a_long_silence() {
        let (before, now) = (table(vec![process(1, 5, 100, 100)]), table(vec![process(1, 5, 150, 150)]));
        assert_eq!(shares(Some(&now), &before, 1.0), [(1, None)]);
        assert_eq!(shares(Some(&before), &now, 61.0), [(1, None)]);
        let unread = RawProcess { stat: None, ..process(1, 5, 0, 0) };
        assert_eq!(shares(Some(&table(vec![unread.clone()])), &now, 1.0), [(1, None)]);
        assert_eq!(shares(Some(&before), &table(vec![unread]), 1.0), [], "nothing is known of it but that it is there");
    }

    #[test]
    fn sums_larger_than_a_number_do_not_wrap() {
        let (before, now) = (table(vec![process(1, 5, 0, 0)]), table(vec![process(1, 5, u64::MAX, u64::MAX)]));
        assert!(shares(Some(&before), &now, 1.0)[0].1.is_some_and(|share| share > 1e9));
        let huge = RawProcess { memory_pages: Some([u64::MAX; 7]), ..process(1, 5, 0, 0) };
        let pair_of = table(vec![huge]);
        let pair = Pair { previous: None, current: &pair_of, seconds: None };
        let found = derive(&pair, &sample(1, Some(4096))).list.remove(0);
        assert_eq!(found.memory.unwrap().resident_bytes, u64::MAX);
    }

    #[test]
    fn the_share_of_the_memory_needs_its_size() {
        let of = |total| {
            let raw = table(vec![RawProcess { memory_pages: Some([9, 2, 0, 0, 0, 0, 0]), ..process(1, 5, 0, 0) }]);
            let pair = Pair { previous: None, current: &raw, seconds: None };
            derive(&pair, &sample(1, total)).list.remove(0).memory_ratio
        };
        assert_eq!((of(Some(16_384)), of(Some(0)), of(None)), (Some(0.5), None, None));
    }

    #[test]
    fn of_an_incomplete_table_the_ten_largest_are_told_and_all_are_counted() {
        let sized = |pid: u32| {
            let pages = u64::from(pid % 7);
            RawProcess { memory_pages: Some([9, pages, 0, 0, 0, 0, 0]), ..process(pid, 5, 0, 0) }
        };
        let raw = RawProcesses { all_visible: false, complete: false, list: (1..=30).map(sized).collect() };
        let found = derive(&Pair { previous: None, current: &raw, seconds: None }, &sample(1, None));
        assert_eq!((found.count, found.complete, found.visibility), (30, false, Visibility::Limited));
        let pids: Vec<u32> = found.list.iter().map(|process| process.pid).collect();
        assert_eq!(pids, [6, 13, 20, 27, 5, 12, 19, 26, 4, 11]);
    }

    /// A container's boot time (lxcfs) and the host's ticks do not fit.
    #[test]
    fn a_start_to_come_is_unknown() {
        let starts = |boot: u64| {
            let raw = table(vec![process(1, 0, 0, 0), process(2, 50_000, 0, 0), process(3, 50_001, 0, 0)]);
            let pair = Pair { previous: None, current: &raw, seconds: None };
            let list = derive(&pair, &sample(boot, None)).list;
            list.iter().map(|process| process.start_time_unix_seconds).collect::<Vec<_>>()
        };
        assert_eq!(starts(900_000), [Some(900_000.0), Some(900_500.0), Some(900_500.01)]);
        assert_eq!(starts(999_500), [Some(999_500.0), Some(1_000_000.0), None]);
        assert_eq!(starts(2_000_000), [None, None, None]);
    }
}
