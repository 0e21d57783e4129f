//! Mounted file systems and how full they are: `/proc/PID/mountinfo` and statvfs(3).
//!
//! Called by [`super::Collector`] while somebody watches them. A reader of our own because `sysinfo::Disks` waits for ever
//! on one dead mount, and tells nothing at all when one mount point is not UTF-8.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Paths;
use super::file::KeptFile;
use super::mountinfo::{Mount, parse_mountinfo};
use super::statvfs::{self, Asker};
use crate::model::storage::{MountPlace, RawFilesystem, RawFilesystemUsage};
use crate::model::{Faults, ReadError, Reading};

/// Keeps the mount table open, and the thread that asks the file systems.
#[derive(Debug)]
pub struct Reader {
    table: MountTable,
    asker: Asker,
}

impl Reader {
    /// Opens nothing and starts no thread yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self::with_statvfs(paths, statvfs::TIME_LIMIT, statvfs::statvfs)
    }

    /// A reader with another function in the place of statvfs(3), and another time limit.
    #[must_use]
    pub fn with_statvfs(
        paths: &Paths,
        limit: Duration,
        call: impl Fn(&Path) -> io::Result<RawFilesystemUsage> + Send + Sync + 'static,
    ) -> Self {
        Self { table: MountTable::new(paths), asker: Asker::new(Arc::new(call), limit) }
    }

    /// The file systems that a device stands behind, one row a device, and the one at `/` whatever it is; in the order of
    /// the mount table. The further places of a device stand in its row.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<RawFilesystem>> {
        let mounts = self.table.read(faults)?;
        let chosen = choose(&mounts);
        let mut also = also_at(&mounts, &chosen);
        self.asker.begin();
        let rows = picked(mounts, chosen).map(|mount| {
            let also = also.remove(&mount.major_minor).unwrap_or_default();
            self.row(mount, also)
        });
        let rows: Vec<(PathBuf, RawFilesystem)> = rows.collect();
        self.asker.end(|path| rows.iter().any(|(asked, _)| asked == path));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn row(&mut self, mount: Mount, also_at: Vec<MountPlace>) -> (PathBuf, RawFilesystem) {
        let asked = self.table.path_of(&mount);
        let row = RawFilesystem {
            device_backed: mount.is_device_backed(),
            device: mount.source,
            mount_point: mount.mount_point.to_string_lossy().into_owned(),
            kind: mount.kind,
            options: mount.options,
            also_at,
            major_minor: mount.major_minor,
            usage: self.asker.ask(&asked),
        };
        (asked, row)
    }
}

/// The machine's mount table, kept open.
#[derive(Debug)]
pub(super) struct MountTable {
    /// That of the machine's first process; `None` where our own is the machine's.
    first_process: Option<KeptFile>,
    own: KeptFile,
    rootfs: PathBuf,
}

impl MountTable {
    /// Opens nothing yet.
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            // `self` below another procfs is this process all the same, with the mounts of its container.
            first_process: (!paths.is_live()).then(|| KeptFile::new(paths.proc("1/mountinfo"))),
            own: KeptFile::new(paths.proc("self/mountinfo")),
            rootfs: paths.rootfs.clone(),
        }
    }

    /// Every mount in the order of the table.
    pub(super) fn read(&mut self, faults: &mut Faults) -> Reading<Vec<Mount>> {
        if let Some(first_process) = &mut self.first_process {
            match first_process.read_with(|path, text| parse_mountinfo(path, text, faults)) {
                // Hidden from us, or a procfs without it: the next best is what we see ourselves.
                Err(ReadError::Unsupported { .. } | ReadError::Denied { .. } | ReadError::Vanished { .. }) => {}
                reading => return reading,
            }
        }
        let mounts = self.own.read_with(|path, text| parse_mountinfo(path, text, faults))?;
        Ok(below(&self.rootfs, mounts))
    }

    /// Whether nothing was mounted, unmounted or mounted otherwise since this was asked last (`proc_pid_mounts(5)`). What the
    /// file system itself makes of its flags, or another name space of the same one, is not announced, nor is a new name of a
    /// directory above a mount. Of another machine's table nothing is known.
    pub(super) fn was_quiet(&self) -> bool {
        let (None, Some(file)) = (&self.first_process, self.own.file()) else { return false };
        let mut asked = [PollFd::new(file, PollFlags::PRI)];
        matches!(poll(&mut asked, Some(&Timespec::default())), Ok(0))
    }

    /// Where this process finds the mount.
    pub(super) fn path_of(&self, mount: &Mount) -> PathBuf {
        self.rootfs.join(mount.mount_point.strip_prefix("/").unwrap_or(&mount.mount_point))
    }
}

/// Our own mounts as the machine at `rootfs` sees them: those below it, with its path taken off. Where none is, the table
/// speaks of that machine already.
fn below(rootfs: &Path, mut mounts: Vec<Mount>) -> Vec<Mount> {
    if rootfs == Path::new("/") || !mounts.iter().any(|mount| mount.mount_point.starts_with(rootfs)) {
        return mounts;
    }
    mounts.retain_mut(|mount| match mount.mount_point.strip_prefix(rootfs) {
        Ok(rest) => {
            mount.mount_point = Path::new("/").join(rest);
            true
        }
        Err(_) => false,
    });
    mounts
}

/// The places of one mount for each device, in the order of the table: `/` if it is mounted there, else where the whole of it is mounted
/// rather than a part (a bind mount), else the shortest path, else the first. A mount that another one lies over at the
/// same path cannot be reached and does not count.
pub(super) fn choose(mounts: &[Mount]) -> Vec<usize> {
    let root = Path::new("/");
    let rank = |mount: &Mount| (mount.mount_point != root, !mount.whole, mount.mount_point.as_os_str().len());
    let mut best: HashMap<(u32, u32), usize> = HashMap::new();
    for (index, mount) in reachable(mounts) {
        if !mount.is_device_backed() && mount.mount_point != root {
            continue;
        }
        match best.entry(mount.major_minor) {
            Entry::Vacant(entry) => drop(entry.insert(index)),
            Entry::Occupied(mut entry) => {
                if rank(mount) < rank(&mounts[*entry.get()]) {
                    entry.insert(index);
                }
            }
        }
    }
    let mut chosen: Vec<usize> = best.into_values().collect();
    chosen.sort_unstable();
    chosen
}

/// The mounts that no other one lies over at the same path.
fn reachable(mounts: &[Mount]) -> impl Iterator<Item = (usize, &Mount)> {
    let all = || mounts.iter().enumerate();
    let top: HashMap<&Path, usize> = all().map(|(index, mount)| (mount.mount_point.as_path(), index)).collect();
    all().filter(move |(index, mount)| top.get(mount.mount_point.as_path()) == Some(index))
}

/// The places that were not `chosen`, by device, in the order of the table.
fn also_at(mounts: &[Mount], chosen: &[usize]) -> HashMap<(u32, u32), Vec<MountPlace>> {
    let mut also: HashMap<_, Vec<_>> = HashMap::new();
    let rest = reachable(mounts).filter(|(index, _)| chosen.binary_search(index).is_err());
    for (_, mount) in rest.filter(|(_, mount)| mount.is_device_backed()) {
        let mount_point = mount.mount_point.to_string_lossy().into_owned();
        let place = MountPlace { mount_point, options: mount.options.clone() };
        also.entry(mount.major_minor).or_default().push(place);
    }
    also
}

/// The mounts at the places `chosen`.
fn picked(mounts: Vec<Mount>, chosen: Vec<usize>) -> impl Iterator<Item = Mount> {
    let mut chosen = chosen.into_iter().peekable();
    mounts.into_iter().enumerate().filter_map(move |(index, mount)| chosen.next_if_eq(&index).map(|_| mount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;
    use std::time::Instant;

    fn table(text: &[u8]) -> Vec<Mount> {
        parse_mountinfo(Path::new("mountinfo"), text, &mut Faults::default()).unwrap()
    }

    fn chosen_mounts(text: &str) -> Vec<Mount> {
        let mounts = table(text.as_bytes());
        let chosen = choose(&mounts);
        picked(mounts, chosen).collect()
    }

    fn chosen(text: &str) -> Vec<String> {
        chosen_mounts(text).iter().map(|mount| mount.mount_point.display().to_string()).collect()
    }

    #[test]
    fn a_laptop() {
        let paths = testing::laptop();
        let rootfs = paths.rootfs.clone();
        let mut reader = Reader::with_statvfs(&paths, Duration::from_secs(10), move |path| {
            assert!(path.starts_with(&rootfs), "{path:?}");
            let blocks = path.strip_prefix(&rootfs).unwrap().as_os_str().len() as u64;
            Ok(RawFilesystemUsage { blocks, ..RawFilesystemUsage::default() })
        });
        let rows = reader.read(&mut Faults::default()).unwrap();
        let brief =
            |row: &RawFilesystem| (row.mount_point.clone(), row.device.clone(), row.usage.clone().unwrap().blocks);
        let expected = [
            ("/".to_owned(), "/dev/mapper/vg0-root".to_owned(), 0),
            ("/boot".to_owned(), "/dev/nvme0n1p2".to_owned(), 4),
            ("/boot/efi".to_owned(), "/dev/nvme0n1p1".to_owned(), 8),
        ];
        assert_eq!(rows.iter().map(brief).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row.device_backed));
        assert_eq!((rows[0].kind.as_str(), rows[0].major_minor), ("ext4", (253, 0)));
        assert_eq!(rows[0].options, "rw,relatime,errors=remount-ro");
        assert_eq!(rows[0].also_at.iter().map(|at| at.mount_point.as_str()).collect::<Vec<_>>(), ["/mnt/files"]);
    }

    #[test]
    fn one_row_a_device() {
        let text = "1 1 8:1 /srv /a rw - ext4 /dev/sda1 rw\n\
                    2 1 8:2 /x /b rw - ext4 /dev/sda2 rw\n\
                    3 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    4 1 8:2 / /home/longer rw - ext4 /dev/sda2 rw\n\
                    5 1 8:2 / /home rw - ext4 /dev/sda2 rw\n\
                    6 1 8:2 / /hom2 rw - ext4 /dev/sda2 rw\n\
                    7 1 8:3 /only/a/part /etc/hosts rw - ext4 /dev/sda3 rw\n";
        assert_eq!(chosen(text), ["/", "/home", "/etc/hosts"]);
        let mounts = table(text.as_bytes());
        let also = also_at(&mounts, &choose(&mounts));
        let also =
            |device| also.get(&device).map(|all| all.iter().map(|at| at.mount_point.as_str()).collect::<Vec<_>>());
        assert_eq!(also((8, 1)), Some(vec!["/a"]));
        assert_eq!(also((8, 2)), Some(vec!["/b", "/home/longer", "/hom2"]));
        assert_eq!(also((8, 3)), None);
    }

    #[test]
    fn a_mount_under_another_one_does_not_count() {
        let text = "1 1 0:1 / / rw - rootfs rootfs rw\n\
                    2 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    3 2 8:2 / /mnt rw - ext4 /dev/sda2 rw\n\
                    4 3 8:3 / /mnt rw - ext4 /dev/sda3 rw\n";
        let mounts = chosen_mounts(text);
        assert_eq!(mounts.iter().map(|mount| mount.source.as_str()).collect::<Vec<_>>(), ["/dev/sda1", "/dev/sda3"]);
    }

    #[test]
    fn the_root_of_a_container_has_a_row_without_a_device() {
        let text = "1 1 0:40 / / rw - overlay overlay rw\n2 1 0:5 / /proc rw - proc proc rw\n";
        let mounts = chosen_mounts(text);
        assert_eq!(mounts.len(), 1);
        assert!(mounts[0].mount_point == Path::new("/") && !mounts[0].is_device_backed());
    }

    #[test]
    fn the_mounts_of_the_watched_machine() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), rootfs: "/host".into(), ..Paths::host() };
        let mut reader = Reader::with_statvfs(&paths, Duration::from_secs(10), |_| Ok(RawFilesystemUsage::default()));
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
        let mut points =
            || reader.read(&mut Faults::default()).unwrap().into_iter().map(|row| row.mount_point).collect::<Vec<_>>();
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
        let mut reader = Reader::with_statvfs(&paths, Duration::from_secs(10), move |path| {
            sender.lock().unwrap().send(path.as_os_str().as_bytes().to_vec()).unwrap();
            Err(io::Error::from_raw_os_error(5))
        });
        let rows = reader.read(&mut Faults::default()).unwrap();
        assert_eq!(rows[0].mount_point, "/a\u{fffd} b");
        assert!(matches!(rows[0].usage, Err(ReadError::Io { .. })));
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
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::with_statvfs(&paths, Duration::from_secs(1), move |path| {
            if path == Path::new("/dead") {
                // Hangs until the other end is dropped; answers at once from then on.
                released.lock().unwrap().recv().unwrap_err();
            }
            Ok(RawFilesystemUsage::default())
        });
        // In the first pass the dead one takes most of the time that there is for both.
        let give_up = Instant::now() + Duration::from_secs(60);
        let mut answers = 0;
        while answers < 3 {
            let rows = reader.read(&mut Faults::default()).unwrap();
            assert!(matches!(&rows[0].usage, Err(ReadError::Stuck { path }) if path == "/dead"));
            answers += usize::from(rows[1].usage.is_ok());
            assert!(Instant::now() < give_up, "the living one answered {answers} times");
        }
        drop(release);
        while reader.read(&mut Faults::default()).unwrap()[0].usage.is_err() {
            assert!(Instant::now() < give_up, "it did not recover");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn this_machine_has_one_root() {
        let mut reader = Reader::new(&Paths::host());
        let rows = reader.read(&mut Faults::default()).unwrap();
        let root: Vec<_> = rows.iter().filter(|row| row.mount_point == "/").collect();
        assert_eq!(root.len(), 1);
        let usage = root[0].usage.clone().unwrap();
        assert!(usage.available <= usage.blocks);
    }
}
