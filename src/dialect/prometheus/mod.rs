//! `GET /metrics`: a snapshot in the words of Prometheus, with the names, labels, types and units of `node_exporter` (1.5.0),
//! so that its dashboards and alert rules work unchanged.
//!
//! Called by the server with the latest snapshot. `COLLECTORS` is the index: one row a collector, by `node_exporter`'s
//! name, with the function that writes its families and the readers whose time and fate stand for it.

mod clock;
mod cpu;
mod hardware;
mod hwmon;
mod memory;
mod netstack;
mod network;
mod own;
mod power;
mod storage;
mod system;
pub mod text;
pub mod writer;

pub use text::Format;
use text::Page;
use writer::{Kind, Writer};

use crate::model::exclude::Exclusions;
use crate::model::own::OwnStats;
use crate::model::{Snapshot, Subjects};

/// What the page is made of, beyond the vitals.
pub const NEEDS: Subjects = Subjects::TABLES
    .with(Subjects::SENSORS)
    .with(Subjects::FREQUENCY)
    .with(Subjects::FILESYSTEMS)
    .with(Subjects::INTERFACES);

/// One collector: its name, the readers whose runs count for it, and what writes its families.
struct Collector {
    name: &'static str,
    readers: &'static [&'static str],
    write: fn(&mut Writer, &Snapshot),
}

const fn row(name: &'static str, readers: &'static [&'static str], write: fn(&mut Writer, &Snapshot)) -> Collector {
    Collector { name, readers, write }
}

/// What is gathered, by name.
const COLLECTORS: [Collector; 29] = [
    row("arp", &["arp"], netstack::arp),
    row("conntrack", &["conntrack"], netstack::conntrack),
    row("cpu", &["cpu", "throttle"], cpu::cpu),
    row("cpufreq", &["cpufreq"], cpu::cpufreq),
    row("diskstats", &["disk", "udev"], storage::diskstats),
    row("dmi", &["dmi"], hardware::dmi),
    row("entropy", &["entropy"], system::entropy),
    row("filefd", &["filefd"], system::filefd),
    row("filesystem", &["filesystem"], storage::filesystem),
    row("hwmon", &["hwmon"], hwmon::hwmon),
    row("loadavg", &["load"], system::loadavg),
    row("meminfo", &["memory"], memory::meminfo),
    row("netclass", &["link"], network::netclass),
    row("netdev", &["network"], network::netdev),
    row("netstat", &["netstat"], netstack::netstat),
    row("os", &["os_release"], system::os),
    row("powersupplyclass", &["power_supply"], power::power_supply),
    row("pressure", &["pressure"], memory::pressure),
    row("schedstat", &["schedstat"], cpu::schedstat),
    row("selinux", &["selinux"], system::selinux),
    row("sockstat", &["sockstat"], netstack::sockstat),
    row("softnet", &["softnet"], netstack::softnet),
    row("stat", &["cpu"], cpu::stat),
    row("thermal_zone", &["thermal"], hardware::thermal_zone),
    row("time", &["clock"], clock::time),
    row("timex", &["timex"], clock::timex),
    row("udp_queues", &["socket"], netstack::udp_queues),
    row("uname", &["uname"], system::uname),
    row("vmstat", &["vmstat"], memory::vmstat),
];

/// Collectors that `node_exporter` runs by default and this program does not have. They may be asked for, so that an
/// existing scrape configuration keeps working, and are then told as failed.
const NOT_GATHERED: [&str; 18] = [
    "bcache",
    "bonding",
    "btrfs",
    "edac",
    "fibrechannel",
    "infiniband",
    "ipvs",
    "mdadm",
    "nfs",
    "nfsd",
    "nvme",
    "rapl",
    "systemd",
    "tapestats",
    "textfile",
    "wifi",
    "xfs",
    "zfs",
];

/// `collect[]` named a collector that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("missing collector: {name}; there are: {}", collector_names().collect::<Vec<_>>().join(", "))]
pub struct UnknownCollector {
    /// The name that was asked for.
    pub name: String,
}

/// The names that `collect[]` may have and that are gathered.
pub fn collector_names() -> impl Iterator<Item = &'static str> {
    COLLECTORS.iter().map(|collector| collector.name)
}

/// The page of metrics: [`families`] as text.
pub fn encode(
    snapshot: &Snapshot,
    own: &OwnStats,
    filter: Option<&[&str]>,
    format: Format,
    exclusions: &Exclusions,
) -> Result<Vec<u8>, UnknownCollector> {
    let mut page = Page::new(format, exclusions);
    families(snapshot, own, filter, &mut page)?;
    Ok(page.finish())
}

/// All families, for whatever takes them. `filter` holds the values of `collect[]`; `None` or an empty list is everything.
/// Nothing is written when it names a collector that does not exist.
pub fn families(
    snapshot: &Snapshot,
    own: &OwnStats,
    filter: Option<&[&str]>,
    writer: &mut Writer,
) -> Result<(), UnknownCollector> {
    let wanted = filter.unwrap_or_default();
    let known = |name: &str| NOT_GATHERED.contains(&name) || collector_names().any(|gathered| gathered == name);
    if let Some(name) = wanted.iter().find(|name| !known(name)) {
        return Err(UnknownCollector { name: (*name).to_owned() });
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    for collector in COLLECTORS.iter().filter(|collector| is_wanted(collector.name)) {
        (collector.write)(writer, snapshot);
    }
    write_runs(writer, snapshot, is_wanted, wanted);
    own::own(writer, snapshot, own);
    Ok(())
}

/// Duration and success of each collector.
fn write_runs(writer: &mut Writer, snapshot: &Snapshot, is_wanted: impl Fn(&str) -> bool, wanted: &[&str]) {
    let runs: Vec<(&str, f64, bool)> = COLLECTORS
        .iter()
        .filter(|collector| is_wanted(collector.name))
        .map(|collector| {
            let (seconds, success) = fate(collector, snapshot);
            (collector.name, seconds, success)
        })
        .chain(NOT_GATHERED.into_iter().filter(|name| wanted.contains(name)).map(|name| (name, 0.0, false)))
        .collect();
    let help = "How long the collector took.";
    let mut family = writer.family("node_scrape_collector_duration_seconds", Kind::Gauge, help);
    for (name, seconds, _) in &runs {
        family.sample(&[("collector", name)], *seconds);
    }
    let help = "Whether the collector had something to tell.";
    let mut family = writer.family("node_scrape_collector_success", Kind::Gauge, help);
    for (name, _, success) in &runs {
        family.sample(&[("collector", name)], *success);
    }
}

/// Seconds and success of a collector, from the runs of its readers. As with `node_exporter`, a machine without the thing is
/// no success.
fn fate(collector: &Collector, snapshot: &Snapshot) -> (f64, bool) {
    let mut runs = snapshot.readers.iter().filter(|run| collector.readers.contains(&run.reader)).peekable();
    let ran = runs.peek().is_some();
    runs.fold((0.0, ran), |(seconds, success), run| (seconds + run.seconds, success && run.error.is_none()))
}

#[cfg(test)]
mod tests;
