//! What processes call themselves and were started with, in every answer: no secret, no argument in a name, no flood of
//! control characters, and nobody is held up by a command line made for that.
#![expect(clippy::disallowed_types, reason = "the tests start programs to look at; the program itself starts nothing")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::ask;
use crate::machine::Machine;
use crate::support::{Server, request};

/// A process of the machine, large enough to be among the ten.
fn put(machine: &Machine, pid: u32, comm: &[u8], command_line: &[u8]) {
    let file = |name: &str| machine.path(format!("proc/{pid}/{name}"));
    fs::create_dir_all(file("")).expect("a folder");
    let (head, tail) =
        (format!("{pid} ("), ") S 1 1 1 0 -1 4194304 100 0 0 0 100 50 0 0 20 0 1 0 1000 100000000 5000\n");
    fs::write(file("stat"), [head.as_bytes(), comm, tail.as_bytes()].concat()).expect("stat");
    fs::write(file("statm"), format!("2000000 {} 1000 100 0 5000 0\n", 2_000_000 - pid)).expect("statm");
    fs::write(file("status"), format!("Name:\tx\nTgid:\t{pid}\nPid:\t{pid}\nUid:\t1000\t1000\t1000\t1000\n"))
        .expect("status");
    fs::write(file("cmdline"), command_line).expect("cmdline");
}

/// Every answer that tells of processes: where it is from, and its text.
fn answers(server: &Server, pids: &[u32]) -> Vec<(String, String)> {
    let accept = [("Accept", "application/json")];
    let mut answers: Vec<(String, String)> = ["/system", "/api/processes", "/api/v1/snapshot", "/metrics"]
        .iter()
        .map(|path| ((*path).to_owned(), request(server.address(), "GET", path, &accept, b"").text()))
        .collect();
    let mut psiod = server.socket("/");
    answers.push(("process.getall".into(), ask(&mut psiod, json!({"name": "process.getall"})).to_string()));
    for pid in pids {
        answers.push((
            format!("process.get {pid}"),
            ask(&mut psiod, json!({"name": "process.get", "pid": pid})).to_string(),
        ));
        answers.push((format!("/api/process {pid}"), server.json(&format!("/api/process?pid={pid}")).to_string()));
    }
    let worker = server.request("POST", "/", &[], b"").json();
    let mut stream = server.socket(&format!("/connect?id={}", worker["id"].as_str().expect("an id")));
    stream.text();
    answers.push(("/connect".into(), stream.text()));
    answers
}

/// The names of a process under every key that carries one.
fn names(value: &Value, pid: u32, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| names(value, pid, found)),
        Value::Object(map) => {
            if ["pid", "Id"].iter().any(|key| map.get(*key) == Some(&Value::from(pid))) {
                let name = map.get("name").or_else(|| map.get("ProcessName")).and_then(Value::as_str);
                found.push(name.expect("a name").to_owned());
            }
            map.values().for_each(|value| names(value, pid, found));
        }
        _ => {}
    }
}

#[test]
fn no_part_of_a_command_line_is_a_name() {
    let machine = Machine::copy();
    let whole = "/opt/Element/element-desktop --type=utility --password=hunter2 --token abc123";
    let cases: [(&str, &str, &str); 6] = [
        ("element-desktop", whole, "element-desktop"),
        ("my-backup-daemo", "my-backup-daemon: pg_dump --password=hunter2 dbname=x\0", "my-backup-daemon"),
        ("Plex New Transc", "/usr/lib/plex/Plex New Transcoder\0-codec\0x\0", "Plex New Transcoder"),
        ("element-d --pas", "element-d --password=hunter2\0", "element-d"),
        ("--token abc123", "--token abc123\0", "--token ***"),
        ("some-long-name-", "/bin/x --into=/y/some-long-name-hunter2\0", "some-long-name-"),
    ];
    let pids: Vec<u32> = (50_001..).take(cases.len()).collect();
    for (pid, (comm, line, _)) in pids.iter().zip(cases) {
        put(&machine, *pid, comm.as_bytes(), line.as_bytes());
    }
    let mut server = Server::start(&machine.args());
    let mut seen = 0;
    for (place, text) in answers(&server, &pids) {
        // The last one's is a value without a secret's name, which a command line may show.
        let may_show = place == "/api/process 50006";
        assert!(may_show || !text.contains("hunter2"), "{place}: {text}");
        assert!(!text.contains("abc123"), "{place}: {text}");
        let Ok(json) = serde_json::from_str(&text) else { continue };
        for (pid, (_, _, expected)) in pids.iter().zip(cases) {
            let mut found = Vec::new();
            names(&json, *pid, &mut found);
            assert!(found.iter().all(|name| name == expected), "{place}: {found:?}");
            seen += found.len();
        }
    }
    assert!(seen >= 7 * cases.len(), "{seen} names");
    let shown = server.json("/api/process?pid=50001");
    assert_eq!(shown["cmdline"], "/opt/Element/element-desktop --type=utility --password=*** --token ***");
    server.assert_well();
}

#[test]
fn nuls_behind_a_title_are_not_shown() {
    let machine = Machine::copy();
    put(&machine, 50_007, b"setproct", &[b"Process Title".as_slice(), &[0; 40]].concat());
    put(&machine, 50_008, b"tool", b"tool\0\0x\0");
    let server = Server::start(&machine.args());
    assert_eq!(server.json("/api/process?pid=50007")["cmdline"], "Process Title");
    assert_eq!(server.json("/api/process?pid=50008")["cmdline"], "tool  x");
}

#[test]
fn names_full_of_control_characters_make_no_large_answers() {
    let machine = Machine::copy();
    let comm = [1; 15];
    for pid in 50_001..50_501 {
        put(&machine, pid, &comm, &[1; 4_095]);
    }
    let server = Server::start(&machine.args());
    let length = server.get("/api/v1/snapshot").body.len();
    assert!(length < 1 << 20, "{length} bytes");
    let snapshot = server.json("/api/v1/snapshot");
    let mut found = Vec::new();
    names(&snapshot, 50_001, &mut found);
    assert_eq!(found, ["\u{fffd}".repeat(15)]);
}

#[test]
fn a_start_to_come_is_unknown() {
    let machine = Machine::copy();
    machine.change("proc/stat", "btime 1767225600", "btime 17672256000");
    let server = Server::start(&machine.args());
    let snapshot = server.json("/api/v1/snapshot");
    let list = snapshot["processes"]["list"].as_array().expect("processes");
    assert!(!list.is_empty());
    assert!(list.iter().all(|process| process["start_time_unix_seconds"].is_null()), "{}", list[0]);
}

/// A child that is killed and waited for when the test ends.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that waits to be ended, with further arguments.
fn waiting(arguments: &[&str]) -> Kept {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "read x"]).args(arguments).stdin(Stdio::piped());
    Kept(command.spawn().expect("a shell"))
}

/// A quadratic look at the 128 KiB of the first takes minutes; two of them take both threads that serve.
#[test]
fn a_command_line_made_for_it_holds_nobody_up() {
    // Linux takes no longer argument than 128 KiB, its end included.
    let commas = ",".repeat((128 << 10) - 2) + "=";
    let children =
        [waiting(&[&commas]), waiting(&[&"--password ".repeat(11_000)]), waiting(&[&"'\"\\ =".repeat(26_000)])];
    let mut server = Server::start::<&str>(&[]);
    for child in &children {
        let begin = Instant::now();
        let shown = server.json(&format!("/api/process?pid={}", child.0.id()));
        let line = shown["cmdline"].as_str().expect("a command line");
        assert!(line.ends_with('…') && line.len() < 32 << 10, "{} bytes", line.len());
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
    server.assert_well();
}

#[test]
fn a_title_with_a_password_is_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("my-backup-daemon");
    // By another process: a file that this one still had open for writing when another test starts a program could not be run.
    assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status().expect("cp").success(), "a copy");
    let mut command = Command::new(&program);
    let child = Kept(command.arg0("my-backup-daemon --password=hunter2").arg("600").spawn().expect("a child"));
    let server = Server::start::<&str>(&[]);
    let shown = server.json(&format!("/api/process?pid={}", child.0.id()));
    assert_eq!(
        (&shown["name"], &shown["cmdline"]),
        (&json!("my-backup-daemon"), &json!("my-backup-daemon --password=*** 600"))
    );
    let snapshot = server.json("/api/v1/snapshot");
    let mut found = Vec::new();
    names(&snapshot, child.0.id(), &mut found);
    assert_eq!(found, ["my-backup-daemon"]);
    for (place, text) in answers(&server, &[child.0.id()]) {
        assert!(!text.contains("hunter2"), "{place}");
    }
}
