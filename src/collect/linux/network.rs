//! Traffic counters of the network interfaces, from `/proc/net/dev`.
//!
//! Read at every tick, in the lane that the tick waits for; it must stay cheap and must not ask the interfaces anything else
//! ([`super::link`] does). Not sysinfo: it has no drop and fifo counters, opens ten files of `/sys` per interface and
//! cannot be pointed at another root.
//!
//! `/proc/net` is a link to `self/net`, so the counters are those of the network namespace that this process is in; below
//! another root they are those of its first process ([`Paths::net`]). The file is opened once; a kept descriptor stays with
//! the namespace it was opened in.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::Paths;
use super::file::{KeptFile, read_number};
use super::lines::{Taken, named_numbers, number, walk};
use super::link_watch::{Announcements, LINKS};
use crate::model::network::RawInterfaceCounters;
use crate::model::{Faults, Reading};

/// Reads `/proc/net/dev`. Keeps the file open, and what it said last.
///
/// The file does not tell the index of an interface: one that was taken away and made anew under the same name has another.
/// All are asked for again when the list is another than the one before, when a counter fell, and on this machine whenever the
/// kernel has announced any change of an interface: that is one call, and each index another.
#[derive(Debug)]
pub struct Reader {
    file: KeptFile,
    place: Place,
    before: Vec<RawInterfaceCounters>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let place = match paths.is_live() {
            true => Place::Live(None, Announcements::Ahead(LINKS)),
            false => Place::Sysfs(paths.sys("class/net")),
        };
        Self { file: KeptFile::new(paths.net("dev")), place, before: Vec::new() }
    }

    /// The counters of every interface, in the kernel's order.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<RawInterfaceCounters>> {
        let before = &self.before;
        // An interface may be named with any bytes but white space, slash and colon; those that are no text are replaced.
        let mut list = self.file.read_text_with(|path, text| parse(path, text, before, faults))?;
        let is_same = |(now, before): (&RawInterfaceCounters, &RawInterfaceCounters)| {
            now.name == before.name && before.received[0] <= now.received[0]
        };
        let is_quiet = match &mut self.place {
            Place::Live(_, announcements) => announcements.were_none(),
            Place::Sysfs(_) => true,
        };
        let is_known = is_quiet && before.len() == list.len() && list.iter().zip(before).all(is_same);
        for (at, interface) in list.iter_mut().enumerate() {
            interface.index = match before.get(at).filter(|_| is_known) {
                Some(before) => before.index,
                None => self.place.index(&interface.name),
            };
        }
        self.before.clone_from(&list);
        Ok(list)
    }
}

/// Where the indexes are told.
#[derive(Debug)]
enum Place {
    /// By this machine's kernel, over a socket of no other use, which is `None` before the first time and where there can be
    /// none.
    Live(Option<OwnedFd>, Announcements),
    /// In `/sys/class/net` below another root.
    Sysfs(PathBuf),
}

impl Place {
    fn index(&mut self, name: &str) -> Option<u32> {
        match self {
            Self::Live(socket, _) => {
                if socket.is_none() {
                    let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
                    *socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).ok();
                }
                rustix::net::netdevice::name_to_index(socket.as_ref()?, name).ok()
            }
            Self::Sysfs(directory) => read_number(&directory.join(name).join("ifindex")).ok(),
        }
    }
}

/// Reads the text of `/proc/net/dev` (`proc_pid_net(5)`): two head lines, then `name: 16 numbers` for each interface.
///
/// The colon that ends the name is the last one of the line, because an alias has one in its name (`eth0:1`); a number may
/// follow it without a space. The names are shared with those of the last pass, most often the same in the same places.
fn parse(
    path: &Path,
    text: &str,
    before: &[RawInterfaceCounters],
    faults: &mut Faults,
) -> Reading<Vec<RawInterfaceCounters>> {
    let mut list = Vec::with_capacity(before.len());
    walk(path, text, faults, |at, line| {
        // The head tells the columns apart. Kernels before 2.2 had fewer; no such kernel runs this program.
        if at == 1 {
            return Ok(Taken::Nothing);
        }
        if at == 2 && line.contains("bytes") && line.contains("compressed") {
            return Ok(Taken::Head);
        }
        let (name, numbers) = named_numbers(line)?;
        let mut columns = [0_u64; 16];
        let mut words = numbers.split_ascii_whitespace();
        for column in &mut columns {
            *column = number(words.next(), "a counter")?;
        }
        let mut received = [0; 8];
        let mut sent = [0; 8];
        received.copy_from_slice(&columns[..8]);
        sent.copy_from_slice(&columns[8..]);
        let known = before.get(list.len()).map(|before| &before.name).filter(|known| ***known == *name);
        let name = known.map_or_else(|| Arc::from(name), Arc::clone);
        list.push(RawInterfaceCounters { name, index: None, received, sent, only_first: false });
        Ok(Taken::Value)
    })?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{self, partial, whole};
    use crate::model::ReadError;

    const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    fn read(text: &str) -> Reading<Vec<RawInterfaceCounters>> {
        whole(|faults| parse(Path::new("dev"), &format!("{HEAD}{text}"), &[], faults))
    }

    #[test]
    fn every_column_has_its_place() {
        let list = read("  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n    lo:  17 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0\n")
            .unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(&*list[0].name, "eth0");
        assert_eq!(list[0].received, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(list[0].sent, [9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!((&*list[1].name, list[1].received[0]), ("lo", 17));
    }

    #[test]
    fn old_kernels_leave_no_space_and_aliases_have_a_colon() {
        let list = read("eth0:1:18446744073709551615 2 0 0 0 0 0 0 5 6 0 0 0 0 0 0\n").unwrap();
        assert_eq!(&*list[0].name, "eth0:1");
        assert_eq!(list[0].received[..2], [u64::MAX, 2]);
    }

    #[test]
    fn a_machine_without_interfaces_has_an_empty_list() {
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_the_file_is_an_error_with_its_line() {
        let line = |text: &str| match whole(|faults| parse(Path::new("dev"), text, &[], faults)) {
            Err(ReadError::Parse { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(""), 0);
        assert_eq!(line("garbage\nmore garbage\n"), 2);
    }

    #[test]
    fn a_bad_line_costs_its_own_interface() {
        let zeros = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        for bad in [
            "eth0: 1 2 3",
            "eth0",
            "eth0: 18446744073709551616 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
            "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16  eth2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            "eth0: -1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        ] {
            let text = format!("{HEAD} lo: {zeros}\n {bad}\n eth1: {zeros}\n");
            let (list, told) = partial(|faults| parse(Path::new("dev"), &text, &[], faults));
            assert_eq!(list.iter().map(|row| &*row.name).collect::<Vec<_>>(), ["lo", "eth1"], "{bad}");
            assert!(told.starts_with("dev:4: "), "{told}");
        }
        let (list, told) = partial(|faults| parse(Path::new("dev"), &format!("x\ny\nlo: {zeros}\n"), &[], faults));
        assert!(list.len() == 1 && told.starts_with("dev:2: "), "{told}");
    }

    #[test]
    fn names_are_shared_between_passes() {
        let zeros = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let first = read(&format!("a: {zeros}\nb: {zeros}\n")).unwrap();
        let text = format!("{HEAD}a: {zeros}\nc: {zeros}\nb: {zeros}\n");
        let second = parse(Path::new("dev"), &text, &first, &mut Faults::default()).unwrap();
        assert!(Arc::ptr_eq(&second[0].name, &first[0].name));
        assert_eq!((&*second[1].name, &*second[2].name), ("c", "b"));
    }

    #[test]
    fn a_name_that_is_not_text_is_still_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = Paths::host();
        paths.procfs = dir.path().to_owned();
        std::fs::create_dir(dir.path().join("net")).unwrap();
        let mut bytes = HEAD.as_bytes().to_vec();
        bytes.extend_from_slice(b" w\xff: 7 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        std::fs::write(dir.path().join("net/dev"), bytes).unwrap();
        let list = Reader::new(&paths).read(&mut Faults::default()).unwrap();
        assert_eq!((&*list[0].name, list[0].received[0]), ("w\u{fffd}", 7));
    }

    #[test]
    fn an_interface_made_anew_has_another_index() {
        let head = HEAD.to_owned();
        let line = |bytes: u64| format!("{head}eth0: {bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        let index = "sys/class/net/eth0/ifindex";
        let (dir, paths) = testing::machine_of(&[("proc/net/dev", line(50)), (index, "7\n".to_owned())]);
        let mut reader = Reader::new(&paths);
        let mut read = |bytes: u64, number: &str| {
            std::fs::write(dir.path().join("proc/net/dev"), line(bytes)).unwrap();
            std::fs::write(dir.path().join(index), number).unwrap();
            reader.read(&mut Faults::default()).unwrap()[0].index
        };
        assert_eq!((read(50, "7\n"), read(60, "7\n"), read(9, "8\n")), (Some(7), Some(7), Some(8)));
    }

    #[test]
    fn this_machine_agrees_with_sysfs() {
        let mut reader = Reader::new(&Paths::host());
        reader.read(&mut Faults::default()).unwrap();
        let list = reader.read(&mut Faults::default()).unwrap();
        assert!(list.iter().zip(&reader.before).all(|(now, kept)| Arc::ptr_eq(&now.name, &kept.name)));
        for interface in list {
            let file = format!("/sys/class/net/{}/statistics/rx_packets", interface.name);
            // It may have gone since.
            let Ok(packets) = std::fs::read_to_string(file) else { continue };
            let packets: u64 = packets.trim().parse().unwrap();
            assert!(packets >= interface.received[1], "{}: {packets}", interface.name);
            let index = std::fs::read_to_string(format!("/sys/class/net/{}/ifindex", interface.name)).unwrap();
            assert_eq!(index.trim().parse().ok(), interface.index);
        }
    }

    #[test]
    fn the_laptop_has_five_interfaces() {
        let list = Reader::new(&testing::laptop()).read(&mut Faults::default()).unwrap();
        let told: Vec<_> = list.iter().map(|i| (&*i.name, i.received[0], i.sent[0])).collect();
        assert_eq!(told[1], ("eth0", 9_821_734_412, 1_203_948_210));
        assert_eq!((list[1].received[3], list[1].sent[6]), (12, 1), "dropped, carrier");
        assert_eq!((told.len(), told[4]), (5, ("enp0s20f0u1", 0, 0)));
    }
}
