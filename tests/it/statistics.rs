//! `psmonitor cpu` and its like: JSON for whoever reads further, again and again until nobody does. What a terminal shows
//! is tested in `tests/clients/test_commands.py`.

use std::io::{BufRead, BufReader, Seek, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::{assert_golden, mask};
use crate::machine::Machine;
use crate::support;

/// The program's arguments about the fixture machine.
fn about(machine: &Machine, rest: &[&str]) -> Vec<String> {
    let mut args = machine.args();
    args.extend(rest.iter().map(|word| (*word).to_owned()));
    args
}

/// What is printed about the fixture machine: one line of JSON.
#[track_caller]
fn printed(part: &[&str]) -> Value {
    let output = support::run(&about(&Machine::original(), part));
    let (text, log) = (String::from_utf8(output.stdout).expect("UTF-8"), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && log.is_empty(), "{part:?}: {log}");
    assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn each_part_of_the_fixture_machine() {
    let mut cpu = printed(&["cpu"]);
    // Nothing moves between two readings of a file that stands still.
    assert_eq!(mask(&mut cpu, "/percent_used"), Value::Null);
    let mut disks = printed(&["disks", "--json"]);
    for (device, disk) in disks.as_object_mut().expect("an object") {
        for key in ["total", "used", "free"] {
            let number = mask(disk, &format!("/{key}"));
            assert!(number.is_u64() || number.is_null(), "{device}: {number}");
        }
    }
    let all = json!({
        "cpu": cpu,
        "memory": printed(&["memory"]),
        "disks": disks,
        "processes": printed(&["processes"]),
        "network": printed(&["network"]),
    });
    assert_golden("system-monitor", &all);
}

#[test]
fn watching_tells_again_and_again_and_ends_with_its_reader() {
    let machine = Machine::copy();
    let mut child = support::program(&about(&machine, &["memory", "--watch", "100ms"])).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut free = || {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str::<Value>(&line).expect("JSON")["free"].as_u64().expect("a number")
    };
    let before = free();
    machine.change("proc/meminfo", "MemFree:         ", "MemFree:         9");
    let end = Instant::now() + support::PATIENCE;
    while free() == before {
        assert!(Instant::now() < end, "it reads the file once");
    }
    drop(lines);
    let log = child.stderr.take().expect("a pipe");
    assert!(support::wait_for_end(&mut child).success(), "its reader has gone");
    assert!(std::io::read_to_string(log).expect("the log").is_empty());
}

#[test]
fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one() {
    let mut password = tempfile::tempfile().expect("a file");
    password.write_all(b"correct horse\n").expect("a password");
    let run = |args: &[&str], stdout: Stdio| {
        // Read from its beginning each time.
        let mut password = password.try_clone().expect("the same file");
        password.rewind().expect("its beginning");
        support::program(args).stdin(password).stdout(stdout).output().expect("it runs")
    };
    let machine = Machine::original();
    let about = |args: &[&str]| about(&machine, args);
    for (args, tells_all) in [
        (about(&["processes"]), true),
        (about(&["cpu", "--watch"]), true),
        (vec!["generate-system-id".to_owned()], true),
        (vec!["hash-password".to_owned()], true),
        (vec!["check-config".to_owned()], true),
        (vec!["--generate".to_owned(), "man".to_owned()], true),
        // The library's.
        (vec!["--help".to_owned()], false),
        (vec!["--version".to_owned()], false),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = run(&args, writer.into());
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        if !tells_all {
            continue;
        }
        let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        let output = run(&args, full.into());
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {log}");
        assert!(log.contains("standard output") && log.lines().count() == 1, "{args:?}: {log}");
    }
}

#[test]
fn the_cpu_is_measured_over_the_interval() {
    let begin = Instant::now();
    support::run(&about(&Machine::original(), &["cpu"]));
    assert!(begin.elapsed() >= Duration::from_secs(1), "not a second: {:?}", begin.elapsed());
}

#[test]
fn what_is_typed_wrong_is_told() {
    for (args, hint) in [
        (&["cpu", "--watch", "10ms"][..], "100ms"),
        (&["memory", "--watch=2h"], "1h"),
        (&["disks", "--watch", "often"], "unit"),
        (&["disks", "/"], "--help"),
        (&["--sysfs", "/nonexistent", "memory"], "--sysfs"),
    ] {
        let output = support::run(args);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}: {log}");
        assert!(log.contains(hint) && log.lines().count() == 1, "{args:?}: {log}");
    }
    let output = support::run(&["--procfs", "/nonexistent", "memory"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--procfs"));
}

#[test]
fn a_system_has_a_new_name_each_time() {
    let name = |command: &str| {
        let output = support::run(&[command]);
        let name = String::from_utf8(output.stdout).expect("UTF-8");
        let digits = name.trim_end().strip_prefix("Linux-").expect("a name");
        assert!(digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{name}");
        name
    };
    assert_ne!(name("generate-system-id"), name("generate_system_id"));
}

#[test]
fn pages_for_packages_are_printed() {
    for (page, beginning) in [("man", ".ie"), ("bash", "_psmonitor()"), ("zsh", "#compdef psmonitor"), ("fish", "#")] {
        let output = support::run(&["--generate", page]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && text.starts_with(beginning), "{page}: {text}");
        assert!(text.contains("max-connections") || text.contains("max\\-connections"), "{page}");
    }
    let help = String::from_utf8(support::run(&["--help"]).stdout).expect("UTF-8");
    assert!(!help.contains("--generate"), "{help}");
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for args in [
        &["memory"][..],
        &["processes", "--watch", "100ms"],
        &["check-config"],
        &["generate-system-id"],
        &["--generate", "man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = support::program(args).stdout(writer).output().expect("the program runs");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}
