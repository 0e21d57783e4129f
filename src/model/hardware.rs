//! Hardware: temperatures, fans and the other sensors of its chips, power supplies, the firmware's own words.
//!
//! Filled by [`crate::collect`]; [`sensors`] is called by [`super::derive()`]. Which of the temperatures is that of the CPU is
//! told by [`super::cpu`].

use serde::Serialize;

/// Temperatures and fans.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sensors {
    /// hwmon `tempN_*` and thermal zones.
    pub temperatures: Vec<Temperature>,
    /// hwmon `fanN_*`.
    pub fans: Vec<Fan>,
    /// Batteries that power this machine.
    pub batteries: Vec<Battery>,
}

/// One temperature. Documentation/hwmon/sysfs-interface.rst; milli-degrees there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Temperature {
    /// Chip: `name` of the hwmon device, or `type` of the thermal zone.
    pub chip: String,
    /// `tempN_label`, or `tempN` where there is none.
    pub label: String,
    /// `tempN_input`, degrees Celsius.
    pub celsius: f64,
    /// `tempN_max`, degrees Celsius.
    pub high_celsius: Option<f64>,
    /// `tempN_crit`, degrees Celsius.
    pub critical_celsius: Option<f64>,
}

/// One fan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fan {
    /// Chip: `name` of the hwmon device.
    pub chip: String,
    /// `fanN_label`, or `fanN` where there is none.
    pub label: String,
    /// `fanN_input`, revolutions a minute.
    pub rpm: u64,
}

/// One battery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Battery {
    /// Name of its directory: `BAT0`.
    pub name: String,
    /// `capacity`: what is in it of what it can hold, 0 to 1.
    pub charge_ratio: f64,
    /// `status`: `Charging`, `Discharging`, `Full`, ...
    pub status: Option<String>,
}

/// One directory of `/sys/class/hwmon` (Documentation/hwmon/sysfs-interface.rst).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HwmonChip {
    /// Stable name made from the place of the device: `platform_coretemp_0`.
    pub chip: String,
    /// `name`, made fit for a label: `coretemp`.
    pub name: Option<String>,
    /// `name` as it is; of old drivers that of the device.
    pub plain_name: Option<String>,
    /// The number in the name of the directory.
    pub number: Option<u32>,
    /// Its sensors.
    pub sensors: Vec<HwmonSensor>,
}

/// One sensor of a chip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HwmonSensor {
    /// Kind and number: `temp1`.
    pub sensor: String,
    /// Kind: `temp`, `fan`, `in`, ...
    pub kind: &'static str,
    /// `tempN_label`.
    pub label: Option<String>,
    /// The other files: what follows the underscore in their names (empty where nothing does) and the number within, in
    /// the unit of the file.
    pub elements: Vec<(String, f64)>,
}

/// `/sys/class/thermal`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thermal {
    /// Zones: number, `type`, `temp` in milli-degrees Celsius.
    pub zones: Vec<(String, String, i64)>,
    /// Cooling devices: number, `type`, `cur_state`, `max_state`.
    pub cooling_devices: Vec<(String, String, i64, i64)>,
}

/// One directory of `/sys/class/power_supply` (Documentation/ABI/testing/sysfs-class-power).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerSupply {
    /// Name of the directory.
    pub name: String,
    /// Files that hold a number: name and number, in the unit of the file.
    pub numbers: Vec<(&'static str, i64)>,
    /// Files that hold a text: name and text.
    pub texts: Vec<(&'static str, String)>,
}

/// The files of a power supply that hold a number and are told, sorted.
pub const SUPPLY_NUMBERS: [&str; 49] = [
    "authentic",
    "calibrate",
    "capacity",
    "capacity_alert_max",
    "capacity_alert_min",
    "charge_control_limit",
    "charge_control_limit_max",
    "charge_counter",
    "charge_empty",
    "charge_empty_design",
    "charge_full",
    "charge_full_design",
    "charge_now",
    "charge_term_current",
    "constant_charge_current",
    "constant_charge_current_max",
    "constant_charge_voltage",
    "constant_charge_voltage_max",
    "current_boot",
    "current_max",
    "current_now",
    "cycle_count",
    "energy_empty",
    "energy_empty_design",
    "energy_full",
    "energy_full_design",
    "energy_now",
    "input_current_limit",
    "online",
    "power_now",
    "precharge_current",
    "present",
    "temp",
    "temp_alert_max",
    "temp_alert_min",
    "temp_ambient",
    "temp_ambient_max",
    "temp_ambient_min",
    "temp_max",
    "temp_min",
    "time_to_empty_now",
    "time_to_full_now",
    "voltage_boot",
    "voltage_max",
    "voltage_max_design",
    "voltage_min",
    "voltage_min_design",
    "voltage_now",
    "voltage_ocv",
];

/// `/sys/class/dmi/id`: label and text of each field that this process may read. Serial numbers and UUIDs, which the
/// kernel shows to root only, are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmi {
    /// Label and text.
    pub fields: Vec<(&'static str, String)>,
}

/// What a thermometer in a computer can show, degrees Celsius. Beyond it the sensor is broken or not wired.
const PLAUSIBLE_CELSIUS: std::ops::RangeInclusive<f64> = -60.0..=200.0;

/// Temperatures and fans of the hwmon chips by their number, then the thermal zones that no chip stands for; batteries.
/// `None` on a machine without any. A sensor that tells nothing, or nothing that can be true, is left out and the others
/// are told.
pub(super) fn sensors(
    chips: &[HwmonChip],
    thermal: Option<&Thermal>,
    supplies: Option<&[PowerSupply]>,
) -> Option<Sensors> {
    let zones = thermal.map_or(&[][..], |thermal| &thermal.zones);
    let batteries: Vec<Battery> = supplies.unwrap_or_default().iter().filter_map(battery).collect();
    if chips.is_empty() && zones.is_empty() && batteries.is_empty() {
        return None;
    }
    let mut chips: Vec<&HwmonChip> = chips.iter().collect();
    chips.sort_by_key(|chip| chip.number);
    let mut told = Sensors { batteries, ..Sensors::default() };
    let mut names = Vec::with_capacity(chips.len());
    for chip in chips {
        let number = chip.number.unwrap_or(0);
        let name = chip.plain_name.clone().unwrap_or_else(|| format!("hwmon{number}"));
        let mut sensors: Vec<(u32, &HwmonSensor)> = chip.sensors.iter().filter_map(numbered).collect();
        sensors.sort_by_key(|(number, _)| *number);
        for (_, sensor) in sensors {
            told.add(&name, sensor);
        }
        names.push(name);
    }
    for (number, kind, thousandths) in zones {
        let as_chip = kind.replace('-', "_");
        // The kernel made that chip from the zone, with `-` turned to `_`.
        let is_chip = names.iter().any(|chip| chip == kind || *chip == as_chip);
        let celsius = plausible(*thousandths as f64).filter(|_| !is_chip);
        told.temperatures.extend(celsius.map(|celsius| Temperature {
            chip: kind.clone(),
            label: format!("thermal_zone{number}"),
            celsius,
            ..Temperature::default()
        }));
    }
    Some(told)
}

/// A battery of the machine's own: not a mouse's, which says that its scope is `Device`.
fn battery(supply: &PowerSupply) -> Option<Battery> {
    let text = |name: &str| supply.texts.iter().find(|(known, _)| *known == name).map(|(_, text)| text.trim());
    let (_, percent) = supply.numbers.iter().find(|(known, _)| *known == "capacity")?;
    let is_own = text("type") == Some("Battery") && text("scope") != Some("Device");
    (is_own && (0..=100).contains(percent)).then(|| Battery {
        name: supply.name.clone(),
        charge_ratio: *percent as f64 / 100.0,
        status: text("status").map(str::to_owned),
    })
}

fn numbered(sensor: &HwmonSensor) -> Option<(u32, &HwmonSensor)> {
    Some((sensor.sensor.strip_prefix(sensor.kind)?.parse().ok()?, sensor))
}

/// Thousandths of a degree as degrees, if a thermometer can show that.
fn plausible(thousandths: f64) -> Option<f64> {
    Some(thousandths / 1000.0).filter(|celsius| PLAUSIBLE_CELSIUS.contains(celsius))
}

impl Sensors {
    fn add(&mut self, chip: &str, sensor: &HwmonSensor) {
        let element = |name: &str| sensor.elements.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let Some(input) = element("input") else { return };
        let label = sensor.label.as_deref().map(str::trim).filter(|label| !label.is_empty());
        let (chip, label) = (chip.to_owned(), label.unwrap_or(&sensor.sensor).to_owned());
        // `tempN_fault` is 1 when the sensor is broken or not connected; `tempN_input` then reads nonsense.
        let is_whole = element("fault").is_none_or(|fault| fault == 0.0);
        match sensor.kind {
            "temp" => self.temperatures.extend(plausible(input).filter(|_| is_whole).map(|celsius| Temperature {
                chip,
                label,
                celsius,
                high_celsius: element("max").and_then(plausible),
                critical_celsius: element("crit").and_then(plausible),
            })),
            "fan" if input >= 0.0 => self.fans.push(Fan { chip, label, rpm: input as u64 }),
            _ => {}
        }
    }
}

/// Lower case; what may not stand in a metric's name becomes an underscore, none at either end.
pub fn clean_name(name: &str) -> String {
    let cleaned: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' || c == '_' { c } else { '_' })
        .collect();
    cleaned.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Battery, PowerSupply, clean_name, sensors};

    #[test]
    fn a_battery_is_the_machines_own_and_may_be_true() {
        let supply = |name: &str, percent: Option<i64>, texts: &[(&'static str, &str)]| PowerSupply {
            name: name.to_owned(),
            numbers: percent.map(|percent| ("capacity", percent)).into_iter().collect(),
            texts: texts.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        };
        let list = [
            supply("AC", None, &[("type", "Mains")]),
            supply("BAT0", Some(81), &[("type", "Battery"), ("status", "Charging")]),
            supply("BAT1", Some(101), &[("type", "Battery")]),
            supply("BAT2", None, &[("type", "Battery")]),
            supply("hid-mouse", Some(50), &[("type", "Battery"), ("scope", "Device")]),
        ];
        let told = sensors(&[], None, Some(&list)).unwrap();
        let expected = Battery { name: "BAT0".into(), charge_ratio: 0.81, status: Some("Charging".into()) };
        assert_eq!(told.batteries, [expected]);
        assert_eq!(sensors(&[], None, Some(&list[..1])), None);
    }

    #[test]
    fn names_are_made_fit_for_labels() {
        assert_eq!(clean_name("Core Temp.0\n"), "core_temp_0");
        assert_eq!(clean_name("--é--"), "");
    }
}
