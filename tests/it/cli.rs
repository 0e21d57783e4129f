//! The command line: every flag is explained everywhere, and what is typed wrong is told in one line.

use clap::CommandFactory;
use psmonitor::cli::Args;

use crate::support;

#[test]
fn every_flag_is_explained() {
    let page = |name: &std::path::Path| std::fs::read_to_string(name).expect("a page");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = page(&root.join("README.md"));
    for entry in std::fs::read_dir(root.join("docs")).expect("docs/") {
        let path = entry.expect("a page").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push_str(&page(&path));
        }
    }
    let command = Args::command();
    let flags: Vec<_> = command
        .get_arguments()
        .filter(|flag| !flag.is_hide_set() && !matches!(flag.get_id().as_str(), "help" | "version"))
        .collect();
    assert!(flags.len() > 10, "only {} flags", flags.len());
    for flag in flags {
        let long = flag.get_long().unwrap_or_else(|| panic!("{} has no long name", flag.get_id()));
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.len() > 10, "--{long} has no help text");
        let variable = flag.get_env().unwrap_or_else(|| panic!("--{long} has no variable")).to_string_lossy();
        assert_eq!(variable, format!("PSMONITOR_{}", long.to_uppercase().replace('-', "_")));
        assert!(pages.contains(&format!("--{long}")), "neither README.md nor docs/ knows --{long}");
    }
}

#[test]
fn help_and_version() {
    let help = support::run(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).expect("UTF-8");
    for flag in Args::command().get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(|flag| flag.get_long()) {
        assert!(text.contains(&format!("--{flag}")), "--help does not know --{flag}");
    }
    // However the lines are broken.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("[default: localhost]") && text.contains("[env: PSMONITOR_ADDRESS=]"), "{text}");
    let version = support::run(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("psmonitor {}\n", env!("CARGO_PKG_VERSION")));
}

/// What a run that must fail says. Nothing is written to stdout.
#[track_caller]
fn complaint(args: &[&str], code: i32) -> String {
    let output = support::run(args);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    text
}

#[test]
fn wrong_values_are_told_in_one_line() {
    // A label of 64 characters is too long for any name server, so none is asked.
    let no_host = format!("{}.invalid:80", "a".repeat(64));
    for args in [
        &["--listen", "localhost"][..],
        &["--listen", "127.0.0.1:99999"],
        &["--listen", "::1:80"],
        &["--listen", ""],
        &["--listen", &no_host],
        &["--address", ""],
        &["--interval", "10ms"],
        &["--interval", "2h"],
        &["--interval", "nan"],
        &["--interval", "1e99"],
        &["--interval", ""],
        &["--workers", "0"],
        &["--workers", "257"],
        &["--max-connections", "0"],
        &["--max-per-address", "0"],
        &["--max-unclaimed", "0"],
        &["--allow-host", "a b"],
        &["--allow-origin", "dash.example.com"],
        &["--listen", "0.0.0.0:0"],
        &["--token-file", "/nonexistent/token", "--listen", "127.0.0.1:0"],
    ] {
        let text = complaint(args, 2);
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        assert!(text.starts_with("psmonitor: ") && text.len() > 30, "{args:?}: {text}");
    }
}

/// What is no flag, or no number at all, is refused by the parser of flags, which points at the help.
#[test]
fn what_is_no_flag_is_refused() {
    for args in [
        &["--no-such-flag"][..],
        &["stray"],
        &["--port", "70000"],
        &["--port", "-1"],
        &["--port"],
        &["--workers", "two"],
        &["--max-connections", "-5"],
        &["--no-auth=maybe"],
    ] {
        let text = complaint(args, 2);
        assert!(text.starts_with("psmonitor: ") && text.contains("--help"), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    }
}

#[test]
fn what_the_machine_refuses_is_another_code() {
    let text = complaint(&["--procfs", "/nonexistent", "--listen", "127.0.0.1:0"], 1);
    assert!(text.contains("--procfs") && text.contains("/nonexistent/stat"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = complaint(&["--listen", &address], 1);
    assert!(text.contains(&address) && text.contains("--listen"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_variable_stands_for_a_flag() {
    let output = support::program(&["--listen", "127.0.0.1:0"])
        .env("PSMONITOR_INTERVAL", "5 parsecs")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("5 parsecs"));
}
