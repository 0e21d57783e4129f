//! Process Monitor's event stream: when events come, and who gets plain JSON instead.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::busy::median;
use crate::machine::Machine;
use crate::support::Server;

#[test]
fn one_event_at_once_and_then_every_three_seconds() {
    let mut server = Server::start(&Machine::original().args());
    let begin = Instant::now();
    let mut events = server.events("/api/processes", &[("Accept", "text/event-stream"), ("Last-Event-ID", "7")]);
    assert_eq!(events.response.status, 200);
    assert_eq!(events.response.header("content-type"), Some("text/event-stream"));
    assert!(
        events.response.header("cache-control").is_some_and(|value| value.contains("no-")),
        "{:?}",
        events.response
    );
    let first = events.next().expect("an event");
    let first_after = begin.elapsed();
    assert!(first_after < Duration::from_millis(2_900), "the first event came after {first_after:?}");
    assert!(first.starts_with("data: {\"Processes\":[{\"Id\":"), "{first}");
    assert!(!first.contains('\n'), "an event is one line");
    let waits: Vec<Duration> = (0..3)
        .map(|_| {
            let before = Instant::now();
            assert_eq!(events.next_json()["Processes"].as_array().map(Vec::len), Some(18));
            before.elapsed()
        })
        .collect();
    // One that a busy machine lets come late makes the next wait short; the one in the middle is neither.
    let usual = median(waits.iter().copied());
    assert!((Duration::from_millis(2_300)..Duration::from_millis(4_500)).contains(&usual), "{waits:?} between events");
    server.assert_well();
}

#[test]
fn a_dropped_client_comes_back() {
    let mut server = Server::start(&Machine::original().args());
    for _ in 0..20 {
        let mut events = server.events("/api/processes", &[("Accept", "text/event-stream")]);
        assert_eq!(events.next_json()["Processes"].as_array().map(Vec::len), Some(18));
    }
    server.assert_well();
}

#[test]
fn who_asks_for_json_gets_it_once() {
    let mut server = Server::start(&Machine::original().args());
    let json = "application/json";
    for accept in
        [json, "Application/JSON", "application/json; charset=utf-8", "text/html, application/json;q=0.9, */*;q=0.1"]
    {
        let response = server.request("GET", "/api/processes", &[("Accept", accept)], b"");
        assert_eq!(response.header("content-type"), Some(json), "{accept}");
        assert_eq!(response.json()["Processes"].as_array().map(Vec::len), Some(18), "{accept}");
    }
    for headers in [
        &[("Accept", "text/event-stream, application/json")][..],
        &[("Accept", "application/json"), ("Accept", "text/event-stream")],
        &[("Accept", "*/*")],
        &[("Accept", "")],
        &[],
    ] {
        let mut events = server.events("/api/processes", headers);
        assert_eq!(events.response.header("content-type"), Some("text/event-stream"), "{headers:?}");
        assert!(events.next().is_some_and(|event| event.starts_with("data: {")), "{headers:?}");
    }
    server.assert_well();
}

#[test]
fn a_comment_comes_every_fifteen_seconds_also_between_events() {
    let server = Server::start(&Machine::original().args());
    let mut stream = server.connect();
    let head = format!("GET /api/processes HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    stream.write_all(head.as_bytes()).expect("sent");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    let (begin, mut text, mut piece) = (Instant::now(), String::new(), [0; 16 * 1024]);
    // Lines may be cut in two by the pieces of a chunked body; a comment's is too short for that.
    while !text.contains("\n: ") {
        assert!(begin.elapsed() < Duration::from_secs(15), "no comment: {text}");
        let count = stream.read(&mut piece).expect("the stream goes on");
        assert!(count > 0, "the stream has ended");
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(text.matches("data: {").count() >= 3, "{text}");
}
