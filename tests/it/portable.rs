//! Both collectors at the same moment on this machine: whatever the portable one tells, the one of Linux tells too, and the
//! same. Names, numbers of processes, sizes are equal; what moves may have moved while both read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::time::Duration;

use psmonitor::collect::{Collector, Paths, Readers};
use psmonitor::model::{Subjects, derive};
use serde_json::Value;

use crate::busy::turn;
use crate::support::{Server, run};

const ALL: Subjects = Subjects::ALL_PROCESSES
    .with(Subjects::SOCKETS)
    .with(Subjects::WIRELESS)
    .with(Subjects::ADDRESSES)
    .with(Subjects::FILESYSTEMS)
    .with(Subjects::SENSORS)
    .with(Subjects::FREQUENCY)
    .with(Subjects::TABLES);

/// What each collector tells after two readings, a second apart, both begun at the same moment. The one of Linux reads once
/// before and once after the portable one, so that what moves lies between its two answers.
fn both() -> [Value; 3] {
    let start = Barrier::new(2);
    let told = |readers, pauses: [u64; 2]| {
        let mut collector = Collector::new(&Paths { readers, ..Paths::host() });
        collector.read(ALL);
        start.wait();
        pauses.map(|pause| {
            std::thread::sleep(Duration::from_millis(pause));
            serde_json::to_value(derive(&collector.read(ALL))).expect("JSON")
        })
    };
    std::thread::scope(|scope| {
        let linux = scope.spawn(|| told(Readers::Linux, [1_000, 600]));
        let portable = scope.spawn(|| told(Readers::Portable, [1_300, 600]));
        let [before, after] = linux.join().expect("a reading");
        let [portable, _] = portable.join().expect("a reading");
        [before, portable, after]
    })
}

/// The key under which rows of a list are the same row.
const KEYS: [&str; 5] = ["pid", "mount_point", "core", "name", "ip"];

fn key_of(row: &Value) -> Option<String> {
    KEYS.iter().find_map(|key| row.get(key)).map(ToString::to_string)
}

/// Every value that is known, by its path: `processes.list[1].name`. Rows go by their key, not by their place.
fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(value, &format!("{path}.{key}"), found)),
        Value::Array(rows) => rows.iter().enumerate().for_each(|(at, row)| {
            let key = key_of(row).unwrap_or_else(|| at.to_string());
            leaves(row, &format!("{path}[{key}]"), found);
        }),
        Value::Null => {}
        known => drop(found.insert(path.to_owned(), known.clone())),
    }
}

/// How far a number may lie outside of the two that the other collector told. `None`: it must be equal to one of them.
fn slack(path: &str, value: f64) -> Option<f64> {
    const MIB: f64 = 1_048_576.0;
    let last = path.rsplit('.').next().unwrap_or_default();
    let of_process = path.starts_with(".processes.list");
    Some(match last {
        "time_unix_seconds" | "interval_seconds" | "uptime_seconds" | "start_time_unix_seconds" => 1.1,
        "busy_ratio" | "used_ratio" | "memory_ratio" => 0.35,
        "cpu_ratio" => 1.0,
        "one" | "five" | "fifteen" => 0.5,
        // Whole megahertz, of a clock that goes up and down.
        "frequency_mhz" | "cpu_frequency_mhz" | "mhz" => value.max(1_000.0),
        "total_bytes" | "mtu_bytes" | "prefix_length" | "pid" | "parent_pid" | "uid" | "core" | "index" => return None,
        "resident_bytes" | "virtual_bytes" => value * 0.25 + 16.0 * MIB,
        "count" => 10.0 + value * 0.1,
        // How many processes are in which state, of which some run or stop at every moment.
        _ if path.starts_with(".processes.states") => 10.0 + value * 0.1,
        _ if last.ends_with("_per_second") => f64::MAX,
        _ if last.ends_with("_bytes") || last == "bytes" => 256.0 * MIB,
        _ if of_process => return None,
        "packets" => 50_000.0,
        _ => return None,
    })
}

/// What the portable collector is known to say in other words, or to count in another way.
fn is_other(path: &str) -> bool {
    const OTHER: [&str; 9] = [
        // The name and the version apart from each other, where Linux has a text of both.
        ".host.distribution",
        ".host.distribution_version",
        // The running of the readers, and means over a life that has just begun.
        ".readers",
        ".averages",
        // Both come and go between two looks; a state is that of a moment.
        ".state",
        ".options",
        // What is reserved for root counts as used.
        ".usage.used_bytes",
        ".usage.used_ratio",
        // Told apart by mode on Linux.
        ".cpu_seconds",
    ];
    OTHER.iter().any(|other| path.starts_with(other) || path.ends_with(other))
}

/// A worker of the kernel is called after what it does at the moment.
fn is_worker(path: &str, told: &Value) -> bool {
    path.ends_with(".name") && told.as_str().is_some_and(|name| name.starts_with("kworker/"))
}

/// What differs, each with its path and both values. `portable` must be whatever `before` or `after` is.
fn differences([before, portable, after]: &[BTreeMap<String, Value>; 3]) -> Vec<String> {
    let is_gone = |path: &str| {
        // A process that ended or began, an interface or a device that is not told by both.
        let row = path.split_inclusive(']').next().unwrap_or_default();
        let in_both = |leaves: &BTreeMap<String, Value>| leaves.keys().any(|known| known.starts_with(row));
        path.starts_with(".processes.list[") && !(in_both(before) && in_both(after))
    };
    let mut wrong = Vec::new();
    for (path, told) in
        portable.iter().filter(|(path, told)| !is_other(path) && !is_worker(path, told) && told.as_str() != Some(""))
    {
        let theirs = [before.get(path), after.get(path)];
        let fits = theirs.iter().flatten().any(|value| *value == told)
            || match (told.as_f64(), theirs.map(|value| value.and_then(Value::as_f64))) {
                (Some(number), [one, other]) => {
                    let (one, other) = (one.or(other), other.or(one));
                    one.zip(other).zip(slack(path, number)).is_some_and(|((one, other), slack)| {
                        one.min(other) - slack <= number && number <= one.max(other) + slack
                    })
                }
                _ => false,
            };
        if !fits && !is_gone(path) {
            wrong.push(format!("{path}: portable {told}, linux {theirs:?}"));
        }
    }
    wrong
}

fn all_leaves(told: &[Value; 3]) -> [BTreeMap<String, Value>; 3] {
    told.each_ref().map(|value| {
        let mut found = BTreeMap::new();
        leaves(value, "", &mut found);
        found
    })
}

#[test]
fn both_collectors_tell_the_same_of_this_machine() {
    let _turn = turn();
    let told = both();
    let found = all_leaves(&told);
    let wrong = differences(&found);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let [linux, portable, _] = &told;
    // What the library is there for is told at all.
    for known in [
        "/host/hostname",
        "/host/kernel",
        "/host/own_user",
        "/uptime_seconds",
        "/cpu/total/busy_ratio",
        "/cpu/cores/0/busy_ratio",
        "/memory/used_bytes",
        "/swap/total_bytes",
        "/load/one",
        "/processes/list/0/name",
        "/processes/list/0/cpu_ratio",
        "/interfaces/0/received/bytes_per_second",
        "/interfaces/0/link/mtu_bytes",
    ] {
        assert!(portable.pointer(known).is_some_and(|value| !value.is_null()), "{known} is not told");
    }
    // Neither leaves out what the other has.
    let names = |told: &Value, list: &str| -> BTreeSet<String> {
        told[list].as_array().into_iter().flatten().filter_map(|row| Some(row["name"].as_str()?.to_owned())).collect()
    };
    assert_eq!(names(portable, "interfaces"), names(linux, "interfaces"));
    let pids = |told: &Value| -> BTreeSet<u64> {
        told["processes"]["list"].as_array().into_iter().flatten().filter_map(|row| row["pid"].as_u64()).collect()
    };
    let (before, at, after) = (pids(&told[0]), pids(&told[1]), pids(&told[2]));
    let lasting: BTreeSet<u64> = before.intersection(&after).copied().collect();
    assert_eq!(lasting.difference(&at).collect::<Vec<_>>(), Vec::<&u64>::new(), "processes that are not told");
    assert_eq!(portable["host"]["distribution_id"], linux["host"]["distribution_id"]);
    let version = |told: &Value| told["host"]["distribution_version"].as_str().unwrap_or_default().to_owned();
    assert!(version(linux).starts_with(&version(portable)));
    // CPU time is told whole.
    let own = |told: &Value| {
        let list = told["processes"]["list"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|row| row["pid"] == std::process::id()).expect("our own process")
    };
    let seconds = own(&told[0])["cpu_user_seconds"].as_f64().zip(own(&told[0])["cpu_system_seconds"].as_f64());
    let (user, system) = seconds.expect("both parts");
    let whole = own(portable)["cpu_seconds"].as_f64().expect("the sum");
    assert!((user + system - whole).abs() < 2.0, "{user} + {system} is not {whole}");
    // The root's numbers: what may be filled, and all that is not free to everybody.
    let root = |told: &Value| {
        let list = told["filesystems"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|row| row["mount_point"] == "/").map(|row| row["usage"].clone())
    };
    if let (Some(linux), Some(portable)) = (root(linux), root(portable)) {
        let number = |usage: &Value, key: &str| usage[key].as_f64().expect("a number");
        let expected = number(&linux, "total_bytes") - number(&linux, "available_bytes");
        assert!((number(&portable, "used_bytes") - expected).abs() < 268_435_456.0);
    }
}

#[test]
fn a_value_that_is_wrong_or_made_up_is_noticed() {
    let told = both();
    let spoilt = |pointer: &str, value: Value| {
        let mut told = told.clone();
        *told[1].pointer_mut(pointer).expect("a value") = value;
        differences(&all_leaves(&told)).len()
    };
    assert!(spoilt("/host/hostname", "another".into()) > 0);
    assert!(spoilt("/memory/total_bytes", 1.into()) > 0);
    assert!(spoilt("/processes/list/0/name", "another".into()) > 0);
    assert!(spoilt("/processes/list/0/threads", 0.into()) > 0, "0 for an unknown");
    assert!(spoilt("/interfaces/0/received/dropped", 4_711.into()) > 0, "a number for an unknown");
    assert!(spoilt("/load/one", 10_000.0.into()) > 0);
}

#[test]
fn what_is_missing_is_told_as_missing_and_the_server_is_well() {
    let mut server = Server::start(&["--collector", "portable"]);
    let page = server.get("/metrics").text();
    for told in ["node_load1 ", "node_memory_MemTotal_bytes ", "node_filesystem_size_bytes{", "node_boot_time_seconds "]
    {
        assert!(page.lines().any(|line| line.starts_with(told)), "{told} is not on the page");
    }
    for (collector, success) in [("meminfo", 1), ("diskstats", 1), ("pressure", 0), ("netstat", 0)] {
        let line = format!("node_scrape_collector_success{{collector=\"{collector}\"}} {success}");
        assert!(page.lines().any(|found| found == line), "{line}");
    }
    let snapshot = server.json("/api/v1/snapshot");
    for run in snapshot["readers"].as_array().expect("a list") {
        assert_eq!(run["success"], true, "{run}");
    }
    assert_eq!((&snapshot["pressure"], &snapshot["wireless"]), (&Value::Null, &Value::Null));
    assert!(!server.log().contains("WARN"), "{}", server.log());
    server.assert_well();
}

#[test]
fn roots_are_of_no_use_to_it() {
    let output = run(&["--collector", "portable", "--procfs", "/proc"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("--procfs /proc") && text.contains("--collector linux"), "{text}");
}
