//! One HTTP request to one configured address, bounded in every way: no redirects, no proxy, 10 s for all of it, 64 KiB of
//! an answer. The token goes to that address only. Used by [`super::thread`] and [`super::check`].

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use ureq::http::{HeaderMap, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

use crate::model::redact;

/// Time for a request and its answer.
const TIME: Duration = Duration::from_secs(10);

/// Bytes of an answer that are looked at, and of its head.
const MOST_ANSWER_BYTES: u64 = 64 * 1024;
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// Bodies below this are sent as they are.
const WORTH_PACKING: usize = 1_024;

/// Where to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// http or https, as configured.
    pub url: String,
    /// File with the token that goes with each request.
    pub token_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Destination {
    /// Its URL as whoever reads logs or reports may see it: without a token that stands in its query.
    pub fn shown(&self) -> String {
        redact::redact(std::slice::from_ref(&self.url)).concat()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// After how long to come again, if that is said.
    pub retry_after: Option<Duration>,
    /// Whether bodies may be packed with gzip.
    pub takes_gzip: bool,
    /// Whether a server that speaks TLS says that it was not spoken to in TLS.
    pub wants_tls: bool,
    /// The beginning of the body, for messages.
    pub text: String,
}

/// Sends to one address.
pub struct Client {
    destination: Destination,
    agent: ureq::Agent,
    token: Option<String>,
}

/// A client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(String);

impl Client {
    /// A client for this address. Reads the files that it names; connects to nobody.
    pub fn new(destination: Destination) -> Result<Self, ClientError> {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(roots(&destination)?)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(TIME))
            .max_response_header_size(MOST_HEAD_BYTES)
            .max_idle_connections(2)
            // Servers close what is idle for five seconds or so: one that is about to be closed is of no use.
            .max_idle_age(Duration::from_secs(3))
            .user_agent(concat!("psmonitor/", env!("CARGO_PKG_VERSION")))
            .build();
        let mut client = Self { destination, agent: config.new_agent(), token: None };
        client.read_token()?;
        Ok(client)
    }

    /// Where it sends, for logs.
    pub fn shown(&self) -> String {
        self.destination.shown()
    }

    /// Reads the token again, as after one that was refused.
    pub fn read_token(&mut self) -> Result<(), ClientError> {
        let Some(path) = &self.destination.token_file else { return Ok(()) };
        let complaint = |what: &str| ClientError(format!("the token file {}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| complaint(&error.to_string()))?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let token = lines.next().ok_or_else(|| complaint("there is no token in it; write one on a line"))?;
        // A line that was copied from the receiver's token file says what the token is for.
        let token = match token.split_once(char::is_whitespace) {
            Some(("report", token)) => token.split_whitespace().next().unwrap_or_default(),
            _ => token,
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(complaint("a token has printable ASCII characters only"));
        }
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// `POST`s `body`. The error says what went wrong on the way.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = self.agent.post(&self.destination.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut response = request.send(body).map_err(|error| error.to_string())?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let (retry_after, takes_gzip) = (retry_after(headers, SystemTime::now()), takes_gzip(headers));
        let mut text = Vec::new();
        // The status is what counts: a body that is cut or never ends changes nothing about it.
        let _ = response.body_mut().as_reader().take(MOST_ANSWER_BYTES).read_to_end(&mut text);
        let wants_tls = self.destination.url.starts_with("http:") && wants_tls(status, &text);
        Ok(Answer { status, retry_after, takes_gzip, wants_tls, text: beginning(&text) })
    }
}

/// Whom to trust.
fn roots(destination: &Destination) -> Result<RootCerts, ClientError> {
    if !destination.url.starts_with("https:") {
        // Nobody is asked for a certificate there.
        return Ok(RootCerts::new_with_certs(&[]));
    }
    let Some(path) = &destination.ca_file else {
        let found = rustls_native_certs::load_native_certs();
        let all: Vec<_> = found.certs.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        if all.is_empty() {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(ClientError(format!(
                "this system has no certificates to trust{why}; install ca-certificates, or name a file of them"
            )));
        }
        return Ok(RootCerts::new_with_certs(&all));
    };
    let complaint = |what: &str| ClientError(format!("the certificates in {}: {what}", path.display()));
    let pem = std::fs::read(path).map_err(|error| complaint(&error.to_string()))?;
    let mut all = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(one) = item.map_err(|error| complaint(&error.to_string()))? {
            all.push(one);
        }
    }
    if all.is_empty() {
        return Err(complaint("there is none in it; it must be PEM, with -----BEGIN CERTIFICATE-----"));
    }
    Ok(RootCerts::new_with_certs(&all))
}

/// `Retry-After`: seconds, or a moment.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let words = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|value| {
            value.split(',').any(|word| word.split(';').next().is_some_and(|word| word.trim() == "gzip"))
        })
    };
    headers.get_all(header::ACCEPT_ENCODING).iter().any(words)
}

/// Whether this is how a server that speaks TLS answers to HTTP: ours, nginx, Apache, those that are written in Go, and
/// whoever knows RFC 2817.
fn wants_tls(status: u16, body: &[u8]) -> bool {
    const WORDS: [&str; 4] = ["this server speaks TLS", "HTTPS port", "SSL-enabled server port", "to an HTTPS server"];
    let text = String::from_utf8_lossy(body);
    status == 426 || status == 400 && WORDS.iter().any(|words| text.contains(words))
}

/// What fits into a line of the log.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The body packed with gzip, where that is worth it.
pub fn packed(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < WORTH_PACKING {
        return None;
    }
    let mut out = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    out.write_all(body).ok()?;
    out.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |text: &str| retry_after(&headers(&[("retry-after", text)]), now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("Sunday, 06-Nov-94 08:50:37 GMT"), Some(Duration::from_secs(60)), "as it was once written");
        assert_eq!((of("soon"), of("-1"), of("1e9")), (None, None, None));
    }

    #[test]
    fn a_line_of_the_receivers_token_file_will_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = "http://127.0.0.1:1/".to_owned();
        let to = Destination { url, token_file: Some(file.path().to_owned()), ca_file: None };
        for line in ["0123456789abcdef", "# agents\n report\t 0123456789abcdef \n"] {
            std::fs::write(file.path(), line).unwrap();
            assert_eq!(Client::new(to.clone()).unwrap().token.as_deref(), Some("0123456789abcdef"), "{line:?}");
        }
        std::fs::write(file.path(), "another 0123456789abcdef").unwrap();
        assert!(Client::new(to).is_err(), "a token has no spaces");
    }

    #[test]
    fn gzip_is_used_where_it_is_named() {
        for (value, takes) in [("gzip", true), ("br, gzip;q=0.5", true), ("", false), ("identity", false)] {
            assert_eq!(takes_gzip(&headers(&[("accept-encoding", value)])), takes, "{value}");
        }
        assert_eq!(packed(b"short"), None);
        assert!(packed(&[b'x'; 10_000]).unwrap().len() < 200);
    }

    #[test]
    fn a_server_that_speaks_tls_is_known_by_its_words() {
        for words in [
            r#"{"error":"this server speaks TLS; ask for https:// instead of http://"}"#,
            "<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
            "Client sent an HTTP request to an HTTPS server.\n",
        ] {
            assert!(wants_tls(400, words.as_bytes()) && !wants_tls(403, words.as_bytes()), "{words}");
        }
        assert!(wants_tls(426, b"") && !wants_tls(400, br#"{"error":"epoch must be a time"}"#));
    }

    #[test]
    fn files_that_are_wrong_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let of = |text: &str, is_token: bool| {
            std::fs::write(&path, text).unwrap();
            let file = Some(path.clone());
            let (token_file, ca_file) = if is_token { (file, None) } else { (None, file) };
            let url = if is_token { "http://a" } else { "https://a" };
            Client::new(Destination { url: url.into(), token_file, ca_file }).map(|client| client.token)
        };
        assert_eq!(of("# a comment\n\n token \n", true).unwrap(), Some("token".to_owned()));
        assert!(of("\n", true).err().unwrap().to_string().contains("no token"));
        assert!(of("two words", true).err().unwrap().to_string().contains("printable"));
        assert!(of("nonsense", false).err().unwrap().to_string().contains("BEGIN CERTIFICATE"));
    }
}
