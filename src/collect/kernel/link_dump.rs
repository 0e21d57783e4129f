//! Whether anything about an interface has changed: rtnetlink(7)'s description of each, as bytes, beside the last one.
//!
//! Used by [`super::netclass`], which leaves files alone whose content the kernel describes in the same words as before: one
//! dump costs a quarter of reading them all. Nothing in the description is interpreted but the interface's number; its
//! counters, which always change, are left out.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `RTM_NEWLINK` and `RTM_GETLINK`.
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `NLM_F_DUMP_INTR`: interfaces changed during the dump.
const INTERRUPTED: u16 = 0x10;
/// `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`: the kernel leaves out the counters of IPv6 and of virtual functions.
const EXT_MASK: u16 = 29;
const SKIP_STATS: u32 = 1 << 3;
/// `IFLA_STATS` and `IFLA_STATS64`, which it sends all the same.
const COUNTERS: [u16; 2] = [7, 23];
/// Bytes of `struct nlmsghdr`, `struct ifinfomsg`, and of the one attribute.
const HEADER_BYTES: usize = 16;
const LINK_BYTES: usize = 16;
const ATTRIBUTE_BYTES: usize = 8;
/// Most bytes of one datagram of a dump.
const DATAGRAM_BYTES: usize = 32 << 10;
/// A dump is answered at once; this only ends a wait that something else broke.
const PATIENCE: Duration = Duration::from_secs(1);

/// The socket, and what the interfaces were at the last look.
#[derive(Debug)]
pub(super) struct LinkDump {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// By the interface's number.
    described: HashMap<i64, Vec<u8>>,
}

impl LinkDump {
    /// Opens the socket. Every interface is new at the first look.
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0 of this family is NETLINK_ROUTE.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, buffer: vec![0; DATAGRAM_BYTES], described: HashMap::new() })
    }

    /// The numbers of the interfaces that are described as at the look before.
    pub(super) fn unchanged(&mut self) -> io::Result<Vec<i64>> {
        rustix::net::send(&self.socket, &request(), SendFlags::empty())?;
        let mut all = HashMap::with_capacity(self.described.len());
        let mut whole = true;
        loop {
            // TRUNC makes the length that of the whole datagram, so that a cut one is not taken for a whole one.
            let (_, length) = retry_on_intr(|| rustix::net::recv(&self.socket, &mut *self.buffer, RecvFlags::TRUNC))?;
            let datagram = self.buffer.get(..length).ok_or(Errno::MSGSIZE)?;
            match take(datagram, &mut all)? {
                Progress::More => {}
                Progress::Interrupted => whole = false,
                Progress::Done => break,
            }
        }
        let mut unchanged: Vec<i64> = all
            .iter()
            .filter(|(index, link)| self.described.get(index) == Some(link))
            .map(|(index, _)| *index)
            .collect();
        unchanged.retain(|_| whole);
        self.described = all;
        Ok(unchanged)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Interrupted,
    Done,
}

fn request() -> [u8; HEADER_BYTES + LINK_BYTES + ATTRIBUTE_BYTES] {
    let mut bytes = [0; HEADER_BYTES + LINK_BYTES + ATTRIBUTE_BYTES];
    let length = bytes.len() as u32;
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&GET_LINK.to_ne_bytes());
    bytes[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    let attribute = &mut bytes[HEADER_BYTES + LINK_BYTES..];
    attribute[..2].copy_from_slice(&(ATTRIBUTE_BYTES as u16).to_ne_bytes());
    attribute[2..4].copy_from_slice(&EXT_MASK.to_ne_bytes());
    attribute[4..].copy_from_slice(&SKIP_STATS.to_ne_bytes());
    bytes
}

/// Puts the interfaces of one datagram into `all`. `ifi_index` stands at 4 of `struct ifinfomsg`.
fn take(mut rest: &[u8], all: &mut HashMap<i64, Vec<u8>>) -> io::Result<Progress> {
    let mut progress = Progress::More;
    while !rest.is_empty() {
        let length = u32::from_ne_bytes(field(rest, 0)?) as usize;
        let message = rest.get(HEADER_BYTES..length).ok_or_else(garbled)?;
        if u16::from_ne_bytes(field(rest, 6)?) & INTERRUPTED != 0 {
            progress = Progress::Interrupted;
        }
        match u16::from_ne_bytes(field(rest, 4)?) {
            DONE => return Ok(Progress::Done),
            ERROR => {
                let code = i32::from_ne_bytes(field(message, 0)?);
                return Err(Errno::from_raw_os_error(code.saturating_neg()).into());
            }
            NEW_LINK => {
                all.insert(i32::from_ne_bytes(field(message, 4)?).into(), without_counters(message)?);
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(progress)
}

/// A message's body without the attributes of [`COUNTERS`]. Each begins with its length, that of its head included, and
/// its kind.
fn without_counters(message: &[u8]) -> io::Result<Vec<u8>> {
    let (head, mut rest) = message.split_at_checked(LINK_BYTES).ok_or_else(garbled)?;
    let mut kept = head.to_vec();
    while !rest.is_empty() {
        let length = usize::from(u16::from_ne_bytes(field(rest, 0)?));
        if length < 4 || length > rest.len() {
            return Err(garbled());
        }
        let (attribute, others) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
        if !COUNTERS.contains(&u16::from_ne_bytes(field(attribute, 2)?)) {
            kept.extend_from_slice(attribute);
        }
        rest = others;
    }
    Ok(kept)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).copied().ok_or_else(garbled)
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a netlink message ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let length = (HEADER_BYTES + body.len()) as u32;
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(index: i32, mtu: u8) -> Vec<u8> {
        let mut body = vec![0; LINK_BYTES];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        // IFLA_MTU.
        [body, attribute(4, &[mtu, 0, 0, 0])].concat()
    }

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let length = (4 + content.len()) as u16;
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn interfaces_are_taken_to_the_end_of_the_dump() {
        let mut all = HashMap::new();
        let two = [message(NEW_LINK, 2, &link(1, 5)), message(NEW_LINK, 2, &link(3, 6))].concat();
        assert_eq!(take(&two, &mut all).unwrap(), Progress::More);
        assert_eq!((all.len(), &all[&3]), (2, &link(3, 6)));
        assert_eq!(take(&message(DONE, 2, &[0; 4]), &mut all).unwrap(), Progress::Done);
        assert_eq!(take(&message(NEW_LINK, 2 | INTERRUPTED, &link(1, 7)), &mut all).unwrap(), Progress::Interrupted);
    }

    #[test]
    fn errors_and_short_messages_are_errors() {
        let mut all = HashMap::new();
        let refused = take(&message(ERROR, 0, &(-1_i32).to_ne_bytes()), &mut all).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        let whole = message(NEW_LINK, 2, &link(1, 5));
        for length in 1..whole.len() {
            assert!(take(&whole[..length], &mut all).is_err(), "{length}");
        }
        assert!(take(&message(NEW_LINK, 2, &[]), &mut all).is_err());
        assert!(take(&[0; 16], &mut all).is_err(), "a length of 0 would never end");
        assert!(all.is_empty());
    }

    #[test]
    fn counters_do_not_count_as_a_change() {
        let with = |packets: u8| [link(1, 5), attribute(7, &[packets; 6]), attribute(23, &[packets; 8])].concat();
        let whole = [with(8), attribute(3, b"lo")].concat();
        assert_eq!(without_counters(&whole).unwrap(), [link(1, 5), attribute(3, b"lo")].concat());
        assert_eq!(without_counters(&with(8)).unwrap(), without_counters(&with(9)).unwrap());
        assert_ne!(without_counters(&link(1, 5)).unwrap(), without_counters(&link(1, 6)).unwrap());
        for length in [0_u8, 3, 200] {
            assert!(without_counters(&[&link(1, 5)[..], &[length, 0, 4, 0]].concat()).is_err(), "{length}");
        }
    }

    #[test]
    fn this_machines_loopback_stays_as_it_is() {
        let mut dump = LinkDump::open().unwrap();
        assert_eq!(dump.unchanged().unwrap(), Vec::<i64>::new(), "nothing was seen before");
        let busy = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // Once more, should interfaces of others come and go just then.
        assert!((0..5).any(|_| {
            busy.send_to(b"a packet", busy.local_addr().unwrap()).unwrap();
            dump.unchanged().unwrap().contains(&1)
        }));
        dump.described.insert(1, link(1, 5));
        assert!(!dump.unchanged().unwrap().contains(&1));
    }
}
