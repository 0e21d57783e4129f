//! What a process reads and writes, and its command line: `/proc/PID/{io,cmdline}`.
//!
//! Read for those who ask for it, in a lane of its own: a process that changes its memory, or starts another program, holds
//! up whoever reads these two, and must not hold up the table. Secrets are masked right here, so that no command line as it
//! is leaves this file.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::command_line::command_line;
use super::list::{Lister, open, open_root, read_at_start};
use super::parse::parse_io;
use crate::collect::Paths;
use crate::collect::linux::file::{parse_error, read_error};
use crate::model::process::{RawProcessDetail, RawProcessDetails};
use crate::model::{Faults, ReadError, Reading, redact};

/// Room for `io`: seven lines.
const IO_BYTES: usize = 512;

/// Most bytes of command lines in a reading, all processes together. Those behind are unknown.
const MOST_BYTES: usize = 4 << 20;

/// Reads the details of all processes. Keeps nothing open.
pub struct Details {
    paths: Paths,
    lister: Lister,
}

impl Details {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), lister: Lister::new() }
    }

    /// What may be seen of each process. One that ended meanwhile has no row.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<RawProcessDetails> {
        let root = &self.paths.procfs;
        let folder = open_root(root).map_err(|error| read_error(root, &error.into()))?;
        let mut pids = Vec::new();
        let listed = self.lister.numbers(folder.as_fd(), |pid, _| pids.push(pid));
        listed.map_err(|error| read_error(root, &error.into()))?;
        pids.sort_unstable();
        let mut list = Vec::with_capacity(pids.len());
        let mut room = MOST_BYTES;
        for pid in pids {
            let io_bytes = self.io(folder.as_fd(), pid, faults);
            let arguments = match command_line(&self.paths, pid) {
                Ok(arguments) => Some(redact::redact(&arguments)),
                Err(ReadError::Vanished { .. }) if io_bytes.is_none() => continue,
                Err(_) => None,
            };
            let bytes = arguments.iter().flatten().map(String::len).sum::<usize>();
            room = room.saturating_sub(bytes);
            let arguments = arguments.filter(|_| room > 0).map(Arc::from);
            list.push(RawProcessDetail { pid, io_bytes, arguments });
        }
        Ok(RawProcessDetails { list })
    }

    /// `None` where the kernel shows it to the process's own user and root alone, and where it counts nothing.
    fn io(&self, folder: BorrowedFd<'_>, pid: u32, faults: &mut Faults) -> Option<[u64; 2]> {
        let mut buffer = [0; IO_BYTES];
        let length = read_at_start(open(folder, pid, "io").ok()?.as_fd(), &mut buffer).ok()?;
        match parse_io(&buffer[..length]) {
            Ok(bytes) => Some(bytes),
            Err(reason) => {
                faults.add_with(|| parse_error(&self.paths.proc(&format!("{pid}/io")), 0, reason));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::machine_of;

    #[test]
    fn each_process_has_what_may_be_seen_of_it_and_secrets_are_masked() {
        let io = |read: u64| format!("rchar: 1\nread_bytes: {read}\nwrite_bytes: 512\n").into_bytes();
        let (_dir, paths) = machine_of(&[
            ("proc/70/io", io(4096)),
            ("proc/70/cmdline", b"tool\0--password\0hunter2\0".to_vec()),
            ("proc/8/cmdline", b"other\0".to_vec()),
            ("proc/9/io", b"garbage\n".to_vec()),
            ("proc/9/cmdline", Vec::new()),
            ("proc/uptime", b"1 2\n".to_vec()),
        ]);
        let mut faults = Faults::default();
        let list = Details::new(&paths).read(&mut faults).unwrap().list;
        let found: Vec<_> = list.iter().map(|detail| (detail.pid, detail.io_bytes)).collect();
        assert_eq!(found, [(8, None), (9, None), (70, Some([4096, 512]))]);
        let shown: Vec<_> = list.iter().map(|detail| detail.arguments.as_ref().unwrap().join(" ")).collect();
        assert_eq!(shown, ["other", "", "tool --password ***"]);
        assert!(faults.to_string().contains("proc/9/io"), "{faults}");
    }

    #[test]
    fn our_own_is_known() {
        let mut faults = Faults::default();
        let list = Details::new(&Paths::host()).read(&mut faults).unwrap().list;
        let own = list.iter().find(|detail| detail.pid == std::process::id()).unwrap();
        let arguments = own.arguments.as_ref().unwrap();
        assert_eq!(arguments[0], std::env::args().next().unwrap());
        assert!(list.is_sorted_by_key(|detail| detail.pid));
    }

    #[test]
    fn command_lines_together_are_bounded() {
        let long = vec![b'x'; 4096];
        let names: Vec<String> = (1..=1100).map(|pid| format!("proc/{pid}/cmdline")).collect();
        let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), long.clone())).collect();
        let (_dir, paths) = machine_of(&files);
        let list = Details::new(&paths).read(&mut Faults::default()).unwrap().list;
        assert_eq!(list.len(), 1100);
        let bytes: usize =
            list.iter().filter_map(|d| Some(d.arguments.as_ref()?.iter().map(String::len).sum::<usize>())).sum();
        assert!(bytes <= MOST_BYTES && list.last().unwrap().arguments.is_none(), "{bytes}");
    }
}
