//! A stream ends when what it was opened with is taken back: a token out of its file, a user, a password. No other does.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::http::Events;
use crate::support::{PATIENCE, Server};
use crate::wire::{Raw, text, worker};

const STOLEN: &str = "revoke-test-stolen-token";
const KEPT: &str = "revoke-test-kept-token";

/// Of the password `secret`, and of the same with another salt.
const SECRET: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
const OTHER: &str = "$2b$05$abcdefghijklmnopqrstuuVQd15VhR/oN1H3pzUR5lME0fZO6.qRW";

/// What somebody opened, with one and the same secret: each kind of stream, with a header and with an id.
struct Opened {
    whose: String,
    events: Vec<Events>,
    commands: Vec<Raw>,
    frames: Raw,
}

fn open(server: &Server, whose: &str, authorization: &str) -> Opened {
    let header = [("Authorization", authorization)];
    let id = || worker(server, &header);
    let socket = |path: &str, headers: &[(&str, &str)]| {
        Raw::open(server.address(), path, headers).unwrap_or_else(|refused| panic!("{whose}: {refused:?}"))
    };
    let ticket = id();
    let events = vec![
        server.events("/api/v1/stream?processes=none", &header),
        server.events(&format!("/api/v1/stream?processes=none&ticket={ticket}"), &[]),
        server.events("/api/processes", &header),
    ];
    let commands = vec![socket("/", &header), socket(&format!("/?ticket={}", id()), &[])];
    let frames = socket(&format!("/connect?id={}", id()), &[]);
    let mut opened = Opened { whose: whose.to_owned(), events, commands, frames };
    opened.assert_live();
    opened
}

impl Opened {
    /// Something new comes over each.
    fn assert_live(&mut self) {
        let whose = &self.whose;
        for events in &mut self.events {
            assert_eq!(events.response.status, 200, "{whose}");
            events.next_json();
        }
        for socket in &mut self.commands {
            socket.send(&text(r#"{"type":"command","data":{"name":"host.getstats"}}"#));
            assert!(socket.text().is_some_and(|answer| answer.contains("hostname")), "{whose}");
        }
        assert!(self.frames.text().is_some(), "{whose}");
    }

    fn assert_ended(mut self) {
        let whose = &self.whose;
        let end = Instant::now() + PATIENCE;
        for events in &mut self.events {
            while events.next().is_some() {
                assert!(Instant::now() < end, "{whose}: the events go on");
            }
        }
        for socket in self.commands.iter_mut().chain([&mut self.frames]) {
            let close = loop {
                match socket.frame() {
                    Some((0x88, payload)) => break payload,
                    Some(_) => assert!(Instant::now() < end, "{whose}: the socket goes on"),
                    None => panic!("{whose}: no word at the end"),
                }
            };
            assert_eq!(u16::from_be_bytes([close[0], close[1]]), 1008, "{whose}");
            assert!(String::from_utf8_lossy(&close[2..]).contains("counts no more"), "{whose}: {close:?}");
        }
    }
}

fn log_in(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": "secret"}).to_string();
    let response = server.request("POST", "/authenticate", &[("Content-Type", "application/json")], body.as_bytes());
    format!("Bearer {}", response.json()["token"].as_str().expect("a token"))
}

#[test]
fn who_lost_the_token_loses_what_was_opened_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let [tokens, users] = ["tokens", "users"].map(|name| folder.path().join(name));
    std::fs::write(&tokens, format!("{STOLEN}\n{KEPT}\n")).expect("a file");
    std::fs::write(&users, format!("ann:{SECRET}\nbob:{SECRET}\neve:{SECRET}\n")).expect("a file");
    let mut server = Server::start(&[
        "--token-file".as_ref(),
        tokens.as_os_str(),
        "--users-file".as_ref(),
        users.as_os_str(),
        "--interval".as_ref(),
        "200ms".as_ref(),
    ]);
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = |name: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{name}:{password}")));
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| log_in(&server, name));
    let all = |server: &Server, all: &[(&str, String)]| -> Vec<Opened> {
        all.iter().map(|(whose, authorization)| open(server, whose, authorization)).collect()
    };
    let lost = all(
        &server,
        &[
            ("the stolen token", bearer(STOLEN)),
            ("the stolen token as a password", basic("x", STOLEN)),
            ("a user who goes", ann),
            ("a user who goes, by password", basic("ann", "secret")),
            ("a user with a new password", eve),
            ("a user with a new password, by password", basic("eve", "secret")),
        ],
    );
    let mut kept = all(
        &server,
        &[
            ("another token", bearer(KEPT)),
            ("another user", bob),
            ("another user, by password", basic("bob", "secret")),
        ],
    );
    std::fs::write(&tokens, format!("{KEPT}\n")).expect("a file");
    std::fs::write(&users, format!("bob:{SECRET}\neve:{OTHER}\n")).expect("a file");
    server.signal(rustix::process::Signal::HUP);
    lost.into_iter().for_each(Opened::assert_ended);
    kept.iter_mut().for_each(Opened::assert_live);
    // A file that is broken takes nothing from anybody.
    std::fs::write(&tokens, "short\n").expect("a file");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("the old tokens stay");
    kept.iter_mut().for_each(Opened::assert_live);
    server.assert_well();
}
