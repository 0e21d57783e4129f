//! What the program sends of its own accord: nothing unless it is told where; reports that arrive whatever the receiver
//! does and whoever is killed, once and in order; reports of others that are passed on.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use psmonitor::agent::Bounds;
use psmonitor::agent::spool::Spool;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Server, program, run};
use crate::systems::{now, report};

/// What the double does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers(&'static str),
    /// It is well, and takes its time.
    Slow(Duration),
    Resets,
    Hangs,
    Garbage,
}

pub const WELL: Mood = Mood::Answers(
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
);

/// What a receiver may do that is not well.
const MOODS: [Mood; 7] = [
    Mood::Answers("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
    Mood::Resets,
    Mood::Answers("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"),
    Mood::Garbage,
    Mood::Answers("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"),
    Mood::Answers("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
    Mood::Hangs,
];

/// Heads and bodies that were confirmed.
pub type Kept = Mutex<Vec<(String, Vec<u8>)>>;

/// A server of one route that does as it is told, and keeps the bodies that it confirmed.
pub struct Double {
    address: SocketAddr,
    moods: Arc<Mutex<Vec<Mood>>>,
    pub kept: Arc<Kept>,
    asked: Arc<AtomicUsize>,
}

impl Double {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (moods, kept, asked) = (Arc::new(Mutex::new(vec![WELL])), Arc::default(), Arc::new(AtomicUsize::new(0)));
        let double = Self { address, moods: Arc::clone(&moods), kept: Arc::clone(&kept), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                let mood = {
                    let moods = moods.lock().expect("moods");
                    moods[number % moods.len()]
                };
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, mood, &kept));
            }
        });
        double
    }

    /// From now on it does these things, one after the other.
    pub fn is(&self, moods: &[Mood]) {
        *self.moods.lock().expect("moods") = moods.to_vec();
        self.asked.store(0, Ordering::Relaxed);
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How often it was asked since it was told what to do.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The moments of the reports that it confirmed.
    fn epochs(&self) -> Vec<i64> {
        let kept = self.kept.lock().expect("what was kept");
        let epoch =
            |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON")["epoch"].as_i64().expect("a moment");
        kept.iter().map(|(_, body)| epoch(body)).collect()
    }

    /// Waits until it holds.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: {:?}", self.epochs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One request, head and body.
fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let (mut all, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if all.len() - end - 4 >= length.unwrap_or(0usize) {
                return Some((head, all.split_off(end + 4)));
            }
        }
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&piece[..count]);
    }
}

fn serve(mut stream: TcpStream, mood: Mood, kept: &Kept) {
    if mood == Mood::Resets {
        // Closed with bytes that nobody read: the client sees a reset.
        std::thread::sleep(Duration::from_millis(20));
        return;
    }
    let Some((head, body)) = read_request(&mut stream) else { return };
    if let Mood::Slow(time) = mood {
        std::thread::sleep(time);
    }
    let _ = match mood {
        Mood::Answers(_) | Mood::Slow(_) => {
            let Mood::Answers(text) = (if let Mood::Slow(_) = mood { WELL } else { mood }) else { return };
            if text.starts_with("HTTP/1.1 200") {
                kept.lock().expect("what was kept").push((head, body));
            }
            stream.write_all(text.as_bytes())
        }
        Mood::Garbage => stream.write_all(b"\x00\x01 no HTTP at all\r\n\r\n\r\n"),
        // Longer than the agent waits.
        Mood::Hangs => {
            std::thread::sleep(Duration::from_secs(12));
            Ok(())
        }
        Mood::Resets => Ok(()),
    };
}

/// An agent that reports to `url`. Killed when it is dropped.
struct Agent(Child);

impl Agent {
    fn start(url: &str, folder: &Path) -> Self {
        let folder = folder.to_str().expect("a path");
        let args = ["background", "--url", url, "--interval", "1", "--system-id", "agent", "--data-dir", folder];
        let mut command = program(&args);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    fn kill(mut self) {
        self.0.kill().expect("a child of ours");
        self.0.wait().expect("a child of ours");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The moments of the reports that wait in the spool of an agent that is dead.
fn waiting(folder: &Path) -> Vec<i64> {
    let bounds = Bounds { most_bytes: 1 << 30, most_age: Duration::from_secs(1 << 30) };
    let spool = Spool::open(Some(&folder.join("agent-spool.redb")), bounds).expect("the spool");
    let epoch = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("JSON")["epoch"].as_i64().expect("a moment");
    spool.oldest(10_000).iter().map(|entry| epoch(&entry.body)).collect()
}

#[test]
fn every_report_arrives_once_and_in_order_whatever_the_receiver_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    double.is(&MOODS);
    let mut expected = Vec::new();
    for round in 0..3 {
        let agent = Agent::start(&double.url(), folder.path());
        std::thread::sleep(Duration::from_secs(4));
        agent.kill();
        let kept = waiting(folder.path());
        assert!(kept.len() > round, "round {round}: {kept:?}");
        assert!(kept.starts_with(&expected), "round {round}: {kept:?} does not begin with {expected:?}");
        expected = kept;
        assert!(double.epochs().is_empty(), "it confirmed nothing");
    }
    // It is well now and then: what is confirmed is gone, the rest waits.
    let moods: Vec<Mood> = MOODS[..6].iter().flat_map(|mood| [*mood, WELL, WELL, WELL]).collect();
    double.is(&moods);
    let agent = Agent::start(&double.url(), folder.path());
    double.until("all that waited arrives", |double| double.epochs().len() >= expected.len() + 2);
    drop(agent);
    let arrived = double.epochs();
    assert!(arrived.windows(2).all(|pair| pair[0] < pair[1]), "once and in order: {arrived:?}");
    assert_eq!(arrived[..expected.len()], expected, "and none is missing");
}

#[test]
fn a_report_is_as_the_document_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    let _agent = Agent::start(&double.url(), folder.path());
    double.until("a report", |double| !double.epochs().is_empty());
    let (head, body) = double.kept.lock().expect("what was kept")[0].clone();
    assert!(head.starts_with("post / http/1.1") && head.contains("content-type: application/json"), "{head}");
    assert!(!head.contains("authorization") && !head.contains("content-encoding"), "{head}");
    let ours: Value = serde_json::from_slice(&body).expect("JSON");
    let theirs: Value =
        serde_json::from_str(include_str!("../fixtures/system-monitor/send_stats.json")).expect("the recorded report");
    assert_eq!(ours["url"], double.url());
    let keys = |value: &Value| value.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
    for pointer in ["", "/stats", "/stats/cpu", "/stats/memory", "/stats/processes/0", "/stats/network/lo"] {
        let of = |report: &Value| keys(report.pointer(pointer).unwrap_or(&Value::Null));
        assert_eq!(of(&ours), of(&theirs), "{pointer}");
    }
    assert!(ours["stats"]["cpu"]["percent_used"].is_number(), "{}", ours["stats"]["cpu"]);
}

#[test]
fn what_is_refused_for_good_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    double.is(&[Mood::Answers("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), WELL]);
    let agent = Agent::start(&double.url(), folder.path());
    double.until("the next one", |double| double.epochs().len() > 1);
    agent.kill();
    assert!(waiting(folder.path()).len() <= 1, "what was refused does not wait");
}

/// It was configured with `http://`, and its receiver speaks TLS since: a fault that somebody will mend, and no report's.
#[test]
fn what_a_receiver_with_tls_refuses_waits_for_the_right_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    let body = r#"{"error":"this server speaks TLS; ask for https:// instead of http://"}"#;
    let text = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    double.is(&[Mood::Answers(String::leak(text))]);
    let agent = Agent::start(&double.url(), folder.path());
    double.until("three tries", |double| double.asked() >= 3);
    agent.kill();
    let kept = waiting(folder.path());
    assert!(!kept.is_empty(), "it keeps them");
    let output = run(&["check-url", "--url", &double.url()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("write https://"), "{said}");
    double.is(&[WELL]);
    let _agent = Agent::start(&double.url(), folder.path());
    double.until("all arrive", |double| double.epochs().len() >= kept.len());
    assert_eq!(double.epochs()[..kept.len()], kept);
}

#[test]
fn the_checks_say_what_they_found() {
    let double = Double::start();
    let url = double.url();
    let ask = |mood: Mood, args: &[&str]| {
        double.is(&[mood]);
        let output = run(&[args, &["--url", &url]].concat());
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    };
    let well = |status: &'static str| Mood::Answers(status);
    let id = &["check-system-id", "--system-id", "LINUX-1"][..];
    for (mood, args, code, hint) in [
        (well("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"), &["check-url"][..], 0, "OK"),
        (well("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"), &["check_url"], 0, "OK"),
        (well("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), &["check-url"], 1, "404"),
        (Mood::Resets, &["check-url"], 1, "does not answer"),
        (Mood::Garbage, &["check-url"], 1, "does not answer"),
        (WELL, id, 0, "is registered"),
        (WELL, &["check_system_id", "--system-id", "LINUX-1"], 0, "LINUX-1"),
        (well("HTTP/1.1 204 No Content\r\n\r\n"), id, 0, "NOT registered"),
        (well("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), id, 1, "500"),
    ] {
        let (got, text) = ask(mood, args);
        assert_eq!((got, text.contains(hint)), (Some(code), true), "{mood:?} {args:?}: {text}");
    }
}

#[test]
fn the_configuration_of_the_original_is_taken_and_completed() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    let path = folder.path().join("config.json");
    let text = json!({ "system_id": null, "url": double.url(), "interval": 1 }).to_string();
    std::fs::write(&path, text).expect("a file");
    let mut agent =
        Agent(program(&["background", "--config", path.to_str().expect("a path")]).spawn().expect("it starts"));
    double.until("a report", |double| !double.epochs().is_empty());
    let text = std::fs::read_to_string(&path).expect("the file");
    let written: Value = serde_json::from_str(&text).expect("JSON");
    let name = written["system_id"].as_str().expect("a name");
    assert!(name.starts_with("Linux-") && name.len() == 38, "{text}");
    let expected = format!("{{\"system_id\": \"{name}\", \"url\": \"{}\", \"interval\": 1}}", double.url());
    assert_eq!(text, expected, "as the original writes it");
    let (_, body) = double.kept.lock().expect("what was kept")[0].clone();
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["system_id"], name);
    agent.0.kill().expect("a child of ours");
}

#[test]
fn a_server_reports_and_passes_on_what_others_report() {
    let (top, middle) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let folder = |folder: &tempfile::TempDir| folder.path().to_str().expect("a path").to_owned();
    let first = Server::start(&["--receive", "--auto-register", "--data-dir", &folder(&top)]);
    let url = format!("http://{}/systems", first.address());
    let second = Server::start(&[
        "--receive",
        "--auto-register",
        "--data-dir",
        &folder(&middle),
        "--agent-url",
        &url,
        "--agent-interval",
        "1s",
        "--agent-system-id",
        "middle",
        "--agent-forward",
    ]);
    let moment = now() - 3;
    for epoch in [moment, moment + 1, moment + 1, moment + 2] {
        let sent = second.request("POST", "/systems", &[], &report("leaf", epoch));
        assert_eq!(sent.status, 200, "{}", sent.text());
    }
    let end = Instant::now() + PATIENCE;
    let of = |name: &str| {
        let all = first.json("/systems");
        all["systems"].as_array().expect("a list").iter().find(|one| one["system_id"] == name).cloned()
    };
    let is_there = |name: &str, reports: u64| of(name).is_some_and(|one| one["reports"].as_u64() >= Some(reports));
    while !(is_there("leaf", 3) && is_there("middle", 2)) {
        assert!(Instant::now() < end, "{}: {}", first.json("/systems"), second.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(of("leaf").expect("it is there")["reports"], 3, "each once");
    assert_eq!(first.get("/systems/leaf").body, report("leaf", moment + 2), "as it came");
    let page = second.get("/metrics").text();
    assert!(page.contains("psmonitor_push_sent_total{to=\"agent\"}"), "{page}");
    assert!(page.contains("psmonitor_system_late{system_id=\"leaf\"} 0"));
}

/// The addresses that threads of the program have connected to, as strace wrote them; resolver and logs included.
fn dialled(trace: &Path) -> Vec<String> {
    let files = std::fs::read_dir(trace).expect("the trace").flatten();
    let text: String = files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect();
    text.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect()
}

#[test]
fn it_dials_whom_the_configuration_names_and_nobody_else() {
    let calls = ["connect", "sendto", "sendmsg", "sendmmsg"];
    let (trace, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let double = Double::start();
    let (url, folder) = (double.url(), folder.path().to_str().expect("a path"));
    let server =
        Server::traced(trace.path(), &calls, &["--agent-url", &url, "--agent-interval", "1", "--data-dir", folder]);
    double.until("a report", |double| !double.epochs().is_empty());
    drop(server);
    let all = dialled(trace.path());
    let connects: Vec<_> = all.iter().filter(|line| line.contains("connect(")).collect();
    let named = format!("sin_port=htons({})", double.address.port());
    assert!(!connects.is_empty() && connects.iter().all(|line| line.contains(&named)), "{connects:?}");
}
