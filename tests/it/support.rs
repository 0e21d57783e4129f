//! Starts and ends the real program, and hands out whoever speaks to it. Every wait has an end. Knows no route and no number.
#![expect(clippy::disallowed_types, reason = "the tests start the program; the program itself starts nothing")]
#![allow(dead_code, reason = "each module of the tests uses a part of this")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use crate::http::{Events, Response, connect, exchange, parse_response, read_to_end, request};
pub use crate::socket::Socket;

/// Time that anything may take before the test fails. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    stdout: BufReader<ChildStdout>,
}

/// The program with `args`, with nothing of the environment that could change what it does.
pub fn program<S: AsRef<OsStr>>(args: &[S]) -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_psmonitor")), args)
}

/// The same for a copy of the program.
pub fn program_at<S: AsRef<OsStr>>(path: &Path, args: &[S]) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PSMONITOR_") || name.starts_with("RUST_LOG") {
            command.env_remove(name);
        }
    }
    // Whatever this machine has in /etc is not the tests'.
    command.env("PSMONITOR_CONFIG", "/dev/null");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Output {
    let mut child = program(args).spawn().expect("the program starts");
    wait_for_end(&mut child);
    child.wait_with_output().expect("the program's output")
}

/// Waits for the end of a program, which must come.
pub fn wait_for_end(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("the program has not ended after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Server {
    /// A server on a free port of 127.0.0.1 with further `args`.
    pub fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        let mut all: Vec<&OsStr> = vec!["--listen".as_ref(), "127.0.0.1:0".as_ref()];
        all.extend(args.iter().map(AsRef::as_ref));
        Self::launch(&mut program(&all))
    }

    /// A server under strace(1), which writes every call of `calls`, with the paths of descriptors, to the folder `trace`, a
    /// file for each thread. strace watches from a process of its own and ends with the server.
    pub fn traced<S: AsRef<OsStr>>(trace: &Path, calls: &[&str], args: &[S]) -> Self {
        let mut command = program_at(Path::new("strace"), &["-D", "-f", "-ff", "-qq", "-y", "--seccomp-bpf", "-o"]);
        command
            .arg(trace.join("thread"))
            .arg("-e")
            .arg(format!("trace={}", calls.join(",")))
            .arg(env!("CARGO_BIN_EXE_psmonitor"));
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        Self::launch(&mut command)
    }

    /// A server from a whole command line, which must make it print its address.
    pub fn launch(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (kept, stderr) = (Arc::clone(&log), child.stderr.take().expect("stderr is a pipe"));
        let log_reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                kept.lock().expect("the log").push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = tell.send(line);
            stdout
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_default();
        let address = line.split_once("http://").and_then(|(_, rest)| rest.trim().split('/').next());
        let address = address.map(|address| address.replace("localhost", "127.0.0.1"));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            let _ = log_reader.join();
            panic!("the server has told no address but {line:?}; its log:\n{}", log.lock().expect("the log"));
        };
        let stdout = reader.join().expect("the reader of stdout");
        Self { child, address, log, log_reader: Some(log_reader), stdout }
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens besides, as its second line says. To be asked once, of a server that has more than one address.
    pub fn further_addresses(&mut self) -> Vec<SocketAddr> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a second line");
        let addresses = line.split_whitespace().filter_map(|word| word.strip_prefix("http://"));
        addresses.map(|address| address.trim_end_matches('/').parse().expect("an address")).collect()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Waits until its log holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "the log never said {text:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It still runs and never panicked.
    #[track_caller]
    pub fn assert_well(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        let log = self.log();
        assert!(ended.is_none(), "the server has ended ({ended:?}):\n{log}");
        assert!(!log.contains("panicked"), "the server panicked:\n{log}");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a signal to a child of ours");
    }

    /// Waits for its end; the whole log comes with the status.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait_for_end(&mut self.child);
        if let Some(reader) = self.log_reader.take() {
            let _ = reader.join();
        }
        (status, self.log())
    }

    /// `GET path`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], b"")
    }

    /// `GET path`, which must be answered with 200 and JSON.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// A whole request with the headers that every client sends.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        request(self.address, method, path, headers, body)
    }

    /// A connection with time limits, for bytes of any kind.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// A WebSocket.
    #[track_caller]
    pub fn socket(&self, path: &str) -> Socket {
        Socket::open(self.address, path, &[]).expect("the upgrade is accepted")
    }

    /// An event stream.
    #[track_caller]
    pub fn events(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        Events::open(self.address, path, headers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file below `tests/`.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
