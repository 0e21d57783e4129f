//! Writes a made-up history, with the program's own code, for the tests of the dashboard: `history FOLDER DAYS`.
//!
//! The machine is calm by night and busy by day. Now and then one sample has the CPU near its limit, so that minimum and
//! maximum differ from the mean. From six to four hours ago, and from 40 to 30 days ago, it was off.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a tool of the tests: whatever goes wrong ends it with a word"
)]

use std::f64::consts::TAU;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use psmonitor::history::History;
use psmonitor::model::Snapshot;
use psmonitor::model::cpu::{Core, Cpu, CpuTime, Modes};
use psmonitor::model::hardware::{Sensors, Temperature};
use psmonitor::model::load::Load;
use psmonitor::model::memory::{Memory, Swap};
use psmonitor::model::network::{Interface, Traffic};
use psmonitor::model::pressure::{Pressure, Stall, Stalls};
use psmonitor::model::storage::{Disk, Filesystem, FilesystemUsage};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Samples between two closings of the file: the writer's queue is bounded, and what does not fit is dropped.
const ROWS_AT_ONCE: usize = 340;

/// How long a closing may take. The file is opened again after it.
const CLOSE_WAIT: Duration = Duration::from_secs(60);

/// When the machine was off, seconds ago.
const OFF: [(i64, i64); 2] = [(6 * HOUR, 4 * HOUR), (40 * DAY, 30 * DAY)];

/// How far apart the samples are that lie so far back: about as fine as the history still tells them.
fn step(ago: i64) -> i64 {
    if ago > 14 * DAY {
        4 * HOUR
    } else if ago > DAY {
        900
    } else if ago > 4 * HOUR {
        60
    } else {
        10
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, days] = &arguments[..] else {
        eprintln!("history FOLDER DAYS");
        std::process::exit(2)
    };
    let days: i64 = days.parse().expect("DAYS is a number");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs().cast_signed();
    let mut times = Vec::new();
    let mut ago = days * DAY;
    while ago > 0 {
        if !OFF.iter().any(|(from, to)| (*to..*from).contains(&ago)) {
            times.push(now - ago);
        }
        ago -= step(ago);
    }
    for part in times.chunks(ROWS_AT_ONCE) {
        let history = History::open(Some(Path::new(folder)), Duration::from_secs(1)).expect("a folder to write to");
        part.iter().for_each(|time| history.record(&snapshot(*time, step(now - *time))));
        history.close_by(Instant::now() + CLOSE_WAIT);
    }
}

fn snapshot(time: i64, step: i64) -> Snapshot {
    // 0 by night, 1 by day.
    let day = 0.5 - 0.5 * (TAU * (time % DAY) as f64 / DAY as f64).cos();
    let is_peak = if step < HOUR { time % HOUR < step } else { time / step % 5 == 0 };
    let user = if is_peak { 0.8 } else { 0.05 + 0.3 * day };
    let time_of = |user: f64| {
        let modes = Modes { user, system: 0.1, iowait: 0.02, idle: 1.0 - user - 0.12, ..Modes::default() };
        CpuTime { busy_ratio: Some(user + 0.1), ratios: Some(modes), ..CpuTime::default() }
    };
    let core = |core: u32| Core { core, time: time_of(user * (0.7 + 0.1 * f64::from(core))), ..Core::default() };
    let stall = |ratio| Some(Stalls { some: Some(Stall { avg10_ratio: ratio, ..Stall::default() }), full: None });
    let traffic = |rate| Traffic { bytes_per_second: Some(rate), ..Traffic::default() };
    let interface = |name: &str, rate: f64| Interface {
        name: name.into(),
        received: traffic(rate),
        sent: traffic(rate / 4.0),
        link: None,
    };
    let disk = |name: &str, rate: f64| Disk {
        name: name.into(),
        whole: Some(true),
        read_bytes_per_second: Some(rate),
        written_bytes_per_second: Some(rate * 2.0),
        busy_ratio: Some(0.1 + 0.4 * day),
        ..Disk::default()
    };
    let filesystem = |mount_point: &str, used: f64| Filesystem {
        device: "/dev/vda1".to_owned(),
        mount_point: mount_point.to_owned(),
        device_backed: true,
        usage: Some(FilesystemUsage { used_ratio: Some(used), ..FilesystemUsage::default() }),
        ..Filesystem::default()
    };
    let temperature = |label: &str, celsius: f64| Temperature {
        chip: "coretemp".to_owned(),
        label: label.to_owned(),
        celsius,
        ..Temperature::default()
    };
    let used = 2e9 + 3e9 * day;
    Snapshot {
        time_unix_seconds: time as f64,
        interval_seconds: Some(step as f64),
        cpu: Some(Cpu { total: Some(time_of(user)), cores: (0..4).map(core).collect(), ..Cpu::default() }),
        memory: Some(Memory {
            used_bytes: Some(used as u64),
            available_bytes: Some((16e9 - used) as u64),
            free_bytes: Some(4_000_000_000),
            ..Memory::default()
        }),
        swap: Some(Swap {
            used_bytes: Some(1 << 28),
            in_bytes_per_second: Some(day * 4096.0),
            out_bytes_per_second: Some(0.0),
            ..Swap::default()
        }),
        load: Some(Load { one: 4.0 * user, five: 3.0 * user, fifteen: 2.0 * user, ..Load::default() }),
        pressure: Some(Pressure { cpu: stall(user / 4.0), memory: stall(0.0), io: stall(0.02 + 0.1 * day) }),
        interfaces: Some(vec![interface("eth0", 2e6 * day), interface("wlan0", 3e5 * (1.0 - day))]),
        disks: Some(vec![disk("vda", 4e6 * day), disk("nvme0n1", 1e6)]),
        filesystems: Some(vec![filesystem("/", 0.55), filesystem("/home", 0.72)]),
        sensors: Some(Sensors {
            temperatures: vec![
                temperature("Package id 0", 38.0 + 25.0 * day),
                temperature("Core 0", 36.0 + 24.0 * day),
            ],
            ..Sensors::default()
        }),
        ..Snapshot::default()
    }
}
