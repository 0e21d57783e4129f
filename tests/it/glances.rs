//! Glances' answers about the fixture machine, compared with `tests/golden/it-glances-all.json`, which was checked by hand
//! against the fixture's files; and a process that holds up whoever looks at it.
//!
//! Masked is what comes from the machine that runs the tests: how full its disk is, and the exact time between two ticks.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::{assert_golden, check_disk, told};
use crate::machine::Machine;
use crate::support::Server;

/// Masks times and rates; each rate is the difference beside it, over the time beside it.
fn mask_rates(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let seconds = object.get("time_since_update").and_then(Value::as_f64);
            let keys: Vec<String> = object.keys().filter(|key| key.ends_with("_rate_per_sec")).cloned().collect();
            for key in keys.iter().filter(|key| *key != "syscalls_rate_per_sec") {
                let (rate, seconds) = (object[key].as_f64().expect("a rate"), seconds.expect("a time"));
                let difference = object[key.trim_end_matches("_rate_per_sec")].as_f64().expect("a difference");
                assert!((rate - difference / seconds).abs() <= 0.5, "{key}: {rate} is not {difference} in {seconds} s");
                object[key] = json!("<masked>");
            }
            if let Some(seconds) = seconds {
                assert!((6.0..12.0).contains(&seconds), "{seconds} s between two ticks of 8 s");
                object["time_since_update"] = json!("<masked>");
            }
            object.values_mut().for_each(mask_rates);
        }
        Value::Array(list) => list.iter_mut().for_each(mask_rates),
        _ => {}
    }
}

#[test]
fn everything_about_the_machine() {
    let told = told();
    let mut all = told.glances.clone();
    mask_rates(&mut all);
    all["now"] = json!("<masked>");
    let rows = all["fs"].as_array_mut().expect("rows");
    let root = rows.iter().find(|row| row["mnt_point"] == "/").expect("a root");
    let names = json!({"total": root["size"], "used": root["used"], "free": root["free"], "percent": root["percent"]});
    check_disk(&told.disk, &names, 1.0);
    for row in rows {
        ["size", "used", "free", "percent"].into_iter().for_each(|key| row[key] = json!("<masked>"));
    }
    assert_golden("glances-all", &all);
}

/// A command line that does not come, as when a process holds its memory's lock.
#[test]
fn a_process_that_holds_up_who_looks_at_it_costs_command_lines_only() {
    let machine = Machine::copy();
    let path = machine.path("proc/1310/cmdline");
    std::fs::remove_file(&path).expect("the file is removed");
    let fifo = rustix::fs::CWD;
    rustix::fs::mknodat(fifo, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("a pipe");
    let mut args = machine.args();
    args.extend(["--interval", "200ms"].map(String::from));
    let server = Server::start(&args);
    for patience in [20, 10] {
        let begin = Instant::now();
        let all = server.json("/api/4/all");
        assert!(begin.elapsed() < Duration::from_secs(patience), "{:?}", begin.elapsed());
        let rows = all["processlist"].as_array().expect("rows");
        assert_eq!(rows.len(), 18);
        assert!(rows.iter().all(|row| row["cmdline"].is_null() && row["num_threads"].is_number()));
        assert_eq!((&all["processcount"]["total"], &all["cpu"]["cpucore"]), (&json!(18), &json!(4)));
    }
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        assert!(server.json("/system")["processes"].is_array(), "the table goes on");
    }
    // Whoever was waiting goes home: the program must be able to stop.
    drop(std::fs::OpenOptions::new().write(true).open(&path).expect("the other end"));
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().0.success());
}

#[test]
fn command_lines_are_for_this_machine_and_those_who_proved_themselves() {
    let machine = Machine::original();
    let mut args = machine.args();
    args.extend(["--interval", "200ms"].map(String::from));
    let server = Server::start(&args);
    let of = |pid: u32| {
        let rows = server.json(&format!("/api/4/processlist/pid/value/{pid}"));
        rows[pid.to_string()][0]["cmdline"].clone()
    };
    assert_eq!(of(1310), json!(["python3", "train.py", "--epochs", "20", "--api-key", "***"]));
    assert_eq!(of(2), json!([]), "a thread of the kernel has none");
}
