//! Heartbeat's `/api/platform`, `/api/cpumodel` and `/api/uptime`.
//!
//! Encoded by the rows of [`super`]. Host facts come from the snapshot; the families of distributions stand here, because only
//! this dialect sorts them.

use serde::Serialize;

use crate::dialect::number::whole;
use crate::dialect::rows::Rows;
use crate::model::Snapshot;
use crate::model::cpu::RawCpuModel;
use crate::model::system::HostFacts;

/// `/api/uptime`: whole seconds since boot, and the wall clock of the boot.
pub fn uptime(snapshot: &Snapshot) -> impl Serialize + use<> {
    object! { uptime: snapshot.uptime_seconds.and_then(whole), boot_time: boot_time(snapshot) }
}

fn boot_time(snapshot: &Snapshot) -> Option<u64> {
    snapshot.cpu.as_ref()?.boot_time_unix_seconds
}

/// `/api/platform`. Where nothing tells of a virtual machine or container the two keys of it are empty texts.
pub fn platform(snapshot: &Snapshot) -> impl Serialize + '_ {
    let host = snapshot.host.as_deref();
    object!(#[serde(rename_all = "camelCase")] {
        hostname: host.and_then(|host| host.hostname.as_deref()),
        uptime: snapshot.uptime_seconds.and_then(whole),
        boot_time: boot_time(snapshot),
        procs: snapshot.processes.as_ref().map(|processes| processes.count),
        os: SYSTEM,
        platform: host.and_then(|host| host.distribution_id.as_deref()),
        platform_family: host.and_then(family),
        platform_version: host.and_then(|host| host.distribution_version.as_deref()),
        kernel_version: host.and_then(|host| host.kernel.as_deref()),
        kernel_arch: host.and_then(|host| host.architecture.as_deref()),
        virtualization_system: host.map(|host| host.virtualization.as_deref().unwrap_or_default()),
        virtualization_role: host.map(|host| host.virtualization_role.as_deref().unwrap_or_default()),
        hostid: host.and_then(host_id),
    })
}

/// The family of a distribution: its own where it is known, else that of the first relative it names, else itself.
fn family(host: &HostFacts) -> Option<&str> {
    let id = host.distribution_id.as_deref()?;
    let relatives = host.distribution_like.as_deref().unwrap_or_default().split_ascii_whitespace();
    std::iter::once(id).chain(relatives).find_map(known_family).or(Some(id))
}

/// Families as gopsutil sorts them, by `ID` of os-release(5).
fn known_family(id: &str) -> Option<&'static str> {
    Some(match id {
        "debian" | "ubuntu" | "linuxmint" | "raspbian" | "kali" | "devuan" | "pop" | "elementary" | "neon" => "debian",
        "rhel" | "centos" | "rocky" | "almalinux" | "ol" | "oracle" | "amzn" | "scientific" | "cloudlinux"
        | "xenserver" => "rhel",
        "fedora" => "fedora",
        "suse" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" | "sles" | "sled" => "suse",
        "arch" | "manjaro" | "archarm" => "arch",
        "alpine" => "alpine",
        "gentoo" => "gentoo",
        "slackware" => "slackware",
        _ => return None,
    })
}

/// The machine's own UUID where it may be read, else the machine id in the form of one. Always in lower case.
fn host_id(host: &HostFacts) -> Option<String> {
    if let Some(uuid) = &host.product_uuid {
        return Some(uuid.to_ascii_lowercase());
    }
    let id = host.machine_id.as_deref()?;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(id.to_ascii_lowercase());
    }
    Some([&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-").to_ascii_lowercase())
}

/// The system as Go calls it, whose names the original passes on.
const SYSTEM: &str = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };

/// `/api/cpumodel`: one row a logical core. `cacheSize` in KiB; `cores` is 1, a row being one core.
pub fn cpumodel(snapshot: &Snapshot) -> impl Serialize + '_ {
    // No machine is without a processor: an empty list is one that could not be read.
    let models = snapshot.host.as_deref().map(|host| host.cpu_models.as_slice()).filter(|models| !models.is_empty());
    object! { cpu_model: models.map(|models| Rows(move || models.iter().map(model))) }
}

fn model(raw: &RawCpuModel) -> impl Serialize {
    object!(#[serde(rename_all = "camelCase")] {
        cpu: raw.core,
        vendor_id: &raw.vendor,
        family: &raw.family,
        model: &raw.model,
        stepping: raw.stepping,
        physical_id: &raw.physical_id,
        core_id: &raw.core_id,
        cores: 1,
        model_name: &raw.model_name,
        mhz: raw.mhz,
        cache_size: raw.cache_kibibytes,
        flags: &raw.flags,
        microcode: &raw.microcode,
    })
}

#[cfg(test)]
mod tests {
    use super::{family, host_id};
    use crate::model::system::HostFacts;

    fn distribution(id: &str, like: &str) -> HostFacts {
        HostFacts { distribution_id: Some(id.into()), distribution_like: Some(like.into()), ..HostFacts::default() }
    }

    #[test]
    fn distributions_belong_to_families() {
        for (id, like, wanted) in [
            ("debian", "", "debian"),
            ("ubuntu", "debian", "debian"),
            ("zorin", "ubuntu debian", "debian"),
            ("rocky", "rhel centos fedora", "rhel"),
            ("nobara", "fedora", "fedora"),
            ("opensuse-leap", "suse opensuse", "suse"),
            ("endeavouros", "arch", "arch"),
            ("alpine", "", "alpine"),
            ("nixos", "", "nixos"),
        ] {
            assert_eq!(family(&distribution(id, like)), Some(wanted), "{id}");
        }
        assert_eq!(family(&HostFacts::default()), None);
    }

    #[test]
    fn the_host_id_has_the_form_of_a_uuid() {
        let machine = HostFacts { machine_id: Some("0123456789abcdef0123456789ABCDEF".into()), ..HostFacts::default() };
        assert_eq!(host_id(&machine).as_deref(), Some("01234567-89ab-cdef-0123-456789abcdef"));
        let root = HostFacts { product_uuid: Some("11111111-2222-4333-8444-55555555ABCD".into()), ..machine };
        assert_eq!(host_id(&root).as_deref(), Some("11111111-2222-4333-8444-55555555abcd"));
        let odd = HostFacts { machine_id: Some("éééééééééééééééé".into()), ..HostFacts::default() };
        assert_eq!(host_id(&odd).as_deref(), Some("éééééééééééééééé"));
        assert_eq!(host_id(&HostFacts::default()), None);
    }
}
