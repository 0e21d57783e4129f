//! Every mount, from `/proc/PID/mountinfo`, with the use of those file systems that live in memory (statvfs(3)).
//!
//! The file system reader lists one mount a device; here are all of them, bind mounts too. File systems in memory answer at
//! once and are asked here; those of the network and of FUSE may hang and are not.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::{KeptFile, read_error};
use crate::collect::filesystem::below;
use crate::collect::mountinfo::{Mount, parse_mountinfo};
use crate::model::Reading;
use crate::model::kernel::system::MountRow;
use crate::model::sample::RawFilesystemUsage;

/// Types that live in memory.
const MEMORY_TYPES: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "efivarfs"];

/// Keeps the mount tables open.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    /// The table of the machine's first process, where a container looks at its host.
    first_process: Option<KeptFile>,
    own: KeptFile,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            first_process: (!paths.is_live()).then(|| KeptFile::new(paths.proc("1/mountinfo"))),
            own: KeptFile::new(paths.proc("self/mountinfo")),
            paths: paths.clone(),
        }
    }

    /// All mounts in the order of the table.
    pub fn read(&mut self) -> Reading<Vec<MountRow>> {
        let first = self.first_process.as_mut().and_then(|table| table.read_with(parse_mountinfo).ok());
        let mounts = match first {
            Some(mounts) => mounts,
            None => below(&self.paths.rootfs, self.own.read_with(parse_mountinfo)?),
        };
        Ok(mounts.into_iter().map(|mount| self.row(mount)).collect())
    }

    fn row(&self, mount: Mount) -> MountRow {
        let mount_point = mount.mount_point.to_string_lossy().into_owned();
        let lives_in_memory = MEMORY_TYPES.contains(&mount.kind.as_str());
        MountRow {
            memory_usage: lives_in_memory.then(|| usage(&self.paths.root(&mount_point))),
            mount_point,
            device: mount.source,
            kind: mount.kind,
            major_minor: mount.major_minor,
            read_only: mount.options.split(',').any(|option| option == "ro"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_in_memory_are_asked() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("proc/1");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /x /bind ro,nosuid - ext4 /dev/sda1 rw\n\
                     3 1 0:9 / /tmp rw - tmpfs tmpfs rw\n4 1 0:8 / /net rw - nfs4 srv:/x rw\n";
        std::fs::write(place.join("mountinfo"), table).unwrap();
        let paths = Paths { procfs: dir.path().join("proc"), rootfs: dir.path().into(), ..Paths::host() };
        let rows = Reader::new(&paths).read().unwrap();
        let flat: Vec<_> =
            rows.iter().map(|row| (&*row.mount_point, row.read_only, row.memory_usage.is_some())).collect();
        assert_eq!(flat, [("/", false, false), ("/bind", true, false), ("/tmp", false, true), ("/net", false, false)]);
        assert!(rows[2].memory_usage.as_ref().unwrap().is_ok());
    }

    #[test]
    fn usage_of_a_directory_that_is_gone_is_an_error() {
        assert!(usage(Path::new("/nowhere/at/all")).is_err());
        assert!(usage(Path::new("/")).unwrap().blocks > 0);
    }
}
