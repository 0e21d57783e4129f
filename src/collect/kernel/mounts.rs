//! Every mount, from `/proc/PID/mountinfo`, with the use of its file system (statvfs(3)).
//!
//! The file system reader lists one mount a device; here are all of them, bind mounts too. A device is asked at the same
//! mount as there, on a thread of its own; file systems in memory answer at once and are asked here. Those of the network
//! and of FUSE are not asked at all.

use std::collections::HashMap;
use std::path::Path;
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
    mounts: Vec<Mount>,
    asker: Asker,
}

/// What file systems answered, by the place of the asked mount in the table.
type Answers = HashMap<usize, Reading<RawFilesystemUsage>>;

impl Reader {
    /// Opens nothing and starts no thread yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self::with_statvfs(paths, Arc::new(statvfs::statvfs))
    }

    fn with_statvfs(paths: &Paths, call: Call) -> Self {
        Self { table: MountTable::new(paths), mounts: Vec::new(), asker: Asker::new(call, statvfs::TIME_LIMIT) }
    }

    /// All mounts in the order of the table.
    pub fn read(&mut self) -> Reading<Vec<MountRow>> {
        let kept = self.table.was_quiet() && !self.mounts.is_empty();
        if kept {
            let answers = self.ask();
            if answers.iter().all(|(index, answer)| agree(&self.mounts[*index], answer)) {
                return Ok(self.rows(&answers));
            }
        }
        // Nothing is kept should this fail.
        self.mounts = Vec::new();
        self.mounts = self.table.read()?;
        let answers = self.ask();
        Ok(self.rows(&answers))
    }

    /// Asks the devices, one mount each, and what lives in memory. What lies below something that may hang is asked like a
    /// device.
    fn ask(&mut self) -> Answers {
        let mounts = &self.mounts;
        let slow: Vec<&Path> =
            mounts.iter().filter(|mount| may_hang(mount)).map(|mount| mount.mount_point.as_path()).collect();
        let below_slow = |mount: &Mount| slow.iter().any(|slow| mount.mount_point.starts_with(slow));
        let mut answers = Answers::new();
        let mut asked = Vec::new();
        for index in choose(mounts).into_iter().filter(|index| !lives_in_memory(&mounts[*index])) {
            asked.push((index, self.table.path_of(&mounts[index])));
        }
        for (index, mount) in mounts.iter().enumerate().filter(|(_, mount)| lives_in_memory(mount)) {
            let path = self.table.path_of(mount);
            if below_slow(mount) {
                asked.push((index, path));
            } else {
                answers.insert(index, usage(&path));
            }
        }
        self.asker.begin();
        answers.extend(asked.iter().map(|(index, path)| (*index, self.asker.ask(path))));
        self.asker.end(|path| asked.iter().any(|(_, asked)| asked == path));
        answers
    }

    fn rows(&self, answers: &Answers) -> Vec<MountRow> {
        let of_device =
            |index: &usize| (!lives_in_memory(&self.mounts[*index])).then(|| self.mounts[*index].major_minor);
        let devices: HashMap<(u32, u32), &Reading<RawFilesystemUsage>> =
            answers.iter().filter_map(|(index, answer)| Some((of_device(index)?, answer))).collect();
        let row = |(index, mount): (usize, &Mount)| MountRow {
            usage: answers.get(&index).or_else(|| devices.get(&mount.major_minor).copied()).cloned(),
            mount_point: mount.mount_point.to_string_lossy().into_owned(),
            device: mount.source.clone(),
            kind: mount.kind.clone(),
            read_only: is_read_only(mount),
        };
        self.mounts.iter().enumerate().map(row).collect()
    }
}

fn is_read_only(mount: &Mount) -> bool {
    mount.options.split(',').any(|option| option == "ro")
}

/// Whether table and file system say the same of this mount.
fn agree(mount: &Mount, answer: &Reading<RawFilesystemUsage>) -> bool {
    answer.as_ref().map_or(true, |usage| usage.read_only == is_read_only(mount))
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
    use std::sync::atomic::{AtomicBool, Ordering};

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
    fn a_table_is_kept_while_it_is_announced_and_told_the_same() {
        let turned = Arc::new(AtomicBool::new(false));
        let is_turned = Arc::clone(&turned);
        let call = move |path: &Path| {
            let usage = statvfs::statvfs(path)?;
            Ok(RawFilesystemUsage { read_only: usage.read_only ^ is_turned.load(Ordering::Relaxed), ..usage })
        };
        let mut reader = Reader::with_statvfs(&Paths::host(), Arc::new(call));
        let real = reader.read().unwrap();
        let root = real.iter().position(|row| row.mount_point == "/").unwrap();
        let mark = |reader: &mut Reader| reader.mounts[root].source = "as it was read".to_owned();
        // Mounts of this machine may change meanwhile; some moment is quiet.
        let kept = (0..50).any(|_| {
            mark(&mut reader);
            reader.read().unwrap()[root].device == "as it was read"
        });
        assert!(kept);
        mark(&mut reader);
        turned.store(true, Ordering::Relaxed);
        assert_eq!(reader.read().unwrap()[root].device, real[root].device, "an error has turned it read-only");
    }

    #[test]
    fn usage_of_a_directory_that_is_gone_is_an_error() {
        assert!(usage(Path::new("/nowhere/at/all")).is_err());
        assert!(usage(Path::new("/")).unwrap().blocks > 0);
    }
}
