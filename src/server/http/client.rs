//! Who asks, and under which address they called: the peer of the connection, or whom a trusted proxy names.
//!
//! The guard makes one for each request and leaves it in the request's extensions; limits, logins, the log and what is shown
//! to this machine alone go by it. What is forwarded counts from a trusted proxy only, and of a list only what the
//! outermost trusted proxy saw itself: everything before that is whatever somebody wrote.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use actix_web::http::header::{HOST, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};

use super::connection::Connection;
use crate::config::TrustedProxy;
use crate::origin;
use crate::server::error::ApiError;

/// Most addresses that are looked at in a list.
const MOST_HOPS: usize = 32;

/// Headers that proxies add.
const FORWARDING: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Nobody that is known: a peer on a UNIX socket.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whose address it is; unspecified when it is a process on a UNIX socket.
    pub address: IpAddr,
    /// The port, where the connection is the client's own.
    port: Option<u16>,
    /// Whether it is certainly somebody on this machine.
    pub is_local: bool,
    /// Whether what the client sees is encrypted.
    pub is_secure: bool,
    /// The host and port that the client called, where a proxy says so.
    pub host: Option<String>,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None if self.address == NOBODY => f.write_str("unix"),
            None => self.address.fmt(f),
        }
    }
}

/// What proxies say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    /// Who asked whom, the last proxy's word last. `None` for what is no address.
    clients: Vec<Option<IpAddr>>,
    is_secure: Option<bool>,
    host: Option<String>,
}

impl Client {
    /// Who sends a request with these headers over `connection`. `is_tls` says whether our TCP sockets are encrypted.
    pub fn of(
        connection: Option<&Connection>,
        headers: &HeaderMap,
        trusted: &[TrustedProxy],
        is_tls: bool,
    ) -> Result<Self, ApiError> {
        let mut client = Self::peer(connection, is_tls);
        let ip = connection.and_then(|connection| connection.peer).map(|peer| peer.ip().to_canonical());
        let is_trusted = |peer: Option<IpAddr>| trusted.iter().any(|proxy| proxy.is(peer));
        if !is_trusted(ip) {
            // Whoever forwards for others is no reason to take those others for this machine.
            client.is_local &= !FORWARDING.iter().any(|name| headers.contains_key(*name));
            return Ok(client);
        }
        let Some(forwarded) = of_headers(headers)? else { return Ok(client) };
        if let Some(address) = forwarded.client(ip, &is_trusted) {
            (client.address, client.port, client.is_local) = (address, None, address.is_loopback());
        } else {
            client.is_local = false;
        }
        client.is_secure = forwarded.is_secure.unwrap_or(client.is_secure);
        client.host = forwarded.host;
        Ok(client)
    }

    /// The peer itself.
    fn peer(connection: Option<&Connection>, is_tls: bool) -> Self {
        let peer = connection.and_then(|connection| connection.peer);
        let ip = peer.map(|peer| peer.ip().to_canonical());
        Self {
            address: ip.unwrap_or(NOBODY),
            port: peer.map(|peer| peer.port()),
            is_local: ip.is_some_and(|ip| ip.is_loopback()),
            is_secure: is_tls && peer.is_some(),
            host: None,
        }
    }

    /// The client of a request that went through the guard; of one that the guard refused before it looked, the peer.
    pub fn of_request(req: &HttpRequest) -> Self {
        let peer = || Self::peer(req.conn_data::<Rc<Connection>>().map(|connection| &**connection), false);
        req.extensions().get::<Self>().cloned().unwrap_or_else(peer)
    }

    /// `http` or `https`, as the client sees it.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}

impl Forwarded {
    /// The last address that is no trusted proxy's; of trusted ones alone the first. A loopback address is of the machine that
    /// whoever saw it is on: where that is another one it stands for that proxy.
    fn client(&self, peer: Option<IpAddr>, is_trusted: &dyn Fn(Option<IpAddr>) -> bool) -> Option<IpAddr> {
        let mut last = None;
        for address in self.clients.iter().rev().take(MOST_HOPS) {
            let address = (*address)?;
            let is_seen_here = last.or(peer).is_none_or(|proxy: IpAddr| proxy.is_loopback());
            if address.is_loopback() && !is_seen_here {
                break;
            }
            last = Some(address);
            if !is_trusted(last) {
                break;
            }
        }
        last
    }
}

/// What the headers say, `None` where they say nothing. Two that disagree make no sense: one of them may be the client's own.
fn of_headers(headers: &HeaderMap) -> Result<Option<Forwarded>, ApiError> {
    let (standard, usual) = (of_standard(headers), of_usual(headers));
    match (standard, usual) {
        (Some(standard), Some(usual)) if standard.clients.last() != usual.clients.last() => Err(ApiError::BadRequest(
            "Forwarded and X-Forwarded-For name different clients; the proxy must remove the one that it does not set"
                .to_owned(),
        )),
        (standard, usual) => Ok(usual.or(standard)),
    }
}

/// `X-Forwarded-For`, `-Proto` and `-Host`.
fn of_usual(headers: &HeaderMap) -> Option<Forwarded> {
    let values = |name: &str| -> Vec<String> {
        let all = headers.get_all(name).filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(',')).map(|value| value.trim().to_owned()).collect()
    };
    let (clients, scheme, host) = (values("x-forwarded-for"), values("x-forwarded-proto"), values("x-forwarded-host"));
    if clients.is_empty() && scheme.is_empty() && host.is_empty() {
        return None;
    }
    Some(Forwarded {
        clients: clients.iter().map(|text| address(text)).collect(),
        is_secure: scheme.last().and_then(|scheme| is_secure(scheme)),
        host: host.into_iter().next_back().filter(|host| !host.is_empty()),
    })
}

/// `Forwarded` (RFC 7239).
fn of_standard(headers: &HeaderMap) -> Option<Forwarded> {
    let mut found: Option<Forwarded> = None;
    for element in
        headers.get_all("forwarded").filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
    {
        let pair = |name: &str| {
            element.split(';').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
            })
        };
        let mut clients = found.map(|found| found.clients).unwrap_or_default();
        clients.push(pair("for").and_then(address));
        found = Some(Forwarded {
            clients,
            is_secure: pair("proto").and_then(is_secure),
            host: pair("host").map(ToOwned::to_owned),
        });
    }
    found
}

fn is_secure(scheme: &str) -> Option<bool> {
    match &*scheme.to_ascii_lowercase() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    origin::host_name(text)?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The host that a client called, for addresses that it is told: what a trusted proxy says, else `Host`.
pub fn outer_host(req: &HttpRequest, client: &Client) -> String {
    let host = || req.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    client.host.clone().unwrap_or_else(host)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn client_of(all: &[(&'static str, &'static str)]) -> String {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|text| match text.split_once('/') {
            Some((address, bits)) => {
                TrustedProxy::Network { address: address.parse().unwrap(), bits: bits.parse().unwrap() }
            }
            None => TrustedProxy::Unix,
        });
        let forwarded = of_headers(&headers(all)).unwrap().unwrap();
        let is_trusted = |peer: Option<IpAddr>| trusted.iter().any(|proxy| proxy.is(peer));
        let client =
            forwarded.client(Some([127, 0, 0, 1].into()), &is_trusted).map(|ip| ip.to_string()).unwrap_or_default();
        let scheme = forwarded.is_secure.map_or("-", |is| if is { "https" } else { "http" });
        format!("{client} {scheme} {}", forwarded.host.unwrap_or_default())
    }

    #[test]
    fn the_client_is_who_the_outermost_trusted_proxy_saw() {
        for (sent, expected) in [
            (&[("x-forwarded-for", "192.0.2.1")][..], "192.0.2.1 - "),
            (&[("x-forwarded-for", "127.0.0.1, 192.0.2.1")], "192.0.2.1 - "),
            (&[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.1")], "192.0.2.1 - "),
            (&[("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.9")], "192.0.2.1 - "),
            (&[("x-forwarded-for", "10.0.0.7, 10.0.0.9")], "10.0.0.7 - "),
            (&[("x-forwarded-for", "192.0.2.1:4711")], "192.0.2.1 - "),
            (&[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1 - "),
            (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1 - "),
            (&[("x-forwarded-for", "192.0.2.1, unknown")], " - "),
            (
                &[("x-forwarded-proto", "http, https"), ("x-forwarded-host", "evil, mon.example:8443")],
                " https mon.example:8443",
            ),
            (&[("forwarded", "for=192.0.2.1;proto=https;host=mon.example")], "192.0.2.1 https mon.example"),
            (&[("forwarded", "for=127.0.0.1, For=\"[2001:db8::1]:4711\"; Proto=HTTP")], "2001:db8::1 http "),
            (&[("forwarded", "for=_hidden")], " - "),
            (&[("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.1")], "192.0.2.1 - "),
        ] {
            assert_eq!(client_of(sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn two_headers_that_disagree_are_refused() {
        for sent in [
            [("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "192.0.2.1")],
            [("forwarded", "for=192.0.2.1"), ("x-forwarded-proto", "https")],
        ] {
            assert!(of_headers(&headers(&sent)).is_err(), "{sent:?}");
        }
        assert_eq!(of_headers(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn what_is_local_to_a_proxy_elsewhere_is_not_local() {
        let forwarded = |list| of_headers(&headers(&[("x-forwarded-for", list)])).unwrap().unwrap();
        let elsewhere = Some(IpAddr::from([10, 0, 0, 9]));
        let client = |list, peer| {
            forwarded(list).client(peer, &|peer| peer.is_none_or(|ip| ip.is_loopback() || Some(ip) == elsewhere))
        };
        for (list, seen_here, seen_elsewhere) in [
            ("127.0.0.1", Some("127.0.0.1"), None),
            ("::1", Some("::1"), None),
            ("127.0.0.1, 10.0.0.9", Some("10.0.0.9"), Some("10.0.0.9")),
            ("127.0.0.1, 127.0.0.1", Some("127.0.0.1"), None),
            ("192.0.2.1", Some("192.0.2.1"), Some("192.0.2.1")),
        ] {
            let told = |peer| client(list, peer).map(|ip| ip.to_string());
            assert_eq!(told(Some([127, 0, 0, 1].into())).as_deref(), seen_here, "{list}");
            assert_eq!(told(None).as_deref(), seen_here, "{list} over a UNIX socket");
            assert_eq!(told(elsewhere).as_deref(), seen_elsewhere, "{list}");
        }
    }

    #[test]
    fn a_long_list_is_walked_so_far() {
        let mut all = HeaderMap::new();
        let list = format!("192.0.2.1{}", ", 10.0.0.1".repeat(1_000));
        all.insert(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(&list).unwrap());
        let forwarded = of_headers(&all).unwrap().unwrap();
        assert_eq!(forwarded.client(None, &|_| true), Some(IpAddr::from([10, 0, 0, 1])));
    }
}
