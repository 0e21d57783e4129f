//! Glances' `processlist` and `processcount`.
//!
//! Called by the table of plugins. Who may see command lines is settled by whoever asks.

use std::cmp::Reverse;

use serde::Serialize;

use super::Version;
use crate::dialect::number::{percent, percent_one_decimal, whole};
use crate::dialect::user::User;
use crate::model::Snapshot;
use crate::model::process::{Process, ProcessIo, ProcessState, RawProcesses};

/// An object in version 4; in version 3 the list of its values.
#[derive(Serialize)]
#[serde(untagged)]
enum Either<L, O> {
    List(L),
    Object(O),
}

fn either<L, O>(version: Version, values: L, object: impl FnOnce(L) -> O) -> Either<L, O> {
    match version {
        Version::Three => Either::List(values),
        Version::Four => Either::Object(object(values)),
    }
}

/// `processlist`: who uses the CPU most comes first, then who has most memory.
pub fn list(snapshot: &Snapshot, version: Version, may_see: bool) -> Vec<impl Serialize> {
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

fn row(process: &Process, version: Version, may_see: bool, seconds: Option<f64>) -> impl Serialize {
    let children = process.children_seconds.map_or([None; 2], |both| both.map(Some));
    let times =
        [process.cpu_user_seconds, process.cpu_system_seconds, children[0], children[1], process.waiting_seconds];
    let cpu_times = either(version, times, |[user, system, children_user, children_system, iowait]| {
        object! { user, system, children_user, children_system, iowait }
    });
    let gids = process.gids.map_or([None; 3], |gids| gids.map(Some));
    let gids = either(version, gids, |[real, effective, saved]| object! { real, effective, saved });
    let memory = process.memory;
    let sizes = [
        memory.map(|memory| memory.resident_bytes),
        memory.map(|memory| memory.virtual_bytes),
        memory.and_then(|memory| memory.shared_bytes),
        memory.and_then(|memory| memory.text_bytes),
        memory.and_then(|memory| memory.library_bytes),
        memory.and_then(|memory| memory.data_bytes),
        memory.and_then(|memory| memory.dirty_bytes),
    ];
    let memory_info = either(version, sizes, |[rss, vms, shared, text, lib, data, dirty]| {
        object! { rss, vms, shared, text, lib, data, dirty }
    });
    object! {
        name: &process.name,
        cpu_times,
        // Glances' own first answer, and what its clients draw, is 0.
        cpu_percent: process.cpu_ratio.map_or(0.0, percent_one_decimal),
        nice: process.nice,
        io_counters: io_counters(process.io.as_ref(), seconds),
        gids,
        num_threads: process.threads,
        pid: process.pid,
        status: letter(process.state),
        memory_percent: process.memory_ratio.map(percent),
        memory_info,
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

/// `processcount`. `total` counts the idle and the stopped too.
pub fn count(snapshot: &Snapshot) -> impl Serialize {
    let processes = snapshot.processes.as_ref();
    let states = processes.and_then(|processes| processes.states);
    object! {
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
        let rows = serde_json::to_value(list(&snapshot, Version::Four, false)).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
        let [read, earlier, is_known] = [0, 2, 4].map(|place| row["io_counters"][place].as_u64().unwrap());
        let seconds = row["time_since_update"].as_f64().unwrap();
        assert_eq!(((read - earlier) as f64 / seconds, is_known), (4_096.0, 1));
    }
}
