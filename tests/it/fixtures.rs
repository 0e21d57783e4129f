//! Every answer about the fixture machine, compared with `tests/golden/it-*.json`, which were checked by hand against the
//! fixture's files. `UPDATE_GOLDEN=1` rewrites them.
//!
//! Masked is only what comes from the machine that runs the tests: how full its disk is, who runs them, and the exact time
//! between two ticks. What is masked is checked for itself.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::support::{Server, Socket, tests_folder};
use crate::wire::{ticks, wait_until};

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

/// Time between two ticks of the server that is told of a change: enough for all answers on a busy machine.
const INTERVAL: Duration = Duration::from_secs(8);

/// Heartbeat's answers but for the disks.
const HEARTBEAT: [&str; 8] =
    ["cpu", "memory", "diskio", "uptime", "platform", "cpumodel", "process?pid=1310", "network"];

/// psiod's commands but for the disk at the root.
const PSIOD: [&str; 6] =
    ["process.getall", "cpu.getall", "memory.getall", "disk.getall", "network.getstats", "host.getstats"];

/// Every answer of one tick, before which a second state of the machine was written.
pub struct Told {
    /// What the disk below the fixture's root had to say meanwhile.
    pub disk: rustix::fs::StatVfs,
    pub glances: Value,
    system: Value,
    network: Value,
    frame: Value,
    /// The frame of the tick after that.
    next_frame: Value,
    heartbeat: Vec<Value>,
    heartbeat_disk: Value,
    psiod: Vec<Value>,
    psiod_process: Value,
    psiod_root: Value,
}

/// The same for all tests: a server is asked once.
pub fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| {
        let machine = Machine::copy();
        let mut args = machine.args();
        args.extend(["--interval".to_owned(), format!("{}s", INTERVAL.as_secs())]);
        let mut server = Server::start(&args);
        // The ticks come at 0 s, 0.2 s (the warm-up) and 8.2 s. No tick sees half of the change.
        wait_until("the warm-up", || ticks(&server) >= 2);
        server.signal(Signal::STOP);
        change(&machine);
        server.signal(Signal::CONT);
        wait_until("the change is seen", || !server.json("/api/cpu")["current_usage"].is_null());
        ask_for_all(&machine, &mut server)
    })
}

fn change(machine: &Machine) {
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
}

fn ask_for_all(machine: &Machine, server: &mut Server) -> Told {
    // Glances' first: what others ask for may be a part of what it needs, and the rest would be read soon after.
    let glances = server.json("/api/4/all");
    let mut psiod = server.socket("/");
    let worker =
        server.request("POST", "/", &[("Content-Type", "application/json")], b"{\"connection\":\"monitor\"}").json();
    let mut stream = server.socket(&format!("/connect?id={}", worker["id"].as_str().expect("an id")));
    assert_eq!(stream.text(), "connected to monitor, transmitting data...");
    let mut told = Told {
        frame: stream.json(),
        system: server.json("/system"),
        network: server.json("/network"),
        heartbeat: HEARTBEAT.iter().map(|route| server.json(&format!("/api/{route}"))).collect(),
        heartbeat_disk: server.json("/api/disk"),
        psiod: PSIOD.iter().map(|name| ask(&mut psiod, json!({"name": name}))).collect(),
        psiod_process: ask(&mut psiod, json!({"name": "process.get", "pid": 1477})),
        psiod_root: ask(&mut psiod, json!({"name": "disk.root.getstats"})),
        glances,
        disk: rustix::fs::statvfs(machine.path("root").as_path()).expect("the disk's numbers"),
        next_frame: Value::Null,
    };
    assert_eq!(ticks(server), 3, "this machine took longer than {INTERVAL:?} for all answers");
    told.next_frame = stream.json();
    server.assert_well();
    told
}

/// `told` is the real disk below the fixture's root: total, used, free, percent as `df` has them.
#[track_caller]
pub fn check_disk(disk: &rustix::fs::StatVfs, told: &Value, scale: f64) {
    let size = |blocks: u64| (blocks * disk.f_frsize) as f64;
    let used = size(disk.f_blocks - disk.f_bfree);
    let free = size(disk.f_bavail);
    for (key, wanted) in [("total", size(disk.f_blocks)), ("used", used), ("free", free)] {
        let found = told[key].as_f64().unwrap_or_else(|| panic!("{key}: {told}")) * scale;
        assert!((found - wanted).abs() <= DISK_TOLERANCE, "{key}: {found}, {wanted}");
    }
    let percent = told["percent"].as_f64().or(told["usedPercent"].as_f64()).expect("a percentage");
    assert!((percent - used / (used + free) * 100.0).abs() < 1.0, "{percent}");
}

/// Other tests write to the disk meanwhile.
const DISK_TOLERANCE: f64 = 2e9;

/// 12 and 4 MiB in about an interval.
#[track_caller]
fn check_rates(averages: &mut Value) {
    let mut rate = |direction: &str| {
        let rate = mask(averages, &format!("/eth0/{direction}")).as_f64().expect("a rate");
        assert!((rate * 1000.0 - (rate * 1000.0).round()).abs() < 1e-6, "{rate} has more than 3 decimals");
        rate
    };
    let (received, sent) = (rate("in"), rate("out"));
    assert!((received - 3.0 * sent).abs() < 0.003, "{received} MiB/s in is not three times {sent} out");
    let seconds = 12.0 / received;
    assert!((seconds / INTERVAL.as_secs_f64() - 1.0).abs() < 0.25, "{received} MiB/s are 12 MiB in {seconds} s");
}

#[test]
fn psmonitor() {
    let told = told();
    let mut system = told.system.clone();
    check_disk(&told.disk, &mask(&mut system, "/disk"), MIB * 1024.0);
    let user = mask(&mut system, "/user");
    if rustix::process::getuid().is_root() {
        assert_eq!(user, "root");
    }
    assert_golden("system", &system);

    let mut network = told.network.clone();
    check_rates(&mut network["averages"]);
    assert_golden("network", &network);

    let mut frame = told.frame.clone();
    check_disk(&told.disk, &mask(&mut frame, "/disk"), MIB * 1024.0);
    check_rates(&mut frame["network"]["averages"]);
    assert_golden("frame", &frame);
    // The next tick has seen no further change: no time has passed on the CPUs, no byte went over the wires.
    assert_eq!(told.next_frame["cpu"]["usage"], Value::Null);
    let averages = &told.next_frame["network"]["averages"];
    assert_eq!(averages["eth0"], json!({"interface": "eth0", "in": 0.0, "out": 0.0}));
}

#[test]
fn heartbeat() {
    let told = told();
    for (route, answer) in HEARTBEAT.iter().zip(&told.heartbeat) {
        let mut answer = answer.clone();
        // A mean over a time that differs from run to run: its last digit does too.
        for key in ["avg_5min", "avg_10min", "avg_15min"] {
            if let Some(mean) = answer.get_mut(key) {
                *mean = json!((mean.as_f64().expect("a mean") * 1e9).round() / 1e9);
            }
        }
        assert_golden(&format!("api-{}", route.split('?').next().expect("a route")), &answer);
    }
    let mut disk = told.heartbeat_disk.clone();
    let mut root = mask(&mut disk, "/disk_usage/0");
    assert_eq!((&root["path"], &root["fstype"]), (&json!("/"), &json!("ext4")));
    check_disk(&told.disk, &root, 1.0);
    let inodes = ["inodesTotal", "inodesUsed", "inodesFree"].map(|key| root[key].take().as_u64().expect("a number"));
    assert_eq!(inodes[0], inodes[1] + inodes[2]);
    assert_golden("api-disk", &disk);
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
    let told = told();
    for (name, answer) in PSIOD.iter().zip(&told.psiod) {
        assert_golden(&format!("psiod-{name}"), answer);
    }
    assert_golden("psiod-process.get", &told.psiod_process);
    let mut root = told.psiod_root.clone();
    check_disk(&told.disk, &mask(&mut root, "/data"), 1.0);
    assert_eq!(root, json!({"type": "response", "data": "<masked>"}));
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
    let machine = Machine::copy();
    let mut args = machine.args();
    args.extend(["--interval", "500ms"].map(String::from));
    // Whatever is read is read after this.
    let begin = Instant::now();
    let server = Server::start(&args);
    let mut socket = server.socket("/");
    let mut of_process = || ask(&mut socket, json!({"name": "process.get", "pid": 1477}))["data"].clone();
    assert_eq!(of_process()["cpu_percent"], 0.0, "a first reading tells nothing");
    machine.change("proc/1477/stat", " 40120 6011 ", " 40220 6061 ");
    let mut row = Value::Null;
    wait_until("a reading has seen the change", || {
        row = of_process();
        row["cpu_percent"].as_f64().expect("a percentage") > 0.0
    });
    let (percent, elapsed) = (row["cpu_percent"].as_f64().expect("a percentage"), begin.elapsed().as_secs_f64());
    assert_eq!(row["cpu_times"], json!([402.2, 60.61]));
    assert!(percent >= 150.0 / elapsed, "{percent} % within {elapsed} s");
    assert!(percent <= 150.0 / 0.1, "{percent} % within {elapsed} s");
}
