//! The receiver: what System Monitor's agents are answered, what outlives kill -9, and a disk that is full.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use psmonitor::server::routes::{Access, ENDPOINTS};
use serde_json::{Value, json};

use crate::support::{self, Response, Server};

const RECORDED: &str = include_str!("../fixtures/system-monitor/send_stats.json");

/// Agents and kills of the test under load; `tests/load/receiver.py` does the same at length.
const AGENTS: usize = 20;
const KILLS: usize = 5;

/// Unix seconds.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().cast_signed()
}

/// The recorded report, of this system and moment.
pub fn report(name: &str, epoch: i64) -> Vec<u8> {
    let mut report: Value = serde_json::from_str(RECORDED).expect("the recorded report");
    report["system_id"] = name.into();
    report["epoch"] = epoch.into();
    report["interval"] = 10.into();
    report.to_string().into_bytes()
}

/// A receiver that keeps its reports in `folder`.
fn receiver(folder: &Path, more: &[&str]) -> Server {
    let mut args = vec!["--receive", "--auto-register", "--data-dir", folder.to_str().expect("a path")];
    args.extend(more);
    Server::start(&args)
}

fn post(server: &Server, path: &str, body: &[u8]) -> Response {
    server.request("POST", path, &[("Content-Type", "application/json")], body)
}

/// What is listed of a system.
fn listed(server: &Server, name: &str) -> Value {
    let all = server.json("/systems");
    let found = all["systems"].as_array().expect("a list").iter().find(|one| one["system_id"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {all}")).clone()
}

#[test]
fn an_agent_is_answered_as_its_document_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = receiver(folder.path(), &[]);
    assert_eq!(server.json("/api/v1/about")["receiver"], true, "the dashboard shows its fleet by this");
    for path in ["/", "/systems"] {
        let name = format!("LINUX{}", path.len());
        let check = json!({ "action": "check_system_id", "system_id": name }).to_string();
        assert_eq!(post(&server, path, br#"{"action": "check_url"}"#).status, 202, "{path}");
        let free = post(&server, path, check.as_bytes());
        assert_eq!((free.status, free.text().as_str()), (204, ""), "{path}");
        let moment = now() - 5;
        let stored = post(&server, path, &report(&name, moment));
        assert_eq!((stored.status, stored.text().as_str()), (200, ""), "{path}");
        assert_eq!(stored.header("accept-encoding"), Some("gzip"));
        assert_eq!(post(&server, path, check.as_bytes()).status, 200, "{path}");
        assert_eq!(post(&server, path, &report(&name, moment)).status, 200, "again");
        assert_eq!(post(&server, path, &report(&name, moment - 60)).status, 200, "out of order");
        let one = listed(&server, &name);
        assert_eq!((&one["reports"], &one["repeated"], &one["out_of_order"]), (&json!(2), &json!(1), &json!(1)));
        assert_eq!((&one["late"], &one["clock_wrong"], &one["interval"]), (&json!(false), &json!(false), &json!(10.0)));
        let last = server.get(&format!("/systems/{name}"));
        assert_eq!(last.body, report(&name, moment), "as it came");
        let history = server.json(&format!("/systems/{name}/history?range=1m&series=cpu.busy"));
        let means = history["series"]["cpu.busy"]["mean"].as_array().expect("a series");
        assert!(means.iter().any(|mean| mean.as_f64().is_some_and(|mean| (mean - 0.005).abs() < 1e-6)), "{history}");
        let page = server.get("/metrics?collect[]=systems").text();
        let line = format!("psmonitor_system_memory_used_bytes{{system_id=\"{name}\"}} 236523520\n");
        assert!(page.contains(&line), "{page}");
    }
    // Who is no agent gets a worker, as ever.
    assert!(post(&server, "/", br#"{"connection": "monitor"}"#).json()["id"].is_string());
}

/// Whoever breaks into one machine of many finds a token there. It must not open the others.
#[test]
fn a_token_for_reports_opens_nothing_else() {
    const FULL: &str = "0123456789abcdef-full";
    const REPORTING: &str = "0123456789abcdef-reporting";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("{FULL}\nreport {REPORTING}\n")).expect("written");
    let server = receiver(folder.path(), &["--token-file", file.to_str().expect("a path"), "--allow-kill"]);
    let ask = |token: &str, method: &str, path: &str, body: &[u8]| {
        server.request(method, path, &[("Authorization", &format!("Bearer {token}"))], body)
    };
    for path in ["/systems", "/"] {
        let body = report(&format!("LINUX{}", path.len()), now());
        assert_eq!(ask(REPORTING, "POST", path, &body).status, 200, "{path}");
        assert_eq!(ask(REPORTING, "POST", path, br#"{"action": "check_url"}"#).status, 202, "{path}");
        assert_eq!(ask("0123456789abcdef-another", "POST", path, &body).status, 401, "{path}");
    }
    let basic = [("Authorization", "Basic YWdlbnQ6MDEyMzQ1Njc4OWFiY2RlZi1yZXBvcnRpbmc=")];
    assert_eq!(server.request("POST", "/systems", &basic, &report("LINUX", now())).status, 200, "HTTP Basic");
    assert_eq!(server.request("GET", "/systems", &basic, b"").status, 403, "HTTP Basic");
    // Every other route, and what else `POST /` is for.
    let mut seen = 0;
    for endpoint in ENDPOINTS {
        let is_closed = matches!(endpoint.access, Access::Token | Access::Stream);
        let method = endpoint.method.as_str();
        if !is_closed && (method, endpoint.path) != ("POST", "/") {
            continue;
        }
        let path = endpoint.path.replace("{version}", "4").replace(['{', '}'], "");
        let body: &[u8] = if method == "POST" { br#"{"connection": "monitor", "pid": 1}"# } else { b"" };
        let refused = ask(REPORTING, method, &path, body);
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
        assert!(refused.error().contains("hands in reports"), "{method} {path}: {}", refused.text());
        seen += 1;
    }
    assert!(seen > 30, "only {seen} routes");
    assert_eq!(ask(FULL, "GET", "/systems", b"").json()["systems"].as_array().map(Vec::len), Some(3));
    assert!(ask(FULL, "POST", "/", b"").json()["id"].is_string());
}

/// Nor may it speak for the others.
#[test]
fn a_token_for_reports_of_one_system_reports_as_no_other() {
    const BOUND: &str = "0123456789abcdef-bound";
    const TWICE: &str = "0123456789abcdef-twice";
    const ANY: &str = "0123456789abcdef-any";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    let lines = format!("report {BOUND} web 1\nreport {TWICE}\tdb1\nreport {TWICE} db2\nreport {ANY}\n");
    std::fs::write(&file, lines).expect("written");
    let server = receiver(folder.path(), &["--token-file", file.to_str().expect("a path")]);
    let ask = |token: &str, path: &str, body: &[u8]| {
        server.request("POST", path, &[("Authorization", &format!("Bearer {token}"))], body)
    };
    let asks = |name: &str| format!(r#"{{"action": "check_system_id", "system_id": "{name}"}}"#).into_bytes();
    for path in ["/systems", "/"] {
        for (token, own, others) in
            [(BOUND, &["web 1"][..], &["web", "db1"][..]), (TWICE, &["db1", "db2"], &["web 1", "db"])]
        {
            assert_eq!(ask(token, path, br#"{"action": "check_url"}"#).status, 202);
            for name in own {
                assert_eq!(ask(token, path, &report(name, now())).status, 200, "{name}");
                assert_eq!(ask(token, path, &asks(name)).status, 200, "{name}");
            }
            for name in others {
                for body in [report(name, now()), asks(name)] {
                    let refused = ask(token, path, &body);
                    assert_eq!(refused.status, 403, "{name}: {}", refused.text());
                    let error = refused.error();
                    assert!(error.contains(name) && error.contains("token file"), "{error}");
                }
            }
        }
    }
    assert_eq!(ask(ANY, "/systems", &report("another", now())).status, 200, "one without a name reports as any");
}

#[test]
fn what_is_wrong_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = receiver(folder.path(), &[]);
    for (path, body, status, hint) in [
        ("/systems", &b"{}"[..], 400, "action"),
        ("/systems", b"nonsense", 400, "no report"),
        ("/systems", br#"{"action": "reboot"}"#, 400, "check_url"),
        ("/", br#"{"action": "reboot"}"#, 400, "check_url"),
        ("/systems", br#"{"action": "send_stats", "system_id": "a", "epoch": 1}"#, 400, "stats"),
        ("/systems", &[b' '; (4 << 20) + 1], 413, "4194304"),
        ("/", &[b' '; (64 << 10) + 1], 413, "65536"),
    ] {
        let answer = post(&server, path, body);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.error().contains(hint), "{}", answer.text());
    }
    for path in ["/systems/nobody", "/systems/nobody/history"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.error().contains("nobody")), (404, true), "{path}");
    }
    assert_eq!(server.json("/systems"), json!({ "systems": [] }));
    let named = tempfile::tempdir().expect("a folder");
    let folder = named.path().to_str().expect("a path");
    let server = Server::start(&["--receive", "--register-system", "known", "--data-dir", folder]);
    let refused = post(&server, "/systems", &report("unknown", now()));
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.error().contains("--auto-register"), "{}", refused.text());
    assert_eq!(post(&server, "/systems", &report("known", now())).status, 200);
}

#[test]
fn a_server_that_is_no_receiver_says_so() {
    let server = Server::start::<&str>(&[]);
    let (check, stats) = (br#"{"action": "check_url"}"#.to_vec(), report("a", now()));
    assert_eq!(server.json("/api/v1/about")["receiver"], false);
    for (path, body) in [("/", &check), ("/", &stats), ("/systems", &check), ("/systems", &stats)] {
        let answer = post(&server, path, body);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.error().contains("--receive"), "{}", answer.text());
    }
    for path in ["/systems", "/systems/a", "/systems/a/history"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.error().contains("--receive")), (404, true), "{path}");
    }
}

#[test]
fn a_packed_report_is_taken_and_a_packed_flood_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = receiver(folder.path(), &[]);
    let pack = |body: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(body).expect("packed");
        out.finish().expect("packed")
    };
    let headers = [("Content-Encoding", "gzip")];
    let moment = now();
    let sent = server.request("POST", "/systems", &headers, &pack(&report("a", moment)));
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert_eq!(server.get("/systems/a").body, report("a", moment));
    let flood = pack(&vec![b' '; 64 << 20]);
    assert_eq!(server.request("POST", "/systems", &headers, &flood).status, 413);
    assert_eq!(server.request("POST", "/systems", &[("Content-Encoding", "br")], b"x").status, 400);
}

/// Whoever promises megabytes and sends none takes the room of nobody.
#[test]
fn who_only_promises_a_large_report_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = receiver(folder.path(), &[]);
    let slow = || {
        let mut stream = server.connect();
        let head =
            "POST /systems HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 4000000\r\n\r\nx";
        stream.write_all(head.as_bytes()).expect("the head");
        stream
    };
    let all: Vec<_> = (0..20).map(|_| slow()).collect();
    let answered = || {
        let mut byte = [0];
        all.iter()
            .filter(|stream| {
                matches!(
                    rustix::net::recv(
                        stream,
                        &mut byte[..],
                        rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT
                    ),
                    Ok((1, _))
                )
            })
            .count()
    };
    // Until the server has seen them: it answers one that came later.
    assert_eq!(server.get("/healthz").status, 200);
    let sent = post(&server, "/systems", &report("a", now()));
    assert_eq!((sent.status, answered()), (200, 0), "{}", sent.text());
}

/// Agents that send as fast as they are answered, each with rising moments, until they are told to end. What was confirmed,
/// by agent.
struct Agents {
    over: Arc<AtomicBool>,
    confirmed: Arc<Mutex<BTreeMap<String, Vec<i64>>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Agents {
    fn start(count: usize, address: &Arc<Mutex<SocketAddr>>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let confirmed: Arc<Mutex<BTreeMap<String, Vec<i64>>>> = Arc::default();
        let start = |number: usize| {
            let (over, confirmed, address) = (Arc::clone(&over), Arc::clone(&confirmed), Arc::clone(address));
            std::thread::spawn(move || {
                let (name, mut epoch) = (format!("agent{number}"), now() - 100_000);
                while !over.load(Ordering::Relaxed) {
                    let to = *address.lock().expect("an address");
                    if try_post(to, &report(&name, epoch)) == Some(200) {
                        let mut confirmed = confirmed.lock().expect("what was confirmed");
                        confirmed.entry(name.clone()).or_default().push(epoch);
                        drop(confirmed);
                        epoch += 10;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            })
        };
        let threads = (0..count).map(start).collect();
        Self { over, confirmed, threads }
    }

    fn end(self) -> BTreeMap<String, Vec<i64>> {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("an agent"));
        std::mem::take(&mut *self.confirmed.lock().expect("what was confirmed"))
    }
}

/// The status of an answer; `None` where there was none.
fn try_post(address: SocketAddr, body: &[u8]) -> Option<u16> {
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "POST /systems HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    Some(support::parse_response(&support::read_to_end(&mut stream))?.status)
}

#[test]
fn nothing_that_was_confirmed_is_lost_by_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = receiver(folder.path(), &[]);
    let address = Arc::new(Mutex::new(server.address()));
    let agents = Agents::start(AGENTS, &address);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(700));
        server.signal(rustix::process::Signal::KILL);
        server.wait();
        server = receiver(folder.path(), &[]);
        *address.lock().expect("an address") = server.address();
    }
    std::thread::sleep(Duration::from_millis(300));
    let confirmed = agents.end();
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let server = receiver(folder.path(), &[]);
    assert_eq!(confirmed.len(), AGENTS);
    for (name, epochs) in &confirmed {
        let one = listed(&server, name);
        let reports = one["reports"].as_u64().expect("a count");
        // One more may be stored whose answer a kill cut off, and was sent again: it is the same one.
        let most = epochs.len() as u64 + 1;
        assert!((epochs.len() as u64..=most).contains(&reports), "{name}: {reports} of {}", epochs.len());
        assert!(one["epoch"].as_i64() >= epochs.last().copied(), "{name}: {one}");
        let (from, to) = (epochs[0].div_euclid(10) * 10, epochs[epochs.len() - 1] + 10);
        let history = server.json(&format!("/systems/{name}/history?from={from}&to={to}&series=cpu.busy&points=5000"));
        let times = history["time"].as_array().expect("times").iter().filter_map(Value::as_i64);
        let means = history["series"]["cpu.busy"]["mean"].as_array().expect("a series");
        let drawn: Vec<i64> = times.zip(means).filter(|(_, mean)| !mean.is_null()).map(|(time, _)| time).collect();
        let step = history["step_seconds"].as_i64().expect("a step");
        let gone: Vec<_> = epochs.iter().filter(|epoch| !drawn.contains(&(*epoch / step * step))).collect();
        assert!(gone.is_empty(), "{name}: {gone:?} are not drawn: {history}");
    }
}

/// The program with a largest size of files, which may be raised while it runs; going past it is an error and no signal.
fn launch_with_limit(folder: &Path) -> Server {
    let shell = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut command = support::program_at(Path::new("sh"), &["-c", shell, env!("CARGO_BIN_EXE_psmonitor")]);
    command.args(["--listen", "127.0.0.1:0", "--receive", "--auto-register", "--data-dir"]).arg(folder);
    Server::launch(&mut command)
}

#[test]
fn a_full_disk_is_told_and_recovers_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = launch_with_limit(folder.path());
    let (name, mut epoch) = ("a", now() - 100_000);
    let mut send = || {
        epoch += 1;
        (epoch, post(&server, "/systems", &report(name, epoch)))
    };
    let (first, answer) = send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pid = rustix::process::Pid::from_raw(server.pid().cast_signed());
    let limit = |bytes| {
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).expect("a limit for a child of ours");
    };
    limit(Some(0));
    let end = Instant::now() + support::PATIENCE;
    let mut confirmed = vec![first];
    let refused = loop {
        let (epoch, answer) = send();
        match answer.status {
            200 => confirmed.push(epoch),
            _ => break answer,
        }
        assert!(Instant::now() < end, "it never was full");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some() && refused.error().contains("stored"), "{}", refused.text());
    assert_eq!(server.get("/healthz").status, 200, "all else goes on");
    assert_eq!(listed(&server, name)["reports"], confirmed.len());
    limit(None);
    loop {
        let (epoch, answer) = send();
        if answer.status == 200 {
            confirmed.push(epoch);
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(Instant::now() < end, "it never recovered: {}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let server = receiver(folder.path(), &[]);
    let one = listed(&server, name);
    assert_eq!(
        (one["reports"].as_u64(), one["epoch"].as_i64()),
        (Some(confirmed.len() as u64), confirmed.last().copied())
    );
}
