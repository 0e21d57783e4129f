//! The configuration file of the real program: flags over variables over the file over defaults, what `check-config` prints,
//! and what is refused.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{self, Server};

/// A folder with a configuration file.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("psmonitor.toml");
    std::fs::write(&path, text).expect("a file");
    (folder, path)
}

fn check(path: &Path, flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut args = vec!["--config", path.to_str().expect("UTF-8")];
    args.extend(flags);
    args.push("check-config");
    let output = support::program(&args).envs(variables.iter().copied()).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_config_tells_where_each_value_was_set() {
    let (_folder, path) = file(
        "interval = \"5s\"\nmax-connections = 7\nmax-unclaimed = 8\nallow-host = [\"a.example\", \"b.example\"]\n",
    );
    let (code, out, err) = check(
        &path,
        &["--max-unclaimed=9"],
        &[
            ("PSMONITOR_MAX_CONNECTIONS", "70"),
            ("PSMONITOR_MAX_UNCLAIMED", "90"),
            ("PSMONITOR_TOKEN", "0123456789abcdef"),
        ],
    );
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let told = |key: &str| {
        let line =
            out.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap_or_else(|| panic!("{key}: {out}"));
        let (value, origin) = line.rsplit_once("  # ").expect("an origin");
        (value.trim().to_owned(), origin.to_owned())
    };
    let path = path.display();
    assert_eq!(told("interval"), ("interval = \"5s\"".into(), format!("{path}:1")));
    assert_eq!(told("max-connections"), ("max-connections = 70".into(), "PSMONITOR_MAX_CONNECTIONS".into()));
    assert_eq!(told("max-unclaimed"), ("max-unclaimed = 9".into(), "--max-unclaimed".into()));
    assert_eq!(told("allow-host"), ("allow-host = [\"a.example\", \"b.example\"]".into(), format!("{path}:4")));
    assert_eq!(told("port"), ("port = 4500".into(), "default".into()));
    assert_eq!(told("no-auth"), ("no-auth = false".into(), "default".into()));
    assert!(out.contains("# token-file is not set"), "{out}");
    assert!(out.contains("PSMONITOR_TOKEN = ***") && !out.contains("0123456789abcdef"), "{out}");
    // What is printed is a configuration file of the same meaning.
    let (_folder, printed) = file(&out);
    let (code, again, err) = check(&printed, &[], &[]);
    assert_eq!((code, &*err), (Some(0), ""));
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| Some(line.rsplit_once("  # ")?.0.trim().to_owned()))
            .filter(|line| !line.contains("TOKEN"))
            .collect()
    };
    assert_eq!(values(&again), values(&out));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, variables, hint) in [
        ("\nprot = 1", &[][..], "psmonitor.toml, line 2: there is no setting \"prot\"; did you mean \"port\"?"),
        ("port = \"1\"", &[], "psmonitor.toml, line 1: port must be a whole number"),
        ("interval = \"2h\"", &[], "psmonitor.toml, line 1: interval 2h: it must be between"),
        ("token-file = \"/nonexistent\"", &[], "psmonitor.toml, line 1: token-file /nonexistent: No such file"),
        ("tls-key = \"/k\"", &[], "psmonitor.toml, line 1: tls-key needs --tls-cert"),
        ("", &[("PSMONITOR_INTERVAL", "2h")], "PSMONITOR_INTERVAL 2h: it must be between"),
    ] {
        let (_folder, path) = file(text);
        let (code, out, err) = check(&path, &[], variables);
        assert_eq!((code, &*out), (Some(2), ""), "{text}");
        assert!(err.starts_with("psmonitor: ") && err.contains(hint), "{text}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        // The server refuses the same, in the same words.
        let mut server = support::program(&["--config", path.to_str().expect("UTF-8")]);
        let output = server.envs(variables.iter().copied()).output().expect("the program runs");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(2), err.into()));
    }
}

#[test]
fn the_server_runs_by_its_file() {
    let (_folder, path) = file("listen = [\"127.0.0.1:0\"]\nallow-host = [\"by.file.example\"]\n");
    let server = Server::launch(&mut support::program(&["--config", path.to_str().expect("UTF-8")]));
    assert_eq!(server.request("GET", "/system", &[("Host", "by.file.example")], b"").status, 200);
    assert_eq!(server.request("GET", "/system", &[("Host", "other.example")], b"").status, 421);
}

#[test]
fn sighup_takes_over_what_it_can_and_names_what_needs_a_restart() {
    let (_folder, path) = file("listen = [\"127.0.0.1:0\"]\nallow-host = [\"one.example\"]\n");
    let server = Server::launch(&mut support::program(&["--config", path.to_str().expect("UTF-8")]));
    let answer = |host: &str| server.request("POST", "/", &[("Host", host)], b"").status;
    let reload = |text: &str, said: &str| {
        std::fs::write(&path, text).expect("a file");
        server.signal(rustix::process::Signal::HUP);
        server.wait_for_log(said);
    };
    assert_eq!((answer("one.example"), answer("two.example")), (200, 421));
    let listen = "listen = [\"127.0.0.1:0\"]\n";
    reload(&format!("{listen}allow-host = [\"two.example\"]\ninterval = \"5s\""), "count after a restart: interval\n");
    assert!(server.log().contains("settings taken over: allow-host\n"), "{}", server.log());
    assert_eq!((answer("one.example"), answer("two.example")), (421, 200));

    // A wrong file changes nothing, and says why.
    reload(&format!("{listen}max-unclaimd = 1"), "line 2: there is no setting \"max-unclaimd\"");
    server.wait_for_log("did you mean \"max-unclaimed\"?; the old settings stay");
    assert_eq!(answer("two.example"), 200);

    // Limits, down and up again.
    reload(&format!("{listen}max-unclaimed = 1\nallow-host = [\"two.example\"]"), "taken over: max-unclaimed\n");
    let end = std::time::Instant::now() + support::PATIENCE;
    while answer("two.example") != 503 {
        assert!(std::time::Instant::now() < end, "a second unclaimed worker was never refused");
    }
    reload(
        &format!("{listen}max-connections = 2000\nallow-host = [\"two.example\"]"),
        "taken over: max-connections, max-unclaimed\n",
    );
    assert_eq!(answer("two.example"), 200);
}

/// The new configuration listens on loopback and has no tokens; the running server listens everywhere.
#[test]
fn sighup_opens_no_door() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef\n").expect("a file");
    let (_folder, path) = file(&format!("listen = [\"0.0.0.0:0\"]\ntoken-file = \"{}\"\n", tokens.display()));
    let server = Server::launch(&mut support::program(&["--config", path.to_str().expect("UTF-8")]));
    assert_eq!(server.get("/system").status, 401);
    std::fs::write(&path, "listen = [\"127.0.0.1:0\"]\n").expect("a file");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("the old settings stay");
    assert!(server.log().contains("can be reached from outside"), "{}", server.log());
    assert_eq!(server.get("/system").status, 401);
}
