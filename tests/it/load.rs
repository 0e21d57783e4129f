//! Five hundred clients of three kinds at once, and a reader that hangs: every frame in time, and each file read once.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::busy::{Watcher, assert_every_second, median, turn};
use crate::machine::Machine;
use crate::support::Server;
use crate::wire::{Raw, frame, own_counter, raise_own_limit, text, ticks, wait_until};

/// The next frame of psmonitor's stream; when it came.
pub fn next_frame(socket: &mut Raw) -> Instant {
    loop {
        match socket.frame().expect("the stream goes on") {
            (0x89, payload) => socket.send(&frame(0x8a, &payload)),
            (0x81, payload) if payload.starts_with(b"{") => return Instant::now(),
            _ => {}
        }
    }
}

/// What the clients know of the test: what they see before it has begun does not count, and when it is over they leave.
#[derive(Default)]
struct Stage {
    begun: AtomicBool,
    over: AtomicBool,
    /// So many frames a psmonitor client waits for all the same, should it be late.
    frames: usize,
}

impl Stage {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// What five hundred clients saw of a server.
struct Seen {
    /// When each psmonitor client got its frames.
    frames: Vec<Vec<Instant>>,
    /// How long each answer of psiod's took.
    answers: Vec<Duration>,
    /// The fewest that an event stream brought, those before the beginning included.
    fewest_events: usize,
}

/// 200 psiod clients that ask once a second, each at its own moment of it, 200 event streams and 100 psmonitor clients, all
/// connected before `meanwhile` is run. Each psmonitor client gets `frames` at least.
fn five_hundred_clients(server: &Server, frames: usize, meanwhile: impl FnOnce()) -> Seen {
    raise_own_limit();
    let stage = Arc::new(Stage { frames, ..Stage::default() });
    let small = || std::thread::Builder::new().stack_size(128 * 1024);
    let mut pollers = Vec::new();
    for at in 0..200 {
        let (mut socket, stage) = (Raw::psiod(server), Arc::clone(&stage));
        let poller = small().spawn(move || {
            let command = ["cpu.getall", "process.getall", "memory.getall", "network.getstats"][at % 4];
            let command = text(&format!(r#"{{"type":"command","data":{{"name":"{command}"}}}}"#));
            let mut answers = Vec::new();
            std::thread::sleep(Duration::from_millis(5 * at as u64));
            while !stage.is_over() {
                let (counts, asked) = (stage.has_begun(), Instant::now());
                socket.send(&command);
                assert!(socket.text().is_some_and(|answer| answer.contains("\"response\"")), "no answer");
                answers.extend(counts.then(|| asked.elapsed()));
                std::thread::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed()));
            }
            answers
        });
        pollers.push(poller.expect("a thread"));
    }
    let mut listeners = Vec::new();
    for _ in 0..200 {
        let (mut stream, stage) = (server.events("/api/processes", &[]), Arc::clone(&stage));
        let listener = small().spawn(move || {
            let mut count = 0;
            while !stage.is_over() && stream.next().is_some() {
                count += 1;
            }
            count
        });
        listeners.push(listener.expect("a thread"));
    }
    let mut watchers = Vec::new();
    for _ in 0..100 {
        let (mut socket, stage) = (Raw::psmonitor(server), Arc::clone(&stage));
        let watcher = small().spawn(move || {
            let mut at = Vec::new();
            while !stage.is_over() || at.len() < stage.frames {
                let now = next_frame(&mut socket);
                at.extend(stage.has_begun().then_some(now));
            }
            at
        });
        watchers.push(watcher.expect("a thread"));
    }
    stage.begun.store(true, Ordering::SeqCst);
    meanwhile();
    stage.over.store(true, Ordering::SeqCst);
    Seen {
        frames: watchers.into_iter().map(|watcher| watcher.join().expect("a watcher")).collect(),
        answers: pollers.into_iter().flat_map(|poller| poller.join().expect("a poller")).collect(),
        fewest_events: listeners.into_iter().map(|it| it.join().expect("a listener")).min().unwrap_or_default(),
    }
}

#[test]
fn five_hundred_clients_get_their_frames_in_time() {
    const TICKS: usize = 8;
    let _turn = turn();
    let (mut server, other) = (Server::start::<&str>(&[]), Server::start::<&str>(&[]));
    let beside = Watcher::new(&other);
    let mut before = 0;
    let seen = five_hundred_clients(&server, TICKS, || {
        before = ticks(&server);
        wait_until("eight ticks", || ticks(&server) >= before + TICKS);
    });
    let (count, beside) = (ticks(&server) - before, beside.end());
    let mut gaps = Vec::new();
    for at in seen.frames {
        // Two may have been on their way when it began.
        assert!(at.len() <= count + 2, "{} frames of {count} ticks", at.len());
        gaps.extend(at.windows(2).map(|two| two[1] - two[0]));
    }
    let (usual, slowest) = (median(seen.answers.iter().copied()), seen.answers.iter().max());
    println!("500 clients: {count} ticks, answers within {usual:?} to {slowest:?}, {} events", seen.fewest_events);
    assert!(count <= TICKS + 4, "{count} ticks until the last had {TICKS} frames");
    assert_eq!(own_counter(&server, "psmonitor_frames_skipped_total"), 0, "somebody got no frame");
    assert_every_second(&gaps, &beside);
    assert!(seen.fewest_events >= 3, "{} events in eight ticks and more", seen.fewest_events);
    assert!(usual < Duration::from_secs(1), "an answer takes {usual:?}");
    server.assert_well();
}

#[test]
fn five_hundred_clients_cost_one_reading_a_tick() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let calls = ["read", "pread64", "lseek"];
    let server = Server::traced::<&str>(folder.path(), &calls, &[]);
    let (mut counts, mut seconds) = (BTreeMap::new(), 0.0);
    let seen = five_hundred_clients(&server, 2, || {
        let before = readings(folder.path());
        let begin = Instant::now();
        std::thread::sleep(Duration::from_secs(8));
        counts = readings(folder.path());
        seconds = begin.elapsed().as_secs_f64();
        counts.iter_mut().for_each(|(path, count)| *count -= before.get(path).copied().unwrap_or(0));
    });
    assert_eq!(seen.frames.len(), 100, "frames also under strace");
    // Every tick reads this one.
    let ticks = counts.get("/proc/stat").copied().unwrap_or(0);
    assert!((3..=seconds as usize + 2).contains(&ticks), "{ticks} ticks in {seconds:.1} s");
    let own = ["stat", "statm", "net/dev"].map(|file| format!("/proc/{}/{file}", server.pid()));
    let vitals = ["meminfo", "loadavg", "diskstats"].map(|file| format!("/proc/{file}"));
    // The trace is looked at in the middle of a tick, perhaps, at either end.
    for path in own.iter().chain(&vitals) {
        let count = counts.get(path).copied().unwrap_or(0);
        assert!(count + 2 >= ticks, "{path} was read {count} times in {ticks} ticks: {counts:#?}");
    }
    for (path, count) in &counts {
        assert!(*count <= ticks + 2, "{path} was read {count} times in {ticks} ticks");
    }
    println!("500 clients: {} files of /proc and /sys, each read once in each of {ticks} ticks", counts.len());
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
    let open = |more: &str| {
        let path = format!("/connect?id={}{more}", crate::wire::worker(&server, &[]));
        Raw::open(server.address(), &path, &[]).expect("the upgrade is accepted")
    };
    let usual_gap = |mut socket: Raw, count: usize| {
        let at: Vec<Instant> = (0..count).map(|_| next_frame(&mut socket)).collect();
        median(at.windows(2).map(|two| two[1] - two[0])).as_millis()
    };
    let (every, fifth) = (open(""), open("&interval=1s"));
    let (every, fifth) = std::thread::scope(|scope| {
        let every = scope.spawn(|| usual_gap(every, 28));
        let fifth = scope.spawn(|| usual_gap(fifth, 6));
        (every.join().expect("times"), fifth.join().expect("times"))
    });
    println!("{every} ms between two of all frames, {fifth} ms between two of every fifth");
    assert!((150..=400).contains(&every), "{every} ms between two of all frames");
    assert!(
        (every * 7 / 2..=every * 13 / 2).contains(&fifth),
        "{fifth} ms between two of every fifth, {every} ms of all"
    );
    let refused =
        |interval: &str| Raw::open(server.address(), &format!("/connect?id=x&interval={interval}"), &[]).err();
    for wrong in ["soon", "-1s", "0", "99ms", "1ms", "0.05", "2h", "99999999999999999999999999h"] {
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
    // A second is what such a reader is waited for; it hangs for ever.
    let begin = Instant::now();
    let system = server.json("/system");
    assert!(system["mem"]["total"].is_number(), "{system}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let mut stream = Raw::psmonitor(&server);
    assert!(stream.text().is_some() && stream.text().is_some_and(|frame| frame.contains("\"mem\"")));
    server.signal(rustix::process::Signal::TERM);
    let begin = Instant::now();
    assert_eq!(stream.close_code(), Some(1001));
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    // It hangs for ever; that nothing else takes long is tested in `stop`.
    assert!(begin.elapsed() < Duration::from_secs(20), "a hanging reader does not hold up the end");
}
