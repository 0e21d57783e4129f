//! Glances' `system`, `uptime`, `now` and `sensors`.
//!
//! Called by the table of plugins. Times are told in UTC, with the offset written out.

use serde::Serialize;

use crate::dialect::number::whole;
use crate::model::Snapshot;
use crate::model::hardware::{Battery, Fan, Sensors, Temperature};

#[derive(Serialize)]
pub struct System<'a> {
    os_name: &'static str,
    hostname: Option<&'a str>,
    platform: Option<&'static str>,
    os_version: Option<&'a str>,
    linux_distro: Option<&'a str>,
    hr_name: Option<String>,
}

/// `system`.
pub fn system(snapshot: &Snapshot) -> System<'_> {
    let host = snapshot.host.as_deref();
    let platform = host.and_then(|host| host.architecture.as_deref()).map(width);
    // Glances has name and number; the pretty name is these and, as a rule, a code name in parentheses.
    let distribution = host.and_then(|host| host.distribution.as_deref());
    let linux_distro = distribution.map(|name| name.split(" (").next().unwrap_or(name));
    let os_version = host.and_then(|host| host.kernel.as_deref());
    let parts = [linux_distro, platform, Some("/ Linux"), os_version];
    let hr_name = host.map(|_| parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    System {
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

#[derive(Serialize)]
pub struct SensorRow<'a> {
    label: String,
    unit: &'static str,
    value: i64,
    warning: Option<i64>,
    critical: Option<i64>,
    #[serde(rename = "type")]
    kind: &'static str,
    key: &'static str,
    /// Of a battery.
    status: Option<&'a str>,
}

/// `sensors`: temperatures, fans, batteries. A label stands for one sensor only: clients find them by it.
pub fn sensors(snapshot: &Snapshot) -> Vec<SensorRow<'_>> {
    let Some(Sensors { temperatures, fans, batteries }) = &snapshot.sensors else { return Vec::new() };
    let mut rows = Vec::with_capacity(temperatures.len() + fans.len() + batteries.len());
    let place = |chips: &mut dyn Iterator<Item = &str>, chip: &str| chips.filter(|other| *other == chip).count();
    for (at, temperature) in temperatures.iter().enumerate() {
        let Temperature { chip, label, celsius, high_celsius, critical_celsius } = temperature;
        let earlier = place(&mut temperatures[..at].iter().map(|other| other.chip.as_str()), chip);
        let limit = |celsius: &Option<f64>| celsius.map(|celsius| celsius as i64);
        rows.push(SensorRow {
            label: named(chip, label, earlier),
            unit: "C",
            value: *celsius as i64,
            warning: limit(high_celsius),
            critical: limit(critical_celsius),
            kind: "temperature_core",
            key: "label",
            status: None,
        });
    }
    for (at, Fan { chip, label, rpm }) in fans.iter().enumerate() {
        let earlier = place(&mut fans[..at].iter().map(|other| other.chip.as_str()), chip);
        let value = i64::try_from(*rpm).unwrap_or(i64::MAX);
        rows.push(unlimited(named(chip, label, earlier), "R", value, "fan_speed", None));
    }
    rows.extend(batteries.iter().map(|Battery { name, charge_ratio, status }| {
        let value = (charge_ratio * 100.0).round() as i64;
        unlimited(format!("BAT {name}"), "%", value, "battery", status.as_deref())
    }));
    let mut taken = std::collections::HashSet::new();
    for row in &mut rows {
        if !taken.insert(row.label.clone()) {
            let free = (1..).map(|number| format!("{} {number}", row.label)).find(|label| !taken.contains(label));
            row.label = free.unwrap_or_default();
            taken.insert(row.label.clone());
        }
    }
    rows
}

fn unlimited<'a>(
    label: String,
    unit: &'static str,
    value: i64,
    kind: &'static str,
    status: Option<&'a str>,
) -> SensorRow<'a> {
    SensorRow { label, unit, value, warning: None, critical: None, kind, key: "label", status }
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
        let rows = sensors(&snapshot);
        let told: Vec<_> = rows.iter().map(|row| (row.label.as_str(), row.value, row.unit, row.kind)).collect();
        let core = "temperature_core";
        assert_eq!(
            told,
            [
                ("cpu_thermal 0", 47, "C", core),
                ("Core 0", 47, "C", core),
                ("Core 0 1", 47, "C", core),
                ("acpitz 0", 47, "C", core),
                ("cpu_thermal 1", 47, "C", core),
                ("tempest", 47, "C", core),
                ("thinkpad 0", 3_200, "R", "fan_speed"),
                ("BAT BAT0", 57, "%", "battery"),
            ]
        );
        assert_eq!((rows[0].warning, rows[0].critical, rows[7].status), (Some(84), None, Some("Charging")));
    }

    #[test]
    fn the_moment_is_told_in_utc() {
        let snapshot = Snapshot { time_unix_seconds: 1_795_918_897.4, ..Snapshot::default() };
        let now = now(&snapshot).unwrap();
        assert_eq!((now.iso.as_str(), now.custom.as_str()), ("2026-11-29T02:21:37+00:00", "2026-11-29 02:21:37 UTC"));
        assert!(super::now(&Snapshot::default()).is_none());
    }
}
