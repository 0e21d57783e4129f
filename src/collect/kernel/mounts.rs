//! Local file systems that have no block device: tmpfs and its kin, from the mount table and statvfs(3).
//!
//! The file system reader lists what a block device stands behind. These few live in memory, or manage their disks
//! themselves, and answer at once; file systems of the network and of FUSE, which may hang, are not asked here.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::{KeptFile, parse_error, read_error};
use crate::model::Reading;
use crate::model::sample::{RawFilesystem, RawFilesystemUsage};

/// Types that answer without leaving the kernel.
const LOCAL_TYPES: [&str; 5] = ["tmpfs", "ramfs", "rootfs", "zfs", "efivarfs"];

/// Keeps the mount tables open.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    /// That of the first process is the host's even from within a container; where it cannot be read, our own.
    tables: [KeptFile; 2],
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let tables = [KeptFile::new(paths.proc("1/mounts")), KeptFile::new(paths.proc("self/mounts"))];
        Self { paths: paths.clone(), tables }
    }

    /// The mounted ones with their use.
    pub fn read(&mut self) -> Reading<Vec<RawFilesystem>> {
        let [first, own] = &mut self.tables;
        let path = own.path().to_owned();
        let text = match first.read() {
            Ok(text) => text,
            Err(_) => own.read()?,
        };
        let mut mounts = parse_mounts(&path, text)?;
        for mount in &mut mounts {
            mount.usage = usage(&self.paths.root(&mount.mount_point));
        }
        Ok(mounts)
    }
}

fn usage(path: &Path) -> Reading<RawFilesystemUsage> {
    let answer = rustix::fs::statvfs(path).map_err(|errno| read_error(path, &errno.into()))?;
    Ok(RawFilesystemUsage {
        block_bytes: answer.f_frsize,
        blocks: answer.f_blocks,
        free: answer.f_bfree,
        available: answer.f_bavail,
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
        read_only: answer.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

fn parse_mounts(path: &Path, text: &str) -> Reading<Vec<RawFilesystem>> {
    let mut mounts = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split(' ');
        let (Some(device), Some(mount_point), Some(kind), Some(options)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(parse_error(path, index + 1, "expected device, mount point, type and options"));
        };
        if LOCAL_TYPES.contains(&kind) {
            mounts.push(RawFilesystem {
                device: unescape(device),
                mount_point: unescape(mount_point),
                kind: kind.to_owned(),
                options: options.to_owned(),
                major_minor: (0, 0),
                device_backed: false,
                usage: Ok(RawFilesystemUsage::default()),
            });
        }
    }
    Ok(mounts)
}

/// Undoes the octal escapes of the mount table: `\040` is a space.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            let text = str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        };
        match tail.first_chunk::<3>().filter(|_| byte == b'\\').and_then(|digits| octal(digits)) {
            Some(value) => {
                bytes.push(value);
                rest = &tail[3..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_types_and_spaces_come_back() {
        let text = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp/a\\040b tmpfs rw,size=4k 0 0\nsrv:/x /net nfs4 rw 0 0\n";
        let mounts = parse_mounts(Path::new("m"), text).unwrap();
        assert_eq!(mounts.len(), 1);
        assert_eq!((&*mounts[0].mount_point, &*mounts[0].options), ("/tmp/a b", "rw,size=4k"));
        assert!(parse_mounts(Path::new("m"), "tmpfs /tmp\n").is_err());
    }

    #[test]
    fn escapes_are_octal() {
        assert_eq!(unescape("a\\011b\\134c\\"), "a\tb\\c\\");
        assert_eq!(unescape("\\9x"), "\\9x");
    }

    #[test]
    fn usage_of_a_directory_that_is_gone_is_an_error() {
        assert!(usage(Path::new("/nowhere/at/all")).is_err());
        assert!(usage(Path::new("/")).unwrap().blocks > 0);
    }
}
