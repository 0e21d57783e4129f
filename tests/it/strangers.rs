//! What strangers put into a request beside its path: which page asks, as browsers tell it, and characters that would move
//! the terminal of whoever reads the log.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use crate::support::{Server, exchange, parse_response, program};
use crate::wire::{Raw, UPGRADE, frame};

/// Fetch Metadata of a browser: which page asks, how, and for what.
fn metadata<'a>(site: &'a str, mode: &'a str, dest: &'a str) -> [(&'a str, &'a str); 3] {
    [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest)]
}

#[test]
fn a_page_of_another_site_that_hides_where_it_is_from_is_refused() {
    let server = Server::start(&["--allow-origin", "https://dash.test"]);
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let response = server.request(method, path, headers, b"");
        if response.status == 403 {
            assert!(response.error().contains("--allow-origin"), "{method} {path}: {}", response.error());
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
        response.status
    };
    for site in ["cross-site", "same-site", "something-new"] {
        for (method, path, mode, dest) in [
            ("POST", "/", "no-cors", "empty"),
            ("POST", "/", "navigate", "document"),
            ("GET", "/api/processes", "no-cors", "image"),
            ("GET", "/api/processes", "navigate", "document"),
            ("GET", "/api/v1/stream", "no-cors", "script"),
            ("GET", "/api/v1/stream", "navigate", "document"),
            ("GET", "/api/v1/stream", "navigate", "iframe"),
            ("GET", "/system", "no-cors", "image"),
            ("GET", "/", "navigate", "iframe"),
        ] {
            assert_eq!(status(method, path, &metadata(site, mode, dest)), 403, "{site} {method} {path} {mode} {dest}");
        }
        assert_eq!(status("POST", "/", &[("Sec-Fetch-Site", site)]), 403, "{site} alone");
        // Somebody follows a link.
        for path in ["/", "/system", "/static/app.js"] {
            assert_eq!(status("GET", path, &metadata(site, "navigate", "document")), 200, "{site} link to {path}");
        }
        // A page that says who it is, and may.
        for origin in ["https://dash.test", "http://localhost:3999"] {
            let headers = [metadata(site, "cors", "empty").as_slice(), &[("Origin", origin)]].concat();
            assert_eq!(status("POST", "/", &headers), 200, "{site} {origin}");
            let mut socket = [metadata(site, "websocket", "websocket").as_slice(), &[("Origin", origin)]].concat();
            socket.extend(UPGRADE);
            assert!(Raw::open(server.address(), "/", &socket).is_ok(), "{site} {origin}");
        }
    }
    let (foreign, own) = (metadata("cross-site", "websocket", "websocket"), metadata("none", "navigate", "document"));
    let refused = Raw::open(server.address(), "/", &foreign).err().expect("no socket for a page that hides");
    assert_eq!(refused.status, 403);
    // The dashboard, somebody who types the address, and programs, which say nothing of this kind.
    assert_eq!(status("POST", "/", &metadata("same-origin", "cors", "empty")), 200);
    assert_eq!(status("GET", "/", &own), 200);
    assert_eq!(status("POST", "/", &[]), 200);
    let any = Server::start(&["--allow-origin", "*"]);
    let response = any.request("POST", "/", &metadata("cross-site", "no-cors", "empty"), b"");
    assert_eq!(response.status, 200, "everybody was asked in");
}

/// Characters that a terminal obeys.
fn moves_a_terminal(c: char) -> bool {
    c.is_control() || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}".contains(c)
}

#[track_caller]
fn assert_plain(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains(moves_a_terminal), "{what}: {line:?}");
    }
}

#[test]
fn nothing_in_the_log_or_in_an_error_moves_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let evil = "\x1b[31m\x07\u{7f}\u{9b}2J\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}\r\n";
    let file = folder.path().join(format!("tokens{evil}"));
    std::fs::write(&file, "log-test-0123456789abcdef\n").expect("a token");
    let path = file.to_str().expect("a path");
    let mut command = program(&["--listen", "127.0.0.1:0", "--token-file", path]);
    let server = Server::launch(command.env("RUST_LOG", "trace"));
    let own = server.address();
    let coded: String = evil.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut answers = 0;
    // One line of a head cannot hold its end.
    for evil in [evil.trim_end(), coded.as_str(), "\u{9b}2J", "\u{202e}", "\u{2028}", "\u{7f}", "\t"] {
        for request in [
            format!("GET /mark{evil} HTTP/1.1\r\nHost: {own}\r\n"),
            format!("GET /system?mark{evil} HTTP/1.1\r\nHost: {own}\r\n"),
            format!("GET /connect?id=1&interval={evil} HTTP/1.1\r\nHost: {own}\r\nUpgrade: websocket\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {own}\r\nOrigin: mark{evil}\r\n"),
            format!("GET / HTTP/1.1\r\nHost: mark{evil}\r\n"),
            format!("mark{evil} / HTTP/1.1\r\nHost: {own}\r\n"),
        ] {
            let answer = exchange(own, format!("{request}Connection: close\r\n\r\n").as_bytes());
            // What is no HTTP at all may be answered with nothing.
            if let Some(response) = parse_response(&answer) {
                assert_plain(&request, &response.text());
                answers += 1;
            }
        }
    }
    assert!(answers >= 21, "{answers} of 42 requests were answered");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("read again");
    server.get("/the-last");
    server.wait_for_log("GET /the-last");
    let log = server.log();
    let written =
        r"tokens\u{1b}[31m\u{7}\u{7f}\u{9b}2J\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}\r\n: read again";
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("read again") || line.contains("/mark")).collect();
    assert!(lines.iter().any(|line| line.contains(written)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("psmonitor::access] 127.0.0.1:")), "{lines:#?}");
    assert_plain("log", &log);
}

#[test]
fn a_wrong_argument_moves_no_terminal_either() {
    for evil in ["\u{9b}31m", "\x1b[31m", "\u{202e}", "a\nb", "\u{2028}"] {
        for args in [
            vec!["--interval", evil],
            vec!["--token-file", evil],
            vec![evil],
            vec!["--data-dir", evil, "--listen", evil],
        ] {
            let output = crate::support::run(&args);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.lines().count() == 1, "{args:?}: {said:?}");
            assert_plain(&format!("{args:?}"), &said);
        }
    }
}

#[test]
fn no_request_makes_a_long_line_in_the_log() {
    let server = Server::start::<&str>(&[]);
    let long = "a".repeat(12_000);
    assert_eq!(server.get(&format!("/{long}")).status, 404);
    assert_eq!(server.request(&long, "/healthz", &[], b"").status, 405);
    assert_eq!(server.get("/the-last").status, 404);
    server.wait_for_log("GET /the-last 404");
    let log = server.log();
    assert!(log.contains("aaa… 404") && log.contains("aaa… /healthz 405"), "{log}");
    assert!(log.lines().all(|line| line.len() < 1_000), "{log}");
}

#[test]
fn broken_frames_are_no_errors_of_ours() {
    let server = Server::start::<&str>(&[]);
    let mut socket = Raw::psiod(&server);
    socket.send(&frame(0x09, b"a ping in pieces"));
    assert_eq!(socket.close_code(), Some(1002));
    assert_eq!(server.get("/the-last").status, 404);
    server.wait_for_log("GET /the-last 404");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}
