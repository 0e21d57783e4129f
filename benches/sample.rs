//! What one sample costs, beside what the kernel alone takes to make the same texts.
//!
//! `cargo bench --bench sample [-- PROCESSES]`. Starts processes that sleep until there are PROCESSES (2,000 unless told),
//! reads the vitals, the ten largest and all processes, and derives and encodes a frame. Between two rounds of a reader
//! come the bare `pread`s of the same files through descriptors that are open already: what no reader can do without.
//! Times are the middle ones of all rounds, on one thread. Stops by itself within a minute and ends what it started.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a benchmark starts programs and prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use psmonitor::collect::linux::{file::KeptFile, load, process};
use psmonitor::collect::{Collector, Paths, limit};
use psmonitor::dialect::psmonitor as words;
use psmonitor::model::{Faults, Subjects, derive};

const ROUNDS: usize = 60;

/// What the fast readers read at each tick.
const VITALS: [&str; 10] = [
    "stat",
    "meminfo",
    "vmstat",
    "loadavg",
    "pressure/cpu",
    "pressure/memory",
    "pressure/io",
    "uptime",
    "net/dev",
    "diskstats",
];

fn main() {
    let number = std::env::args().skip(1).find(|word| word != "--bench");
    let wanted: usize = number.map_or(2_000, |word| word.parse().expect("PROCESSES is a number"));
    limit::raise_descriptor_limit();
    let _sleepers = Sleepers::start(wanted.saturating_sub(pids().len()));
    let paths = Paths::host();
    let pids = pids();
    println!("{} processes, {ROUNDS} rounds", pids.len());

    let mut collector = Collector::new(&paths);
    let mut bare = Bare::open(VITALS.iter().map(|file| format!("/proc/{file}")));
    compare("vitals", || drop(black_box(collector.read(Subjects::VITALS))), || bare.read());

    let of_all = |file: &str| pids.iter().map(|pid| format!("/proc/{pid}/{file}")).collect::<Vec<_>>();
    let mut reader = process::Reader::new(&paths);
    let mut bare = Bare::open(of_all("statm"));
    let mut loadavg = KeptFile::new(paths.proc("loadavg"));
    let parse = |path: &Path, text: &str| load::parse_loadavg(path, text, &mut Faults::default());
    let mut newest_pid = || loadavg.read_text_with(parse).ok().and_then(|read| read.newest_pid);
    let ten = || {
        reader.note_newest_pid(newest_pid());
        drop(black_box(reader.read_top()));
    };
    compare("the ten largest", ten, || bare.read());
    let mut reader = process::Reader::new(&paths);
    let mut bare = Bare::open(of_all("statm").into_iter().chain(of_all("stat")));
    let all = || {
        reader.note_newest_pid(newest_pid());
        drop(black_box(reader.read_all(false)));
    };
    compare("all processes", all, || bare.read());

    let mut bare = Bare::open(VITALS.iter().map(|file| format!("/proc/{file}")).chain(of_all("statm")));
    let frame = || {
        black_box((words::FRAME.encode)(&derive(&collector.read(Subjects::TOP_PROCESSES))));
    };
    compare("a psmonitor frame: vitals, the ten largest, derived, encoded", frame, || bare.read());
}

/// Prints the middle times of both and their ratio.
fn compare(what: &str, mut ours: impl FnMut(), mut bare: impl FnMut()) {
    let time = |run: &mut dyn FnMut()| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    };
    // The first pass of each opens files.
    ours();
    bare();
    let (mut our_times, mut bare_times): (Vec<_>, Vec<_>) =
        (0..ROUNDS).map(|_| (time(&mut ours), time(&mut bare))).unzip();
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    let (ours, bare) = (middle(&mut our_times), middle(&mut bare_times));
    println!("{what}: {ours:.0} us; the kernel alone {bare:.0} us; ratio {:.2}", ours / bare);
}

/// Files that are open, to be read and not looked at.
struct Bare {
    files: Vec<File>,
    buffer: Vec<u8>,
}

impl Bare {
    fn open(paths: impl IntoIterator<Item = String>) -> Self {
        // Without pressure files, or when a process has ended meanwhile, there is nothing to read.
        let files = paths.into_iter().filter_map(|path| File::open(Path::new(&path)).ok()).collect();
        Self { files, buffer: vec![0; 16 << 10] }
    }

    fn read(&mut self) {
        for file in &self.files {
            let _ = black_box(file.read_at(&mut self.buffer, 0));
        }
    }
}

fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start(count: usize) -> Self {
        let sleeper = |_| Command::new("sleep").arg("120").stdin(Stdio::null()).spawn().expect("a process more");
        Self((0..count).map(sleeper).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
