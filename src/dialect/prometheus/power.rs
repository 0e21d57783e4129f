//! Collector `powersupplyclass`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::hardware::{PowerSupply, SUPPLY_NUMBERS};

/// What a file is called as a metric, and the divisor from its unit (micro-units, tenths of a degree) to the metric's.
fn metric(file: &str) -> (String, f64) {
    if file.starts_with("temp") {
        return (format!("{file}_celsius"), 10.0);
    }
    let name = match file {
        "charge_now" => "charge_ampere",
        "current_now" => "current_ampere",
        "cycle_count" => "cyclecount",
        "energy_now" => "energy_watthour",
        "power_now" => "power_watt",
        "time_to_empty_now" => "time_to_empty_seconds",
        "time_to_full_now" => "time_to_full_seconds",
        "voltage_now" => "voltage_volt",
        other => other,
    };
    let in_micro_units = ["charge", "constant", "current", "energy", "input", "power", "precharge", "voltage"];
    let is_micro = file.split_once('_').is_some_and(|(kind, _)| in_micro_units.contains(&kind));
    (name.to_owned(), if is_micro { 1e6 } else { 1.0 })
}

/// Batteries and mains.
pub fn power_supply(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(supplies) = snapshot.raw::<Vec<PowerSupply>>() else { return };
    if supplies.is_empty() {
        return;
    }
    for file in SUPPLY_NUMBERS {
        let (metric, divisor) = metric(file);
        let name = format!("node_power_supply_{metric}");
        let help = format!("The file {file} of /sys/class/power_supply.");
        let mut family = writer.family(&name, Kind::Gauge, &help);
        for supply in supplies {
            let number = supply.numbers.iter().find(|(name, _)| *name == file);
            family.maybe(&[("power_supply", &supply.name)], number.map(|(_, number)| *number as f64 / divisor));
        }
    }
    let help = "Texts of /sys/class/power_supply, in labels.";
    let mut family = writer.family("node_power_supply_info", Kind::Gauge, help);
    for supply in supplies {
        let mut labels: Vec<(&str, &str)> = vec![("power_supply", &supply.name)];
        labels.extend(supply.texts.iter().map(|(name, text)| (*name, text.as_str())));
        family.sample(&labels, 1_u64);
    }
}

#[cfg(test)]
mod tests {
    use super::metric;

    #[test]
    fn a_file_has_its_name_and_unit() {
        for (file, name, divisor) in [
            ("capacity", "capacity", 1.0),
            ("charge_control_limit", "charge_control_limit", 1e6),
            ("charge_now", "charge_ampere", 1e6),
            ("cycle_count", "cyclecount", 1.0),
            ("energy_now", "energy_watthour", 1e6),
            ("online", "online", 1.0),
            ("present", "present", 1.0),
            ("precharge_current", "precharge_current", 1e6),
            ("temp", "temp_celsius", 10.0),
            ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
            ("time_to_full_now", "time_to_full_seconds", 1.0),
            ("voltage_now", "voltage_volt", 1e6),
        ] {
            assert_eq!(metric(file), (name.to_owned(), divisor));
        }
    }
}
