//! Every mount, from `/proc/PID/mountinfo`, with the use of its file system (statvfs(3)).
//!
//! A reader of our own because `sysinfo::Disks` waits for ever on one dead mount, and tells nothing at all when one mount
//! point is not UTF-8. A device is asked at one of its mounts, on a thread of its own; file systems in memory answer at once and are asked here. Those of the network
//! and of FUSE are not asked at all.
//!
//! The table is read again when the kernel announces a change of it; when a file system says that it is read-only where the
//! table says that it is not, or the other way round (an error turned it so, or somebody in another name space); when a
//! mount is not found where it was (a directory above it has another name); and every sixteenth time.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Paths;
use super::file::read_error;
use crate::collect::mount_table::{MountTable, also_at, choose};
use crate::collect::mountinfo::Mount;
use crate::collect::statvfs::{self, Asker, Call};
use crate::model::storage::{MountPlace, RawFilesystemUsage, RawMount};
use crate::model::{Faults, ReadError, Reading};

/// Types that live in memory.
const MEMORY_TYPES: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "efivarfs"];

/// Types that the kernel itself fills, and that others are mounted below as a rule.
const KERNEL_TYPES: [&str; 7] = ["cgroup", "cgroup2", "devtmpfs", "overlay", "proc", "securityfs", "sysfs"];

/// Passes from one reading of the table to the next, whatever is announced.
const FULL_READING: u32 = 16;

/// Keeps the mount table open, and the thread that asks the devices.
#[derive(Debug)]
pub struct Reader {
    table: MountTable,
    /// The table as it was read, and what was bad in it.
    plan: Plan,
    faults: Faults,
    asker: Asker,
    pass: u32,
}

/// A mount table, and who is to be asked for the numbers.
#[derive(Debug, Default)]
struct Plan {
    mounts: Vec<Mount>,
    /// One mount of each device, and what lives in memory below something that may hang.
    on_thread: Vec<Question>,
    /// What lives in memory.
    at_once: Vec<Question>,
    /// The places at which devices are shown, with their further places.
    shown: HashMap<usize, Vec<MountPlace>>,
    /// Whether a device is asked where it is mounted read-only and can be written elsewhere: an error that turns it
    /// read-only would not show.
    is_blind: bool,
}

#[derive(Debug)]
struct Question {
    /// Place of the mount in the table.
    index: usize,
    path: PathBuf,
    /// Whether the path leads to this mount, and not to one that lies over it.
    is_on_top: bool,
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
        Self::made(paths, call, statvfs::TIME_LIMIT)
    }

    /// A reader with another function in the place of statvfs(3), and another time limit.
    #[cfg(test)]
    fn with_limit(
        paths: &Paths,
        limit: std::time::Duration,
        call: impl Fn(&Path) -> std::io::Result<RawFilesystemUsage> + Send + Sync + 'static,
    ) -> Self {
        Self::made(paths, Arc::new(call), limit)
    }

    fn made(paths: &Paths, call: Call, limit: std::time::Duration) -> Self {
        let asker = Asker::new(call, limit);
        Self { table: MountTable::new(paths), plan: Plan::default(), faults: Faults::default(), asker, pass: 0 }
    }

    /// All mounts in the order of the table.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<RawMount>> {
        let quiet = self.table.was_quiet();
        let full = self.plan.mounts.is_empty() || self.plan.is_blind || self.pass.is_multiple_of(FULL_READING);
        self.pass = self.pass.wrapping_add(1);
        if quiet && !full {
            let answers = self.ask();
            if self.plan.agrees(&answers) {
                faults.append(self.faults.clone());
                return Ok(self.plan.rows(&answers));
            }
        }
        // Nothing is kept should this fail.
        self.plan = Plan::default();
        self.faults = Faults::default();
        let mounts = self.table.read(&mut self.faults)?;
        faults.append(self.faults.clone());
        self.plan = Plan::new(mounts, |mount| self.table.path_of(mount));
        let answers = self.ask();
        Ok(self.plan.rows(&answers))
    }

    fn ask(&mut self) -> Answers {
        let Plan { on_thread, at_once, .. } = &self.plan;
        let mut answers: Answers = at_once.iter().map(|question| (question.index, usage(&question.path))).collect();
        self.asker.begin();
        answers.extend(on_thread.iter().map(|question| (question.index, self.asker.ask(&question.path))));
        self.asker.end(|path| on_thread.iter().any(|question| question.path == path));
        answers
    }
}

impl Plan {
    fn new(mounts: Vec<Mount>, path_of: impl Fn(&Mount) -> PathBuf) -> Self {
        let top: HashMap<&Path, usize> =
            mounts.iter().enumerate().map(|(index, mount)| (mount.mount_point.as_path(), index)).collect();
        let slow: HashSet<&Path> =
            mounts.iter().filter(|mount| may_hang(mount)).map(|mount| mount.mount_point.as_path()).collect();
        let question = |index: usize| {
            let mount = &mounts[index];
            let is_on_top = top.get(mount.mount_point.as_path()) == Some(&index);
            Question { index, path: path_of(mount), is_on_top }
        };
        let is_below_slow = |index: &usize| mounts[*index].mount_point.ancestors().any(|path| slow.contains(path));
        let in_memory = (0..mounts.len()).filter(|index| lives_in_memory(&mounts[*index]) && !mounts[*index].is_hidden);
        let (below_slow, at_once): (Vec<usize>, Vec<usize>) = in_memory.partition(is_below_slow);
        let mut devices = choose(&mounts);
        let mut also = also_at(&mounts, &devices);
        let place = |index: &usize| (*index, also.remove(&mounts[*index].major_minor).unwrap_or_default());
        let shown = devices.iter().map(place).collect();
        devices.retain(|index| !lives_in_memory(&mounts[*index]) && !mounts[*index].is_hidden);
        let read_only: HashSet<(u32, u32)> = devices
            .iter()
            .map(|index| &mounts[*index])
            .filter(|mount| is_read_only(mount))
            .map(|mount| mount.major_minor)
            .collect();
        let is_blind = mounts.iter().any(|mount| !is_read_only(mount) && read_only.contains(&mount.major_minor));
        let on_thread = devices.into_iter().chain(below_slow).map(question).collect();
        let at_once = at_once.into_iter().map(question).collect();
        Self { on_thread, at_once, shown, is_blind, mounts }
    }

    /// Whether the file systems say of themselves what the table says of them.
    fn agrees(&self, answers: &Answers) -> bool {
        let questions = self.on_thread.iter().chain(&self.at_once).filter(|question| question.is_on_top);
        questions.map(|question| question.index).all(|index| match &answers[&index] {
            Ok(usage) => usage.read_only == is_read_only(&self.mounts[index]),
            Err(ReadError::Unsupported { .. }) => false,
            Err(_) => true,
        })
    }

    fn rows(&self, answers: &Answers) -> Vec<RawMount> {
        let by_device: HashMap<(u32, u32), &Reading<RawFilesystemUsage>> = answers
            .iter()
            .map(|(index, answer)| (&self.mounts[*index], answer))
            .filter(|(mount, _)| !lives_in_memory(mount))
            .map(|(mount, answer)| (mount.major_minor, answer))
            .collect();
        let row = |(index, mount): (usize, &Mount)| RawMount {
            usage: answers.get(&index).or_else(|| by_device.get(&mount.major_minor).copied()).cloned(),
            mount_point: mount.mount_point.to_string_lossy().into_owned(),
            device: mount.source.clone(),
            kind: mount.kind.clone(),
            options: mount.options.clone(),
            major_minor: mount.major_minor,
            device_backed: mount.is_device_backed(),
            also_at: self.shown.get(&index).cloned(),
        };
        self.mounts.iter().enumerate().map(row).collect()
    }
}

fn is_read_only(mount: &Mount) -> bool {
    mount.options.split(',').any(|option| option == "ro")
}

/// Whether a path through this mount may wait for somebody else: a server, or a program behind FUSE or autofs.
fn may_hang(mount: &Mount) -> bool {
    mount.kind.starts_with("fuse")
        || !mount.is_device_backed() && !lives_in_memory(mount) && !KERNEL_TYPES.contains(&mount.kind.as_str())
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
    use crate::collect::mountinfo::parse_mountinfo;
    use crate::collect::testing;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;
    use std::time::{Duration, Instant};
    use std::{fs, io};

    /// The mounts at which devices are shown.
    fn shown(reader: &mut Reader) -> Vec<RawMount> {
        reader.read(&mut Faults::default()).unwrap().into_iter().filter(|row| row.also_at.is_some()).collect()
    }

    fn read(table: &str, call: Call) -> (tempfile::TempDir, Vec<RawMount>) {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("proc/1");
        fs::create_dir_all(&place).unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        fs::write(place.join("mountinfo"), table).unwrap();
        let paths = Paths { procfs: dir.path().join("proc"), rootfs: dir.path().into(), ..Paths::host() };
        let rows = Reader::with_statvfs(&paths, call).read(&mut Faults::default()).unwrap();
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
                return Err(io::Error::from_raw_os_error(5));
            }
            Ok(RawFilesystemUsage { blocks: 77, ..RawFilesystemUsage::default() })
        };
        let (dir, rows) = read(table, Arc::new(call));
        let flat: Vec<_> = rows
            .iter()
            .map(|row| {
                let blocks = row.usage.as_ref().map(|usage| usage.as_ref().map(|usage| usage.blocks == 77).ok());
                (&*row.mount_point, row.is_read_only(), blocks)
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
                     3 2 0:9 / /tmp/inside rw - tmpfs tmpfs rw\n4 1 0:4 / /tmpfs rw - tmpfs tmpfs rw\n\
                     5 1 8:3 / /ntfs rw - fuseblk /dev/sda3 rw\n6 5 0:3 / /ntfs/a rw - tmpfs tmpfs rw\n";
        let (dir, rows) = read(table, Arc::new(|path: &Path| Err(io::Error::other(path.display().to_string()))));
        let error = |index: usize| rows[index].usage.as_ref().map(|usage| usage.as_ref().unwrap_err().to_string());
        assert!(error(2).unwrap().contains(&dir.path().join("tmp/inside").display().to_string()));
        assert!(error(5).unwrap().contains(&dir.path().join("ntfs/a").display().to_string()));
        assert_eq!(error(1), None);
        assert!(
            error(3).unwrap().contains("No such file") || error(3).unwrap().contains("not available"),
            "{:?}",
            error(3)
        );
    }

    #[test]
    fn a_table_is_kept_while_no_change_is_announced() {
        let mut reader = Reader::new(&Paths::host());
        let real = reader.read(&mut Faults::default()).unwrap();
        // One that can be told from what is read, and that nothing on this machine gives a reason to doubt.
        let kept = (0..50).any(|_| {
            reader.plan.mounts[0].source = "as it was read".to_owned();
            reader.plan.is_blind = false;
            reader.plan.on_thread.iter_mut().chain(&mut reader.plan.at_once).for_each(|asked| asked.is_on_top = false);
            reader.read(&mut Faults::default()).unwrap()[0].device == "as it was read"
        });
        assert!(kept);
        let renewed =
            (0..FULL_READING).any(|_| reader.read(&mut Faults::default()).unwrap()[0].device == real[0].device);
        assert!(renewed, "it is kept for ever");
    }

    #[test]
    fn a_table_is_doubted_when_a_file_system_says_otherwise() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /tmp rw - tmpfs tmpfs rw\n\
                     3 1 0:8 / /tmp ro - tmpfs tmpfs rw\n4 1 8:2 / /opt ro - squashfs /dev/loop0 ro\n";
        let plan = |text: &str| {
            let mounts = parse_mountinfo(Path::new("mountinfo"), text.as_bytes(), &mut Faults::default()).unwrap();
            Plan::new(mounts, |mount| mount.mount_point.clone())
        };
        let says = |read_only: bool| Ok(RawFilesystemUsage { read_only, ..RawFilesystemUsage::default() });
        let answers = |root, over| [(0, root), (1, says(true)), (2, over), (3, says(true))].into_iter().collect();
        let read = plan(table);
        assert!(!read.is_blind);
        assert!(read.agrees(&answers(says(false), says(true))), "the hidden one is not compared");
        assert!(!read.agrees(&answers(says(true), says(true))), "an error has turned it read-only");
        assert!(!read.agrees(&answers(says(false), says(false))), "somebody has made it writable");
        let failed = |error| read.agrees(&answers(Err(error), says(true)));
        assert!(failed(ReadError::Stuck { path: "/".to_owned() }));
        assert!(!failed(ReadError::Unsupported { path: "/".to_owned() }), "it is somewhere else now");
        let ostree = "1 0 8:1 / /sysroot ro - ext4 /dev/sda1 rw\n2 1 8:1 /v /longer/var rw - ext4 /dev/sda1 rw\n";
        assert!(plan(ostree).is_blind);
    }

    #[test]
    fn usage_of_a_directory_that_is_gone_is_an_error() {
        assert!(usage(Path::new("/nowhere/at/all")).is_err());
        assert!(usage(Path::new("/")).unwrap().blocks > 0);
    }

    #[test]
    fn a_laptop() {
        let paths = testing::laptop();
        let rootfs = paths.rootfs.clone();
        let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), move |path| {
            assert!(path.starts_with(&rootfs), "{path:?}");
            let blocks = path.strip_prefix(&rootfs).unwrap().as_os_str().len() as u64;
            Ok(RawFilesystemUsage { blocks, ..RawFilesystemUsage::default() })
        });
        let rows = shown(&mut reader);
        let brief =
            |row: &RawMount| (row.mount_point.clone(), row.device.clone(), row.usage.clone().unwrap().unwrap().blocks);
        let expected = [
            ("/".to_owned(), "/dev/mapper/vg0-root".to_owned(), 0),
            ("/boot".to_owned(), "/dev/nvme0n1p2".to_owned(), 4),
            ("/boot/efi".to_owned(), "/dev/nvme0n1p1".to_owned(), 8),
        ];
        assert_eq!(rows.iter().map(brief).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row.device_backed));
        assert_eq!((rows[0].kind.as_str(), rows[0].major_minor), ("ext4", (253, 0)));
        assert_eq!(rows[0].options, "rw,relatime,errors=remount-ro");
        assert_eq!(
            rows[0].also_at.iter().flatten().map(|at| at.mount_point.as_str()).collect::<Vec<_>>(),
            ["/mnt/files"]
        );
    }

    #[test]
    fn the_mounts_of_the_watched_machine() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), rootfs: "/host".into(), ..Paths::host() };
        let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), |_| Ok(RawFilesystemUsage::default()));
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
        let mut points = || shown(&mut reader).into_iter().map(|row| row.mount_point).collect::<Vec<_>>();
        fs::create_dir(dir.path().join("self")).unwrap();
        let own = "1 1 8:9 / / rw - ext4 /dev/sdc rw\n2 1 8:1 / /host rw - ext4 /dev/sda1 rw\n\
                   3 2 8:2 / /host/home rw - ext4 /dev/sda2 rw\n4 1 8:3 / /hostile rw - ext4 /dev/sdb rw\n";
        fs::write(dir.path().join("self/mountinfo"), own).unwrap();
        assert_eq!(points(), ["/", "/home"], "our own table, as the host sees it");
        fs::create_dir(dir.path().join("1")).unwrap();
        fs::write(dir.path().join("1/mountinfo"), "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n").unwrap();
        assert_eq!(points(), ["/"], "the table of the host's first process");
        fs::write(dir.path().join("1/mountinfo"), "garbage\n").unwrap();
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Parse { line: 1, .. })));
    }

    #[test]
    fn a_mount_point_that_is_no_text_is_asked_by_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("self")).unwrap();
        fs::write(dir.path().join("self/mountinfo"), b"1 1 8:1 / /a\xff\\040b rw - ext4 /dev/sda1 rw\n").unwrap();
        let (sender, asked) = sync_channel(1);
        let sender = Mutex::new(sender);
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::with_limit(&paths, Duration::from_secs(10), move |path| {
            sender.lock().unwrap().send(path.as_os_str().as_bytes().to_vec()).unwrap();
            Err(io::Error::from_raw_os_error(5))
        });
        let rows = shown(&mut reader);
        assert_eq!(rows[0].mount_point, "/a\u{fffd} b");
        assert!(matches!(rows[0].usage, Some(Err(ReadError::Io { .. }))));
        assert_eq!(asked.recv().unwrap(), b"/a\xff b");
    }

    #[test]
    fn a_hung_mount_has_a_row_and_the_others_have_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("self")).unwrap();
        let text = "1 1 8:1 / /dead rw - ext4 /dev/sda1 rw\n2 1 8:2 / /alive rw - ext4 /dev/sda2 rw\n";
        fs::write(dir.path().join("self/mountinfo"), text).unwrap();
        let (release, released) = sync_channel::<()>(1);
        let released = Mutex::new(released);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::with_limit(&paths, Duration::from_secs(1), move |path| {
            if path == Path::new("/dead") {
                counted.fetch_add(1, Ordering::SeqCst);
                // Hangs until the other end is dropped; answers at once from then on.
                released.lock().unwrap().recv().unwrap_err();
            }
            Ok(RawFilesystemUsage::default())
        });
        // In the first pass the dead one takes most of the time that there is for both.
        let give_up = Instant::now() + Duration::from_secs(60);
        let mut answers = 0;
        while answers < 3 {
            let rows = shown(&mut reader);
            assert!(matches!(&rows[0].usage, Some(Err(ReadError::Stuck { path })) if path == "/dead"));
            answers += usize::from(matches!(rows[1].usage, Some(Ok(_))));
            assert!(Instant::now() < give_up, "the living one answered {answers} times");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "it is asked once, on one thread, however often it is looked for");
        drop(release);
        while matches!(shown(&mut reader)[0].usage, Some(Err(_))) {
            assert!(Instant::now() < give_up, "it did not recover");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn this_machine_has_one_root() {
        let mut reader = Reader::new(&Paths::host());
        let rows = shown(&mut reader);
        let root: Vec<_> = rows.iter().filter(|row| row.mount_point == "/").collect();
        assert_eq!(root.len(), 1);
        let usage = root[0].usage.clone().unwrap().unwrap();
        assert!(usage.available <= usage.blocks);
    }
}
