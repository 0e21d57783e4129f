//! `psmonitor status`: whether a server is up, told by the exit code; what it says of servers that are none, that hang, or
//! that want a token. TLS is tested in `tests/clients/test_commands.py`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::{self, Server};

/// Exit code, standard output, standard error.
fn said(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn status(args: &[&str]) -> (Option<i32>, String, String) {
    said(support::run(&[&["status"], args].concat()))
}

#[track_caller]
fn assert_up(said: &(Option<i32>, String, String), hint: &str) {
    let (code, text, log) = said;
    assert!(*code == Some(0) && log.is_empty(), "{said:?}");
    assert!(text.contains(" is up, ") && text.contains(hint) && text.lines().count() == 1, "{text}");
}

#[track_caller]
fn assert_down(said: &(Option<i32>, String, String), hint: &str) {
    let (code, text, log) = said;
    assert!(*code == Some(1) && text.is_empty(), "{said:?}");
    assert!(log.contains(" is not up: ") && log.contains(hint) && log.lines().count() == 1, "{log}");
}

/// Seconds in `its numbers are 0.4 s old`.
#[track_caller]
fn age(text: &str) -> f64 {
    let number = text.split_once("its numbers are ").and_then(|(_, rest)| rest.split_once(" s old"));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("no age: {text}"))
}

#[test]
fn a_server_is_up_and_its_numbers_are_as_old_as_its_last_tick() {
    let mut server = Server::start(&["--interval", "3s"]);
    let url = format!("http://{}", server.address());
    let told = status(&[&url]);
    assert_up(&told, concat!("psmonitor ", env!("CARGO_PKG_VERSION"), " at http://127.0.0.1:"));
    // The ages of one tick grow, and asking for them makes no tick.
    let end = Instant::now() + support::PATIENCE;
    while age(&status(&[&url]).1) < 1.0 {
        assert!(Instant::now() < end, "the numbers grow no older");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.assert_well();
}

#[test]
fn the_settings_name_the_server_and_a_token_opens_its_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "a-secret-of-the-test\n").expect("the tokens");
    std::fs::set_permissions(&tokens, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let tokens = tokens.to_str().expect("UTF-8");
    let server = Server::start(&["--token-file", tokens]);
    let listen = server.address().to_string();
    let url = format!("http://{listen}");
    assert_up(&status(&[&url]), "holders of a token");
    let told = said(support::run(&["--token-file", tokens, "status", &url]));
    assert_up(&told, "its numbers are");
    let mut program = support::program(&["status"]);
    program.env("PSMONITOR_LISTEN", &listen).env("PSMONITOR_TOKEN", "a-secret-of-the-test");
    let told = said(program.output().expect("it runs"));
    assert_up(&told, "its numbers are");
    assert!(!told.1.contains("secret"), "{}", told.1);
    let told = said(
        support::program(&["status", &url]).env("PSMONITOR_TOKEN", "another-one-of-16").output().expect("it runs"),
    );
    assert_up(&told, "holders of a token");
}

#[test]
fn a_server_that_is_not_there_or_stands_still_is_down() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    assert_down(&status(&[&format!("http://{free}")]), "refused");
    assert_down(&status(&["unix:/nonexistent/psmonitor.sock"]), "No such file");
    assert_down(&status(&["http://name.invalid:4500"]), "name.invalid");
    let server = Server::start(&["--interval", "1s"]);
    server.signal(rustix::process::Signal::STOP);
    let begin = Instant::now();
    assert_down(&status(&[&format!("http://{}", server.address())]), "in time");
    assert!(begin.elapsed() < Duration::from_secs(20), "it waits too long: {:?}", begin.elapsed());
}

/// The text beside the first path that the request begins with.
fn answer(request: &[u8], answers: &[(&str, &str)]) -> String {
    let request = String::from_utf8_lossy(request).into_owned();
    let found = answers.iter().find(|(path, _)| request.starts_with(&format!("GET {path}")));
    found.map_or_else(
        || "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        |(_, text)| (*text).to_owned(),
    )
}

fn page(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn serve(mut stream: impl Read + Write, answers: &[(&str, &str)]) {
    let (mut request, mut part) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
            _ => return,
        }
    }
    let _ = stream.write_all(answer(&request, answers).as_bytes());
}

#[test]
fn what_is_no_psmonitor_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let still = page("503 Service Unavailable", "the sampler stands still\n");
    let (well, elsewhere) = (page("200 OK", "ok\n"), page("302 Found", ""));
    let other = page("200 OK", "<html>");
    std::thread::spawn(move || {
        let answers: [(&str, &str); 7] = [
            ("/still/healthz", &still),
            ("/moved/healthz", &well),
            ("/moved/metrics", &elsewhere),
            ("/other/healthz", &other),
            ("/garbage/healthz", "\x1b[2Jno HTTP\r\n\r\n"),
            ("/cut/healthz", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nok\n"),
            ("/plain/healthz", &well),
        ];
        for stream in listener.incoming().flatten() {
            serve(stream, &answers);
        }
    });
    for (base, hint) in [
        ("still", "the sampler stands still"),
        ("moved", "302"),
        ("other", "is the URL right?"),
        ("garbage", ""),
        ("cut", ""),
        ("nothing", "404"),
        ("plain", "/metrics is answered with 404"),
    ] {
        let told = status(&[&format!("http://{address}/{base}/")]);
        assert_down(&told, hint);
        assert!(!told.2.contains('\x1b'), "{}", told.2);
    }
}

#[test]
fn a_server_that_dribbles_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while stream.write_all(b"x-more: 1\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(300));
            }
        }
    });
    let begin = Instant::now();
    assert_down(&status(&[&format!("http://{address}")]), "");
    assert!(begin.elapsed() < Duration::from_secs(20), "it follows for ever: {:?}", begin.elapsed());
}

#[test]
fn a_unix_socket_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (well, metrics) = (page("200 OK", "ok\n"), page("200 OK", "psmonitor_tick_age_seconds 0.25\n"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream, &[("/healthz", &well), ("/metrics", &metrics)]);
        }
    });
    assert_up(&status(&[&format!("unix:{}", path.display())]), "its numbers are 0.2 s old");
}

#[test]
fn a_server_at_a_path_and_below_one_is_found_by_its_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = format!("unix:{}", folder.path().join("psmonitor.sock").display());
    let mut server = Server::start(&["--listen", &listen, "--base-path", "/monitor"]);
    assert_up(&status(&[&listen]), "its numbers are");
    for listen in [listen, server.address().to_string()] {
        let mut program = support::program(&["status"]);
        program.env("PSMONITOR_LISTEN", &listen).env("PSMONITOR_BASE_PATH", "/monitor");
        assert_up(&said(program.output().expect("it runs")), "its numbers are");
    }
    assert_up(&status(&[&format!("http://{}/monitor", server.address())]), "its numbers are");
    server.assert_well();
}

#[test]
fn a_wrong_url_is_told() {
    for (args, hint) in [
        (&["status", "localhost:4500"][..], "http://localhost:4500"),
        (&["status", "http://ann:secret@localhost"], "--token-file"),
        (&["--token-file", "/nonexistent", "status", "http://localhost"], "--token-file /nonexistent"),
        (&["status", "https://localhost:1", "--ca-file", "/nonexistent"], "--ca-file /nonexistent"),
        (&["status", "https://localhost:1", "--ca-file", "/etc/hostname"], "PEM"),
    ] {
        let (code, text, log) = said(support::run(args));
        assert!(text.is_empty() && log.contains(hint) && log.lines().count() == 1, "{args:?}: {log}");
        assert_eq!(code, Some(2), "{args:?}: {log}");
    }
}
