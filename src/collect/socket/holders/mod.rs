//! Which process holds which socket, by which descriptor: the links `socket:[INODE]` of `/proc/PID/fd`.
//!
//! Used by the socket reader. Looking at every descriptor costs more than everything else about sockets, so a process is
//! walked through only when there is reason to: it is new, its number of descriptors has changed (the size of the folder
//! `/proc/PID/fd`, since Linux 6.2), one of its sockets is gone, or a socket has come up that nobody is known to hold. Where
//! a process has only changed, only new descriptors and those whose socket is gone are looked at; a number that changed
//! hands unseen shows as a socket that nobody holds. Since the number of descriptors is known and the kernel gives out the
//! lowest free ones, new ones are found by trying the gaps: to list the folder of a process with thousands of sockets
//! costs more than all the rest. A socket with several holders is looked at in each. What slips through is a process that
//! moves a socket to another descriptor or gets one that others hold as well; a walk through all processes every
//! thirty-second pass, and in a pass that comes half a minute after the last one, sets it right.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::collect::process::list::{Lister, ShortPath, decimal};
use crate::collect::process::parse::parse_uids;
use crate::model::socket::{HolderUsers, RawSocket};

/// Passes from one walk through all processes to the next.
const FULL_WALK: u32 = 32;

/// Time from one walk through all processes to the next, where passes are rare.
const FULL_WALK_TIME: Duration = Duration::from_secs(30);

/// How many free numbers may be met before a folder is listed instead, besides a quarter of what is looked for.
const GAPS_MISSED: usize = 8;

/// How many free numbers are tried beyond the last descriptor that was looked for.
const GAPS_FURTHER: usize = 3;

/// Room for the part of `status` that ends with the `Uid` line.
const STATUS_BYTES: usize = 1_024;

/// What is known about the holders, between passes.
#[derive(Debug)]
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
    walked: bool,
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
        for index in 0..self.known.len() {
            let process = &self.known[index];
            let shared = |(_, inode): &(u32, u64)| places.get(inode).is_some_and(|place| claims[*place] > 1);
            let still = |hold: (u32, u64)| held_by(root, process.pid, hold.0) == Some(hold.1);
            if !process.walked && !process.sockets().filter(shared).all(still) {
                self.walk(root, index, &places);
            }
        }
        claims = self.claims(&places, list.len());
        let orphans = std::mem::take(&mut self.orphans);
        let unknown =
            |socket: &RawSocket, claims: &u32| socket.inode != 0 && *claims == 0 && !orphans.contains(&socket.inode);
        let full = self.pass.is_multiple_of(FULL_WALK)
            || self.full_walk_at.is_none_or(|last| last.elapsed() >= FULL_WALK_TIME);
        let any_unknown = |list: &[RawSocket], claims: &[u32]| list.iter().zip(claims).any(|(s, c)| unknown(s, c));
        if !full && any_unknown(list, &claims) {
            // Most often a descriptor that was a file's, and its number is a socket's by now.
            for index in 0..self.known.len() {
                if !self.known[index].walked {
                    let sockets: Vec<_> = self.known[index].sockets().map(|(at, inode)| (at, Some(inode))).collect();
                    self.walk_with(root, index, &places, Some(&sockets));
                }
            }
            claims = self.claims(&places, list.len());
        }
        if full || any_unknown(list, &claims) {
            for index in 0..self.known.len() {
                if !self.known[index].walked {
                    self.walk(root, index, &places);
                }
            }
            claims = self.claims(&places, list.len());
            let orphan = |(socket, claims): (&RawSocket, &u32)| (*claims == 0).then_some(socket.inode);
            self.orphans = list.iter().zip(&claims).filter_map(orphan).collect();
            if full {
                self.full_walk_at = Some(Instant::now());
            }
        } else {
            self.orphans = orphans;
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
            if is_holder && (full || process.uids.is_none()) {
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
                self.known.push(Process { walked: false, ..process });
                continue;
            }
            // The same process with other descriptors, or another one.
            let same = |process: &Process| {
                process.pid == pid && process.identity.zip(identity).is_some_and(|(a, b)| a.0 == b.0)
            };
            let before = earlier.next_if(same);
            let uids = before.as_ref().and_then(|process| process.uids);
            self.known.push(Process { pid, identity, uids, holds: Vec::new(), walked: false });
            self.look(root, self.known.len() - 1, places, before.map(|process| process.holds));
        }
        Ok(())
    }

    /// Looks into a process that has changed, or was never seen.
    fn look(
        &mut self,
        root: BorrowedFd<'_>,
        index: usize,
        places: &HashMap<u64, usize>,
        before: Option<Vec<(u32, Option<u64>)>>,
    ) {
        let process = &mut self.known[index];
        let Some((_, count)) = process.identity else {
            return self.walk(root, index, places);
        };
        if count == 0 {
            // A kernel thread, most often.
            process.walked = true;
            return;
        }
        let Ok(folder) = open(root, process.pid) else {
            return;
        };
        process.walked = before.is_none();
        let mut holds = before.unwrap_or_default();
        holds.retain(|(_, socket)| socket.is_none_or(|inode| places.contains_key(&inode)));
        if try_gaps(folder.as_fd(), &mut holds, count, places) {
            process.holds = holds;
        } else {
            self.walk_with(root, index, places, Some(&holds));
        }
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

    /// Looks at every descriptor of a process.
    fn walk(&mut self, root: BorrowedFd<'_>, index: usize, places: &HashMap<u64, usize>) {
        self.walk_with(root, index, places, None);
    }

    /// Looks at the descriptors of a process; of those that it `held` already, only whether they are there, unless its
    /// socket is gone. A process that ended meanwhile, or is another user's, holds nothing that we could see.
    fn walk_with(
        &mut self,
        root: BorrowedFd<'_>,
        index: usize,
        places: &HashMap<u64, usize>,
        held: Option<&[(u32, Option<u64>)]>,
    ) {
        let process = &mut self.known[index];
        process.walked = held.is_none();
        process.holds.clear();
        let Ok(folder) = open(root, process.pid) else {
            return;
        };
        let holds = &mut process.holds;
        // A process that ends while its descriptors are listed has let go of those that were not reached.
        let _ = self.descriptors.numbers(folder.as_fd(), |descriptor, name| {
            let known = held.and_then(|held| {
                let at = held.binary_search_by_key(&descriptor, |(descriptor, _)| *descriptor).ok()?;
                Some(held[at].1).filter(|socket| socket.is_none_or(|inode| places.contains_key(&inode)))
            });
            let socket = known.unwrap_or_else(|| link(folder.as_fd(), name).filter(|inode| places.contains_key(inode)));
            holds.push((descriptor, socket));
        });
        holds.sort_unstable();
    }
}

impl Process {
    /// Its descriptors of sockets.
    fn sockets(&self) -> impl Iterator<Item = (u32, u64)> {
        self.holds.iter().filter_map(|(descriptor, socket)| Some((*descriptor, (*socket)?)))
    }
}

/// The users of a process.
fn users_of(root: BorrowedFd<'_>, pid: u32) -> Option<[u32; 4]> {
    let path = ShortPath::of(pid, "status");
    let file = rustix::fs::openat(root, path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = [0; STATUS_BYTES];
    let length = rustix::io::read(&file, &mut text[..]).ok()?;
    parse_uids(&text[..length]).ok()
}

fn open(root: BorrowedFd<'_>, pid: u32) -> Result<OwnedFd, Errno> {
    let path = ShortPath::of(pid, "fd");
    rustix::fs::openat(root, path.as_c_str(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Inode and size of `path`. The size of `/proc/PID/fd` is the number of descriptors, or always 0 before Linux 6.2.
fn size(root: BorrowedFd<'_>, path: &CStr) -> Option<(u64, u64)> {
    let stat = rustix::fs::statat(root, path, AtFlags::empty()).ok()?;
    Some((stat.st_ino, u64::try_from(stat.st_size).ok()?))
}

/// Completes `holds`, by descriptor, to `count` by trying the numbers that are not in it, the lowest first. Goes a few
/// numbers further than it must where some were held before: more than `count` then shows that one of those is closed.
/// False where that is so, or where the numbers are too scattered for this to be worth it.
fn try_gaps(
    folder: BorrowedFd<'_>,
    holds: &mut Vec<(u32, Option<u64>)>,
    count: u64,
    places: &HashMap<u64, usize>,
) -> bool {
    let Some(mut missing) = usize::try_from(count).ok().and_then(|count| count.checked_sub(holds.len())) else {
        return false;
    };
    let mut further = if holds.is_empty() { 0 } else { GAPS_FURTHER };
    let mut misses = GAPS_MISSED + missing / 4;
    let mut found = Vec::with_capacity(missing);
    let mut held = holds.iter().map(|(descriptor, _)| *descriptor).peekable();
    for descriptor in 0.. {
        if missing == 0 && further == 0 {
            break;
        }
        if held.next_if_eq(&descriptor).is_some() {
            continue;
        }
        match target(folder, ShortPath::number(descriptor).as_c_str()) {
            Ok(socket) if missing > 0 => {
                missing -= 1;
                found.push((descriptor, socket.filter(|inode| places.contains_key(inode))));
            }
            // Another user's: nothing of it can be seen.
            Err(Errno::ACCESS) => {
                holds.clear();
                return true;
            }
            Err(Errno::NOENT) if missing == 0 => further -= 1,
            Err(Errno::NOENT) if misses > 0 => misses -= 1,
            _ => return false,
        }
    }
    holds.append(&mut found);
    holds.sort_unstable();
    true
}

fn held_by(root: BorrowedFd<'_>, pid: u32, descriptor: u32) -> Option<u64> {
    link(root, ShortPath::of(pid, &format!("fd/{descriptor}")).as_c_str())
}

/// The socket behind a link, if it is one.
fn link(folder: BorrowedFd<'_>, name: &CStr) -> Option<u64> {
    target(folder, name).ok().flatten()
}

/// The socket behind a link, if it is one, or why the link cannot be read.
fn target(folder: BorrowedFd<'_>, name: &CStr) -> Result<Option<u64>, Errno> {
    let mut target = [0; 64];
    let length = rustix::fs::readlinkat_raw(folder, name, &mut target[..])?;
    Ok(inode_of(&target[..length]))
}

/// `socket:[12345]`.
fn inode_of(target: &[u8]) -> Option<u64> {
    decimal(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}
