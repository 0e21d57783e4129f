//! What is set for a proxy before us: whom to believe what they forward, and below which path we stand. Called by
//! [`super::Config`]; `server` compares.

use std::net::IpAddr;

use super::complaint;
use crate::error::StartupError;

/// A proxy whose word counts for who its clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Every address whose first bits are these.
    Network {
        /// The address.
        address: IpAddr,
        /// How many bits count.
        bits: u8,
    },
    /// Whoever may open our UNIX sockets.
    Unix,
}

impl TrustedProxy {
    /// Whether a peer at `address` is this proxy; `None` for one on a UNIX socket.
    pub fn is(self, peer: Option<IpAddr>) -> bool {
        match (self, peer.map(|ip| ip.to_canonical())) {
            (Self::Unix, None) => true,
            (Self::Network { address: IpAddr::V4(own), bits }, Some(IpAddr::V4(ip))) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(bits)
            }
            (Self::Network { address: IpAddr::V6(own), bits }, Some(IpAddr::V6(ip))) => {
                (own.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(bits)
            }
            _ => false,
        }
    }
}

/// `ADDRESS`, `ADDRESS/PREFIX` or `unix`.
pub(super) fn parse_trusted(text: &str) -> Result<TrustedProxy, StartupError> {
    let wrong = || complaint("--trusted-proxy", text, "it must be an address, a network as 10.0.0.0/8, or unix");
    let text = text.trim();
    if text.eq_ignore_ascii_case("unix") {
        return Ok(TrustedProxy::Unix);
    }
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most)).ok_or_else(wrong)?;
    Ok(TrustedProxy::Network { address, bits })
}

/// A path as `/monitor`, without a slash at its end; empty for none.
pub(super) fn parse_base_path(text: &str) -> Result<String, StartupError> {
    let path = text.trim().trim_end_matches('/');
    let is_well = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'))
    };
    match path.strip_prefix('/') {
        None if path.is_empty() => Ok(String::new()),
        Some(parts) if parts.split('/').all(is_well) => Ok(path.to_owned()),
        _ => Err(complaint("--base-path", text, "it must be a path as /monitor, of letters, digits and - _ . ~")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
        ] {
            let proxy = parse_trusted(network).unwrap();
            assert!(proxy.is(Some(inside.parse().unwrap())), "{network} has {inside}");
            assert!(!proxy.is(Some(outside.parse().unwrap())), "{network} has not {outside}");
            assert!(!proxy.is(None));
        }
        let unix = parse_trusted("unix").unwrap();
        assert!(unix.is(None) && !unix.is(Some(IpAddr::from([127, 0, 0, 1]))));
        for text in ["", "proxy", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "1.2.3.4:80"] {
            assert!(parse_trusted(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_path_has_no_slash_at_its_end() {
        for (text, path) in [("", ""), ("/", ""), ("/monitor", "/monitor"), ("/a/b-c_d.e~/", "/a/b-c_d.e~")] {
            assert_eq!(parse_base_path(text).unwrap(), path);
        }
        for text in ["monitor", "/a//b", "/a/../b", "/a b", "/a?b", "//", "/%41", "/{x}"] {
            assert!(parse_base_path(text).is_err() == (text != "//"), "{text}");
        }
    }
}
