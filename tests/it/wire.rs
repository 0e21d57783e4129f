//! What attackers need and honest clients do not: frames with any bits, connections that stop half way, and what the kernel
//! says of the server's process. No tests.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(dead_code, reason = "each module of the tests uses a part of this")]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{self, PATIENCE, Response, Server};

/// A WebSocket whose frames are made and read byte by byte.
pub struct Raw {
    /// The connection.
    pub stream: TcpStream,
    unread: Vec<u8>,
}

/// Headers of an upgrade.
pub const UPGRADE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// Sends a request's head and reads the answer's; the body is read as far as its length is told. The connection stays open.
pub fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> (TcpStream, Response, Vec<u8>) {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = support::connect(address);
    stream.write_all(head.as_bytes()).expect("the request is sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = answer.windows(4).position(|four: &[u8]| four == b"\r\n\r\n") {
            let mut response = support::parse_response(&answer[..end + 4]).expect("an answer's head");
            let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut rest = answer.split_off(end + 4);
            while method != "HEAD" && rest.len() < length {
                let count = stream.read(&mut piece).expect("the body arrives in time");
                assert!(count > 0, "{method} {path}: the body ends early");
                rest.extend_from_slice(&piece[..count]);
            }
            let rest = if length > 0 { std::mem::replace(&mut response.body, rest) } else { rest };
            return (stream, response, rest);
        }
        let count = stream.read(&mut piece).expect("an answer in time");
        assert!(count > 0, "{method} {path}: the connection ended without an answer");
        answer.extend_from_slice(&piece[..count]);
    }
}

impl Raw {
    /// Times between the frames of psmonitor's stream, as long as it is wanted.
    pub fn gaps(mut self, is_wanted: &AtomicBool) -> Vec<Duration> {
        let mut gaps = Vec::new();
        let mut last: Option<Instant> = None;
        while is_wanted.load(Ordering::SeqCst) {
            match self.frame().expect("the stream goes on") {
                (0x89, payload) => self.send(&frame(0x8a, &payload)),
                (0x81, text) if text.starts_with(b"{") => {
                    let now = Instant::now();
                    gaps.extend(last.replace(now).map(|last| now - last));
                }
                _ => {}
            }
        }
        gaps
    }

    /// Upgrades; any other answer than 101 is the error.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Response> {
        let headers: Vec<_> = UPGRADE.iter().chain(headers).copied().collect();
        let (stream, response, unread) = ask(address, "GET", path, &headers);
        if response.status == 101 { Ok(Self { stream, unread }) } else { Err(response) }
    }

    /// psiod's socket.
    pub fn psiod(server: &Server) -> Self {
        Self::open(server.address(), "/", &[]).expect("the upgrade is accepted")
    }

    /// psmonitor's stream, with a worker of its own.
    pub fn psmonitor(server: &Server) -> Self {
        let path = format!("/connect?id={}", worker(server, &[]));
        Self::open(server.address(), &path, &[]).expect("the upgrade is accepted")
    }

    /// Sends bytes. That the server has closed meanwhile is no failure.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next frame: its first byte and its payload. `None` when the connection has ended.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut piece = [0; 16 * 1024];
        loop {
            if let Some((header, length)) = self.header()
                && self.unread.len() >= header + length
            {
                let first = self.unread[0];
                let payload = self.unread[header..header + length].to_vec();
                self.unread.drain(..header + length);
                return Some((first, payload));
            }
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.unread.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Length of the header and of the payload of the frame that is being read.
    fn header(&self) -> Option<(usize, usize)> {
        match (*self.unread.get(1)?, &self.unread) {
            (126, bytes) => Some((4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])))),
            (127, bytes) => {
                let eight: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
                Some((10, usize::try_from(u64::from_be_bytes(eight)).ok()?))
            }
            (short, _) => Some((2, usize::from(short))),
        }
    }

    /// The next text; pings are answered.
    pub fn text(&mut self) -> Option<String> {
        loop {
            match self.frame()? {
                (0x89, payload) => self.send(&frame(0x8a, &payload)),
                (0x81, text) => return Some(String::from_utf8(text).expect("UTF-8")),
                (0x88, _) => return None,
                _ => {}
            }
        }
    }

    /// Reads until the close frame and gives its code: 0 for none in it, `None` when the connection ended without one.
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.frame()? {
                (0x88, payload) if payload.len() >= 2 => return Some(u16::from_be_bytes([payload[0], payload[1]])),
                (0x88, _) => return Some(0),
                _ => {}
            }
        }
    }

    /// Whether the connection ends within `limit`.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        let _ = self.stream.set_read_timeout(Some(limit));
        while self.frame().is_some() {}
        begin.elapsed() < limit
    }
}

/// A client's frame header: first byte, declared length, a mask of zeroes.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | u8::try_from(length).expect("short")),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).expect("16 bits").to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}

/// A client's whole frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, payload.len() as u64), payload.to_vec()].concat()
}

/// A text frame.
pub fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A new worker's id.
pub fn worker(server: &Server, headers: &[(&str, &str)]) -> String {
    let response = server.request("POST", "/", headers, b"");
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// Ticks of the sampler so far.
pub fn ticks(server: &Server) -> usize {
    own_counter(server, "psmonitor_ticks_total")
}

/// A number that the server tells of itself on `/metrics`, without labels.
#[track_caller]
pub fn own_counter(server: &Server, name: &str) -> usize {
    let page = server.get("/metrics?collect[]=loadavg").text();
    let count = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no {name}: {page}"))
}

/// Resident memory, KiB.
pub fn resident_kib(server: &Server) -> i64 {
    status(server, "VmRSS:")
}

/// Threads.
pub fn threads(server: &Server) -> i64 {
    status(server, "Threads:")
}

fn status(server: &Server, key: &str) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a known key");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// TCP connections that the server holds, those included that the kernel has already given up; a descriptor twice open
/// counts once. Listeners and the sockets of readers and of the runtime are not counted.
pub fn connections(server: &Server) -> usize {
    let mut others = HashSet::new();
    for (table, column) in [("netlink", 9), ("unix", 6), ("udp", 9), ("udp6", 9), ("tcp", 9), ("tcp6", 9)] {
        let text = std::fs::read_to_string(format!("/proc/{}/net/{table}", server.pid())).unwrap_or_default();
        for fields in text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            let is_connection = table.starts_with("tcp") && fields.get(3) != Some(&"0A");
            others.extend(fields.get(column).filter(|_| !is_connection).map(|inode| format!("socket:[{inode}]")));
        }
    }
    let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs");
    let links = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let links = links.map(|link| link.to_string_lossy().into_owned());
    links.filter(|link| link.starts_with("socket:") && !others.contains(link)).collect::<HashSet<_>>().len()
}

/// Waits until `is_so`, at most [`PATIENCE`]; how long it took.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// Lets this process open as many descriptors as it may: the crowds of these tests are on its side too.
pub fn raise_own_limit() {
    let (soft, _) = psmonitor::collect::limit::raise_descriptor_limit();
    assert!(soft >= 12_288, "these tests open thousands of connections; raise the limit: ulimit -n 12288");
}
