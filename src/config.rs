//! What was typed, validated: flags before `PSMONITOR_*` variables before defaults, into one [`Config`].
//!
//! Every complaint names the flag and says what would be right.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::{Secret, Sources};
use crate::cli::Args;
use crate::collect::Paths;
use crate::error::StartupError;
use crate::limits::Limits;
use crate::origin::host_name;

/// Shortest and longest `--interval`.
/// Bounds of what is sampled, and of what a stream may ask for.
pub const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Everything the server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; never empty.
    pub listen: Vec<Listen>,
    /// Time between two samples.
    pub interval: Duration,
    /// Bounds.
    pub limits: Limits,
    /// Where history is kept; `None` keeps the last hour in memory.
    pub data_dir: Option<PathBuf>,
    /// Threads that serve requests.
    pub workers: usize,
    /// Names by which clients may call this server, lower case.
    pub allow_hosts: Vec<String>,
    /// Foreign web pages that may read.
    pub allow_origins: AllowOrigins,
    /// Where secrets come from.
    pub secrets: Sources,
    /// The certificate and its key, where every address speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Whether psiod's `process.kill` works for those who hold a token.
    pub allow_kill: bool,
    /// Where the machine's files are.
    pub paths: Paths,
}

/// One `--listen`, or the pair of `--address` and `--port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// As typed, for messages.
    pub host: String,
    /// All addresses of the host, each with the port.
    pub addresses: Vec<SocketAddr>,
}

/// Where the server's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// Which foreign pages may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowOrigins {
    /// These, lower case, without a trailing slash.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl Config {
    /// What `args` mean.
    pub fn from_args(args: &Args) -> Result<Self, StartupError> {
        let listen = if args.listen.is_empty() {
            vec![resolve("--address", &args.address, args.port)?]
        } else {
            args.listen.iter().map(|text| parse_listen(text)).collect::<Result<_, _>>()?
        };
        let interval = parse_time(&args.interval).map_err(|reason| complaint("--interval", &args.interval, &reason))?;
        if !INTERVALS.contains(&interval) {
            return Err(complaint("--interval", &args.interval, "it must be between 100ms and 1h"));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = args.workers.unwrap_or_else(|| cores.min(4));
        if !(1..=256).contains(&workers) {
            return Err(complaint("--workers", &workers.to_string(), "it must be between 1 and 256"));
        }
        let limits = Limits {
            streams: at_least_one("--max-connections", args.max_connections)?,
            streams_per_address: at_least_one("--max-per-address", args.max_per_address)?,
            unclaimed_workers: at_least_one("--max-unclaimed", args.max_unclaimed)?,
            ..Limits::default()
        };
        for (flag, folder) in [("--sysfs", &args.sysfs), ("--rootfs", &args.rootfs)] {
            if !folder.is_dir() {
                return Err(complaint(flag, &folder.display().to_string(), "there is no such folder"));
            }
        }
        let paths = Paths {
            procfs: args.procfs.clone(),
            sysfs: args.sysfs.clone(),
            rootfs: args.rootfs.clone(),
            ..Paths::host()
        };
        let config = Self {
            secrets: secrets(args, std::env::var_os("PSMONITOR_TOKEN"))?,
            tls: tls_files(args)?,
            allow_kill: args.allow_kill,
            listen,
            interval,
            limits,
            data_dir: args.data_dir.clone(),
            workers,
            allow_hosts: args.allow_host.iter().map(|host| parse_host(host)).collect::<Result<_, _>>()?,
            allow_origins: parse_origins(&args.allow_origin)?,
            paths,
        };
        config.check_exposure(args.no_auth)?;
        if config.allow_kill && !config.secrets.is_any() {
            log::warn!("--allow-kill changes nothing without --token-file or --users-file: process.kill needs a token");
        }
        Ok(config)
    }

    /// Whoever can reach a wider address than loopback sees everything, unless it must be proved who one is.
    fn check_exposure(&self, no_auth: bool) -> Result<(), StartupError> {
        if self.is_loopback_only() || self.secrets.is_any() {
            return Ok(());
        }
        let wide: Vec<_> = self.listen.iter().flat_map(|l| &l.addresses).filter(|a| !a.ip().is_loopback()).collect();
        let address = wide.first().map(ToString::to_string).unwrap_or_default();
        if no_auth {
            log::warn!("--no-auth: everybody who can reach {address} sees everything this server tells");
            return Ok(());
        }
        Err(StartupError::Config(format!(
            "{address} can be reached from outside, and nobody is asked who they are; give --token-file FILE with a \
             secret token or --users-file FILE with users, or say --no-auth if everybody may see everything"
        )))
    }

    /// Whether every address is a loopback address.
    #[must_use]
    pub fn is_loopback_only(&self) -> bool {
        self.listen.iter().flat_map(|listen| &listen.addresses).all(|address| address.ip().is_loopback())
    }
}

/// Where secrets come from. A token variable that says nothing must not mean that nobody is asked.
fn secrets(args: &Args, token: Option<OsString>) -> Result<Sources, StartupError> {
    let complaint = |what: &str| Err(StartupError::Config(format!("PSMONITOR_TOKEN {what}")));
    let token = match token.map(OsString::into_string) {
        None => None,
        Some(Err(_)) => return complaint("is not UTF-8; give a token of printable characters"),
        Some(Ok(token)) if token.trim().is_empty() => {
            return complaint("is empty; put a token into it, or leave it unset");
        }
        Some(Ok(_)) if args.token_file.is_some() => {
            return complaint(
                "and --token-file are both given; put all tokens into the file, or leave one of them out",
            );
        }
        Some(Ok(token)) => Some(Secret(token)),
    };
    Ok(Sources { token_file: args.token_file.clone(), token, users_file: args.users_file.clone() })
}

/// Both files or none.
fn tls_files(args: &Args) -> Result<Option<TlsFiles>, StartupError> {
    match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(StartupError::Config("--tls-cert needs --tls-key FILE, the key of the certificate".into()))
        }
        (None, Some(_)) => {
            Err(StartupError::Config("--tls-key needs --tls-cert FILE, the certificate of the key".into()))
        }
    }
}

fn complaint(flag: &str, value: &str, reason: &str) -> StartupError {
    StartupError::Config(format!("{flag} {value}: {reason}"))
}

fn at_least_one(flag: &str, value: usize) -> Result<usize, StartupError> {
    if value == 0 { Err(complaint(flag, "0", "it must be at least 1")) } else { Ok(value) }
}

/// `ADDRESS:PORT`, with IPv6 addresses in brackets.
fn parse_listen(text: &str) -> Result<Listen, StartupError> {
    let wrong = || complaint("--listen", text, "it must be ADDRESS:PORT, as 127.0.0.1:4500 or [::1]:4500");
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
        return Err(wrong());
    }
    resolve("--listen", host, port)
}

/// All addresses of a host, IPv4 first. `localhost` means both loopback addresses, whatever the resolver says.
fn resolve(flag: &str, host: &str, port: u16) -> Result<Listen, StartupError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut ips: Vec<IpAddr> = if bare.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else if let Ok(ip) = bare.parse() {
        vec![ip]
    } else if bare.is_empty() {
        return Err(complaint(flag, host, "it must be an address or a host name"));
    } else {
        (bare, port)
            .to_socket_addrs()
            .map_err(|error| StartupError::Resolve { host: bare.to_owned(), reason: error.to_string() })?
            .map(|address| address.ip())
            .collect()
    };
    ips.sort_by_key(IpAddr::is_ipv6);
    ips.dedup();
    if ips.is_empty() {
        return Err(StartupError::Resolve { host: bare.to_owned(), reason: "it has none".to_owned() });
    }
    Ok(Listen { host: bare.to_owned(), addresses: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect() })
}

/// A host name without a port; a port that was typed is ignored, as it is in requests.
fn parse_host(text: &str) -> Result<String, StartupError> {
    let host = text.trim().to_ascii_lowercase();
    let name =
        host_name(&host).ok_or_else(|| complaint("--allow-host", text, "it must be a host name or an address"))?;
    Ok(name.to_owned())
}

fn parse_origins(origins: &[String]) -> Result<AllowOrigins, StartupError> {
    if origins.iter().any(|origin| origin.trim() == "*") {
        return Ok(AllowOrigins::Any);
    }
    let parse = |text: &String| {
        let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let scheme = origin.split_once("://").filter(|(scheme, host)| {
            matches!(*scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
        });
        scheme.map(|_| origin.clone()).ok_or_else(|| {
            complaint("--allow-origin", text, "it must be an origin such as https://dash.example.com, or *")
        })
    };
    Ok(AllowOrigins::Listed(origins.iter().map(parse).collect::<Result<_, _>>()?))
}

/// A number of seconds, or a number with a unit: `60`, `2.5`, `500ms`, `5s`, `1m`, `1h`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("{unit:?} is no unit; use ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "it must be a number of seconds, or as 500ms, 5s, 1m".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| "it is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config(args: &[&str]) -> Result<Config, StartupError> {
        Config::from_args(&Args::parse_from(std::iter::once(&"psmonitor").chain(args)))
    }

    #[test]
    fn the_default_is_both_loopback_addresses_on_4500() {
        let config = config(&[]).unwrap();
        let expected: Vec<SocketAddr> = vec!["127.0.0.1:4500".parse().unwrap(), "[::1]:4500".parse().unwrap()];
        assert_eq!(config.listen, [Listen { host: "localhost".into(), addresses: expected }]);
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
    fn a_certificate_and_its_key_come_together() {
        assert!(config(&["--tls-cert", "c"]).unwrap_err().to_string().contains("--tls-key"));
        assert!(config(&["--tls-key", "k"]).unwrap_err().to_string().contains("--tls-cert"));
        let tls = config(&["--tls-cert", "c", "--tls-key", "k"]).unwrap().tls;
        assert_eq!(tls, Some(TlsFiles { cert: "c".into(), key: "k".into() }));
    }

    #[test]
    fn times_are_seconds_or_carry_a_unit() {
        for (text, milliseconds) in [("60", 60_000), ("500ms", 500), ("5s", 5_000), ("1m", 60_000), ("0.5", 500)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "1d2", "..", "1e3"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_star_allows_every_origin() {
        assert_eq!(config(&["--allow-origin", "*"]).unwrap().allow_origins, AllowOrigins::Any);
        let listed = config(&["--allow-origin", "HTTPS://Dash.Example.com/"]).unwrap().allow_origins;
        assert_eq!(listed, AllowOrigins::Listed(vec!["https://dash.example.com".into()]));
    }
}
