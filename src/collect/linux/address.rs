//! Addresses of the network interfaces.
//!
//! They come from getifaddrs(3) while the roots are this machine's own. Under another root they are those of
//! `/proc/net/if_inet6`; the kernel has no file from which the IPv4 addresses of an interface could be read. Not sysinfo: it
//! loses their order.
//!
//! On the live machine they are asked for again when the kernel has announced a change ([`super::link_watch`]), and every
//! sixteenth time: the whole list, in which a host of containers has thousands, changes a few times a day.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use nix::sys::socket::SockaddrStorage;

use super::Paths;
use super::file::{optional, read_error, read_text};
use super::lines::{Bad, Taken, walk};
use super::link_watch::{ADDRESSES, Announcements};
use crate::model::network::{Address, RawAddresses};
use crate::model::{Faults, Reading};

/// Passes from one time that all are asked for to the next.
const FULL_READING: u32 = 16;

/// Keeps what it was told.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    announcements: Announcements,
    last: Option<RawAddresses>,
    pass: u32,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let announcements = if paths.is_live() { Announcements::Ahead(ADDRESSES) } else { Announcements::Absent };
        Self { paths: paths.clone(), announcements, last: None, pass: 0 }
    }

    /// Every address, in the kernel's order.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<RawAddresses> {
        // Looked at first: what changes while the list is read is announced for the next time.
        let is_quiet = self.announcements.were_none();
        let is_full = self.pass.is_multiple_of(FULL_READING);
        self.pass = self.pass.wrapping_add(1);
        if let Some(last) = self.last.take().filter(|_| is_quiet && !is_full) {
            return Ok(self.last.insert(last).clone());
        }
        let list = read(&self.paths, faults)?;
        if !matches!(self.announcements, Announcements::Absent) {
            self.last = Some(list.clone());
        }
        Ok(list)
    }
}

/// Every address, in the kernel's order.
pub fn read(paths: &Paths, faults: &mut Faults) -> Reading<RawAddresses> {
    let list = if paths.is_live() { live_addresses() } else { file_addresses(&paths.net("if_inet6"), faults) };
    Ok(RawAddresses(list?))
}

/// getifaddrs(3): the IPv4 and IPv6 addresses in the order of the kernel's dump, with their interface.
fn live_addresses() -> Reading<Vec<(String, Address)>> {
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
        list.push((name, Address { ip, prefix_length: u8::try_from(bits).unwrap_or(0) }));
    }
    Ok(list)
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
    four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
}

/// `/proc/net/if_inet6`, absent on a kernel without IPv6.
fn file_addresses(path: &Path, faults: &mut Faults) -> Reading<Vec<(String, Address)>> {
    optional(read_text(path))?.map_or_else(|| Ok(Vec::new()), |text| parse_inet6(path, &text, faults))
}

/// Lines of `address index prefix scope flags name`, all but the name hexadecimal:
/// `fe8000000000000000fc00fffe000001 04 40 20 80     eth0`. Without an address the file is empty.
fn parse_inet6(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<(String, Address)>> {
    let mut list = Vec::new();
    if text.trim_ascii().is_empty() {
        return Ok(list);
    }
    walk(path, text, faults, |_, line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [address, _, prefix, _, _, name] = words[..] else {
            return Err(Bad::found("an address, four numbers and a name", line));
        };
        let bits = u128::from_str_radix(address, 16).ok().filter(|_| address.len() == 32);
        let length = u8::from_str_radix(prefix, 16).ok().filter(|length| *length <= 128);
        let (Some(bits), Some(prefix_length)) = (bits, length) else {
            return Err(Bad::found("32 hexadecimal digits and a prefix length of at most 80", line));
        };
        list.push((name.to_owned(), Address { ip: Ipv6Addr::from_bits(bits).into(), prefix_length }));
        Ok(Taken::Value)
    })?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{laptop, partial, whole};
    use crate::model::ReadError;

    #[test]
    fn inet6_lines_are_read() {
        let text = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n";
        let list = whole(|faults| parse_inet6(Path::new("if_inet6"), text, faults)).unwrap();
        assert_eq!(list[0], ("eth0".into(), Address { ip: "fe80::fc:ff:fe00:1".parse().unwrap(), prefix_length: 64 }));
        assert_eq!(list[1], ("lo".into(), Address { ip: "::1".parse().unwrap(), prefix_length: 128 }));
        assert_eq!(whole(|faults| parse_inet6(Path::new("if_inet6"), "", faults)), Ok(Vec::new()));
    }

    #[test]
    fn a_bad_line_of_inet6_costs_its_own_address() {
        for bad in ["garbage", "fe80 04 40 20 80 eth0", "fe8000000000000000fc00fffe000001 04 81 20 80 eth0", "\u{fffd}"]
        {
            let text = format!("00000000000000000000000000000001 01 80 10 80       lo\n{bad}\n");
            let (list, told) = partial(|faults| parse_inet6(Path::new("if_inet6"), &text, faults));
            assert_eq!(list.len(), 1);
            assert!(told.starts_with("if_inet6:2: "), "{bad}: {told}");
            let alone = whole(|faults| parse_inet6(Path::new("if_inet6"), bad, faults));
            assert!(matches!(alone, Err(ReadError::Parse { line: 1, .. })), "{bad}: {alone:?}");
        }
    }

    #[test]
    fn they_are_asked_for_again_when_something_was_announced_and_now_and_then() {
        let marked =
            || RawAddresses(vec![("kept".to_owned(), Address { ip: [192, 0, 2, 1].into(), prefix_length: 24 })]);
        let mut reader = Reader::new(&Paths::host());
        let mut read = |is_announced: bool| {
            if is_announced {
                reader.announcements = Announcements::Ahead(ADDRESSES);
            }
            reader.last = Some(marked());
            let pass = reader.pass;
            let list = reader.read(&mut Faults::default()).unwrap();
            assert!(list == marked() || list.0.iter().any(|(name, _)| name == "lo"), "{list:?}");
            (pass, list == marked())
        };
        assert_eq!(read(false), (0, false), "the first time");
        // Addresses of this machine may come and go meanwhile; some moment is quiet.
        let kept: Vec<(u32, bool)> = (0..200).map(|_| read(false)).collect();
        assert!(kept.iter().any(|(_, is_kept)| *is_kept), "{kept:?}");
        assert!(kept.iter().all(|(pass, is_kept)| !is_kept || pass % FULL_READING != 0), "{kept:?}");
        // The first look after the listening began counts as an announcement.
        assert!((0..20).all(|_| !read(true).1));
        // Another root announces nothing.
        let mut reader = Reader::new(&laptop());
        reader.last = Some(marked());
        assert_ne!(reader.read(&mut Faults::default()).unwrap(), marked());
    }

    #[test]
    fn this_machine_has_the_addresses_of_its_loopback_and_of_the_file() {
        let has = |list: &RawAddresses, name: &str, ip: &str, prefix_length| {
            list.0.contains(&(name.to_owned(), Address { ip: ip.parse().unwrap(), prefix_length }))
        };
        let list = read(&Paths::host(), &mut Faults::default()).unwrap();
        assert!(has(&list, "lo", "127.0.0.1", 8), "{list:?}");
        // An interface may come or go between the two readings.
        let agree = || {
            let list = read(&Paths::host(), &mut Faults::default()).unwrap().0;
            whole(|faults| file_addresses(Path::new("/proc/net/if_inet6"), faults))
                .unwrap()
                .iter()
                .all(|address| list.contains(address))
        };
        assert!((0..20).any(|_| agree()));
        let list = read(&laptop(), &mut Faults::default()).unwrap();
        assert!(has(&list, "eth0", "2001:db8:0:1::10", 64) && has(&list, "eth0", "fe80::ff:fe12:3401", 64), "{list:?}");
    }
}
