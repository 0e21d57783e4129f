//! Collector `powersupplyclass`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::hardware::PowerSupply;

/// Name of the file, name of the metric, divisor from the file's unit (micro-units, tenths of a degree) to the metric's.
const NUMBERS: [(&str, &str, f64); 49] = [
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    ("constant_charge_current_max", "constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", 1e6),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("cycle_count", "cyclecount", 1.0),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("online", "online", 1.0),
    ("power_now", "power_watt", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("present", "present", 1.0),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
];

/// Batteries and mains.
pub fn power_supply(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(supplies) = snapshot.raw::<Vec<PowerSupply>>() else { return };
    if supplies.is_empty() {
        return;
    }
    for (file, metric, divisor) in NUMBERS {
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
