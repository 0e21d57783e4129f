//! Listing the entries of a folder that are numbers: processes in `/proc`, descriptors in `/proc/PID/fd`.
//!
//! Used by the process and the socket reader. `getdents64` into one big buffer that is kept: no allocation for a name.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{RawDir, SeekFrom};
use rustix::io::Errno;

pub(in crate::collect) use super::parse::decimal;

/// Room for the names of one system call. 2,000 processes take two calls.
const BUFFER_BYTES: usize = 32 << 10;

/// Lists folders, one after the other, through one buffer.
pub(in crate::collect) struct Lister {
    buffer: Box<[MaybeUninit<u8>]>,
}

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lister").finish_non_exhaustive()
    }
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

/// A path below `/proc` such as `1234/statm`, made on the stack.
#[derive(Debug)]
pub(in crate::collect) struct ShortPath {
    bytes: [u8; 32],
}

impl ShortPath {
    /// `PID/FILE`. Too long a `file` for 32 bytes is cut off, and then names nothing.
    pub(in crate::collect) fn of(pid: u32, file: &str) -> Self {
        Self::written(format_args!("{pid}/{file}"))
    }

    /// A number alone: a descriptor below `/proc/PID/fd`.
    pub(in crate::collect) fn number(number: u32) -> Self {
        Self::written(format_args!("{number}"))
    }

    fn written(path: std::fmt::Arguments<'_>) -> Self {
        use std::io::Write;
        let mut bytes = [0; 32];
        let mut room = &mut bytes[..31];
        // A full buffer is the only failure there is; the last byte stays NUL all the same.
        drop(room.write_fmt(path));
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
        assert_eq!(ShortPath::number(1_048_576).as_c_str(), c"1048576");
        assert_eq!(ShortPath::of(1, &"x".repeat(99)).as_c_str().to_bytes().len(), 31);
    }
}
