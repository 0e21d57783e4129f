//! Limits of the control group that a container runs in, versions 2 and 1 (Documentation/admin-guide/cgroup-v2.rst and
//! cgroup-v1/).
//!
//! Read when somebody asks, and only in a container that sees no other machine's `/proc`: elsewhere the machine's numbers
//! are all there is to tell. Not sysinfo: it tells memory alone, and no version 1 below a host's path.

use std::path::{Path, PathBuf};

use super::Paths;
use super::file::{optional, read_text, read_word};
use super::virtualization;
use crate::model::container::RawContainer;
use crate::model::{Faults, ReadError, Reading};

/// Version 1 writes "no limit" as the largest number of pages that there could be.
const NO_LIMIT: u64 = 1 << 62;

/// What sees a container's numbers in the place of a machine's: its name, as in `virtualization`.
pub fn container(paths: &Paths) -> Option<&'static str> {
    // wsl is a virtual machine with a kernel of its own.
    if paths.is_live() { virtualization::container(paths).filter(|system| *system != "wsl") } else { None }
}

/// Knows whether there is anything to read.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    /// `None` until it was looked at.
    system: Option<Option<&'static str>>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), system: None }
    }

    /// The limits now. Each file stands for itself.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<RawContainer> {
        let system = *self.system.get_or_insert_with(|| container(&self.paths));
        let system = system.ok_or_else(|| ReadError::Unsupported { path: "a container's control group".to_owned() })?;
        let mut found = limits(&self.paths, faults);
        found.system = system;
        Ok(found)
    }
}

fn limits(paths: &Paths, faults: &mut Faults) -> RawContainer {
    let groups = faults.part(read_text(&paths.proc("self/cgroup"))).unwrap_or_default();
    let root = paths.sys("fs/cgroup");
    if read_text(&root.join("cgroup.controllers")).is_ok() {
        return version_2(&root, own_path(&groups, ""), faults);
    }
    if root.join("memory").is_dir() || root.join("cpu").is_dir() || root.join("pids").is_dir() {
        return version_1(&root, &groups, faults);
    }
    RawContainer::default()
}

/// The path of this process in the hierarchy of a controller; that of version 2 has no controller. Lines of
/// `4:cpu,cpuacct:/docker/0123`.
fn own_path<'t>(groups: &'t str, controller: &str) -> &'t str {
    let path = |line: &'t str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    };
    groups.lines().find_map(path).unwrap_or("/")
}

/// The group's folder and those above it, up to what is mounted. A group that is not found below the mount is the mount
/// itself: a container without a name space of control groups is told the host's path and shown its own.
fn folders(root: &Path, path: &str) -> Vec<PathBuf> {
    let own = root.join(path.trim_start_matches('/'));
    // `/../..` is a group outside of the name space.
    let is_below = !path.split('/').any(|part| part == "..") && own.is_dir();
    if !is_below {
        return vec![root.to_owned()];
    }
    own.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_owned).collect()
}

/// The number of a file. `max` is none.
fn number(folder: &Path, file: &str, faults: &mut Faults) -> Option<u64> {
    let path = folder.join(file);
    let word = faults.part(optional(read_word(&path)))??;
    let word = word?;
    if word == "max" || word == "-1" {
        return None;
    }
    let parsed = word.parse().map_err(|_| super::file::parse_error(&path, 1, "expected a number or \"max\""));
    faults.part(parsed)
}

/// The smallest limit of the group and those above it.
fn limit(folders: &[PathBuf], file: &str, faults: &mut Faults) -> Option<u64> {
    folders.iter().filter_map(|folder| number(folder, file, faults)).filter(|limit| *limit < NO_LIMIT).min()
}

/// The tighter of two quotas.
fn tighter(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    if u128::from(a.0) * u128::from(b.1) <= u128::from(b.0) * u128::from(a.1) { a } else { b }
}

fn version_2(root: &Path, path: &str, faults: &mut Faults) -> RawContainer {
    let folders = folders(root, path);
    let own = &folders[0];
    let quotas = folders.iter().filter_map(|folder| {
        let text = faults.part(optional(read_text(&folder.join("cpu.max"))))??;
        quota(&text)
    });
    let cpu_quota = quotas.reduce(tighter);
    RawContainer {
        system: "",
        cgroup_version: Some(2),
        memory_limit_bytes: limit(&folders, "memory.max", faults),
        memory_charged_bytes: number(own, "memory.current", faults),
        memory_inactive_file_bytes: statistic(own, "inactive_file", faults),
        swap_limit_bytes: limit(&folders, "memory.swap.max", faults),
        cpu_quota,
        task_limit: limit(&folders, "pids.max", faults),
        tasks: number(own, "pids.current", faults),
    }
}

/// `150000 100000`, or `max 100000`.
fn quota(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn version_1(root: &Path, groups: &str, faults: &mut Faults) -> RawContainer {
    let of = |controller: &str| folders(&root.join(controller), own_path(groups, controller));
    let (memory, cpu, pids) = (of("memory"), of("cpu"), of("pids"));
    let quotas = cpu.iter().filter_map(|folder| {
        Some((number(folder, "cpu.cfs_quota_us", faults)?, number(folder, "cpu.cfs_period_us", faults)?))
    });
    let cpu_quota = quotas.reduce(tighter);
    RawContainer {
        system: "",
        cgroup_version: Some(1),
        memory_limit_bytes: limit(&memory, "memory.limit_in_bytes", faults),
        memory_charged_bytes: number(&memory[0], "memory.usage_in_bytes", faults),
        memory_inactive_file_bytes: statistic(&memory[0], "total_inactive_file", faults),
        swap_limit_bytes: None,
        cpu_quota,
        task_limit: limit(&pids, "pids.max", faults),
        tasks: number(&pids[0], "pids.current", faults),
    }
}

/// A line of `memory.stat`, `inactive_file 4096`.
fn statistic(folder: &Path, name: &str, faults: &mut Faults) -> Option<u64> {
    let text = faults.part(optional(read_text(&folder.join("memory.stat"))))??;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limits of a machine with these files, and how many of them were bad.
    fn found(files: &[(&str, &str)]) -> (RawContainer, bool) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let paths = Paths { procfs: dir.path().join("proc"), sysfs: dir.path().join("sys"), ..Paths::host() };
        let mut faults = Faults::default();
        let found = limits(&paths, &mut faults);
        (found, faults.into_first().is_some())
    }

    #[test]
    fn version_2_in_a_name_space() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
            ("sys/fs/cgroup/memory.max", "536870912\n"),
            ("sys/fs/cgroup/memory.current", "104857600\n"),
            ("sys/fs/cgroup/memory.stat", "anon 1\nfile 2\ninactive_file 4194304\n"),
            ("sys/fs/cgroup/memory.swap.max", "0\n"),
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/pids.max", "max\n"),
            ("sys/fs/cgroup/pids.current", "7\n"),
        ];
        let expected = RawContainer {
            system: "",
            cgroup_version: Some(2),
            memory_limit_bytes: Some(536_870_912),
            memory_charged_bytes: Some(104_857_600),
            memory_inactive_file_bytes: Some(4_194_304),
            swap_limit_bytes: Some(0),
            cpu_quota: Some((150_000, 100_000)),
            task_limit: None,
            tasks: Some(7),
        };
        assert_eq!(found(&files), (expected.clone(), false));
        // One bad file costs its own number.
        let mut bad = files;
        bad[2].1 = "lots\n";
        assert_eq!(found(&bad), (RawContainer { memory_limit_bytes: None, ..expected }, true));
    }

    #[test]
    fn the_tightest_limit_of_the_groups_above_counts() {
        let (found, _) = found(&[
            ("proc/self/cgroup", "0::/pod/box\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
            ("sys/fs/cgroup/pod/memory.max", "1000\n"),
            ("sys/fs/cgroup/pod/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/pod/box/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/pod/box/memory.current", "10\n"),
            ("sys/fs/cgroup/memory.current", "999\n"),
        ]);
        assert_eq!((found.memory_limit_bytes, found.cpu_quota), (Some(1_000), Some((50_000, 100_000))));
        assert_eq!(found.memory_charged_bytes, Some(10), "its own");
    }

    #[test]
    fn version_1_shown_at_the_mount_and_told_by_the_hosts_path() {
        let groups = "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n3:pids:/docker/0123\n0::/system.slice\n";
        let (found, bad) = found(&[
            ("proc/self/cgroup", groups),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 4096\n"),
            ("sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "200000\n"),
            ("sys/fs/cgroup/cpu/docker/0123/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/pids/pids.max", "100\n"),
        ]);
        let expected = RawContainer {
            system: "",
            cgroup_version: Some(1),
            memory_limit_bytes: Some(268_435_456),
            memory_charged_bytes: Some(1_048_576),
            memory_inactive_file_bytes: Some(4_096),
            swap_limit_bytes: None,
            cpu_quota: Some((200_000, 100_000)),
            task_limit: Some(100),
            tasks: None,
        };
        assert_eq!((found, bad), (expected, false));
    }

    #[test]
    fn no_limit_is_none_whatever_it_looks_like() {
        let (found, _) = found(&[
            ("proc/self/cgroup", "5:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/pids/pids.max", "max\n"),
        ]);
        assert_eq!((found.memory_limit_bytes, found.task_limit, found.cpu_quota), (None, None, None));
        assert_eq!(self::found(&[]).0, RawContainer::default(), "no control groups at all");
        assert_eq!(folders(Path::new("/sys/fs/cgroup"), "/../outside"), [Path::new("/sys/fs/cgroup")]);
    }

    #[test]
    fn another_machines_files_are_no_containers() {
        let paths = Paths { procfs: "/host/proc".into(), ..Paths::host() };
        assert_eq!(container(&paths), None);
        assert!(matches!(Reader::new(&paths).read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
    }
}
