//! Reading small kernel files: the errno policy, a file that is kept open, and helpers for parsers.
//!
//! Used by nearly every reader, so that all of them tell a missing file from one that is denied or broken in the same way.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::model::{ReadError, Reading};

/// Most bytes that one kernel file is read for; a larger one is an error rather than followed for ever.
pub(super) const LARGEST_FILE_BYTES: u64 = 64 << 20;

/// The one errno policy: what a failed system call on `path` means.
///
/// `ENOENT`, `ENODEV`, `ENXIO`, `EOPNOTSUPP`: not on this machine. `ESRCH`: it has gone. `EACCES`, `EPERM`: not for us.
pub fn read_error(path: &Path, error: &io::Error) -> ReadError {
    use rustix::io::Errno;
    let path = path.display().to_string();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::OPNOTSUPP | Errno::NOTDIR) => {
            ReadError::Unsupported { path }
        }
        Some(Errno::SRCH) => ReadError::Vanished { path },
        Some(Errno::ACCESS | Errno::PERM) => ReadError::Denied { path },
        _ => ReadError::Io { path, reason: error.to_string() },
    }
}

/// A parser's complaint about line `line` (counted from 1; 0 for the whole text) of `path`.
pub fn parse_error(path: &Path, line: usize, reason: impl Into<String>) -> ReadError {
    ReadError::Parse { path: path.display().to_string(), line, reason: reason.into() }
}

/// `Unsupported` becomes `None`; every other failure stays one.
pub fn optional<T>(reading: Reading<T>) -> Reading<Option<T>> {
    match reading {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole of a small file as text. Bytes that are not UTF-8 become U+FFFD.
pub fn read_text(path: &Path) -> Reading<String> {
    let bytes = File::open(path).and_then(|file| bytes_of(file, LARGEST_FILE_BYTES));
    bytes.map(text_of).map_err(|error| read_error(path, &error))
}

/// The bytes of a file that has at most `most` of them.
pub(super) fn bytes_of(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    let count = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if count as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "larger than any kernel file should be")
}

/// A one-value file of sysfs: its text without surrounding white space. An empty file is `None`.
pub fn read_word(path: &Path) -> Reading<Option<String>> {
    read_text(path).map(|text| word_of(&text))
}

/// A text without surrounding white space, unless nothing is left.
pub(super) fn word_of(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|word| !word.is_empty())
}

/// A one-number file of sysfs.
pub fn read_number<T: std::str::FromStr>(path: &Path) -> Reading<T> {
    let text = read_text(path)?;
    text.trim().parse().map_err(|_| parse_error(path, 1, format!("expected a number, found {:?}", text.trim())))
}

/// UTF-8 as it is, anything else with U+FFFD in place of the bad bytes.
pub fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What [`String::from_utf8_lossy`] makes of the bytes, which it looks at one by one. Good text, as it nearly always is, is
/// looked through by the word.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A file that is opened once and read from its start again and again.
///
/// Kernel files are made anew for each read at offset 0, so one `pread` replaces open, read and close.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    /// Room for the text. It is not cleared between two reads.
    buffer: Vec<u8>,
    /// How many bytes of it are the text.
    filled: usize,
}

impl KeptFile {
    /// Nothing is opened before the first read.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, buffer: Vec::new(), filled: 0 }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, if it is open.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The one number of the file.
    pub fn number(&mut self) -> Reading<u64> {
        let parsed = self.read()?.trim().parse();
        parsed.map_err(|_| parse_error(&self.path, 1, "expected a number"))
    }

    /// The text as it is now; bytes that are not UTF-8 become U+FFFD and cost the line that they stand in. A failure closes
    /// the file, so that the next read opens it anew.
    pub fn read(&mut self) -> Reading<Cow<'_, str>> {
        self.read_with(|_, bytes| Ok(lossy(bytes)))
    }

    /// What `parse` makes of the path and the text as it is now.
    pub fn read_text_with<T>(&mut self, parse: impl FnOnce(&Path, &str) -> Reading<T>) -> Reading<T> {
        self.read_with(|path, bytes| parse(path, &lossy(bytes)))
    }

    /// What `parse` makes of the path and the text of the last read.
    pub fn last_text_with<T>(&self, parse: impl FnOnce(&Path, &str) -> Reading<T>) -> Reading<T> {
        parse(&self.path, &lossy(&self.buffer[..self.filled]))
    }

    /// What `parse` makes of the path and the bytes as they are now, for files that may hold any file name.
    pub fn read_with<'a, T>(&'a mut self, parse: impl FnOnce(&'a Path, &'a [u8]) -> Reading<T>) -> Reading<T> {
        if let Err(error) = self.fill() {
            self.file = None;
            return Err(read_error(&self.path, &error));
        }
        parse(&self.path, &self.buffer[..self.filled])
    }

    fn fill(&mut self) -> io::Result<()> {
        self.filled = 0;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                if filled as u64 >= LARGEST_FILE_BYTES {
                    return Err(too_large());
                }
                self.buffer.resize((filled * 2).max(4096), 0);
            }
            match file.read_at(&mut self.buffer[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.filled = filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_file_sees_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counter");
        std::fs::write(&path, "1\n").unwrap();
        let mut kept = KeptFile::new(path.clone());
        assert_eq!(kept.read().unwrap(), "1\n");
        std::fs::write(&path, "22\n").unwrap();
        assert_eq!(kept.read().unwrap(), "22\n");
    }

    #[test]
    fn a_kept_file_grows_with_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        let text = "0123456789\n".repeat(5_000);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(KeptFile::new(path).read().unwrap(), text);
    }

    #[test]
    fn bytes_that_are_no_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names");
        std::fs::write(&path, b"a\xffb").unwrap();
        let mut kept = KeptFile::new(path);
        assert_eq!(kept.read_with(|_, bytes| Ok(bytes.to_vec())).unwrap(), b"a\xffb");
        assert_eq!(kept.read().unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn each_failure_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(read_text(&missing), Err(ReadError::Unsupported { .. })));
        assert_eq!(optional(read_text(&missing)), Ok(None));
        let garbage = dir.path().join("garbage");
        std::fs::write(&garbage, "x\n").unwrap();
        assert!(matches!(read_number::<u64>(&garbage), Err(ReadError::Parse { line: 1, .. })));
    }
}
