//! Host names and origins as text: taking them apart and comparing them. Used for what is typed ([`crate::config`]) and
//! for what is sent ([`crate::server`]).

use std::net::IpAddr;

/// The host of an authority without its port and without the brackets of IPv6. `None` when it is not one.
#[must_use]
pub fn host_name(authority: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let host = without_zone(host)?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, rest)
    } else if authority.parse::<std::net::Ipv6Addr>().is_ok() {
        (authority, "")
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let host = &authority[..end];
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(allowed) {
            return None;
        }
        (host, &authority[end..])
    };
    let port_is_well = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    port_is_well.then_some(host)
}

/// An IPv6 address without its zone, `fe80::1%25eth0` (RFC 6874) or `fe80::1%eth0` as many programs write it. The zone
/// says which way the client went and nothing about us.
fn without_zone(host: &str) -> Option<&str> {
    let Some((address, zone)) = host.split_once('%') else { return Some(host) };
    let zone = zone.strip_prefix("25").unwrap_or(zone);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~');
    (!zone.is_empty() && zone.bytes().all(allowed)).then_some(address)
}

/// Whether a host name, without port and brackets, can only mean this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || host.len() > 10 && host[host.len() - 10..].eq_ignore_ascii_case(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// An origin taken apart. Two are equal when a browser calls them the same origin.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    scheme: &'a str,
    /// Host without port and brackets.
    pub host: &'a str,
    port: u16,
}

impl<'a> Origin<'a> {
    /// `scheme://host[:port]`. `null` and anything else is `None`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let host = host_name(authority)?;
        let default = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return None,
        };
        let after_host = match authority.rsplit_once(']') {
            Some((_, rest)) => rest,
            None => authority.get(host.len()..)?,
        };
        let port = match after_host.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => default,
        };
        Some(Self { scheme, host, port })
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.port == other.port
            && (self.host.eq_ignore_ascii_case(other.host)
                || self.host.parse::<IpAddr>().is_ok_and(|ip| other.host.parse() == Ok(ip)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_its_port_and_brackets() {
        for (authority, host) in [
            ("localhost:4500", Some("localhost")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]:4500", Some("::1")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("a:b", None),
            ("a:1:2", None),
            ("", None),
            ("a/b", None),
            ("user@localhost", None),
            ("[evil]", None),
            ("[fe80::1%25eth0]:4500", Some("fe80::1")),
            ("[fe80::1%eth0.7]", Some("fe80::1")),
            ("[fe80::1%]", None),
            ("[fe80::1%25]", None),
            ("[fe80::1%a/b]", None),
            ("[fe80::1%a%b]", None),
            ("[localhost%25eth0]", None),
            ("localhost%25eth0", None),
        ] {
            assert_eq!(host_name(authority), host, "{authority}");
        }
    }

    #[test]
    fn only_what_can_be_nothing_else_is_loopback() {
        for host in ["localhost", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1", "127.8.9.1", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.test", "evil-localhost", "127.0.0.1.evil.test", "128.0.0.1", "::2", "0.0.0.0"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn origins_compare_as_in_a_browser() {
        assert_eq!(Origin::parse("http://Localhost"), Origin::parse("http://localhost:80"));
        assert_ne!(Origin::parse("http://localhost"), Origin::parse("https://localhost"));
        assert_ne!(Origin::parse("http://localhost:1"), Origin::parse("http://localhost:2"));
        assert_eq!(Origin::parse("http://[::1]:8"), Origin::parse("http://[0:0:0:0:0:0:0:1]:8"));
        assert_eq!(Origin::parse("http://[fe80::1%25eth0]:8"), Origin::parse("http://[fe80::1]:8"));
        for text in ["null", "", "file://", "ftp://localhost", "http://", "http://a/b", "http://u@localhost"] {
            assert!(Origin::parse(text).is_none(), "{text}");
        }
    }
}
