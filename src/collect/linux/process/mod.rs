//! Processes: `/proc/PID/{stat,statm,status}`, and `cmdline` where the kernel cut a name.
//!
//! Read when somebody wants them. A reader of our own and not sysinfo's, for its cost: with 2,000 processes the two kept
//! descriptors of each are read in a third of the time that opening them takes. Memory of all processes is read in each
//! pass; the rest of all, or of the ten largest only. Command lines are never part of a sample.

mod arrivals;
pub mod command_line;
mod details;
mod kept;
pub(super) mod list;
pub(super) mod parse;
mod table;
#[cfg(test)]
mod tests;
mod visible;

use std::cmp::Reverse;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::PROC_SUPER_MAGIC;
use rustix::io::Errno;

pub use command_line::{command_line, name};
pub use details::Details;
pub use kept::descriptor_budget;

use super::file::{parse_error, read_error};
use super::user::Users;
use super::{Paths, naming};
use crate::model::process::{RawProcess, RawProcessStat, RawProcesses, TOP};
use crate::model::{ReadError, Reading};
use arrivals::Arrivals;
use kept::Keeper;
use list::Lister;
use table::Table;

/// Room for `stat`: 52 numbers of at most 20 digits and a name of at most 64 bytes.
const STAT_BYTES: usize = 2_048;

/// Room for the part of `status` that ends with the `Gid` line.
const STATUS_BYTES: usize = 1_024;

/// Room for a first argument.
const ARGUMENT_BYTES: usize = 4_096;

/// How many of the largest are candidates for the top list: some may end while it is made.
const CANDIDATES: usize = TOP + 6;

/// Passes between two looks at the mount options of `/proc`.
const VISIBILITY_AGE: u32 = 64;

/// Reads the process table. What it keeps between passes is bounded by the number of processes and by its budget of
/// descriptors.
pub struct Reader {
    paths: Paths,
    users: Users,
    folder: Option<Folder>,
    lister: Lister,
    arrivals: Arrivals,
    /// What `/proc/loadavg` said a moment ago, for the next pass.
    newest_pid: Option<u32>,
    keeper: Keeper,
    table: Table,
    pids: Vec<u32>,
    pass: u32,
    hidden: bool,
    /// Whether this pass tells what each process waited for disks.
    are_detailed: bool,
    /// First unreadable `stat` of this pass.
    complaint: Option<ReadError>,
}

/// The open folder of processes.
#[derive(Debug)]
struct Folder {
    fd: OwnedFd,
    /// Whether it is the kernel's, and not a copy in plain files.
    is_procfs: bool,
    /// Whether its PIDs are those of our own name space.
    is_own: bool,
}

/// A file of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Statm,
    Stat,
    Status,
    CommandLine,
}

/// The process ended while it was looked at.
struct Gone;

impl Reader {
    /// Keeps at most half of the descriptors that the soft limit leaves. Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self::with_keeper(paths, Keeper::new(None))
    }

    /// Keeps at most `descriptors` open between passes. The results are the same with any number, 0 among them.
    pub fn with_budget(paths: &Paths, descriptors: usize) -> Self {
        Self::with_keeper(paths, Keeper::new(Some(descriptors)))
    }

    fn with_keeper(paths: &Paths, keeper: Keeper) -> Self {
        Self {
            paths: paths.clone(),
            users: Users::new(paths),
            folder: None,
            lister: Lister::new(),
            arrivals: Arrivals::default(),
            newest_pid: None,
            keeper,
            table: Table::default(),
            pids: Vec::new(),
            pass: 0,
            hidden: false,
            are_detailed: false,
            complaint: None,
        }
    }

    /// Closes everything that is kept open, for when nobody watches processes any more. The next pass opens it anew.
    pub fn release(&mut self) {
        self.folder = None;
        self.arrivals = Arrivals::default();
        self.table = Table::default();
    }

    /// Tells the PID that was given out last, just read from `/proc/loadavg`. The next pass need not list the processes
    /// when it is the one of the pass before; without it, it does.
    pub fn note_newest_pid(&mut self, pid: Option<u32>) {
        self.newest_pid = pid;
    }

    /// Every process with memory, `stat`, user. What it waited for disks only when `are_detailed`.
    pub fn read_all(&mut self, are_detailed: bool) -> Reading<RawProcesses> {
        self.are_detailed = are_detailed;
        self.begin()?;
        let mut list = Vec::with_capacity(self.table.entries.len());
        for index in 0..self.table.entries.len() {
            if let Ok(mut process) = self.memory(index)
                && self.describe(index, &mut process, false).is_ok()
            {
                list.push(process);
            }
        }
        self.end(list, true)
    }

    /// Memory of every process; `stat` and user of the ten largest by resident memory (equal ones by PID).
    pub fn read_top(&mut self) -> Reading<RawProcesses> {
        self.are_detailed = false;
        self.begin()?;
        let mut list = Vec::with_capacity(self.table.entries.len());
        let mut order = Vec::with_capacity(self.table.entries.len());
        for index in 0..self.table.entries.len() {
            if let Ok(process) = self.memory(index) {
                let resident = process.memory_pages.map_or(0, |pages| pages[1]);
                order.push((Reverse(resident), process.pid, index, list.len()));
                list.push(process);
            }
        }
        if order.len() > CANDIDATES {
            order.select_nth_unstable(CANDIDATES - 1);
            order.truncate(CANDIDATES);
        }
        order.sort_unstable();
        let mut described = 0;
        let mut gone = Vec::new();
        for (_, pid, index, row) in order {
            match self.describe(index, &mut list[row], true) {
                Ok(()) => described += usize::from(list[row].stat.is_some()),
                Err(Gone) => gone.push(pid),
            }
            if described == TOP {
                break;
            }
        }
        if !gone.is_empty() {
            list.retain(|process| !gone.contains(&process.pid));
        }
        self.end(list, false)
    }

    /// Brings the table in line with the processes that there are.
    fn begin(&mut self) -> Reading<()> {
        let path = self.paths.procfs.clone();
        self.pass = self.pass.wrapping_add(1);
        let updated = self.open_folder().and_then(|()| self.update());
        if let Err(error) = updated {
            self.release();
            return Err(read_error(&path, &error.into()));
        }
        if self.pass % VISIBILITY_AGE == 1 {
            self.hidden = visible::hides_others(&path);
        }
        self.complaint = None;
        let on_procfs = self.folder.as_ref().is_some_and(|folder| folder.is_procfs);
        self.keeper.begin(self.table.kept(), on_procfs);
        Ok(())
    }

    fn open_folder(&mut self) -> Result<(), Errno> {
        if self.folder.is_none() {
            let fd = list::open_root(&self.paths.procfs)?;
            let is_procfs = rustix::fs::fstatfs(&fd)?.f_type == PROC_SUPER_MAGIC;
            let is_own = is_procfs && arrivals::is_own(fd.as_fd());
            self.folder = Some(Folder { fd, is_procfs, is_own });
        }
        Ok(())
    }

    /// Lists the PIDs in ascending order, if there may be new ones. The kernel lists them so; a plain folder may not.
    fn update(&mut self) -> Result<(), Errno> {
        let folder = self.folder.as_ref().ok_or(Errno::BADF)?;
        if !self.arrivals.possible(self.newest_pid.take().filter(|_| folder.is_own)) {
            return Ok(());
        }
        self.pids.clear();
        self.lister.numbers(folder.fd.as_fd(), |pid, _| self.pids.push(pid))?;
        if !self.pids.is_sorted() {
            self.pids.sort_unstable();
        }
        self.table.update(&self.pids, self.pass);
        Ok(())
    }

    fn end(&mut self, list: Vec<RawProcess>, complete: bool) -> Reading<RawProcesses> {
        self.table.bury();
        // One odd process is one without `stat`; when no process has one, the format is not what we know.
        if let Some(complaint) = self.complaint.take()
            && list.iter().all(|process| process.stat.is_none())
        {
            return Err(complaint);
        }
        let first_unseen = self.paths.is_live() && list.first().is_none_or(|process| process.pid != 1);
        Ok(RawProcesses { all_visible: !self.hidden && !first_unseen, complete, list })
    }

    /// `statm` of one process. A kept descriptor that fails has lost its process; as the PID is listed, another may have
    /// it now.
    fn memory(&mut self, index: usize) -> Result<RawProcess, Gone> {
        let mut buffer = [0; 256];
        let was_kept = self.table.entries[index].statm.is_some();
        let mut outcome = self.bytes(index, Source::Statm, &mut buffer);
        if was_kept && outcome.is_err() {
            self.table.entries[index].forget(self.pass);
            outcome = self.bytes(index, Source::Statm, &mut buffer);
        }
        let memory_pages = match outcome {
            Ok(length) => parse::parse_statm(&buffer[..length]).ok(),
            Err(error) => {
                self.unless_gone(index, error)?;
                None
            }
        };
        let entry = &self.table.entries[index];
        Ok(RawProcess { pid: entry.pid, memory_pages, stat: None, uid: None, user: None, gids: None })
    }

    /// `stat`, name and user of one process. The user is read where it may have changed, or when `now` asks for it.
    fn describe(&mut self, index: usize, process: &mut RawProcess, now: bool) -> Result<(), Gone> {
        let mut buffer = [0; STAT_BYTES];
        match self.bytes(index, Source::Stat, &mut buffer) {
            Ok(length) => match parse::parse_stat(&buffer[..length]) {
                Ok(stat) => process.stat = Some(self.stat(index, &stat)),
                Err(reason) => {
                    let path = self.paths.proc(&format!("{}/stat", process.pid));
                    self.complaint.get_or_insert_with(|| parse_error(&path, 1, reason));
                }
            },
            Err(error) => self.unless_gone(index, error)?,
        }
        if now || self.table.entries[index].is_due(self.pass) {
            self.look_at_user(index)?;
        }
        let entry = &self.table.entries[index];
        process.uid = entry.uid;
        process.user.clone_from(&entry.user);
        process.gids = entry.gids;
        Ok(())
    }

    fn stat(&mut self, index: usize, stat: &parse::Stat<'_>) -> RawProcessStat {
        let entry = &mut self.table.entries[index];
        if !entry.is_same(stat) {
            entry.forget(self.pass);
        }
        let earlier = entry.name_of(stat.comm);
        if earlier.is_none() {
            entry.hurry(self.pass);
        }
        let is_cut = naming::is_cut(stat.comm);
        let name = match earlier {
            Some(name) if !(is_cut && entry.is_due(self.pass)) => name,
            _ if is_cut => {
                let mut buffer = [0; ARGUMENT_BYTES];
                let length = self.bytes(index, Source::CommandLine, &mut buffer).unwrap_or(0);
                self.table.entries[index].rename(stat, &naming::of(stat.comm, &buffer[..length]))
            }
            _ => entry.rename(stat, &naming::of(stat.comm, b"")),
        };
        RawProcessStat {
            name,
            state: stat.state,
            parent: stat.parent,
            user_ticks: stat.user_ticks,
            system_ticks: stat.system_ticks,
            children_ticks: stat.children_ticks,
            waiting_ticks: if self.are_detailed { stat.waiting_ticks() } else { None },
            nice: stat.nice,
            threads: stat.threads,
            start_ticks: stat.start_ticks,
        }
    }

    fn look_at_user(&mut self, index: usize) -> Result<(), Gone> {
        let mut buffer = [0; STATUS_BYTES];
        let (uid, gids) = match self.bytes(index, Source::Status, &mut buffer) {
            Ok(length) => {
                let real = parse::parse_uids(&buffer[..length]).ok().map(|uids| uids[0]);
                (real, parse::parse_gids(&buffer[..length]))
            }
            Err(error) => {
                self.unless_gone(index, error)?;
                (None, None)
            }
        };
        let entry = &mut self.table.entries[index];
        (entry.uid, entry.gids) = (uid, gids);
        entry.user = uid.and_then(|uid| self.users.name(uid));
        entry.looked_at(self.pass);
        Ok(())
    }

    /// What a failed read means: the process is gone, or only this file is not for us. In a plain folder a missing file is
    /// a missing file.
    fn unless_gone(&mut self, index: usize, error: Errno) -> Result<(), Gone> {
        let is_procfs = self.folder.as_ref().is_some_and(|folder| folder.is_procfs);
        if error == Errno::SRCH || (error == Errno::NOENT && is_procfs) {
            self.table.entries[index].gone = true;
            return Err(Gone);
        }
        Ok(())
    }

    /// Reads one file of one process. When descriptors have run out, some of the kept ones are given back first.
    fn bytes(&mut self, index: usize, source: Source, buffer: &mut [u8]) -> Result<usize, Errno> {
        let folder = self.folder.as_ref().ok_or(Errno::BADF)?;
        loop {
            let entry = &mut self.table.entries[index];
            let (file, slot) = match source {
                Source::Statm => ("statm", Some(&mut entry.statm)),
                Source::Stat => ("stat", Some(&mut entry.stat)),
                Source::Status => ("status", None),
                Source::CommandLine => ("cmdline", None),
            };
            match self.keeper.read(folder.fd.as_fd(), entry.pid, file, slot, buffer) {
                Err(Errno::MFILE | Errno::NFILE) if self.keeper.keeps_any() => {
                    let most = self.keeper.halve();
                    self.table.close_past(most);
                }
                outcome => return outcome,
            }
        }
    }
}
