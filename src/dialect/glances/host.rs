//! Glances' `system`, `uptime`, `now` and `sensors`.
//!
//! Called by the table of plugins. Times are told in UTC, with the offset written out.

use std::collections::HashSet;
use std::iter::once;

use serde::Serialize;

use crate::dialect::number::whole;
use crate::model::Snapshot;
use crate::model::hardware::{Battery, Fan, Sensors, Temperature};

/// `system`.
pub fn system(snapshot: &Snapshot) -> impl Serialize {
    let host = snapshot.host.as_deref();
    let platform = host.and_then(|host| host.architecture.as_deref()).map(width);
    // Glances has name and number; the pretty name is these and, as a rule, a code name in parentheses.
    let distribution = host.and_then(|host| host.distribution.as_deref());
    let linux_distro = distribution.map(|name| name.split(" (").next().unwrap_or(name));
    let os_version = host.and_then(|host| host.kernel.as_deref());
    let parts = [linux_distro, platform, Some("/ Linux"), os_version];
    let hr_name = host.map(|_| parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    object! {
        os_name: "Linux",
        hostname: host.and_then(|host| host.hostname.as_deref()),
        platform,
        os_version,
        linux_distro,
        hr_name,
    }
}

fn width(architecture: &str) -> &'static str {
    if architecture.contains("64") || architecture == "s390x" { "64bit" } else { "32bit" }
}

/// `uptime`: `1 day, 9:50:23`, without the days on the first.
pub fn uptime(snapshot: &Snapshot) -> Option<String> {
    snapshot.uptime_seconds.and_then(whole).map(duration)
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{hours}:{minutes:02}:{seconds:02}")
}

#[derive(Serialize)]
pub struct Now {
    iso: String,
    pub(super) custom: String,
}

/// `now`: the moment of the sample.
pub fn now(snapshot: &Snapshot) -> Option<Now> {
    let moment = whole(snapshot.time_unix_seconds).filter(|seconds| *seconds > 0).and_then(moment)?;
    Some(Now { iso: iso(moment), custom: moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() })
}

fn moment(unix_seconds: u64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(i64::try_from(unix_seconds).ok()?).ok()
}

/// A moment as Python's `isoformat` writes it.
pub fn iso(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// `sensors`: temperatures, fans, batteries. A label stands for one sensor only: clients find them by it.
pub fn sensors(snapshot: &Snapshot) -> Vec<impl Serialize> {
    let Some(Sensors { temperatures, fans, batteries }) = &snapshot.sensors else { return Vec::new() };
    let mut taken = HashSet::new();
    let mut row =
        |label: String, kind: &'static str, unit: &'static str, value: i64, limits: [Option<f64>; 2], status| {
            let others = (1..).map(|number| format!("{label} {number}"));
            let [warning, critical] = limits.map(|celsius| celsius.map(|celsius| celsius as i64));
            object! {
                label: once(label.clone()).chain(others).find(|label| taken.insert(label.clone())),
                unit,
                value,
                warning,
                critical,
                r#type: kind,
                key: "label",
                // Of a battery.
                status,
            }
        };
    let mut rows = Vec::with_capacity(temperatures.len() + fans.len() + batteries.len());
    for (at, Temperature { chip, label, celsius, high_celsius, critical_celsius }) in temperatures.iter().enumerate() {
        let earlier = temperatures[..at].iter().filter(|other| other.chip == *chip).count();
        let (label, limits) = (named(chip, label, earlier), [*high_celsius, *critical_celsius]);
        rows.push(row(label, "temperature_core", "C", *celsius as i64, limits, None));
    }
    for (at, Fan { chip, label, rpm }) in fans.iter().enumerate() {
        let earlier = fans[..at].iter().filter(|other| other.chip == *chip).count();
        let value = i64::try_from(*rpm).unwrap_or(i64::MAX);
        rows.push(row(named(chip, label, earlier), "fan_speed", "R", value, [None; 2], None));
    }
    rows.extend(batteries.iter().map(|Battery { name, charge_ratio, status }| {
        let value = (charge_ratio * 100.0).round() as i64;
        row(format!("BAT {name}"), "battery", "%", value, [None; 2], status.as_deref())
    }));
    rows
}

/// The sensor's label; where the chip has none for it, the chip's name and how many of it stand before.
fn named(chip: &str, label: &str, earlier: usize) -> String {
    let is_number = |prefix: &str| {
        label
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if ["temp", "fan", "thermal_zone"].into_iter().any(is_number) {
        return format!("{chip} {earlier}");
    }
    label.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_duration_as_python_writes_it() {
        for (seconds, expected) in [
            (0, "0:00:00"),
            (17, "0:00:17"),
            (35_495, "9:51:35"),
            (86_399, "23:59:59"),
            (86_400, "1 day, 0:00:00"),
            (121_823, "1 day, 9:50:23"),
            (6_169_895, "71 days, 9:51:35"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn sensors_are_called_by_their_label_or_their_chip_and_none_like_another() {
        let temperature = |chip: &str, label: &str| Temperature {
            chip: chip.into(),
            label: label.into(),
            celsius: 47.9,
            high_celsius: Some(84.9),
            critical_celsius: None,
        };
        let sensors_of = Sensors {
            temperatures: vec![
                temperature("cpu_thermal", "temp1"),
                temperature("coretemp", "Core 0"),
                temperature("coretemp", "Core 0"),
                temperature("acpitz", "thermal_zone0"),
                temperature("cpu_thermal", "temp2"),
                temperature("nvme", "tempest"),
            ],
            fans: vec![Fan { chip: "thinkpad".into(), label: "fan1".into(), rpm: 3_200 }],
            batteries: vec![Battery { name: "BAT0".into(), charge_ratio: 0.57, status: Some("Charging".into()) }],
        };
        let snapshot = Snapshot { sensors: Some(sensors_of), ..Snapshot::default() };
        let rows = serde_json::to_value(sensors(&snapshot)).unwrap();
        let rows = rows.as_array().unwrap();
        let told = rows.iter().map(|row| json!([row["label"], row["value"], row["unit"], row["type"]]));
        let core = "temperature_core";
        assert_eq!(
            Value::from_iter(told),
            json!([
                ["cpu_thermal 0", 47, "C", core],
                ["Core 0", 47, "C", core],
                ["Core 0 1", 47, "C", core],
                ["acpitz 0", 47, "C", core],
                ["cpu_thermal 1", 47, "C", core],
                ["tempest", 47, "C", core],
                ["thinkpad 0", 3_200, "R", "fan_speed"],
                ["BAT BAT0", 57, "%", "battery"],
            ])
        );
        let limits = json!([rows[0]["warning"], rows[0]["critical"], rows[7]["status"]]);
        assert_eq!(limits, json!([84, null, "Charging"]));
    }

    #[test]
    fn the_moment_is_told_in_utc() {
        let snapshot = Snapshot { time_unix_seconds: 1_795_918_897.4, ..Snapshot::default() };
        let now = now(&snapshot).unwrap();
        assert_eq!((now.iso.as_str(), now.custom.as_str()), ("2026-11-29T02:21:37+00:00", "2026-11-29 02:21:37 UTC"));
        assert!(super::now(&Snapshot::default()).is_none());
    }
}
