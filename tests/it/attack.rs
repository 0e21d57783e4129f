//! Clients that break the rules, and clients that stop half way. Each must end alone: the memory stays, the others get
//! their frames in time.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::busy::{Watcher, assert_every_second, turn};
use crate::pings::shrink;
use crate::support::{self, PATIENCE, Response, Server, connect, program_at};
use crate::wire::{self, Raw, connections, frame, header, raise_own_limit, resident_kib, text, wait_until};

/// Within this time every connection ends that nobody uses as it is meant. The longest limit of the server is 16 s.
const LINGER_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn each_broken_rule_has_its_close_code() {
    let mut server = Server::start::<&str>(&[]);
    let many = |piece: Vec<u8>, count| piece.repeat(count);
    let unmasked = vec![0x81, 2, b'{', b'}'];
    for (what, bytes, code) in [
        ("a frame without a mask", unmasked, 1002),
        ("a text that is not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("half a character", frame(0x81, b"\xe2\x82"), 1007),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("a text within a message in pieces", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("a compressed message", frame(0xc1, b"\xaa\x02\x00"), 1002),
        ("the second reserved bit", frame(0xa1, b"x"), 1002),
        ("the third reserved bit", frame(0x99, b"x"), 1002),
        ("an unknown kind of frame", frame(0x83, b"x"), 1002),
        ("an unknown control frame", frame(0x8b, b"x"), 1002),
        ("a ping in pieces", frame(0x09, b""), 1002),
        ("a ping too long", frame(0x89, &[b'x'; 126]), 1002),
        ("a close frame of one byte", frame(0x88, b"\x03"), 1002),
        ("a close code that may not be sent", frame(0x88, b"\x03\xed"), 1002),
        ("a goodbye", frame(0x88, b"\x03\xe8bye"), 1000),
        ("a goodbye without a code", frame(0x88, b""), 0),
        ("a frame too long", header(0x82, 64 * 1024 + 1), 1009),
        ("a message too long in pieces", [frame(0x01, &[b'x'; 40_000]), frame(0x80, &[b'x'; 40_000])].concat(), 1009),
        ("pieces without end", [frame(0x01, b""), many(frame(0x00, b""), 1_000)].concat(), 1009),
        ("101 pings at once", many(frame(0x89, b""), 101), 1008),
        ("101 pongs at once", many(frame(0x8a, b""), 101), 1008),
        ("101 messages at once", many(text("{}"), 101), 1008),
    ] {
        let mut socket = Raw::psiod(&server);
        socket.send(&bytes);
        assert_eq!(socket.close_code(), Some(code), "{what}");
        assert!(socket.ends_within(LINGER_LIMIT), "{what}: the connection stays open");
    }
    // What is allowed stays allowed.
    let mut socket = Raw::psiod(&server);
    let host = r#"{"type":"command","data":{"name":"host.getstats"}}"#;
    socket.send(&[frame(0x01, &host.as_bytes()[..9]), frame(0x89, b"p"), frame(0x80, &host.as_bytes()[9..])].concat());
    assert!(socket.text().is_some_and(|answer| answer.contains("hostname")));
    socket.send(&frame(0x81, &[b'x'; 64 * 1024]));
    assert!(socket.text().is_some_and(|answer| answer.contains("\"error\"")));
    server.assert_well();
}

#[test]
fn a_frame_of_eight_gibibytes_costs_nothing() {
    let server = Server::start::<&str>(&[]);
    let (mut other, _warm) = (Raw::psmonitor(&server), Raw::psiod(&server));
    assert!(other.text().is_some() && other.text().is_some());
    let before = resident_kib(&server);
    let mut socket = Raw::psiod(&server);
    let mut writer = socket.stream.try_clone().expect("a second handle");
    let flood = std::thread::spawn(move || {
        let piece = vec![b'x'; 64 * 1024];
        let sent = writer
            .write_all(&header(0x82, 8 << 30))
            .and_then(|()| (0..1_024).try_for_each(|_| writer.write_all(&piece)));
        sent.is_ok()
    });
    let code = socket.close_code();
    let peak = std::iter::from_fn(|| {
        (!flood.is_finished()).then(|| {
            std::thread::sleep(Duration::from_millis(10));
            resident_kib(&server)
        })
    });
    let grown = peak.max().unwrap_or(0).max(resident_kib(&server)) - before;
    let _ = flood.join();
    println!("64 MiB behind a header of 8 GiB: memory grew by {grown} KiB");
    assert_eq!(code, Some(1009));
    assert!(grown < 8_192, "memory grew by {grown} KiB");
    assert!(other.text().is_some(), "the others go on");
}

fn post(server: &Server, headers: &str, body: &[u8]) -> Option<Response> {
    let head = format!("POST / HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.address());
    support::parse_response(&support::exchange(server.address(), &[head.as_bytes(), body].concat()))
}

#[test]
fn heads_and_bodies_have_their_limits() {
    let mut server = Server::start::<&str>(&[]);
    let long = |length: usize| format!("X-Long: {}\r\nConnection: close\r\n", "a".repeat(length));
    let status = |response: Option<Response>| response.map(|response| response.status);
    assert_eq!(status(post(&server, &format!("Content-Length: 0\r\n{}", long(15 * 1024)), b"")), Some(200));
    let too_long = post(&server, &long(20 * 1024), b"").expect("an answer");
    assert_eq!((too_long.status, too_long.header("connection")), (431, Some("close")));
    assert!(too_long.error().contains("16384"));
    assert_eq!(server.get(&format!("/{}", "a".repeat(20 * 1024))).status, 431);
    let many_headers = "X: y\r\n".repeat(200);
    assert_eq!(status(post(&server, &many_headers, b"")), Some(431));

    let body = vec![b'x'; 65 * 1024];
    let whole = &body[..64 * 1024];
    let length = |length: usize| format!("Content-Length: {length}\r\nConnection: close\r\n");
    assert_eq!(status(post(&server, &length(whole.len()), whole)), Some(200));
    let too_long = post(&server, &length(body.len()), &body).expect("an answer");
    assert_eq!(too_long.status, 413);
    assert!(too_long.error().contains("65536"));
    let chunked = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let by_chunks = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
    assert_eq!(status(post(&server, by_chunks, &chunked(whole))), Some(200));
    assert_eq!(status(post(&server, by_chunks, &chunked(&body))), Some(413));
    server.assert_well();
}

#[test]
fn a_head_of_three_hundred_kilobytes_costs_nothing() {
    let server = Server::start::<&str>(&[]);
    let address = server.address();
    assert_eq!(server.get("/healthz").status, 200);
    let before = resident_kib(&server);
    let mut stream = connect(address);
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nX-Long: ");
        (0..300).all(|_| writer.write_all(&[b'a'; 1_024]).is_ok())
    });
    // The rest of the head may meet a closed connection, so the answer may be lost; it is never another one.
    let answer = support::read_to_end(&mut stream);
    let _ = sender.join();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{:?}", String::from_utf8_lossy(&answer));
    let grown = resident_kib(&server) - before;
    assert!(grown < 2_048, "memory grew by {grown} KiB");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn whoever_stops_half_way_is_cut_off() {
    let server = Server::start::<&str>(&[]);
    let host = format!("Host: {}\r\n", server.address());
    let good = format!("GET /healthz HTTP/1.1\r\n{host}\r\n");
    let with_body = |first: &str| format!("{first} HTTP/1.1\r\n{host}Content-Length: 1000\r\n\r\nx");
    let with_chunks = |first: &str| format!("{first} HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    // What is sent, what then drips in every 300 ms, and the last status.
    let cases = [
        ("nothing at all", String::new(), "", Some(408)),
        ("empty lines", "\r\n".to_owned(), "\r\n", Some(408)),
        ("half a head", "GET / HT".to_owned(), "", Some(408)),
        ("a slow head", format!("GET / HTTP/1.1\r\n{host}X: "), "x", Some(408)),
        ("a kept connection without use", good.clone(), "", Some(200)),
        ("half a second head", format!("{good}GET / HT"), "", None),
        ("a slow second head", format!("{good}GET / HTTP/1.1\r\n{host}X: "), "x", None),
        ("half a body", with_body("POST /"), "", Some(408)),
        ("a slow body", with_body("POST /"), "x", Some(408)),
        ("a slow body in chunks", with_chunks("POST /"), "1\r\nx\r\n", Some(408)),
        ("half a body where none is read", with_body("GET /system"), "", Some(200)),
        ("a slow body where none is read", with_chunks("GET /system"), "1\r\nx\r\n", Some(200)),
        ("half a body on an unknown route", with_body("POST /nowhere"), "", Some(404)),
        ("a slow body on an unknown route", with_chunks("POST /nowhere"), "1\r\nx\r\n", Some(404)),
        ("a slow body on a preflight", with_chunks("OPTIONS /"), "1\r\nx\r\n", Some(204)),
        (
            "half a body for a foreign host",
            "POST / HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 9\r\n\r\nx".to_owned(),
            "",
            Some(421),
        ),
    ];
    std::thread::scope(|scope| {
        for (what, bytes, drip, status) in &cases {
            let mut stream = connect(server.address());
            scope.spawn(move || {
                let begin = Instant::now();
                stream.write_all(bytes.as_bytes()).expect("sent");
                let (answer, took) = read_while_dripping(&mut stream, drip.as_bytes(), begin);
                let answer = String::from_utf8_lossy(&answer);
                let last = answer.rsplit("HTTP/1.1 ").next().and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
                println!("{what}: {last:?} and closed after {:.1} s", took.as_secs_f64());
                assert!(took <= LINGER_LIMIT, "{what}: open for {took:?}");
                if let Some(status) = status {
                    assert_eq!(last, Some(*status), "{what}: {answer}");
                }
            });
        }
    });
}

/// Reads to the end while `drip` goes out; how long the connection lived.
fn read_while_dripping(stream: &mut TcpStream, drip: &[u8], begin: Instant) -> (Vec<u8>, Duration) {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while begin.elapsed() < PATIENCE {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                let _ = stream.write_all(drip);
            }
            Err(_) => break,
        }
    }
    (answer, begin.elapsed())
}

#[test]
fn a_thousand_requests_at_once_are_answered_in_turn() {
    let mut server = Server::start::<&str>(&[]);
    let host = server.address();
    let one = format!("GET /api/cpu HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let last = format!("GET /nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut stream = server.connect();
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || writer.write_all((one.repeat(1_000) + &last).as_bytes()));
    let answers = String::from_utf8(support::read_to_end(&mut stream)).expect("UTF-8");
    sender.join().expect("a thread").expect("all is sent");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1_000);
    assert!(answers.rfind("HTTP/1.1 404") > answers.rfind("HTTP/1.1 200"));
    server.assert_well();
}

#[test]
fn clients_that_never_read_are_cut_and_delay_nobody() {
    raise_own_limit();
    let _turn = turn();
    let (mut server, other) = (Server::start::<&str>(&[]), Server::start::<&str>(&[]));
    let beside = Watcher::new(&other);
    let good: Vec<Watcher> = (0..5).map(|_| Watcher::new(&server)).collect();
    deaf_clients_are_cut(&server);
    let beside = beside.end();
    for good in good {
        assert_every_second(&good.end(), &beside);
    }
    let mut events: Vec<_> = (0..50).map(|_| server.events("/api/processes", &[])).collect();
    assert!(events.iter_mut().all(|stream| stream.next().is_some()));
    server.assert_well();
}

fn deaf_clients_are_cut(server: &Server) {
    const DEAF: usize = 100;
    let without = connections(server);
    let mut deaf: Vec<Raw> =
        (0..DEAF).map(|at| if at % 2 == 0 { Raw::psmonitor(server) } else { Raw::psiod(server) }).collect();
    let all = r#"{"type":"command","data":{"name":"process.getall"}}"#;
    for socket in deaf.iter_mut().skip(1).step_by(2) {
        socket.send(&text(all).repeat(50));
    }
    deaf.iter().for_each(|socket| shrink(&socket.stream));
    assert!(connections(server) >= without + DEAF, "the deaf are connected");
    // Some say that they are well without having heard the question.
    let (chatty, _quiet) = deaf.split_at_mut(10);
    let cut = wait_until("all deaf clients are cut", || {
        for socket in &mut *chatty {
            socket.send(&frame(0x8a, b""));
        }
        std::thread::sleep(Duration::from_millis(300));
        connections(server) <= without
    });
    println!("{DEAF} deaf clients: the last was cut {:.1} s after", cut.as_secs_f64());
    assert!(cut < LINGER_LIMIT, "cut after {cut:?}");
}

#[test]
fn answers_that_nobody_takes_are_not_kept() {
    let server = Server::start::<&str>(&[]);
    let host = server.address();
    let all = format!("GET /static/app.js HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(1_500);
    let ask = |_| {
        let mut stream = server.connect();
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4_096).expect("a small buffer");
        stream.write_all(all.as_bytes()).expect("sent");
        stream
    };
    let _deaf: Vec<TcpStream> = (0..20).map(ask).collect();
    // On a client that takes nothing at all the kernel gives up as well. One that sips keeps the kernel content, and is cut for
    // taking less than a slow line would.
    let mut sipping: Vec<TcpStream> = (0..5).map(ask).collect();
    wait_until("all are connected", || connections(&server) == 25);
    let mut sipped_at = Instant::now();
    let took = wait_until("they are cut off", || {
        if sipped_at.elapsed() > Duration::from_secs(3) {
            sipped_at = Instant::now();
            for stream in &mut sipping {
                let _ = stream.set_nonblocking(true).and_then(|()| stream.read(&mut [0; 1_024]));
            }
        }
        connections(&server) == 0
    });
    println!("20 clients that take no answer and 5 that sip: the last was cut off after {took:?}");
}

/// Processor time of the server so far, seconds.
fn processor_seconds(server: &Server) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("the server runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
}

#[test]
fn requests_behind_an_event_stream_do_not_keep_the_server_busy() {
    let server = Server::start::<&str>(&[]);
    let host = server.address();
    let mut streams: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    wait_until("both are connected", || connections(&server) == 2);
    let one = format!("GET /api/processes HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for stream in &mut streams {
        stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a time limit");
        stream.write_all(one.as_bytes()).expect("sent");
        std::thread::sleep(Duration::from_millis(50));
        // The kernel's buffers take a part of it and then no more.
        let _ = stream.write_all(one.repeat(100_000).as_bytes());
    }
    let cut = wait_until("they are cut off", || connections(&server) == 0);
    let (before, begin) = (processor_seconds(&server), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let busy = (processor_seconds(&server) - before) / begin.elapsed().as_secs_f64();
    println!("two floods of requests: cut off after {cut:?}, then {:.0} % of a core", busy * 100.0);
    assert!(cut < LINGER_LIMIT, "cut off after {cut:?}");
    assert!(busy < 0.3, "{:.0} % of a core", busy * 100.0);
}

#[test]
fn two_thousand_silent_connections_are_shed() {
    raise_own_limit();
    let _turn = turn();
    let mut server = Server::start::<&str>(&[]);
    let mut stream = Raw::psmonitor(&server);
    assert!(stream.text().is_some() && stream.text().is_some());
    let without = connections(&server);
    let before = resident_kib(&server);
    let crowd: Vec<TcpStream> = (0..2_000).map(|_| connect(server.address())).collect();
    let begin = Instant::now();
    assert_eq!(server.get("/system").status, 200);
    let answered = begin.elapsed();
    let grown = resident_kib(&server) - before;
    assert!(stream.text().is_some(), "the stream goes on");
    wait_until("the crowd is let in", || connections(&server) > without + 100);
    let shed = wait_until("the crowd is shed", || connections(&server) <= without);
    println!("2,000 connections: a request took {answered:?}, memory grew by {grown} KiB, all shed after {shed:?}");
    assert!(shed < LINGER_LIMIT, "shed after {shed:?}");
    drop(crowd);
    assert!(stream.text().is_some(), "the stream goes on");
    server.assert_well();
}

#[test]
fn without_descriptors_only_accepting_waits() {
    raise_own_limit();
    let binary = env!("CARGO_BIN_EXE_psmonitor");
    let args = ["--nofile=256:256", "--", binary, "--listen", "127.0.0.1:0"];
    let mut server = Server::launch(&mut program_at(Path::new("prlimit"), &args));
    let mut stream = Raw::psmonitor(&server);
    assert!(stream.text().is_some());
    let crowd: Vec<TcpStream> = (0..600).map(|_| connect(server.address())).collect();
    for _ in 0..6 {
        let next: serde_json::Value = serde_json::from_str(&stream.text().expect("the stream goes on")).expect("JSON");
        assert!(next["cpu"].is_object() && next["mem"]["total"].is_number(), "{next}");
        assert!(next["processes"].as_array().is_some_and(|all| !all.is_empty()), "{next}");
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs").count();
        assert!(descriptors < 256, "no descriptor is left");
    }
    drop(crowd);
    let again = wait_until("it accepts again", || wire::ask(server.address(), "GET", "/healthz", &[]).1.status == 200);
    println!("with 256 descriptors: answers again {again:?} after the crowd has left");
    server.assert_well();
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}
