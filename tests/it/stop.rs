//! Stopping: everybody is told, nobody is waited for, and the exit code is 0.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::busy::turn;
use crate::support::{Server, connect};
use crate::wire::{Raw, raise_own_limit, text};

/// Longest time from the signal to the end, as promised.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_crowd_is_told_that_the_server_goes() {
    let _turn = turn();
    raise_own_limit();
    let server = Server::start::<&str>(&[]);
    let mut readers: Vec<Raw> =
        (0..500).map(|at| if at % 2 == 0 { Raw::psmonitor(&server) } else { Raw::psiod(&server) }).collect();
    let mut events: Vec<_> = (0..50).map(|_| server.events("/api/processes", &[])).collect();
    let mut stalled: Vec<Raw> = (0..10).map(|_| Raw::psiod(&server)).collect();
    let all = r#"{"type":"command","data":{"name":"process.getall"}}"#;
    for socket in &mut stalled {
        socket.send(&text(all).repeat(90));
    }
    let kept: Vec<_> = (0..20).map(|_| crate::wire::ask(server.address(), "GET", "/healthz", &[])).collect();
    // The server is at work on those who take nothing.
    for socket in &mut stalled {
        assert!(socket.text().is_some(), "the first answer");
    }

    let begin = Instant::now();
    server.signal(Signal::TERM);
    for (at, socket) in readers.iter_mut().enumerate() {
        assert_eq!(socket.close_code(), Some(1001), "socket {at}");
    }
    let told = begin.elapsed();
    for stream in &mut events {
        while stream.next().is_some() {}
    }
    let (status, log) = server.wait();
    let took = begin.elapsed();
    println!("500 sockets told after {told:?}, ended after {took:?}");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < LIMIT, "{took:?}");
    assert!(!log.contains("panicked"), "{log}");
    drop((stalled, kept));
}

#[test]
fn an_interrupt_is_as_good() {
    let server = Server::start::<&str>(&[]);
    let mut sockets = [Raw::psmonitor(&server), Raw::psiod(&server)];
    assert!(sockets[0].text().is_some());
    let begin = Instant::now();
    server.signal(Signal::INT);
    assert!(sockets.iter_mut().all(|socket| socket.close_code() == Some(1001)));
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
}

/// A request whose body comes slowly, so that the server has something to wait for. It has seen the head and said so.
fn slow_upload(server: &Server) -> std::net::TcpStream {
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut upload = connect(server.address());
    let own = server.address();
    let head = format!("POST / HTTP/1.1\r\nHost: {own}\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    upload.write_all(head.as_bytes()).expect("sent");
    let mut answer = [0; GO_ON.len()];
    upload.read_exact(&mut answer).expect("the server wants the body");
    assert_eq!(answer, GO_ON);
    upload.write_all(b"12345").expect("sent");
    upload
}

#[test]
fn an_upload_under_way_may_end() {
    let server = Server::start::<&str>(&[]);
    let mut upload = slow_upload(&server);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    server.wait_for_log("stopping");
    upload.write_all(b"67890").expect("the connection is still open");
    let mut answer = [0; 15];
    upload.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
}

#[test]
fn an_upload_without_end_is_not_waited_for() {
    let server = Server::start::<&str>(&[]);
    let _upload = slow_upload(&server);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    println!("with an upload without end: ended after {:?}", begin.elapsed());
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
}

#[test]
fn told_twice_it_ends_at_once() {
    let server = Server::start::<&str>(&[]);
    let _upload = slow_upload(&server);
    let begin = Instant::now();
    server.signal(Signal::TERM);
    server.wait_for_log("stopping");
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    assert!(log.contains("told twice"), "{log}");
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
}
