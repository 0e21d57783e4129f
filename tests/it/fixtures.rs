//! Every answer about the fixture machine, compared with `tests/golden/it-*.json`, which were checked by hand against the
//! fixture's files. `UPDATE_GOLDEN=1` rewrites them.
//!
//! Masked is only what comes from the machine that runs the tests: how full its disk is, who runs them, and the exact time
//! between two ticks. What is masked is checked for itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::busy::eventually;
use crate::machine::Machine;
use crate::support::{Server, Socket, tests_folder};

const MIB: f64 = 1_048_576.0;

/// Compares with a golden file.
#[track_caller]
pub fn assert_golden(name: &str, found: &Value) {
    let path = tests_folder().join("golden").join(format!("it-{name}.json"));
    let found = serde_json::to_string_pretty(found).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("the golden file is written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(found == wanted, "{} differs\nfound:  {found}\nwanted: {wanted}", path.display());
}

/// Takes a value out and leaves a mark.
#[track_caller]
pub fn mask(value: &mut Value, pointer: &str) -> Value {
    let slot = value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    std::mem::replace(slot, json!("<masked>"))
}

/// The machine after a second state was written between two ticks, and the server that has seen both. The interval is long
/// enough for all requests of a test to find the tick after the change.
fn changed_machine() -> (Machine, Server) {
    let machine = Machine::copy();
    let mut args = machine.args();
    args.extend(["--interval", "4s"].map(String::from));
    let server = Server::start(&args);
    // The ticks come at 0 s, 0.2 s (the warm-up) and 4.2 s.
    let begin = std::time::Instant::now();
    std::thread::sleep(Duration::from_millis(1_000));
    let stat = |from: &str, to: &str| machine.change("proc/stat", from, to);
    // Of 1000 ticks 800 are idle and 30 wait for disks; the 40 of guests are among the 100 of users: 17 % busy.
    stat(
        "cpu  1052880 3312 301456 17560204 21768 0 25416 0 840 0",
        "cpu  1052980 3312 301506 17561004 21798 0 25436 0 880 0",
    );
    stat("cpu0 271104 812 77120 4388120 5610 0 9120 0 210 0", "cpu0 271164 812 77140 4388290 5610 0 9120 0 250 0");
    stat("cpu1 259876 840 74210 4391004", "cpu1 259876 840 74210 4391254");
    stat("cpu2 260344 836 74890 4391029 5390 0 5204", "cpu2 260384 836 74920 4391159 5420 0 5224");
    stat("cpu3 261556 824 75236 4390051", "cpu3 261556 824 75236 4390301");
    // 12 MiB in and 4 MiB out.
    machine.change("proc/net/dev", " 9821734412 ", " 9834317324 ");
    machine.change("proc/net/dev", " 1203948210 ", " 1208142514 ");
    machine.change("proc/diskstats", "nvme0n1 412903 98211 24810336 118204", "nvme0n1 413003 98211 24812384 118304");
    assert!(begin.elapsed() < Duration::from_secs(3), "the machine is too slow: the files were changed too late");
    let end = std::time::Instant::now() + Duration::from_secs(15);
    while server.json("/api/cpu")["current_usage"].is_null() {
        assert!(std::time::Instant::now() < end, "no tick has seen the change");
        std::thread::sleep(Duration::from_millis(25));
    }
    (machine, server)
}

/// `disk` is the real disk below the fixture's root: total, used, free, percent as `df` has them.
#[track_caller]
fn check_disk(machine: &Machine, disk: &Value, scale: f64, tolerance: f64) {
    let now = rustix::fs::statvfs(machine.path("root").as_path()).expect("the disk's numbers");
    let size = |blocks: u64| (blocks * now.f_frsize) as f64;
    let used = size(now.f_blocks - now.f_bfree);
    let free = size(now.f_bavail);
    for (key, wanted) in [("total", size(now.f_blocks)), ("used", used), ("free", free)] {
        let found = disk[key].as_f64().unwrap_or_else(|| panic!("{key}: {disk}")) * scale;
        assert!((found - wanted).abs() <= tolerance, "{key}: {found}, {wanted}");
    }
    let percent = disk["percent"].as_f64().or(disk["usedPercent"].as_f64()).expect("a percentage");
    assert!((percent - used / (used + free) * 100.0).abs() < 1.0, "{percent}");
}

/// Other tests write to the disk meanwhile.
const DISK_TOLERANCE: f64 = 2e9;

#[track_caller]
fn check_rates(averages: &mut Value) {
    for (direction, wanted) in [("in", 3.0), ("out", 1.0)] {
        let rate = mask(averages, &format!("/eth0/{direction}")).as_f64().expect("a rate");
        assert!((rate - wanted).abs() < wanted * 0.2, "{direction}: {rate} MiB/s, about {wanted} expected");
        assert!((rate * 1000.0 - (rate * 1000.0).round()).abs() < 1e-6, "{rate} has more than 3 decimals");
    }
}

#[test]
fn psmonitor() {
    eventually(|| {
        let (machine, mut server) = changed_machine();
        let mut system = server.json("/system");
        check_disk(&machine, &mask(&mut system, "/disk"), MIB * 1024.0, DISK_TOLERANCE);
        let user = mask(&mut system, "/user");
        if rustix::process::getuid().is_root() {
            assert_eq!(user, "root");
        }
        assert_golden("system", &system);

        let mut network = server.json("/network");
        check_rates(&mut network["averages"]);
        assert_golden("network", &network);

        let worker = server
            .request("POST", "/", &[("Content-Type", "application/json")], b"{\"connection\":\"monitor\"}")
            .json();
        let mut socket = server.socket(&format!("/connect?id={}", worker["id"].as_str().expect("an id")));
        assert_eq!(socket.text(), "connected to monitor, transmitting data...");
        let mut frame = socket.json();
        check_disk(&machine, &mask(&mut frame, "/disk"), MIB * 1024.0, DISK_TOLERANCE);
        check_rates(&mut frame["network"]["averages"]);
        assert_golden("frame", &frame);
        // The next tick has seen no further change: no time has passed on the CPUs, no byte went over the wires.
        let frame = socket.json();
        assert_eq!(frame["cpu"]["usage"], Value::Null);
        assert_eq!(frame["network"]["averages"]["eth0"], json!({"interface": "eth0", "in": 0.0, "out": 0.0}));
        server.assert_well();
    });
}

#[test]
fn heartbeat() {
    eventually(|| {
        let (machine, mut server) = changed_machine();
        for route in ["cpu", "memory", "diskio", "uptime", "platform", "cpumodel", "process?pid=1310"] {
            let name = route.split('?').next().expect("a route");
            assert_golden(&format!("api-{name}"), &server.json(&format!("/api/{route}")));
        }
        let mut disk = server.json("/api/disk");
        let mut root = mask(&mut disk, "/disk_usage/0");
        assert_eq!((&root["path"], &root["fstype"]), (&json!("/"), &json!("ext4")));
        check_disk(&machine, &root, 1.0, DISK_TOLERANCE);
        let inodes =
            ["inodesTotal", "inodesUsed", "inodesFree"].map(|key| root[key].take().as_u64().expect("a number"));
        assert_eq!(inodes[0], inodes[1] + inodes[2]);
        assert_golden("api-disk", &disk);
        let network = server.json("/api/network");
        assert_golden("api-network", &network);
        server.assert_well();
    });
}

#[test]
fn process_monitor() {
    let mut server = Server::start(&Machine::original().args());
    let answer = server.request("GET", "/api/processes", &[("Accept", "application/json")], b"").json();
    assert_golden("api-processes", &answer);
    let mut events = server.events("/api/processes", &[("Accept", "text/event-stream")]);
    assert_eq!(events.next_json(), answer);
    server.assert_well();
}

#[test]
fn psiod() {
    eventually(|| {
        let (machine, mut server) = changed_machine();
        let mut socket = server.socket("/");
        for name in
            ["process.getall", "cpu.getall", "memory.getall", "disk.getall", "network.getstats", "host.getstats"]
        {
            let answer = ask(&mut socket, json!({"name": name}));
            assert_golden(&format!("psiod-{name}"), &answer);
        }
        assert_golden("psiod-process.get", &ask(&mut socket, json!({"name": "process.get", "pid": 1477})));
        let mut root = ask(&mut socket, json!({"name": "disk.root.getstats"}));
        check_disk(&machine, &mask(&mut root, "/data"), 1.0, DISK_TOLERANCE);
        assert_eq!(root, json!({"type": "response", "data": "<masked>"}));
        server.assert_well();
    });
}

/// A psiod command and its answer.
#[track_caller]
pub fn ask(socket: &mut Socket, data: Value) -> Value {
    socket.send(json!({"type": "command", "data": data}).to_string());
    socket.json()
}

/// A process that used 150 ticks between two readings, told by what lay between the requests.
#[test]
fn cpu_of_a_process() {
    eventually(|| {
        let machine = Machine::copy();
        let mut args = machine.args();
        args.extend(["--interval", "500ms"].map(String::from));
        let server = Server::start(&args);
        let mut socket = server.socket("/");
        let first = ask(&mut socket, json!({"name": "process.get", "pid": 1477}));
        assert_eq!(first["data"]["cpu_percent"], 0.0, "a first reading tells nothing");
        machine.change("proc/1477/stat", " 40120 6011 ", " 40220 6061 ");
        let begin = std::time::Instant::now();
        loop {
            let answer = ask(&mut socket, json!({"name": "process.get", "pid": 1477}));
            let percent = answer["data"]["cpu_percent"].as_f64().expect("a percentage");
            let elapsed = begin.elapsed().as_secs_f64();
            if percent > 0.0 {
                assert_eq!(answer["data"]["cpu_times"], json!([402.2, 60.61]));
                // Readings lie at most an interval before each request.
                assert!(percent >= 150.0 / (elapsed + 0.6), "{percent} % within {elapsed} s");
                assert!(percent <= 150.0 / 0.1, "{percent} % within {elapsed} s");
                break;
            }
            assert!(elapsed < 5.0, "no reading has seen the change");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}
