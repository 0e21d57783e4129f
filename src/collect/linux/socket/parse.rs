//! Parsers of `/proc/net/{tcp,tcp6,udp,udp6}` (`proc_pid_net(5)`) and `/proc/net/unix`.
//!
//! Called by the socket reader. They take text and touch no file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use crate::collect::linux::lines::{Bad, Taken, number, walk, walk_each};
use crate::model::network::UdpQueue;
use crate::model::socket::{RawSocket, SocketEnd, SocketKind};
use crate::model::{Faults, Reading};

/// `sun_path` of unix(7) has 108 bytes; each of them may have become a U+FFFD of three.
const LONGEST_PATH_BYTES: usize = 108 * 3;

/// One table of Internet sockets, appended to `list`. A line:
///
/// `0: 0100007F:4A9C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 16608 1 ...`
///
/// The numbers taken are: local and remote end (2, 3), state (4, hexadecimal), user (8), inode (10).
pub(super) fn parse_inet(
    path: &Path,
    text: &str,
    kind: SocketKind,
    list: &mut Vec<RawSocket>,
    faults: &mut Faults,
) -> Reading<()> {
    walk(path, text, faults, |at, line| {
        if at == 1 && line.contains("local_address") {
            return Ok(Taken::Head);
        }
        let mut words = line.split_ascii_whitespace().skip(1);
        let mut end = || words.next().and_then(parse_end).ok_or(Bad::found("two addresses", line));
        let (local, remote) = (end()?, end()?);
        let state = words.next().and_then(|state| u8::from_str_radix(state, 16).ok());
        let state = state.ok_or(Bad::found("a state", line))?;
        let uid = Some(number(words.nth(3), "a user")?);
        let inode = number(words.nth(1), "an inode")?;
        list.push(RawSocket { kind, local, remote, state, inode, uid, holders: Vec::new() });
        Ok(Taken::Value)
    })
}

/// `0100007F:4A9C`. The kernel prints an address as words of 32 bits in the machine's own byte order, the port as the
/// number it is: on a little-endian machine the bytes of 127.0.0.1 stand in reverse.
fn parse_end(text: &str) -> Option<SocketEnd> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(address)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, slot) in bytes.chunks_exact_mut(4).enumerate() {
                slot.copy_from_slice(&word(address.get(index * 8..index * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketEnd::Inet(ip, port))
}

fn word(digits: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
}

/// The table of UNIX sockets, appended to `list`. A line, whose last word is missing for an unnamed socket:
///
/// `0000000000000000: 00000002 00000000 00010000 0001 01 18002 /run/systemd/journal/stdout`
///
/// The numbers taken are type (5, hexadecimal), state (6, hexadecimal) and inode (7). The kernel prints a path as it is, so
/// one that holds a newline goes on in the next line.
pub(super) fn parse_unix(path: &Path, text: &str, list: &mut Vec<RawSocket>, faults: &mut Faults) -> Reading<()> {
    let nameless: Arc<str> = Arc::from("");
    let mut named = false;
    // Blank lines as well: one may belong to a path.
    walk_each(path, (1..).zip(text.lines()), faults, |at, line| {
        if at == 1 && line.contains("RefCount") {
            return Ok(Taken::Head);
        }
        let Some((kind, state, inode, name)) = unix_line(line) else {
            match list.last_mut() {
                Some(RawSocket { local: SocketEnd::Path(first), .. })
                    if named && first.len() + line.len() < LONGEST_PATH_BYTES =>
                {
                    *first = format!("{first}\n{line}").into();
                    return Ok(Taken::Value);
                }
                _ if line.is_empty() => return Ok(Taken::Nothing),
                _ => return Err(Bad::found("a socket", line)),
            }
        };
        named = !name.is_empty();
        let local = if named { Arc::from(name) } else { Arc::clone(&nameless) };
        list.push(RawSocket {
            kind: SocketKind::Unix(kind),
            local: SocketEnd::Path(local),
            remote: SocketEnd::Path(Arc::clone(&nameless)),
            state,
            inode,
            uid: None,
            holders: Vec::new(),
        });
        Ok(Taken::Value)
    })
}

fn unix_line(line: &str) -> Option<(u16, u8, u64, &str)> {
    let (slot, rest) = line.split_once(": ")?;
    u64::from_str_radix(slot, 16).ok()?;
    let mut words = rest.splitn(4, ' ').skip(3);
    let mut rest = words.next()?;
    let mut next = || {
        let (word, tail) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        rest = tail;
        word
    };
    let kind = u16::from_str_radix(next(), 16).ok()?;
    let state = u8::from_str_radix(next(), 16).ok()?;
    let inode = next().parse().ok()?;
    Some((kind, state, inode, rest))
}

/// Bytes that wait in the queues of the UDP sockets of one family: the fifth column `tx:rx` in hexadecimal, summed. With one
/// line bad the sums are unknown.
pub(super) fn sum_queues(path: &Path, text: &str, family: &'static str) -> Reading<UdpQueue> {
    let mut queue = UdpQueue { family, receive_bytes: 0, transmit_bytes: 0 };
    let mut faults = Faults::default();
    walk(path, text, &mut faults, |at, line| {
        if at == 1 && line.contains("local_address") {
            return Ok(Taken::Head);
        }
        let pair = line.split_ascii_whitespace().nth(4).and_then(|column| {
            let (tx, rx) = column.split_once(':')?;
            Some((u64::from_str_radix(tx, 16).ok()?, u64::from_str_radix(rx, 16).ok()?))
        });
        let (tx, rx) = pair.ok_or(Bad::found("a fifth column tx:rx", line))?;
        queue.transmit_bytes = queue.transmit_bytes.saturating_add(tx);
        queue.receive_bytes = queue.receive_bytes.saturating_add(rx);
        Ok(Taken::Value)
    })?;
    faults.into_first().map_or(Ok(queue), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};
    use crate::model::ReadError;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const UNIX_HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    fn inet(text: &str) -> Reading<Vec<RawSocket>> {
        let mut list = Vec::new();
        whole(|faults| parse_inet(Path::new("/proc/net/tcp"), text, SocketKind::Tcp4, &mut list, faults)).map(|()| list)
    }

    fn unix(text: &str) -> Reading<Vec<RawSocket>> {
        let mut list = Vec::new();
        whole(|faults| parse_unix(Path::new("/proc/net/unix"), text, &mut list, faults)).map(|()| list)
    }

    /// An address as this machine's kernel would print it.
    fn printed(ip: IpAddr) -> String {
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.chunks_exact(4).map(|b| format!("{:08X}", u32::from_ne_bytes(b.try_into().unwrap()))).collect()
    }

    #[test]
    fn an_address_is_read_in_the_machines_byte_order() {
        for text in
            ["127.0.0.1", "0.0.0.0", "192.168.1.20", "::1", "fe80::1", "2001:db8::ff00:42:8329", "::ffff:10.1.2.3"]
        {
            let ip = text.parse().unwrap();
            assert_eq!(parse_end(&format!("{}:1F90", printed(ip))), Some(SocketEnd::Inet(ip, 8080)), "{text}");
        }
        if cfg!(target_endian = "little") {
            assert_eq!(parse_end("0100007F:4A9C"), Some(SocketEnd::Inet("127.0.0.1".parse().unwrap(), 19_100)));
        }
        for bad in ["", "0100007F", "0100007F:", "0100007F:12345", "01007F:1", "0100007G:1", "0100007F:1:2"] {
            assert_eq!(parse_end(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_line_gives_its_numbers() {
        let line = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 16608 1 0 100\n";
        let list = inet(&format!("{HEAD}{line}")).unwrap();
        let any = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(
            list,
            [RawSocket {
                kind: SocketKind::Tcp4,
                local: SocketEnd::Inet(any, 22),
                remote: SocketEnd::Inet(any, 0),
                state: 10,
                inode: 16_608,
                uid: Some(1000),
                holders: Vec::new()
            }]
        );
        assert_eq!(inet(HEAD), Ok(Vec::new()));
    }

    #[test]
    fn a_bad_line_costs_its_own_socket() {
        let good =
            "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 16608 1\n";
        for bad in ["garbage\n", "1: 00000000:0016 00000000:0000\n", "1: 00000000:0016 0:0 0A x x x 0 0 1\n"] {
            let (text, mut list) = (format!("{HEAD}{good}{bad}{good}"), Vec::new());
            let parse = |faults: &mut Faults| parse_inet(Path::new("tcp"), &text, SocketKind::Tcp4, &mut list, faults);
            let ((), told) = partial(parse);
            assert_eq!(list.len(), 2, "{bad}");
            assert!(told.starts_with("tcp:3: "), "{told}");
        }
        assert!(matches!(inet(""), Err(ReadError::Parse { line: 0, .. })));
        assert!(matches!(unix("\u{fffd}\u{fffd}"), Err(ReadError::Parse { line: 1, .. })));
        assert!(matches!(unix(&format!("{UNIX_HEAD}garbage")), Err(ReadError::Parse { line: 2, .. })));
    }

    #[test]
    fn paths_of_unix_sockets_are_kept_as_they_are() {
        let line = |name: &str| format!("00000000963655bb: 00000003 00000000 00000000 0005 01  1158{name}\n");
        for (printed, name) in
            [("", ""), (" /a b  c", "/a b  c"), (" @abstract", "@abstract"), (" /two\nlines: x", "/two\nlines: x")]
        {
            let list = unix(&format!("{UNIX_HEAD}{}{}", line(printed), line(""))).unwrap();
            assert_eq!(list.len(), 2);
            assert_eq!(list[0].local, SocketEnd::Path(name.into()));
            assert_eq!((list[0].kind, list[0].state, list[0].inode), (SocketKind::Unix(5), 1, 1158));
        }
        // Nothing can go on where there is no path.
        let (text, mut list) = (format!("{UNIX_HEAD}{}x\n", line("")), Vec::new());
        let ((), told) = partial(|faults| parse_unix(Path::new("unix"), &text, &mut list, faults));
        assert_eq!((list.len(), &list[0].local), (1, &SocketEnd::Path("".into())));
        assert!(told.starts_with("unix:3: "), "{told}");
    }

    #[test]
    fn any_text_takes_time_by_its_length() {
        crate::model::hostile_text::assert_linear("a table of sockets", |text| {
            let text = String::from_utf8_lossy(text);
            let line = "00000000963655bb: 00000003 00000000 00000000 0005 01  1158 /";
            let (mut list, mut faults) = (Vec::new(), Faults::default());
            for text in [format!("{UNIX_HEAD}{line}{text}\n{text}"), format!("{UNIX_HEAD}{text}")] {
                let _ = parse_unix(Path::new("unix"), &text, &mut list, &mut faults);
            }
            let text = format!("{HEAD}0: {text}");
            let _ = parse_inet(Path::new("tcp"), &text, SocketKind::Tcp4, &mut list, &mut faults);
        });
    }

    #[test]
    fn queues_are_summed() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
                    1: 0100007F:0035 00000000:0000 07 00000001:0000000A 00:0 0 0\n\
                    2: 0100007F:0036 00000000:0000 07 00000002:00000010 00:0 0 0\n";
        assert_eq!(
            sum_queues(Path::new("u"), text, "v4").unwrap(),
            UdpQueue { family: "v4", receive_bytes: 26, transmit_bytes: 3 }
        );
        assert!(sum_queues(Path::new("u"), "head\n1: a b c\n", "v4").is_err());
    }
}
