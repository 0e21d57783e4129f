//! `GET /metrics`: a snapshot in the words of Prometheus, with the names, labels, types and units of `node_exporter` (1.5.0),
//! so that its dashboards and alert rules work unchanged.
//!
//! Called by the server with the latest snapshot. `COLLECTORS` is the index: one row a collector, by `node_exporter`'s
//! name, with the function that writes its families and the reader whose time and fate stand for it.

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
pub mod writer;

pub use writer::Format;
use writer::{Kind, Writer};

use crate::model::own::OwnStats;
use crate::model::tables::KernelTables;
use crate::model::{Snapshot, Subjects};

/// What the page is made of, beyond the vitals.
pub const NEEDS: Subjects = Subjects::KERNEL;

/// One collector.
struct Collector {
    name: &'static str,
    /// The reader whose run counts for it, beside the table of its own name.
    reader: Option<&'static str>,
    write: fn(&mut Writer, &Snapshot),
}

const fn table(name: &'static str, write: fn(&mut Writer, &Snapshot)) -> Collector {
    Collector { name, reader: None, write }
}

const fn reader(name: &'static str, reader: &'static str, write: fn(&mut Writer, &Snapshot)) -> Collector {
    Collector { name, reader: Some(reader), write }
}

/// What is gathered, by name.
const COLLECTORS: [Collector; 29] = [
    table("arp", netstack::arp),
    table("conntrack", netstack::conntrack),
    reader("cpu", "cpu", cpu::cpu),
    table("cpufreq", cpu::cpufreq),
    reader("diskstats", "disk", storage::diskstats),
    table("dmi", hardware::dmi),
    table("entropy", system::entropy),
    table("filefd", system::filefd),
    table("filesystem", storage::filesystem),
    table("hwmon", hwmon::hwmon),
    reader("loadavg", "load", system::loadavg),
    table("meminfo", memory::meminfo),
    table("netclass", network::netclass),
    reader("netdev", "network", network::netdev),
    table("netstat", netstack::netstat),
    table("os", system::os),
    table("powersupplyclass", power::power_supply),
    reader("pressure", "pressure", memory::pressure),
    table("schedstat", cpu::schedstat),
    table("selinux", system::selinux),
    table("sockstat", netstack::sockstat),
    table("softnet", netstack::softnet),
    reader("stat", "cpu", cpu::stat),
    table("thermal_zone", hardware::thermal_zone),
    table("time", clock::time),
    table("timex", clock::timex),
    table("udp_queues", netstack::udp_queues),
    table("uname", system::uname),
    table("vmstat", memory::vmstat),
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

/// The page of metrics. `filter` holds the values of `collect[]`; `None` or an empty list is everything.
pub fn encode(
    snapshot: &Snapshot,
    own: &OwnStats,
    filter: Option<&[&str]>,
    format: Format,
) -> Result<Vec<u8>, UnknownCollector> {
    let wanted = filter.unwrap_or_default();
    let known = |name: &str| NOT_GATHERED.contains(&name) || collector_names().any(|gathered| gathered == name);
    if let Some(name) = wanted.iter().find(|name| !known(name)) {
        return Err(UnknownCollector { name: (*name).to_owned() });
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let mut writer = Writer::new(format);
    for collector in COLLECTORS.iter().filter(|collector| is_wanted(collector.name)) {
        (collector.write)(&mut writer, snapshot);
    }
    write_runs(&mut writer, snapshot, is_wanted, wanted);
    own::own(&mut writer, snapshot, own);
    Ok(writer.finish())
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

/// Seconds and success of a collector, from the runs of its reader and its table. As with `node_exporter`, a machine
/// without the thing is no success.
fn fate(collector: &Collector, snapshot: &Snapshot) -> (f64, bool) {
    let reader = snapshot.readers.iter().filter(|run| Some(run.name) == collector.reader);
    let reader = reader.map(|run| (run.duration_seconds, run.has_reading));
    let table = tables(snapshot).map_or(&[][..], |tables| &tables.runs);
    let table = table.iter().filter(|run| run.collector == collector.name);
    let table = table.map(|run| (run.duration_seconds, run.error.is_none()));
    let mut runs = reader.chain(table).peekable();
    let ran = runs.peek().is_some();
    runs.fold((0.0, ran), |(seconds, success), (more, good)| (seconds + more, success && good))
}

/// The kernel's tables of the snapshot, when they were gathered.
fn tables(snapshot: &Snapshot) -> Option<&KernelTables> {
    snapshot.kernel.as_deref()
}

#[cfg(test)]
mod tests;
