//! Facts about the host that do not change while it runs: names, versions, identity.
//!
//! Read once every few minutes. Each fact stands alone: one that cannot be read is `None` and the others are told. Not sysinfo,
//! the architecture aside: it reads os-release of this root only.

use std::collections::BTreeSet;
use std::time::Duration;

use super::attributes::names_in;
use super::file::{read_number, read_word};
use super::user::Users;
use super::{Paths, cpuinfo, hostname, os_release, uname, virtualization};
use crate::model::Reading;
use crate::model::cpu::RawCpuModel;
use crate::model::system::HostFacts;

/// How long the name services may take for the name of our own user. Later they may answer, but nobody asks again for
/// minutes; a user in `/etc/passwd` takes no time at all.
const OWN_NAME_LIMIT: Duration = Duration::from_millis(100);

/// Reads the facts.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    users: Users,
    os_release: os_release::Reader,
    cpuinfo: cpuinfo::Reader,
}

impl Reader {
    /// Opens nothing yet. Distribution and cores are told by the readers that others ask as well.
    pub fn new(paths: &Paths, os_release: os_release::Reader, cpuinfo: cpuinfo::Reader) -> Self {
        Self { paths: paths.clone(), users: Users::new(paths), os_release, cpuinfo }
    }

    /// Every fact there is. Never fails as a whole.
    pub fn read(&mut self) -> Reading<HostFacts> {
        let name = |file: &str| uname::word(&self.paths, file).ok().flatten();
        let root_word = |file: &str| self.paths.root(file).read_word().ok().flatten();
        let release = self.os_release.read().unwrap_or_default();
        let release = |key: &str| Some(release.get(key).to_owned()).filter(|value| !value.is_empty());
        let distribution_id = release("ID");
        let exact =
            distribution_id.as_deref().filter(|id| *id == "debian").and_then(|_| root_word("etc/debian_version"));
        let virtualization = virtualization::detect(&self.paths);
        let cpu_models = self.cpuinfo.models();
        let uid = rustix::process::getuid().as_raw();
        Ok(HostFacts {
            hostname: hostname::read(&self.paths),
            distribution: release("PRETTY_NAME").or_else(|| release("NAME")),
            distribution_version: exact.or_else(|| release("VERSION_ID")),
            distribution_like: release("ID_LIKE"),
            distribution_id,
            kernel: name("osrelease"),
            // The file is there since Linux 6.1. Before that the kernel that runs us tells; it is the one that is watched.
            architecture: name("arch").or_else(running_architecture),
            machine_id: ["etc/machine-id", "var/lib/dbus/machine-id"]
                .iter()
                .find_map(|file| root_word(file).filter(|id| is_id(id))),
            product_uuid: read_word(&self.paths.sys("class/dmi/id/product_uuid")).ok().flatten(),
            virtualization: virtualization.system.map(str::to_owned),
            virtualization_role: virtualization.role.map(str::to_owned),
            own_user: self.users.name_within(uid, OWN_NAME_LIMIT).map(|name| name.to_string()),
            pid_max: read_number(&self.paths.proc("sys/kernel/pid_max")).ok(),
            physical_cores: self.physical_cores(&cpu_models),
            cpu_models,
        })
    }

    /// How many cores there are, by what the kernel says of each one's threads, else by `/proc/cpuinfo`. `None` where
    /// neither tells.
    fn physical_cores(&self, models: &[RawCpuModel]) -> Option<usize> {
        let folder = self.paths.sys("devices/system/cpu");
        let is_core = |name: &String| {
            name.strip_prefix("cpu")
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let threads = |name: String| {
            let list = |file: &str| read_word(&folder.join(&name).join("topology").join(file)).ok().flatten();
            // The second is the name before Linux 5.3.
            list("core_cpus_list").or_else(|| list("thread_siblings_list"))
        };
        let cores: BTreeSet<String> =
            names_in(&folder).unwrap_or_default().into_iter().filter(is_core).filter_map(threads).collect();
        if !cores.is_empty() {
            return Some(cores.len());
        }
        // Where one has no number, or a bad one, nobody knows whether it is a core of its own.
        let number = |text: &str| text.parse::<u32>().ok();
        let cores: Option<BTreeSet<_>> =
            models.iter().map(|model| Some((number(&model.physical_id)?, number(&model.core_id)?))).collect();
        cores.map(|cores| cores.len()).filter(|count| *count > 0)
    }
}

/// `uname -m`.
fn running_architecture() -> Option<String> {
    Some(sysinfo::System::cpu_arch()).filter(|name| !name.is_empty())
}

/// machine-id(5): 32 hexadecimal digits. `uninitialized` stands there until the first boot.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing;

    #[test]
    fn threads_of_one_core_are_counted_once() {
        let cpuinfo = b"processor\t: 0\nphysical id\t: 0\ncore id\t\t: 0\n\nprocessor\t: 1\nphysical id\t: 0\ncore id\t\t: 0\n\nprocessor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\n";
        assert_eq!(read(&[("proc/cpuinfo", cpuinfo)]).physical_cores, Some(2));
        let topology = |core: u32, list: &'static [u8]| {
            (format!("sys/devices/system/cpu/cpu{core}/topology/core_cpus_list"), list)
        };
        let files = [topology(0, b"0-1\n"), topology(1, b"0-1\n"), topology(2, b"2-3\n"), topology(10, b"10\n")];
        let mut files: Vec<(&str, &[u8])> = files.iter().map(|(file, list)| (file.as_str(), *list)).collect();
        files.push(("sys/devices/system/cpu/cpufreq/topology/core_cpus_list", b"9\n"));
        files.push(("proc/cpuinfo", cpuinfo));
        assert_eq!(read(&files).physical_cores, Some(3));
        let old = [("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", &b"0,4\n"[..])];
        assert_eq!(read(&old).physical_cores, Some(1));
        let arm = b"processor\t: 0\nBogoMIPS\t: 100\n";
        assert_eq!(read(&[("proc/cpuinfo", arm)]).physical_cores, None);
    }

    #[test]
    fn the_highest_number_of_a_process_is_told() {
        assert_eq!(read(&[("proc/sys/kernel/pid_max", b"4194304\n")]).pid_max, Some(4_194_304));
        assert_eq!(read(&[]).pid_max, None);
    }

    fn read(files: &[(&str, &[u8])]) -> HostFacts {
        let (_dir, paths) = testing::machine_of(files);
        read_all(&paths)
    }

    fn read_all(paths: &Paths) -> HostFacts {
        Reader::new(paths, os_release::Reader::new(paths), cpuinfo::Reader::new(paths)).read().unwrap()
    }

    #[test]
    fn what_is_not_there_is_unknown() {
        let architecture = running_architecture();
        assert!(architecture.is_some());
        assert_eq!(read(&[]), HostFacts { architecture, ..HostFacts::default() });
    }

    #[test]
    fn every_fact_has_its_file() {
        let host = read(&[
            ("proc/sys/kernel/hostname", b"lap\xfftop\n"),
            ("proc/sys/kernel/osrelease", b"6.1.0-37-amd64\n"),
            ("proc/sys/kernel/arch", b"riscv64\n"),
            ("root/usr/lib/os-release", b"NAME=Arch\nID=arch\nID_LIKE=\"a b\"\nVERSION_ID=7\n"),
            ("root/etc/debian_version", b"12.11\n"),
            ("root/etc/machine-id", b"uninitialized\n"),
            ("root/var/lib/dbus/machine-id", b"0123456789abcdef0123456789abcdef\n"),
            ("sys/class/dmi/id/product_uuid", b"11111111-2222-4333-8444-555555555555\n"),
        ]);
        assert_eq!(host.hostname.as_deref(), Some("lap\u{fffd}top"));
        assert_eq!((host.kernel.as_deref(), host.architecture.as_deref()), (Some("6.1.0-37-amd64"), Some("riscv64")));
        assert_eq!((host.distribution.as_deref(), host.distribution_id.as_deref()), (Some("Arch"), Some("arch")));
        assert_eq!(host.distribution_like.as_deref(), Some("a b"));
        assert_eq!(host.distribution_version.as_deref(), Some("7"), "the file of Debian is of no meaning elsewhere");
        assert_eq!(host.machine_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(host.product_uuid.as_deref(), Some("11111111-2222-4333-8444-555555555555"));
    }

    #[test]
    fn debian_tells_its_point_release() {
        let release: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\n";
        let version = |files: &[(&str, &[u8])]| read(files).distribution_version;
        assert_eq!(version(&[("root/etc/os-release", release)]).as_deref(), Some("12"));
        assert_eq!(
            version(&[("root/etc/os-release", release), ("root/etc/debian_version", b"12.11\n")]).as_deref(),
            Some("12.11")
        );
    }

    #[test]
    fn this_machine_says_what_uname_says() {
        let host = read_all(&Paths::host());
        let uname = rustix::system::uname();
        assert_eq!(host.hostname.as_deref(), uname.nodename().to_str().ok());
        assert_eq!(host.kernel.as_deref(), uname.release().to_str().ok());
        assert_eq!(host.architecture.as_deref(), uname.machine().to_str().ok());
        let own = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().map(|user| user.name);
        assert_eq!(host.own_user, own);
    }
}
