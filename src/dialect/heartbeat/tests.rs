//! Heartbeat's answers against golden files, against the shapes that the original sends, and with nothing known.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{cpu, cpumodel, disk, diskio, memory, network, platform, process, uptime};
use crate::dialect::testing::{assert_finite, assert_golden, assert_has_keys, assert_has_shape, snapshot, text};
use crate::model::Snapshot;
use crate::model::cpu::{Cpu, CpuTime};
use crate::model::socket::{RawSocket, RawSockets, SocketEnd, SocketKind};
use crate::model::storage::Disk;

/// Every route's answer, by the name of its golden file.
fn answers(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    vec![
        ("heartbeat-cpu", text(&cpu(snapshot))),
        ("heartbeat-memory", text(&memory(snapshot))),
        ("heartbeat-disk", text(&disk(snapshot))),
        ("heartbeat-diskio", text(&diskio(snapshot))),
        ("heartbeat-network", text(&network(snapshot))),
        ("heartbeat-uptime", text(&uptime(snapshot))),
        ("heartbeat-platform", text(&platform(snapshot))),
        ("heartbeat-cpumodel", text(&cpumodel(snapshot))),
    ]
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn golden() {
    for (name, answer) in answers(&snapshot()) {
        assert_golden(name, &answer);
    }
    let shown = process(32_536, Some("heartbeat-server"), Some("/usr/local/bin/heartbeat-server"));
    assert_golden("heartbeat-process", &text(&shown));
}

#[test]
fn every_recorded_key_is_there_with_its_type() {
    for (name, answer) in answers(&snapshot()) {
        assert_has_shape(name, &answer);
        assert_finite(&answer);
    }
    assert_has_shape("heartbeat-process", &text(&process(1, Some("init"), Some("/sbin/init"))));
}

#[test]
fn every_key_is_there_when_nothing_is_known() {
    for (name, answer) in answers(&Snapshot::default()) {
        assert_has_keys(name, &answer);
    }
    let nothing = Snapshot::default();
    assert_eq!(value(&text(&cpu(&nothing)))["current_usage"], Value::Null);
    assert_eq!(value(&text(&memory(&nothing)))["memory_usage"]["used"], Value::Null);
    assert_eq!(value(&text(&memory(&nothing)))["memory_usage"]["wired"], 0);
    assert_eq!(text(&disk(&nothing)), r#"{"disk_usage":null}"#);
    assert_eq!(text(&diskio(&nothing)), "{}");
    assert_eq!(text(&network(&nothing)), r#"{"io_usage":null,"interfaces":null,"connections":null}"#);
    assert_eq!(text(&uptime(&nothing)), r#"{"uptime":null,"boot_time":null}"#);
    assert_eq!(text(&cpumodel(&nothing)), r#"{"cpu_model":null}"#);
    assert_eq!(value(&text(&platform(&nothing)))["virtualizationSystem"], Value::Null);
    assert_eq!(text(&process(7, None, None)), r#"{"cmdline":null,"name":null,"pid":7}"#);
}

#[test]
fn numbers_that_are_none_become_null() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut snapshot = snapshot();
        snapshot.uptime_seconds = Some(odd);
        snapshot.cpu =
            Some(Cpu { total: Some(CpuTime { busy_ratio: Some(odd), ..CpuTime::default() }), ..Cpu::default() });
        snapshot.averages.cpu.five = Some(odd);
        snapshot.averages.memory.five = Some(odd);
        snapshot.disks = Some(vec![Disk { name: Arc::from("vda"), read_seconds: Some(odd), ..Disk::default() }]);
        for (_, answer) in answers(&snapshot) {
            assert_finite(&answer);
        }
        assert_eq!(value(&text(&cpu(&snapshot)))["current_usage"], Value::Null);
        assert_eq!(value(&text(&cpu(&snapshot)))["avg_5min"], Value::Null);
        assert_eq!(value(&text(&memory(&snapshot)))["averages"]["avg_5min"], Value::Null);
        assert_eq!(value(&text(&diskio(&snapshot)))["vda"]["readTime"], Value::Null);
        assert_eq!(value(&text(&uptime(&snapshot)))["uptime"], Value::Null);
    }
}

#[test]
fn percentages_are_not_rounded_and_bytes_are_whole() {
    let snapshot = snapshot();
    let cpu = value(&text(&cpu(&snapshot)));
    assert!((cpu["current_usage"].as_f64().unwrap() - 19.354_703_364_5).abs() < 1e-9);
    let memory = value(&text(&memory(&snapshot)));
    assert_eq!(memory["memory_usage"]["used"], 475_312_128);
    assert!((memory["memory_usage"]["usedPercent"].as_f64().unwrap() - 1.880_450_576_5).abs() < 1e-6);
    assert_eq!(memory["averages"]["current_usage"], 475_312_128);
    assert_eq!(memory["averages"]["avg_5min"], 475_312_128);
    let root = &value(&text(&disk(&snapshot)))["disk_usage"][0];
    assert!((root["usedPercent"].as_f64().unwrap() - 17.099_237_192_395_165).abs() < 1e-9);
    assert!((root["inodesUsedPercent"].as_f64().unwrap() - 2.968_615_293_502_807_6).abs() < 1e-9);
}

#[test]
fn a_file_system_that_does_not_answer_has_a_row_of_nulls() {
    let answer = value(&text(&disk(&snapshot())));
    let rows = answer["disk_usage"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "tmpfs has no device, and a bind mount is no second one");
    assert_eq!(rows[1]["path"], "/srv/a \"b\"");
    assert_eq!(rows[1]["total"], Value::Null);
    assert_eq!(rows[1]["inodesUsedPercent"], Value::Null);
}

#[test]
fn interfaces_carry_flags_mac_and_prefix() {
    let answer = value(&text(&network(&snapshot())));
    let interfaces = &answer["interfaces"];
    assert_eq!(interfaces[0]["flags"], json!(["up", "loopback"]));
    assert_eq!(interfaces[0]["hardwareaddr"], "");
    assert_eq!(interfaces[0]["addrs"], json!([{"addr": "127.0.0.1/8"}, {"addr": "::1/128"}]));
    assert_eq!(interfaces[1]["flags"], json!(["up", "broadcast", "multicast"]));
    assert_eq!(interfaces[1]["hardwareaddr"], "02:fc:00:00:00:01");
    let mut unread = snapshot();
    unread.interfaces.iter_mut().flatten().for_each(|interface| interface.link = None);
    let lo = &value(&text(&network(&unread)))["interfaces"][0];
    assert_eq!(
        *lo,
        json!({"index": null, "mtu": null, "name": "lo", "hardwareaddr": null, "flags": null, "addrs": null})
    );
}

#[test]
fn connections_tell_their_holders_and_what_is_not_seen_is_nothing() {
    let answer = value(&text(&network(&snapshot())));
    let rows = answer["connections"].as_array().unwrap();
    let find = |ip: &str, port: u64| -> Vec<&Value> {
        rows.iter().filter(|row| row["localaddr"] == json!({"ip": ip, "port": port})).collect()
    };
    let unseen = json!({"fd": 0, "family": 2, "type": 1, "localaddr": {"ip": "0.0.0.0", "port": 22},
        "remoteaddr": {"ip": "0.0.0.0", "port": 0}, "status": "LISTEN", "uids": [], "pid": 0});
    assert_eq!(find("0.0.0.0", 22), [&unseen]);
    assert_eq!(find("127.0.0.1", 4500)[0]["status"], "TIME_WAIT");

    let shared = find("127.0.0.1", 5173);
    assert_eq!(shared.len(), 2, "a row a holder");
    assert_eq!((&shared[0]["pid"], &shared[0]["uids"]), (&json!(30_466), &json!([33, 33, 33, 33])));
    assert_eq!(shared[1]["uids"], json!([]), "the process's users are unknown, whoever owns the socket");

    let mapped = find("192.0.2.2", 443)[0];
    assert_eq!((&mapped["family"], &mapped["type"], &mapped["status"]), (&json!(10), &json!(1), &json!("ESTABLISHED")));
    assert_eq!(find("fd00::2", 443)[0]["status"], "CLOSE_WAIT");
    assert_eq!(find("::", 80)[0]["status"], Value::Null, "a state that no kernel has");
    let udp = find("0.0.0.0", 68)[0];
    assert_eq!((&udp["family"], &udp["type"], &udp["status"]), (&json!(2), &json!(2), &json!("NONE")));

    // Of UNIX sockets one row for each type, whoever holds them and however many there are.
    let unix: Vec<&Value> = rows.iter().filter(|row| row["family"] == 1).collect();
    let types: Vec<&Value> = unix.iter().map(|row| &row["type"]).collect();
    assert_eq!(types, [&json!(2), &json!(1), &json!(5)]);
    assert!(unix.iter().all(|row| row["status"] == "NONE" && row["remoteaddr"] == json!({"ip": "", "port": 0})));
    assert_eq!(unix[0]["localaddr"]["ip"], "/run/systemd/notify");
    assert_eq!(find("@abstract", 0)[0]["uids"], json!([]), "nothing tells whose it is");
}

#[test]
fn every_tcp_state_has_its_word() {
    let words = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "SYN_RECV",
    ];
    let end = SocketEnd::Inet(std::net::Ipv4Addr::LOCALHOST.into(), 1);
    let socket = |state| RawSocket {
        kind: SocketKind::Tcp4,
        local: end.clone(),
        remote: end.clone(),
        state,
        inode: 0,
        uid: None,
        holders: Vec::new(),
    };
    let list = (1..).zip(words).map(|(state, _)| socket(state)).collect();
    let sockets = RawSockets { list, ..RawSockets::default() };
    let snapshot = Snapshot { sockets: Some(Arc::new(sockets)), ..Snapshot::default() };
    let answer = value(&text(&network(&snapshot)));
    let found: Vec<&str> =
        answer["connections"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(found, words);
}
