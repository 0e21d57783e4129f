//! Clients that send and read nothing: the memory stays.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use psmonitor::limits::SEND_BUFFER_BYTES;

use crate::busy::turn;
use crate::support::Server;
use crate::wire::{Raw, connections, raise_own_limit, resident_kib, text, wait_until};

const CONNECTIONS: usize = 150;
const PEAK_KIB: i64 = 48 * 1024;
const LEFT_KIB: i64 = 16 * 1024;

/// The most memory that the server ever had.
fn peak_kib(server: &Server) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Waits until all have gone and their memory is given back, but for a little; how long that took.
fn comes_back(server: &Server, before: i64) -> Duration {
    wait_until("they are gone", || connections(server) == 0);
    wait_until("the memory is given back", || resident_kib(server) - before <= LEFT_KIB)
}

/// Sends `bytes` again and again on every connection for 8 s and reads nothing, then leaves; what that costs.
fn send_and_read_nothing(server: &Server, what: &str, mut streams: Vec<TcpStream>, bytes: &[u8]) {
    let before = resident_kib(server);
    let mut sent = vec![0; streams.len()];
    streams.iter().for_each(|stream| stream.set_nonblocking(true).expect("a stream"));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(8) {
        for (stream, sent) in streams.iter_mut().zip(&mut sent) {
            if let Ok(count) = stream.write(&bytes[*sent..]) {
                *sent = (*sent + count) % bytes.len();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let peak = peak_kib(server) - before;
    drop(streams);
    assert!(peak <= PEAK_KIB, "{what}: {peak} KiB more");
    let took = comes_back(server, before);
    println!(
        "{CONNECTIONS} clients of {what} that read nothing: {peak} KiB more at the peak, given back after {took:?}"
    );
}

#[test]
fn pipelined_requests_that_nobody_reads_cost_little() {
    raise_own_limit();
    let _turn = turn();
    let server = Server::start::<&str>(&[]);
    let host = server.address();
    for path in ["/static/app.js", "/system", "/", "/metrics"] {
        assert_eq!(server.get(path).status, 200);
    }
    let ask = |path: &&str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    // The last have line ends of one byte, and are the most that fit into a piece.
    let cases = [
        ("three pages", ["/static/app.js", "/system", "/"].iter().map(ask).collect::<String>()),
        ("/metrics", ask(&"/metrics")),
        ("the shortest requests", format!("GET /healthz HTTP/1.1\nHost: {host}\n\n")),
    ];
    for (what, requests) in cases {
        let streams = (0..CONNECTIONS).map(|_| server.connect()).collect();
        send_and_read_nothing(&server, what, streams, requests.repeat(500).as_bytes());
    }
}

#[test]
fn commands_of_psiod_whose_answers_nobody_reads_cost_little() {
    raise_own_limit();
    let _turn = turn();
    let server = Server::start::<&str>(&[]);
    let all = text(r#"{"type":"command","data":{"name":"process.getall"}}"#);
    let mut warm = Raw::psiod(&server);
    warm.send(&all);
    assert!(warm.text().is_some());
    drop(warm);
    let sockets: Vec<TcpStream> = (0..CONNECTIONS).map(|_| Raw::psiod(&server).stream).collect();
    let before = resident_kib(&server);
    // As many in a second as a client may send.
    for _ in 0..4 {
        for mut socket in &sockets {
            socket.set_nonblocking(true).expect("a stream");
            let _ = socket.write(&all.repeat(90));
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    let peak = peak_kib(&server) - before;
    drop(sockets);
    assert!(peak <= PEAK_KIB, "{peak} KiB more");
    let took = comes_back(&server, before);
    println!(
        "{CONNECTIONS} sockets of psiod that read nothing: {peak} KiB more at the peak, given back after {took:?}"
    );
}

/// Like a client on a slow line: what it has asked for arrives at some 4 KiB a second, and its next requests wait behind it.
#[test]
fn a_slow_client_may_ask_for_more_before_it_has_all() {
    let server = Server::start::<&str>(&[]);
    let host = server.address();
    let one = format!("GET /static/app.js HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let whole = server.get("/static/app.js").body.len();
    // Until the kernel holds no more than a part of what is asked for.
    let count = 2 * (SEND_BUFFER_BYTES + 256 * 1024) / whole + 2;
    let mut stream = server.connect();
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4_096).expect("a small buffer");
    stream.write_all(one.repeat(count).as_bytes()).expect("sent");
    let (begin, mut taken, mut piece) = (Instant::now(), 0, [0; 1_024]);
    while begin.elapsed() < Duration::from_secs(15) {
        // However late this thread is called, it takes what such a line would have brought by now.
        while (taken as f64) < begin.elapsed().as_secs_f64() * 4_096.0 {
            let read = stream.read(&mut piece).expect("it goes on");
            assert!(read > 0, "cut off after {:.1} s and {taken} bytes", begin.elapsed().as_secs_f64());
            taken += read;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    while taken < count * whole {
        let read = stream.read(&mut piece).expect("all of it comes, in turn");
        assert!(read > 0, "it ended after {taken} of {} bytes", count * whole);
        taken += read;
    }
}
