//! Whether this `/proc` shows other users' processes: the mount option `hidepid` of proc(5), since Linux 3.3.
//!
//! Asked by the process reader now and then. Reads `/proc/self/mountinfo` of our own `/proc`, wherever the watched one is.

use std::path::Path;

use rustix::thread::CapabilitySet;

use crate::collect::linux::file::KeptFile;
use crate::collect::linux::mountinfo::{Mount, parse_mountinfo};
use crate::model::Faults;

/// Whether the mount at `procfs` hides others' processes from us. A folder that is no mount of its own hides nothing.
pub(super) fn hides_others(procfs: &Path) -> bool {
    let mut table = KeptFile::new("/proc/self/mountinfo".into());
    let mounts = table.read_with(|path, text| parse_mountinfo(path, text, &mut Faults::default()));
    mounts.is_ok_and(|mounts| hiding(&mounts, procfs).is_some_and(|hiding| !may_see_through(hiding)))
}

/// What the mount options say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hiding {
    /// Group whose members see everything all the same, `gid=`.
    group: u32,
    /// `hidepid=4` or `ptraceable`: no group is exempt.
    strict: bool,
}

/// The last mount of type `proc` at `procfs` decides, as it lies on top. Its options: `rw,hidepid=invisible,gid=4`.
fn hiding(mounts: &[Mount], procfs: &Path) -> Option<Hiding> {
    let options = &mounts.iter().rfind(|mount| mount.mount_point == procfs && mount.kind == "proc")?.options;
    let value = |key: &str| options.split(',').find_map(|option| option.strip_prefix(key)?.strip_prefix('='));
    let group = value("gid").and_then(|group| group.parse().ok()).unwrap_or(0);
    match value("hidepid")? {
        "0" | "off" => None,
        "4" | "ptraceable" => Some(Hiding { group, strict: true }),
        _ => Some(Hiding { group, strict: false }),
    }
}

fn may_see_through(hiding: Hiding) -> bool {
    let traces =
        rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_PTRACE));
    let member = || {
        let group = rustix::process::Gid::from_raw(hiding.group);
        rustix::process::getegid() == group || rustix::process::getgroups().is_ok_and(|groups| groups.contains(&group))
    };
    traces || (!hiding.strict && member())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n";

    fn of(table: &str, procfs: &str) -> Option<Hiding> {
        let mounts = parse_mountinfo(Path::new("mountinfo"), table.as_bytes(), &mut Faults::default());
        hiding(&mounts.unwrap(), Path::new(procfs))
    }

    #[test]
    fn the_option_is_read_from_the_mount_on_top() {
        let table = |options: &str| format!("{PLAIN}30 27 0:22 / /proc rw shared:5 - proc proc rw{options}\n");
        let at = "/proc";
        assert_eq!(of(PLAIN, at), None);
        assert_eq!(of(&table(",hidepid=2"), at), Some(Hiding { group: 0, strict: false }));
        assert_eq!(of(&table(",gid=4,hidepid=invisible"), at), Some(Hiding { group: 4, strict: false }));
        assert_eq!(of(&table(",hidepid=ptraceable"), at), Some(Hiding { group: 0, strict: true }));
        assert_eq!(of(&table(",hidepid=off"), at), None);
        assert_eq!(of(&table(",hidepid=2"), "/host/proc"), None);
    }

    #[test]
    fn odd_rows_hide_nothing_and_odd_paths_are_found() {
        assert_eq!(of(&format!("garbage - proc\n{PLAIN}"), "/proc"), None);
        let spaced = "30 27 0:22 / /my\\040proc rw - proc proc rw,hidepid=1\n";
        assert_eq!(of(spaced, "/my proc"), Some(Hiding { group: 0, strict: false }));
        assert!(!hides_others(Path::new("/nowhere")));
    }
}
