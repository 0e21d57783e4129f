//! Clients that send and read nothing, and one address that takes all places: the memory stays, the others are answered.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::busy::turn;
use crate::support::{self, PATIENCE, Server, program_at};
use crate::wire::{Raw, connections, raise_own_limit, resident_kib, text, wait_until};

const CONNECTIONS: usize = 150;
const PEAK_KIB: u64 = 48 * 1024;
const LEFT_KIB: u64 = 16 * 1024;

/// The most memory that the server ever had.
fn peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
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
    let peak = peak_kib(server).saturating_sub(before as u64);
    drop(streams);
    wait_until("they are gone", || connections(server) == 0);
    std::thread::sleep(Duration::from_secs(12));
    let left = (resident_kib(server) as u64).saturating_sub(before as u64);
    println!("{CONNECTIONS} clients of {what} that read nothing: {peak} KiB more at the peak, {left} KiB 12 s later");
    assert!(peak <= PEAK_KIB, "{what}: {peak} KiB more");
    assert!(left <= LEFT_KIB, "{what}: {left} KiB are left");
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
    let before = resident_kib(&server) as u64;
    // As many in a second as a client may send.
    for _ in 0..4 {
        for mut socket in &sockets {
            socket.set_nonblocking(true).expect("a stream");
            let _ = socket.write(&all.repeat(90));
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    let peak = peak_kib(&server).saturating_sub(before);
    drop(sockets);
    wait_until("they are gone", || connections(&server) == 0);
    std::thread::sleep(Duration::from_secs(12));
    let left = (resident_kib(&server) as u64).saturating_sub(before);
    println!("{CONNECTIONS} sockets of psiod that read nothing: {peak} KiB more at the peak, {left} KiB 12 s later");
    assert!(peak <= PEAK_KIB, "{peak} KiB more");
    assert!(left <= LEFT_KIB, "{left} KiB are left");
}

/// A connection from another address of this machine.
fn connect_from(own: Ipv4Addr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((own, 0)).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(stream)
}

#[test]
fn one_address_does_not_lock_the_others_out() {
    raise_own_limit();
    let _turn = turn();
    let binary = env!("CARGO_BIN_EXE_psmonitor");
    let args = ["--nofile=256:256", "--", binary, "--listen", "127.0.0.1:0"];
    let mut server = Server::launch(&mut program_at(Path::new("prlimit"), &args));
    let address = server.address();
    let ask = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut stream = Raw::psmonitor(&server);
    assert!(stream.text().is_some());
    let is_over = AtomicBool::new(false);
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        // Four hundred places of one address, all used again and again before they are idle for too long. Whoever is
        // sent away comes back.
        scope.spawn(|| {
            let open = || connect_from(Ipv4Addr::new(127, 0, 0, 2), address).ok();
            let mut crowd: Vec<Option<TcpStream>> = (0..400).map(|_| open()).collect();
            while !is_over.load(Ordering::SeqCst) {
                for place in &mut crowd {
                    let is_alive = place.as_mut().is_some_and(|stream| {
                        let _ = stream.set_nonblocking(true);
                        let ended = matches!(stream.read(&mut [0; 4096]), Ok(0));
                        !ended && stream.write_all(ask.as_bytes()).is_ok()
                    });
                    if !is_alive {
                        *place = open();
                    }
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        std::thread::sleep(Duration::from_secs(2));
        for _ in 0..8 {
            let begin = Instant::now();
            let answer = support::request(address, "GET", "/healthz", &[], b"");
            slowest = slowest.max(begin.elapsed());
            assert_eq!(answer.status, 200);
            std::thread::sleep(Duration::from_millis(500));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    println!("behind 400 connections of another address the slowest of 8 answers took {slowest:?}");
    assert!(slowest < Duration::from_secs(4), "an answer took {slowest:?}");
    assert!(stream.text().is_some(), "a stream keeps its place");
    server.assert_well();
}
