//! What `/metrics` leaves out: mount points, types of file systems and interfaces, by regular expressions as `node_exporter`
//! takes them. Made by the configuration, asked by whoever tells families. Takes time by the length of pattern and text,
//! never more: the expressions know no backtracking.

use regex_lite::Regex;

/// Longest expression.
const LONGEST: usize = 4096;

/// The default of `node_exporter` for mount points.
pub const MOUNT_POINTS: &str =
    r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

/// The default of `node_exporter` for types of file systems: those that hold no data of their own, or whose numbers mean
/// nothing.
pub const FS_TYPES: &str = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|\
                            mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$";

/// One expression.
#[derive(Clone, Debug)]
enum Pattern {
    /// Excludes nothing.
    Nothing,
    /// [`MOUNT_POINTS`], which costs less when it is written out.
    MountPoints,
    /// [`FS_TYPES`], likewise.
    FsTypes,
    Other(Regex),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::Nothing),
            MOUNT_POINTS => Ok(Self::MountPoints),
            FS_TYPES => Ok(Self::FsTypes),
            text if text.len() > LONGEST => Err(format!("it is longer than {LONGEST} bytes")),
            text => Regex::new(text).map(Self::Other).map_err(|error| format!("it is no regular expression: {error}")),
        }
    }

    fn has(&self, text: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::MountPoints => is_usual_mount_point(text),
            Self::FsTypes => is_usual_type(text),
            Self::Other(regex) => regex.is_match(text),
        }
    }
}

/// What is left out.
#[derive(Clone, Debug)]
pub struct Exclusions {
    mount_points: Pattern,
    fs_types: Pattern,
    interfaces: Pattern,
}

impl Default for Exclusions {
    fn default() -> Self {
        Self { mount_points: Pattern::MountPoints, fs_types: Pattern::FsTypes, interfaces: Pattern::Nothing }
    }
}

impl Exclusions {
    /// With another expression for mount points. Empty excludes nothing.
    pub fn with_mount_points(mut self, text: &str) -> Result<Self, String> {
        self.mount_points = Pattern::parse(text)?;
        Ok(self)
    }

    /// With another expression for types of file systems.
    pub fn with_fs_types(mut self, text: &str) -> Result<Self, String> {
        self.fs_types = Pattern::parse(text)?;
        Ok(self)
    }

    /// With another expression for names of interfaces.
    pub fn with_interfaces(mut self, text: &str) -> Result<Self, String> {
        self.interfaces = Pattern::parse(text)?;
        Ok(self)
    }

    /// Whether a mount is left out.
    pub fn has_mount(&self, mount_point: &str, fs_type: &str) -> bool {
        self.fs_types.has(fs_type) || self.mount_points.has(mount_point)
    }

    /// Whether an interface is left out.
    pub fn has_interface(&self, name: &str) -> bool {
        self.interfaces.has(name)
    }
}

fn is_usual_mount_point(path: &str) -> bool {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let inside = |root: &str| path.strip_prefix(root).is_some_and(|rest| !rest.is_empty());
    ["/dev", "/proc", "/sys"].into_iter().any(below)
        || ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"].into_iter().any(inside)
}

fn is_usual_type(name: &str) -> bool {
    let names = FS_TYPES.trim_start_matches("^(").trim_end_matches(")$");
    name == "cgroup" || name == "cgroup2" || (name != "cgroup2?" && names.split('|').any(|known| known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_below_mnt_media_and_run_are_told() {
        let usual = Exclusions::default();
        for path in ["/dev", "/dev/shm", "/sys/kernel", "/run/credentials/x.service", "/var/lib/docker/overlay2/a"] {
            assert!(usual.has_mount(path, "ext4"), "{path}");
        }
        for path in [
            "/",
            "/devices",
            "/home",
            "/mnt/x",
            "/media/usb",
            "/run",
            "/run/user/1000",
            "/srv/media",
            "/var/lib/docker",
        ] {
            assert!(!usual.has_mount(path, "ext4"), "{path}");
        }
    }

    /// What is written out means the same as the expression.
    #[test]
    fn the_defaults_are_the_expressions_of_node_exporter() {
        let (mounts, types) = (Regex::new(MOUNT_POINTS).unwrap(), Regex::new(FS_TYPES).unwrap());
        for path in [
            "/",
            "/dev",
            "/dev/",
            "/devices",
            "/dev/shm",
            "/proc",
            "/proc/x",
            "/sys",
            "/system",
            "/run",
            "/run/lock",
            "/run/credentials",
            "/run/credentials/",
            "/run/credentials/a",
            "/var/lib/docker",
            "/var/lib/docker/",
            "/var/lib/docker/a/b",
            "/var/lib/containers/storage/x",
            "/var/lib/containers",
            "/mnt",
            "dev",
            "",
        ] {
            assert_eq!(is_usual_mount_point(path), mounts.is_match(path), "{path:?}");
        }
        for name in [
            "", "autofs", "cgroup", "cgroup2", "cgroup2?", "cgroup3", "ext4", "tracefs", "proc", "procfs", "xproc",
            "^(autofs",
        ] {
            assert_eq!(is_usual_type(name), types.is_match(name), "{name:?}");
        }
    }

    #[test]
    fn other_expressions_take_their_place() {
        let own = Exclusions::default().with_mount_points("^/mnt($|/)").unwrap();
        let own = own.with_fs_types("").unwrap().with_interfaces("^(veth|br-).*").unwrap();
        assert!(own.has_mount("/mnt/x", "ext4") && !own.has_mount("/dev", "devtmpfs"));
        assert!(own.has_interface("veth0") && !own.has_interface("eth0") && !Exclusions::default().has_interface("lo"));
        assert!(own.clone().with_interfaces("(").unwrap_err().contains("regular expression"));
        assert!(own.with_interfaces(&"x".repeat(5_000)).unwrap_err().contains("longer"));
    }
}
