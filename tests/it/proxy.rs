//! Behind a proxy: who the client is, which pages may read, and the path below which the server stands. What a real one
//! sends is tested with nginx, in Python.

use crate::support::Server;

/// The hash of `secret`.
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

fn status(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    server.request(method, path, headers, b"").status
}

#[test]
fn a_page_behind_a_proxy_that_ends_tls_needs_no_origin_of_its_own() {
    let trusting = Server::start(&["--trusted-proxy=127.0.0.1", "--allow-host=mon.example"]);
    let plain = Server::start(&["--allow-host=mon.example"]);
    let page = ("Origin", "https://mon.example");
    let usual = [("Host", "mon.example"), page, ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")];
    let renamed = [
        ("Host", "localhost"),
        page,
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example, mon.example"),
    ];
    let standard = [("Host", "localhost"), page, ("Forwarded", "for=192.0.2.1;host=mon.example;proto=https")];
    for headers in [&usual[..], &renamed, &standard] {
        assert_eq!(status(&trusting, "GET", "/system", headers), 200, "{headers:?}");
    }
    for headers in [&renamed[..], &standard] {
        assert_eq!(status(&plain, "GET", "/system", headers), 403, "whoever is not trusted: {headers:?}");
    }
    // Where the proxy passes the name on as `Host`, the page is this server's own, whoever ends TLS.
    assert_eq!(status(&plain, "GET", "/system", &usual), 200);
    // A name that a proxy forwards must be ours as well, and so must the raw one.
    let foreign =
        [("Host", "localhost"), ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Host", "mon.example, evil.example")];
    assert_eq!(status(&trusting, "GET", "/system", &foreign), 421);
    let rebound = [("Host", "evil.example"), ("X-Forwarded-Host", "mon.example")];
    assert_eq!(status(&trusting, "GET", "/system", &rebound), 421);
    let other = [("Host", "mon.example"), ("Origin", "http://mon.example"), ("X-Forwarded-Proto", "https")];
    assert_eq!(status(&trusting, "GET", "/system", &other), 403, "another scheme is another origin");
    let both = [("Host", "localhost"), ("Forwarded", "for=127.0.0.1"), ("X-Forwarded-For", "192.0.2.1")];
    assert_eq!(status(&trusting, "GET", "/system", &both), 400);
    // A page on the client's machine is none on ours.
    let theirs = [("Host", "localhost"), ("Origin", "http://localhost:3000"), ("X-Forwarded-For", "192.0.2.1")];
    assert_eq!((status(&trusting, "GET", "/system", &theirs), status(&plain, "GET", "/system", &theirs)), (403, 403));
    assert_eq!(status(&plain, "GET", "/system", &theirs[..2]), 200);
}

#[test]
fn what_is_for_this_machine_alone_is_not_for_the_clients_of_a_proxy() {
    for args in [&["--trusted-proxy=127.0.0.0/8"][..], &[]] {
        let server = Server::start(args);
        let path = format!("/api/process?pid={}", server.pid());
        let shown = |headers: &[(&str, &str)]| server.request("GET", &path, headers, b"").json()["cmdline"].is_string();
        assert!(shown(&[]));
        assert!(!shown(&[("X-Forwarded-For", "192.0.2.1")]));
        assert!(!shown(&[("X-Forwarded-For", "127.0.0.1, 192.0.2.1")]));
        assert!(!shown(&[("Forwarded", "for=192.0.2.1")]));
        assert!(!shown(&[("X-Forwarded-For", "unknown")]));
    }
}

#[test]
fn streams_are_counted_by_the_real_client() {
    let server = Server::start(&["--trusted-proxy=127.0.0.1", "--max-per-address=1"]);
    let open = |client: &str| server.events("/api/v1/stream", &[("X-Forwarded-For", client)]);
    let first = open("192.0.2.1");
    assert_eq!(first.response.status, 200);
    assert_eq!(open("192.0.2.1").response.status, 503);
    assert_eq!(open("6.6.6.6, 192.0.2.1").response.status, 503, "what a client adds itself does not count");
    assert_eq!(open("192.0.2.2").response.status, 200);
}

#[test]
fn logins_are_counted_by_the_real_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users");
    std::fs::write(&users, format!("ann:{HASH}\n")).expect("a file");
    let users = format!("--users-file={}", users.display());
    let server = Server::start(&[&*users, "--trusted-proxy=127.0.0.1", "--allow-host=mon.example"]);
    let log_in = |client: &str, password: &str| {
        let body = format!(r#"{{"username":"ann","password":"{password}"}}"#);
        let headers = [("X-Forwarded-For", client), ("X-Forwarded-Proto", "https"), ("Host", "mon.example")];
        server.request("POST", "/authenticate", &headers, body.as_bytes())
    };
    for at in 0..5 {
        assert_eq!(log_in(&format!("10.0.0.{at}, 192.0.2.1"), "wrong").status, 401);
    }
    assert_eq!(log_in("192.0.2.1", "secret").status, 429);
    let answer = log_in("192.0.2.2", "secret");
    assert_eq!(answer.status, 200);
    server.wait_for_log("ann logged in from 192.0.2.2");
    assert!(server.log().contains("a login from 192.0.2.1 was refused"), "{}", server.log());
    server.wait_for_log("] 192.0.2.1 POST /authenticate 429");
    let bearer = format!("Bearer {}", answer.json()["token"].as_str().expect("a token"));
    let headers = [("Authorization", &*bearer), ("Host", "mon.example"), ("X-Forwarded-Proto", "https")];
    let url = server.request("POST", "/worker", &headers, b"").json()["url"].as_str().expect("a url").to_owned();
    assert!(url.starts_with("wss://mon.example/connect?id=") && url.ends_with("&subscriber=ann"), "{url}");
}

#[test]
fn everything_works_below_a_base_path() {
    let server = Server::start(&["--base-path=/a/monitor"]);
    let moved = server.get("/a/monitor?x=1");
    assert_eq!((moved.status, moved.header("location")), (308, Some("/a/monitor/?x=1")));
    assert!(server.get("/a/monitor/").text().contains("<html"));
    assert_eq!(server.get("/a/monitor/static/no-such-file").status, 404);
    for route in ["/system", "/metrics", "/healthz", "/api/v1/snapshot", "/api/disk"] {
        assert_eq!(server.get(&format!("/a/monitor{route}")).status, 200, "{route}");
        assert_eq!(server.get(route).status, 200, "a proxy may take the path off itself: {route}");
    }
    assert_eq!(server.get("/a/monitors/system").status, 404);
    assert_eq!(server.get("/a/monitor/a/monitor/system").status, 404);
    let worker = server.request("POST", "/a/monitor/", &[], b"").json();
    let url = worker["url"].as_str().expect("a url");
    assert!(url.starts_with("/a/monitor/connect?id="), "{url}");
    assert_eq!(server.socket(url).text(), "connected to monitor, transmitting data...");
    assert!(server.events("/a/monitor/api/processes", &[]).next_json()["Processes"].is_array());
    assert_eq!(server.json("/a/monitor/api/v1/openapi.json")["servers"][0]["url"], "/a/monitor/");
    server.wait_for_log("GET /a/monitor/static/no-such-file 404");
    // Tokens are asked for as above.
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef\n").expect("a file");
    let guarded = Server::start(&["--base-path=/a", &format!("--token-file={}", tokens.display())]);
    assert_eq!(guarded.get("/a").status, 308);
    assert_eq!(
        (guarded.get("/a/system").status, guarded.get("/a/healthz").status, guarded.get("/a/").status),
        (401, 200, 200)
    );
}
