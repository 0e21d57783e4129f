//! Tests of what settings mean together, and which contradict each other.

use super::*;
use std::net::SocketAddr;

use clap::Parser;

fn config(args: &[&str]) -> Result<Config, StartupError> {
    Config::from_args(&Args::parse_from(std::iter::once(&"psmonitor").chain(args)))
}

#[test]
fn the_default_is_both_loopback_addresses_on_4500() {
    let config = config(&[]).unwrap();
    let expected: Vec<SocketAddr> = vec!["127.0.0.1:4500".parse().unwrap(), "[::1]:4500".parse().unwrap()];
    assert_eq!(config.listen, [Listen { host: "localhost".into(), addresses: expected, way: Way::Addresses }]);
    assert!(config.is_loopback_only());
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn listen_replaces_address_and_port() {
    let config = config(&["--listen", "127.0.0.1:3000", "--listen", "[::1]:8080", "--port", "9"]).unwrap();
    let all: Vec<_> = config.listen.iter().flat_map(|l| l.addresses.iter().map(ToString::to_string)).collect();
    assert_eq!(all, ["127.0.0.1:3000", "[::1]:8080"]);
}

#[test]
fn a_token_variable_without_a_token_is_no_open_door() {
    use std::os::unix::ffi::OsStringExt;
    let of = |args: &[&str], token: &[u8]| {
        let args = Args::parse_from(std::iter::once(&"psmonitor").chain(args));
        secrets(&args, Some(OsString::from_vec(token.to_vec())))
    };
    for (args, token, hint) in [
        (&[][..], &b""[..], "is empty"),
        (&[], b" \n", "is empty"),
        (&[], b"0123456789abcdef\xff", "UTF-8"),
        (&["--token-file", "tokens"], b"0123456789abcdef", "--token-file"),
    ] {
        let error = of(args, token).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("PSMONITOR_TOKEN ") && error.to_string().contains(hint), "{error}");
    }
    assert_eq!(of(&[], b"0123456789abcdef").unwrap().token, Some(Secret("0123456789abcdef".to_owned())));
    assert!(!secrets(&Args::parse_from(["psmonitor"]), None).unwrap().is_any());
}

#[test]
fn each_wrong_value_is_named_with_its_flag() {
    for (args, flag, hint) in [
        (["--listen", "localhost"], "--listen localhost", "ADDRESS:PORT"),
        (["--listen", "::1:80"], "--listen ::1:80", "[::1]:4500"),
        (["--listen", "127.0.0.1:99999"], "--listen", "ADDRESS:PORT"),
        (["--interval", "10ms"], "--interval 10ms", "100ms"),
        (["--interval", "2h"], "--interval 2h", "1h"),
        (["--interval", "5 parsecs"], "--interval", "ms, s, m or h"),
        (["--interval", "-1"], "--interval", "unit"),
        (["--max-connections", "0"], "--max-connections 0", "at least 1"),
        (["--workers", "0"], "--workers 0", "between 1"),
        (["--allow-origin", "dash.example.com"], "--allow-origin", "https://dash.example.com"),
        (["--allow-origin", "https://dash.example.com/page"], "--allow-origin", "https://dash.example.com"),
        (["--allow-host", "a b"], "--allow-host", "host name"),
    ] {
        let [name, value] = args;
        let error = config(&[&format!("{name}={value}")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(flag) && text.contains(hint), "{args:?}: {text}");
        assert_eq!(error.exit_code(), 2);
        assert!(!text.contains('\n'));
    }
}

#[test]
fn what_is_not_typed_leaves_room_for_others() {
    for flag in command().get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version")) {
        assert!(flag.get_default_values().is_empty(), "{} has a default that looks as if it was typed", flag.get_id());
    }
    let args = |args: &[&str]| Args::parse_from(std::iter::once(&"psmonitor").chain(args));
    assert_eq!((args(&[]).no_auth, args(&[]).allow_kill), (None, None));
    let said = args(&["--no-auth", "--allow-kill=false"]);
    assert_eq!((said.no_auth, said.allow_kill), (Some(true), Some(false)));
}

#[test]
fn the_help_tells_every_default_as_it_is() {
    let help = command().render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim).collect();
    for setting in settings::all(&command()) {
        let (long, default) = (format!("--{}", setting.flag), setting.default.unwrap_or_default().join(","));
        if default.is_empty() || setting.kind == settings::Kind::Switch {
            continue;
        }
        let at = lines.iter().position(|line| line.split([' ', ',']).any(|word| word == long)).unwrap();
        let text = lines[at..].iter().take_while(|line| !line.is_empty()).copied().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("[default: {default}]")), "{long}: {text}");
    }
    assert_eq!(config(&[]).unwrap().interval, parse_time(defaults::INTERVAL).unwrap());
}

#[test]
fn a_wide_address_needs_tokens_users_or_a_word() {
    let error = config(&["--listen", "0.0.0.0:0"]).unwrap_err();
    let text = error.to_string();
    for way in ["0.0.0.0:0", "--token-file", "--users-file", "--no-auth"] {
        assert!(text.contains(way), "{text}");
    }
    assert_eq!(error.exit_code(), 2);
    for ways in [&["--token-file", "t"][..], &["--users-file", "u"], &["--no-auth"]] {
        assert!(config(&[&["--listen", "0.0.0.0:0"], ways].concat()).is_ok(), "{ways:?}");
    }
}

#[test]
fn the_collector_is_chosen_and_the_portable_one_knows_no_roots() {
    assert_eq!(config(&[]).unwrap().paths.readers, Readers::BEST);
    assert_eq!(config(&["--collector", "portable"]).unwrap().paths.readers, Readers::Portable);
    for flag in ["--procfs", "--sysfs", "--rootfs"] {
        let text = config(&["--collector", "portable", flag, "/"]).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{flag} /: ")) && text.contains("--collector linux"), "{text}");
    }
}

#[test]
fn a_certificate_and_its_key_come_together() {
    assert!(config(&["--tls-cert", "c"]).unwrap_err().to_string().contains("--tls-key"));
    assert!(config(&["--tls-key", "k"]).unwrap_err().to_string().contains("--tls-cert"));
    let tls = config(&["--tls-cert", "c", "--tls-key", "k"]).unwrap().tls;
    assert_eq!(tls, Some(TlsFiles { cert: "c".into(), key: "k".into() }));
}
