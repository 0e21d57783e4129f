//! As a service: what systemd is told and when, sockets that it passes to us, UNIX sockets, and the log for the journal. The
//! unit itself is tested beside its file, in Python.
#![expect(clippy::disallowed_types, reason = "the tests start the program through a shell")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;

use crate::support::{self, PATIENCE, Server, parse_response};
use crate::wire::wait_until;

/// What systemd would hear.
struct Manager {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Manager {
    fn start(variables: &[(&str, &str)], args: &[&str]) -> (Self, Server) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut command = support::program(&[&["--listen", "127.0.0.1:0"], args].concat());
        command.env("NOTIFY_SOCKET", &path).envs(variables.iter().copied());
        (Self { socket, _folder: folder }, Server::launch(&mut command))
    }

    /// The next message that has a line which begins so; those before it come along.
    #[track_caller]
    fn wait_for(&self, beginning: &str) -> Vec<String> {
        let (end, mut heard) = (Instant::now() + PATIENCE, Vec::new());
        while Instant::now() < end {
            let mut message = [0; 4096];
            let count =
                self.socket.recv(&mut message).unwrap_or_else(|error| panic!("{beginning}: {error}, {heard:?}"));
            heard.push(String::from_utf8_lossy(&message[..count]).into_owned());
            if heard.last().is_some_and(|message| message.lines().any(|line| line.starts_with(beginning))) {
                return heard;
            }
        }
        panic!("{beginning} was never told, but {heard:?}");
    }
}

#[test]
fn systemd_is_told_what_happens() {
    let (manager, server) = Manager::start(&[("WATCHDOG_USEC", "300000")], &[]);
    let heard = manager.wait_for("READY=1");
    assert_eq!(heard.len(), 1, "nothing is told before there is a sample: {heard:?}");
    assert!(server.json("/system")["mem"]["total"].is_number());
    manager.wait_for("STATUS=0 streams, samples up to ");
    manager.wait_for("WATCHDOG=1");
    let _stream = server.events("/api/v1/stream", &[]);
    manager.wait_for("STATUS=1 stream, ");
    server.signal(Signal::HUP);
    let heard = manager.wait_for("RELOADING=1");
    assert!(heard.last().is_some_and(|message| message.contains("\nMONOTONIC_USEC=")), "{heard:?}");
    manager.wait_for("READY=1");
    // As long as nothing is fed, systemd counts: nothing may come out of a server that does nothing.
    server.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", server.pid());
    wait_until("it stands still", || std::fs::read_to_string(&stat).expect("its state").contains(") T "));
    manager.socket.set_nonblocking(true).expect("no waiting");
    while manager.socket.recv(&mut [0; 4096]).is_ok() {}
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(manager.socket.recv(&mut [0; 4096]).is_err());
    manager.socket.set_nonblocking(false).expect("waiting");
    server.signal(Signal::CONT);
    manager.wait_for("WATCHDOG=1");
    server.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn without_a_watchdog_none_is_fed() {
    let (manager, server) = Manager::start(&[], &[]);
    manager.wait_for("STATUS=");
    server.signal(Signal::TERM);
    let heard = manager.wait_for("STOPPING=1");
    assert!(!heard.concat().contains("WATCHDOG"), "{heard:?}");
}

/// `GET path` over a UNIX socket.
fn get(socket: &Path, path: &str, headers: &str) -> support::Response {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes())
        .expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    parse_response(&answer).expect("an answer")
}

#[test]
fn a_unix_socket_serves_every_route() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("psmonitor.sock");
    drop(UnixListener::bind(&path).expect("a socket of a server that died"));
    let listen = format!("--listen=unix:{}", path.display());
    let server = Server::start(&[&*listen, "--socket-mode=0606"]);
    assert_eq!(std::fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o606);
    for route in ["/system", "/api/v1/snapshot", "/metrics", "/"] {
        assert_eq!(get(&path, route, "Host: localhost\r\n").status, 200, "{route}");
    }
    // Whoever comes this way is a proxy: names count as anywhere, and nothing is shown that is for this machine alone.
    assert_eq!(get(&path, "/system", "Host: evil.example\r\n").status, 421);
    assert_eq!(get(&path, "/system", "Host: localhost\r\nOrigin: http://localhost:3000\r\n").status, 403);
    let own = get(&path, &format!("/api/process?pid={}", server.pid()), "Host: localhost\r\n").json();
    assert!(own["cmdline"].is_null() && own["name"] == "psmonitor", "{own}");
    let second = support::run(&["--listen", "127.0.0.1:0", &listen]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another program listens there"), "{second:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(0));
    assert!(!path.exists(), "the socket is removed");
}

/// The program with a listening socket as its descriptor 3, as systemd passes it.
fn activated(socket: OwnedFd, args: &[&str]) -> Command {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let mut command = support::program_at(Path::new("sh"), &["-c", script, env!("CARGO_BIN_EXE_psmonitor")]);
    command.args(args).stdin(Stdio::from(socket));
    command
}

#[test]
fn sockets_that_are_passed_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // The socket stays open here, as it does in systemd.
    let passed = || listener.try_clone().expect("the same socket").into();
    let server = Server::launch(&mut activated(passed(), &[]));
    assert_eq!(server.address(), address);
    assert_eq!(server.get("/system").status, 200);
    drop(server);

    // The same address in the configuration is no contradiction, another one is.
    let server = Server::launch(&mut activated(passed(), &["--listen", &address.to_string()]));
    assert_eq!(server.get("/system").status, 200);
    drop(server);
    for args in [&["--listen", "127.0.0.1:1"][..], &["--port", "1"], &["--address", "127.0.0.1"]] {
        let output = activated(passed(), args).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(args[0]) && text.contains(&format!("the socket unit passes {address}")), "{text}");
    }

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("passed.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let mut command = activated(socket.into(), &[]);
    let mut child = command.spawn().expect("the program starts");
    assert_eq!(get(&path, "/system", "Host: localhost\r\n").status, 200);
    child.kill().expect("it still runs");
    let _ = child.wait();
    assert!(path.exists(), "what was passed is not ours to remove");

    let wide = TcpListener::bind("0.0.0.0:0").expect("a port");
    let output = activated(wide.into(), &[]).output().expect("the program runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("can be reached from outside"), "{output:?}");
}

/// The program's log when systemd says that stderr is the journal.
fn journal(args: &[&str], is_journal: bool) -> String {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let stat = rustix::fs::fstat(&reader).expect("a pipe");
    let stream = format!("{}:{}", stat.st_dev, if is_journal { stat.st_ino } else { 1 });
    let mut command = support::program(&[&["--listen", "127.0.0.1:0"], args].concat());
    let mut child = command.env("JOURNAL_STREAM", stream).stderr(writer).spawn().expect("the program starts");
    drop(command);
    let mut line = Vec::new();
    let mut stdout = child.stdout.take().expect("stdout");
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).expect("stdout"), 1);
        line.push(byte[0]);
    }
    let address = String::from_utf8(line).expect("UTF-8");
    let address =
        address.trim().rsplit_once("http://").expect("an address").1.trim_end_matches('/').parse().expect("an address");
    assert_eq!(support::request(address, "GET", "/system?token=hunter2", &[], b"").status, 200);
    assert_eq!(support::request(address, "GET", "/nothing?token=hunter2", &[], b"").status, 404);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).expect("a signal");
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("the log");
    assert!(child.wait().expect("a child").success());
    assert!(!log.contains("hunter2"), "{log}");
    log
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let log = journal(&[], true);
    assert!(log.lines().all(|line| line.starts_with("<6>")), "{log}");
    assert!(log.contains("\n<6>stopping\n"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<6>127.0.0.1:") && line.contains(" GET /nothing 404 ")), "{log}");
    assert!(!log.contains("GET /system"), "a request that went well is no news: {log}");
    assert!(!log.contains("INFO") && !log.contains("<6>[") && !log.contains("<6>20"), "{log}");
    let log = journal(&[], false);
    assert!(log.lines().all(|line| line.starts_with("[20") && line.contains("Z INFO ")), "stderr is no journal: {log}");
}

#[test]
fn lines_of_json_are_json() {
    for is_journal in [false, true] {
        let log = journal(&["--log-format=json"], is_journal);
        let objects: Vec<serde_json::Value> = log
            .lines()
            .map(|line| line.strip_prefix("<6>").filter(|_| is_journal).unwrap_or(line))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        assert!(objects.iter().any(|line| line["message"] == "stopping" && line["level"] == "info"), "{log}");
        assert!(objects.iter().all(|line| line["time"].is_string() != is_journal), "{log}");
        assert!(objects.iter().any(|line| line["target"] == "psmonitor::access"), "{log}");
    }
}

#[test]
fn requests_and_streams_are_told_to_those_who_look_closer() {
    let mut command = support::program(&["--listen", "127.0.0.1:0"]);
    let server = Server::launch(command.env("RUST_LOG", "info,psmonitor::access=debug"));
    server.get("/system");
    server.wait_for_log("GET /system 200");
}
