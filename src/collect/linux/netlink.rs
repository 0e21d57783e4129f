//! Netlink: one request and its replies; of generic netlink also the attributes inside them.
//!
//! Called by [`super::wireless`] and [`super::socket`]. It only asks; it must never send a request that changes anything, and
//! never waits longer for the replies than it was told when it was opened. The socket is rustix's. The neli crate was not
//! used: its sockets take a time limit only through a raw descriptor, and its headers subtract lengths unchecked. Messages
//! are taken apart here by pure functions that give up at the first length that does not fit.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The kernel fills at most 32 KiB of a dump into one datagram (`netlink_recvmsg`).
const DATAGRAM_BYTES: usize = 32 << 10;

const HEADER_BYTES: usize = 16;
const GENERIC_HEADER_BYTES: usize = 4;

/// `NLMSG_ERROR`: an error number, 0 for success.
const KIND_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const KIND_DONE: u16 = 3;
/// `NLM_F_REQUEST`.
pub const FLAG_REQUEST: u16 = 1;
/// `NLM_F_MULTI`: more replies follow, up to `NLMSG_DONE`.
const FLAG_MULTI: u16 = 2;
/// `NLM_F_DUMP`: all objects, not one.
pub const FLAG_DUMP: u16 = 0x300;

/// `GENL_ID_CTRL`: the family that knows the others.
const CONTROLLER: u16 = 16;
/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_ID`.
const FAMILY_ID: u16 = 1;
/// `CTRL_ATTR_FAMILY_NAME`.
const FAMILY_NAME: u16 = 2;

/// A netlink socket.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    limit: Duration,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens the socket. `limit` is the longest wait for one reply, and the longest time for all replies to one request: the
    /// kernel answers within the request, unless a driver waits for its firmware.
    pub fn open(protocol: Protocol, limit: Duration) -> io::Result<Self> {
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(family, SocketType::RAW, flags, Some(protocol))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(limit))?;
        set_socket_timeout(&socket, Timeout::Send, Some(limit))?;
        // Only the kernel, address 0, may answer a connected socket.
        rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, limit, sequence: 0, buffer: vec![0; DATAGRAM_BYTES] })
    }

    /// The number of the family `name`; `None` on a kernel without it.
    pub fn family(&mut self, name: &str) -> io::Result<Option<u16>> {
        let mut number = None;
        let mut named = name.as_bytes().to_vec();
        named.push(0);
        let asked = self.ask(CONTROLLER, GET_FAMILY, &[(FAMILY_NAME, &named)], false, |reply| {
            number = find(reply, FAMILY_ID).and_then(number_u16).or(number);
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(None),
            result => result.map(|()| number),
        }
    }

    /// Generic netlink: sends `command` to `family` and gives the attributes of each reply to `each`. With `dump` it asks for
    /// all objects, else for one.
    pub fn ask(
        &mut self,
        family: u16,
        command: u8,
        attributes: &[(u16, &[u8])],
        dump: bool,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        // Version 1 of the family's commands; two bytes are reserved.
        let mut message = vec![command, 1, 0, 0];
        attributes.iter().for_each(|(kind, value)| put(&mut message, *kind, value));
        let flags = if dump { FLAG_REQUEST | FLAG_DUMP } else { FLAG_REQUEST };
        self.exchange(family, flags, &message, |reply| {
            each(reply.get(GENERIC_HEADER_BYTES..).ok_or(Errno::BADMSG)?);
            Ok(())
        })
    }

    /// Sends one message and gives each reply to `each`, without netlink's header.
    pub fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        message: &[u8],
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        rustix::net::send(&self.socket, &request(kind, flags, self.sequence, message), SendFlags::empty())?;
        let end = Instant::now() + self.limit;
        loop {
            // TRUNC makes the length that of the whole datagram, so that a cut one is not taken for a whole one.
            let (_, length) = retry_on_intr(|| rustix::net::recv(&self.socket, &mut *self.buffer, RecvFlags::TRUNC))?;
            let bytes = self.buffer.get(..length).ok_or(Errno::MSGSIZE)?;
            if replies(bytes, self.sequence, &mut each)? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Errno::TIMEDOUT.into());
            }
        }
    }
}

/// `message` with netlink's header before it: length, kind, flags, sequence, and the port, which is the kernel's to fill.
fn request(kind: u16, flags: u16, sequence: u32, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + message.len()).unwrap_or(u32::MAX);
    let (kind, flags) = (kind.to_ne_bytes(), flags.to_ne_bytes());
    [&length.to_ne_bytes()[..], &kind, &flags, &sequence.to_ne_bytes(), &[0; 4], message].concat()
}

/// Appends one attribute.
pub(super) fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Goes through the messages of one datagram: gives each reply to request `sequence` to `each`, and tells whether that was
/// the last. What answers an earlier request, given up by then, is passed over.
fn replies(mut bytes: &[u8], sequence: u32, each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    while bytes.len() >= HEADER_BYTES {
        let field = |at: usize| bytes[at..].first_chunk().map_or(0, |four| u32::from_ne_bytes(*four));
        let half = |at: usize| bytes[at..].first_chunk().map_or(0, |two| u16::from_ne_bytes(*two));
        let length = field(0) as usize;
        if length < HEADER_BYTES || length > bytes.len() {
            return Err(Errno::BADMSG.into());
        }
        let payload = &bytes[HEADER_BYTES..length];
        if field(8) == sequence {
            match half(4) {
                // Both may carry a negative error number.
                KIND_ERROR | KIND_DONE => {
                    let code = payload.first_chunk().map_or(0, |four| i32::from_ne_bytes(*four));
                    return if code < 0 { Err(io::Error::from_raw_os_error(code.saturating_neg())) } else { Ok(true) };
                }
                _ => {
                    each(payload)?;
                    if half(6) & FLAG_MULTI == 0 {
                        return Ok(true);
                    }
                }
            }
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attributes in `bytes`: kind and value. Ends at the first length that does not fit.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        // The two highest bits tell of nesting and byte order.
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of that kind.
pub fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// A value of two bytes.
pub fn number_u16(value: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(value.try_into().ok()?))
}

/// A value of four bytes.
pub fn number_u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of the kernel: a request whose head is made into that of a reply.
    fn message(kind: u16, flags: u16, sequence: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        attributes.iter().for_each(|(kind, value)| put(&mut body, *kind, value));
        request(kind, flags, sequence, &body)
    }

    fn end(kind: u16, code: i32) -> Vec<u8> {
        request(kind, FLAG_MULTI, 5, &code.to_ne_bytes())
    }

    fn all(bytes: &[u8]) -> (io::Result<bool>, Vec<(u16, Vec<u8>)>) {
        let mut seen = Vec::new();
        let mut each = |reply: &[u8]| {
            seen.extend(attributes(reply).map(|(kind, value)| (kind, value.to_vec())));
            Ok(())
        };
        (replies(bytes, 5, &mut each), seen)
    }

    #[test]
    fn a_request_tells_its_length_and_attributes_are_padded() {
        let bytes = message(0x1c, FLAG_REQUEST | FLAG_DUMP, 9, &[(3, &[1, 0, 0, 0]), (4, b"wlan0")]);
        let numbers = if cfg!(target_endian = "little") { [36, 0, 0, 0, 0x1c, 0, 1, 3, 9, 0, 0, 0] } else { return };
        assert_eq!(bytes[..12], numbers);
        assert_eq!(bytes[16..], *b"\x08\0\x03\0\x01\0\0\0\x09\0\x04\0wlan0\0\0\0");
    }

    #[test]
    fn a_dump_goes_on_until_it_is_done() {
        let mut bytes = message(0x1c, FLAG_MULTI, 5, &[(1, b"one")]);
        bytes.extend(message(0x1c, FLAG_MULTI, 4, &[(1, b"of an earlier request")]));
        bytes.extend(message(0x1c, FLAG_MULTI, 5, &[(0x8002, b"two")]));
        let (last, seen) = all(&bytes);
        assert!(!last.unwrap());
        assert_eq!(seen, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
        bytes.extend(end(KIND_DONE, 0));
        assert!(all(&bytes).0.unwrap());
        assert!(all(&message(0x1c, 0, 5, &[(1, b"alone")])).0.unwrap());
    }

    #[test]
    fn an_error_is_the_kernels_number() {
        for kind in [KIND_ERROR, KIND_DONE] {
            let error = all(&end(kind, -19)).0.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(19));
        }
        assert!(all(&end(KIND_ERROR, 0)).0.unwrap());
    }

    #[test]
    fn lengths_that_do_not_fit_end_the_reading() {
        let whole = message(0x1c, 0, 5, &[(1, b"one"), (2, b"two")]);
        for cut in 0..whole.len() {
            let (last, seen) = all(&whole[..cut]);
            assert!(!matches!(last, Ok(true)) && seen.is_empty(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 4, 0x7f, 0xff] {
                let mut bad = whole.clone();
                bad[at] = value;
                let (_, seen) = all(&bad);
                assert!(seen.len() <= 7);
            }
        }
        assert_eq!(attributes(&[0, 0, 0, 0]).count(), 0);
        assert_eq!(attributes(&[0xff; 64]).count(), 0);
    }

    #[test]
    fn this_kernel_knows_the_controller_and_no_nonsense() {
        let mut socket = Socket::open(rustix::net::netlink::GENERIC, Duration::from_secs(1)).unwrap();
        assert_eq!(socket.family("nlctrl").unwrap(), Some(CONTROLLER));
        assert_eq!(socket.family("no_such_thing").unwrap(), None);
        let mut names = Vec::new();
        socket
            .ask(CONTROLLER, GET_FAMILY, &[], true, |reply| names.extend(find(reply, FAMILY_NAME).map(<[u8]>::to_vec)))
            .unwrap();
        assert!(names.contains(&b"nlctrl\0".to_vec()), "{names:?}");
    }
}
