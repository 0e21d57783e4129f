//! A server as a process of its own, and what the kernel says that it costs. Shared by the benchmarks that start one.
#![allow(dead_code, reason = "not every benchmark asks for everything")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that is killed when this is dropped.
pub struct Server {
    pub child: Child,
    pub address: String,
}

impl Server {
    /// Starts the command and waits for the line that tells where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.env("RUST_LOG", "warn").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().trim().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// The release binary on a free port.
    pub fn ours() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psmonitor"));
        command.args(["--listen", "127.0.0.1:0"]);
        command
    }

    /// The whole answer to a GET, head included; it must be a 200.
    pub fn get(&self, path: &str) -> String {
        self.ask("GET", path)
    }

    /// The whole answer, head included; it must be a 200.
    pub fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = "Host: localhost\r\nConnection: close\r\nContent-Length: 0";
        write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// CPU time of all its threads so far, or of those of this name.
    pub fn cpu_seconds(&self, thread: Option<&str>) -> f64 {
        cpu_seconds(&self.child.id().to_string(), thread)
    }

    pub fn resident_kibibytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `process` is a number or `self`. The first field of each thread's `schedstat`, nanoseconds.
pub fn cpu_seconds(process: &str, thread: Option<&str>) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = |task: std::fs::DirEntry| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let wanted = thread.is_none_or(|name| comm.trim() == name);
        wanted.then(|| text.split_whitespace().next()?.parse::<f64>().ok()).flatten()
    };
    tasks.filter_map(|task| nanoseconds(task.ok()?)).sum::<f64>() / 1e9
}
