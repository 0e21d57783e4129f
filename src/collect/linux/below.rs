//! Files below the root of another machine: `--rootfs`, where a container has its host's files.
//!
//! Links there were made for that machine. One with an absolute path (`/etc/os-release` of Arch and NixOS) is followed below
//! the root, and none leads out of it, however many there are and whoever changes them meanwhile: the kernel resolves
//! (`openat2(2)` with `RESOLVE_IN_ROOT`, Linux 5.6), or, where it may not be asked, [`walk`] does so name by name.
//!
//! Given out by [`Paths::root`], used by every reader of what lies there. The root `/` is read as it is.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::Paths;
use super::file::{LARGEST_FILE_BYTES, bytes_of, read_error, text_of, word_of};
use crate::model::Reading;

/// Links that are followed for one path, as in the kernel.
const MOST_LINKS: usize = 40;

/// Opens for reading. A pipe that somebody put there has no writer to wait for.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Paths {
    /// A file below `/`, with or without its leading slash. Links are followed below it.
    pub fn root(&self, file: impl AsRef<Path>) -> Below {
        Below::new(&self.rootfs, file.as_ref())
    }
}

/// The place of a file on the machine that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    root: PathBuf,
    /// From the root, without a slash before it.
    file: PathBuf,
}

impl Below {
    /// `file` below `root`, with or without its leading slash.
    pub fn new(root: &Path, file: &Path) -> Self {
        Self { root: root.to_owned(), file: file.strip_prefix("/").unwrap_or(file).to_owned() }
    }

    /// `name` in this directory.
    pub fn join(&self, name: impl AsRef<Path>) -> Self {
        Self::new(&self.root, &self.file.join(name.as_ref()))
    }

    /// How messages name it.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.file)
    }

    /// The whole of a small file as text. Bytes that are not UTF-8 become U+FFFD.
    pub fn read_text(&self) -> Reading<String> {
        self.read_bytes(LARGEST_FILE_BYTES).map(text_of).map_err(|error| read_error(&self.path(), &error))
    }

    /// A file of one word, without surrounding white space. An empty file is `None`.
    pub fn read_word(&self) -> Reading<Option<String>> {
        self.read_text().map(|text| word_of(&text))
    }

    /// The bytes of a file that has at most `most` of them.
    pub fn read_bytes(&self, most: u64) -> io::Result<Vec<u8>> {
        bytes_of(File::from(self.open(READ)?), most)
    }

    /// What the file or directory is.
    pub fn metadata(&self) -> io::Result<Metadata> {
        File::from(self.handle()?).metadata()
    }

    /// A handle of it that reads nothing, for calls that ask about it.
    pub fn handle(&self) -> io::Result<OwnedFd> {
        self.open(OFlags::PATH | OFlags::CLOEXEC)
    }

    /// Names in the directory, sorted. Bytes that are not UTF-8 become U+FFFD.
    pub fn names(&self) -> Reading<Vec<String>> {
        let fail = |error: &io::Error| read_error(&self.path(), error);
        let folder = self.open(READ | OFlags::DIRECTORY).map_err(|error| fail(&error))?;
        let entries = rustix::fs::Dir::read_from(folder).map_err(|errno| fail(&errno.into()))?;
        let name = |entry: rustix::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok().map(name)).collect();
        names.retain(|name| name != "." && name != "..");
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, flags: OFlags) -> io::Result<OwnedFd> {
        if self.root == Path::new("/") {
            return Ok(openat(CWD, self.path(), flags, Mode::empty())?);
        }
        match in_root(&self.root, &self.file, flags) {
            // Not in this kernel, forbidden by a sandbox, or somebody renamed what was on the way.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => Ok(walk(&self.root, &self.file, flags)?),
            opened => Ok(opened?),
        }
    }
}

fn in_root(root: &Path, file: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // The kernel takes an empty path for an error.
    let file = if file.as_os_str().is_empty() { Path::new(".") } else { file };
    openat2(&root, file, flags, Mode::empty(), ResolveFlags::IN_ROOT)
}

/// The same without the kernel's help. Each name is opened in the directory that was opened before it, and is never followed
/// if it is a link: that is read, and its names are the next ones. `..` is the directory before, and that of the root itself.
fn walk(root: &Path, file: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let look = OFlags::PATH | OFlags::CLOEXEC;
    let top = openat(CWD, root, look | OFlags::DIRECTORY, Mode::empty())?;
    let mut folders: Vec<OwnedFd> = Vec::new();
    let mut names: Vec<OsString> = Vec::new();
    put(&mut names, file);
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == ".." {
            folders.pop();
            continue;
        }
        let here = folders.last().unwrap_or(&top);
        let found = openat(here, &name, look | OFlags::NOFOLLOW, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = PathBuf::from(OsString::from_vec(readlinkat(&found, "", Vec::new())?.into_bytes()));
                if target.is_absolute() {
                    folders.clear();
                }
                put(&mut names, &target);
            }
            FileType::Directory => folders.push(found),
            _ if names.is_empty() => return openat(here, &name, flags | OFlags::NOFOLLOW, Mode::empty()),
            _ => return Err(Errno::NOTDIR),
        }
    }
    openat(folders.last().unwrap_or(&top), OsStr::from_bytes(b"."), flags, Mode::empty())
}

/// Puts the names of `path` on the stack, the first on top.
fn put(names: &mut Vec<OsString>, path: &Path) {
    names.extend(path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root of another machine beside which lies a file that nobody may see.
    fn machine() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        let root = dir.path().join("root");
        for folder in ["etc", "usr/lib", "nix/store/x/etc", "deep/er"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("usr/lib/os-release"), "inside").unwrap();
        std::fs::write(root.join("nix/store/x/etc/os-release"), "chained").unwrap();
        let outside = dir.path().join("secret");
        for (target, link) in [
            ("/usr/lib/os-release", "etc/absolute"),
            ("../usr/lib/os-release", "etc/relative"),
            ("../../../../../../../../usr/lib/os-release", "etc/above"),
            ("/etc/absolute", "etc/twice"),
            ("/nix/store/x/etc", "etc/static"),
            ("/etc/static/os-release", "etc/chained"),
            ("static/os-release", "etc/through"),
            ("../../secret", "etc/out"),
            (outside.to_str().unwrap(), "etc/out-absolute"),
            ("/deep/er/../../usr/lib", "etc/folder"),
            ("loop", "etc/loop"),
            ("/etc/nothing", "etc/dangling"),
            ("/proc/self/root/etc/hostname", "etc/magic"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        (dir, root)
    }

    type Open = fn(&Path, &Path, OFlags) -> Result<OwnedFd, Errno>;

    /// What a file says, both ways.
    fn told(root: &Path, file: &str) -> [Result<String, Errno>; 2] {
        [in_root as Open, walk as Open].map(|open| {
            let mut text = String::new();
            File::from(open(root, Path::new(file), READ)?).read_to_string(&mut text).unwrap();
            Ok(text)
        })
    }

    #[test]
    fn links_are_followed_below_the_root_and_never_out_of_it() {
        let (_dir, root) = machine();
        for (file, expected) in [
            ("etc/absolute", Ok("inside")),
            ("etc/relative", Ok("inside")),
            ("etc/above", Ok("inside")),
            ("etc/twice", Ok("inside")),
            ("etc/chained", Ok("chained")),
            ("etc/through", Ok("chained")),
            ("etc/folder/os-release", Ok("inside")),
            ("../secret", Err(Errno::NOENT)),
            ("etc/out", Err(Errno::NOENT)),
            ("etc/out-absolute", Err(Errno::NOENT)),
            ("etc/loop", Err(Errno::LOOP)),
            ("etc/dangling", Err(Errno::NOENT)),
            ("etc/magic", Err(Errno::NOENT)),
            ("usr/lib/os-release/x", Err(Errno::NOTDIR)),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(told(&root, file), [expected.clone(), expected], "{file}");
        }
    }

    #[test]
    fn a_directory_can_be_listed_and_anything_looked_at() {
        let (_dir, root) = machine();
        let below = |file: &str| Below::new(&root, Path::new(file));
        assert_eq!(below("/etc/static").names().unwrap(), ["os-release"]);
        assert_eq!(below("etc/static").join("os-release").read_text().unwrap(), "chained");
        assert!(below("").metadata().unwrap().is_dir() && below("etc/absolute").metadata().unwrap().is_file());
        for open in [in_root as Open, walk as Open] {
            let folder = open(&root, Path::new("etc/folder"), READ | OFlags::DIRECTORY).unwrap();
            assert!(File::from(folder).metadata().unwrap().is_dir());
            assert!(open(&root, Path::new("etc/absolute"), READ | OFlags::DIRECTORY).is_err());
            assert!(open(&root, Path::new(""), OFlags::PATH).is_ok());
        }
    }

    #[test]
    fn a_file_that_is_too_large_or_a_pipe_holds_nobody_up() {
        let (_dir, root) = machine();
        let below = |file: &str| Below::new(&root, Path::new(file));
        assert!(below("usr/lib/os-release").read_bytes(5).is_err());
        assert_eq!(below("usr/lib/os-release").read_bytes(6).unwrap(), b"inside");
        rustix::fs::mknodat(CWD, root.join("etc/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(below("etc/pipe").read_word(), Ok(None));
    }
}
