//! Collectors `loadavg`, `filefd`, `entropy`, `uname`, `os` and `selinux`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::system::{Entropy, FileHandles, OsRelease, Selinux, Uname};

/// Load averages.
pub fn loadavg(writer: &mut Writer, snapshot: &Snapshot) {
    let load = snapshot.load;
    writer.gauge("node_load1", "Load average over 1 minute.", load.map(|load| load.one));
    writer.gauge("node_load15", "Load average over 15 minutes.", load.map(|load| load.fifteen));
    writer.gauge("node_load5", "Load average over 5 minutes.", load.map(|load| load.five));
}

/// File handles of the whole system.
pub fn filefd(writer: &mut Writer, snapshot: &Snapshot) {
    let handles = snapshot.raw::<FileHandles>();
    writer.gauge("node_filefd_allocated", "File handles that are open.", handles.map(|handles| handles.allocated));
    writer.gauge("node_filefd_maximum", "File handles that may be open.", handles.map(|handles| handles.maximum));
}

/// Random numbers' entropy.
pub fn entropy(writer: &mut Writer, snapshot: &Snapshot) {
    let entropy = snapshot.raw::<Entropy>();
    writer.gauge("node_entropy_available_bits", "Entropy in the pool, bits.", entropy.map(|e| e.available_bits));
    writer.gauge("node_entropy_pool_size_bits", "Size of the pool, bits.", entropy.and_then(|e| e.pool_bits));
}

/// Names of the system.
pub fn uname(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(uname) = snapshot.raw::<Uname>() else { return };
    writer.family("node_uname_info", Kind::Gauge, "What uname(2) tells, in labels.").sample(
        &[
            ("domainname", &uname.domain),
            ("machine", &uname.machine),
            ("nodename", &uname.node),
            ("release", &uname.release),
            ("sysname", &uname.system),
            ("version", &uname.version),
        ],
        1_u64,
    );
}

/// The distribution.
pub fn os(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(release) = snapshot.raw::<OsRelease>() else { return };
    let names = OsRelease::KEYS.map(str::to_lowercase);
    let labels: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(release.values.iter().map(String::as_str)).collect();
    writer.family("node_os_info", Kind::Gauge, "What os-release(5) tells, in labels.").sample(&labels, 1_u64);

    if let Some(version) = leading_number(release.get("VERSION_ID")).filter(|version| *version > 0.0) {
        let labels = [("id", release.get("ID")), ("id_like", release.get("ID_LIKE")), ("name", release.get("NAME"))];
        let help = "Major and minor version of the distribution, as a number.";
        writer.family("node_os_version", Kind::Gauge, help).sample(&labels, version);
    }
}

/// `12.04.3` is 12.04.
fn leading_number(text: &str) -> Option<f64> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let end = match text[whole..].strip_prefix('.') {
        Some(rest) => whole + 1 + digits(rest),
        None => whole,
    };
    text[..end].parse().ok().filter(|_| whole > 0)
}

/// Whether SELinux is on.
pub fn selinux(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(selinux) = snapshot.raw::<Selinux>() else { return };
    let help = "Mode that the configuration asks for: 1 enforcing, 0 permissive, -1 disabled.";
    writer.gauge("node_selinux_config_mode", help, selinux.configured_mode);
    writer.gauge("node_selinux_current_mode", "Mode now: 1 enforcing, 0 permissive.", selinux.current_mode);
    writer.gauge("node_selinux_enabled", "Whether SELinux is on: 1 yes, 0 no.", Some(selinux.enabled));
}

#[cfg(test)]
mod tests {
    use super::leading_number;

    #[test]
    fn versions_become_numbers() {
        assert_eq!(leading_number("12"), Some(12.0));
        assert_eq!(leading_number("22.04"), Some(22.04));
        assert_eq!(leading_number("8.9.1"), Some(8.9));
        assert_eq!(leading_number("12."), Some(12.0));
        assert_eq!(leading_number("tumbleweed"), None);
        assert_eq!(leading_number(""), None);
    }
}
