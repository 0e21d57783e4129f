//! Crowds: one address that takes all places, addresses by the thousand that guess passwords, two thousand clients that leave.
//! Others are answered meanwhile, and the memory comes back.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::busy::{Over, turn};
use crate::support::{self, PATIENCE, Response, Server, program, program_at};
use crate::wire::{Raw, connections, raise_own_limit, resident_kib, text, wait_until};

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
    let (has_come, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        // Four hundred places of one address, all used again and again before they are idle for too long. Whoever is
        // sent away comes back.
        scope.spawn(|| {
            let open = || connect_from(Ipv4Addr::new(127, 0, 0, 2), address).ok();
            let mut crowd: Vec<Option<TcpStream>> = (0..400).map(|_| open()).collect();
            has_come.store(true, Ordering::SeqCst);
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
        let _over = Over(&is_over);
        wait_until("all places are taken", || has_come.load(Ordering::SeqCst));
        for _ in 0..8 {
            let begin = Instant::now();
            let answer = support::request(address, "GET", "/healthz", &[], b"");
            slowest = slowest.max(begin.elapsed());
            assert_eq!(answer.status, 200);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    println!("behind 400 connections of another address the slowest of 8 answers took {slowest:?}");
    assert!(slowest < Duration::from_secs(4), "an answer took {slowest:?}");
    assert!(stream.text().is_some(), "a stream keeps its place");
    server.assert_well();
}

/// How long a login waits for its turn at most (5 s), and time for a busy machine.
const LOGIN_TURN: Duration = Duration::from_secs(9);

/// A login from an address of its own, sent off; its answer is read later or never.
fn log_in_from(own: Ipv4Addr, server: SocketAddr, password: &str) -> std::io::Result<TcpStream> {
    let body = format!(r#"{{"username":"ann","password":"{password}"}}"#);
    let mut stream = connect_from(own, server)?;
    write!(
        stream,
        "POST /authenticate HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream)
}

/// The answer to a right login from a fresh address, and how long it took.
fn right_login(own: Ipv4Addr, server: SocketAddr) -> (Response, Duration) {
    let begin = Instant::now();
    let mut stream = log_in_from(own, server, "correct horse").expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a stream");
    let answer = support::parse_response(&support::read_to_end(&mut stream)).expect("a whole answer");
    (answer, begin.elapsed())
}

#[test]
fn a_right_login_behind_a_flood_of_wrong_ones_is_answered_soon() {
    raise_own_limit();
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let mut hash = program(&["hash-password"]).stdin(Stdio::piped()).spawn().expect("the program starts");
    hash.stdin.take().expect("a pipe").write_all(b"correct horse\n").expect("a password is typed");
    let hash = hash.wait_with_output().expect("a hash");
    let users = folder.path().join("users");
    std::fs::write(&users, format!("ann:{}", String::from_utf8_lossy(&hash.stdout))).expect("a file");
    let mut server = Server::start(&["--users-file".as_ref(), users.as_os_str()]);
    let address = server.address();
    let (first, _) = right_login(Ipv4Addr::new(127, 9, 0, 1), address);
    assert_eq!(first.status, 200);

    // Waves of 1,450 addresses, each with one wrong password, more in all than are counted one by one (4,096); between them
    // somebody whom nobody has seen before. Ten waves behave as these do.
    let mut slowest = Duration::ZERO;
    let mut statuses = Vec::new();
    for wave in 0..4_u8 {
        let addresses = (0..1450_u32).map(|number| Ipv4Addr::from_bits(0x7f10_0000 + u32::from(wave) * 1450 + number));
        let crowd: Vec<TcpStream> = addresses.filter_map(|own| log_in_from(own, address, "wrong").ok()).collect();
        assert!(crowd.len() > 1400, "{} of a wave could ask", crowd.len());
        let (answer, took) = right_login(Ipv4Addr::new(127, 9, 1, wave), address);
        slowest = slowest.max(took);
        statuses.push(answer.status);
        assert!(took < LOGIN_TURN, "wave {wave}: {} after {took:?}", answer.status);
        match answer.status {
            200 => {}
            429 | 503 => assert!(answer.header("retry-after").is_some(), "a refusal says when to come back"),
            other => panic!("wave {wave}: {other}"),
        }
    }
    // What is left of the flood takes no more than its turns.
    let since = Instant::now();
    wait_until("a right login is let in", || right_login(Ipv4Addr::new(127, 9, 2, 1), address).0.status == 200);
    println!(
        "behind 5,800 wrong logins the slowest of 4 right ones was answered after {slowest:?} ({statuses:?}); let in {:?} after the last wave",
        since.elapsed()
    );
    server.assert_well();
}

#[test]
fn the_memory_of_two_thousand_clients_comes_back() {
    raise_own_limit();
    let _turn = turn();
    let mut server = Server::start(&["--max-connections", "2100"]);
    let all = text(r#"{"type":"command","data":{"name":"process.getall"}}"#);
    for path in ["/system", "/metrics"] {
        assert_eq!(server.get(path).status, 200);
    }
    let before = resident_kib(&server);
    let mut sockets = Vec::new();
    let mut events = Vec::new();
    for _ in 0..1000 {
        sockets.push(Raw::psiod(&server));
        events.push(server.events("/api/v1/stream", &[]));
    }
    for round in 0..3 {
        for socket in &mut sockets {
            socket.send(&all);
        }
        for socket in &mut sockets {
            assert!(socket.text().is_some(), "round {round}");
        }
        for stream in &mut events {
            assert!(stream.next().is_some(), "round {round}");
        }
    }
    let meanwhile = resident_kib(&server) - before;
    drop((sockets, events));
    wait_until("they are gone", || connections(&server) == 0);
    let took = wait_until("their memory is given back", || resident_kib(&server) - before <= 16 * 1024);
    println!("two thousand clients: {meanwhile} KiB more, given back {took:?} after they left; {before} KiB before");
    server.assert_well();
}
