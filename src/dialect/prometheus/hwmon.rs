//! Collector `hwmon`. The families follow from the files that the chips have, so they are grouped before they are written.

use std::collections::BTreeMap;

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::hardware::{HwmonChip, HwmonSensor, clean_name};

/// A family's kind, help and samples: chip, sensor, value.
struct Group<'a> {
    kind: Kind,
    help: String,
    samples: Vec<(&'a str, String, f64)>,
}

/// Every sensor of every chip.
pub fn hwmon(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(chips) = snapshot.raw::<Vec<HwmonChip>>() else { return };
    write_names(writer, chips);
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for chip in chips {
        for sensor in &chip.sensors {
            for (element, value) in &sensor.elements {
                let Some(metric) = metric(sensor, element, *value) else { continue };
                let group = groups.entry(metric.name).or_insert_with(|| Group {
                    kind: metric.kind,
                    help: metric.help,
                    samples: Vec::new(),
                });
                // Two chips of one device have one name; the second is left out, for a set of labels may occur once.
                if !group.samples.iter().any(|known| known.0 == chip.chip && known.1 == metric.sensor) {
                    group.samples.push((&chip.chip, metric.sensor, metric.value));
                }
            }
        }
    }
    for (name, group) in &groups {
        let mut family = writer.family(name, group.kind, &group.help);
        for (chip, sensor, value) in &group.samples {
            family.sample(&[("chip", chip), ("sensor", sensor)], *value);
        }
    }
}

fn write_names(writer: &mut Writer, chips: &[HwmonChip]) {
    let mut seen: Vec<&str> = Vec::new();
    let mut family = writer.family("node_hwmon_chip_names", Kind::Gauge, "The chips' own names, in labels.");
    for chip in chips {
        if let Some(name) = chip.name.as_deref().filter(|_| !seen.contains(&chip.chip.as_str())) {
            seen.push(&chip.chip);
            family.sample(&[("chip", &chip.chip), ("chip_name", name)], 1_u64);
        }
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut family = writer.family("node_hwmon_sensor_label", Kind::Gauge, "The sensors' own names, in labels.");
    for chip in chips {
        for sensor in &chip.sensors {
            let Some(label) = &sensor.label else { continue };
            if !seen.contains(&(&chip.chip, &sensor.sensor)) {
                seen.push((&chip.chip, &sensor.sensor));
                let labels = [("chip", &*chip.chip), ("label", label), ("sensor", &*sensor.sensor)];
                family.sample(&labels, 1_u64);
            }
        }
    }
}

/// One number of a sensor with the name, unit and kind that it goes by.
struct Metric {
    name: String,
    kind: Kind,
    help: String,
    sensor: String,
    value: f64,
}

fn metric(sensor: &HwmonSensor, element: &str, value: f64) -> Option<Metric> {
    let kind = sensor.kind;
    let gauge = |name: String, what: &str, value: f64| {
        let sensor = sensor.sensor.clone();
        Some(Metric { name, kind: Kind::Gauge, help: format!("Hardware sensor: {what}."), sensor, value })
    };
    match kind {
        "beep_enable" => {
            let on = f64::from(value == 1.0);
            return gauge("node_hwmon_beep_enabled".to_owned(), "whether beeping is on", on);
        }
        "vrm" => {
            return gauge("node_hwmon_voltage_regulator_version".to_owned(), "version of the voltage regulator", value);
        }
        "update_interval" => {
            return gauge("node_hwmon_update_interval_seconds".to_owned(), "time between updates", value * 0.001);
        }
        _ => {}
    }
    let has_plain = sensor.elements.iter().any(|(element, _)| element.is_empty());
    let name = match element {
        "" => format!("node_hwmon_{kind}"),
        "input" if !has_plain => format!("node_hwmon_{kind}"),
        _ => format!("node_hwmon_{kind}_{}", clean_name(element)),
    };
    match (kind, element) {
        (_, "fault" | "alarm") => gauge(name, element, value),
        (_, "beep") => gauge(name + "_enabled", "whether beeping is on", value),
        ("in" | "cpu", _) => gauge(name + "_volts", "voltage", value * 0.001),
        ("temp", element) if element != "type" => gauge(name + "_celsius", "temperature", value * 0.001),
        ("curr", _) => gauge(name + "_amps", "current", value * 0.001),
        ("energy", _) => gauge(name + "_joule_total", "energy used", value / 1e6)
            .map(|metric| Metric { kind: Kind::Counter, ..metric }),
        ("power", "accuracy") => gauge(name, "accuracy of the power meter, a ratio", value / 1e6),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            gauge(name + "_seconds", "interval of the power meter", value * 0.001)
        }
        ("power", _) => gauge(name + "_watt", "power", value / 1e6),
        ("humidity", _) => gauge(name, "humidity, a ratio", value / 1e6),
        ("fan", "input" | "min" | "max" | "target") => gauge(name + "_rpm", "revolutions a minute", value),
        ("freq", "input") => {
            let label = clean_name(sensor.label.as_deref()?);
            gauge(name + "_freq_mhz", "frequency", value / 1e6).map(|metric| Metric { sensor: label, ..metric })
        }
        ("freq", _) => None,
        _ => gauge(name, "as the chip tells it", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: &'static str, elements: &[(&str, f64)], element: &str) -> (String, f64) {
        let sensor = HwmonSensor {
            sensor: format!("{kind}1"),
            kind,
            label: Some("edge GPU".to_owned()),
            elements: elements.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        let value = elements.iter().find(|(name, _)| *name == element).unwrap().1;
        let metric = metric(&sensor, element, value).unwrap();
        (metric.name, metric.value)
    }

    #[test]
    fn names_and_units() {
        let one = |kind, element, value| named(kind, &[(element, value)], element);
        assert_eq!(one("temp", "input", 42000.0), ("node_hwmon_temp_celsius".to_owned(), 42.0));
        assert_eq!(one("temp", "crit_alarm", 0.0), ("node_hwmon_temp_crit_alarm_celsius".to_owned(), 0.0));
        assert_eq!(one("fan", "input", 900.0), ("node_hwmon_fan_rpm".to_owned(), 900.0));
        assert_eq!(one("fan", "alarm", 1.0), ("node_hwmon_fan_alarm".to_owned(), 1.0));
        assert_eq!(one("in", "min", 500.0), ("node_hwmon_in_min_volts".to_owned(), 0.5));
        assert_eq!(one("power", "average", 2e6), ("node_hwmon_power_average_watt".to_owned(), 2.0));
        assert_eq!(one("energy", "input", 3e6), ("node_hwmon_energy_joule_total".to_owned(), 3.0));
        assert_eq!(one("freq", "input", 5e8), ("node_hwmon_freq_freq_mhz".to_owned(), 500.0));
        assert_eq!(one("pwm", "", 128.0), ("node_hwmon_pwm".to_owned(), 128.0));
        assert_eq!(one("update_interval", "", 1000.0), ("node_hwmon_update_interval_seconds".to_owned(), 1.0));
        assert_eq!(named("pwm", &[("", 1.0), ("input", 2.0)], "input").0, "node_hwmon_pwm_input");
    }
}
