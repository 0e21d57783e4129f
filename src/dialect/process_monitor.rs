//! Process Monitor: the object of `GET /api/processes` and the server-sent event that carries it.
//!
//! Called by the server, once a frame. Times are milliseconds in steps of 100 ns, the resolution of the original.

use std::borrow::Cow;

use serde::Serialize;

use super::json_text;
use super::number::whole;
use crate::model::process::{Process, ProcessState};
use crate::model::{Answer, Snapshot, Subjects};

/// The object, for whoever asks once.
pub static OBJECT: Answer = Answer {
    name: "/api/processes",
    needs: Subjects::ALL_PROCESSES,
    encode: |snapshot| json_text(&processes(snapshot)),
};

/// One event of the stream.
pub static EVENT: Answer = Answer { name: "/api/processes", needs: Subjects::ALL_PROCESSES, encode: event };

/// All processes, ordered by name (byte by byte), those of one name by PID. `null` while not all were gathered.
fn processes(snapshot: &Snapshot) -> impl Serialize + '_ {
    let all = snapshot.processes.as_ref().and_then(|processes| processes.all());
    object!(#[serde(rename_all = "PascalCase")] {
        processes: all.map(|all| {
            let mut named: Vec<_> = all.iter().map(|process| (shown_name(process), process)).collect();
            named.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then(one.pid.cmp(&other.pid)));
            named.into_iter().map(|(name, process)| row(name, process)).collect::<Vec<_>>()
        }),
    })
}

/// The same object as one server-sent event.
fn event(snapshot: &Snapshot) -> String {
    format!("data: {}\n\n", json_text(&processes(snapshot)))
}

fn shown_name(process: &Process) -> Cow<'_, str> {
    if process.name.trim().is_empty() { format!("Id : {}", process.pid).into() } else { (*process.name).into() }
}

fn row<'a>(process_name: Cow<'a, str>, process: &'a Process) -> impl Serialize + use<'a> {
    let user = process.cpu_user_seconds.and_then(steps);
    let privileged = process.cpu_system_seconds.and_then(steps);
    // Added as whole steps, so that the sum is the nearest number to the true one.
    let sum = user.zip(privileged).map(|(user, privileged)| user + privileged);
    object!(#[serde(rename_all = "PascalCase")] {
        id: process.pid,
        process_name,
        total_processor_time: sum.or_else(|| steps(process.cpu_seconds?)).map(milliseconds),
        threads_count: process.threads,
        physical_memory_usage: process.memory.map(|memory| memory.resident_bytes),
        user_processor_time: user.map(milliseconds),
        privileged_processor_time: privileged.map(milliseconds),
        state: if process.state == ProcessState::Running { "running" } else { "sleeping" },
    })
}

/// Steps of 100 ns.
fn steps(seconds: f64) -> Option<u64> {
    whole((seconds * 1e7).round())
}

fn milliseconds(steps: u64) -> f64 {
    steps as f64 / 1e4
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::{event, processes};
    use crate::dialect::testing::{assert_finite, assert_golden, assert_has_shape, process, snapshot, text};
    use crate::model::Snapshot;
    use crate::model::process::{ProcessState, Processes};

    fn rows(list: Vec<crate::model::process::Process>) -> Vec<Value> {
        let processes_ = Processes { count: list.len(), complete: true, list, ..Processes::default() };
        let snapshot = Snapshot { processes: Some(processes_), ..Snapshot::default() };
        let answer: Value = serde_json::from_str(&text(&processes(&snapshot))).unwrap();
        answer["Processes"].as_array().unwrap().clone()
    }

    #[test]
    fn golden_and_recorded_shape() {
        let answer = text(&processes(&snapshot()));
        assert_golden("process-monitor-processes", &answer);
        assert_has_shape("process-monitor-processes", &answer);
        assert_finite(&answer);
    }

    #[test]
    fn the_event_is_one_line_and_an_empty_one() {
        let event = event(&snapshot());
        let body = event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        assert_eq!(body, text(&processes(&snapshot())));
        assert!(!body.contains(['\n', '\r']), "a line break would end the event");
    }

    #[test]
    fn unknown_is_null() {
        assert_eq!(text(&processes(&Snapshot::default())), r#"{"Processes":null}"#);
        let mut partial = snapshot();
        if let Some(processes) = &mut partial.processes {
            processes.complete = false;
        }
        assert_eq!(text(&processes(&partial)), r#"{"Processes":null}"#, "the ten largest are not all");
        let mut unread = process(9, "gone");
        unread.memory = None;
        unread.cpu_user_seconds = Some(f64::NAN);
        let rows = rows(vec![unread]);
        assert_eq!(rows[0]["PhysicalMemoryUsage"], Value::Null);
        assert_eq!(rows[0]["TotalProcessorTime"], Value::Null);
        assert_eq!(rows[0]["UserProcessorTime"], Value::Null);
        assert_eq!(rows[0].as_object().unwrap().len(), 8);
    }

    #[test]
    fn order_is_by_name_then_by_id() {
        let names = ["bash", "Zed", "bash", "", "éa", "  "];
        let list = names.iter().zip(1..).map(|(name, pid)| process(pid, name)).collect();
        let rows = rows(list);
        let found: Vec<(&str, u64)> =
            rows.iter().map(|r| (r["ProcessName"].as_str().unwrap(), r["Id"].as_u64().unwrap())).collect();
        assert_eq!(found, [("Id : 4", 4), ("Id : 6", 6), ("Zed", 2), ("bash", 1), ("bash", 3), ("éa", 5)]);
    }

    #[test]
    fn times_are_milliseconds_that_add_up() {
        let list = (0..1000_u32)
            .map(|n| {
                let mut process = process(n + 1, "worker");
                process.cpu_user_seconds = Some(f64::from(n * 7919) / 100.0);
                process.cpu_system_seconds = Some(f64::from(n * 104_729 % 1000) / 100.0);
                process
            })
            .collect();
        for (n, row) in rows(list).iter().enumerate() {
            let time = |key: &str| row[key].as_f64().unwrap();
            assert_eq!(time("UserProcessorTime"), (n * 79190) as f64);
            assert_eq!(time("TotalProcessorTime"), time("UserProcessorTime") + time("PrivilegedProcessorTime"));
        }
    }

    #[test]
    fn only_state_r_is_running() {
        for (state, word) in [
            (ProcessState::Running, "running"),
            (ProcessState::DiskSleep, "sleeping"),
            (ProcessState::Zombie, "sleeping"),
            (ProcessState::Unknown, "sleeping"),
        ] {
            let mut process = process(1, "init");
            process.state = state;
            process.name = Arc::from("init");
            assert_eq!(rows(vec![process])[0]["State"], word);
        }
    }
}
