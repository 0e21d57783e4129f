//! Our own words: the snapshot as it stands. Field names carry their unit; what is unknown is `null`.
//!
//! Called by the server, once a frame.

use super::json_text;
use crate::model::process::Processes;
use crate::model::{Answer, Snapshot, Subjects};

/// `GET /api/v1/snapshot`.
pub static SNAPSHOT: Answer = Answer { name: "/api/v1/snapshot", needs: NEEDS, encode: snapshot };

/// One event of `GET /api/v1/stream`.
pub static EVENT: Answer = Answer { name: "/api/v1/stream", needs: NEEDS, encode: event };

/// One event of `GET /api/v1/stream?processes=top`: of the processes the largest and the busiest alone.
pub static EVENT_TOP: Answer = Answer { name: "/api/v1/stream?processes=top", needs: NEEDS, encode: event_top };

/// One event of `GET /api/v1/stream?processes=none`: without processes, which then nobody gathers for it.
pub static EVENT_VITALS: Answer =
    Answer { name: "/api/v1/stream?processes=none", needs: NEEDS_VITALS, encode: event_vitals };

/// What a snapshot holds: everything but the sockets, which are `/api/network`'s.
const NEEDS: Subjects = NEEDS_VITALS.with(Subjects::ALL_PROCESSES);

const NEEDS_VITALS: Subjects = Subjects::ADDRESSES
    .with(Subjects::WIRELESS)
    .with(Subjects::FILESYSTEMS)
    .with(Subjects::SENSORS)
    .with(Subjects::FREQUENCY)
    .with(Subjects::CONTAINER);

/// Body of `GET /api/v1/snapshot`.
fn snapshot(snapshot: &Snapshot) -> String {
    json_text(snapshot)
}

/// The same object as one server-sent event.
fn event(snapshot: &Snapshot) -> String {
    format!("data: {}\n\n", json_text(snapshot))
}

fn event_top(snapshot: &Snapshot) -> String {
    event(&Snapshot { processes: snapshot.processes.as_ref().map(Processes::foremost), ..snapshot.clone() })
}

/// Whether processes were gathered for somebody else makes no difference.
fn event_vitals(snapshot: &Snapshot) -> String {
    event(&Snapshot { processes: None, ..snapshot.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::snapshot;
    use crate::dialect::testing;
    use crate::model::Snapshot;

    /// A number whose name has none of these ends would leave its reader guessing.
    const UNITS: [&str; 13] = [
        "_bytes",
        "_seconds",
        "_ratio",
        "_per_second",
        "_mhz",
        "_celsius",
        "_dbm",
        "_kibibytes",
        "rpm",
        "mhz",
        "celsius",
        "_ratios",
        "_cores",
    ];

    #[test]
    fn nothing_known_is_null_and_no_key_is_absent() {
        let full: Value = serde_json::from_str(&snapshot(&testing::snapshot())).unwrap();
        let empty: Value = serde_json::from_str(&snapshot(&Snapshot::default())).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&full), keys(&empty));
        assert!(empty["cpu"].is_null() && empty["memory"].is_null() && empty["processes"].is_null());
    }

    #[test]
    fn an_event_carries_as_many_processes_as_were_asked_for() {
        let mut full = testing::snapshot();
        let processes = full.processes.as_mut().unwrap();
        let one = processes.list[0].clone();
        // Of 50, the last are the largest and the first the busiest.
        processes.list = (0..50_u32)
            .map(|at| {
                let mut process = one.clone();
                process.pid = at + 1;
                process.cpu_ratio = Some(f64::from(50 - at));
                process.memory.as_mut().unwrap().resident_bytes = u64::from(at);
                process
            })
            .collect();
        (processes.complete, processes.count) = (true, 50);
        let read = |text: String| -> Value {
            serde_json::from_str(text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap()).unwrap()
        };
        let top = read(super::event_top(&full));
        let pids: Vec<_> =
            top["processes"]["list"].as_array().unwrap().iter().map(|p| p["pid"].as_u64().unwrap()).collect();
        assert_eq!(pids, (41..=50).rev().chain(1..=10).collect::<Vec<_>>());
        assert_eq!((&top["processes"]["count"], &top["processes"]["complete"]), (&50.into(), &false.into()));
        let vitals = read(super::event_vitals(&full));
        assert!(vitals["processes"].is_null());
        assert_eq!(vitals["memory"], top["memory"]);
        assert_eq!(read(super::event(&full))["processes"]["list"].as_array().unwrap().len(), 50);
    }

    /// Floating point numbers are measures, and a measure has a unit in its name or in the name of what holds it.
    #[test]
    fn every_measure_carries_its_unit() {
        fn walk(path: &str, has_unit: bool, value: &Value, bare: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    for (key, value) in map {
                        let unit = has_unit
                            || UNITS.iter().any(|unit| key.ends_with(unit))
                            || matches!(key.as_str(), "seconds" | "ratios");
                        walk(&format!("{path}.{key}"), unit, value, bare);
                    }
                }
                Value::Array(list) => list.iter().for_each(|value| walk(path, has_unit, value, bare)),
                Value::Number(number) if number.is_f64() && !has_unit => bare.push(path.to_owned()),
                _ => {}
            }
        }
        let value: Value = serde_json::from_str(&snapshot(&testing::snapshot())).unwrap();
        let mut bare = Vec::new();
        walk("", false, &value, &mut bare);
        // Load averages are counts of tasks and have no unit.
        bare.retain(|path| !path.starts_with(".load."));
        assert_eq!(bare, Vec::<String>::new());
    }
}
