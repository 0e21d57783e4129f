//! Which series of the history a plugin's items are, and their text.
//!
//! Called by the server, which asks the history. Glances keeps a history of the same items; of the numbers of processes
//! there is none here.

use serde_json::{Map, Value, json};

use super::cpu::logical_cores;
use super::{Version, host, network, storage};
use crate::model::Snapshot;

/// One item of a plugin, and where it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// As the answer calls it.
    pub item: String,
    /// As the history calls it.
    pub series: String,
    /// What the history's number is to be multiplied with.
    pub scale: f64,
}

/// What is remembered of a plugin; nothing of most.
pub fn traces(plugin: &str, version: Version, snapshot: &Snapshot) -> Vec<Trace> {
    const PERCENT: f64 = 100.0;
    let trace =
        |item: &str, series: &str, scale: f64| Trace { item: item.to_owned(), series: series.to_owned(), scale };
    let share = |item: &str, series: &str, total: Option<u64>| {
        let total = total.filter(|total| *total > 0);
        total.map(|total| trace(item, series, PERCENT / total as f64))
    };
    let (memory, swap) = (snapshot.memory.and_then(|m| m.total_bytes), snapshot.swap.and_then(|s| s.total_bytes));
    match plugin {
        "cpu" => [("total", "busy"), ("user", "user"), ("system", "system"), ("iowait", "iowait"), ("idle", "idle")]
            .map(|(item, series)| trace(item, &format!("cpu.{series}"), PERCENT))
            .into(),
        "percpu" => {
            let cores = snapshot.cpu.iter().flat_map(|cpu| &cpu.cores).map(|core| core.core);
            cores.map(|n| trace(&format!("{n}_total"), &format!("cpu.core{n}.busy"), PERCENT)).collect()
        }
        "load" => [("min1", "load.1"), ("min5", "load.5"), ("min15", "load.15")]
            .map(|(item, series)| trace(item, series, 1.0))
            .into(),
        "mem" => share("percent", "memory.used", memory).into_iter().collect(),
        "memswap" => share("percent", "swap.used", swap).into_iter().collect(),
        "quicklook" => {
            let load = logical_cores(snapshot).map(|cores| trace("load", "load.15", PERCENT / cores as f64));
            let cpu = Some(trace("cpu", "cpu.busy", PERCENT));
            [cpu, share("mem", "memory.used", memory), share("swap", "swap.used", swap), load]
                .into_iter()
                .flatten()
                .collect()
        }
        "network" => {
            let names: &[(&str, &str)] = match version {
                Version::Four => &[("bytes_recv_rate_per_sec", "received"), ("bytes_sent_rate_per_sec", "sent")],
                Version::Three => &[
                    ("rx", "received"),
                    ("tx", "sent"),
                    ("bytes_recv_rate_per_sec", "received"),
                    ("bytes_sent_rate_per_sec", "sent"),
                ],
            };
            let of = |name: &str, (item, way): (&str, &str)| {
                trace(&format!("{name}_{item}"), &format!("network.{name}.{way}"), 1.0)
            };
            network::shown(snapshot).flat_map(|one| names.iter().map(move |both| of(&one.name, *both))).collect()
        }
        "diskio" => {
            let of = |name: &str, (item, way): (&str, &str)| {
                trace(&format!("{name}_{item}_bytes_rate_per_sec"), &format!("disk.{name}.{way}"), 1.0)
            };
            let ways = [("read", "read"), ("write", "written")];
            storage::shown_disks(snapshot).flat_map(|disk| ways.map(|both| of(&disk.name, both))).collect()
        }
        "fs" => storage::mount_points(snapshot)
            .map(|place| trace(&format!("{place}_percent"), &format!("filesystem.{place}.used"), PERCENT))
            .collect(),
        _ => Vec::new(),
    }
}

/// The answer: of each item its points, unix seconds and value, oldest first.
pub fn history_text<'a>(items: impl Iterator<Item = (&'a Trace, Vec<(i64, f32)>)>) -> String {
    let rows = |trace: &Trace, points: Vec<(i64, f32)>| {
        let row = |(seconds, value): (i64, f32)| {
            let moment = jiff::Timestamp::from_second(seconds).ok()?;
            Some(json!([host::iso(moment), rounded(f64::from(value) * trace.scale)]))
        };
        Value::Array(points.into_iter().filter_map(row).collect())
    };
    Value::Object(items.map(|(trace, points)| (trace.item.clone(), rows(trace, points))).collect::<Map<_, _>>())
        .to_string()
}

/// With one decimal, as Glances rounds; what is small keeps its first digits.
fn rounded(value: f64) -> f64 {
    let tens = if value.abs() < 1.0 { 1e4 } else { 10.0 };
    (value * tens).round() / tens
}
