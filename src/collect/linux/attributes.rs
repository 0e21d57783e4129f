//! Directories of one-value files, as sysfs has them. [`AttributeDir`] opens, reads and closes each attribute;
//! [`KeptDir`] keeps them open, which takes a fifth of the time, and [`KeptDirs`] does so for a directory of devices.
//!
//! Used by the readers of this folder. A file that is missing, or that its driver refuses, is `None`: which attributes a
//! device has depends on the device.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::file::read_error;
use crate::collect::limit::descriptor_limit;
use crate::model::Reading;

/// Most bytes of an attribute: sysfs gives one page.
const ATTRIBUTE_BYTES: usize = 4096;

/// Of how many devices the attributes are kept open.
const KEPT_DEVICES: usize = 16;

/// Nothing is kept open by a process that may have fewer descriptors than this.
const ENOUGH_DESCRIPTORS: u64 = 4096;

/// An open directory of attributes.
#[derive(Debug)]
pub struct AttributeDir {
    directory: OwnedFd,
}

impl AttributeDir {
    /// Opens the directory, symbolic links followed.
    pub fn open(path: &Path) -> Reading<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(|directory| Self { directory })
            .map_err(|errno| read_error(path, &errno.into()))
    }

    /// Text of one attribute without its line ends. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, name: &str) -> Option<String> {
        read(&self.open_file(name)?, |bytes| Some(text_of(bytes)))
    }

    /// Number of one attribute, decimal or hexadecimal with `0x`.
    pub fn number(&self, name: &str) -> Option<i64> {
        read(&self.open_file(name)?, number_of)
    }

    fn open_file(&self, name: &str) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        openat(&self.directory, name, flags, Mode::empty()).ok()
    }
}

/// The attributes of one device, all open.
#[derive(Debug)]
pub struct KeptDir {
    files: Vec<Option<OwnedFd>>,
    /// Number of the directory's inode: a device that is made anew, or that takes another's name, has another.
    inode: u64,
}

impl KeptDir {
    /// Opens `names` below the directory, as far as they are there.
    pub fn open(path: &Path, names: &[&str]) -> Reading<Self> {
        let attributes = AttributeDir::open(path)?;
        let inode = rustix::fs::fstat(&attributes.directory).map_err(|errno| read_error(path, &errno.into()))?.st_ino;
        Ok(Self { files: names.iter().map(|name| attributes.open_file(name)).collect(), inode })
    }

    /// Whether the directory at `path` is still the one that was opened.
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|found| found.st_ino == self.inode)
    }

    /// Whether every name could be opened.
    pub fn is_complete(&self) -> bool {
        self.files.iter().all(Option::is_some)
    }

    /// Text of the attribute at `index` in the names that were opened, without its line ends.
    pub fn text(&self, index: usize) -> Option<String> {
        read(self.files.get(index)?.as_ref()?, |bytes| Some(text_of(bytes)))
    }

    /// Number of the attribute at `index`, decimal or hexadecimal with `0x`.
    pub fn number(&self, index: usize) -> Option<i64> {
        read(self.files.get(index)?.as_ref()?, number_of)
    }
}

/// The attributes of all devices in a directory, those of the first ones kept open.
#[derive(Debug)]
pub struct KeptDirs {
    directory: PathBuf,
    files: &'static [&'static str],
    kept: HashMap<String, KeptDir>,
    most_kept: usize,
}

impl KeptDirs {
    /// Opens nothing yet. `files` is what every device is asked for. A host with many devices (an interface for each
    /// container) has those beyond the first [`KEPT_DEVICES`] opened and closed each time, and nothing is kept open by a
    /// process that may have few descriptors. Nor is a device that lacks a file: the kernel shows a new one a moment before
    /// its files, and what could not be opened for want of descriptors is there at the next read.
    pub fn new(directory: PathBuf, files: &'static [&'static str]) -> Self {
        let most_kept = if descriptor_limit() < ENOUGH_DESCRIPTORS { 0 } else { KEPT_DEVICES };
        Self { directory, files, kept: HashMap::new(), most_kept }
    }

    /// The files of the device `name`, if they were kept open when it was last read.
    pub fn kept(&self, name: &str) -> Option<&KeptDir> {
        self.kept.get(name)
    }

    /// The directory of the device `name`, opened anew.
    pub fn open(&self, name: &str) -> Reading<AttributeDir> {
        AttributeDir::open(&self.directory.join(name))
    }

    /// What `read` makes of each device, by name. One that vanishes while it is read is left out; so is a plain file such
    /// as `bonding_masters`.
    pub fn read<T>(&mut self, mut read: impl FnMut(String, &KeptDir) -> Option<T>) -> Reading<Vec<T>> {
        let names = names_in(&self.directory)?;
        let directory = &self.directory;
        self.kept.retain(|name, kept| names.binary_search(name).is_ok() && kept.is_at(&directory.join(name)));
        let mut list = Vec::with_capacity(names.len());
        for name in names {
            if let Some(kept) = self.kept.get(&name) {
                list.extend(read(name, kept));
                continue;
            }
            let Ok(opened) = KeptDir::open(&self.directory.join(&name), self.files) else { continue };
            list.extend(read(name.clone(), &opened));
            if self.kept.len() < self.most_kept && opened.is_complete() {
                self.kept.insert(name, opened);
            }
        }
        Ok(list)
    }
}

/// What `make` makes of an attribute's bytes.
fn read<T>(file: &OwnedFd, make: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let mut buffer = [0_u8; ATTRIBUTE_BYTES];
    let count = rustix::io::pread(file, &mut buffer, 0).ok()?;
    make(buffer.get(..count)?)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\0']).to_owned()
}

/// A decimal number, or a hexadecimal one with `0x`, white space around it allowed.
fn number_of(bytes: &[u8]) -> Option<i64> {
    let text = str::from_utf8(bytes).ok()?.trim();
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Names in a directory, sorted. Bytes that are not UTF-8 become U+FFFD.
pub fn names_in(path: &Path) -> Reading<Vec<String>> {
    let entries = std::fs::read_dir(path).map_err(|error| read_error(path, &error))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort_unstable();
    Ok(names)
}

/// The names `PREFIX` + number in a directory with their numbers, by number. A directory that is not there has none.
pub fn numbered_in(path: &Path, prefix: &str) -> Vec<(u32, String)> {
    numbered(&names_in(path).unwrap_or_default(), prefix)
}

/// The names `PREFIX` + number of `names` with their numbers, by number.
pub fn numbered(names: &[String], prefix: &str) -> Vec<(u32, String)> {
    let numbered = |name: &String| Some((name.strip_prefix(prefix)?.parse().ok()?, name.clone()));
    let mut found: Vec<(u32, String)> = names.iter().filter_map(numbered).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReadError;

    #[test]
    fn attributes_are_read_and_missing_ones_are_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mtu"), "1500\n").unwrap();
        std::fs::write(dir.path().join("flags"), "0x1003\n").unwrap();
        std::fs::write(dir.path().join("label"), [b'a', 0xff, b'\n']).unwrap();
        std::fs::create_dir(dir.path().join("power")).unwrap();
        let attributes = AttributeDir::open(dir.path()).unwrap();
        assert_eq!(attributes.number("mtu"), Some(1500));
        assert_eq!(attributes.number("flags"), Some(0x1003));
        assert_eq!(attributes.number("label"), None);
        assert_eq!(attributes.text("label").as_deref(), Some("a\u{fffd}"));
        assert_eq!(attributes.text("nothing"), None);
        assert_eq!(attributes.text("power"), None);
    }

    #[test]
    fn a_kept_directory_sees_changes_and_another_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("eth0");
        std::fs::create_dir(&device).unwrap();
        std::fs::write(device.join("mtu"), "1500\n").unwrap();
        let kept = KeptDir::open(&device, &["mtu", "speed"]).unwrap();
        assert_eq!((kept.number(0), kept.number(1), kept.number(2)), (Some(1500), None, None));
        std::fs::write(device.join("mtu"), "9000\n").unwrap();
        assert_eq!(kept.text(0).as_deref(), Some("9000"));
        assert!(kept.is_at(&device));
        std::fs::rename(&device, dir.path().join("eth1")).unwrap();
        assert!(!kept.is_at(&device));
        std::fs::create_dir(&device).unwrap();
        assert!(!kept.is_at(&device));
    }

    #[test]
    fn a_missing_directory_is_unsupported_and_has_no_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(AttributeDir::open(&missing), Err(ReadError::Unsupported { .. })));
        assert!(numbered_in(&missing, "cpu").is_empty());
        for name in ["cpu10", "cpu2", "cpufreq"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(numbered_in(dir.path(), "cpu"), [(2, "cpu2".to_owned()), (10, "cpu10".to_owned())]);
    }

    #[test]
    fn a_device_that_is_seen_before_its_files_is_read_once_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut devices = KeptDirs { most_kept: 16, ..KeptDirs::new(dir.path().into(), &["ifindex", "mtu"]) };
        let mut read = || devices.read(|_, files| Some((files.number(0)?, files.number(1)))).unwrap();
        let device = dir.path().join("veth0");
        std::fs::create_dir(&device).unwrap();
        assert_eq!(read(), []);
        std::fs::write(device.join("ifindex"), "7\n").unwrap();
        assert_eq!(read(), [(7, None)]);
        std::fs::write(device.join("mtu"), "1500\n").unwrap();
        assert_eq!(read(), [(7, Some(1500))]);
    }

    #[test]
    fn devices_come_and_go_kept_or_not() {
        for most_kept in [0, 1, 16] {
            let dir = tempfile::tempdir().unwrap();
            let mut devices = KeptDirs { most_kept, ..KeptDirs::new(dir.path().into(), &["mtu"]) };
            let mut read = || devices.read(|name, files| Some((name, files.number(0)?))).unwrap();
            let place = |name: &str, text: &str| {
                std::fs::create_dir(dir.path().join(name)).unwrap();
                std::fs::write(dir.path().join(name).join("mtu"), text).unwrap();
            };
            place("a", "1\n");
            place("b", "2\n");
            std::fs::write(dir.path().join("bonding_masters"), "bond0\n").unwrap();
            assert_eq!(read(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
            std::fs::rename(dir.path().join("a"), dir.path().join("c")).unwrap();
            std::fs::rename(dir.path().join("b"), dir.path().join("a")).unwrap();
            assert_eq!(read(), [("a".to_owned(), 2), ("c".to_owned(), 1)]);
            std::fs::remove_dir_all(dir.path().join("c")).unwrap();
            assert_eq!(read(), [("a".to_owned(), 2)]);
        }
    }
}
