//! Clients that read everything and answer no ping, as small libraries do, and clients that take nothing: who is cut, by
//! what the kernel knows of them.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times are shown with a failure")]

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::Server;
use crate::wire::{Raw, ask, connections, text, wait_until};

/// Longer than a client may take nothing.
const LONG: Duration = Duration::from_secs(24);

/// Longest life of a client that takes nothing, on a busy machine.
const LINGER_LIMIT: Duration = Duration::from_secs(30);

/// So little room that a frame does not fit.
pub fn shrink(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_recv_buffer_size(stream, 2_048).expect("a small buffer");
}

/// Reads and answers nothing; how many texts and pings came.
fn listen(mut socket: Raw) -> (usize, usize) {
    let begin = Instant::now();
    let (mut texts, mut pings) = (0, 0);
    while begin.elapsed() < LONG {
        match socket.frame() {
            Some((0x81, _)) => texts += 1,
            Some((0x89, _)) => pings += 1,
            other => panic!("after {:.1} s: {other:?}", begin.elapsed().as_secs_f64()),
        }
    }
    (texts, pings)
}

#[test]
fn who_takes_everything_and_answers_no_ping_is_kept() {
    let server = Server::start::<&str>(&[]);
    std::thread::scope(|scope| {
        let stream = scope.spawn(|| listen(Raw::psmonitor(&server)));
        let fast = scope.spawn(|| {
            let path = format!("/connect?id={}&interval=1s", crate::wire::worker(&server, &[]));
            listen(Raw::open(server.address(), &path, &[]).expect("the upgrade is accepted"))
        });
        // One that asks only now and then.
        let psiod = scope.spawn(|| {
            let mut socket = Raw::psiod(&server);
            let command = text(r#"{"type":"command","data":{"name":"host.getstats"}}"#);
            let (begin, mut answers) = (Instant::now(), 0);
            socket.send(&command);
            while begin.elapsed() < LONG {
                match socket.frame() {
                    Some((0x89, _)) => {
                        std::thread::sleep(Duration::from_secs(3));
                        socket.send(&command);
                    }
                    Some((0x81, answer)) => {
                        assert!(String::from_utf8_lossy(&answer).contains("hostname"));
                        answers += 1;
                    }
                    other => panic!("after {:.1} s: {other:?}", begin.elapsed().as_secs_f64()),
                }
            }
            answers
        });
        for stream in [stream, fast] {
            let (texts, pings) = stream.join().expect("a stream");
            println!("{texts} texts and {pings} pings in {LONG:?}");
            // One every second; a busy machine may be late, and nobody who lags is sent all.
            assert!(texts >= 12 && pings >= 2, "{texts} texts and {pings} pings in {LONG:?}");
        }
        assert!(psiod.join().expect("a socket") >= 2);
    });
}

#[test]
fn who_takes_nothing_is_cut_whatever_carries_it() {
    let mut server = Server::start(&["--interval", "100ms"]);
    // Sockets that are being opened while they are counted look like connections.
    wait_until("it has started", || connections(&server) == 0);
    let mut deaf = Vec::new();
    for _ in 0..5 {
        deaf.push(Raw::psmonitor(&server).stream);
        for path in ["/api/processes", "/api/v1/stream"] {
            deaf.push(ask(server.address(), "GET", path, &[]).0);
        }
        let mut psiod = Raw::psiod(&server);
        psiod.send(&text(r#"{"type":"command","data":{"name":"process.getall"}}"#).repeat(40));
        deaf.push(psiod.stream);
    }
    deaf.iter().for_each(shrink);
    assert!(connections(&server) >= deaf.len(), "all are connected");
    let cut = wait_until("all are cut", || connections(&server) == 0);
    println!("{} deaf clients: the last was cut {:.1} s after", deaf.len(), cut.as_secs_f64());
    assert!(cut < LINGER_LIMIT, "cut after {cut:?}");
    server.assert_well();
}
