//! The mount table of the watched machine, and which of the places of a device stands for it.
//!
//! A service manager may give us a name space of our own, with mounts that nobody else sees: what it hides from us, or makes
//! read-only for us. The machine's table is then that of its first process, as long as that one has the same root.
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
    /// That of the machine's first process.
    first_process: KeptFile,
    own: KeptFile,
    whose: Whose,
    rootfs: PathBuf,
}

/// Whose table is the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Below another procfs: the first process's where it may be read, else ours.
    Elsewhere,
    /// Nobody has looked yet.
    Unknown,
    /// Ours, as far as we can know.
    Ours,
    /// The first process's; we see the same machine, and more mounts or other ones.
    FirstProcess,
}

impl MountTable {
    /// Opens nothing yet.
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            first_process: KeptFile::new(paths.proc("1/mountinfo")),
            own: KeptFile::new(paths.proc("self/mountinfo")),
            // `self` below another procfs is this process all the same, with the mounts of its container.
            whose: if paths.is_live() { Whose::Unknown } else { Whose::Elsewhere },
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
        match self.whose {
            Whose::Elsewhere => {
                match self.first_process.read_with(|path, text| parse_mountinfo(path, text, faults)) {
                    // Hidden from us, or a procfs without it: the next best is what we see ourselves.
                    Err(ReadError::Unsupported { .. } | ReadError::Denied { .. } | ReadError::Vanished { .. }) => {}
                    reading => return reading,
                }
                let mounts = self.own.read_with(|path, text| parse_mountinfo(path, text, faults))?;
                Ok(below(&self.rootfs, mounts))
            }
            Whose::Ours => self.own.read_with(|path, text| parse_mountinfo(path, text, faults)).map(without_masks),
            Whose::Unknown | Whose::FirstProcess => self.read_both(faults),
        }
    }

    /// The first process's table where it is the machine's and ours is another. Our name space is the same all our life, so
    /// that this is asked once.
    fn read_both(&mut self, faults: &mut Faults) -> Reading<Vec<Mount>> {
        let mut faults_of_own = Faults::default();
        let own = self.own.read_with(|path, text| parse_mountinfo(path, text, &mut faults_of_own));
        let mut faults_of_first = Faults::default();
        let first = self.first_process.read_with(|path, text| parse_mountinfo(path, text, &mut faults_of_first));
        if self.whose == Whose::Unknown
            && let Ok(own) = &own
        {
            let is_machines = first.as_ref().is_ok_and(|first| is_other_view(own, first));
            self.whose = if is_machines { Whose::FirstProcess } else { Whose::Ours };
        }
        match (self.whose, first) {
            (Whose::FirstProcess, Ok(mut first)) => {
                faults.append(faults_of_first);
                mark_hidden(&mut first, &own?);
                Ok(first)
            }
            _ => {
                faults.append(faults_of_own);
                own.map(without_masks)
            }
        }
    }

    /// Whether nothing was mounted, unmounted or mounted otherwise since this was asked last (`proc_pid_mounts(5)`). What the
    /// file system itself makes of its flags, or another name space of the same one, is not announced, nor is a new name of a
    /// directory above a mount. Of another machine's table nothing is known.
    pub(super) fn was_quiet(&self) -> bool {
        let is_quiet = |file: &KeptFile| {
            let Some(file) = file.file() else { return false };
            let mut asked = [PollFd::new(file, PollFlags::PRI)];
            matches!(poll(&mut asked, Some(&Timespec::default())), Ok(0))
        };
        match self.whose {
            Whose::Elsewhere | Whose::Unknown => false,
            Whose::Ours => is_quiet(&self.own),
            // Both, and both are asked: an answer takes the announcement away.
            Whose::FirstProcess => is_quiet(&self.own) & is_quiet(&self.first_process),
        }
    }

    /// Where this process finds the mount.
    pub(super) fn path_of(&self, mount: &Mount) -> PathBuf {
        self.rootfs.join(mount.mount_point.strip_prefix("/").unwrap_or(&mount.mount_point))
    }
}

/// Whether the first process has the same root and another table: another name space of the same machine. A container or a
/// changed root is another machine in its own right.
fn is_other_view(own: &[Mount], first: &[Mount]) -> bool {
    fn root(mounts: &[Mount]) -> Option<&Mount> {
        mounts.iter().rev().find(|mount| mount.mount_point == Path::new("/"))
    }
    match (root(own), root(first)) {
        (Some(own), Some(first)) => {
            own.id != first.id
                && own.major_minor == first.major_minor
                && own.whole
                && first.whole
                && own.source == first.source
        }
        _ => false,
    }
}

/// Without what hides something from this process alone.
fn without_masks(mut mounts: Vec<Mount>) -> Vec<Mount> {
    mounts.retain(|mount| !mount.is_hidden);
    mounts
}

/// Marks the mounts at whose place we see something else: to ask there would tell of that.
fn mark_hidden(mounts: &mut [Mount], own: &[Mount]) {
    let top: HashMap<&Path, &Mount> = own.iter().map(|mount| (mount.mount_point.as_path(), mount)).collect();
    for mount in mounts {
        let seen = top.get(mount.mount_point.as_path());
        mount.is_hidden = !seen.is_some_and(|seen| seen.major_minor == mount.major_minor && seen.whole == mount.whole);
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

/// One mount of each device, by its place in the table: the one at `/` if there is one, else one that shows the whole device
/// rather than a part of it (a bind mount), else that with the shortest path, else the first. A mount that another one lies
/// over at the same path cannot be reached and does not count.
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

    /// What a unit with `ProtectKernelModules=` and `StateDirectory=` sees, beside what the machine has.
    #[test]
    fn mounts_that_only_the_service_sees_are_not_the_machines() {
        let first = table(
            b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
              21 20 8:2 / /home rw - ext4 /dev/sda2 rw\n\
              22 20 8:3 / /usr/lib/modules rw - ext4 /dev/sda3 rw\n",
        );
        let own = table(
            b"90 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
              91 90 8:2 / /home ro - ext4 /dev/sda2 rw\n\
              92 90 8:3 / /usr/lib/modules rw - ext4 /dev/sda3 rw\n\
              93 90 0:30 /systemd/inaccessible/dir /usr/lib/modules ro - tmpfs tmpfs rw\n\
              94 90 8:1 /var/lib/psmonitor /var/lib/psmonitor rw - ext4 /dev/sda1 rw\n",
        );
        assert!(is_other_view(&own, &first));
        assert!(!is_other_view(&own, &own), "the same name space");
        let container = table(b"50 1 0:40 / / rw - overlay overlay rw\n");
        assert!(!is_other_view(&container, &first), "another root is another machine");
        let mut marked = first;
        mark_hidden(&mut marked, &own);
        let hidden: Vec<_> = marked.iter().map(|mount| mount.is_hidden).collect();
        assert_eq!(without_masks(own).len(), 4, "where the first process's table cannot be read");
        assert_eq!(hidden, [false, false, true], "what lies under another mount of ours cannot be asked");
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
