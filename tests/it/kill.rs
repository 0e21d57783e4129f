//! `process.kill`: off by default, never without a token, never for groups, the first process or the server; and that it
//! works where the operator allows it.
//!
//! A server that took -1 for a process would end everything its user may end. Run by root, these servers are `nobody`.
#![expect(clippy::disallowed_types, reason = "a process to be ended; the program itself starts nothing")]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::refusal;
use crate::fixtures::ask;
use crate::machine::Machine;
use crate::support::{self, Server, Socket};

const NOBODY: u32 = 65_534;
const TOKEN: &str = "correct-horse-battery-staple-0123456789";

/// Copies of the program and of a token file that `nobody` may use, and a process of the same user.
struct Cell {
    folder: tempfile::TempDir,
    sleeper: Child,
}

impl Cell {
    fn new() -> Self {
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        let folder = tempfile::Builder::new().permissions(mode(0o755)).tempdir().expect("a folder");
        let program = folder.path().join("psmonitor");
        std::fs::copy(env!("CARGO_BIN_EXE_psmonitor"), &program).expect("a copy of the program");
        let token = folder.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).expect("a token file");
        std::fs::set_permissions(&token, mode(0o600)).expect("its mode");
        if is_root() {
            std::os::unix::fs::chown(&token, Some(NOBODY), Some(NOBODY)).expect("its owner");
        }
        let sleeper = as_nobody(Command::new("sleep").arg("600")).spawn().expect("sleep");
        Self { folder, sleeper }
    }

    fn server(&self, args: &[&str]) -> Server {
        let program: PathBuf = self.folder.path().join("psmonitor");
        let all = [&["--listen", "127.0.0.1:0"], args].concat();
        Server::launch(as_nobody(&mut support::program_at(&program, &all)))
    }

    fn token_file(&self) -> String {
        self.folder.path().join("token").display().to_string()
    }

    #[track_caller]
    fn assert_sleeping(&mut self) {
        assert_eq!(self.sleeper.try_wait().expect("a child"), None, "the process was ended");
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ = self.sleeper.kill();
        let _ = self.sleeper.wait();
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// In a process group of its own, so that 0 would reach nobody else.
fn as_nobody(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.process_group(0)
}

fn with_token(server: &Server) -> Socket {
    let bearer = format!("Bearer {TOKEN}");
    Socket::open(server.address(), "/", &[("Authorization", &bearer)]).expect("an upgrade")
}

#[track_caller]
fn assert_refused(socket: &mut Socket, pid: Value) {
    let (message, name) = refusal(&ask(socket, json!({"name": "process.kill", "pid": pid})));
    assert_eq!(name, "process.kill", "{pid}: {message}");
}

/// What is never ended, whoever asks.
fn never(server: &Server) -> Vec<Value> {
    let own = server.pid();
    vec![
        json!(0),
        json!(-1),
        json!(1),
        json!(-2),
        json!(own),
        json!(own.to_string()),
        json!(format!(" {own} ")),
        json!(-i64::from(own)),
        json!("-1"),
        json!("text"),
        json!(""),
        json!(1.5),
        json!(1_u64 << 40),
        json!((1_u64 << 32) - 1),
        json!((1_u64 << 32) + 1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(null),
        json!([2]),
    ]
}

#[test]
fn refused_without_permission_or_token() {
    let mut cell = Cell::new();
    let token_file = cell.token_file();
    for (args, has_token) in [(vec![], false), (vec!["--allow-kill"], false), (vec!["--token-file", &token_file], true)]
    {
        let mut server = cell.server(&args);
        let mut socket = if has_token { with_token(&server) } else { server.socket("/") };
        let mut pids = never(&server);
        pids.push(json!(cell.sleeper.id()));
        pids.push(json!(cell.sleeper.id().to_string()));
        for pid in pids {
            assert_refused(&mut socket, pid);
        }
        cell.assert_sleeping();
        server.assert_well();
    }
}

#[test]
fn some_are_never_ended() {
    let mut cell = Cell::new();
    let mut server = cell.server(&["--allow-kill", "--token-file", &cell.token_file()]);
    assert!(Socket::open(server.address(), "/", &[]).is_err(), "a socket without the token");
    let mut socket = with_token(&server);
    for pid in never(&server) {
        // Of an ordinary user -1 would end the whole session if the server were wrong; the parser's own tests know it.
        if is_root() || pid != json!(-1) && pid != json!("-1") {
            assert_refused(&mut socket, pid);
        }
    }
    cell.assert_sleeping();
    // Somebody else's process: the kernel refuses, and the client is told.
    if is_root() {
        assert_refused(&mut socket, json!(std::process::id()));
    }
    server.assert_well();
}

#[test]
fn a_thread_is_no_way_to_its_process() {
    let cell = Cell::new();
    let mut server = cell.server(&["--allow-kill", "--token-file", &cell.token_file()]);
    let mut socket = with_token(&server);
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the server's threads");
    let threads = threads.map(|thread| thread.expect("a thread").file_name().into_string().expect("a number"));
    let threads: Vec<String> = threads.filter(|thread| *thread != server.pid().to_string()).collect();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        assert_refused(&mut socket, json!(thread));
    }
    server.assert_well();
}

#[test]
fn another_machine_s_processes_are_not_ours_to_end() {
    let mut cell = Cell::new();
    let token_file = cell.token_file();
    let other = Machine::original().args();
    let args: Vec<&str> =
        other.iter().map(String::as_str).chain(["--allow-kill", "--token-file", &token_file]).collect();
    let server = cell.server(&args);
    let (message, _) =
        refusal(&ask(&mut with_token(&server), json!({"name": "process.kill", "pid": cell.sleeper.id()})));
    assert!(message.contains("--procfs"), "{message}");
    cell.assert_sleeping();
}

#[test]
fn a_token_that_is_taken_back_takes_the_socket_with_it() {
    let mut cell = Cell::new();
    let token_file = cell.token_file();
    let server = cell.server(&["--allow-kill", "--token-file", &token_file]);
    let mut socket = with_token(&server);
    std::fs::write(&token_file, "another-token-0123456789-0123456789\n").expect("another token");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("read again");
    let (code, reason) = socket.closed();
    assert_eq!((code, reason.as_str()), (1008, "the token or password that opened this counts no more"));
    cell.assert_sleeping();
}

#[test]
fn psiods_own_signal_is_sent_where_none_is_named() {
    let mut cell = Cell::new();
    let server = cell.server(&["--allow-kill", "--token-file", &cell.token_file()]);
    let mut socket = with_token(&server);
    let pid = cell.sleeper.id();
    let refused = ask(&mut socket, json!({"name": "process.kill", "pid": pid, "signal": "NONE"}));
    assert!(refusal(&refused).0.contains("KILL"), "{refused}");
    cell.assert_sleeping();
    socket.send(json!({"type": "command", "data": {"name": "process.kill", "pid": pid}}).to_string());
    let status = cell.sleeper.wait().expect("a child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    server.wait_for_log(&format!("SIGKILL to {pid}, asked by 127.0.0.1:"));
}

#[test]
fn a_process_is_ended_without_an_answer() {
    let mut cell = Cell::new();
    let mut server = cell.server(&["--allow-kill", "--token-file", &cell.token_file()]);
    let mut socket = with_token(&server);
    let pid = cell.sleeper.id();
    socket.send(json!({"type": "command", "data": {"name": "process.kill", "pid": pid, "signal": "TERM"}}).to_string());
    let end = Instant::now() + support::PATIENCE;
    let status = loop {
        if let Some(status) = cell.sleeper.try_wait().expect("a child") {
            break status;
        }
        assert!(Instant::now() < end, "the process lives on");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{status}");
    assert_eq!(socket.within(Duration::from_millis(300)), None, "success has no answer");
    assert_eq!(ask(&mut socket, json!({"name": "host.getstats"}))["type"], "response");
    assert_refused(&mut socket, json!(pid));
    let line = format!("SIGTERM to {pid}, asked by 127.0.0.1:");
    server.wait_for_log(&line);
    assert!(!server.log().contains(TOKEN), "the log holds the token:\n{}", server.log());
    server.assert_well();
}
