//! What each encoding of a snapshot costs, beside what `serde_json` takes to write its own tree of the
//! same text.
//!
//! `cargo bench --bench encode`. Takes a snapshot of this machine, repeats its processes until there are 75 and 2,000, and
//! writes every answer that a frame is encoded as. Times are the middle ones of all rounds, on one thread; the tree's
//! rounds come between. Starts nothing, opens no socket, ends within seconds.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use psmonitor::collect::{Collector, Paths};
use psmonitor::dialect::{heartbeat, native, process_monitor, psiod, psmonitor as words};
use psmonitor::model::process::Processes;
use psmonitor::model::{Answer, Snapshot, Subjects, derive};

const ROUNDS: usize = 100;

static ANSWERS: [(&str, &Answer); 9] = [
    ("psmonitor frame", &words::FRAME),
    ("psmonitor /system", &words::SYSTEM),
    ("psmonitor /network", &words::NETWORK),
    ("heartbeat cpu", &heartbeat::CPU),
    ("heartbeat disk", &heartbeat::DISK),
    ("heartbeat network", &heartbeat::NETWORK),
    ("process monitor", &process_monitor::OBJECT),
    ("psiod process.getall", &psiod::ANSWERS[0]),
    ("our own snapshot", &native::SNAPSHOT),
];

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn main() {
    let machine = machine();
    for count in [75, 2_000] {
        let snapshot = with_processes(&machine, count);
        println!("{count} processes, {ROUNDS} rounds");
        for (name, answer) in ANSWERS {
            compare(name, &snapshot, answer.encode);
        }
    }
}

/// Prints the middle times of the encoding and of the tree, and their ratio.
fn compare(name: &str, snapshot: &Snapshot, encode: fn(&Snapshot) -> String) {
    let text = encode(snapshot);
    let tree: serde_json::Value = serde_json::from_str(&text).expect("an encoding is JSON");
    let time = |run: &dyn Fn() -> String| {
        let begin = Instant::now();
        black_box(run());
        begin.elapsed()
    };
    let round = |_| (time(&|| encode(snapshot)), time(&|| json(&tree)));
    let (mut ours, mut trees): (Vec<_>, Vec<_>) = (0..ROUNDS).map(round).unzip();
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    let (ours, tree) = (middle(&mut ours), middle(&mut trees));
    println!("  {name}: {} bytes in {ours:.1} us; from a tree {tree:.1} us; ratio {:.2}", text.len(), ours / tree);
}

/// This machine now, with rates.
fn machine() -> Snapshot {
    let mut collector = Collector::new(&Paths::host());
    collector.read(Subjects::ALL_PROCESSES);
    std::thread::sleep(Duration::from_millis(200));
    derive(&collector.read(Subjects::ALL_PROCESSES))
}

/// The machine's processes again and again, with other numbers, until there are `count`.
fn with_processes(machine: &Snapshot, count: usize) -> Snapshot {
    let known = machine.processes.as_ref().expect("a machine has processes");
    let mut list: Vec<_> = known.list.iter().cycle().take(count).cloned().collect();
    for (process, pid) in list.iter_mut().zip(1..) {
        process.pid = pid;
    }
    let processes = Processes { count, complete: true, list, ..known.clone() };
    Snapshot { processes: Some(processes), ..machine.clone() }
}
