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
    #[must_use]
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
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.procfs == Path::new("/proc") && self.rootfs == Path::new("/")
    }

    /// A file below `/proc`.
    #[must_use]
    pub fn proc(&self, file: &str) -> PathBuf {
        self.procfs.join(file)
    }

    /// A file below `/sys`.
    #[must_use]
    pub fn sys(&self, file: &str) -> PathBuf {
        self.sysfs.join(file)
    }

    /// A file below `/`, given without its leading slash.
    #[must_use]
    pub fn root(&self, file: &str) -> PathBuf {
        self.rootfs.join(file.trim_start_matches('/'))
    }
}
