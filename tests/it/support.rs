//! Starts and ends the real program, and speaks HTTP and event streams to it. Heads and bodies are bytes, so that a test
//! can send wrong ones. Every wait has an end. Knows no route and no number.
#![expect(clippy::disallowed_types, reason = "the tests start the program; the program itself starts nothing")]
#![allow(dead_code, reason = "each module of the tests uses a part of this")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use crate::socket::Socket;

/// Time that anything may take before the test fails. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    _stdout: BufReader<ChildStdout>,
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
        Self { child, address, log, log_reader: Some(log_reader), _stdout: stdout }
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        self.address
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

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without the transfer encoding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text under `error`, which every refusal has.
    #[track_caller]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.text())).to_owned()
    }
}

/// A connection on which nothing waits for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn head(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    if !has("host") {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    if !has("content-length") && !has("transfer-encoding") && (length > 0 || method == "POST") {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// One request on a connection of its own.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let head = head(address, method, path, headers, body.len()) + "Connection: close\r\n\r\n";
    let answer = exchange(address, &[head.as_bytes(), body].concat());
    parse_response(&answer).unwrap_or_else(|| panic!("{method} {path}: {:?}", String::from_utf8_lossy(&answer)))
}

/// Sends bytes as they are and reads until the server closes the connection.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// Everything until the server closes the connection or says nothing more for [`PATIENCE`].
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    answer
}

/// A whole answer; `None` if it is none.
pub fn parse_response(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (status, headers) = parse_head(std::str::from_utf8(&answer[..end]).ok()?)?;
    let mut response = Response { status, headers, body: answer[end + 4..].to_vec() };
    if response.header("transfer-encoding") == Some("chunked") {
        let mut body = Vec::new();
        let mut rest = BufReader::new(&response.body[..]);
        while let Some(piece) = read_chunk(&mut rest) {
            body.extend_from_slice(&piece);
        }
        response.body = body;
    }
    Some(response)
}

fn parse_head(head: &str) -> Option<(u16, Vec<(String, String)>)> {
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some((status, lines.filter_map(header).collect()))
}

/// The next piece of a chunked body; `None` at its end.
fn read_chunk(body: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut size = String::new();
    body.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
    let mut piece = vec![0; size + 2];
    body.read_exact(&mut piece).ok()?;
    piece.truncate(size);
    Some(piece)
}

/// An event stream.
pub struct Events {
    /// The head of the answer; its body stays empty.
    pub response: Response,
    body: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// `GET path`; the answer's head is read.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = connect(address);
        stream.write_all((head(address, "GET", path, headers, 0) + "\r\n").as_bytes()).expect("the request is sent");
        let mut body = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(body.read_line(&mut head).expect("a head in time") > 0, "the head has no end: {head:?}");
        }
        let (status, headers) = parse_head(&head).unwrap_or_else(|| panic!("no answer: {head:?}"));
        Self { response: Response { status, headers, body: Vec::new() }, body, text: String::new() }
    }

    /// The next event or comment without its blank line; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            self.text.push_str(&String::from_utf8(read_chunk(&mut self.body)?).expect("UTF-8"));
        }
    }

    /// The next event's data as JSON; comments are passed over.
    #[track_caller]
    pub fn next_json(&mut self) -> Value {
        loop {
            let event = self.next().expect("the stream goes on");
            if !event.starts_with(':') {
                let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?}"));
                return serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            }
        }
    }
}

/// A file below `tests/`.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
