//! Sockets: `/proc/net/{tcp,tcp6,udp,udp6,unix}` and their holders from `/proc/PID/fd`.
//!
//! Read when somebody watches sockets. A reader of our own: sysinfo has no sockets. The tables are those of our own network
//! name space, below another root those of its first process. Descriptors of other users' processes may be read by root only;
//! their sockets then have no holders.

mod diag;
mod holders;
mod parse;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::Paths;
use super::file::{read_error, read_text};
use super::process::list::open_root;
use crate::model::socket::{HolderUsers, RawSocket, RawSocketTables, RawSockets, SocketKind};
use crate::model::{Faults, ReadError, Reading};
use holders::Holders;

/// The tables of TCP sockets.
const TCP: [(&str, SocketKind); 2] = [("tcp", SocketKind::Tcp4), ("tcp6", SocketKind::Tcp6)];

/// The tables of UDP sockets.
const UDP: [(&str, SocketKind); 2] = [("udp", SocketKind::Udp4), ("udp6", SocketKind::Udp6)];

/// Reads all sockets. Keeps nothing open between passes, but remembers who holds what.
pub struct Reader {
    paths: Paths,
    /// Whether TCP sockets come over netlink: on the live machine, until it fails.
    netlink: bool,
    holders: Holders,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), netlink: paths.is_live(), holders: Holders::new(paths.is_live()) }
    }

    /// Bytes in the queues of UDP sockets, and all sockets where they are `wanted`: the rest costs much more.
    pub fn read(&mut self, wanted: bool, faults: &mut Faults) -> Reading<RawSocketTables> {
        let mut udp_queues = Vec::with_capacity(2);
        let mut udp = Vec::new();
        let mut failed = Faults::default();
        for ((file, kind), family) in UDP.iter().zip(["v4", "v6"]) {
            let path = self.paths.net(file);
            if let Some(text) = failed.part(read_text(&path)) {
                udp_queues.extend(failed.part(parse::sum_queues(&path, &text, family)));
                udp.push((path, text, *kind));
            }
        }
        if wanted {
            faults.append(failed);
            let sockets = Some(Arc::new(self.read_all(&udp, faults)?));
            return Ok(RawSocketTables { udp_queues, sockets });
        }
        if udp_queues.is_empty() {
            let absent = || ReadError::Unsupported { path: self.paths.net(UDP[0].0).display().to_string() };
            return Err(failed.into_first().unwrap_or_else(absent));
        }
        faults.append(failed);
        Ok(RawSocketTables { udp_queues, sockets: None })
    }

    /// All sockets in the order of the files: TCP, TCP over IPv6, UDP, UDP over IPv6, UNIX. A table that this kernel lacks
    /// (no IPv6) is left out, and so is one that cannot be read; with none at all the sockets are unknown.
    fn read_all(&mut self, udp: &[(PathBuf, String, SocketKind)], faults: &mut Faults) -> Reading<RawSockets> {
        let mut list = Vec::new();
        let mut failed = Faults::default();
        let mut tables = 0;
        if self.tcp_by_netlink(&mut list) {
            tables += 1;
        } else {
            for (file, kind) in TCP {
                let path = self.paths.net(file);
                let Some(text) = failed.part(read_text(&path)) else { continue };
                tables += usize::from(failed.part(parse::parse_inet(&path, &text, kind, &mut list, faults)).is_some());
            }
        }
        for (path, text, kind) in udp {
            tables += usize::from(failed.part(parse::parse_inet(path, text, *kind, &mut list, faults)).is_some());
        }
        let path = self.paths.net("unix");
        if let Some(text) = failed.part(read_text(&path)) {
            tables += usize::from(failed.part(parse::parse_unix(&path, &text, &mut list, faults)).is_some());
        }
        if tables == 0 {
            let absent = || ReadError::Unsupported { path: self.paths.net("").display().to_string() };
            return Err(failed.into_first().unwrap_or_else(absent));
        }
        faults.append(failed);
        // Without them the sockets have no holders, as those of others have none.
        let users = faults.part(self.find_holders(&mut list)).unwrap_or_default();
        Ok(RawSockets { list, users })
    }

    /// TCP sockets the cheaper way. False where only the files can tell: another machine's or no `sock_diag`.
    fn tcp_by_netlink(&mut self, list: &mut Vec<RawSocket>) -> bool {
        if !self.netlink {
            return false;
        }
        let Err(error) = diag::tcp_sockets(list) else { return true };
        log::debug!("sock_diag: {error}; reading /proc/net/tcp instead");
        // What only went wrong this time (no memory, no descriptor, a signal) may go right the next.
        let is_passing = [Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::INTR];
        self.netlink = is_passing.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        false
    }

    fn find_holders(&mut self, list: &mut [RawSocket]) -> Reading<HolderUsers> {
        let path = &self.paths.procfs;
        open_root(path)
            .and_then(|root| self.holders.find(root.as_fd(), list))
            .map_err(|error| read_error(path, &error.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use super::*;
    use crate::model::Machine;
    use crate::model::socket::SocketEnd;

    fn fixture() -> Paths {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/machine"));
        Paths {
            procfs: root.join("proc"),
            sysfs: root.join("sys"),
            rootfs: root.join("rootfs"),
            machine: Machine { page_bytes: 4096, ticks_per_second: 100 },
            ..Paths::host()
        }
    }

    fn inet(address: &str) -> SocketEnd {
        let address: SocketAddr = address.parse().unwrap();
        SocketEnd::Inet(address.ip(), address.port())
    }

    #[test]
    #[cfg_attr(target_endian = "big", ignore = "the fixture is of a little-endian machine")]
    fn the_fixture_machine_has_its_sockets_and_holders() {
        let list = Reader::new(&fixture()).read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone();
        assert_eq!(list.len(), 5 + 3 + 2 + 1 + 5);
        let of = |inode: u64| list.iter().find(|socket| socket.inode == inode).unwrap();
        assert_eq!(of(20_110).local, inet("0.0.0.0:22"));
        assert_eq!(of(20_300).holders, [(701, 6), (702, 6)]);
        let client = of(48_211);
        assert_eq!((&client.local, &client.remote), (&inet("192.168.1.20:80"), &inet("192.168.1.77:51514")));
        assert_eq!((client.state, client.uid, &client.holders[..]), (1, Some(33), &[(702, 11)][..]));
        let waiting = list.iter().find(|socket| socket.state == 6).unwrap();
        assert_eq!((waiting.inode, waiting.uid, waiting.holders.len()), (0, Some(0), 0));
        let six = of(61_000);
        assert_eq!((six.kind, &six.remote), (SocketKind::Tcp6, &inet("[2001:db8::7]:443")));
        assert_eq!((of(21_051).kind, &of(21_051).local), (SocketKind::Udp6, &inet("[::1]:53")));
        let journal = of(18_002);
        assert_eq!((journal.kind, &journal.holders[..]), (SocketKind::Unix(1), &[(1, 25), (412, 5)][..]));
        assert_eq!(journal.local, SocketEnd::Path("/run/systemd/journal/stdout".into()));
        assert_eq!(of(18_010).local, SocketEnd::Path("/run/udev/control with space".into()));
        assert_eq!((&of(40_120).local, of(40_120).uid), (&SocketEnd::Path("".into()), None));
    }

    #[test]
    fn our_own_sockets_are_found_with_process_and_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let twin = client.try_clone().unwrap();
        let (server, _) = listener.accept().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let path = folder.path().join("a socket");
        let unix = UnixListener::bind(&path).unwrap();
        let (pair, _other) = UnixStream::pair().unwrap();
        let own = |descriptor: i32| (std::process::id(), u32::try_from(descriptor).unwrap());
        let ours = [listener.as_raw_fd(), client.as_raw_fd(), server.as_raw_fd(), udp.as_raw_fd(), unix.as_raw_fd()];
        let is_whole = |list: &Vec<RawSocket>| {
            let is_held = |fd| list.iter().any(|socket| socket.holders.contains(&own(fd)));
            ours.into_iter().chain([pair.as_raw_fd()]).all(is_held)
        };
        // The kernel may walk past a row while connections of others come and go.
        let mut lists = (0..20).map(|_| {
            Reader::new(&Paths::host()).read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone()
        });
        let list = lists.find(is_whole).expect("all of our sockets");
        let held = |fd: i32| list.iter().find(|socket| socket.holders.contains(&own(fd))).expect("no such socket");
        let end = |address: SocketAddr| SocketEnd::Inet(address.ip(), address.port());

        let found = held(listener.as_raw_fd());
        assert_eq!(
            (found.kind, &found.local, found.state),
            (SocketKind::Tcp4, &end(listener.local_addr().unwrap()), 10)
        );
        assert_eq!(found.uid, Some(rustix::process::getuid().as_raw()));
        let found = held(client.as_raw_fd());
        assert_eq!(
            (&found.local, &found.remote),
            (&end(client.local_addr().unwrap()), &end(client.peer_addr().unwrap()))
        );
        assert_eq!(found.state, 1);
        let mut holders = [own(client.as_raw_fd()), own(twin.as_raw_fd())];
        holders.sort_unstable();
        // A child of another test holds everything until it executes its program.
        let found: Vec<_> = found.holders.iter().filter(|holder| holder.0 == std::process::id()).collect();
        assert_eq!(found, holders.each_ref());
        assert_eq!(held(server.as_raw_fd()).remote, end(client.local_addr().unwrap()));
        let found = held(udp.as_raw_fd());
        assert_eq!((found.kind, &found.local), (SocketKind::Udp4, &end(udp.local_addr().unwrap())));
        let found = held(unix.as_raw_fd());
        assert_eq!((found.kind, &found.local), (SocketKind::Unix(1), &SocketEnd::Path(path.to_str().unwrap().into())));
        assert_eq!(held(pair.as_raw_fd()).local, SocketEnd::Path("".into()));
    }

    #[test]
    fn netlink_and_files_tell_the_same() {
        // A machine without IPv6 has two listeners that look alike.
        let listeners = [
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).unwrap(),
        ];
        let ends = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let _clients = ends.map(|end| TcpStream::connect(end).unwrap());
        let ours = |list: &[RawSocket]| -> Vec<_> {
            let is_ours = |end: &SocketEnd| ends.iter().any(|ours| *end == SocketEnd::Inet(ours.ip(), ours.port()));
            let mut ours: Vec<_> =
                list.iter().filter(|socket| is_ours(&socket.local) || is_ours(&socket.remote)).collect();
            // A port may have been another connection's a moment ago, which lingers as TIME_WAIT (6).
            ours.retain(|socket| socket.state != 6);
            ours.sort_by_key(|socket| (socket.inode, socket.state, socket.kind == SocketKind::Tcp6));
            ours.into_iter().cloned().collect()
        };
        let mut reader = Reader::new(&Paths::host());
        // While connections of others come and go, the kernel may walk past a row or give one twice (seen in
        // /proc/net/tcp, which finds its place by counting): then both are asked again.
        for attempt in 1.. {
            reader.netlink = true;
            let by_netlink = reader.read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone();
            if attempt < 20 && !reader.netlink {
                continue;
            }
            assert!(reader.netlink, "this kernel has no sock_diag");
            reader.netlink = false;
            let by_file = ours(&reader.read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone());
            let tcp = by_netlink.iter().map(|socket| socket.kind);
            let tcp = tcp.take_while(|kind| matches!(kind, SocketKind::Tcp4 | SocketKind::Tcp6));
            assert!(tcp.is_sorted_by_key(|kind| kind == SocketKind::Tcp6));
            let by_netlink = ours(&by_netlink);
            if attempt < 20 && (by_netlink.len() != 6 || by_netlink != by_file) {
                continue;
            }
            assert_eq!(by_netlink.len(), 6);
            assert_eq!(by_netlink, by_file);
            break;
        }
    }

    #[test]
    fn ipv6_addresses_are_those_that_were_bound() {
        // A machine without IPv6 has no such socket to look at, and no table.
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            assert!(
                !Path::new("/proc/net/if_inet6").exists() || std::fs::read("/proc/net/if_inet6").unwrap().is_empty()
            );
            return;
        };
        let local = SocketEnd::Inet(IpAddr::from(std::net::Ipv6Addr::LOCALHOST), listener.local_addr().unwrap().port());
        let is_ours = |socket: &RawSocket| socket.kind == SocketKind::Tcp6 && socket.local == local;
        assert!((0..20).any(|_| {
            Reader::new(&Paths::host())
                .read(true, &mut Faults::default())
                .unwrap()
                .sockets
                .unwrap()
                .list
                .iter()
                .any(is_ours)
        }));
    }

    #[test]
    fn a_table_that_is_missing_or_bad_costs_its_own_sockets() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: root.path().to_owned(), ..fixture() };
        assert!(matches!(Reader::new(&paths).read(true, &mut Faults::default()), Err(ReadError::Unsupported { .. })));
        std::fs::create_dir(root.path().join("net")).unwrap();
        std::fs::copy(fixture().net("udp"), root.path().join("net/udp")).unwrap();
        assert_eq!(
            Reader::new(&paths).read(true, &mut Faults::default()).map(|all| all.sockets.unwrap().list.len()),
            Ok(2)
        );
        let read = |faults: &mut Faults| {
            Reader::new(&paths).read(true, faults).map(|all| all.sockets.unwrap().list.iter().map(|s| s.kind).collect())
        };
        for bad in ["tcp", "tcp6", "udp6", "unix"] {
            let path = root.path().join("net").join(bad);
            std::fs::write(&path, "").unwrap();
            let mut faults = Faults::default();
            let kinds: Vec<SocketKind> = read(&mut faults).unwrap();
            assert_eq!(kinds, [SocketKind::Udp4; 2], "{bad}");
            let told = faults.into_first();
            assert!(
                matches!(&told, Some(ReadError::Parse { path: told, line: 0, .. }) if **told == *path.to_str().unwrap()),
                "{bad}: {told:?}"
            );
            std::fs::remove_file(path).unwrap();
        }
        // Nothing but what cannot be read: not an empty list, which would say that there are none.
        std::fs::write(root.path().join("net/udp"), "").unwrap();
        let told = read(&mut Faults::default());
        assert!(matches!(&told, Err(ReadError::Parse { .. })), "{told:?}");
    }
}
