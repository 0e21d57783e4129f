//! What was typed, validated: flags before `PSMONITOR_*` variables before the configuration file before [`defaults`], into
//! one [`Config`].
//!
//! Called by `main`, and again at SIGHUP. Every complaint names where the value was set and says what would be right.
//!
//! The flags are the one list of settings. A new one is a field of `cli::Args`, with its default in [`defaults`] where it has
//! one, and is then a variable and a key of the file by itself: `--max-connections`, `PSMONITOR_MAX_CONNECTIONS`,
//! `max-connections`. A key that belongs into a table of the file (`[agent]`, `[receiver]`, `[remote-write]`, a table per
//! subject) has a row in `settings::IN_TABLES`, which says table, key and flag. What a running server can take over at SIGHUP
//! has a row in [`LIVE`]. `packaging/psmonitor.toml` is made of the flags' texts: `UPDATE_GOLDEN=1 cargo test --lib config`.

mod agent;
pub mod defaults;
mod file;
mod listen;
mod names;
mod proxy;
mod receiver;
mod report;
mod settings;
mod socket;
#[cfg(test)]
mod tests_reference;
mod time;
mod typed;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use agent::{Standalone, standalone};
pub use listen::Listen;
pub use names::AllowOrigins;
pub use proxy::TrustedProxy;
pub use socket::{Passed, Way, passed};
pub use time::parse_time;
pub use typed::{LIVE, Refusal, Typed, command, typed};

use crate::auth::{Secret, Sources};
use crate::cli::{Args, Collector};
use crate::collect::{Paths, Readers};
use crate::error::StartupError;
use crate::limits::Limits;
use crate::model::exclude::Exclusions;
use listen::{parse_listen, resolve};
use names::{parse_host, parse_origins};
use proxy::{parse_base_path, parse_trusted};

/// Shortest and longest `--interval`, and what a stream may ask for.
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
    /// Whose word counts for who its clients are.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The path below which the server stands, without a slash at its end; empty for none.
    pub base_path: String,
    /// Permissions of UNIX sockets.
    pub socket_mode: u32,
    /// Where secrets come from.
    pub secrets: Sources,
    /// The certificate and its key, where every address speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Whether everybody may read on a wide address.
    pub no_auth: bool,
    /// Whether psiod's `process.kill` works for those who hold a token.
    pub allow_kill: bool,
    /// What the receiver is to do; `None` where this server is none.
    pub receiver: Option<crate::receiver::Settings>,
    /// What is reported to others; `None`: nothing.
    pub agent: Option<crate::agent::Settings>,
    /// What is sent by remote write; `None`: nothing.
    pub remote_write: Option<crate::agent::RemoteWrite>,
    /// What may wait to be sent.
    pub spool: crate::agent::Bounds,
    /// What `/metrics` leaves out.
    pub exclusions: Exclusions,
    /// Where the machine's files are.
    pub paths: Paths,
}

/// Where the server's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

impl Config {
    /// The configuration that was typed. Complaints name the place where a value was set.
    pub fn from_typed(typed: &Typed) -> Result<Self, StartupError> {
        Self::from_args(&typed.args).map_err(|error| typed.locate(error))
    }

    /// What `args` mean.
    pub fn from_args(args: &Args) -> Result<Self, StartupError> {
        let listen = if let Some(all) = &args.listen {
            all.iter().map(|text| parse_listen(text)).collect::<Result<_, _>>()?
        } else {
            let address = args.address.as_deref().unwrap_or(defaults::ADDRESS);
            vec![resolve("--address", address, args.port.unwrap_or(defaults::PORT))?]
        };
        let typed = args.interval.as_deref().unwrap_or(defaults::INTERVAL);
        let interval = parse_time(typed).map_err(|reason| complaint("--interval", typed, &reason))?;
        if !INTERVALS.contains(&interval) {
            return Err(complaint("--interval", typed, "it must be between 100ms and 1h"));
        }
        let workers = args.workers.unwrap_or_else(defaults::workers);
        if !(1..=256).contains(&workers) {
            return Err(complaint("--workers", &workers.to_string(), "it must be between 1 and 256"));
        }
        let bounds = Limits::default();
        let limits = Limits {
            streams: at_least_one("--max-connections", args.max_connections.unwrap_or(bounds.streams))?,
            streams_per_address: at_least_one(
                "--max-per-address",
                args.max_per_address.unwrap_or(bounds.streams_per_address),
            )?,
            unclaimed_workers: at_least_one("--max-unclaimed", args.max_unclaimed.unwrap_or(bounds.unclaimed_workers))?,
            ..bounds
        };
        let paths = paths(args)?;
        let config = Self {
            secrets: secrets(args, std::env::var_os("PSMONITOR_TOKEN"))?,
            tls: tls_files(args)?,
            no_auth: args.no_auth.unwrap_or(false),
            allow_kill: args.allow_kill.unwrap_or(false),
            receiver: receiver::settings(args)?,
            agent: agent::settings(args)?,
            remote_write: agent::remote_write(args)?,
            spool: agent::spool(args)?,
            listen,
            interval,
            limits,
            data_dir: args.data_dir.clone(),
            workers,
            exclusions: exclusions(args)?,
            allow_hosts: args.allow_host.iter().flatten().map(|host| parse_host(host)).collect::<Result<_, _>>()?,
            trusted_proxies: args
                .trusted_proxy
                .iter()
                .flatten()
                .map(|text| parse_trusted(text))
                .collect::<Result<_, _>>()?,
            base_path: parse_base_path(args.base_path.as_deref().unwrap_or_default())?,
            socket_mode: socket::parse_mode(args.socket_mode.as_deref().unwrap_or(defaults::SOCKET_MODE))?,
            allow_origins: parse_origins(args.allow_origin.as_deref().unwrap_or_default())?,
            paths,
        };
        config
            .check_exposure()
            .map_err(|problem| contradiction(if args.listen.is_some() { "--listen" } else { "--address" }, &problem))?;
        if config.allow_kill && !config.secrets.is_any() {
            log::warn!("--allow-kill changes nothing without --token-file or --users-file: process.kill needs a token");
        }
        Ok(config)
    }

    /// This configuration, with what a running server can take over from `new`: the settings of [`LIVE`].
    pub fn with_live(&self, new: &Self) -> Result<Self, StartupError> {
        let config = Self {
            limits: new.limits,
            allow_hosts: new.allow_hosts.clone(),
            allow_origins: new.allow_origins.clone(),
            trusted_proxies: new.trusted_proxies.clone(),
            secrets: new.secrets.clone(),
            no_auth: new.no_auth,
            allow_kill: new.allow_kill,
            ..self.clone()
        };
        // The address of the new configuration may be a narrower one than that which is listened on.
        config.check_exposure().map_err(StartupError::Config)?;
        Ok(config)
    }

    /// Refuses an address that other machines reach, unless they must log in, or are meant to see everything.
    fn check_exposure(&self) -> Result<(), String> {
        if self.is_loopback_only() || self.secrets.is_any() {
            return Ok(());
        }
        let wide: Vec<_> = self.listen.iter().flat_map(|l| &l.addresses).filter(|a| !a.ip().is_loopback()).collect();
        let address = wide.first().map(ToString::to_string).unwrap_or_default();
        if self.no_auth {
            log::warn!("--no-auth: everybody who can reach {address} sees everything this server tells");
            return Ok(());
        }
        Err(format!(
            "{address} can be reached from outside, and nobody is asked who they are; give --token-file FILE with a \
             secret token or --users-file FILE with users, or say --no-auth if everybody may see everything"
        ))
    }

    /// Where a client on this machine finds the server, without the base path: a URL that ends with a slash, or `unix:PATH`
    /// where it listens at no address.
    pub fn own_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let by_address = self.listen.iter().find_map(|listen| Some((listen, listen.addresses.first()?.port())));
        let by_path = || self.listen.iter().flat_map(Listen::names).next().unwrap_or_default();
        by_address.map_or_else(by_path, |(listen, port)| listen.url(scheme, port))
    }

    /// Whether every address is a loopback address.
    pub fn is_loopback_only(&self) -> bool {
        self.listen.iter().flat_map(|listen| &listen.addresses).all(|address| address.ip().is_loopback())
    }
}

/// Who reads the machine. The portable readers know no roots but those of this machine.
fn readers(args: &Args) -> Result<Readers, StartupError> {
    let roots = [("--procfs", &args.procfs), ("--sysfs", &args.sysfs), ("--rootfs", &args.rootfs)];
    match args.collector.unwrap_or(defaults::COLLECTOR) {
        #[cfg(target_os = "linux")]
        Collector::Linux => Ok(Readers::Linux),
        #[cfg(not(target_os = "linux"))]
        Collector::Linux => {
            Err(complaint("--collector", "linux", "this program was not built for Linux; leave it out"))
        }
        Collector::Portable => match roots.iter().find_map(|(flag, root)| Some((flag, root.as_ref()?))) {
            None => Ok(Readers::Portable),
            Some((flag, root)) => {
                let reason = "the portable collector reads this machine only; leave it out, or say --collector linux";
                Err(complaint(flag, &root.display().to_string(), reason))
            }
        },
    }
}

/// Who reads the machine, and where its files are.
///
/// # Errors
/// A folder that is not there, or one that the collector does not know.
pub fn paths(args: &Args) -> Result<Paths, StartupError> {
    let host = Paths::host();
    let readers = readers(args)?;
    let paths = Paths {
        procfs: args.procfs.clone().unwrap_or(host.procfs),
        sysfs: args.sysfs.clone().unwrap_or(host.sysfs),
        rootfs: args.rootfs.clone().unwrap_or(host.rootfs),
        readers,
        ..host
    };
    for (flag, folder) in [("--sysfs", &paths.sysfs), ("--rootfs", &paths.rootfs)] {
        if !folder.is_dir() {
            return Err(complaint(
                flag,
                &folder.display().to_string(),
                "there is no such folder; leave it out for this machine",
            ));
        }
    }
    Ok(paths)
}

/// Where tokens come from, for whoever asks another server.
///
/// # Errors
/// A token variable that says nothing.
pub fn token_sources(args: &Args) -> Result<Sources, StartupError> {
    secrets(args, std::env::var_os("PSMONITOR_TOKEN"))
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

/// What `/metrics` leaves out.
fn exclusions(args: &Args) -> Result<Exclusions, StartupError> {
    type With = fn(Exclusions, &str) -> Result<Exclusions, String>;
    let typed: [(&str, &Option<String>, With); 3] = [
        ("--mount-points-exclude", &args.mount_points_exclude, Exclusions::with_mount_points),
        ("--fs-types-exclude", &args.fs_types_exclude, Exclusions::with_fs_types),
        ("--interfaces-exclude", &args.interfaces_exclude, Exclusions::with_interfaces),
    ];
    typed.into_iter().try_fold(Exclusions::default(), |all, (flag, text, with)| match text {
        Some(text) => with(all, text).map_err(|reason| complaint(flag, text, &reason.replace('\n', " "))),
        None => Ok(all),
    })
}

/// Both files or none.
fn tls_files(args: &Args) -> Result<Option<TlsFiles>, StartupError> {
    match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(contradiction("--tls-cert", "needs --tls-key FILE, the key of the certificate")),
        (None, Some(_)) => Err(contradiction("--tls-key", "needs --tls-cert FILE, the certificate of the key")),
    }
}

fn complaint(flag: &str, value: &str, reason: &str) -> StartupError {
    StartupError::Setting { place: flag.to_owned(), problem: format!("{value}: {reason}") }
}

/// The flag does not go together with others.
fn contradiction(flag: &str, problem: &str) -> StartupError {
    StartupError::Setting { place: flag.to_owned(), problem: problem.to_owned() }
}

fn at_least_one(flag: &str, value: usize) -> Result<usize, StartupError> {
    if value == 0 { Err(complaint(flag, "0", "it must be at least 1")) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
