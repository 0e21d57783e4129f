//! Which process holds which socket, by which descriptor: the links `socket:[INODE]` of `/proc/PID/fd`.
//!
//! Used by the socket reader. Looking at every descriptor costs more than everything else about sockets, so a process is
//! walked through only when there is reason to: it is new, its number of descriptors has changed (the size of the folder
//! `/proc/PID/fd`, since Linux 6.2), or one of its sockets is gone. Of the descriptors that it had, only those are looked at
//! whose socket is gone. A socket that nobody is known to hold has all processes walked through. What slips through is a
//! process that moves a socket to another descriptor or gets one that others hold as well; a walk through all processes every
//! thirty-second pass, and in a pass that comes half a minute after the last one, sets it right.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::collect::linux::process::list::{Lister, ShortPath, decimal, open, read_at_start};
use crate::collect::linux::process::parse::parse_uids;
use crate::model::socket::{HolderUsers, RawSocket};

/// Passes from one walk through all processes to the next.
const FULL_WALK: u32 = 32;

/// Time from one walk through all processes to the next, where passes are rare.
const FULL_WALK_TIME: Duration = Duration::from_secs(30);

/// Room for the part of `status` that ends with the `Uid` line.
const STATUS_BYTES: usize = 1_024;

/// What is known about the holders, between passes.
pub(super) struct Holders {
    /// Whether the kernel tells of changes: not in plain folders.
    live: bool,
    processes: Lister,
    descriptors: Lister,
    /// By PID.
    known: Vec<Process>,
    /// Sockets without a holder that we could see, after the last walk through all processes.
    orphans: HashSet<u64>,
    pass: u32,
    /// When the last walk through all processes was made because it was time for one.
    full_walk_at: Option<Instant>,
}

/// One process as it was last walked through.
#[derive(Debug)]
struct Process {
    pid: u32,
    /// Inode and size of `/proc/PID/fd`. Another process of the same PID has another inode.
    identity: Option<(u64, u64)>,
    /// Real, effective, saved and file system user. `None` when they could not be read, or were not asked for because the
    /// process holds no socket.
    uids: Option<[u32; 4]>,
    /// Descriptor and socket, by descriptor; `None` for a descriptor of something else.
    holds: Vec<(u32, Option<u64>)>,
    /// Whether every descriptor was looked at in this pass.
    is_walked: bool,
}

impl Holders {
    pub(super) fn new(live: bool) -> Self {
        Self {
            live,
            processes: Lister::new(),
            descriptors: Lister::new(),
            known: Vec::new(),
            orphans: HashSet::new(),
            pass: 0,
            full_walk_at: None,
        }
    }

    /// Fills in the holders of every socket of `list`, ordered by PID and descriptor. `root` is `/proc`.
    /// Returns the real, effective, saved and file system user of each holder, by PID.
    pub(super) fn find(&mut self, root: BorrowedFd<'_>, list: &mut [RawSocket]) -> Result<HolderUsers, Errno> {
        // The first one has an inode for good: a UNIX socket's path may hold a newline and what looks like another socket.
        let places: HashMap<u64, usize> =
            list.iter().enumerate().rev().filter(|(_, s)| s.inode != 0).map(|(at, s)| (s.inode, at)).collect();
        self.update(root, &places)?;
        let mut claims = self.claims(&places, list.len());
        let is_time = self.pass.is_multiple_of(FULL_WALK)
            || self.full_walk_at.is_none_or(|last| last.elapsed() >= FULL_WALK_TIME);
        let is_unknown = |(socket, claims): (&RawSocket, &u32)| {
            socket.inode != 0 && *claims == 0 && !self.orphans.contains(&socket.inode)
        };
        if is_time || list.iter().zip(&claims).any(is_unknown) {
            for process in self.known.iter_mut().filter(|process| !process.is_walked) {
                process.walk(root, &mut self.descriptors, &places, &[]);
            }
            claims = self.claims(&places, list.len());
            let orphan = |(socket, claims): (&RawSocket, &u32)| (*claims == 0).then_some(socket.inode);
            self.orphans = list.iter().zip(&claims).filter_map(orphan).collect();
            if is_time {
                self.full_walk_at = Some(Instant::now());
            }
        }
        self.pass = self.pass.wrapping_add(1);
        for (socket, claims) in list.iter_mut().zip(claims) {
            socket.holders.reserve_exact(claims as usize);
        }
        let mut users = HashMap::new();
        for process in &mut self.known {
            let mut is_holder = false;
            for (descriptor, inode) in process.sockets() {
                if let Some(place) = places.get(&inode) {
                    list[*place].holders.push((process.pid, descriptor));
                    is_holder = true;
                }
            }
            if is_holder && (is_time || process.uids.is_none()) {
                process.uids = users_of(root, process.pid);
            }
            if let Some(uids) = process.uids.filter(|_| is_holder) {
                users.insert(process.pid, uids);
            }
        }
        Ok(users)
    }

    /// Brings the processes in line with `/proc`, looking into those that have changed.
    fn update(&mut self, root: BorrowedFd<'_>, places: &HashMap<u64, usize>) -> Result<(), Errno> {
        let counted = self.live && size(root, c"self/fd").is_some_and(|(_, size)| size > 0);
        let mut pids = Vec::with_capacity(self.known.len());
        self.processes.numbers(root, |pid, _| pids.push(pid))?;
        pids.sort_unstable();
        let mut earlier = std::mem::take(&mut self.known).into_iter().peekable();
        for pid in pids {
            while earlier.next_if(|process| process.pid < pid).is_some() {}
            let identity = if counted { size(root, ShortPath::of(pid, "fd").as_c_str()) } else { None };
            let unchanged = |process: &Process| {
                process.pid == pid
                    && identity.is_some()
                    && process.identity == identity
                    && process.sockets().all(|(_, inode)| places.contains_key(&inode))
            };
            if let Some(process) = earlier.next_if(unchanged) {
                self.known.push(Process { is_walked: false, ..process });
                continue;
            }
            // The same process with other descriptors, or another one.
            let is_same = |process: &Process| {
                process.pid == pid && process.identity.zip(identity).is_some_and(|(a, b)| a.0 == b.0)
            };
            let before = earlier.next_if(is_same);
            let uids = before.as_ref().and_then(|process| process.uids);
            let mut process = Process { pid, identity, uids, holds: Vec::new(), is_walked: true };
            // A kernel thread, most often, has no descriptor.
            if identity.is_none_or(|(_, count)| count > 0) {
                let held = before.map(|process| process.holds).unwrap_or_default();
                process.walk(root, &mut self.descriptors, places, &held);
            }
            self.known.push(process);
        }
        Ok(())
    }

    /// How many known descriptors each socket has.
    fn claims(&self, places: &HashMap<u64, usize>, length: usize) -> Vec<u32> {
        let mut claims = vec![0; length];
        for (_, inode) in self.known.iter().flat_map(Process::sockets) {
            if let Some(place) = places.get(&inode) {
                claims[*place] += 1;
            }
        }
        claims
    }
}

impl Process {
    /// Looks at every descriptor; of those that it `held` already, only whether they are there, unless its socket is gone. A
    /// process that ended meanwhile, or is another user's, holds nothing that we could see.
    fn walk(
        &mut self,
        root: BorrowedFd<'_>,
        lister: &mut Lister,
        places: &HashMap<u64, usize>,
        held: &[(u32, Option<u64>)],
    ) {
        self.is_walked = held.is_empty();
        self.holds.clear();
        let Ok(folder) = open(root, self.pid, "fd") else { return };
        // A process that ends while its descriptors are listed has let go of those that were not reached.
        let _ = lister.numbers(folder.as_fd(), |descriptor, name| {
            let known = held.binary_search_by_key(&descriptor, |(descriptor, _)| *descriptor).ok().map(|at| held[at].1);
            let known = known.filter(|socket| socket.is_none_or(|inode| places.contains_key(&inode)));
            let look = || link(folder.as_fd(), name).filter(|inode| places.contains_key(inode));
            self.holds.push((descriptor, known.unwrap_or_else(look)));
        });
        self.holds.sort_unstable();
    }

    /// Its descriptors of sockets.
    fn sockets(&self) -> impl Iterator<Item = (u32, u64)> {
        self.holds.iter().filter_map(|(descriptor, socket)| Some((*descriptor, (*socket)?)))
    }
}

/// The users of a process.
fn users_of(root: BorrowedFd<'_>, pid: u32) -> Option<[u32; 4]> {
    let mut text = [0; STATUS_BYTES];
    let length = read_at_start(open(root, pid, "status").ok()?.as_fd(), &mut text).ok()?;
    parse_uids(&text[..length]).ok()
}

/// Inode and size of `path`. The size of `/proc/PID/fd` is the number of descriptors, or always 0 before Linux 6.2.
fn size(root: BorrowedFd<'_>, path: &CStr) -> Option<(u64, u64)> {
    let stat = rustix::fs::statat(root, path, AtFlags::empty()).ok()?;
    Some((stat.st_ino, u64::try_from(stat.st_size).ok()?))
}

/// The socket behind a link, if it is one.
fn link(folder: BorrowedFd<'_>, name: &CStr) -> Option<u64> {
    let mut target = [0; 64];
    let length = rustix::fs::readlinkat_raw(folder, name, &mut target[..]).ok()?;
    inode_of(&target[..length])
}

/// `socket:[12345]`.
fn inode_of(target: &[u8]) -> Option<u64> {
    decimal(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}
