//! Every mount, from `/proc/PID/mountinfo`, with the use of its file system (statvfs(3)).
//!
//! A reader of our own because `sysinfo::Disks` waits for ever on one dead mount, and tells nothing at all when one mount
//! point is not UTF-8. A device is asked at one of its mounts, on a thread of its own; file systems in memory answer at once
//! and are asked on the thread of the reader. Those of the network and of FUSE are not asked, unless they name a device.
//!
//! To read the table takes longer than to ask all that is in it. It is read again when the kernel announces a change of it;
//! when a file system says that it is read-only where the table says that it is not, or the other way round (an error turned
//! it so, or somebody in another name space); when a mount is not found where it was (a directory above it has another
//! name); and every sixteenth time.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Paths;
use super::file::read_error;
use crate::collect::linux::mount_table::{MountTable, also_at, choose};
use crate::collect::linux::mountinfo::Mount;
use crate::collect::linux::statvfs::{self, Asker, Call};
use crate::model::storage::{MountPlace, RawFilesystemUsage, RawMount};
use crate::model::{Faults, ReadError, Reading};

/// Types that live in memory.
const MEMORY_TYPES: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "efivarfs"];

/// Types that the kernel itself fills, and that others are mounted below as a rule.
const KERNEL_TYPES: [&str; 7] = ["cgroup", "cgroup2", "devtmpfs", "overlay", "proc", "securityfs", "sysfs"];

/// Passes from one reading of the table to the next, whatever is announced.
const FULL_READING: u32 = 16;

/// Keeps the mount table open, and the thread that asks the devices.
pub struct Reader {
    table: MountTable,
    rootfs: PathBuf,
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
    pub fn new(paths: &Paths) -> Self {
        let rootfs = paths.rootfs.clone();
        Self::with_statvfs(paths, Arc::new(move |path| statvfs::statvfs(&rootfs, path)))
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
        let (table, rootfs) = (MountTable::new(paths), paths.rootfs.clone());
        Self { table, rootfs, plan: Plan::default(), faults: Faults::default(), asker, pass: 0 }
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
        let usage = |path: &Path| statvfs::statvfs(&self.rootfs, path).map_err(|error| read_error(path, &error));
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
            // The table says nothing of a root that it has no row for.
            let is_on_top = top.get(mount.mount_point.as_path()) == Some(&index) && !mount.is_unlisted_root();
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
            major_minor: Some(mount.major_minor),
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

#[cfg(test)]
mod tests;
