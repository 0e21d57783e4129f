//! Where to listen: `--listen`, or `--address` and `--port`, resolved into addresses.
//!
//! Called by [`super::Config`] at the start; asks the resolver for names that are no addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::complaint;
use super::socket::{self, Way};
use crate::error::StartupError;

/// One `--listen`, or the pair of `--address` and `--port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// As typed, for messages.
    pub host: String,
    /// All addresses of the host, each with the port. Empty for UNIX sockets.
    pub addresses: Vec<SocketAddr>,
    /// How the socket comes to be.
    pub way: Way,
}

impl Listen {
    /// `SCHEME://NAME:PORT/`, by name where it was given one; a wildcard is reachable as localhost.
    pub fn url(&self, scheme: &str, port: u16) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => format!("{scheme}://localhost:{port}/"),
            Ok(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{port}/"),
            _ => format!("{scheme}://{}:{port}/", self.host),
        }
    }
}

/// `ADDRESS:PORT`, with IPv6 addresses in brackets, or `unix:PATH`.
pub(super) fn parse_listen(text: &str) -> Result<Listen, StartupError> {
    if let Some(unix) = socket::parse_unix(text) {
        return unix;
    }
    let wrong =
        || complaint("--listen", text, "it must be ADDRESS:PORT, as 127.0.0.1:4500 or [::1]:4500, or unix:PATH");
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
        return Err(wrong());
    }
    resolve("--listen", host, port)
}

/// All addresses of a host, IPv4 first. `localhost` means both loopback addresses, whatever the resolver says.
pub(super) fn resolve(flag: &str, host: &str, port: u16) -> Result<Listen, StartupError> {
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
    let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    Ok(Listen { host: bare.to_owned(), addresses, way: Way::Addresses })
}
