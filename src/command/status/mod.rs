//! `psmonitor status [URL]`: whether a server is up, and how old its numbers are; for scripts, and for containers, whose
//! health check has no other client.
//!
//! Called by `main`. It asks `/healthz`, which answers everybody, and `/metrics`, which may want a token.

mod connect;
mod trust;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::StatusCode;
use ureq::unversioned::resolver::DefaultResolver;

use crate::auth::Sources;
use crate::cli::Status;
use crate::command;
use crate::config::{self, Config, Typed};
use crate::error::StartupError;
use connect::Dialler;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest page that is read.
const LONGEST: u64 = 8 << 20;

/// The server's metric for the age of its numbers, and that which names its version.
const AGE: &str = "psmonitor_tick_age_seconds ";
const BUILD: &str = "psmonitor_build_info{version=\"";

/// Prints that a server is up.
///
/// # Errors
/// That it is not, and why; what was typed wrong.
pub fn status(typed: &Typed, wanted: &Status) -> Result<(), StartupError> {
    let server = Server::of(typed, wanted)?;
    let answer = server.ask()?;
    let age = match answer.age_seconds {
        Some(age) => format!("its numbers are {age:.1} s old"),
        None => "it tells the age of its numbers to none but holders of a token".to_owned(),
    };
    let version = answer.version.map(|version| format!(" {version}")).unwrap_or_default();
    command::print(&format!("psmonitor{version} at {} is up, {age}\n", server.shown))
}

/// A server to ask.
struct Server {
    /// As it was typed, for messages.
    shown: String,
    /// What the paths are put behind; ends with a slash.
    base: String,
    unix: Option<PathBuf>,
    /// The flag and the file of certificates to believe.
    believed: Option<(&'static str, PathBuf)>,
    secrets: Sources,
}

/// What a server said.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    version: Option<String>,
    age_seconds: Option<f64>,
}

impl Server {
    /// The server that was typed, or the one that these settings start.
    fn of(typed: &Typed, wanted: &Status) -> Result<Self, StartupError> {
        let ca = wanted.ca_file.clone().map(|path| ("--ca-file", path));
        if let Some(url) = &wanted.url {
            let (base, unix) = parse(url)?;
            return Ok(Self {
                shown: url.clone(),
                base,
                unix,
                believed: ca,
                secrets: config::token_sources(&typed.args)?,
            });
        }
        let config = Config::from_typed(typed)?;
        let shown = config.own_url();
        let (mut base, unix) = parse(&shown)?;
        let below = config.base_path.trim_matches('/');
        if !below.is_empty() {
            base = format!("{base}{below}/");
        }
        let own = config.tls.map(|files| ("--tls-cert", files.cert));
        Ok(Self { shown, base, unix, believed: ca.or(own), secrets: config.secrets })
    }

    fn ask(&self) -> Result<Answer, StartupError> {
        let down = |reason: String| StartupError::Down { url: self.shown.clone(), reason };
        let (agent, token) = (self.agent()?, self.secrets.first_token()?);
        let (code, body) = self.get(&agent, "healthz", None).map_err(|error| down(error.to_string()))?;
        match code {
            StatusCode::OK if body.starts_with("ok") => {}
            StatusCode::SERVICE_UNAVAILABLE => return Err(down(body.trim().to_owned())),
            code => {
                let what = format!("/healthz is answered with {code}, as no psmonitor does; is the URL right?");
                return Err(down(what));
            }
        }
        let page = self.get(&agent, "metrics?collect[]=time", token.as_deref());
        match page.map_err(|error| down(error.to_string()))? {
            (StatusCode::OK, page) => Ok(read(&page)),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Ok(Answer::default()),
            (code, _) => Err(down(format!("/metrics is answered with {code}"))),
        }
    }

    /// A client that follows nobody elsewhere and asks no proxy.
    fn agent(&self) -> Result<Agent, StartupError> {
        let tls = if self.base.starts_with("https:") {
            Some(trust::client(self.believed.as_ref().map(|(flag, path)| (*flag, path.as_path())))?)
        } else {
            None
        };
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("psmonitor/", env!("CARGO_PKG_VERSION")))
            .build();
        let dialler = Dialler { unix: self.unix.clone(), tls, deadline: Instant::now() + PATIENCE };
        Ok(Agent::with_parts(config, dialler, DefaultResolver::default()))
    }

    fn get(&self, agent: &Agent, path: &str, token: Option<&str>) -> Result<(StatusCode, String), ureq::Error> {
        let mut request = agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call()?;
        let body = answer.body_mut().with_config().limit(LONGEST).lossy_utf8(true).read_to_string()?;
        Ok((answer.status(), body))
    }
}

/// What the paths are put behind, and where the socket is: of `http://HOST:PORT`, `https://HOST/BASE` or `unix:/PATH`.
fn parse(url: &str) -> Result<(String, Option<PathBuf>), StartupError> {
    let wrong = |hint: &str| Err(StartupError::Config(format!("{url}: {hint}")));
    if let Some(path) = url.strip_prefix("unix:") {
        let path = Path::new(path);
        if !path.is_absolute() {
            return wrong("give the socket by its whole path, as unix:/run/psmonitor/psmonitor.sock");
        }
        return Ok(("http://127.0.0.1/".to_owned(), Some(path.to_owned())));
    }
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    let uri = url.parse::<ureq::http::Uri>().ok().filter(|uri| is_web && uri.host().is_some_and(|h| !h.is_empty()));
    let Some(uri) = uri else { return wrong("it must be as http://localhost:4500, https://NAME or unix:/PATH") };
    if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong("it must be without a query, name and password; give --token-file FILE in front of the command");
    }
    Ok((format!("{}/", url.trim_end_matches('/')), None))
}

/// The lines of the page that count.
fn read(page: &str) -> Answer {
    let rest = |prefix: &str| page.lines().find_map(|line| line.strip_prefix(prefix));
    let version = rest(BUILD).and_then(|rest| rest.split('"').next()).filter(|version| {
        version.len() < 40 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    });
    let age = rest(AGE).and_then(|age| age.trim().parse().ok()).filter(|age: &f64| age.is_finite());
    Answer { version: version.map(str::to_owned), age_seconds: age }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_sockets() {
        for (url, base) in [
            ("http://localhost:4500", "http://localhost:4500/"),
            ("http://[::1]:4500/", "http://[::1]:4500/"),
            ("https://monitor.example/psmonitor", "https://monitor.example/psmonitor/"),
        ] {
            assert_eq!(parse(url).unwrap(), (base.to_owned(), None));
        }
        let (base, unix) = parse("unix:/run/a b.sock").unwrap();
        assert_eq!((base.as_str(), unix), ("http://127.0.0.1/", Some("/run/a b.sock".into())));
        for (url, hint) in [
            ("localhost:4500", "http://localhost:4500"),
            ("ftp://localhost", "https://NAME"),
            ("http://", "https://NAME"),
            ("http://a b", "https://NAME"),
            ("unix:psmonitor.sock", "whole path"),
            ("http://ann:secret@localhost", "--token-file"),
            ("http://localhost/?token=x", "--token-file"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.to_string().contains(hint), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn the_page_tells_version_and_age() {
        let page = "# HELP psmonitor_build_info x\npsmonitor_build_info{version=\"0.1.0\"} 1\npsmonitor_tick_age_seconds 0.42\n";
        assert_eq!(read(page), Answer { version: Some("0.1.0".to_owned()), age_seconds: Some(0.42) });
        for page in ["", "psmonitor_tick_age_seconds NaN\n", "psmonitor_build_info{version=\"\x1b[2J\"} 1\n"] {
            assert_eq!(read(page), Answer::default(), "{page:?}");
        }
    }
}
