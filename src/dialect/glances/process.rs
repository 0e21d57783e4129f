//! Glances' `processlist` and `processcount`.
//!
//! Called by the table of plugins. Who may see command lines is settled by whoever asks.

use std::cmp::Reverse;

use serde::{Serialize, Serializer};

use super::Version;
use crate::dialect::number::{percent, percent_one_decimal, whole};
use crate::dialect::user::User;
use crate::model::Snapshot;
use crate::model::process::{Process, ProcessIo, ProcessState, RawProcesses};

#[derive(Serialize)]
pub struct ProcessRow<'a> {
    name: &'a str,
    cpu_times: Either<CpuTimes>,
    cpu_percent: f64,
    nice: Option<i32>,
    io_counters: [u64; 5],
    gids: Either<Groups>,
    num_threads: Option<u32>,
    pid: u32,
    status: &'static str,
    memory_percent: Option<f64>,
    memory_info: Either<MemoryInfo>,
    key: &'static str,
    time_since_update: Option<f64>,
    cmdline: Option<&'a [String]>,
    username: Option<User<'a>>,
}

#[derive(Serialize)]
struct CpuTimes {
    user: Option<f64>,
    system: Option<f64>,
    children_user: Option<f64>,
    children_system: Option<f64>,
    iowait: Option<f64>,
}

#[derive(Serialize)]
struct Groups {
    real: Option<u32>,
    effective: Option<u32>,
    saved: Option<u32>,
}

#[derive(Serialize)]
struct MemoryInfo {
    rss: Option<u64>,
    vms: Option<u64>,
    shared: Option<u64>,
    text: Option<u64>,
    lib: Option<u64>,
    data: Option<u64>,
    dirty: Option<u64>,
}

/// An object in version 4; in version 3 the list of its values.
struct Either<T>(Version, T);

/// The values of an object, in its order.
trait Values {
    fn values(&self) -> impl Serialize;
}

impl Values for CpuTimes {
    fn values(&self) -> impl Serialize {
        [self.user, self.system, self.children_user, self.children_system, self.iowait]
    }
}

impl Values for Groups {
    fn values(&self) -> impl Serialize {
        [self.real, self.effective, self.saved]
    }
}

impl Values for MemoryInfo {
    fn values(&self) -> impl Serialize {
        [self.rss, self.vms, self.shared, self.text, self.lib, self.data, self.dirty]
    }
}

impl<T: Values + Serialize> Serialize for Either<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Version::Three => self.1.values().serialize(serializer),
            Version::Four => self.1.serialize(serializer),
        }
    }
}

/// `processlist`: who uses the CPU most comes first, then who has most memory.
pub fn list(snapshot: &Snapshot, version: Version, may_see: bool) -> Vec<ProcessRow<'_>> {
    let all = snapshot.processes.as_ref().and_then(|processes| processes.all()).unwrap_or_default();
    let mut sorted: Vec<&Process> = all.iter().collect();
    let memory = |process: &Process| Reverse(process.memory.map(|memory| memory.resident_bytes));
    sorted.sort_by(|a, b| {
        let by_cpu = b.cpu_ratio.unwrap_or(0.0).total_cmp(&a.cpu_ratio.unwrap_or(0.0));
        by_cpu.then_with(|| memory(a).cmp(&memory(b))).then_with(|| a.pid.cmp(&b.pid))
    });
    let seconds = snapshot.readings.pair::<RawProcesses>().map_or(snapshot.interval_seconds, |pair| pair.seconds);
    sorted.into_iter().map(|process| row(process, version, may_see, seconds)).collect()
}

fn row(process: &Process, version: Version, may_see: bool, seconds: Option<f64>) -> ProcessRow<'_> {
    let [children_user, children_system] = process.children_seconds.map_or([None; 2], |both| both.map(Some));
    let [real, effective, saved] = process.gids.map_or([None; 3], |gids| gids.map(Some));
    let memory = process.memory;
    let times = CpuTimes {
        user: process.cpu_user_seconds,
        system: process.cpu_system_seconds,
        children_user,
        children_system,
        iowait: process.waiting_seconds,
    };
    let info = MemoryInfo {
        rss: memory.map(|memory| memory.resident_bytes),
        vms: memory.map(|memory| memory.virtual_bytes),
        shared: memory.and_then(|memory| memory.shared_bytes),
        text: memory.and_then(|memory| memory.text_bytes),
        lib: memory.and_then(|memory| memory.library_bytes),
        data: memory.and_then(|memory| memory.data_bytes),
        dirty: memory.and_then(|memory| memory.dirty_bytes),
    };
    ProcessRow {
        name: &process.name,
        cpu_times: Either(version, times),
        // Glances' own first answer, and what its clients draw, is 0.
        cpu_percent: process.cpu_ratio.map_or(0.0, percent_one_decimal),
        nice: process.nice,
        io_counters: io_counters(process.io.as_ref(), seconds),
        gids: Either(version, Groups { real, effective, saved }),
        num_threads: process.threads,
        pid: process.pid,
        status: letter(process.state),
        memory_percent: process.memory_ratio.map(percent),
        memory_info: Either(version, info),
        key: "pid",
        time_since_update: seconds,
        cmdline: process.arguments.as_deref().filter(|_| may_see),
        username: User::of(process),
    }
}

/// Bytes read and written, what they were `seconds` ago at the rate of their last interval, and 1: clients divide the
/// difference by `time_since_update`, and files of processes are read more seldom than the table. Zeros where nothing is
/// known, and a last 0 where there is no rate yet: what Glances says.
fn io_counters(io: Option<&ProcessIo>, seconds: Option<f64>) -> [u64; 5] {
    let Some(io) = io else { return [0; 5] };
    let before = |bytes: u64, rate: Option<f64>| Some(bytes.saturating_sub(whole((rate? * seconds?).round())?));
    let earlier = before(io.read_bytes, io.read_bytes_per_second);
    match earlier.zip(before(io.written_bytes, io.written_bytes_per_second)) {
        Some((read, written)) => [io.read_bytes, io.written_bytes, read, written, 1],
        None => [io.read_bytes, io.written_bytes, 0, 0, 0],
    }
}

/// The letter of proc(5).
fn letter(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "R",
        ProcessState::Sleeping => "S",
        ProcessState::DiskSleep => "D",
        ProcessState::Stopped => "T",
        ProcessState::TracingStop => "t",
        ProcessState::Zombie => "Z",
        ProcessState::Dead => "X",
        ProcessState::Idle => "I",
        ProcessState::Unknown => "?",
    }
}

#[derive(Serialize)]
pub struct ProcessCount {
    total: Option<usize>,
    running: Option<u64>,
    sleeping: Option<u64>,
    thread: Option<u64>,
    pid_max: Option<u64>,
}

/// `processcount`. `total` counts the idle and the stopped too.
pub fn count(snapshot: &Snapshot) -> ProcessCount {
    let processes = snapshot.processes.as_ref();
    let states = processes.and_then(|processes| processes.states);
    ProcessCount {
        total: processes.map(|processes| processes.count),
        running: states.map(|states| states.running),
        sleeping: states.map(|states| states.sleeping),
        thread: processes.and_then(|processes| processes.threads),
        pid_max: snapshot.host.as_deref().and_then(|host| host.pid_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_is_told_with_the_reading_before() {
        let io = ProcessIo {
            read_bytes: 1_000,
            written_bytes: 500,
            read_bytes_per_second: Some(100.0),
            written_bytes_per_second: Some(0.0),
        };
        assert_eq!(io_counters(Some(&io), Some(2.5)), [1_000, 500, 750, 500, 1]);
        assert_eq!(io_counters(Some(&io), None), [1_000, 500, 0, 0, 0]);
        let first = ProcessIo { read_bytes_per_second: None, ..io };
        assert_eq!(io_counters(Some(&first), Some(2.5)), [1_000, 500, 0, 0, 0]);
        assert_eq!(io_counters(None, Some(2.5)), [0; 5]);
    }

    #[test]
    fn what_was_read_over_the_time_that_is_told_is_the_rate() {
        let mut snapshot = crate::dialect::testing::snapshot();
        let mut processes = snapshot.processes.take().unwrap();
        let io = ProcessIo {
            read_bytes: 1_000_000,
            written_bytes: 500,
            read_bytes_per_second: Some(4_096.0),
            written_bytes_per_second: Some(0.0),
        };
        processes.list[0].io = Some(io);
        let pid = processes.list[0].pid;
        snapshot.processes = Some(processes);
        let rows = list(&snapshot, Version::Four, false);
        let row = rows.iter().find(|row| row.pid == pid).unwrap();
        let [read, _, earlier, _, is_known] = row.io_counters;
        assert_eq!(((read - earlier) as f64 / row.time_since_update.unwrap(), is_known), (4_096.0, 1));
    }
}
