//! Bounds on streams and workers, and races for one worker.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Server, connect};
use crate::wire::{Raw, ask, resident_kib, wait_until, worker};

const FULL: &str = "Server is at full capacity. Please try again later.";

#[test]
fn the_fourth_of_three_streams_is_told_to_come_back() {
    let server = Server::start(&["--max-connections", "3"]);
    let first = Raw::psmonitor(&server);
    let _second = Raw::psiod(&server);
    let mut third = server.events("/api/processes", &[]);
    assert!(third.next_json()["Processes"].is_array());

    let id = worker(&server, &[]);
    for path in [format!("/connect?id={id}"), "/".to_owned()] {
        let mut socket = server.socket(&path);
        assert_eq!(socket.text(), FULL, "{path}");
        assert_eq!(socket.closed().0, 1013, "{path}");
    }
    let refused = server.get("/api/processes");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
    assert!(refused.error().contains("capacity"));
    assert_eq!(server.get("/system").status, 200, "only streams are bounded");
    assert_eq!(server.request("HEAD", "/api/processes", &[], b"").status, 200);

    drop(first);
    let begin = Instant::now();
    let mut again = loop {
        let mut socket = Raw::psmonitor(&server);
        let text = socket.text().expect("a text");
        if text != FULL {
            break socket;
        }
        assert!(begin.elapsed() < PATIENCE, "no place became free");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(again.text().is_some_and(|frame| frame.starts_with('{')));
    drop(third);
    wait_until("the event stream's place is free", || {
        ask(server.address(), "GET", "/api/processes", &[]).1.status == 200
    });
}

#[test]
fn head_of_an_event_stream_ends() {
    let server = Server::start(&["--max-connections", "1"]);
    let mut stream = server.connect();
    let host = server.address();
    let head = format!("HEAD /api/processes HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let get = format!("GET /nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all((head.repeat(3) + &get).as_bytes()).expect("sent");
    let answers = String::from_utf8(crate::support::read_to_end(&mut stream)).expect("UTF-8");
    assert_eq!(answers.matches("text/event-stream").count(), 3, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 1, "{answers}");
}

/// Workers that wait to be claimed.
fn waiting(server: &Server) -> u64 {
    let page = server.get("/metrics?collect[]=loadavg").text();
    let line = page.lines().find_map(|line| line.strip_prefix("psmonitor_workers_waiting "));
    line.expect("the count").parse().expect("a number")
}

#[test]
fn ten_thousand_workers_nobody_claims() {
    const ASKED: usize = 10_000;
    let server = Server::start::<&str>(&[]);
    let address = server.address();
    // What every later request uses too is allocated before counting.
    for _ in 0..50 {
        let _ = server.request("POST", "/", &[], b"");
    }
    wait_until("nobody waits", || waiting(&server) == 0);
    let before = resident_kib(&server);

    let begin = Instant::now();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut stream = connect(address);
                    let ten = format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n").repeat(10);
                    let (mut text, mut piece) = (Vec::new(), [0; 64 * 1024]);
                    for _ in 0..ASKED / 4 / 10 {
                        stream.write_all(ten.as_bytes()).expect("sent");
                        let mut answered = 0;
                        while answered < 10 {
                            let count = stream.read(&mut piece).expect("answers in time");
                            assert!(count > 0, "the connection ended early");
                            // Every body ends with a brace, and nothing else has one.
                            answered += piece[..count].iter().filter(|byte| **byte == b'}').count();
                            text.extend_from_slice(&piece[..count]);
                        }
                    }
                    String::from_utf8(text).expect("UTF-8")
                })
            })
            .collect();
        askers.into_iter().map(|asker| asker.join().expect("answers")).collect()
    });
    let took = begin.elapsed();
    let all = answers.concat();
    let (created, refused) = (all.matches("HTTP/1.1 200").count(), all.matches("HTTP/1.1 503").count());
    assert_eq!(created + refused, ASKED);
    assert_eq!(all.matches("\"id\":null").count(), refused);
    assert_eq!(all.to_ascii_lowercase().matches("retry-after: ").count(), refused);
    let rounds = took.as_secs() as usize / 3 + 1;
    assert!(created >= 1_024 && created <= 1_024 * rounds, "{created} created in {took:?}");

    wait_until("nobody waits", || waiting(&server) == 0);
    // What is given back is given back by and by.
    let took_back = wait_until("the memory is given back", || resident_kib(&server) - before < 2_048);
    let grown = resident_kib(&server) - before;
    println!("{created} workers in {took:?}, {refused} refused; memory grew by {grown} KiB, {took_back:?} later");
    let _ = worker(&server, &[]);
}

#[test]
fn of_two_that_connect_for_one_worker_one_gets_it() {
    let server = Server::start::<&str>(&[]);
    for _ in 0..50 {
        let path = format!("/connect?id={}", worker(&server, &[]));
        let start = Barrier::new(2);
        let outcomes: Vec<Option<String>> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        Raw::open(server.address(), &path, &[]).expect("the upgrade is accepted").text()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().expect("an outcome")).collect()
        });
        let won = outcomes.iter().filter(|text| text.as_deref() == Some("connected to monitor, transmitting data..."));
        assert_eq!(won.count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|text| text.is_none()).count(), 1, "{outcomes:?}");
    }
}
