//! A disk of a few MiB that fills up, a real one: the receiver says 503 and recovers. What a limit on the size of files does is tested in `systems`, for whoever may mount nothing.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

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
