//! Whether this machine is a container, a virtual machine or a host of such, from what the kernel and the firmware show.
//!
//! Called by [`super::host`]. Best effort: no interface tells it for certain. The environment of process 1, where container
//! managers leave their name, is not read: environments hold secrets. Not sysinfo: it does not tell.

use super::Paths;
use super::file::{read_text, read_word};

/// The system and the part this machine plays in it, `guest` or `host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Virtualization {
    /// `docker`, `podman`, `lxc`, `kvm`, `vmware`, ...; `None` when nothing names it.
    pub system: Option<&'static str>,
    /// `guest` or `host`; `None` when nothing tells.
    pub role: Option<&'static str>,
}

const fn guest(system: &'static str) -> Virtualization {
    Virtualization { system: Some(system), role: Some("guest") }
}

const fn host(system: &'static str) -> Virtualization {
    Virtualization { system: Some(system), role: Some("host") }
}

/// What the firmware of virtual machines calls itself in any of the DMI fields, most telling first.
const FIRMWARE: [(&str, &str); 11] = [
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "kvm"),
    ("OpenStack", "kvm"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "vbox"),
    ("VirtualBox", "vbox"),
    ("Xen", "xen"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("QEMU", "kvm"),
];

/// What container managers write into `/run/systemd/container` and the control groups, and our name for it.
const CONTAINERS: [(&str, &str); 8] = [
    ("systemd-nspawn", "systemd-nspawn"),
    ("libpod", "podman"),
    ("podman", "podman"),
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("containerd", "containerd"),
    ("lxc", "lxc"),
    ("wsl", "wsl"),
];

/// Looks at the machine below `paths`. The inner shell counts: a container on a virtual machine is a container.
pub fn detect(paths: &Paths) -> Virtualization {
    container(paths).map(guest).or_else(|| machine(paths)).unwrap_or_default()
}

/// What keeps this container, if it is one.
pub(super) fn container(paths: &Paths) -> Option<&'static str> {
    let named = |text: &str| CONTAINERS.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name);
    // systemd inside a container writes the manager's name here.
    let written = paths.root("run/systemd/container").read_word().ok().flatten();
    if let Some(told) = written.as_deref().and_then(named) {
        return Some(told);
    }
    if paths.root("run/.containerenv").read_text().is_ok() {
        return Some("podman");
    }
    // A control group version 1 that no name space hides: `4:memory:/docker/<id>`.
    let groups = read_text(&paths.proc("1/cgroup")).unwrap_or_default();
    if let Some(told) = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(named) {
        return Some(told);
    }
    // Docker leaves this file in images that were made from a container, and such an image may be the root of a real
    // machine. A container's root is never a block device.
    // `self` below another procfs is this process all the same.
    let of_first = (!paths.is_live()).then(|| read_text(&paths.proc("1/mountinfo")).ok()).flatten();
    let mounts = of_first.or_else(|| read_text(&paths.proc("self/mountinfo")).ok()).unwrap_or_default();
    if paths.root(".dockerenv").read_text().is_ok() && !root_is_a_device(&mounts) {
        return Some("docker");
    }
    read_text(&paths.proc("sys/kernel/osrelease"))
        .is_ok_and(|text| text.to_ascii_lowercase().contains("microsoft"))
        .then_some("wsl")
}

/// Whether the last mount at `/` is of a device below `/dev` (`proc_pid_mountinfo(5)`: after a lone dash come type and source).
fn root_is_a_device(mounts: &str) -> bool {
    let root = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/"));
    root.and_then(|line| line.split_once(" - ")?.1.split(' ').nth(1)).is_some_and(|source| source.starts_with("/dev/"))
}

fn machine(paths: &Paths) -> Option<Virtualization> {
    let word = |file: &str| read_word(&paths.sys(file)).ok().flatten();
    if word("hypervisor/type").as_deref() == Some("xen") {
        let control = read_text(&paths.proc("xen/capabilities")).is_ok_and(|text| text.contains("control_d"));
        return Some(if control { host("xen") } else { guest("xen") });
    }
    // Processors of x86 tell whether a hypervisor stands between; elsewhere the device tree or the firmware must.
    let processor = read_text(&paths.proc("cpuinfo")).unwrap_or_default();
    let flags = processor.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':')).map(|(_, flags)| flags);
    let virtual_processor = flags.map(|flags| flags.split_ascii_whitespace().any(|flag| flag == "hypervisor"));
    if virtual_processor != Some(false) {
        let tree = word("firmware/devicetree/base/hypervisor/compatible").unwrap_or_default();
        if let Some(name) = ["kvm", "xen", "vmware"].into_iter().find(|name| tree.contains(name)) {
            return Some(guest(name));
        }
        let firmware = ["sys_vendor", "product_name", "board_vendor", "bios_vendor"]
            .map(|file| word(&format!("class/dmi/id/{file}")).unwrap_or_default());
        if let Some(told) = by_firmware(&firmware) {
            return Some(told);
        }
    }
    if virtual_processor == Some(true) {
        return Some(Virtualization { system: None, role: Some("guest") });
    }
    let modules = read_text(&paths.proc("modules")).unwrap_or_default();
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if loaded("kvm") {
        return Some(host("kvm"));
    }
    loaded("vboxdrv").then(|| host("vbox"))
}

/// `fields`: maker and model of the system, maker of the board, maker of the firmware.
fn by_firmware(fields: &[String; 4]) -> Option<Virtualization> {
    let [maker, model, ..] = fields;
    // Amazon rents whole machines too (`c5.metal`), and Microsoft makes real ones.
    if model.contains(".metal") {
        return None;
    }
    if maker == "Microsoft Corporation" && model == "Virtual Machine" {
        return Some(guest("hyperv"));
    }
    if model.contains("KVM") {
        return Some(guest("kvm"));
    }
    let known = FIRMWARE.iter().find(|(word, _)| fields.iter().any(|field| field.contains(word)));
    known.map(|(_, system)| guest(system))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing;

    fn of(files: &[(&str, &str)]) -> Virtualization {
        let (_dir, paths) = testing::machine_of(files);
        detect(&paths)
    }

    const GUEST: (&str, &str) = ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor vme\n");
    const METAL: (&str, &str) = ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme\n");

    #[test]
    fn nothing_tells_of_nothing() {
        assert_eq!(of(&[]), Virtualization::default());
        assert_eq!(of(&[METAL]), Virtualization::default());
    }

    #[test]
    fn containers_are_told_by_what_their_managers_leave() {
        assert_eq!(of(&[("root/run/.containerenv", "")]), guest("podman"));
        assert_eq!(of(&[("root/run/systemd/container", "systemd-nspawn\n")]), guest("systemd-nspawn"));
        assert_eq!(of(&[("proc/1/cgroup", "1:cpu:/\n4:memory:/docker/0123\n0::/\n")]), guest("docker"));
        assert_eq!(of(&[("proc/1/cgroup", "0::/lxc.payload.web\n")]), guest("lxc"));
        assert_eq!(of(&[("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n")]), guest("wsl"));
        assert_eq!(of(&[("proc/1/cgroup", "1:name=systemd:/\n0::/init.scope\n")]), Virtualization::default());
    }

    #[test]
    fn an_image_of_a_container_may_be_a_machines_root() {
        let container = "600 500 0:50 / / rw,relatime - overlay overlay rw\n";
        let machine = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n22 27 0:21 / /proc rw - proc proc rw\n";
        assert_eq!(of(&[("root/.dockerenv", ""), ("proc/self/mountinfo", container)]), guest("docker"));
        assert_eq!(of(&[("root/.dockerenv", ""), ("proc/self/mountinfo", machine)]).system, None);
    }

    #[test]
    fn virtual_machines_are_told_by_their_firmware() {
        let dmi = |vendor, product| {
            of(&[GUEST, ("sys/class/dmi/id/sys_vendor", vendor), ("sys/class/dmi/id/product_name", product)])
        };
        assert_eq!(dmi("QEMU\n", "Standard PC (Q35 + ICH9, 2009)\n"), guest("kvm"));
        assert_eq!(dmi("Amazon EC2\n", "m5.large\n"), guest("amazon"));
        assert_eq!(dmi("VMware, Inc.\n", "VMware Virtual Platform\n"), guest("vmware"));
        assert_eq!(dmi("innotek GmbH\n", "VirtualBox\n"), guest("vbox"));
        assert_eq!(dmi("Microsoft Corporation\n", "Virtual Machine\n"), guest("hyperv"));
        assert_eq!(dmi("Microsoft Corporation\n", "Surface\n"), Virtualization { system: None, role: Some("guest") });
        assert_eq!(of(&[GUEST]), Virtualization { system: None, role: Some("guest") });
    }

    #[test]
    fn whole_rented_machines_are_no_guests() {
        let vendor = ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        assert_eq!(of(&[METAL, vendor, ("sys/class/dmi/id/product_name", "c5.metal\n")]), Virtualization::default());
        assert_eq!(of(&[vendor, ("sys/class/dmi/id/product_name", "a1.metal\n")]), Virtualization::default());
        assert_eq!(of(&[vendor, ("sys/class/dmi/id/product_name", "a1.large\n")]), guest("amazon"));
    }

    #[test]
    fn xen_tells_for_itself() {
        let xen = ("sys/hypervisor/type", "xen\n");
        assert_eq!(of(&[GUEST, xen]), guest("xen"));
        assert_eq!(of(&[GUEST, xen, ("proc/xen/capabilities", "control_d\n")]), host("xen"));
    }

    #[test]
    fn a_machine_with_kvm_loaded_is_a_host() {
        let modules =
            "kvm_intel 372736 0 - Live 0x0000000000000000\nkvm 1036288 1 kvm_intel, Live 0x0000000000000000\n";
        assert_eq!(of(&[METAL, ("proc/modules", modules)]), host("kvm"));
        assert_eq!(of(&[GUEST, ("proc/modules", modules)]).role, Some("guest"));
        assert_eq!(of(&[METAL, ("proc/modules", "kvmgt 1 0 - Live 0x0\n")]), Virtualization::default());
    }
}
