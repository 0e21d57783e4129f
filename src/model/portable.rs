//! What the portable collector tells of the CPU and of processes: less than a kernel's files do, and in another form. Its
//! other sources fill the raw values that the Linux readers fill.
//!
//! Filled by [`crate::collect`] from the crate `sysinfo`; [`complete`] is called by [`super::derive()`]. Pure.

use std::sync::Arc;

use super::cpu::{Core, Cpu, CpuTime, Frequency};
use super::memory::RawMeminfo;
use super::process::{
    LONGEST_SPAN_SECONDS, Process, ProcessMemory, ProcessState, ProcessStates, Processes, Visibility,
};
use super::{Pair, Sample, Snapshot};

/// Use of the CPU over the last interval, as the system counts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuUse {
    /// Share of all cores together, 0 to 1. `None` before two readings.
    pub busy_ratio: Option<f64>,
    /// Number and share of each core.
    pub cores: Vec<(u32, Option<f64>)>,
    /// Wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
}

/// The process table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessTable {
    /// The processes, by PID.
    pub list: Vec<ProcessRow>,
}

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRow {
    /// PID.
    pub pid: u32,
    /// PID of the parent.
    pub parent: Option<u32>,
    /// Name, fit to be shown.
    pub name: Arc<str>,
    /// State.
    pub state: ProcessState,
    /// Real user.
    pub uid: Option<u32>,
    /// Name of that user.
    pub user: Option<Arc<str>>,
    /// Wall clock of its start, seconds since 1970. With the PID it identifies the process.
    pub start_unix_seconds: u64,
    /// CPU time in user and kernel mode since its start, milliseconds.
    pub cpu_milliseconds: u64,
    /// Resident set and address space, bytes. `None` when they may not be seen.
    pub memory_bytes: Option<(u64, u64)>,
}

/// Fills in what the portable collector read, if it was the one that read.
pub(super) fn complete(snapshot: &mut Snapshot, sample: &Sample, clocks: &[Frequency]) {
    let Some(cpu) = sample.readings.pair::<CpuUse>() else { return };
    snapshot.interval_seconds = cpu.seconds;
    snapshot.cpu = Some(derive_cpu(cpu.current, clocks));
    let memory = sample.readings.value::<RawMeminfo>().and_then(|all| all.memory.total_bytes);
    snapshot.processes = sample.readings.pair::<ProcessTable>().map(|pair| derive_processes(&pair, memory));
}

fn derive_cpu(cpu: &CpuUse, clocks: &[Frequency]) -> Cpu {
    let time = |busy_ratio| CpuTime { busy_ratio, ratios: None, seconds: None };
    let core = |(number, busy_ratio): &(u32, Option<f64>)| Core {
        core: *number,
        time: time(*busy_ratio),
        frequency_mhz: clocks.iter().find(|clock| clock.core == *number).map(|clock| clock.current_mhz),
        ..Core::default()
    };
    Cpu {
        total: Some(time(cpu.busy_ratio)),
        cores: cpu.cores.iter().map(core).collect(),
        boot_time_unix_seconds: cpu.boot_time_unix_seconds,
        ..Cpu::default()
    }
}

fn derive_processes(pair: &Pair<'_, ProcessTable>, memory_bytes: Option<u64>) -> Processes {
    let span = pair.seconds.filter(|span| *span <= LONGEST_SPAN_SECONDS);
    let before = pair.previous.map_or(&[][..], |table| &table.list);
    let process = |row: &ProcessRow| {
        let earlier = before.binary_search_by_key(&row.pid, |row| row.pid).ok().map(|at| &before[at]);
        // A number that was given to another process since has another start.
        let earlier = earlier.filter(|before| before.start_unix_seconds == row.start_unix_seconds);
        let grown = earlier.and_then(|before| row.cpu_milliseconds.checked_sub(before.cpu_milliseconds));
        let memory = row.memory_bytes.map(|(resident_bytes, virtual_bytes)| ProcessMemory {
            resident_bytes,
            virtual_bytes,
            ..ProcessMemory::default()
        });
        let share = |memory: ProcessMemory| {
            memory_bytes.filter(|all| *all > 0).map(|all| memory.resident_bytes as f64 / all as f64)
        };
        Process {
            pid: row.pid,
            parent_pid: row.parent,
            name: Arc::clone(&row.name),
            state: row.state,
            uid: row.uid,
            user: row.user.clone(),
            start_time_unix_seconds: Some(row.start_unix_seconds as f64),
            cpu_seconds: Some(row.cpu_milliseconds as f64 / 1000.0),
            cpu_ratio: grown.zip(span).map(|(milliseconds, span)| milliseconds as f64 / 1000.0 / span),
            memory,
            memory_ratio: memory.and_then(share),
            ..Process::default()
        }
    };
    let list: Vec<Process> = pair.current.list.iter().map(process).collect();
    // The first process is everybody's ancestor: where it is not seen, others are hidden too.
    let visibility =
        if list.first().is_some_and(|first| first.pid <= 1) { Visibility::All } else { Visibility::Limited };
    let mut states = ProcessStates::default();
    list.iter().for_each(|process| states.add(process.state));
    Processes { visibility, count: list.len(), complete: true, list, states: Some(states), threads: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u32, start: u64, cpu_milliseconds: u64) -> ProcessRow {
        ProcessRow {
            pid,
            parent: Some(1),
            name: "x".into(),
            state: ProcessState::Sleeping,
            uid: None,
            user: None,
            start_unix_seconds: start,
            cpu_milliseconds,
            memory_bytes: Some((4096, 8192)),
        }
    }

    fn shares(previous: Option<Vec<ProcessRow>>, current: Vec<ProcessRow>, seconds: f64) -> Vec<Option<f64>> {
        let (previous, current) = (previous.map(|list| ProcessTable { list }), ProcessTable { list: current });
        let seconds = previous.as_ref().map(|_| seconds);
        let pair = Pair { previous: previous.as_ref(), current: &current, seconds };
        derive_processes(&pair, Some(16_384)).list.iter().map(|process| process.cpu_ratio).collect()
    }

    #[test]
    fn the_use_of_the_cpu_is_of_this_very_process() {
        let before = || Some(vec![row(1, 5, 100), row(4, 9, 10)]);
        let now = || vec![row(1, 5, 1_100), row(3, 8, 9), row(4, 10, 20)];
        assert_eq!(shares(before(), now(), 2.0), [Some(0.5), None, None]);
        assert_eq!(shares(None, now(), 2.0), [None, None, None], "the first reading");
        assert_eq!(shares(before(), now(), 61.0), [None, None, None], "too long ago");
        assert_eq!(shares(Some(now()), vec![row(1, 5, 100)], 1.0), [None], "a reset");
    }

    #[test]
    fn what_is_not_told_is_unknown() {
        let table = ProcessTable { list: vec![row(2, 5, 1_500)] };
        let pair = Pair { previous: None, current: &table, seconds: None };
        let found = derive_processes(&pair, Some(16_384));
        assert_eq!((found.visibility, found.complete, found.count), (Visibility::Limited, true, 1));
        let process = &found.list[0];
        assert_eq!((process.threads, process.nice, process.cpu_user_seconds), (None, None, None));
        assert_eq!((process.cpu_seconds, process.memory_ratio), (Some(1.5), Some(0.25)));
        assert_eq!(process.memory.unwrap().shared_bytes, None);
        assert_eq!(derive_processes(&pair, None).list[0].memory_ratio, None);
    }

    #[test]
    fn each_core_has_its_share_and_its_clock() {
        let told = CpuUse { busy_ratio: None, cores: vec![(0, Some(0.5)), (3, None)], boot_time_unix_seconds: Some(7) };
        let clock = Frequency { core: 3, current_mhz: 1_500.0, min_mhz: None, max_mhz: None };
        let cpu = derive_cpu(&told, &[clock]);
        let cores: Vec<_> =
            cpu.cores.iter().map(|core| (core.core, core.time.busy_ratio, core.frequency_mhz)).collect();
        assert_eq!(cores, [(0, Some(0.5), None), (3, None, Some(1_500.0))]);
        assert_eq!((cpu.busy_ratio(), cpu.forks, cpu.boot_time_unix_seconds), (None, None, Some(7)));
        assert!(cpu.cores[0].time.seconds.is_none());
    }
}
