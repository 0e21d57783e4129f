//! What the history costs: at every second, and when fourteen days of it are asked for.
//!
//! `cargo bench --bench history [-- SECONDS]`. First the price of remembering, for SECONDS (60 unless told) at 1 Hz: of
//! `History::record` on this machine's own samples, and of servers side by side, two with a data directory and two
//! without. Then a store of 14 days is made (54 series, every value noisy) and the release binary is asked for all of it
//! over HTTP, beside what `serde_json` alone takes to print as many numbers. Loopback only; stops by itself.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a benchmark starts programs and prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

mod server;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use psmonitor::collect::{Collector, Paths};
use psmonitor::history::History;
use psmonitor::model::cpu::{Core, Cpu, CpuTime, Modes};
use psmonitor::model::hardware::{Sensors, Temperature};
use psmonitor::model::load::Load;
use psmonitor::model::memory::{Memory, Swap};
use psmonitor::model::network::{Interface, Traffic};
use psmonitor::model::pressure::{Pressure, Stall, Stalls};
use psmonitor::model::storage::{Disk, Filesystem, FilesystemUsage};
use psmonitor::model::{Snapshot, Subjects, derive};

use server::{Server, cpu_seconds};

const DAYS: i64 = 14;
const ROUNDS: usize = 60;
/// The writer holds an hour of rows at most, so a made-up clock must stop for it before.
const ROWS_AT_ONCE: i64 = 340;

fn main() {
    let number = std::env::args().skip(1).find(|word| word != "--bench");
    let seconds: u64 = number.map_or(60, |word| word.parse().expect("SECONDS is a number"));
    if seconds > 0 {
        remember(seconds);
        side_by_side(seconds);
    }
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    fortnight(folder.path());
}

/// The observer on the sampler's thread, timed, and the thread that writes, both at 1 Hz in this process.
fn remember(seconds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(Some(folder.path()), Duration::from_secs(1)).unwrap();
    let mut collector = Collector::new(&Paths::host());
    let mut recording = Duration::ZERO;
    let mut next = Instant::now();
    let mut writing = 0.0;
    for second in 0..=seconds {
        let snapshot = derive(&collector.read(Subjects::VITALS));
        let begin = Instant::now();
        history.record(black_box(&snapshot));
        if second == 0 {
            // What is made once is no price of a second.
            writing = cpu_seconds("self", Some("history"));
        } else {
            recording += begin.elapsed();
        }
        next += Duration::from_secs(1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let recording = recording.as_secs_f64() * 1e6 / seconds as f64;
    let writing = (cpu_seconds("self", Some("history")) - writing) * 1e6 / seconds as f64;
    println!(
        "remembering a second: {recording:.1} us with the sample, {writing:.1} us in the thread that writes: {:.4} % of a core",
        (recording + writing) / 1e4
    );
}

fn start(folder: Option<&Path>) -> Server {
    let mut command = Server::ours();
    if let Some(folder) = folder {
        command.arg("--data-dir").arg(folder);
    }
    Server::start(&mut command)
}

/// Servers at 1 Hz with nobody connected, two and two. Those without a data directory keep their last hour too.
fn side_by_side(seconds: u64) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let servers = [Some(&folders[0]), None, None, Some(&folders[1])].map(|folder| {
        // One that ticks right after another finds the processor's caches warm and costs a third less.
        std::thread::sleep(Duration::from_millis(230));
        start(folder.map(tempfile::TempDir::path))
    });
    std::thread::sleep(Duration::from_secs(3));
    let cpu = |name| servers.each_ref().map(|server| server.cpu_seconds(name));
    let mean = |pair: [usize; 2], of: [f64; 4]| (of[pair[0]] + of[pair[1]]) / 2.0;
    let (all, writer) = (cpu(None), cpu(Some("history")));
    std::thread::sleep(Duration::from_secs(seconds));
    let percent = |now: f64, before: f64| (now - before) * 100.0 / seconds as f64;
    let now = cpu(None);
    let [with, without] = [[0, 3], [1, 2]].map(|pair| percent(mean(pair, now), mean(pair, all)));
    println!(
        "idle servers: {with:.4} % of a core with a data directory ({:.4} % in the thread that writes), {without:.4} % without",
        percent(cpu(Some("history"))[0], writer[0])
    );
}

/// What the vitals of a small server look like: 54 series, each with noise of its own.
fn snapshot(time: i64, noise: &mut impl FnMut() -> f64) -> Snapshot {
    let mut stall = || Stall { avg10_ratio: noise() * 0.1, ..Stall::default() };
    let pressure = Pressure {
        cpu: Some(Stalls { some: Some(stall()), full: None }),
        memory: Some(Stalls { some: Some(stall()), full: Some(stall()) }),
        io: Some(Stalls { some: Some(stall()), full: Some(stall()) }),
    };
    let mut cpu_time = || {
        let (user, system, iowait, irq) = (noise() * 0.5, noise() * 0.2, noise() * 0.1, noise() * 0.01);
        let modes = Modes { user, system, iowait, irq, idle: 1.0 - user - system - iowait - irq, ..Modes::default() };
        CpuTime { busy_ratio: Some(user + system + irq), ratios: Some(modes), ..CpuTime::default() }
    };
    let total = cpu_time();
    let cores = (0..4).map(|core| Core { core, time: cpu_time(), ..Core::default() }).collect();
    let mut traffic = || Traffic { bytes_per_second: Some(noise() * 1e6), ..Traffic::default() };
    let mut interface =
        |name: &str| Interface { name: name.into(), received: traffic(), sent: traffic(), ..Interface::default() };
    let interfaces = ["lo", "eth0", "eth1"].map(&mut interface).into();
    let mut disk = |name: &str| Disk {
        name: name.into(),
        whole: Some(true),
        read_bytes_per_second: Some(noise() * 1e7),
        written_bytes_per_second: Some(noise() * 1e7),
        busy_ratio: Some(noise()),
        ..Disk::default()
    };
    let disks = ["vda", "vdb", "nvme0n1"].map(&mut disk).into();
    let used = 3e9 + noise() * 1e9;
    let temperature = |label: &str, celsius| Temperature {
        chip: "coretemp".to_owned(),
        label: label.to_owned(),
        celsius,
        ..Temperature::default()
    };
    let filesystem = |mount_point: &str, used_ratio| Filesystem {
        device: "/dev/vda1".to_owned(),
        mount_point: mount_point.to_owned(),
        device_backed: true,
        usage: Some(FilesystemUsage { used_ratio: Some(used_ratio), ..FilesystemUsage::default() }),
        ..Filesystem::default()
    };
    Snapshot {
        time_unix_seconds: time as f64,
        interval_seconds: Some(10.0),
        cpu: Some(Cpu { total: Some(total), cores, ..Cpu::default() }),
        memory: Some(Memory {
            used_bytes: Some(used as u64),
            available_bytes: Some((8e9 - used) as u64),
            ..Memory::default()
        }),
        swap: Some(Swap {
            used_bytes: Some((noise() * 1e8) as u64),
            in_bytes_per_second: Some(noise() * 4096.0),
            out_bytes_per_second: Some(noise() * 4096.0),
            ..Swap::default()
        }),
        load: Some(Load { one: noise() * 2.0, five: noise(), fifteen: noise(), ..Load::default() }),
        pressure: Some(pressure),
        interfaces: Some(interfaces),
        disks: Some(disks),
        filesystems: Some(vec![filesystem("/", 0.5 + noise() * 0.01)]),
        sensors: Some(Sensors {
            temperatures: ["Package id 0", "Core 0"].map(|label| temperature(label, 40.0 + noise() * 20.0)).into(),
            ..Sensors::default()
        }),
        ..Snapshot::default()
    }
}

/// Fourteen days up to now, a sample every 10 s.
fn fill(folder: &Path) {
    let begin = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    let times: Vec<i64> = (now - DAYS * 86_400 - 3_600..now).step_by(10).collect();
    for part in times.chunks(ROWS_AT_ONCE as usize) {
        let history = History::open(Some(folder), Duration::from_secs(1)).unwrap();
        part.iter().for_each(|time| history.record(&snapshot(*time, &mut noise)));
        history.close();
    }
    println!("a store of {DAYS} days and an hour, made in {:.0} s", begin.elapsed().as_secs_f64());
}

fn fortnight(folder: &Path) {
    let server = start(Some(folder));
    for query in ["range=14d&points=600", "range=14d&points=600&series=cpu.busy", "range=1d&points=600", "range=1h"] {
        let path = format!("/api/v1/history?{query}");
        let mut numbers = Vec::new();
        let (mut times, mut bare, mut cpu, mut bytes) = (Vec::new(), Vec::new(), 0.0, 0);
        for round in 0..=ROUNDS {
            let before = server.cpu_seconds(None);
            let begin = Instant::now();
            let answer = server.get(&path);
            let took = begin.elapsed();
            if round == 0 {
                // The first reading opens what the others find open.
                numbers = numbers_in(&answer);
                continue;
            }
            cpu += server.cpu_seconds(None) - before;
            bytes = answer.len();
            times.push(took);
            let begin = Instant::now();
            black_box(serde_json::to_string(black_box(&numbers)).unwrap());
            bare.push(begin.elapsed());
        }
        let [time, bare] = [times, bare].map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e3
        });
        println!(
            "{query}: {time:.1} ms, {:.1} ms of CPU, {bytes} bytes, {} numbers; serde_json alone prints these in {bare:.1} ms: ratio {:.2}",
            cpu * 1e3 / ROUNDS as f64,
            numbers.len(),
            time / bare
        );
    }
}

fn numbers_in(answer: &str) -> Vec<f32> {
    let answer: serde_json::Value = serde_json::from_str(&answer[answer.find("\r\n\r\n").unwrap()..]).unwrap();
    let columns = answer["series"].as_object().unwrap().values();
    let kinds = columns.flat_map(|column| ["mean", "min", "max"].map(|kind| column[kind].as_array().unwrap()));
    kinds.flatten().filter_map(|value| Some(value.as_f64()? as f32)).collect()
}
