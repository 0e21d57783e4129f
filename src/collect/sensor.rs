//! Temperatures and fans, from `/sys/class/hwmon` and `/sys/class/thermal`.
//!
//! Called by [`super::Collector`] while somebody watches sensors. Some chips answer over a slow bus, so nothing here may run
//! on a tick that nobody asked for. Not sysinfo: it has no fans, cannot be pointed at another root, and joins chip and
//! label into one text.
//!
//! A sensor that fails (`EIO`, `ENODATA`, `ENXIO`: not wired, asleep) is left out and the others go on.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Paths;
use super::file::{read_error, read_number, read_word};
use crate::model::hardware::{RawFan, RawSensors, RawTemperature};
use crate::model::{Faults, ReadError, Reading};

/// What a thermometer in a computer can show, degrees Celsius. Beyond it the sensor is broken or not wired.
const PLAUSIBLE_CELSIUS: std::ops::RangeInclusive<f64> = -60.0..=200.0;

/// Reads every sensor on each pass: chips come and go with their drivers.
#[derive(Debug)]
pub struct Reader {
    hwmon: PathBuf,
    thermal: PathBuf,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { hwmon: paths.sys("class/hwmon"), thermal: paths.sys("class/thermal") }
    }

    /// hwmon chips first, then the thermal zones that no chip stands for.
    ///
    /// A machine without either is [`ReadError::Unsupported`]; one whose sensors all fail has empty lists.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<RawSensors> {
        let mut failed = Faults::default();
        let chips = failed.part(numbered(&self.hwmon, "hwmon", "")).unwrap_or_default();
        let zones = failed.part(numbered(&self.thermal, "thermal_zone", "")).unwrap_or_default();
        if chips.is_empty() && zones.is_empty() {
            let absent = || ReadError::Unsupported { path: self.hwmon.display().to_string() };
            return Err(failed.into_first().unwrap_or_else(absent));
        }
        faults.append(failed);
        let mut sensors = RawSensors::default();
        let mut names = Vec::with_capacity(chips.len());
        for (number, folder) in chips {
            names.push(read_chip(&self.hwmon.join(folder), number, &mut sensors));
        }
        for (number, folder) in zones {
            sensors.temperatures.extend(read_zone(&self.thermal.join(folder), number, &names));
        }
        Ok(sensors)
    }
}

/// The entries of `folder` named `prefix`, a number and `suffix`, by number (`temp2` before `temp10`). A folder that is
/// missing has none.
fn numbered(folder: &Path, prefix: &str, suffix: &str) -> Reading<Vec<(u32, OsString)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            return match read_error(folder, &error) {
                ReadError::Unsupported { .. } => Ok(Vec::new()),
                error => Err(error),
            };
        }
    };
    let mut list: Vec<(u32, OsString)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()?;
            Some((number, name))
        })
        .collect();
    list.sort();
    Ok(list)
}

/// One hwmon chip (Documentation/hwmon/sysfs-interface.rst): `name`, `tempN_*` in thousandths of a degree, `fanN_*` in
/// revolutions a minute. Gives the chip's name. Drivers from before Linux 3.13 have the same files one folder down, in
/// `device`.
fn read_chip(folder: &Path, number: u32, sensors: &mut RawSensors) -> String {
    let old = folder.join("device");
    let word = |file: &str| read_word(&folder.join(file)).ok().flatten();
    let chip = word("name").or_else(|| word("device/name")).unwrap_or_else(|| format!("hwmon{number}"));
    let of = |kind: &str| {
        let new = numbered(folder, kind, "_input").unwrap_or_default();
        if new.is_empty() { (&*old, numbered(&old, kind, "_input").unwrap_or_default()) } else { (folder, new) }
    };
    let label = |base: &Path, sensor: &str| {
        read_word(&base.join(format!("{sensor}_label"))).ok().flatten().unwrap_or_else(|| sensor.to_owned())
    };
    let (base, temperatures) = of("temp");
    for (number, input) in temperatures {
        let sensor = format!("temp{number}");
        // `tempN_fault` is 1 when the sensor is broken or not connected; `tempN_input` then reads nonsense.
        let fault = read_number::<u8>(&base.join(format!("{sensor}_fault"))).is_ok_and(|fault| fault != 0);
        let Some(celsius) = read_celsius(&base.join(input)).filter(|_| !fault) else { continue };
        sensors.temperatures.push(RawTemperature {
            chip: chip.clone(),
            label: label(base, &sensor),
            celsius,
            high_celsius: read_celsius(&base.join(format!("{sensor}_max"))),
            critical_celsius: read_celsius(&base.join(format!("{sensor}_crit"))),
        });
    }
    let (base, fans) = of("fan");
    for (number, input) in fans {
        let Ok(rpm) = read_number(&base.join(input)) else { continue };
        sensors.fans.push(RawFan { chip: chip.clone(), label: label(base, &format!("fan{number}")), rpm });
    }
    chip
}

/// One thermal zone (Documentation/driver-api/thermal/sysfs-api.rst): `type` and `temp`, thousandths of a degree. A zone
/// whose type is the name of a chip is left out: the kernel made that chip from the zone, with `-` turned to `_`.
fn read_zone(folder: &Path, number: u32, chips: &[String]) -> Option<RawTemperature> {
    let kind = read_word(&folder.join("type")).ok().flatten()?;
    let as_chip = kind.replace('-', "_");
    if chips.iter().any(|chip| *chip == kind || *chip == as_chip) {
        return None;
    }
    Some(RawTemperature {
        chip: kind,
        label: format!("thermal_zone{number}"),
        celsius: read_celsius(&folder.join("temp"))?,
        high_celsius: None,
        critical_celsius: None,
    })
}

/// Thousandths of a degree in a file. `None` where it cannot be read or cannot be true.
fn read_celsius(path: &Path) -> Option<f64> {
    let thousandths: i32 = read_number(path).ok()?;
    Some(f64::from(thousandths) / 1000.0).filter(|celsius| PLAUSIBLE_CELSIUS.contains(celsius))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing;

    /// A `/sys` of the given files, and a reader of it.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Reader) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join("class").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let paths = Paths { sysfs: dir.path().to_owned(), ..Paths::host() };
        (dir, Reader::new(&paths))
    }

    #[test]
    fn sensors_come_by_number_with_label_and_limits() {
        let (_dir, mut reader) = machine(&[
            ("hwmon/hwmon10/name", "nvme\n"),
            ("hwmon/hwmon10/temp1_input", "-5850\n"),
            ("hwmon/hwmon2/name", "coretemp\n"),
            ("hwmon/hwmon2/temp10_input", "41000\n"),
            ("hwmon/hwmon2/temp2_input", "40500\n"),
            ("hwmon/hwmon2/temp2_label", "Core 0\n"),
            ("hwmon/hwmon2/temp2_max", "100000\n"),
            ("hwmon/hwmon2/temp2_crit", "65261850\n"),
            ("hwmon/hwmon2/fan1_input", "2345\n"),
        ]);
        let sensors = reader.read(&mut Faults::default()).unwrap();
        let told: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label, t.celsius)).collect();
        assert_eq!(told, [("coretemp", "Core 0", 40.5), ("coretemp", "temp10", 41.0), ("nvme", "temp1", -5.85)]);
        assert_eq!(sensors.temperatures[0].high_celsius, Some(100.0));
        assert_eq!(sensors.temperatures[0].critical_celsius, None, "65261.85 degrees are no limit");
        assert_eq!(sensors.fans, [RawFan { chip: "coretemp".into(), label: "fan1".into(), rpm: 2345 }]);
    }

    #[test]
    fn a_sensor_that_fails_is_left_out_alone() {
        let (_dir, mut reader) = machine(&[
            ("hwmon/hwmon0/name", "it87\n"),
            ("hwmon/hwmon0/temp1_input", "garbage\n"),
            ("hwmon/hwmon0/temp2_input", ""),
            ("hwmon/hwmon0/temp3_input", "-128000\n"),
            ("hwmon/hwmon0/temp4_input", "99999999999999\n"),
            ("hwmon/hwmon0/temp5_input", "30000\n"),
            ("hwmon/hwmon0/temp5_fault", "1\n"),
            ("hwmon/hwmon0/temp6_input", "31000\n"),
            ("hwmon/hwmon0/temp6_fault", "0\n"),
            ("hwmon/hwmon0/temp7_input/unreadable", ""),
            ("hwmon/hwmon0/fan1_input", "-1\n"),
        ]);
        let sensors = reader.read(&mut Faults::default()).unwrap();
        assert_eq!(sensors.temperatures.iter().map(|t| &*t.label).collect::<Vec<_>>(), ["temp6"]);
        assert_eq!(sensors.fans, []);
    }

    #[test]
    fn old_drivers_have_their_files_one_folder_down() {
        let (_dir, mut reader) = machine(&[
            ("hwmon/hwmon0/device/name", "k8temp\n"),
            ("hwmon/hwmon0/device/temp1_input", "29000\n"),
            ("hwmon/hwmon1/temp1_input", "30000\n"),
        ]);
        let sensors = reader.read(&mut Faults::default()).unwrap();
        let told: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, t.celsius)).collect();
        assert_eq!(told, [("k8temp", 29.0), ("hwmon1", 30.0)]);
    }

    #[test]
    fn a_zone_that_is_a_chip_too_is_told_once() {
        let (_dir, mut reader) = machine(&[
            ("hwmon/hwmon0/name", "cpu_thermal\n"),
            ("hwmon/hwmon0/temp1_input", "50000\n"),
            ("thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("thermal/thermal_zone0/temp", "50100\n"),
            ("thermal/thermal_zone1/type", "x86_pkg_temp\n"),
            ("thermal/thermal_zone1/temp", "48000\n"),
            ("thermal/thermal_zone2/type", "off\n"),
            ("thermal/cooling_device0/type", "Processor\n"),
        ]);
        let sensors = reader.read(&mut Faults::default()).unwrap();
        let told: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label, t.celsius)).collect();
        assert_eq!(told, [("cpu_thermal", "temp1", 50.0), ("x86_pkg_temp", "thermal_zone1", 48.0)]);
    }

    #[test]
    fn a_machine_without_sensors_is_no_fault() {
        let (_dir, mut reader) = machine(&[("thermal/cooling_device0/type", "Processor\n")]);
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
        let (_dir, mut reader) = machine(&[]);
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
    }

    #[test]
    fn a_chip_name_that_is_not_text_is_replaced() {
        let (dir, mut reader) = machine(&[("hwmon/hwmon0/temp1_input", "30000\n")]);
        fs::write(dir.path().join("class/hwmon/hwmon0/name"), b"chip\xff\n").unwrap();
        assert_eq!(reader.read(&mut Faults::default()).unwrap().temperatures[0].chip, "chip\u{fffd}");
    }

    #[test]
    fn the_laptop_has_three_chips_and_two_zones() {
        let sensors = Reader::new(&testing::laptop()).read(&mut Faults::default()).unwrap();
        let told: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label)).collect();
        let cores = ["Package id 0", "Core 0", "Core 1", "Core 2", "Core 3"].map(|label| ("coretemp", label));
        assert_eq!(told[..5], cores);
        let others = [("nvme", "Composite"), ("nvme", "Sensor 1"), ("thinkpad", "CPU"), ("thinkpad", "GPU")];
        assert_eq!(told[5..9], others);
        assert_eq!(told[9..], [("acpitz", "thermal_zone0"), ("x86_pkg_temp", "thermal_zone1")]);
        assert_eq!(sensors.temperatures[6].high_celsius, None);
        assert_eq!(sensors.fans, [RawFan { chip: "thinkpad".into(), label: "fan1".into(), rpm: 2631 }]);
    }
}
