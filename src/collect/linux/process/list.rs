//! Listing the entries of a folder that are numbers: processes in `/proc`, descriptors in `/proc/PID/fd`.
//!
//! Used by the process and the socket reader. `getdents64` into one big buffer that is kept: no allocation for a name.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, RawDir, SeekFrom, openat};
use rustix::io::Errno;

pub(in crate::collect) use super::parse::decimal;

/// Room for the names of one system call. 2,000 processes take two calls.
const BUFFER_BYTES: usize = 32 << 10;

/// Lists folders, one after the other, through one buffer.
pub(in crate::collect) struct Lister {
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Lister {
    pub(in crate::collect) fn new() -> Self {
        Self { buffer: Box::new_uninit_slice(BUFFER_BYTES) }
    }

    /// Calls `each` with every entry of `folder` whose name is a number, from the first one, whatever was read before.
    pub(in crate::collect) fn numbers(
        &mut self,
        folder: BorrowedFd<'_>,
        mut each: impl FnMut(u32, &CStr),
    ) -> Result<(), Errno> {
        rustix::fs::seek(folder, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(folder, &mut self.buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(number) = decimal(name.to_bytes()).and_then(|number| u32::try_from(number).ok()) {
                each(number, name);
            }
        }
        Ok(())
    }
}

/// Opens `/proc`, or what stands for it, to be listed.
pub(in crate::collect) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens `PID/FILE` below it, a file or a folder.
pub(in crate::collect) fn open(root: BorrowedFd<'_>, pid: u32, file: &str) -> Result<OwnedFd, Errno> {
    openat(root, ShortPath::of(pid, file).as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Reads a file from its start, as far as `buffer` has room.
pub(in crate::collect) fn read_at_start(file: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *buffer, 0))
}

/// A path below `/proc` such as `1234/statm`, made on the stack.
#[derive(Debug)]
pub(in crate::collect) struct ShortPath {
    bytes: [u8; 32],
}

impl ShortPath {
    /// `PID/FILE`. Too long a `file` for 32 bytes is cut off, and then names nothing.
    pub(in crate::collect) fn of(pid: u32, file: &str) -> Self {
        use std::io::Write;
        let mut bytes = [0; 32];
        let mut room = &mut bytes[..31];
        // A full buffer is the only failure there is; the last byte stays NUL all the same.
        drop(write!(room, "{pid}/{file}"));
        Self { bytes }
    }

    /// As system calls take it.
    pub(in crate::collect) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_numbers_are_listed_and_each_listing_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1", "42", "self", "4x", "-7", "99999999999", "net"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let folder = std::fs::File::open(dir.path()).unwrap();
        let mut lister = Lister::new();
        for _ in 0..2 {
            let mut found = Vec::new();
            lister.numbers(folder.as_fd(), |number, _| found.push(number)).unwrap();
            found.sort_unstable();
            assert_eq!(found, [1, 42]);
        }
    }

    #[test]
    fn a_short_path_is_pid_and_file() {
        assert_eq!(ShortPath::of(u32::MAX, "cmdline").as_c_str(), c"4294967295/cmdline");
        assert_eq!(ShortPath::of(1, &"x".repeat(99)).as_c_str().to_bytes().len(), 31);
    }
}
