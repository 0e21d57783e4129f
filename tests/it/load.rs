//! Five hundred clients of three kinds at once, and a reader that hangs: every frame in time, and each file read once.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::support::Server;
use crate::wire::{Raw, frame, raise_own_limit, text};

/// How a client behaves between two reads.
fn read_until(mut socket: Raw, end: Instant, mut on_text: impl FnMut(&[u8], Instant)) {
    while Instant::now() < end {
        match socket.frame().expect("the stream goes on") {
            (0x89, payload) => socket.send(&frame(0x8a, &payload)),
            (0x81, payload) => on_text(&payload, Instant::now()),
            _ => {}
        }
    }
}

/// What five hundred clients saw of a server.
struct Seen {
    /// When each psmonitor client got its frames.
    frames: Vec<Vec<Instant>>,
    slowest_answer: Duration,
    fewest_events: usize,
}

/// 200 psiod clients that ask once a second, each at its own moment of it, 200 event streams and 100 psmonitor clients, for
/// twelve seconds. The first four are for connecting; what is seen later counts.
fn five_hundred_clients(server: &Server, measured: impl FnOnce(Duration)) -> Seen {
    raise_own_limit();
    let end = Instant::now() + Duration::from_secs(12);
    let begin = end - Duration::from_secs(8);
    let small = || std::thread::Builder::new().stack_size(128 * 1024);
    let mut pollers = Vec::new();
    for at in 0..200 {
        let mut socket = Raw::psiod(server);
        let poller = small().spawn(move || {
            let command = ["cpu.getall", "process.getall", "memory.getall", "network.getstats"][at % 4];
            let command = text(&format!(r#"{{"type":"command","data":{{"name":"{command}"}}}}"#));
            let mut slowest = Duration::ZERO;
            std::thread::sleep(Duration::from_millis(5 * at as u64));
            while Instant::now() < end {
                let asked = Instant::now();
                socket.send(&command);
                assert!(socket.text().is_some_and(|answer| answer.contains("\"response\"")), "no answer");
                if asked > begin {
                    slowest = slowest.max(asked.elapsed());
                }
                std::thread::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed()));
            }
            slowest
        });
        pollers.push(poller.expect("a thread"));
    }
    let mut listeners = Vec::new();
    for _ in 0..200 {
        let mut stream = server.events("/api/processes", &[]);
        let listener = small().spawn(move || {
            let mut count = 0;
            while Instant::now() < end && stream.next().is_some() {
                count += 1;
            }
            count
        });
        listeners.push(listener.expect("a thread"));
    }
    let mut watchers = Vec::new();
    for _ in 0..100 {
        let socket = Raw::psmonitor(server);
        let watcher = small().spawn(move || {
            let mut at = Vec::new();
            read_until(socket, end, |payload, now| {
                if payload.starts_with(b"{") && now > begin {
                    at.push(now);
                }
            });
            at
        });
        watchers.push(watcher.expect("a thread"));
    }
    assert!(Instant::now() < begin, "connecting took too long to measure");
    std::thread::sleep(begin.saturating_duration_since(Instant::now()));
    measured(end.saturating_duration_since(Instant::now()));
    Seen {
        frames: watchers.into_iter().map(|watcher| watcher.join().expect("a watcher")).collect(),
        slowest_answer: pollers.into_iter().map(|poller| poller.join().expect("a poller")).max().unwrap_or_default(),
        fewest_events: listeners.into_iter().map(|it| it.join().expect("a listener")).min().unwrap_or_default(),
    }
}

#[test]
fn five_hundred_clients_get_their_frames_in_time() {
    let mut server = Server::start::<&str>(&[]);
    let seen = five_hundred_clients(&server, |_| ());
    let mut worst = Duration::ZERO;
    for at in seen.frames {
        assert!((7..=9).contains(&at.len()), "{} frames in 8 s", at.len());
        for two in at.windows(2) {
            let gap = two[1] - two[0];
            worst = worst.max(gap.abs_diff(Duration::from_secs(1)));
            assert!((750..=1_250).contains(&gap.as_millis()), "a frame came {gap:?} after the one before");
        }
    }
    let (slowest, fewest) = (seen.slowest_answer, seen.fewest_events);
    println!("500 clients: worst gap off by {worst:?}, slowest answer {slowest:?}, fewest events {fewest}");
    assert!(fewest >= 3, "{fewest} events in 8 s and more");
    assert!(slowest < Duration::from_secs(2), "an answer took {slowest:?}");
    server.assert_well();
}

#[test]
fn five_hundred_clients_cost_one_reading_a_tick() {
    let folder = tempfile::tempdir().expect("a folder");
    let calls = ["read", "pread64", "lseek"];
    let server = Server::traced::<&str>(folder.path(), &calls, &[]);
    let (mut counts, mut seconds) = (BTreeMap::new(), 0.0);
    let seen = five_hundred_clients(&server, |rest| {
        let before = readings(folder.path());
        let begin = Instant::now();
        std::thread::sleep(rest.saturating_sub(Duration::from_secs(1)));
        counts = readings(folder.path());
        seconds = begin.elapsed().as_secs_f64();
        counts.iter_mut().for_each(|(path, count)| *count -= before.get(path).copied().unwrap_or(0));
    });
    assert!(seen.frames.iter().all(|at| at.len() >= 6), "frames also under strace");
    let most = seconds.ceil() as usize;
    let own = ["stat", "statm", "net/dev"].map(|file| format!("/proc/{}/{file}", server.pid()));
    let vitals = ["stat", "meminfo", "loadavg", "diskstats"].map(|file| format!("/proc/{file}"));
    for path in own.iter().chain(&vitals) {
        let count = counts.get(path).copied().unwrap_or(0);
        assert!((most - 2..=most).contains(&count), "{path} was read {count} times in {seconds:.1} s: {counts:#?}");
    }
    for (path, count) in &counts {
        assert!(*count <= most, "{path} was read {count} times in {seconds:.1} s");
    }
    println!("500 clients: {} files of /proc and /sys, each read at most {most} times in {seconds:.1} s", counts.len());
}

/// How often each file of `/proc` and `/sys` was read from its beginning, and each folder listed from its beginning. Lines
/// of strace: `pread64(5</proc/stat>, "cpu  1 2"..., 4096, 0) = 1203`, `lseek(4</proc>, 0, SEEK_SET) = 0`.
fn readings(trace: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in std::fs::read_dir(trace).expect("the trace") {
        let text = std::fs::read_to_string(file.expect("a file of a thread").path()).expect("text");
        for line in text.lines() {
            let Some((call, rest)) = line.split_once('<') else { continue };
            let Some((path, rest)) = rest.split_once('>') else { continue };
            // A file that is opened for one reading is read until a call gives nothing; that one does not count.
            let from_the_beginning = match call.split_once('(') {
                Some(("read", _)) => !rest.ends_with("= 0"),
                _ => rest.contains(", 0) = ") || rest.contains(", 0, SEEK_SET) = "),
            };
            if from_the_beginning && (path.starts_with("/proc") || path.starts_with("/sys")) {
                *counts.entry(path.to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

#[test]
fn a_client_may_take_every_fifth_frame() {
    let server = Server::start(&["--interval", "200ms"]);
    let end = Instant::now() + Duration::from_millis(5_700);
    let open = |more: &str| {
        let path = format!("/connect?id={}{more}", crate::wire::worker(&server, &[]));
        Raw::open(server.address(), &path, &[]).expect("the upgrade is accepted")
    };
    let times = |socket: Raw| {
        let mut at = Vec::new();
        read_until(socket, end, |payload, now| {
            if payload.starts_with(b"{") {
                at.push(now);
            }
        });
        at
    };
    let (every, fifth) = (open(""), open("&interval=1s"));
    let (every, fifth) = std::thread::scope(|scope| {
        let every = scope.spawn(|| times(every));
        let fifth = scope.spawn(|| times(fifth));
        (every.join().expect("times"), fifth.join().expect("times"))
    });
    assert!((24..=31).contains(&every.len()), "{} frames of all", every.len());
    assert!((5..=7).contains(&fifth.len()), "{} frames of every fifth", fifth.len());
    for two in fifth.windows(2).skip(1) {
        let gap = (two[1] - two[0]).as_millis();
        assert!((800..=1_200).contains(&gap), "{gap} ms between two frames");
    }
    let refused =
        |interval: &str| Raw::open(server.address(), &format!("/connect?id=x&interval={interval}"), &[]).err();
    for wrong in ["soon", "-1s", "99999999999999999999999999h"] {
        assert_eq!(refused(wrong).map(|response| response.status), Some(400), "{wrong}");
    }
}

#[test]
fn a_reader_that_hangs_holds_nobody_up_for_long() {
    let machine = Machine::copy();
    // Whoever opens a pipe that nobody writes to waits for ever.
    let pipe = machine.path("sys/class/hwmon/hwmon1/temp1_input");
    std::fs::remove_file(&pipe).expect("a file");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
    let server = Server::start(&machine.args());
    for _ in 0..3 {
        let begin = Instant::now();
        let system = server.json("/system");
        assert!(system["mem"]["total"].is_number(), "{system}");
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    }
    let mut stream = Raw::psmonitor(&server);
    assert!(stream.text().is_some() && stream.text().is_some_and(|frame| frame.contains("\"mem\"")));
    server.signal(rustix::process::Signal::TERM);
    let begin = Instant::now();
    assert_eq!(stream.close_code(), Some(1001));
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(5), "a hanging reader does not hold up the end");
}
