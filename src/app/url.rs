//! The addresses that are printed at the start: where a browser finds the server from here and from other machines.

use std::net::{IpAddr, SocketAddr};

use crate::collect::{self, Paths};
use crate::config::Listen;
use crate::model::network::Link;

/// Most addresses that are told; a host of containers has hundreds.
const MOST: usize = 8;

/// `IFF_UP` and `IFF_LOOPBACK` of netdevice(7).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;

/// `http://NAME:PORT/`, or https, of the first listener, by name where it was given one; a wildcard is reachable as localhost.
pub fn own(scheme: &str, first: Option<&Listen>, addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    first.map_or_else(|| format!("{scheme}://localhost:{port}/"), |listen| listen.url(scheme, port))
}

/// Every further address that is listened on: those that the first listener's name does not mean. Wildcards are told by
/// [`outside`].
pub fn further(scheme: &str, first: Option<&Listen>, addresses: &[SocketAddr]) -> Vec<String> {
    let port = addresses.first().map(SocketAddr::port);
    let is_first = |address: &SocketAddr| {
        Some(address.port()) == port
            && first.is_some_and(|first| first.addresses.iter().any(|a| a.ip() == address.ip()))
    };
    let told = addresses.iter().filter(|address| !address.ip().is_unspecified() && !is_first(address));
    told.map(|address| format!("{scheme}://{address}/")).collect()
}

/// What a wildcard means to other machines: this machine's addresses now. Empty where no listener is one.
pub fn outside(scheme: &str, addresses: &[SocketAddr]) -> Vec<String> {
    if !addresses.iter().any(|address| address.ip().is_unspecified()) {
        return Vec::new();
    }
    match collect::links(&Paths::host()) {
        Ok(links) => urls(scheme, addresses, &links),
        Err(error) => {
            log::debug!("this machine's addresses are unknown: {error}");
            Vec::new()
        }
    }
}

fn urls(scheme: &str, listening: &[SocketAddr], links: &[Link]) -> Vec<String> {
    let is_outward = |link: &&Link| link.flags.is_some_and(|flags| flags & UP != 0 && flags & LOOPBACK == 0);
    let ips: Vec<IpAddr> =
        links.iter().filter(is_outward).flat_map(|link| link.addresses.iter().flatten()).map(|a| a.ip).collect();
    // A link-local address is worth nothing without the name of the other machine's interface.
    let is_told = |ip: &&IpAddr| !matches!(ip, IpAddr::V6(six) if six.is_unicast_link_local());
    let wildcards = listening.iter().filter(|address| address.ip().is_unspecified());
    let places = wildcards.flat_map(|wildcard| {
        let same_family = ips.iter().filter(|ip| ip.is_ipv4() == wildcard.is_ipv4()).filter(is_told);
        same_family.map(|ip| SocketAddr::new(*ip, wildcard.port()))
    });
    places.take(MOST).map(|place| format!("{scheme}://{place}/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Way;
    use crate::model::network::Address;

    fn link(flags: u32, addresses: &[&str]) -> Link {
        let address = |ip: &&str| Address { ip: ip.parse().unwrap(), prefix_length: 24 };
        let addresses = addresses.iter().map(address).collect();
        Link { flags: Some(flags), addresses: Some(addresses), ..Link::default() }
    }

    fn listening(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn a_wildcard_is_told_by_the_addresses_of_its_family() {
        let links = [
            link(UP | LOOPBACK, &["127.0.0.1", "::1"]),
            link(UP, &["192.0.2.7", "fe80::1", "2001:db8::7"]),
            link(0, &["198.51.100.1"]),
        ];
        let told = |all: &[&str]| urls("http", &listening(all), &links);
        assert_eq!(told(&["0.0.0.0:80"]), ["http://192.0.2.7:80/"]);
        assert_eq!(told(&["[::]:80"]), ["http://[2001:db8::7]:80/"]);
        assert_eq!(told(&["127.0.0.1:1", "0.0.0.0:2", "[::]:3"]), ["http://192.0.2.7:2/", "http://[2001:db8::7]:3/"]);
        assert!(told(&["127.0.0.1:80", "192.0.2.7:81"]).is_empty(), "what was named needs no telling");
    }

    #[test]
    fn a_host_of_containers_tells_a_few() {
        let links: Vec<Link> = (0..99).map(|at| link(UP, &[&format!("10.0.0.{at}")])).collect();
        let told = urls("https", &listening(&["0.0.0.0:443"]), &links);
        assert_eq!((told.len(), told[0].as_str()), (MOST, "https://10.0.0.0:443/"));
    }

    #[test]
    fn what_the_first_name_does_not_mean_is_told_as_well() {
        let first =
            |host: &str, all: &[&str]| Listen { host: host.into(), addresses: listening(all), way: Way::Addresses };
        let told = |first: &Listen, all: &[&str]| further("http", Some(first), &listening(all));
        let local = first("localhost", &["127.0.0.1:0", "[::1]:0"]);
        assert!(told(&local, &["127.0.0.1:4500", "[::1]:4500"]).is_empty());
        assert_eq!(
            told(&local, &["127.0.0.1:4500", "[::1]:4500", "127.0.0.1:3000", "192.0.2.7:4500", "0.0.0.0:80"]),
            ["http://127.0.0.1:3000/", "http://192.0.2.7:4500/"]
        );
        let many: Vec<String> = (1..40).map(|port| format!("127.0.0.1:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            told(&first("127.0.0.1", &many[..1]), &many).len(),
            38,
            "what was named is told, however much it is"
        );
    }

    #[test]
    fn the_first_listener_by_its_name() {
        let own = |host: &str| {
            let listen = Listen { host: host.into(), addresses: Vec::new(), way: Way::Addresses };
            own("http", Some(&listen), &listening(&["127.0.0.1:4500"]))
        };
        assert_eq!(own("localhost"), "http://localhost:4500/");
        assert_eq!(own("0.0.0.0"), "http://localhost:4500/");
        assert_eq!(own("::1"), "http://[::1]:4500/");
        assert_eq!(own("192.0.2.7"), "http://192.0.2.7:4500/");
    }
}
