//! Glances' answers against golden files and the recorded shapes, and what its clients stumble over.

use serde_json::{Value, json};

use super::{PLUGINS, Plugin, Trace, Version, all, history_text, plugins_list, traces};
use crate::dialect::testing::{assert_finite, assert_golden, assert_has_keys, assert_has_shape, process, snapshot};
use crate::model::Snapshot;
use crate::model::network::Interface;
use crate::model::process::Processes;

fn text(name: &str, version: Version, may_see: bool, snapshot: &Snapshot) -> String {
    (Plugin::named(name).unwrap().answer(version, may_see).encode)(snapshot)
}

fn told(name: &str, snapshot: &Snapshot) -> Value {
    serde_json::from_str(&text(name, Version::Four, true, snapshot)).unwrap()
}

fn told_in_three(name: &str, snapshot: &Snapshot) -> Value {
    serde_json::from_str(&text(name, Version::Three, true, snapshot)).unwrap()
}

/// Plugins that have a recorded shape, and whose answer is an object.
const OBJECTS: [&str; 9] = ["cpu", "mem", "memswap", "load", "quicklook", "ip", "system", "core", "processcount"];

/// Plugins that have a recorded shape, and whose answer is a list of rows.
const LISTS: [&str; 5] = ["percpu", "network", "diskio", "fs", "processlist"];

#[test]
fn golden() {
    let snapshot = snapshot();
    assert_golden("glances-all", &(all(Version::Four, true).encode)(&snapshot));
    assert_golden("glances-3-network", &text("network", Version::Three, true, &snapshot));
    assert_golden("glances-3-processlist", &text("processlist", Version::Three, false, &snapshot));
}

#[test]
fn every_recorded_key_is_there_with_its_type() {
    let mut snapshot = snapshot();
    // What no file tells of: a process that nobody owns, one that has no memory.
    let processes = snapshot.processes.as_mut().unwrap();
    processes.list.retain(|process| process.memory.is_some() && process.uid.is_some());
    for name in OBJECTS.into_iter().chain(LISTS) {
        let text = text(name, Version::Four, true, &snapshot);
        assert_has_shape(&format!("glances-{name}"), &text);
        assert_finite(&text);
    }
    assert_has_shape("glances-now", &text("now", Version::Four, true, &snapshot));
    assert_eq!(told("uptime", &snapshot), "0:29:41");
    assert_eq!((told("version", &snapshot), told("help", &snapshot)), (json!("4.5.8"), Value::Null));
}

#[test]
fn everything_is_every_plugin() {
    let snapshot = snapshot();
    for version in [Version::Three, Version::Four] {
        let whole: Value = serde_json::from_str(&(all(version, true).encode)(&snapshot)).unwrap();
        let names: Vec<&str> = PLUGINS.iter().map(|plugin| plugin.name).collect();
        assert_eq!(whole.as_object().unwrap().len(), names.len());
        for name in &names {
            let alone: Value = serde_json::from_str(&text(name, version, true, &snapshot)).unwrap();
            assert_eq!(whole[name], alone, "{name}");
        }
        let listed: Value = serde_json::from_str(&plugins_list()).unwrap();
        assert_eq!(listed, json!(names));
    }
    for plugin in &PLUGINS {
        for version in [Version::Three, Version::Four] {
            let (whole, own) = (all(version, true).needs, plugin.answer(version, true).needs);
            assert!(whole.contains(own), "{} needs what nobody asks for", plugin.name);
        }
    }
}

#[test]
fn every_key_is_there_when_nothing_is_known() {
    let nothing = Snapshot::default();
    for name in OBJECTS {
        assert_has_keys(&format!("glances-{name}"), &text(name, Version::Four, true, &nothing));
    }
    for name in LISTS.into_iter().chain(["sensors", "wifi", "containers", "gpu", "alert"]) {
        assert_eq!(told(name, &nothing), json!([]), "{name}");
    }
    assert_eq!((told("uptime", &nothing), told("now", &nothing)), (Value::Null, Value::Null));
    assert_eq!(told("quicklook", &nothing)["cpu_name"], "", "clients take nothing but text");
}

#[test]
fn counters_come_as_difference_sum_and_rate_over_the_time_beside_them() {
    let mut snapshot = snapshot();
    snapshot.interval_seconds = Some(2.5);
    let eth0 = &told("network", &snapshot)[0];
    let (received, sent) = (804_438_487, 3_122_919);
    assert_eq!((&eth0["interface_name"], &eth0["key"]), (&json!("eth0"), &json!("interface_name")));
    assert_eq!(eth0["time_since_update"], 2.5);
    assert_eq!((&eth0["bytes_recv"], &eth0["bytes_all"]), (&json!(5_242_880), &json!(10_485_760)));
    assert_eq!((&eth0["bytes_recv_gauge"], &eth0["bytes_sent_gauge"]), (&json!(received), &json!(sent)));
    assert_eq!((&eth0["bytes_recv_rate_per_sec"], &eth0["speed"]), (&json!(2_097_152.0), &json!(1_000_000_000)));
    let vda = &told("diskio", &snapshot)[0];
    assert_eq!((&vda["disk_name"], &vda["key"]), (&json!("vda"), &json!("disk_name")));
    assert_eq!((&vda["read_bytes"], &vda["read_bytes_rate_per_sec"]), (&json!(10_240), &json!(4096.0)));
    assert_eq!((&vda["write_count"], &vda["write_time"], &vda["write_latency"]), (&json!(10), &json!(50), &json!(5)));
    assert_eq!((&vda["write_time_gauge"], &vda["time_since_update"]), (&json!(64_427), &json!(2.5)));
    let cpu = told("cpu", &snapshot);
    assert_eq!((&cpu["ctx_switches"], &cpu["ctx_switches_rate_per_sec"]), (&json!(1755), &json!(702.0)));
    assert_eq!((&cpu["ctx_switches_gauge"], &cpu["time_since_update"]), (&json!(8_812_345), &json!(2.5)));
}

#[test]
fn a_row_without_a_rate_is_left_out_and_no_time_is_zero() {
    let mut snapshot = snapshot();
    for interface in snapshot.interfaces.as_mut().unwrap() {
        interface.received.bytes_per_second = None;
    }
    snapshot.disks.as_mut().unwrap()[0].reads_per_second = None;
    assert_eq!(told("network", &snapshot), json!([]));
    let names: Vec<Value> =
        told("diskio", &snapshot).as_array().unwrap().iter().map(|row| row["disk_name"].clone()).collect();
    assert_eq!(names, ["vda1"]);
    snapshot.interval_seconds = Some(0.0);
    assert_eq!((told("diskio", &snapshot), &told("cpu", &snapshot)["time_since_update"]), (json!([]), &Value::Null));
}

#[test]
fn version_three_has_its_own_names_beside_those_of_four() {
    let snapshot = snapshot();
    let (four, three) = (told("network", &snapshot), told_in_three("network", &snapshot));
    for (key, value) in four[0].as_object().unwrap() {
        assert_eq!(&three[0][key], value, "{key}");
    }
    assert_eq!((&three[0]["rx"], &three[0]["tx"]), (&three[0]["bytes_recv"], &three[0]["bytes_sent"]));
    assert_eq!(three[0]["cumulative_rx"], three[0]["bytes_recv_gauge"]);
    assert_eq!((&three[0]["is_up"], &four[0]["rx"]), (&json!(true), &Value::Null));
    let (four, three) = (told("processlist", &snapshot), told_in_three("processlist", &snapshot));
    assert_eq!(three[0]["memory_info"][0], four[0]["memory_info"]["rss"]);
    assert_eq!(three[0]["cpu_times"][1], four[0]["cpu_times"]["system"]);
    assert_eq!(told_in_three("now", &snapshot), told("now", &snapshot)["custom"]);
}

#[test]
fn interfaces_that_glances_hides_are_hidden() {
    let known = snapshot();
    let eth0 = known.interfaces.as_ref().unwrap()[1].clone();
    let with = |name: &str, flags: Option<u32>, addresses| {
        let link = eth0.link.clone().map(|link| crate::model::network::Link { flags, addresses, ..link });
        Interface { name: name.into(), link, ..eth0.clone() }
    };
    let addresses = || eth0.link.as_ref().unwrap().addresses.clone();
    let interfaces = vec![
        with("lo", Some(0x49), addresses()),
        with("dummy0", Some(0x49), addresses()),
        with("docker0", Some(0x1043), addresses()),
        with("eth1", Some(0x1002), addresses()),
        with("eth2", Some(0x1043), Some(Vec::new())),
        with("wlan0", Some(0x1043), addresses()),
        with("eth3", None, None),
    ];
    let snapshot = Snapshot { interfaces: Some(interfaces), ..known.clone() };
    let names: Vec<Value> =
        told("network", &snapshot).as_array().unwrap().iter().map(|row| row["interface_name"].clone()).collect();
    assert_eq!(names, ["wlan0", "eth3"]);
    // Where no IPv4 address is known of any, none is a sign.
    let without = snapshot.interfaces.as_ref().unwrap().iter().filter(|one| &*one.name == "eth2").cloned().collect();
    let names = told("network", &Snapshot { interfaces: Some(without), ..known.clone() });
    assert_eq!(names[0]["interface_name"], "eth2");
    assert_eq!(told("ip", &known), json!({"address": "192.0.2.2", "mask": "255.255.255.0", "mask_cidr": 24}));
}

#[test]
fn who_uses_the_cpu_most_comes_first_and_command_lines_are_for_some() {
    let mut snapshot = snapshot();
    let busy = |pid, cpu_ratio| crate::model::process::Process { cpu_ratio, ..process(pid, "x") };
    let list = vec![busy(1, Some(0.1)), busy(2, None), busy(3, Some(1.5)), busy(4, Some(0.1)), busy(9, None)];
    snapshot.processes = Some(Processes { count: 5, complete: true, list, ..Processes::default() });
    let rows = told("processlist", &snapshot);
    let order: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (row["pid"].as_u64(), row["cpu_percent"].as_f64())).collect();
    let expected = [(3, 150.0), (4, 10.0), (1, 10.0), (9, 0.0), (2, 0.0)];
    assert_eq!(order, expected.map(|(pid, percent)| (Some(pid), Some(percent))));
    assert_eq!(rows[0]["cmdline"], json!(["/usr/sbin/x", "--pid", "3"]));
    for version in [Version::Three, Version::Four] {
        for name in ["processlist", "all"] {
            let hidden = match name {
                "all" => (all(version, false).encode)(&snapshot),
                name => text(name, version, false, &snapshot),
            };
            assert!(!hidden.contains("/usr/sbin"), "{name}");
            assert!(hidden.contains("\"cmdline\":null"), "{name}");
        }
    }
}

#[test]
fn the_history_is_of_what_is_shown_and_in_its_unit() {
    let snapshot = snapshot();
    let names = |plugin, version| -> Vec<String> {
        traces(plugin, version, &snapshot).into_iter().map(|trace| trace.item).collect()
    };
    assert_eq!(names("load", Version::Four), ["min1", "min5", "min15"]);
    assert_eq!(names("network", Version::Four), ["eth0_bytes_recv_rate_per_sec", "eth0_bytes_sent_rate_per_sec"]);
    assert!(names("network", Version::Three).starts_with(&["eth0_rx".to_owned(), "eth0_tx".to_owned()]));
    assert_eq!(names("fs", Version::Four), ["/_percent", "/etc/hosts_percent", "/srv/a \"b\"_percent"]);
    assert!(names("cpu", Version::Four).contains(&"system".to_owned()));
    assert_eq!(names("uptime", Version::Four), Vec::<String>::new());
    let [mem] = &traces("mem", Version::Four, &snapshot)[..] else { panic!("one item") };
    assert_eq!((mem.item.as_str(), mem.series.as_str()), ("percent", "memory.used"));
    let half = snapshot.memory.unwrap().total_bytes.unwrap() as f32 / 2.0;
    let small = Trace { item: "min1".into(), series: "load.1".into(), scale: 1.0 };
    let found: Value = serde_json::from_str(&history_text(
        [(mem, vec![(1_795_918_897, half), (1_795_918_898, 0.0)]), (&small, vec![(0, 0.012_345)])].into_iter(),
    ))
    .unwrap();
    assert_eq!(
        found,
        json!({
            "percent": [["2026-11-29T02:21:37+00:00", 50.0], ["2026-11-29T02:21:38+00:00", 0.0]],
            "min1": [["1970-01-01T00:00:00+00:00", 0.0123]]
        })
    );
}
