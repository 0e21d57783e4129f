//! A disk of a few MiB that fills up, a real one: the receiver says 503 and recovers, the spool keeps its order, drops the
//! oldest and counts them. What a limit on the size of files does is tested in `systems`, for whoever may mount nothing.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use psmonitor::agent::Bounds;
use psmonitor::agent::spool::Spool;

use crate::support::{PATIENCE, Server, program_at};
use crate::systems::{now, report};

/// A tmpfs in a mount namespace of its own, which we see through its process.
struct Disk {
    holder: Child,
    path: PathBuf,
    _point: tempfile::TempDir,
}

impl Disk {
    fn of_kib(kib: u32) -> Self {
        let point = tempfile::tempdir().expect("a folder");
        let script = "mount -t tmpfs -o size=$1k none \"$0\" && echo ready && exec sleep 600";
        let mut command = program_at(Path::new("unshare"), &[""; 0]);
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", script]).arg(point.path()).arg(kib.to_string());
        let mut holder = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "a tmpfs could not be mounted");
        let inside = point.path().strip_prefix("/").expect("an absolute path");
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(inside);
        Self { holder, path, _point: point }
    }

    /// Takes all the room that is left, but for so many KiB.
    fn fill(&self, left: usize) {
        let ballast = self.path.join("ballast");
        let room = rustix::fs::statvfs(&self.path).expect("the room");
        let bytes = usize::try_from(room.f_bavail * room.f_frsize).expect("a size").saturating_sub(left << 10);
        std::fs::write(ballast, vec![1; bytes]).expect("ballast");
    }

    fn free(&self) {
        std::fs::remove_file(self.path.join("ballast")).expect("ballast");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn receiver(disk: &Disk) -> Server {
    Server::start(&["--receive", "--auto-register", "--data-dir", disk.path.to_str().expect("a path")])
}

#[test]
fn a_receiver_whose_disk_is_full_says_so_also_when_it_starts_and_recovers_by_itself() {
    let disk = Disk::of_kib(16 << 10);
    let server = receiver(&disk);
    let mut epoch = now() - 100_000;
    let mut confirmed = 0;
    let mut send = |server: &Server| {
        epoch += 1;
        // Something that does not pack well, so that there is an end to the room.
        let mut value: serde_json::Value = serde_json::from_slice(&report("a", epoch)).expect("JSON");
        value["noise"] = (0..2_000).map(|n: i64| (n * 7_919 * epoch % 999_983).to_string()).collect::<String>().into();
        let answer = server.request("POST", "/systems", &[], value.to_string().as_bytes());
        confirmed += u64::from(answer.status == 200);
        (answer.status, answer)
    };
    assert_eq!(send(&server).0, 200);
    let end = Instant::now() + PATIENCE;
    disk.fill(0);
    let refused = loop {
        match send(&server) {
            (200, _) => assert!(Instant::now() < end, "it never was full"),
            (_, answer) => break answer,
        }
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some() && refused.error().contains("again later"), "{}", refused.text());
    assert_eq!(server.get("/healthz").status, 200, "all else goes on");
    assert_eq!(server.get("/systems/a").status, 200, "what is there can be read");
    // Killed, and started while there is no room.
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let server = receiver(&disk);
    let (status, answer) = send(&server);
    assert!([200, 503].contains(&status), "{}", answer.text());
    disk.free();
    loop {
        match send(&server) {
            (200, _) => break,
            (status, answer) => assert!(status == 503 && Instant::now() < end, "{}", answer.text()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let server = receiver(&disk);
    let all = server.json("/systems");
    assert_eq!(all["systems"][0]["reports"].as_u64(), Some(confirmed), "{all}");
}

#[test]
fn a_spool_whose_disk_is_full_keeps_order_drops_the_oldest_and_counts() {
    const ENTRIES: usize = 200;
    let disk = Disk::of_kib(4 << 10);
    let bounds = Bounds { most_bytes: 64 << 20, most_age: Duration::from_secs(3_600) };
    let path = disk.path.join("spool.redb");
    let spool = Spool::open(Some(&path), bounds).expect("a spool");
    let body = |number: usize| -> Vec<u8> {
        let mut state = number as u32 + 1;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        format!("{number} ").into_bytes().into_iter().chain((0..100_000).map(|_| noise())).collect()
    };
    for number in 0..ENTRIES {
        spool.push(&[&body(number)]);
    }
    let counts = spool.counts();
    assert!(counts.dropped > 0 && counts.entries > 80, "{counts:?}");
    assert_eq!(counts.entries + counts.dropped, ENTRIES as u64, "{counts:?}");
    assert!(spool.push_durably(&[b"never"]).is_err(), "the disk takes nothing");
    // What was on the disk comes first, then what waits in memory; the newest is the last.
    let mut numbers: Vec<usize> = Vec::new();
    loop {
        let entries = spool.oldest(7);
        if entries.is_empty() {
            break;
        }
        let number = |body: &[u8]| {
            String::from_utf8_lossy(body.split(|b| *b == b' ').next().unwrap_or_default()).parse::<usize>()
        };
        numbers.extend(entries.iter().map(|entry| number(&entry.body).expect("a number")));
        spool.done(&entries.iter().map(|entry| entry.number).collect::<Vec<_>>());
    }
    assert!(numbers.is_sorted() && numbers.len() as u64 == counts.entries, "{numbers:?}");
    assert_eq!((numbers.first(), numbers.last()), (Some(&0), Some(&(ENTRIES - 1))));
    assert_eq!(spool.counts().dropped, counts.dropped);
    // And once all was sent the disk is written again.
    let end = Instant::now() + PATIENCE;
    while let Err(error) = spool.push_durably(&[b"0 again"]) {
        assert!(Instant::now() < end, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(spool);
    let again = Spool::open(Some(&path), bounds).expect("a spool");
    assert_eq!(again.oldest(10).into_iter().map(|entry| entry.body).collect::<Vec<_>>(), [b"0 again"]);
}
