//! A host of containers has thousands of interfaces, addresses, neighbours and devices: what they cost grows as their number
//! does, and not as its square. Each part of the way is timed for itself, as a ratio within one run.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times are shown with a failure")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

use psmonitor::collect::{Collector, Paths};
use psmonitor::dialect::{heartbeat, native, prometheus, psmonitor as words};
use psmonitor::history::History;
use psmonitor::model::exclude::Exclusions;
use psmonitor::model::own::OwnStats;
use psmonitor::model::{Answer, Snapshot, Subjects, derive};
use rustix::time::{ClockId, clock_gettime};

use crate::busy::turn;
use crate::machine::Machine;

/// How many of each kind. Four times as many may cost [`MOST`] times as much; the square would be sixteen.
const FEW: usize = 1_500;
const MANY: usize = 6_000;
const MOST: f64 = 9.0;

/// Times of each part; the shortest counts.
const ROUNDS: usize = 5;

static ANSWERS: [&Answer; 6] =
    [&words::NETWORK, &words::FRAME, &heartbeat::NETWORK, &heartbeat::DISK, &heartbeat::DISKIO, &native::SNAPSHOT];

/// Writes the tables of a host with `count` of everything. Every `round` the first interface is another one, so that each
/// of the others stands elsewhere.
fn write(machine: &Machine, count: usize, round: usize) {
    let mut dev = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n".to_owned();
    let mut inet6 = String::new();
    let mut arp = "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
    let mut disks = String::new();
    for at in round..round + count {
        let _ = writeln!(dev, " veth{at:07x}: {at} 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0");
        let _ = writeln!(inet6, "fe80000000000000000000ff{at:08x} 02 40 20 80 veth{at:07x}");
        let _ = writeln!(arp, "10.0.0.1 0x1 0x2 02:00:00:00:00:01 * veth{at:07x}");
        let _ = writeln!(disks, " 253 {at} dm-{at} {at} 0 8 1 1 0 8 1 0 1 1");
    }
    for (file, text) in [("net/dev", dev), ("net/if_inet6", inet6), ("net/arp", arp), ("diskstats", disks)] {
        fs::write(machine.path("proc").join(file), text).expect("a table");
    }
    let mounts: String = (0..count).map(|at| format!("{at} 1 253:{at} / /m{at} rw - ext4 /dev/dm-{at} rw\n")).collect();
    fs::write(machine.path("proc/1/mountinfo"), format!("1 1 0:9 / / rw - overlay overlay rw\n{mounts}"))
        .expect("mounts");
}

/// What this thread used of the processor: what else runs on the machine does not count.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// The shortest time of each part of the way.
fn times(count: usize) -> Vec<(&'static str, Duration)> {
    let machine = Machine::copy();
    let folder = |name: &str| machine.path(name);
    let paths = Paths { procfs: folder("proc"), sysfs: folder("sys"), rootfs: folder("root"), ..Paths::host() };
    for at in 0..count + ROUNDS {
        let place = machine.path(format!("sys/class/net/veth{at:07x}"));
        fs::create_dir(&place).expect("an interface");
        fs::write(place.join("ifindex"), format!("{at}\n")).expect("an interface");
    }
    let mut collector = Collector::new(&paths);
    let wanted = [
        ("interfaces", Subjects::INTERFACES),
        ("addresses", Subjects::ADDRESSES),
        ("tables", Subjects::TABLES),
        ("filesystems", Subjects::FILESYSTEMS),
    ];
    let history = History::open(None, Duration::from_secs(1)).expect("a history in memory");
    let mut best: Vec<(&str, Duration)> = Vec::new();
    for round in 0..=ROUNDS {
        write(&machine, count, round);
        let mut parts: Vec<(&'static str, Duration)> = Vec::new();
        let mut time = |name, part: &mut dyn FnMut()| {
            let before = used();
            part();
            parts.push((name, used().saturating_sub(before)));
        };
        for (name, subjects) in wanted {
            time(name, &mut || drop(black_box(collector.read(subjects))));
        }
        let sample = collector.read(wanted.into_iter().fold(Subjects::VITALS, |all, (_, one)| all.with(one)));
        for run in &sample.runs {
            let is_of_number = ["network", "link", "address", "arp", "disk", "filesystem"].contains(&run.reader);
            assert!(!is_of_number || run.error.is_none(), "{}: {:?}", run.reader, run.error);
        }
        let mut snapshot = Snapshot::default();
        time("derive", &mut || snapshot = derive(&sample));
        assert_eq!(snapshot.interfaces.as_ref().map(Vec::len), Some(count));
        assert_eq!(snapshot.disks.as_ref().map(Vec::len), Some(count));
        for answer in ANSWERS {
            time(answer.name, &mut || drop(black_box((answer.encode)(&snapshot))));
        }
        let format = prometheus::Format::from_accept("");
        time("/metrics", &mut || {
            drop(black_box(
                prometheus::encode(&snapshot, &OwnStats::default(), None, format, &Exclusions::default())
                    .expect("a page"),
            ));
        });
        snapshot.time_unix_seconds = 1_795_000_000.0 + round as f64;
        time("history", &mut || history.record(&snapshot));
        // The first round has nothing before it.
        match round {
            0 => {}
            1 => best = parts,
            _ => best.iter_mut().zip(parts).for_each(|(best, (_, now))| best.1 = best.1.min(now)),
        }
    }
    best
}

#[test]
fn thousands_of_interfaces_cost_by_their_number() {
    let _turn = turn();
    let (few, many) = (times(FEW), times(MANY));
    let mut wrong = Vec::new();
    for ((name, few), (_, many)) in few.iter().zip(&many) {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("{name}: {few:?} for {FEW}, {many:?} for {MANY}: {ratio:.1} times");
        // What takes no time at all has no ratio.
        if ratio > MOST && *many > Duration::from_millis(5) {
            wrong.push(*name);
        }
    }
    assert!(few.len() >= 12, "{} parts", few.len());
    assert!(wrong.is_empty(), "{wrong:?} grow faster than what there is to tell");
}
