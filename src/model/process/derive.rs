//! What two readings of the process table mean: each process's use of CPU and memory.
//!
//! Called by [`crate::model::derive()`]. Pure; it sees nothing but the readings.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Process, ProcessIo, ProcessMemory, ProcessState, ProcessStates, Processes, RawProcess, RawProcessDetails,
    RawProcessStat, RawProcesses, TOP, Visibility,
};
use crate::model::cpu::RawCpu;
use crate::model::memory::RawMeminfo;
use crate::model::{Pair, Sample};

/// Readings further apart than this say nothing about now: a process's use of the CPU is then unknown, as at the first.
pub(in crate::model) const LONGEST_SPAN_SECONDS: f64 = 60.0;

/// Details that were read further from the table than this are of another moment: a PID may be another process's.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// The processes of a sample, with their details if those were read at the same moment.
pub(in crate::model) fn derive(sample: &Sample) -> Option<Processes> {
    let table = sample.readings.get::<RawProcesses>()?;
    let mut processes = derive_table(&Pair::of(table)?, sample);
    let details = sample.readings.get::<RawProcessDetails>().filter(|read| read.at.abs_diff(table.at) < SAME_MOMENT);
    if let Some(details) = details.and_then(Pair::of).filter(|_| processes.complete) {
        add_details(&mut processes.list, &details);
    }
    Some(processes)
}

/// Puts the details in. All lists are ordered by PID, so one walk finds every process and its earlier self.
fn add_details(processes: &mut [Process], details: &Pair<'_, RawProcessDetails>) {
    let mut earlier = details.previous.map_or(&[][..], |p| p.list.as_slice()).iter().peekable();
    let mut now = details.current.list.iter().peekable();
    for process in processes {
        while now.next_if(|detail| detail.pid < process.pid).is_some() {}
        while earlier.next_if(|detail| detail.pid < process.pid).is_some() {}
        let Some(detail) = now.next_if(|detail| detail.pid == process.pid) else { continue };
        let before = earlier.next_if(|before| before.pid == process.pid).and_then(|before| before.io_bytes);
        process.arguments.clone_from(&detail.arguments);
        process.io = detail.io_bytes.map(|[read_bytes, written_bytes]| ProcessIo {
            read_bytes,
            written_bytes,
            read_bytes_per_second: details.per_second(before.map(|[read, _]| read), read_bytes),
            written_bytes_per_second: details.per_second(before.map(|[_, written]| written), written_bytes),
        });
    }
}

/// The processes, each with its use of the CPU since the reading before.
fn derive_table(pair: &Pair<'_, RawProcesses>, current: &Sample) -> Processes {
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
        states: None,
        threads: None,
        list,
    };
    if raw.complete {
        let mut states = ProcessStates::default();
        processes.list.iter().for_each(|process| states.add(process.state));
        processes.states = Some(states);
        processes.threads = processes.list.iter().map(|process| process.threads.map(u64::from)).sum();
    }
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
            cpu_ratio: self.cpu_ratio(stat, before),
            memory,
            gids: raw.gids,
            children_seconds: stat.children_ticks.map(|ticks| ticks.map(|ticks| ticks as f64 / self.ticks_per_second)),
            waiting_seconds: stat.waiting_ticks.map(|ticks| ticks as f64 / self.ticks_per_second),
            memory_ratio: memory.zip(self.memory_bytes).map(|(m, total)| m.resident_bytes as f64 / total as f64),
            ..Process::default()
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
    use super::super::RawProcessDetail;
    use super::*;
    use crate::model::memory::Memory;
    use crate::model::{Gathered, Machine, Readings};

    fn process(pid: u32, start_ticks: u64, user_ticks: u64, system_ticks: u64) -> RawProcess {
        let stat = RawProcessStat {
            name: Arc::from("x"),
            state: 'S',
            parent: 1,
            user_ticks,
            system_ticks,
            children_ticks: Some([300, 50]),
            waiting_ticks: None,
            nice: 0,
            threads: 1,
            start_ticks,
        };
        RawProcess { pid, memory_pages: None, uid: None, user: None, gids: None, stat: Some(stat) }
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
        let memory = Memory { total_bytes: memory, ..Memory::default() };
        let meminfo = RawMeminfo { memory, ..RawMeminfo::default() };
        readings.put(Gathered { at, value: Ok(Arc::new(meminfo)), previous: None });
        let machine = Machine { page_bytes: 4096, ticks_per_second: 100 };
        Sample { at, unix_seconds: 1_000_000.0, machine, readings, runs: Vec::new() }
    }

    /// Share of the CPU of each process.
    fn shares(previous: Option<&RawProcesses>, current: &RawProcesses, seconds: f64) -> Vec<(u32, Option<f64>)> {
        let pair = Pair { previous, current, seconds: previous.map(|_| seconds) };
        derive_table(&pair, &sample(1, None)).list.iter().map(|process| (process.pid, process.cpu_ratio)).collect()
    }

    #[test]
    fn the_use_of_the_cpu_is_of_this_very_process() {
        let before = table(vec![process(1, 5, 100, 100), process(2, 7, 50, 0), process(4, 9, 10, 10)]);
        let now = table(vec![process(1, 5, 150, 150), process(3, 8, 9, 9), process(4, 10, 20, 20)]);
        // The second has ended, the third is new, the fourth has the number of another.
        assert_eq!(shares(Some(&before), &now, 2.0), [(1, Some(0.5)), (3, None), (4, None)]);
        assert_eq!(shares(None, &now, 2.0), [(1, None), (3, None), (4, None)], "the first reading");
    }

    /// The table at second 100 and details at `at`, with the earlier ones a second before.
    fn with_details(at: f64, before: &[(u32, u64)], now: &[(u32, u64)]) -> Vec<(u32, Option<ProcessIo>)> {
        let mut sample = sample(1, None);
        let value = Ok(Arc::new(table([2, 3, 5].map(|pid| process(pid, 5, 0, 0)).into())));
        sample.readings.put(Gathered { at: Duration::from_secs(100), value, previous: None });
        let details = |list: &[(u32, u64)]| {
            let detail = |(pid, bytes): &(u32, u64)| RawProcessDetail {
                pid: *pid,
                io_bytes: Some([*bytes, 2 * bytes]),
                arguments: Some(Arc::new([pid.to_string()])),
            };
            Arc::new(RawProcessDetails { list: list.iter().map(detail).collect() })
        };
        let at = Duration::from_secs_f64(at);
        let previous = Some((at - Duration::from_secs(1), details(before)));
        sample.readings.put(Gathered { at, value: Ok(details(now)), previous });
        let list = derive(&sample).unwrap().list;
        for process in &list {
            let own = process.arguments.as_ref().map(|arguments| arguments[0].clone());
            assert_eq!(own, process.io.map(|_| process.pid.to_string()));
        }
        list.iter().map(|process| (process.pid, process.io)).collect()
    }

    #[test]
    fn details_are_of_the_same_process_and_moment() {
        let io = |read_bytes, rates: Option<(f64, f64)>| {
            Some(ProcessIo {
                read_bytes,
                written_bytes: 2 * read_bytes,
                read_bytes_per_second: rates.map(|(read, _)| read),
                written_bytes_per_second: rates.map(|(_, written)| written),
            })
        };
        let (before, now) = ([(2, 10), (4, 7), (5, 90)], [(1, 5), (2, 40), (5, 80)]);
        let expected = [(2, io(40, Some((30.0, 60.0)))), (3, None), (5, io(80, None))];
        assert_eq!(with_details(100.02, &before, &now), expected);
        assert_eq!(with_details(99.5, &before, &now), expected);
        assert_eq!(with_details(101.5, &before, &now), [(2, None), (3, None), (5, None)]);
    }

    #[test]
    fn states_and_threads_are_counted_where_all_are_known() {
        let in_state = |pid, state, threads| {
            let process = process(pid, 5, 0, 0);
            let stat = process.stat.map(|stat| RawProcessStat { state, threads, ..stat });
            RawProcess { stat, ..process }
        };
        let list = "RSSDTtZIXw".chars().zip(1..).map(|(state, pid)| in_state(pid, state, 10)).collect();
        let mut raw = table(list);
        let found = derive_table(&Pair { previous: None, current: &raw, seconds: None }, &sample(1, None));
        let [running, sleeping, disk_sleep, stopped, zombie, idle, other] = [1, 2, 1, 2, 1, 1, 2];
        let states = ProcessStates { running, sleeping, disk_sleep, stopped, zombie, idle, other };
        assert_eq!((found.states, found.threads), (Some(states), Some(100)));
        assert_eq!((found.list[0].children_seconds, found.list[0].waiting_seconds), (Some([3.0, 0.5]), None));
        raw.complete = false;
        let found = derive_table(&Pair { previous: None, current: &raw, seconds: None }, &sample(1, None));
        assert_eq!((found.states, found.threads), (None, None));
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
        let found = derive_table(&pair, &sample(1, Some(4096))).list.remove(0);
        assert_eq!(found.memory.unwrap().resident_bytes, u64::MAX);
    }

    #[test]
    fn the_share_of_the_memory_needs_its_size() {
        let of = |total| {
            let raw = table(vec![RawProcess { memory_pages: Some([9, 2, 0, 0, 0, 0, 0]), ..process(1, 5, 0, 0) }]);
            let pair = Pair { previous: None, current: &raw, seconds: None };
            derive_table(&pair, &sample(1, total)).list.remove(0).memory_ratio
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
        let found = derive_table(&Pair { previous: None, current: &raw, seconds: None }, &sample(1, None));
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
            let list = derive_table(&pair, &sample(boot, None)).list;
            list.iter().map(|process| process.start_time_unix_seconds).collect::<Vec<_>>()
        };
        assert_eq!(starts(900_000), [Some(900_000.0), Some(900_500.0), Some(900_500.01)]);
        assert_eq!(starts(999_500), [Some(999_500.0), Some(1_000_000.0), None]);
        assert_eq!(starts(2_000_000), [None, None, None]);
    }
}
