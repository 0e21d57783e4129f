//! Where the kernel's files are, and the constants that their counters are scaled with.
//!
//! Injected from the command line down to every reader, so that a container can look at its host and a test at a fixture.

use std::path::{Path, PathBuf};

use crate::model::Machine;

/// Which readers tell of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Those of the files of Linux.
    #[cfg(target_os = "linux")]
    Linux,
    /// Those that ask the crate `sysinfo`. They know no roots.
    Portable,
}

impl Readers {
    /// The best ones for the system that this program was built for.
    #[cfg(target_os = "linux")]
    pub const BEST: Self = Self::Linux;
    /// The best ones for the system that this program was built for.
    #[cfg(not(target_os = "linux"))]
    pub const BEST: Self = Self::Portable;
}

/// The roots that readers look under, and the machine's constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `/proc`, or what stands for it.
    pub procfs: PathBuf,
    /// `/sys`, or what stands for it.
    pub sysfs: PathBuf,
    /// `/`, or where the watched machine's root is mounted: `etc/passwd`, `etc/os-release` and mount points are below it.
    pub rootfs: PathBuf,
    /// Page size and clock tick.
    pub machine: Machine,
    /// Who reads.
    pub readers: Readers,
}

impl Paths {
    /// The roots of this machine, and its own constants.
    pub fn host() -> Self {
        Self {
            procfs: "/proc".into(),
            sysfs: "/sys".into(),
            rootfs: "/".into(),
            machine: Machine {
                page_bytes: rustix::param::page_size() as u64,
                ticks_per_second: rustix::param::clock_ticks_per_second(),
            },
            readers: Readers::BEST,
        }
    }

    /// Whether system calls about the running machine (addresses, NSS, uname) speak of the same machine as the files.
    pub fn is_live(&self) -> bool {
        self.procfs == Path::new("/proc") && self.rootfs == Path::new("/")
    }

    /// A file below `/proc`.
    pub fn proc(&self, file: &str) -> PathBuf {
        self.procfs.join(file)
    }

    /// A file below `/sys`.
    pub fn sys(&self, file: &str) -> PathBuf {
        self.sysfs.join(file)
    }

    /// A file of the network, as it stands below `/proc/net`. That is a link to `self/net`, the name space of whoever reads:
    /// in a container with its host's `/proc` the container's. The host's is that of the host's first process. Where that
    /// cannot be seen, and in a copy of files, `net` is what there is.
    pub fn net(&self, file: &str) -> PathBuf {
        let of_first = self.procfs.join("1/net");
        let is_own = self.procfs == Path::new("/proc");
        if !is_own && of_first.is_dir() { of_first.join(file) } else { self.procfs.join("net").join(file) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_that_of_the_first_process_below_another_procfs() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        assert_eq!(paths.net("dev"), dir.path().join("net/dev"));
        std::fs::create_dir_all(dir.path().join("1/net")).unwrap();
        assert_eq!(paths.net("dev"), dir.path().join("1/net/dev"));
        assert_eq!(Paths::host().net("dev"), Path::new("/proc/net/dev"));
    }
}
