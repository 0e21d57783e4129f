//! Tests of the holders of sockets: in made folders, and on this machine.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::collect::Paths;
use crate::collect::linux::socket::Reader;
use crate::model::Faults;
use crate::model::socket::{SocketEnd, SocketKind};

#[test]
fn only_sockets_have_a_sockets_inode() {
    assert_eq!(inode_of(b"socket:[12345]"), Some(12_345));
    for other in [&b"socket:[]"[..], b"pipe:[1]", b"/dev/null", b"socket:[1", b"anon_inode:[eventpoll]"] {
        assert_eq!(inode_of(other), None);
    }
}

/// Descriptors of this process that hold the same socket as `socket` does.
fn holders(reader: &mut Reader, socket: &UnixDatagram) -> Vec<u32> {
    let own = std::process::id();
    let number = u32::try_from(socket.as_raw_fd()).unwrap();
    let list = reader.read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone();
    let found = list.iter().find(|socket| socket.holders.contains(&(own, number))).expect("no such socket");
    found.holders.iter().filter(|(pid, _)| *pid == own).map(|(_, descriptor)| *descriptor).collect()
}

/// Whether the socket comes to have as many descriptors. Other tests of this process open and close descriptors at the
/// same moments, so that their number may stay the same by chance; the next full walk finds what that hides.
fn comes_to(reader: &mut Reader, socket: &UnixDatagram, count: usize) -> bool {
    (0..=FULL_WALK).any(|_| holders(reader, socket).len() == count)
}

#[test]
fn changes_between_passes_are_seen() {
    let mut reader = Reader::new(&Paths::host());
    let first = UnixDatagram::unbound().unwrap();
    assert_eq!(holders(&mut reader, &first).len(), 1);
    assert_eq!(holders(&mut reader, &first).len(), 1);
    let twin = first.try_clone().unwrap();
    assert!(comes_to(&mut reader, &first, 2), "one more descriptor");
    drop(twin);
    // One closed and one opened: the number of descriptors is as before.
    let second = UnixDatagram::unbound().unwrap();
    assert!(comes_to(&mut reader, &second, 1));
    assert!(comes_to(&mut reader, &first, 1));
    drop(second);
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(comes_to(&mut reader, &first, 1));
    drop(file);
    for _ in 0..2 * FULL_WALK {
        assert_eq!(holders(&mut reader, &first), [u32::try_from(first.as_raw_fd()).unwrap()]);
    }
}

fn unix(inode: u64) -> RawSocket {
    let end = SocketEnd::Path("".into());
    let (kind, local, remote) = (SocketKind::Unix(1), end.clone(), end);
    RawSocket { kind, local, remote, state: 1, inode, uid: None, holders: Vec::new() }
}

#[test]
fn a_later_row_does_not_take_the_holders_of_an_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("7/fd")).unwrap();
    std::os::unix::fs::symlink("socket:[100]", dir.path().join("7/fd/3")).unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    let mut list = [unix(100), unix(100)];
    Holders::new(false).find(root.as_fd(), &mut list).unwrap();
    assert_eq!(list.map(|socket| socket.holders), [vec![(7, 3)], vec![]]);
}

#[test]
fn a_socket_that_moved_unseen_is_found_by_the_full_walk_of_a_rare_pass() {
    let dir = tempfile::tempdir().unwrap();
    let fd = |path: &str| dir.path().join(path);
    for (folder, link) in [("self/fd", "self/fd/0"), ("7/fd", "7/fd/3")] {
        std::fs::create_dir_all(fd(folder)).unwrap();
        std::os::unix::fs::symlink("socket:[100]", fd(link)).unwrap();
    }
    let root = std::fs::File::open(dir.path()).unwrap();
    let mut holders = Holders::new(true);
    let mut found = |age: Duration| {
        holders.full_walk_at = holders.full_walk_at.and_then(|_| Instant::now().checked_sub(age));
        let end = SocketEnd::Path("".into());
        let (kind, local, remote) = (SocketKind::Unix(1), end.clone(), end);
        let mut list = [RawSocket { kind, local, remote, state: 1, inode: 100, uid: None, holders: Vec::new() }];
        holders.find(root.as_fd(), &mut list).unwrap();
        std::mem::take(&mut list[0].holders)
    };
    assert_eq!(found(Duration::ZERO), [(7, 3)]);
    // As many descriptors as before, and nothing that nobody holds.
    std::fs::rename(fd("7/fd/3"), fd("7/fd/4")).unwrap();
    assert_eq!(found(Duration::ZERO), [(7, 3)], "not looked at");
    assert_eq!(found(FULL_WALK_TIME), [(7, 4)]);
}

#[test]
fn a_remembered_process_tells_what_a_fresh_look_tells() {
    let mut reader = Reader::new(&Paths::host());
    reader.read(true, &mut Faults::default()).unwrap().sockets.unwrap();
    let held = |list: Vec<RawSocket>| -> HashMap<u64, Vec<(u32, u32)>> {
        // Process 1 outlasts the test, unlike sockets of other tests.
        let first =
            |socket: RawSocket| (socket.inode, socket.holders.into_iter().filter(|(pid, _)| *pid == 1).collect());
        list.into_iter().map(first).filter(|(_, holders): &(u64, Vec<_>)| !holders.is_empty()).collect()
    };
    let before =
        held(Reader::new(&Paths::host()).read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone());
    let remembered = held(reader.read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone());
    let after =
        held(Reader::new(&Paths::host()).read(true, &mut Faults::default()).unwrap().sockets.unwrap().list.clone());
    for (inode, holders) in before.iter().filter(|(inode, holders)| after.get(inode) == Some(holders)) {
        assert_eq!(remembered.get(inode), Some(holders));
    }
}
