//! What a System Monitor agent sends, taken apart: the action, and of a report what is looked at here. Pure.
//!
//! A report without a name or a moment is none. Of its numbers each stands for itself: one that is missing or makes no sense
//! is unknown, and costs nothing beside it. Whatever is sent, what is made of it (`lenient`) takes some tens of KiB.

mod lenient;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::lenient::{Count, Members, Rows, Scalar};
use crate::model::received::{ReceivedFilesystem, ReceivedInterface, Vitals};
use crate::timeseries::{Unit, Values};

/// The actions that there are.
pub const ACTIONS: [&str; 3] = ["check_url", "check_system_id", "send_stats"];

/// Most bytes of a system's name.
const MOST_NAME_BYTES: usize = 128;

/// Most bytes of a device's or an interface's name; the rest is cut off.
const MOST_LABEL_BYTES: usize = 128;

/// The largest number that is one: no machine has a hundred million terabytes of anything.
const LARGEST: f64 = 1e20;

/// The moments that a report may be of: up to the year 9999.
const MOMENTS: std::ops::Range<f64> = 0.0..253_402_300_800.0;

/// What an agent wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Is this a receiver?
    CheckUrl,
    /// Is this name known?
    CheckSystemId(String),
    /// Keep this.
    SendStats(Box<Report>),
}

/// What is looked at of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose it is.
    pub system_id: Arc<str>,
    /// When it was made, unix seconds.
    pub epoch: i64,
    /// How often there is one, seconds.
    pub interval: Option<f64>,
    /// Its numbers.
    pub vitals: Vitals,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wire {
    action: Scalar,
    system_id: Scalar,
    epoch: Scalar,
    interval: Scalar,
    stats: Option<Stats>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stats {
    cpu: Members,
    memory: Members,
    disks: Rows,
    network: Rows,
    processes: Option<Count>,
}

/// The action that a body names, if it is an object with one. For a route that other clients use too.
pub fn action_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        action: String,
    }
    // serde would take a list for a structure too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(body).ok().map(|Named { action }| action)
}

/// What the body asks for. The text of an error is for the sender.
pub fn parse(body: &[u8]) -> Result<Request, String> {
    let none = |why: &str| format!("this is no report ({why}); send the JSON object of a System Monitor agent");
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(none("it is no object"));
    }
    let wire: Wire = serde_json::from_slice(body).map_err(|error| none(&error.to_string()))?;
    match wire.action.text() {
        Some("check_url") => Ok(Request::CheckUrl),
        Some("check_system_id") => Ok(Request::CheckSystemId(name(&wire.system_id)?.to_owned())),
        Some("send_stats") => report(&wire).map(|report| Request::SendStats(Box::new(report))),
        _ => Err(format!("action must be one of {}", ACTIONS.join(", "))),
    }
}

fn name(value: &Scalar) -> Result<&str, String> {
    let name = value.text().unwrap_or_default();
    if is_name(name) {
        return Ok(name);
    }
    Err(format!(
        "system_id must be a text of 1 to {MOST_NAME_BYTES} bytes without spaces at its ends, slashes and control characters"
    ))
}

/// Whether a system may be called so. It stands in paths.
pub fn is_name(name: &str) -> bool {
    (1..=MOST_NAME_BYTES).contains(&name.len())
        && name.trim() == name
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
}

fn report(wire: &Wire) -> Result<Report, String> {
    let system_id = name(&wire.system_id)?.into();
    let epoch = wire.epoch.number().filter(|epoch| MOMENTS.contains(epoch));
    let epoch = epoch.ok_or_else(|| "epoch must be the report's time in unix seconds".to_owned())?.floor() as i64;
    let Some(stats) = &wire.stats else { return Err("a report has stats".to_owned()) };
    // A number of seconds, or as some write it a text.
    let typed = || wire.interval.text().and_then(|text| text.trim().parse().ok());
    let interval = wire.interval.number().or_else(typed);
    let interval = interval.filter(|interval| (0.0..=86_400.0 * 366.0).contains(interval));
    let (cpu, memory) = (&stats.cpu, &stats.memory);
    let vitals = Vitals {
        epoch,
        cpus: number(cpu, "count"),
        cpu_busy_ratio: number(cpu, "percent_used").map(|percent| percent / 100.0),
        cpu_frequency_mhz: number(cpu, "frequency"),
        memory_total_bytes: number(memory, "total"),
        memory_available_bytes: number(memory, "available"),
        memory_used_bytes: number(memory, "used"),
        processes: stats.processes.as_ref().and_then(|count| count.0).map(|count| count as f64),
        filesystems: rows(&stats.disks, filesystem),
        interfaces: rows(&stats.network, counters),
    };
    Ok(Report { system_id, epoch, interval, vitals })
}

/// What the rows tell, by name. Of two that have one name once the rest of it is cut off, the first: the metrics of all
/// systems stand on one page, which two equal rows would spoil.
fn rows<T>(table: &Rows, tell: impl Fn(String, &Members) -> T) -> Vec<T> {
    let mut named: Vec<(String, &Members)> = table.iter().map(|(name, row)| (label(name), row)).collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    named.dedup_by(|(a, _), (b, _)| a == b);
    named.into_iter().map(|(name, row)| tell(name, row)).collect()
}

fn filesystem(device: String, disk: &Members) -> ReceivedFilesystem {
    let text = |key: &str| label(disk.get(key).text().unwrap_or_default());
    ReceivedFilesystem {
        device,
        mount_point: text("mount_point"),
        kind: text("file_system"),
        total_bytes: number(disk, "total"),
        used_bytes: number(disk, "used"),
        free_bytes: number(disk, "free"),
    }
}

fn counters(name: String, interface: &Members) -> ReceivedInterface {
    ReceivedInterface {
        name,
        sent_bytes: number(interface, "bytes_sent"),
        received_bytes: number(interface, "bytes_recv"),
    }
}

/// A number that is no less than 0, and none that would be infinite once it is told in another unit.
fn number(object: &Members, key: &str) -> Option<f64> {
    object.get(key).number().filter(|number| (0.0..=LARGEST).contains(number))
}

/// A name as it is told on, not too long.
fn label(text: &str) -> String {
    lenient::cut(text, MOST_LABEL_BYTES).to_owned()
}

/// The numbers of a report that history keeps, with rates since the report before. What stands on the disk until history has
/// it, so the names of the parts may not change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Name, which unit (0 ratio, 1 bytes, 2 bytes a second), value.
    values: Vec<(String, u8, Option<f64>)>,
    /// When they are drawn, unix seconds, where that is not the report's own moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
}

impl Sample {
    /// What `vitals` say, `before` being those of the report before.
    pub fn new(vitals: &Vitals, before: Option<&Vitals>) -> Self {
        let mut values = vec![
            ("cpu.busy".to_owned(), 0, vitals.cpu_busy_ratio),
            ("memory.used".to_owned(), 1, vitals.memory_used_bytes),
            ("memory.available".to_owned(), 1, vitals.memory_available_bytes),
        ];
        // What a machine does not tell has no series.
        values.retain(|(.., value)| value.is_some());
        for filesystem in &vitals.filesystems {
            values.push((format!("filesystem.{}.used", filesystem.mount_point), 0, filesystem.used_ratio()));
        }
        let seconds = before.map(|before| (vitals.epoch - before.epoch) as f64).filter(|seconds| *seconds > 0.0);
        for interface in &vitals.interfaces {
            let before = before.and_then(|all| all.interfaces.iter().find(|one| one.name == interface.name));
            // None across a reset.
            let rate = |now: Option<f64>, before: Option<f64>| Some((now? - before?) / seconds?).filter(|r| *r >= 0.0);
            let received = rate(interface.received_bytes, before.and_then(|before| before.received_bytes));
            let sent = rate(interface.sent_bytes, before.and_then(|before| before.sent_bytes));
            values.push((format!("network.{}.received", interface.name), 2, received));
            values.push((format!("network.{}.sent", interface.name), 2, sent));
        }
        Self { values, at: None }
    }

    /// The same, drawn at another moment than the report's.
    #[must_use]
    pub fn drawn_at(self, moment: i64) -> Self {
        Self { at: Some(moment), ..self }
    }

    /// When the numbers of a report of `epoch` are drawn.
    pub fn moment(&self, epoch: i64) -> i64 {
        self.at.unwrap_or(epoch)
    }

    /// Puts the numbers in under the names that this machine's own have.
    pub fn put(&self, values: &mut Values<'_>) {
        for (name, unit, value) in &self.values {
            let unit = match unit {
                0 => Unit::Ratio,
                1 => Unit::Bytes,
                _ => Unit::BytesPerSecond,
            };
            values.put_dynamic(&[name], unit, *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    const RECORDED: &str = include_str!("../../tests/fixtures/system-monitor/send_stats.json");

    fn stats(body: &str) -> Report {
        match parse(body.as_bytes()) {
            Ok(Request::SendStats(report)) => *report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_real_report_is_understood() {
        let report = stats(RECORDED);
        assert_eq!((&*report.system_id, report.epoch, report.interval), ("LINUX-1", 1_795_223_663, Some(2.0)));
        let vitals = &report.vitals;
        assert_eq!((vitals.cpus, vitals.cpu_busy_ratio, vitals.processes), (Some(2.0), Some(0.005), Some(5.0)));
        assert_eq!(vitals.memory_available_bytes, Some(24_709_439_488.0));
        assert_eq!((vitals.filesystems[0].device.as_str(), &*vitals.filesystems[0].mount_point), ("/dev/vda", "/"));
        assert_eq!(vitals.interfaces[0].name, "eth0");
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        let report = |key: &str, value: &str| {
            let mut report: Value = serde_json::from_str(RECORDED).unwrap();
            report[key] = serde_json::from_str(value).unwrap();
            report.to_string()
        };
        for (body, hint) in [
            ("", "no report"),
            ("[]", "no report"),
            ("{", "no report"),
            (r#"{"action": "reboot"}"#, "check_url"),
            (r#"{"action": 7}"#, "check_url"),
            ("{}", "check_url"),
            (r#"{"action": "check_system_id"}"#, "system_id"),
            (&report("system_id", "null"), "system_id"),
            (&report("system_id", "\"a/b\""), "system_id"),
            (&report("system_id", "\"..\""), "system_id"),
            (&report("system_id", "\" a\""), "system_id"),
            (&report("system_id", "\"a\\n\""), "system_id"),
            (&report("system_id", &format!("\"{}\"", "x".repeat(129))), "system_id"),
            (&report("epoch", "null"), "epoch"),
            (&report("epoch", "-1"), "epoch"),
            (&report("epoch", "1e15"), "epoch"),
            (&report("epoch", "\"now\""), "epoch"),
            (&report("system_id", &format!("\"{}\"", "x".repeat(1 << 20))), "system_id"),
            (&report("stats", "null"), "stats"),
            (&report("stats", "7"), "no report"),
        ] {
            let error = parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(hint), "{body}: {error}");
        }
    }

    #[test]
    fn one_bad_number_costs_itself() {
        let mut report: Value = serde_json::from_str(RECORDED).unwrap();
        report["stats"]["cpu"] = "busy".into();
        report["stats"]["memory"]["used"] = (-5).into();
        report["stats"]["disks"]["/dev/vda"]["free"] = Value::Null;
        report["stats"]["network"]["lo"] = Value::Null;
        report["interval"] = "soon".into();
        let report = stats(&report.to_string());
        assert_eq!(
            (report.interval, report.vitals.cpu_busy_ratio, report.vitals.memory_used_bytes),
            (None, None, None)
        );
        assert_eq!(report.vitals.memory_available_bytes, Some(24_709_439_488.0));
        assert_eq!(report.vitals.filesystems[0].used_ratio(), None);
        assert_eq!(report.vitals.interfaces.len(), 2);
    }

    #[test]
    fn whatever_is_sent_what_is_made_of_it_is_small() {
        let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
        let wide = vec!["0"; 1 << 20].join(",");
        let members: Vec<String> = (0..50_000).map(|n| format!(r#""{n}":{{"total":{n}}}"#)).collect();
        let table = format!("{{{}}}", members.join(","));
        let of = |cpu: &str, disks: &str, processes: &str| {
            stats(&format!(
                r#"{{"action":"send_stats","system_id":"a","epoch":5,"other":{cpu},
                    "stats":{{"cpu":{cpu},"disks":{disks},"network":{disks},"processes":{processes}}}}}"#
            ))
        };
        let report = of(&deep, &table, &format!("[{wide}]"));
        assert_eq!((report.vitals.cpus, report.vitals.processes), (None, Some(f64::from(1 << 20))));
        assert_eq!((report.vitals.filesystems.len(), report.vitals.interfaces.len()), (64, 64));
        let report = of(&format!(r#"{{"count":{deep},"percent_used":[{wide}],"frequency":5}}"#), &deep, &table);
        assert_eq!((report.vitals.cpus, report.vitals.cpu_frequency_mhz), (None, Some(5.0)));
        assert_eq!((report.vitals.filesystems.len(), report.vitals.processes), (0, None));
    }

    #[test]
    fn two_rows_that_would_be_told_by_one_name_are_one() {
        let long = "x".repeat(500);
        let row = format!(r#"{{"{long}1":{{"bytes_sent":1}},"{long}2":{{"bytes_sent":2}},"lo":{{}},"lo":{{}}}}"#);
        let report = stats(&format!(
            r#"{{"action":"send_stats","system_id":"a","epoch":5,"stats":{{"disks":{row},"network":{row}}}}}"#
        ));
        let names: Vec<_> = report.vitals.interfaces.iter().map(|one| one.name.clone()).collect();
        assert_eq!(names, ["lo".to_owned(), "x".repeat(128)]);
        assert_eq!(report.vitals.filesystems.len(), 2);
    }

    #[test]
    fn numbers_that_no_machine_has_are_unknown() {
        for (text, expected) in [("1e19", Some(1e19)), ("1e308", None), ("-0.1", None), ("true", None), ("\"5\"", None)]
        {
            let body = format!(
                r#"{{"action":"send_stats","system_id":"a","epoch":5,"stats":{{"cpu":{{"frequency":{text}}}}}}}"#
            );
            assert_eq!(stats(&body).vitals.cpu_frequency_mhz, expected, "{text}");
        }
    }

    #[test]
    fn rates_are_honest() {
        let of = |epoch: i64, sent: f64| Vitals {
            epoch,
            interfaces: vec![ReceivedInterface { name: "eth0".into(), sent_bytes: Some(sent), received_bytes: None }],
            ..Vitals::default()
        };
        let sent = |now: &Vitals, before: Option<&Vitals>| Sample::new(now, before).values[1].2;
        assert_eq!(sent(&of(20, 600.0), Some(&of(10, 100.0))), Some(50.0));
        assert_eq!(sent(&of(20, 600.0), None), None, "none at the first");
        assert_eq!(sent(&of(20, 60.0), Some(&of(10, 100.0))), None, "none across a reset");
        assert_eq!(sent(&of(10, 600.0), Some(&of(10, 100.0))), None);
        assert_eq!(sent(&of(20, 600.0), Some(&Vitals::default())), None, "none for a new interface");
    }
}
