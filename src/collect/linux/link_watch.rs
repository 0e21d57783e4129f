//! Whether the kernel has announced a change of any interface or address (rtnetlink(7)).
//!
//! Used by [`super::link`], which leaves the files of the interfaces alone while there was none, by [`super::network`],
//! which then leaves their indexes alone, and by [`super::address`]; each has its own. A look costs one system call. What an announcement says does not
//! matter here, so that nothing is interpreted.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// `RTMGRP_LINK`: interfaces made, changed and removed.
pub(super) const LINKS: u32 = 1;

/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`: addresses that come and go.
pub(super) const ADDRESSES: u32 = 0x10 | 0x100;

/// Most announcements that are taken at one look. The kernel's queue holds a few hundred.
const MOST_TAKEN: usize = 4096;

/// Where changes are announced.
#[derive(Debug)]
pub(super) enum Announcements {
    /// Those of these groups are listened to from the first look on.
    Ahead(u32),
    Heard(LinkWatch),
    /// Another machine's files, or no netlink.
    Absent,
}

impl Announcements {
    /// Whether there was none since the last look; false at the first one and where none can be heard.
    pub(super) fn were_none(&mut self) -> bool {
        let asked = match self {
            Self::Absent => return false,
            Self::Ahead(groups) => LinkWatch::open(*groups).map(|watch| {
                *self = Self::Heard(watch);
                false
            }),
            Self::Heard(watch) => watch.was_quiet(),
        };
        asked.unwrap_or_else(|error| {
            log::debug!("rtnetlink: {error}; the interfaces are asked at every reading instead");
            *self = Self::Absent;
            false
        })
    }
}

/// The socket at which the announcements arrive.
#[derive(Debug)]
pub(super) struct LinkWatch {
    socket: OwnedFd,
}

impl LinkWatch {
    /// Listens from now on. What is announced must be read after this for its first time.
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 of this family is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket })
    }

    /// Whether nothing was announced since the last look. A queue that ran over has lost announcements: that is not quiet.
    pub(super) fn was_quiet(&self) -> io::Result<bool> {
        let mut quiet = true;
        for _ in 0..MOST_TAKEN {
            // The content does not matter, and what does not fit is dropped with its datagram.
            match recv(&self.socket, &mut [0_u8; 16], RecvFlags::DONTWAIT) {
                Ok(_) | Err(Errno::NOBUFS) => quiet = false,
                Err(Errno::AGAIN) => return Ok(quiet),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::set_socket_recv_buffer_size;
    use rustix::net::{SendFlags, netlink, sendto};

    /// A look-out for messages of this test, and how to send one: to all who listen, or to it alone. Messages of
    /// `NETLINK_ROUTE` only root may send.
    fn watch(groups: u32) -> (LinkWatch, impl Fn(usize) -> bool) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let open = || socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::USERSOCK)).unwrap();
        let (socket, sender) = (open(), open());
        bind(&socket, &SocketAddrNetlink::new(0, groups)).unwrap();
        let own = SocketAddrNetlink::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap().pid();
        let address = SocketAddrNetlink::new(if groups == 0 { own } else { 0 }, groups);
        let send = move |bytes: usize| sendto(&sender, &vec![0; bytes], SendFlags::empty(), &address).is_ok();
        (LinkWatch { socket }, send)
    }

    #[test]
    fn a_message_is_a_change_until_it_is_seen() {
        let (watch, send) = watch(0);
        assert!(watch.was_quiet().unwrap());
        assert!(send(40) && send(40));
        assert!(!watch.was_quiet().unwrap());
        assert!(watch.was_quiet().unwrap());
    }

    #[test]
    fn announcements_that_were_lost_are_a_change() {
        let ((look_out, send), (witness, _)) = (watch(LINKS), watch(LINKS));
        for listener in [&look_out, &witness] {
            set_socket_recv_buffer_size(&listener.socket, 2048).unwrap();
        }
        // Whether the sender is told of the loss does not matter.
        let _ = (0..100).filter(|_| send(1024)).count();
        let seen = recv(&witness.socket, &mut [0_u8; 16], RecvFlags::DONTWAIT);
        assert_eq!(seen, Err(Errno::NOBUFS), "the queue did not run over");
        assert!(!look_out.was_quiet().unwrap());
        assert!(look_out.was_quiet().unwrap());
    }

    #[test]
    fn the_kernels_group_can_be_listened_to() {
        for groups in [LINKS, ADDRESSES] {
            let watch = LinkWatch::open(groups).unwrap();
            // Interfaces of this machine may change meanwhile; some moment is quiet.
            assert!((0..50).any(|_| watch.was_quiet().unwrap()));
        }
    }
}
