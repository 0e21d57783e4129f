//! What the network interfaces are: flags, MTU, MAC, speed from `/sys/class/net`, and their addresses.
//!
//! Called by [`super::Collector`] while somebody watches interfaces; counters are [`super::network`]'s. Not sysinfo: it
//! tells neither index nor flags, speed or duplex, and loses the order of the addresses.
//!
//! Addresses come from getifaddrs(3) while the roots are this machine's own. Under another root they are those of
//! `/proc/net/if_inet6`; the kernel has no file from which the IPv4 addresses of an interface could be read.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::SockaddrStorage;

use super::Paths;
use super::attributes::{KeptDir, KeptDirs};
use super::file::{optional, parse_error, read_error, read_text};
use crate::model::Reading;
use crate::model::network::{RawAddress, RawLink};

/// The files of an interface, in the order in which [`read_link`] takes them.
const FILES: [&str; 7] = ["ifindex", "flags", "mtu", "address", "operstate", "speed", "duplex"];

/// Reads `/sys/class/net/*` and the address lists.
#[derive(Debug)]
pub struct Reader {
    interfaces: KeptDirs,
    inet6: PathBuf,
    live: bool,
    names: Vec<Arc<str>>,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            interfaces: KeptDirs::new(paths.sys("class/net"), &FILES),
            inet6: paths.proc("net/if_inet6"),
            live: paths.is_live(),
            names: Vec::new(),
        }
    }

    /// Every interface, by index. One that vanishes while it is read is left out.
    pub fn read(&mut self) -> Reading<Vec<RawLink>> {
        let names = &self.names;
        let mut list = self.interfaces.read(|name, files| {
            let kept = names.iter().find(|kept| ***kept == *name);
            read_link(kept.map_or_else(|| Arc::from(name), Arc::clone), files)
        })?;
        list.sort_by_key(|link| link.index);
        self.names = list.iter().map(|link| Arc::clone(&link.name)).collect();
        let addresses = if self.live { live_addresses()? } else { file_addresses(&self.inet6)? };
        for (name, address) in addresses {
            if let Some(link) = list.iter_mut().find(|link| *link.name == *name) {
                link.addresses.push(address);
            }
        }
        Ok(list)
    }
}

/// One interface from its files. What the driver does not know, or fails to tell (`EINVAL` of `speed` while the interface
/// is down), is `None`; so is the whole where there is no index: the interface has gone.
fn read_link(name: Arc<str>, files: &KeptDir) -> Option<RawLink> {
    let word = |file: usize| {
        let text = files.text(file)?;
        Some(text.trim().to_owned()).filter(|word| !word.is_empty())
    };
    Some(RawLink {
        name,
        index: word(0)?.parse().ok()?,
        flags: word(1).and_then(|text| parse_flags(&text)),
        mtu_bytes: word(2).and_then(|text| text.parse().ok()),
        mac: word(3).filter(|mac| is_hardware_address(mac)),
        operational_state: word(4),
        // -1: the driver does not know. It does not parse as unsigned.
        speed_megabits: word(5).and_then(|text| text.parse().ok()).filter(|speed| *speed != u64::from(u32::MAX)),
        duplex: word(6).filter(|duplex| duplex != "unknown"),
        addresses: Vec::new(),
    })
}

/// `flags`: hexadecimal with `0x` in front.
fn parse_flags(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// Loopback and tunnels have an address of zeros, or none.
fn is_hardware_address(mac: &str) -> bool {
    mac.bytes().any(|byte| !matches!(byte, b'0' | b':'))
}

/// getifaddrs(3): the IPv4 and IPv6 addresses in the order of the kernel's dump, with their interface.
fn live_addresses() -> Reading<Vec<(String, RawAddress)>> {
    let fail = |error: nix::Error| read_error(Path::new("getifaddrs"), &error.into());
    let mut list = Vec::new();
    for entry in nix::ifaddrs::getifaddrs().map_err(fail)? {
        let Some(ip) = entry.address.as_ref().and_then(ip_of) else { continue };
        let bits = match entry.netmask.as_ref().and_then(ip_of) {
            Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
            None => {
                if ip.is_ipv4() {
                    32
                } else {
                    128
                }
            }
        };
        // The C library gives an IPv4 address under its label, which may be `eth0:1`; the interface is `eth0`.
        let name = entry.interface_name.split(':').next().unwrap_or_default().to_owned();
        list.push((name, RawAddress { ip, prefix_length: u8::try_from(bits).unwrap_or(0) }));
    }
    Ok(list)
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
    four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
}

/// `/proc/net/if_inet6`, absent on a kernel without IPv6.
fn file_addresses(path: &Path) -> Reading<Vec<(String, RawAddress)>> {
    optional(read_text(path))?.map_or_else(|| Ok(Vec::new()), |text| parse_inet6(path, &text))
}

/// Lines of `address index prefix scope flags name`, all but the name hexadecimal:
/// `fe8000000000000000fc00fffe000001 04 40 20 80     eth0`.
fn parse_inet6(path: &Path, text: &str) -> Reading<Vec<(String, RawAddress)>> {
    let mut list = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [address, _, prefix, _, _, name] = words[..] else {
            return Err(parse_error(path, at + 1, "expected an address, four numbers and a name"));
        };
        let bits = u128::from_str_radix(address, 16).ok().filter(|_| address.len() == 32);
        let length = u8::from_str_radix(prefix, 16).ok().filter(|length| *length <= 128);
        let (Some(bits), Some(prefix_length)) = (bits, length) else {
            return Err(parse_error(path, at + 1, "expected 32 hexadecimal digits and a prefix length of at most 80"));
        };
        list.push((name.to_owned(), RawAddress { ip: Ipv6Addr::from_bits(bits).into(), prefix_length }));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::ReadError;

    #[test]
    fn flags_are_hexadecimal() {
        assert_eq!(parse_flags("0x1003"), Some(0x1003));
        assert_eq!(parse_flags("0x1ffffffff"), None);
        assert_eq!(parse_flags("up"), None);
    }

    #[test]
    fn zeros_are_no_hardware_address() {
        assert!(!is_hardware_address("00:00:00:00:00:00"));
        assert!(!is_hardware_address("00:00:00:00"));
        assert!(is_hardware_address("00:00:00:00:00:10"));
    }

    #[test]
    fn inet6_lines_are_read() {
        let text = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n";
        let list = parse_inet6(Path::new("if_inet6"), text).unwrap();
        assert_eq!(
            list[0],
            ("eth0".into(), RawAddress { ip: "fe80::fc:ff:fe00:1".parse().unwrap(), prefix_length: 64 })
        );
        assert_eq!(list[1], ("lo".into(), RawAddress { ip: "::1".parse().unwrap(), prefix_length: 128 }));
        assert_eq!(parse_inet6(Path::new("if_inet6"), ""), Ok(Vec::new()));
    }

    #[test]
    fn inet6_garbage_is_told_with_its_line() {
        for bad in ["garbage", "fe80 04 40 20 80 eth0", "fe8000000000000000fc00fffe000001 04 81 20 80 eth0", "\u{fffd}"]
        {
            let text = format!("00000000000000000000000000000001 01 80 10 80       lo\n{bad}\n");
            let error = parse_inet6(Path::new("if_inet6"), &text).unwrap_err();
            assert!(matches!(error, ReadError::Parse { line: 2, .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn a_folder_with_nothing_but_an_index_is_a_link_of_unknowns() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = Paths::host();
        (paths.procfs, paths.sysfs) = (dir.path().join("proc"), dir.path().join("sys"));
        let folder = paths.sys("class/net/x0");
        fs::create_dir_all(&folder).unwrap();
        fs::write(paths.sys("class/net/bonding_masters"), "bond0\n").unwrap();
        for (file, text) in [("ifindex", "7\n"), ("speed", "-1\n"), ("duplex", "unknown\n"), ("address", "\n")] {
            fs::write(folder.join(file), text).unwrap();
        }
        let list = Reader::new(&paths).read().unwrap();
        let unknown = RawLink {
            name: "x0".into(),
            index: 7,
            flags: None,
            mtu_bytes: None,
            mac: None,
            operational_state: None,
            speed_megabits: None,
            duplex: None,
            addresses: Vec::new(),
        };
        assert_eq!(list, [unknown]);
        paths.sysfs = dir.path().join("none");
        assert!(matches!(Reader::new(&paths).read(), Err(ReadError::Unsupported { .. })));
    }

    #[test]
    fn this_machine_has_its_loopback_and_the_addresses_of_the_file() {
        let list = Reader::new(&Paths::host()).read().unwrap();
        let loopback = list.iter().find(|link| &*link.name == "lo").unwrap();
        assert_eq!((loopback.index, loopback.mac.as_deref()), (1, None));
        assert_eq!(loopback.flags.map(|flags| flags & 8), Some(8), "IFF_LOOPBACK");
        let has =
            |ip: &str, length| loopback.addresses.iter().any(|a| a.ip.to_string() == ip && a.prefix_length == length);
        assert!(has("127.0.0.1", 8), "{loopback:?}");
        // An interface may come or go between the two readings.
        let agree = || {
            let list = Reader::new(&Paths::host()).read().unwrap();
            let is_there = |(name, address): (String, RawAddress)| {
                list.iter().any(|link| *link.name == *name && link.addresses.contains(&address))
            };
            file_addresses(Path::new("/proc/net/if_inet6")).unwrap().into_iter().all(is_there)
        };
        assert!((0..20).any(|_| agree()));
    }

    #[test]
    fn the_laptop_has_five_links() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/machine");
        let paths = Paths { procfs: fixture.join("proc"), sysfs: fixture.join("sys"), ..Paths::host() };
        let list = Reader::new(&paths).read().unwrap();
        assert_eq!(
            list.iter().map(|l| &*l.name).collect::<Vec<_>>(),
            ["lo", "eth0", "wlan0", "docker0", "enp0s20f0u1"]
        );
        let speeds: Vec<_> = list.iter().map(|link| link.speed_megabits).collect();
        assert_eq!(speeds, [None, Some(1000), None, Some(10_000), None]);
        assert_eq!(
            (list[1].flags, list[1].mtu_bytes, list[1].duplex.as_deref()),
            (Some(0x1003), Some(1500), Some("full"))
        );
        assert_eq!((list[0].mac.as_deref(), list[1].mac.as_deref()), (None, Some("02:00:00:12:34:01")));
        assert_eq!(list[4].operational_state.as_deref(), Some("down"));
        let addresses: Vec<_> = list[1].addresses.iter().map(|a| format!("{}/{}", a.ip, a.prefix_length)).collect();
        assert_eq!(addresses, ["2001:db8:0:1::10/64", "fe80::ff:fe12:3401/64"]);
    }
}
