//! What is sent to others: the agent, remote write, and what waits for both. Also what the commands `background`,
//! `check-url` and `check-system-id` are told, by flags of their own, a System Monitor `config.json`, or the same settings.
//!
//! Called by [`super::Config`] at the start, and by `app`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::typed::is_foreign;
use super::{Typed, complaint, contradiction, defaults, parse_time};
use crate::agent::foreign_config::{self, ForeignConfig};
use crate::agent::{self, Bounds, Destination, RemoteWrite, Selection, Settings};
use crate::cli::{self, Args};
use crate::error::StartupError;
use crate::model::redact;
use crate::origin;

/// Shortest and longest time between two reports or sets of samples. System Monitor takes 0 for once a second.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(86_400);

/// What the agent of a server is to do; `None` where it has none.
pub(super) fn settings(args: &Args) -> Result<Option<Settings>, StartupError> {
    let interval = interval("--agent-interval", args.agent_interval.as_deref(), defaults::AGENT_INTERVAL)?;
    let Some(text) = &args.agent_url else {
        if args.agent_forward == Some(true) {
            return Err(contradiction("--agent-forward", "needs --agent-url URL, where the reports of others go, too"));
        }
        return Ok(None);
    };
    let forward = args.agent_forward.unwrap_or(false);
    if forward && args.receive != Some(true) {
        return Err(contradiction(
            "--agent-forward",
            "needs --receive: nobody reports here, so there is nothing to pass on",
        ));
    }
    Ok(Some(Settings {
        destination: destination("--agent-url", text, args.agent_token_file.clone(), args.agent_ca_file.clone())?,
        interval,
        system_id: args.agent_system_id.clone().map(|name| system_id("--agent-system-id", name)).transpose()?,
        forward,
    }))
}

/// What remote write is to do; `None` where it is not wanted.
pub(super) fn remote_write(args: &Args) -> Result<Option<RemoteWrite>, StartupError> {
    let typed = args.remote_write_interval.as_deref();
    let interval = interval("--remote-write-interval", typed, defaults::REMOTE_WRITE_INTERVAL)?;
    let Some(text) = &args.remote_write_url else { return Ok(None) };
    let mut labels = BTreeMap::new();
    for typed in args.remote_write_label.iter().flatten() {
        let wrong =
            || complaint("--remote-write-label", typed, "it must be NAME=VALUE, with a name of letters, digits and _");
        let (name, value) = typed.split_once('=').ok_or_else(wrong)?;
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
        if !is_name || name.starts_with("__") || value.is_empty() {
            return Err(wrong());
        }
        labels.insert(name.to_owned(), value.to_owned());
    }
    let job = args.remote_write_job.as_deref().unwrap_or(defaults::REMOTE_WRITE_JOB);
    labels.insert("job".to_owned(), job.to_owned());
    if let Some(instance) = &args.remote_write_instance {
        labels.insert("instance".to_owned(), instance.clone());
    }
    Ok(Some(RemoteWrite {
        destination: destination(
            "--remote-write-url",
            text,
            args.remote_write_token_file.clone(),
            args.remote_write_ca_file.clone(),
        )?,
        interval,
        collect: args.remote_write_collect.clone().unwrap_or_default(),
        selection: Selection { names: args.remote_write_series.clone().unwrap_or_default(), labels },
    }))
}

/// What may wait.
pub(super) fn spool(args: &Args) -> Result<Bounds, StartupError> {
    let mib = args.spool_mib.unwrap_or(defaults::SPOOL_MIB);
    if !(1..=1 << 20).contains(&mib) {
        return Err(complaint("--spool-mib", &mib.to_string(), "it must be between 1 and 1048576"));
    }
    let typed = args.spool_age.as_deref().unwrap_or(defaults::SPOOL_AGE);
    let most_age = parse_time(typed).map_err(|reason| complaint("--spool-age", typed, &reason))?;
    if most_age < SHORTEST {
        return Err(complaint("--spool-age", typed, "it must be a second at least"));
    }
    Ok(Bounds { most_bytes: mib << 20, most_age })
}

/// What `background` and the checks are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standalone {
    /// Where, how often, and as whom.
    pub settings: Settings,
    /// What may wait, and where.
    pub spool: Bounds,
    /// The data directory.
    pub data_dir: Option<PathBuf>,
}

/// What a command means that speaks to a receiver without serving: its own flags first, then System Monitor's
/// `config.json` where `--config` names one, then the settings of the agent.
pub fn standalone(typed: &Typed, given: &cli::Background) -> Result<Standalone, StartupError> {
    let args = &typed.args;
    let foreign = match &args.config {
        Some(path) if is_foreign(args, path) => {
            let read = foreign_config::read(path, agent::new_system_id)
                .map_err(|what| StartupError::Setting { place: "--config".to_owned(), problem: what })?;
            Some(read)
        }
        _ => None,
    };
    let ForeignConfig { system_id: foreign_id, url, interval: foreign_interval } =
        foreign.unwrap_or(ForeignConfig { system_id: String::new(), url: None, interval: None });
    let (url_flag, text) = match (&given.named.receiver.url, &url, &args.agent_url) {
        (Some(url), ..) => ("--url", url),
        (None, Some(url), _) => ("--config: url", url),
        (None, None, Some(url)) => ("--agent-url", url),
        (None, None, None) => {
            return Err(StartupError::Config(
                "nobody says where reports go; give --url URL, or url under [agent] in the configuration file"
                    .to_owned(),
            ));
        }
    };
    let receiver = &given.named.receiver;
    let token_file = receiver.token_file.clone().or_else(|| args.agent_token_file.clone());
    let ca_file = receiver.ca_file.clone().or_else(|| args.agent_ca_file.clone());
    let typed_interval = given.interval.as_deref().or(foreign_interval.as_deref()).or(args.agent_interval.as_deref());
    let id = given.named.system_id.clone().or_else(|| Some(foreign_id).filter(|id| !id.is_empty()));
    let id = id.or_else(|| args.agent_system_id.clone());
    Ok(Standalone {
        settings: Settings {
            destination: destination(url_flag, text, token_file, ca_file)?,
            interval: interval("--interval", typed_interval, defaults::AGENT_INTERVAL)?,
            system_id: id.map(|name| system_id("--system-id", name)).transpose()?,
            forward: false,
        },
        spool: spool(args)?,
        data_dir: given.data_dir.clone().or_else(|| args.data_dir.clone()),
    })
}

fn system_id(flag: &str, name: String) -> Result<String, StartupError> {
    if crate::receiver::report::is_name(&name) {
        return Ok(name);
    }
    Err(complaint(flag, &name, "a system's name has 1 to 128 bytes, no slashes, and no spaces at its ends"))
}

fn interval(flag: &str, typed: Option<&str>, default: &str) -> Result<Duration, StartupError> {
    let typed = typed.unwrap_or(default);
    let interval = parse_time(typed).map_err(|reason| complaint(flag, typed, &reason))?;
    if interval > LONGEST {
        return Err(complaint(flag, typed, "it must be a day at most"));
    }
    Ok(interval.max(SHORTEST))
}

/// An address that can be sent to.
fn destination(
    flag: &str,
    text: &str,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
) -> Result<Destination, StartupError> {
    let url = text.trim();
    // A complaint goes to the log, where no secret may stand: neither a password nor a token in the query.
    let shown = redact::redact(&[url.to_owned()]).concat();
    let wrong = |why: &str| Err(complaint(flag, &shown, why));
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
        return wrong("it must be an address as http://monitor.example:4500/ or https://monitor.example:4500/");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return wrong("it must not hold a name or a password; put the token into a file and name that");
    }
    let is_bare = !authority.starts_with('[') && authority.matches(':').count() > 1;
    let Some(host) = origin::host_name(authority).filter(|_| !is_bare) else {
        return wrong("its host is none; write http://HOST:PORT/, with an IPv6 address in brackets");
    };
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("it must not hold spaces");
    }
    if !is_secure && token_file.is_some() && !origin::is_loopback(host) {
        log::warn!("{flag} {shown}: the token and all that is sent can be read on the way; use https");
    }
    // The rest of the program tells them apart by their first letters.
    let url = format!("{}://{rest}", scheme.to_ascii_lowercase());
    Ok(Destination { url, token_file, ca_file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    use clap::Parser;

    fn config(args: &[&str]) -> Result<Config, String> {
        let args = Args::parse_from(std::iter::once(&"psmonitor").chain(args));
        Config::from_args(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sent_unless_it_is_said_where() {
        let config = config(&["--agent-interval=5s"]).unwrap();
        assert_eq!((config.agent, config.remote_write, config.receiver), (None, None, None));
    }

    #[test]
    fn a_destination_is_an_address_without_secrets() {
        let url = |text: &str| config(&["--agent-url", text]).map(|config| config.agent.unwrap().destination.url);
        assert_eq!(url("HTTP://[::1]:4500/a?b"), Ok("http://[::1]:4500/a?b".to_owned()));
        for (text, hint) in [
            ("127.0.0.1:5000", "http://"),
            ("ftp://a", "http://"),
            ("http://", "host"),
            ("http://::1:4500", "host"),
            ("http://name:secret@host/", "token"),
            ("http://a/b c", "spaces"),
        ] {
            let error = url(text).unwrap_err();
            assert!(error.starts_with("--agent-url") && error.contains(hint), "{text}: {error}");
            assert!(!error.contains("secret"), "it goes to the log: {error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        for (args, hint) in [
            (&["--receive"][..], "--data-dir"),
            (&["--receive", "--data-dir", folder, "--register-system", "a/b"], "slashes"),
            (&["--max-systems", "0"], "between 1"),
            (&["--forget-after", "1s"], "a minute"),
            (&["--agent-forward"], "--agent-url"),
            (&["--agent-forward", "--agent-url", "http://a"], "--receive"),
            (&["--agent-url", "http://a", "--agent-interval", "25h"], "a day"),
            (&["--agent-url", "http://a", "--agent-system-id", "a/b"], "slashes"),
            (&["--remote-write-url", "http://a", "--remote-write-label", "x"], "NAME=VALUE"),
            (&["--remote-write-url", "http://a", "--remote-write-label", "1x=y"], "NAME=VALUE"),
            (&["--spool-mib", "0"], "between 1"),
            (&["--spool-age", "0"], "a second"),
        ] {
            let error = config(args).unwrap_err();
            assert!(error.contains(hint) && !error.contains('\n'), "{args:?}: {error}");
        }
    }

    #[test]
    fn remote_write_has_its_labels() {
        let args =
            ["--remote-write-url", "http://a", "--remote-write-label", "site=b=c", "--remote-write-instance", "i"];
        let labels = config(&args).unwrap().remote_write.unwrap().selection.labels;
        let all: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["instance=i", "job=psmonitor", "site=b=c"]);
    }
}
