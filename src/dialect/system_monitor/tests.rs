//! The report against its golden file and the shape that the original's agent sends, and with nothing known.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CPU, DISKS, MEMORY, NETWORK, PROCESSES, REPORT_NEEDS, Sender, report};
use crate::dialect::testing::{assert_finite, assert_golden, assert_has_keys, assert_has_shape, snapshot};
use crate::model::cpu::Cpu;
use crate::model::network::{Address, Interface, Link};
use crate::model::{Answer, Snapshot, Subjects};

const SENDER: Sender<'static> = Sender {
    system_id: "Linux-00000000000000000000000000000000",
    url: "http://127.0.0.1:5000",
    interval: Duration::from_secs(60),
};

const PARTS: [&Answer; 5] = [&CPU, &MEMORY, &DISKS, &PROCESSES, &NETWORK];

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn golden_and_recorded_shape() {
    let found = report(&SENDER, &snapshot());
    assert_golden("system-monitor-report", &found);
    assert_has_shape("system-monitor-report", &found);
    assert_finite(&found);
}

#[test]
fn a_part_is_what_the_report_has() {
    let (snapshot, mut needs) = (snapshot(), Subjects::VITALS);
    let found = value(&report(&SENDER, &snapshot));
    for part in PARTS {
        assert_eq!(value(&(part.encode)(&snapshot)), found["stats"][part.name], "{}", part.name);
        needs = needs.with(part.needs);
    }
    assert_eq!(needs, REPORT_NEEDS);
    assert_eq!(found["stats"].as_object().unwrap().len(), PARTS.len());
}

#[test]
fn unknown_is_null_and_every_key_is_there() {
    let found = report(&SENDER, &Snapshot::default());
    assert_has_keys("system-monitor-report", &found);
    let stats = &value(&found)["stats"];
    assert_eq!(stats["cpu"], json!({"count": null, "percent_used": null, "frequency": null}));
    assert_eq!([&stats["disks"], &stats["processes"], &stats["network"]], [&Value::Null; 3]);
    let no_core = Snapshot { cpu: Some(Cpu { cores: Vec::new(), ..snapshot().cpu.unwrap() }), ..Snapshot::default() };
    assert_eq!(value(&(CPU.encode)(&no_core))["count"], Value::Null, "no machine has no core");
    let mut ten = snapshot();
    if let Some(processes) = &mut ten.processes {
        processes.complete = false;
    }
    assert_eq!((PROCESSES.encode)(&ten), "null", "the ten largest are not all");
}

#[test]
fn an_interval_is_a_whole_number_where_it_is_one() {
    for (milliseconds, expected) in [(60_000, json!(60)), (500, json!(0.5))] {
        let sender = Sender { interval: Duration::from_millis(milliseconds), ..SENDER };
        assert_eq!(value(&report(&sender, &snapshot()))["interval"], expected);
    }
}

#[test]
fn interfaces_without_an_ipv4_address_are_left_out_and_unknown_ones_told() {
    let address = |ip: &str, prefix_length| Address { ip: ip.parse().unwrap(), prefix_length };
    let interface = |name: &str, addresses| Interface {
        name: Arc::from(name),
        link: Some(Link { addresses, ..Link::default() }),
        ..Interface::default()
    };
    let interfaces = vec![
        interface("two", Some(vec![address("10.0.0.1", 8), address("10.1.0.1", 30), address("fd00::1", 64)])),
        interface("six", Some(vec![address("fd00::2", 64)])),
        interface("none", Some(Vec::new())),
        interface("unread", None),
        Interface { name: Arc::from("gone"), ..Interface::default() },
    ];
    let found = |interfaces: &[Interface]| {
        value(&(NETWORK.encode)(&Snapshot { interfaces: Some(interfaces.to_vec()), ..Snapshot::default() }))
    };
    let unknown = json!({"ip": null, "netmask": null, "bytes_sent": 0, "bytes_recv": 0});
    let two = json!({"ip": "10.1.0.1", "netmask": "255.255.255.252", "bytes_sent": 0, "bytes_recv": 0});
    assert_eq!(found(&interfaces), json!({"two": two, "unread": unknown, "gone": unknown}));
    let only_six = found(&interfaces[1..]);
    assert_eq!(only_six["six"], unknown, "where not even the loopback has one, they are not known");
}
