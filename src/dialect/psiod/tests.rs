//! psiod's answers against golden files and the documented shapes, and what it makes of malformed requests.

use serde_json::{Value, json};

use super::{ANSWERS, Command, Refusal, Signal, parse, process};
use crate::dialect::testing::{assert_finite, assert_golden, assert_has_keys, assert_has_shape, snapshot, text};
use crate::model::process::ProcessState;
use crate::model::storage::FilesystemUsage;
use crate::model::storage::MountPlace;
use crate::model::{Answer, Snapshot, Subjects};

const OWN_PID: u32 = 4242;

fn shared(name: &str) -> Command {
    Command::Shared(ANSWERS.iter().find(|answer| answer.name == name).unwrap())
}

/// Every command that is answered.
fn commands() -> impl Iterator<Item = Command> {
    ANSWERS.iter().map(Command::Shared).chain([Command::Process { pid: 42 }])
}

fn answered(command: Command, snapshot: &Snapshot) -> String {
    match command {
        Command::Shared(answer) => (answer.encode)(snapshot),
        Command::Process { pid } => process(pid, snapshot).unwrap(),
        Command::Kill { .. } => unreachable!("success is silent"),
    }
}

fn data(command: Command, snapshot: &Snapshot) -> Value {
    let answer: Value = serde_json::from_str(&answered(command, snapshot)).unwrap();
    assert_eq!(answer["type"], "response");
    answer["data"].clone()
}

fn refused(request: &str) -> Refusal {
    parse(request, OWN_PID).expect_err(request)
}

#[test]
fn golden_and_documented_shape() {
    for command in commands() {
        let name = format!("psiod-{}", command.name());
        let answer = answered(command, &snapshot());
        assert_golden(&name, &answer);
        assert_has_shape(&name, &answer);
        assert_finite(&answer);
    }
}

#[test]
fn every_key_is_there_when_nothing_is_known() {
    let nothing = Snapshot::default();
    for command in commands() {
        assert_has_keys(&format!("psiod-{}", command.name()), &answered(command, &nothing));
    }
    assert_eq!(answered(shared("process.getall"), &nothing), r#"{"type":"response","data":null}"#);
    assert_eq!(
        data(shared("disk.root.getstats"), &nothing),
        json!({"total": null, "used": null, "free": null, "percent": null})
    );
    assert_eq!(data(shared("network.getstats"), &nothing), json!({"bytes_sent": null, "bytes_received": null}));
    assert_eq!(data(shared("host.getstats"), &nothing), json!({"hostname": null}));
    assert_eq!(data(shared("memory.getall"), &nothing)["virtual"]["total"], Value::Null);
}

#[test]
fn each_command_is_understood_and_tells_what_it_needs() {
    for command in commands() {
        let request = json!({"type": "command", "data": {"name": command.name(), "pid": 42}}).to_string();
        assert_eq!(parse(&request, OWN_PID), Ok(command), "{request}");
    }
    let needs = |name: &str| ANSWERS.iter().find(|answer| answer.name == name).map(|answer: &Answer| answer.needs);
    assert_eq!(needs("process.getall"), Some(Subjects::ALL_PROCESSES));
    assert_eq!(needs("disk.root.getstats"), Some(Subjects::FILESYSTEMS));
    assert_eq!(needs("cpu.getall"), Some(Subjects::VITALS));
}

#[test]
fn malformed_requests_are_refused_with_the_name_they_gave() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep_data = format!(r#"{{"type":"command","data":{}1{}}}"#, r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let matrix = [
        ("", None),
        ("[object Object]", None),
        ("hello", None),
        ("null", None),
        ("[]", None),
        ("42", None),
        ("\"process.getall\"", None),
        ("{", None),
        ("{}", None),
        (r#"{"type":"command"}"#, None),
        (r#"{"type":"command","data":null}"#, None),
        (r#"{"type":"command","data":[]}"#, None),
        (r#"{"type":"command","data":"cpu.getall"}"#, None),
        (r#"{"type":"command","data":{}}"#, None),
        (r#"{"type":"command","data":{"name":null}}"#, None),
        (r#"{"type":"command","data":{"name":7}}"#, None),
        (r#"{"type":"command","data":{"name":["cpu.getall"]}}"#, None),
        (r#"{"type":"command","data":{"name":""}}"#, Some("")),
        (r#"{"type":"command","data":{"name":"cpu.GetAll"}}"#, Some("cpu.GetAll")),
        (r#"{"type":"command","data":{"name":"rm"}}"#, Some("rm")),
        (r#"{"type":"command","data":{"name":"cpu.getall"}} trailing"#, None),
        (r#"{"type":"response","data":{"name":"cpu.getall"}}"#, Some("cpu.getall")),
        (r#"{"type":1,"data":{"name":"cpu.getall"}}"#, Some("cpu.getall")),
        (r#"{"data":{"name":"cpu.getall"}}"#, Some("cpu.getall")),
        (r#"{"type":"command","data":{"name":"process.get"}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":null}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":1.5}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":"12a"}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":""}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":[42]}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.get","pid":99999999999999999999}}"#, Some("process.get")),
        (r#"{"type":"command","data":{"name":"process.kill","pid":true}}"#, Some("process.kill")),
        (r#"{"type":"command","data":{"name":"\ud800"}}"#, None),
        ("{\"type\":\"command\",\"data\":{\"name\":\"a\0b\"}}", None),
        (deep.as_str(), None),
        (deep_data.as_str(), None),
    ];
    for (request, name) in matrix {
        let refusal = refused(request);
        assert_eq!(refusal.name.as_deref(), name, "{request}");
        assert!(refusal.message.len() > 20, "{}", refusal.message);
        let answer: Value = serde_json::from_str(&text(&refusal)).unwrap();
        assert_eq!(answer, json!({"type": "error", "data": {"message": refusal.message, "name": name}}));
    }
    assert!(refused(r#"{"type":"command","data":{"name":"rm"}}"#).message.contains("process.getall"));
    assert!(refused(r#"{"type":"command","data":{"name":"rm"}}"#).message.contains("process.kill"));
}

#[test]
fn a_pid_is_a_number_or_a_text_of_one() {
    for pid in ["42", "\"42\"", "\" 42 \""] {
        let request = format!(r#"{{"type":"command","data":{{"name":"process.get","pid":{pid}}}}}"#);
        assert_eq!(parse(&request, OWN_PID), Ok(Command::Process { pid: 42 }), "{pid}");
    }
}

#[test]
fn what_must_never_be_ended_is_refused() {
    let kill =
        |pid: &str| parse(&format!(r#"{{"type":"command","data":{{"name":"process.kill","pid":{pid}}}}}"#), OWN_PID);
    for pid in [
        "1",
        "0",
        "-1",
        "-42",
        "\"-1\"",
        "\"0\"",
        "4242",
        "\"4242\"",
        "2147483648",
        "4294967297",
        "-9223372036854775808",
    ] {
        let refusal = kill(pid).expect_err(pid);
        assert_eq!(refusal.name.as_deref(), Some("process.kill"));
    }
    assert_eq!(kill("2"), Ok(Command::Kill { pid: 2, signal: Signal::Kill }));
    assert_eq!(kill("\"4243\""), Ok(Command::Kill { pid: 4243, signal: Signal::Kill }));
    assert_eq!(kill("2147483647"), Ok(Command::Kill { pid: 2_147_483_647, signal: Signal::Kill }));
    for (name, signal) in
        [("TERM", Signal::Term), ("SIGTERM", Signal::Term), ("hup", Signal::Hup), ("KILL", Signal::Kill)]
    {
        assert_eq!(kill(&format!("2,\"signal\":\"{name}\"")), Ok(Command::Kill { pid: 2, signal }));
    }
    for wrong in ["\"\"", "\"SIG\"", "\"NOPE\"", "15", "null", "[\"TERM\"]"] {
        let refusal = kill(&format!("2,\"signal\":{wrong}")).expect_err(wrong);
        assert!(refusal.message.contains("TERM"), "{}", refusal.message);
    }
    let off = Refusal::of(Command::Kill { pid: 2, signal: Signal::Kill }, "off");
    assert_eq!(text(&off), r#"{"type":"error","data":{"message":"off","name":"process.kill"}}"#);
}

#[test]
fn one_process_is_its_row_of_all() {
    let snapshot = snapshot();
    let all = data(shared("process.getall"), &snapshot);
    for row in all.as_array().unwrap() {
        let pid = row["pid"].as_i64().unwrap();
        assert_eq!(data(Command::Process { pid }, &snapshot), *row);
    }
    for pid in [3, 0, -42, i64::MAX, i64::MIN, (1_i64 << 32) + 42] {
        let refusal = process(pid, &snapshot).unwrap_err();
        assert_eq!(refusal.name.as_deref(), Some("process.get"));
        assert!(refusal.message.contains(&pid.to_string()));
    }
    let mut largest = snapshot;
    largest.processes.as_mut().unwrap().complete = false;
    assert_eq!(data(shared("process.getall"), &largest), Value::Null, "the largest are not all");
    assert_eq!(data(Command::Process { pid: 3 }, &largest), Value::Null, "it may exist all the same");
    assert_eq!(data(Command::Process { pid: 42 }, &largest)["pid"], 42);
}

#[test]
fn numbers_are_those_of_psutil() {
    let snapshot = snapshot();
    let all = data(shared("process.getall"), &snapshot);
    let find = |pid: u64| all.as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(find(42)["cpu_percent"], 185.7, "of one core, and it may pass 100");
    assert_eq!(find(40_001)["cpu_percent"], 0.0, "first sample");
    assert_eq!(find(42)["cpu_times"], json!([0.42, 0.29]));
    assert_eq!(find(42)["memory_info"], json!([172_032, 1_720_320]));
    assert_eq!(find(42)["memory_rss"], 172_032);
    assert_eq!(find(40_000)["memory_info"], json!([null, null]));
    assert_eq!(find(40_000)["status"], "zombie");
    assert_eq!(find(32_534)["username"], "4711", "a user without a name is a number");
    assert_eq!(find(40_001)["username"], Value::Null);
    assert_eq!(data(shared("cpu.getall"), &snapshot), json!([{"num": 0, "usage": 42.0}, {"num": 1, "usage": 8.4}]));
    let memory = data(shared("memory.getall"), &snapshot);
    assert_eq!(memory["virtual"]["percent"], 1.9);
    assert_eq!(memory["virtual"]["cached"], 660 * 1_048_576, "with the slab that can be given back");
    assert_eq!(memory["swap"]["percent"], 67.5);
    let traffic = data(shared("network.getstats"), &snapshot);
    assert_eq!(traffic, json!({"bytes_sent": 2_214_389_688_u64, "bytes_received": 3_015_705_256_u64}));
    assert_eq!(data(shared("disk.root.getstats"), &snapshot)["percent"], 17.1);
    assert_eq!(data(shared("disk.getall"), &snapshot).as_array().unwrap().len(), 3, "tmpfs has no device");
}

#[test]
fn a_device_has_a_row_for_each_of_its_places() {
    let mut snapshot = snapshot();
    let list = snapshot.filesystems.as_mut().unwrap();
    list.truncate(2);
    list[0].also_at = vec![MountPlace { mount_point: "/srv".into(), options: "ro".into() }];
    let device = &list[0].device.clone();
    let rows = data(shared("disk.getall"), &snapshot);
    assert_eq!(rows[1], json!({"device": device, "mountpoint": "/srv", "fstype": "ext4", "opts": "ro"}));
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[test]
fn the_last_mount_at_the_root_counts_device_or_not() {
    let mut snapshot = snapshot();
    let list = snapshot.filesystems.as_mut().unwrap();
    let mut overlay = list[1].clone();
    overlay.mount_point = "/".into();
    overlay.usage = Some(FilesystemUsage { total_bytes: 77, ..FilesystemUsage::default() });
    list.push(overlay);
    assert_eq!(data(shared("disk.root.getstats"), &snapshot)["total"], 77);
}

#[test]
fn the_memory_stands_in_both_places() {
    let answer: Value = serde_json::from_str(&answered(shared("memory.getall"), &snapshot())).unwrap();
    assert_eq!(answer["virtual"], answer["data"]["virtual"]);
    assert_eq!(answer["swap"], answer["data"]["swap"]);
    let other: Value = serde_json::from_str(&answered(shared("cpu.getall"), &snapshot())).unwrap();
    assert_eq!(other.as_object().unwrap().len(), 2, "and nowhere else");
}

#[test]
fn numbers_that_are_none_become_null() {
    let mut snapshot = snapshot();
    for process in &mut snapshot.processes.as_mut().unwrap().list {
        process.cpu_user_seconds = Some(f64::NAN);
        process.cpu_ratio = Some(f64::INFINITY);
        process.memory_ratio = Some(f64::NAN);
        process.state = ProcessState::Unknown;
    }
    assert_finite(&answered(shared("process.getall"), &snapshot));
    let row = data(Command::Process { pid: 42 }, &snapshot);
    assert_eq!(row["cpu_percent"], Value::Null);
    assert_eq!(row["cpu_times"], json!([null, 0.29]));
    assert_eq!(row["status"], Value::Null);
}
