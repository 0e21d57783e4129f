//! What routes make of wrong parameters and methods, and that every listener serves every route.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::Machine;
use crate::support::{self, Server};

/// Every route that answers GET with 200, and what its answer begins with.
const ROUTES: [(&str, &str); 14] = [
    ("/", "text/html"),
    ("/system", "application/json"),
    ("/network", "application/json"),
    ("/api/cpu", "application/json"),
    ("/api/memory", "application/json"),
    ("/api/disk", "application/json"),
    ("/api/diskio", "application/json"),
    ("/api/network", "application/json"),
    ("/api/uptime", "application/json"),
    ("/api/process?pid=1", "application/json"),
    ("/api/platform", "application/json"),
    ("/api/cpumodel", "application/json"),
    ("/healthz", "text/plain"),
    ("/static/app.js", "text/javascript"),
];

fn server() -> Server {
    Server::start(&Machine::original().args())
}

#[test]
fn a_stream_asks_for_an_interval_within_the_bounds() {
    let server = server();
    for wrong in ["0", "0.05", "99ms", "1ms", "2h", "61m", "soon", ""] {
        let response = server.get(&format!("/api/v1/stream?interval={wrong}"));
        assert_eq!(response.status, 400, "{wrong}");
        assert!(response.error().contains("interval"), "{wrong}: {}", response.error());
    }
    assert!(server.get("/api/v1/stream?interval=1ms").error().contains("between 100ms and 1h"));
    for right in ["100ms", "1h"] {
        assert!(server.events(&format!("/api/v1/stream?interval={right}"), &[]).next().is_some(), "{right}");
    }
}

#[test]
fn a_new_worker_is_told_as_newer_clients_expect_and_reports_are_refused() {
    let server = server();
    for body in ["{\"connection\":\"monitor\"}", "[object Object]", "", "{\"action\":\"else\"}", "[\"send_stats\"]"] {
        let response = server.request("POST", "/", &[], body.as_bytes());
        assert_eq!(response.status, 200, "{body}");
        let worker = response.json();
        let id = worker["id"].as_str().expect("an id");
        assert_eq!((&worker["status"], &worker["url"]), (&Value::Null, &format!("/connect?id={id}").into()), "{body}");
        assert!(worker["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert_eq!(worker.as_object().map(serde_json::Map::len), Some(4));
    }
    let long = format!("{{\"stats\":{{\"cpu\":[{}1]}},\"action\":\"send_stats\"}}", "1,".repeat(1_000));
    for body in ["{\"action\": \"check_url\"}", "{\"action\":\"check_system_id\",\"system_id\":\"a\"}", &long] {
        let response = server.request("POST", "/", &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(response.status, 404, "{body}");
        assert!(response.error().contains("receiver"), "{}", response.error());
    }
}

#[test]
fn every_address_is_told_at_the_start() {
    let ports: Vec<u16> = (0..2)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
        .collect::<Vec<_>>()
        .iter()
        .map(|listener| listener.local_addr().expect("an address").port())
        .collect();
    let listen: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let mut child = support::program(&["--listen", &listen[0], "--listen", &listen[1]]).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let told: Vec<String> = lines.by_ref().take(2).map(|line| line.expect("a line")).collect();
    let _ = (child.kill(), child.wait());
    for listen in &listen {
        assert!(told.iter().any(|line| line.contains(&format!("http://{listen}/"))), "{listen}: {told:?}");
    }
}

#[test]
fn a_zone_that_tz_names_is_told() {
    let machine = Machine::copy();
    let zones = machine.path("root/usr/share/zoneinfo/Test");
    std::fs::create_dir_all(&zones).expect("a folder");
    // A file of the data base that holds nothing but a rule (RFC 9636).
    let mut block = b"TZif2".to_vec();
    block.extend([0; 31]);
    block.extend([0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    block.extend(b"UTC\0");
    let file = [block.clone(), block, b"\n<+0545>-5:45\n".to_vec()].concat();
    std::fs::write(zones.join("Kathmandu"), file).expect("a zone");
    for (zone, name, offset) in [
        ("Test/Kathmandu", "+0545", 20_700),
        (":Test/Kathmandu", "+0545", 20_700),
        ("<-03>3", "-03", -10_800),
        ("UTC0", "UTC", 0),
    ] {
        let mut command = support::program(&machine.args());
        let server = Server::launch(command.args(["--listen", "127.0.0.1:0"]).env("TZ", zone));
        let metrics = server.get("/metrics").text();
        let line = format!("node_time_zone_offset_seconds{{time_zone=\"{name}\"}} {offset}");
        assert!(metrics.lines().any(|one| one == line), "{zone}: {metrics}");
    }
}

#[test]
fn process_ids() {
    let mut server = Server::start::<&str>(&[]);
    for (query, status) in [
        ("", 400),
        ("?", 400),
        ("?pid=", 400),
        ("?pid=%20", 400),
        ("?pid=abc", 400),
        ("?pid=-1", 400),
        ("?pid=1.5", 400),
        ("?pid=0x10", 400),
        ("?pid=1;ls", 400),
        ("?pid=../1", 400),
        ("?pid=%00", 400),
        ("?pid=%FF", 400),
        ("?pid=self", 400),
        ("?other=1", 400),
        ("?pid=0", 404),
        ("?pid=4194305", 404),
        ("?pid=2147483648", 404),
        ("?pid=4294967296", 404),
        ("?pid=99999999999999999999999999999999", 404),
    ] {
        let response = server.get(&format!("/api/process{query}"));
        assert_eq!(response.status, status, "{query}: {}", response.text());
        assert!(!response.error().is_empty(), "{query}");
    }
    let own = server.json(&format!("/api/process?pid={}", server.pid()));
    assert_eq!((&own["pid"], &own["name"]), (&Value::from(server.pid()), &Value::from("psmonitor")));
    assert!(own["cmdline"].as_str().is_some_and(|line| line.ends_with("--listen 127.0.0.1:0")), "{own}");
    let other = server.json(&format!("/api/process?pid={}", std::process::id()));
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(other["cmdline"], arguments.join(" "));
    server.assert_well();
}

#[test]
fn a_process_whose_name_cannot_be_read_is_there_all_the_same() {
    let machine = Machine::copy();
    std::fs::write(machine.path("proc/1310/stat"), "garbage").expect("the file is written");
    let mut server = Server::start(&machine.args());
    let answer = server.json("/api/process?pid=1310");
    assert_eq!((&answer["pid"], &answer["name"]), (&Value::from(1310), &Value::Null));
    assert!(answer["cmdline"].is_string(), "{answer}");
    server.assert_well();
}

#[test]
fn methods() {
    let mut server = server();
    let paths = ROUTES.iter().map(|(path, _)| *path).chain(["/connect", "/ws", "/api/processes", "/favicon.ico"]);
    for path in paths {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "MADE-UP"] {
            if path == "/" && method == "POST" {
                continue;
            }
            let response = server.request(method, path, &[], b"");
            assert_eq!(response.status, 405, "{method} {path}: {}", response.text());
            let allow = if path == "/" { "GET, HEAD, POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
            assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
            assert!(response.error().contains(method), "{}", response.text());
        }
        let options = server.request("OPTIONS", path, &[], b"");
        assert_eq!((options.status, options.body.len()), (204, 0), "{path}");
    }
    let unknown = server.get("/api/nothing");
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().contains("/api/nothing"));
    server.assert_well();
}

#[test]
fn head_is_get_without_a_body() {
    let mut server = server();
    for (path, kind) in ROUTES {
        let get = server.get(path);
        let head = server.request("HEAD", path, &[], b"");
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert!(head.body.is_empty(), "{path}");
        for response in [&get, &head] {
            let found = response.header("content-type").unwrap_or_default();
            assert!(found.starts_with(kind), "{path}: {found}");
        }
        assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()), "{path}");
        assert!(head.header("content-length").is_some(), "{path}");
    }
    server.assert_well();
}

/// `POST /` makes a worker, whatever the body says it is.
#[test]
fn any_body_makes_a_worker() {
    let mut server = server();
    let bodies: [(&str, &[u8]); 6] = [
        ("application/json", b"{\"connection\":\"monitor\"}"),
        ("application/json", b"{\"connection\":"),
        ("application/json", b""),
        ("text/plain;charset=UTF-8", b"[object Object]"),
        ("application/x-www-form-urlencoded", b"a=b&c"),
        ("nonsense", b"\xff\x00\xfe"),
    ];
    let mut ids = Vec::new();
    for (kind, body) in bodies {
        let response = server.request("POST", "/", &[("Content-Type", kind)], body);
        assert_eq!(response.status, 200, "{kind}: {}", response.text());
        let worker = response.json();
        let id = worker["id"].as_str().expect("an id").to_owned();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id} is no UUID of version 4");
        assert_eq!(worker["status"], Value::Null);
        assert!(!ids.contains(&id));
        ids.push(id);
    }
    server.assert_well();
}

/// A supervisor that asks as soon as the address is told must not restart a server that is just starting.
#[test]
fn healthy_from_the_first_moment() {
    for _ in 0..5 {
        let mut server = server();
        let health = server.get("/healthz");
        assert_eq!((health.status, health.text()), (200, "ok\n".to_owned()));
        server.assert_well();
    }
}

/// A question may come right before a tick, in the middle of a pass, or while a slow reader is at work: it is answered.
#[test]
fn answers_come_at_every_moment() {
    let mut args = Machine::original().args();
    args.extend(["--interval", "100ms"].map(String::from));
    let mut server = Server::start(&args);
    let (address, end) = (server.address(), Instant::now() + Duration::from_secs(4));
    std::thread::scope(|scope| {
        for routes in [["/api/network", "/system"], ["/system", "/api/processes"], ["/network", "/api/platform"]] {
            scope.spawn(move || {
                while Instant::now() < end {
                    for path in routes {
                        let begin = Instant::now();
                        let accept = [("Accept", "application/json")];
                        let response = support::request(address, "GET", path, &accept, b"");
                        assert_eq!(response.status, 200, "{path} after {:?}: {}", begin.elapsed(), response.text());
                    }
                    // Long enough that the next question finds nothing fresh, and out of step with the ticks.
                    std::thread::sleep(Duration::from_millis(137));
                }
            });
        }
    });
    server.assert_well();
}

#[test]
fn every_listener_serves_every_route() {
    let mut args = Machine::original().args();
    args.extend(["--listen", "127.0.0.1:0"].repeat(3).iter().map(ToString::to_string));
    let mut server = Server::launch(&mut support::program(&args));
    let addresses = [vec![server.address()], server.further_addresses()].concat();
    assert_eq!(addresses.len(), 3);
    for address in addresses.iter().copied() {
        for (path, _) in ROUTES {
            assert_eq!(support::request(address, "GET", path, &[], b"").status, 200, "{address} {path}");
        }
        let once = support::request(address, "GET", "/api/processes", &[("Accept", "application/json")], b"");
        assert_eq!(once.json()["Processes"].as_array().map(Vec::len), Some(18), "{address}");
        let mut psiod = support::Socket::open(address, "/", &[]).expect("an upgrade");
        psiod.send(r#"{"type":"command","data":{"name":"host.getstats"}}"#);
        assert_eq!(psiod.json()["data"]["hostname"], "laptop");
        // A worker made on one listener is good on all of them.
        let worker = support::request(addresses[1], "POST", "/", &[], b"").json();
        let path = format!("/connect?id={}", worker["id"].as_str().expect("an id"));
        let mut stream = support::Socket::open(address, &path, &[]).expect("an upgrade");
        assert_eq!(stream.text(), "connected to monitor, transmitting data...");
        assert_eq!(stream.json()["cpu"]["temp"], 47.0);
    }
    server.assert_well();
}

#[test]
fn an_offer_of_another_protocol_is_answered_in_this_one() {
    let server = Server::start::<&str>(&[]);
    for offer in ["h2c", "foo"] {
        let headers = [("Connection", "Upgrade"), ("Upgrade", offer)];
        let mut stream = server.connect();
        let head = headers.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        stream
            .write_all(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n{head}\r\n", server.address()).as_bytes())
            .expect("sent");
        let answer = String::from_utf8(support::read_to_end(&mut stream)).expect("text").to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200 ok\r\n") && answer.ends_with("\r\n\r\nok\n"), "{offer}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{offer}: {answer}");
    }
}
