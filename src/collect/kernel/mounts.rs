//! Every mount, from `/proc/PID/mountinfo`, with the use of its file system (statvfs(3)).
//!
//! The file system reader lists one mount a device; here are all of them, bind mounts too. A device is asked at the same
//! mount as there, on a thread of its own; file systems in memory answer at once and are asked here. Those of the network
//! and of FUSE are not asked at all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::collect::Paths;
use crate::collect::file::read_error;
use crate::collect::filesystem::{MountTable, choose};
use crate::collect::mountinfo::Mount;
use crate::collect::statvfs::{self, Asker, Call};
use crate::model::Reading;
use crate::model::kernel::system::MountRow;
use crate::model::sample::RawFilesystemUsage;

/// Types that live in memory.
const MEMORY_TYPES: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "efivarfs"];

/// Types that the kernel itself fills, and that others are mounted below as a rule.
const KERNEL_TYPES: [&str; 7] = ["cgroup", "cgroup2", "devtmpfs", "overlay", "proc", "securityfs", "sysfs"];

/// Keeps the mount table open, and the thread that asks the devices.
#[derive(Debug)]
pub struct Reader {
    table: MountTable,
    asker: Asker,
}

impl Reader {
    /// Opens nothing and starts no thread yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self::with_statvfs(paths, Arc::new(statvfs::statvfs))
    }

    fn with_statvfs(paths: &Paths, call: Call) -> Self {
        Self { table: MountTable::new(paths), asker: Asker::new(call, statvfs::TIME_LIMIT) }
    }

    /// All mounts in the order of the table.
    pub fn read(&mut self) -> Reading<Vec<MountRow>> {
        let mounts = self.table.read()?;
        let asked = self.ask(&mounts);
        Ok(mounts.into_iter().map(|mount| self.row(mount, &asked)).collect())
    }

    /// What the devices say, and what in memory cannot be reached but through something that may hang; by number.
    fn ask(&mut self, mounts: &[Mount]) -> HashMap<(u32, u32), Reading<RawFilesystemUsage>> {
        let slow: Vec<&Path> =
            mounts.iter().filter(|mount| may_hang(mount)).map(|mount| mount.mount_point.as_path()).collect();
        let below_slow = |mount: &Mount| slow.iter().any(|slow| mount.mount_point.starts_with(slow));
        let devices = choose(mounts).into_iter().map(|index| &mounts[index]).filter(|mount| !lives_in_memory(mount));
        let hidden = mounts.iter().filter(|mount| lives_in_memory(mount) && below_slow(mount));
        let asked: Vec<(PathBuf, (u32, u32))> =
            devices.chain(hidden).map(|mount| (self.table.path_of(mount), mount.major_minor)).collect();
        self.asker.begin();
        let answers = asked.iter().map(|(path, number)| (*number, self.asker.ask(path))).collect();
        self.asker.end(|path| asked.iter().any(|(asked, _)| asked == path));
        answers
    }

    fn row(&self, mount: Mount, asked: &HashMap<(u32, u32), Reading<RawFilesystemUsage>>) -> MountRow {
        let usage = match asked.get(&mount.major_minor) {
            Some(usage) => Some(usage.clone()),
            None => lives_in_memory(&mount).then(|| usage(&self.table.path_of(&mount))),
        };
        MountRow {
            usage,
            mount_point: mount.mount_point.to_string_lossy().into_owned(),
            device: mount.source,
            kind: mount.kind,
            read_only: mount.options.split(',').any(|option| option == "ro"),
        }
    }
}

/// Whether a path through this mount may wait for somebody else: a server, or a program behind FUSE or autofs.
fn may_hang(mount: &Mount) -> bool {
    !mount.is_device_backed() && !lives_in_memory(mount) && !KERNEL_TYPES.contains(&mount.kind.as_str())
}

fn lives_in_memory(mount: &Mount) -> bool {
    MEMORY_TYPES.contains(&mount.kind.as_str())
}

fn usage(path: &Path) -> Reading<RawFilesystemUsage> {
    statvfs::statvfs(path).map_err(|error| read_error(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn read(table: &str, call: Call) -> (tempfile::TempDir, Vec<MountRow>) {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("proc/1");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        std::fs::write(place.join("mountinfo"), table).unwrap();
        let paths = Paths { procfs: dir.path().join("proc"), rootfs: dir.path().into(), ..Paths::host() };
        let rows = Reader::with_statvfs(&paths, call).read().unwrap();
        (dir, rows)
    }

    #[test]
    fn devices_are_asked_once_and_those_that_may_hang_never() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /x /bind ro,nosuid - ext4 /dev/sda1 rw\n\
                     3 1 0:9 / /tmp rw - tmpfs tmpfs rw\n4 1 0:8 / /net rw - nfs4 srv:/x rw\n\
                     5 1 0:7 / /user rw - fuse.sshfs me@there:/ rw\n6 1 8:2 / /bad rw - xfs /dev/sda2 rw\n";
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let call = move |path: &Path| {
            log.lock().unwrap().push(path.to_path_buf());
            if path.ends_with("bad") {
                return Err(std::io::Error::from_raw_os_error(5));
            }
            Ok(RawFilesystemUsage { blocks: 77, ..RawFilesystemUsage::default() })
        };
        let (dir, rows) = read(table, Arc::new(call));
        let flat: Vec<_> = rows
            .iter()
            .map(|row| {
                let blocks = row.usage.as_ref().map(|usage| usage.as_ref().map(|usage| usage.blocks == 77).ok());
                (&*row.mount_point, row.read_only, blocks)
            })
            .collect();
        let device = Some(Some(true));
        let expected = [
            ("/", false, device),
            ("/bind", true, device),
            ("/tmp", false, Some(Some(false))),
            ("/net", false, None),
            ("/user", false, None),
            ("/bad", false, Some(None)),
        ];
        assert_eq!(flat, expected);
        assert_eq!(*asked.lock().unwrap(), [dir.path().join(""), dir.path().join("bad")]);
    }

    #[test]
    fn what_lies_below_a_server_is_asked_like_a_device() {
        let table = "1 0 0:5 / / rw - overlay overlay rw\n2 1 0:8 / /tmp rw - nfs4 srv:/x rw\n\
                     3 2 0:9 / /tmp/inside rw - tmpfs tmpfs rw\n4 1 0:4 / /tmpfs rw - tmpfs tmpfs rw\n";
        let (dir, rows) = read(table, Arc::new(|path: &Path| Err(std::io::Error::other(path.display().to_string()))));
        let error = |index: usize| rows[index].usage.as_ref().map(|usage| usage.as_ref().unwrap_err().to_string());
        assert!(error(2).unwrap().contains(&dir.path().join("tmp/inside").display().to_string()));
        assert_eq!(error(1), None);
        assert!(
            error(3).unwrap().contains("No such file") || error(3).unwrap().contains("not available"),
            "{:?}",
            error(3)
        );
    }

    #[test]
    fn usage_of_a_directory_that_is_gone_is_an_error() {
        assert!(usage(Path::new("/nowhere/at/all")).is_err());
        assert!(usage(Path::new("/")).unwrap().blocks > 0);
    }
}
