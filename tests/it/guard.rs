//! Who gets in: every route of the table against hosts, origins and tokens, and the tickets that replace a token once.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use psmonitor::server::routes::{Access, ENDPOINTS, Endpoint};

use crate::support::{Response, Server, Socket, exchange, parse_response, program};
use crate::wire::{Raw, UPGRADE, ask, wait_until, worker};

const TOKEN: &str = "guard-test-0123456789abcdef";
const BEARER: &str = "Bearer guard-test-0123456789abcdef";

/// Routes that may be open: they tell nothing about the machine. `/authenticate` is where one proves who one is.
const OPEN: &[&str] = &["/", "/api/{version}/status", "/authenticate", "/favicon.ico", "/healthz", "/static/{name}"];

/// Clients that ask at the same time: few, so that none is late for that, and many where each has to wait.
const ASKERS: usize = 8;
const WAITING_ASKERS: usize = 64;

fn token_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "# for tests\n{TOKEN}").expect("a token");
    file
}

fn guarded(more: &[&str]) -> (Server, tempfile::NamedTempFile) {
    let file = token_file();
    let path = file.path().to_str().expect("a path").to_owned();
    let mut args = vec!["--token-file", &path, "--allow-host", "known.test", "--allow-origin", "https://dash.test"];
    args.extend(more);
    (Server::start(&args), file)
}

/// A path that fits a pattern, with a file that exists.
fn concrete(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| match part {
        "{version}" => "4",
        part if part.starts_with('{') => "app.js",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What holds for every answer of ours.
#[track_caller]
fn assert_dressed(what: &str, response: &Response) {
    let header = |name| response.header(name).unwrap_or_default();
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    let policy = header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{what}: {policy}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    let varies = response.headers.iter().any(|(name, value)| name == "vary" && value.contains("Origin"));
    assert!(varies, "{what}: no Vary: Origin");
    assert_eq!(response.header("access-control-allow-credentials"), None, "{what}");
    assert!(["no-store", "no-cache"].contains(&header("cache-control")), "{what}: {:?}", header("cache-control"));
}

/// What the server knows of a request that it is sent.
struct Known {
    host: bool,
    origin: bool,
    token: bool,
}

/// A POST that asks for an upgrade has no end: where a body is read, the answer comes when the time for one is over.
fn is_endless(endpoint: &Endpoint, is_upgrade: bool) -> bool {
    is_upgrade && endpoint.method.as_str() == "POST"
}

/// Sends one request and compares the answer with what is promised.
fn assert_guarded(
    address: SocketAddr,
    endpoint: &Endpoint,
    is_upgrade: bool,
    mut headers: Vec<(&str, &str)>,
    known: &Known,
    origin: Option<&str>,
) {
    match is_upgrade {
        true => headers.extend(UPGRADE),
        false => headers.push(("Content-Length", "0")),
    }
    let path = concrete(endpoint.path);
    let (_open, response, _) = ask(address, endpoint.method.as_str(), &path, &headers);
    let what = format!("{} {path} {headers:?}: {}", endpoint.method, response.status);
    let needs_token = match endpoint.access {
        Access::Open => is_upgrade && endpoint.path != "/authenticate",
        Access::Worker => false,
        Access::Token | Access::Report | Access::Stream => true,
    };
    match response.status {
        421 => assert!(!known.host && response.error().contains("--allow-host"), "{what}"),
        _ if !known.host => panic!("a foreign host gets in: {what}"),
        403 => assert!(!known.origin && response.error().contains("--allow-origin"), "{what}"),
        _ if !known.origin => panic!("a foreign page gets in: {what}"),
        401 => {
            assert!(needs_token && !known.token, "{what}");
            assert!(response.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer")), "{what}");
            assert!(response.error().contains("Authorization"), "{what}");
        }
        _ if needs_token && !known.token => panic!("a stranger gets in: {what}"),
        408 => assert!(is_endless(endpoint, is_upgrade), "{what}"),
        status => assert!(status < 500, "{what}: {}", response.text()),
    }
    // The API's description tells nothing about the machine and may be kept, to be asked for again.
    let is_data = endpoint.access != Access::Open && endpoint.path != "/api/v1/openapi.json";
    if is_data || response.status >= 400 {
        assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
    }
    let allowed = response.header("access-control-allow-origin");
    assert_eq!(allowed, origin.filter(|_| known.host && known.origin), "{what}");
    assert_dressed(&what, &response);
}

#[test]
fn only_known_routes_are_open() {
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Open) {
        assert!(OPEN.contains(&endpoint.path), "{} is open to everybody", endpoint.path);
    }
}

#[test]
fn every_route_keeps_its_promises_to_every_kind_of_client() {
    let (mut server, _file) = guarded(&[]);
    let address = server.address();
    let own = address.to_string();
    let own_origin = format!("http://{own}");
    let hosts = [
        (vec![("Host", own.as_str())], true),
        (vec![("Host", "known.test:1")], true),
        (vec![("Host", "evil.test")], false),
        (vec![("Host", "evil.test"), ("X-Forwarded-Host", own.as_str()), ("Forwarded", "host=localhost")], false),
    ];
    let origins = [
        (None, true),
        (Some(own_origin.as_str()), true),
        (Some("http://localhost:3999"), true),
        (Some("https://dash.test"), true),
        (Some("https://evil.test"), false),
        (Some("https://dash.test.evil.test"), false),
        (Some("http://dash.test"), false),
        (Some("null"), false),
        (Some("http://localhost.evil.test"), false),
    ];
    let tokens = [(None, false), (Some("Bearer guard-test-0123456789abcdeX"), false), (Some(BEARER), true)];
    let mut cases = Vec::new();
    for endpoint in ENDPOINTS {
        for is_upgrade in [false, true] {
            for host in &hosts {
                for origin in &origins {
                    cases.extend(tokens.iter().map(|token| (endpoint, is_upgrade, host, origin, token)));
                }
            }
        }
    }
    assert!(cases.len() >= 19 * 2 * 4 * 9 * 3);
    let (endless, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| is_endless(case.0, case.1));
    for (askers, cases) in [(ASKERS, others), (WAITING_ASKERS, endless)] {
        let next = AtomicUsize::new(0);
        let ask_in_turn = || {
            while let Some((endpoint, is_upgrade, host, origin, token)) =
                cases.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let ((host, host_is_known), (origin, origin_is_known), (token, token_is_right)) = (host, origin, token);
                let mut headers = host.clone();
                headers.extend(origin.map(|origin| ("Origin", origin)));
                headers.extend(token.map(|token| ("Authorization", token)));
                let known = Known { host: *host_is_known, origin: *origin_is_known, token: *token_is_right };
                assert_guarded(address, endpoint, *is_upgrade, headers, &known, *origin);
            }
        };
        std::thread::scope(|scope| (0..askers).for_each(|_| drop(scope.spawn(ask_in_turn))));
    }
    let open = ["/", "/healthz", "/static/app.js", "/favicon.ico"];
    for path in open {
        assert_eq!(server.get(path).status, 200, "{path} is open");
    }
    assert_eq!(server.get("/nowhere").status, 401, "a stranger learns nothing about paths");
    assert_eq!(server.request("GET", "/nowhere", &[("Authorization", BEARER)], b"").status, 404);
    let wrong = server.request("DELETE", "/system", &[("Authorization", BEARER)], b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    // A path in disguise is not an open one.
    for path in
        ["/%73ystem", "//system", "/static/../system", "/static/%2e%2e/system", "/./system", "/system/", "/SYSTEM"]
    {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    server.assert_well();
}

#[test]
fn preflights_are_answered_without_a_token_but_not_to_everybody() {
    let (server, _file) = guarded(&[]);
    let preflight = |host: &str, origin: &str, path: &str| {
        let headers = [
            ("Host", host),
            ("Origin", origin),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        server.request("OPTIONS", path, &headers, b"")
    };
    let own = server.address().to_string();
    for endpoint in ENDPOINTS {
        let path = concrete(endpoint.path);
        let good = preflight(&own, "https://dash.test", &path);
        assert_eq!((good.status, good.body.len()), (204, 0), "{path}");
        assert_eq!(good.header("access-control-allow-origin"), Some("https://dash.test"));
        for (name, word) in
            [("access-control-allow-methods", "POST"), ("access-control-allow-headers", "Authorization")]
        {
            assert!(good.header(name).is_some_and(|value| value.contains(word)), "{path}: {name}");
        }
        assert_dressed(&path, &good);
        let foreign = preflight(&own, "https://evil.test", &path);
        assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (403, None), "{path}");
        assert_eq!(preflight("evil.test", "https://dash.test", &path).status, 421, "{path}");
    }
    assert_eq!(preflight(&own, "https://dash.test", "/nowhere").status, 204);
    assert_eq!(server.request("OPTIONS", "/system", &[], b"").header("access-control-allow-methods"), None);
}

#[test]
fn a_star_admits_every_page_and_never_with_credentials() {
    let server = Server::start(&["--allow-origin", "*"]);
    for origin in ["https://anything.test", "null"] {
        let response = server.request("GET", "/api/cpu", &[("Origin", origin)], b"");
        assert_eq!((response.status, response.header("access-control-allow-origin")), (200, Some("*")));
        assert_dressed(origin, &response);
    }
    assert_eq!(server.request("GET", "/api/cpu", &[("Host", "evil.test")], b"").status, 421);
}

#[test]
fn odd_requests_do_not_get_around_the_host() {
    let server = Server::start::<&str>(&[]);
    let own = server.address();
    let status = |request: String| {
        let answer = exchange(own, request.as_bytes());
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.get(9..12).and_then(|status| status.parse::<u16>().ok()).unwrap_or_else(|| panic!("{request:?}: {text:?}"))
    };
    let end = "Connection: close\r\n\r\n";
    for (request, expected) in [
        (format!("GET /system HTTP/1.1\r\nHost: {own}\r\nHost: evil.test\r\n{end}"), 400),
        (format!("GET /system HTTP/1.1\r\nHost: evil.test\r\nHost: {own}\r\n{end}"), 400),
        (format!("GET http://evil.test/system HTTP/1.1\r\nHost: {own}\r\n{end}"), 421),
        (format!("GET http://{own}/system HTTP/1.1\r\nHost: evil.test\r\n{end}"), 421),
        (format!("GET http://{own}/system HTTP/1.1\r\nHost: {own}\r\n{end}"), 200),
        (format!("GET http://user@{own}/system HTTP/1.1\r\nHost: {own}\r\n{end}"), 421),
        ("GET /system HTTP/1.0\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("HEAD /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("OPTIONS / HTTP/1.0\r\n\r\n".to_owned(), 204),
        ("GET /healthz HTTP/1.0\r\nOrigin: https://evil.test\r\n\r\n".to_owned(), 403),
        ("GET /healthz HTTP/1.0\r\nHost: evil.test\r\n\r\n".to_owned(), 421),
        ("OPTIONS / HTTP/1.0\r\nHost: evil.test\r\n\r\n".to_owned(), 421),
        ("GET http://evil.test/healthz HTTP/1.0\r\n\r\n".to_owned(), 421),
        ("GET /healthz HTTP/1.0\r\nHost:\r\n\r\n".to_owned(), 400),
        (format!("GET /healthz HTTP/1.1\r\n{end}"), 400),
        (format!("OPTIONS / HTTP/1.1\r\n{end}"), 400),
        (format!("GET /system HTTP/1.1\r\nHost: [::1%25lo]:4500\r\n{end}"), 200),
        (format!("GET /system HTTP/1.1\r\nHost: [::1%lo]\r\n{end}"), 200),
        (format!("GET /system HTTP/1.1\r\nHost: [fe80::5%25eth0]\r\n{end}"), 421),
        (format!("GET /system HTTP/1.0\r\nHost: {own}\r\n\r\n"), 200),
        (format!("GET /system HTTP/1.1\r\n{end}"), 400),
        (format!("GET /system HTTP/1.1\r\nHost:\r\n{end}"), 400),
        (format!("GET /system HTTP/1.1\r\nHost: {own}, evil.test\r\n{end}"), 421),
        (format!("GET /system HTTP/1.1\r\nHost: evil.test#{own}\r\n{end}"), 421),
        (format!("GET /system HTTP/1.1\r\nHost: localhost:99999\r\n{end}"), 421),
        (
            format!(
                "GET /system HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: https://evil.test\r\n{end}"
            ),
            403,
        ),
        (format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n{end}"), 204),
        (format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n{end}"), 404),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: {own}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n{end}0\r\n\r\n"
            ),
            400,
        ),
    ] {
        assert_eq!(status(request.clone()), expected, "{request:?}");
    }
}

#[test]
fn behind_a_proxy_that_ends_tls_the_own_page_works() {
    let server = Server::start(&["--allow-host", "mon.example"]);
    for (host, origin, admitted) in [
        ("mon.example", "https://mon.example", true),
        ("mon.example:8443", "https://mon.example:8443", true),
        ("MON.example", "https://mon.example:443", true),
        ("mon.example", "https://mon.example:8443", false),
        ("mon.example", "https://evil.example", false),
        ("mon.example", "https://mon.example.evil.test", false),
        ("evil.example", "https://evil.example", false),
    ] {
        let headers = [("Host", host), ("Origin", origin)];
        let status = server.request("GET", "/system", &headers, b"").status;
        assert_eq!(status == 200, admitted, "{host}, {origin}: {status}");
        let path = format!("/connect?id={}", worker(&server, &[]));
        let stream = Raw::open(server.address(), &path, &headers);
        assert_eq!(stream.is_ok(), admitted, "{host}, {origin}: a stream");
    }
}

#[test]
fn what_the_library_answers_by_itself_tells_nothing() {
    let server = Server::start::<&str>(&[]);
    for (bytes, status) in [("GARBAGE\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("PRI * HTTP/2.0\r\n\r\n", 400)]
    {
        let response = parse_response(&exchange(server.address(), bytes.as_bytes())).expect("an answer");
        assert_eq!((response.status, response.body.len()), (status, 0), "{bytes:?}");
        assert_eq!(response.header("connection"), Some("close"), "{bytes:?}");
    }
    let wrong_query = server.get("/api/process?pid=1&pid=2");
    assert_eq!(wrong_query.status, 400);
    assert!(wrong_query.error().contains("pid"), "errors are JSON");
}

#[test]
fn a_ticket_opens_one_stream_once() {
    let file = token_file();
    let path = file.path().to_str().expect("a path").to_owned();
    let mut command = program(&["--listen", "127.0.0.1:0", "--token-file", &path]);
    command.env("RUST_LOG", "trace");
    let mut server = Server::launch(&mut command);
    let (address, bearer) = (server.address(), [("Authorization", BEARER)]);
    assert_eq!(server.request("POST", "/", &[], b"").status, 401);

    // psmonitor: the worker's id is the ticket.
    let id = worker(&server, &bearer);
    let connect = format!("/connect?id={id}");
    let mut stream = server.socket(&connect);
    assert_eq!(stream.text(), "connected to monitor, transmitting data...");
    assert_eq!(server.socket(&connect).closed(), (1008, "Invalid worker id".to_owned()));
    assert_eq!(server.request("GET", "/connect", &UPGRADE[..1], b"").status, 400);

    // psiod and Process Monitor.
    let expired = worker(&server, &bearer);
    let id = worker(&server, &bearer);
    let with_ticket = format!("/?ticket={id}");
    let mut psiod = Socket::open(address, &with_ticket, &[]).expect("the ticket opens it");
    psiod.send(r#"{"type":"command","data":{"name":"host.getstats"}}"#);
    assert_eq!(psiod.json()["type"], "response");
    psiod.send(r#"{"type":"command","data":{"name":"process.kill","pid":99999999}}"#);
    assert_eq!(psiod.json()["type"], "error", "a ticket is no token");
    let refused = |path: &str| Raw::open(address, path, &[]).err().map(|response| response.status);
    assert_eq!(refused(&with_ticket), Some(401));
    assert_eq!(refused("/"), Some(401));
    assert_eq!(refused("/?ticket="), Some(401));
    let id = worker(&server, &bearer);
    let with_ticket = format!("/api/processes?ticket={id}");
    assert!(server.events(&with_ticket, &[]).next_json()["Processes"].is_array());
    assert_eq!(server.get(&with_ticket).status, 401);
    let id = worker(&server, &bearer);
    assert_eq!(server.get(&format!("/system?ticket={id}")).status, 401, "tickets are for streams");
    assert_eq!(server.socket(&format!("/connect?id={id}")).text(), "connected to monitor, transmitting data...");

    // Three seconds are a worker's life.
    let is_none_left = |page: Response| page.text().lines().any(|line| line == "psmonitor_workers_waiting 0");
    wait_until("nobody waits", || is_none_left(server.request("GET", "/metrics?collect[]=loadavg", &bearer, b"")));
    assert_eq!(refused(&format!("/?ticket={expired}")), Some(401));
    assert_eq!(server.get(&format!("/api/processes?ticket={expired}")).status, 401);
    server.assert_well();
    server.wait_for_log("GET /api/processes 401");
    assert!(!server.log().contains(TOKEN), "the token is in the log");
    assert!(
        !server.log().lines().any(|line| line.contains("psmonitor") && line.contains(&id)),
        "a ticket is in the log"
    );
}
