//! The mount table of the watched machine, and which of the places of a device stands for it.
//!
//! Used by [`super::filesystem`], which asks the file systems.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Paths;
use super::file::KeptFile;
use super::mountinfo::{Mount, parse_mountinfo};
use crate::model::storage::MountPlace;
use crate::model::{Faults, ReadError, Reading};

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

    /// Every mount in the order of the table, and the root where the table has no row for it.
    pub(super) fn read(&mut self, faults: &mut Faults) -> Reading<Vec<Mount>> {
        let mut mounts = self.rows(faults)?;
        if !mounts.iter().any(|mount| mount.mount_point == Path::new("/")) {
            mounts.push(Mount::unlisted_root());
        }
        Ok(mounts)
    }

    fn rows(&mut self, faults: &mut Faults) -> Reading<Vec<Mount>> {
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
pub(super) fn also_at(mounts: &[Mount], chosen: &[usize]) -> HashMap<(u32, u32), Vec<MountPlace>> {
    let mut also: HashMap<_, Vec<_>> = HashMap::new();
    let rest = reachable(mounts).filter(|(index, _)| chosen.binary_search(index).is_err());
    for (_, mount) in rest.filter(|(_, mount)| mount.is_device_backed()) {
        let mount_point = mount.mount_point.to_string_lossy().into_owned();
        let place = MountPlace { mount_point, options: mount.options.clone() };
        also.entry(mount.major_minor).or_default().push(place);
    }
    also
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &[u8]) -> Vec<Mount> {
        parse_mountinfo(Path::new("mountinfo"), text, &mut Faults::default()).unwrap()
    }

    fn chosen_mounts(text: &str) -> Vec<Mount> {
        let mounts = table(text.as_bytes());
        let chosen = choose(&mounts);
        chosen.into_iter().map(|index| mounts[index].clone()).collect()
    }

    fn chosen(text: &str) -> Vec<String> {
        chosen_mounts(text).iter().map(|mount| mount.mount_point.display().to_string()).collect()
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
}
