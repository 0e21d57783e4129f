//! `/sys/class/hwmon`: every sensor file of every chip (Documentation/hwmon/sysfs-interface.rst), named as `node_exporter`
//! names them: the chip by the place of its device, which stays the same from boot to boot, the sensor by kind and number.
//!
//! Everything is taken, by the kernel's names; the model picks temperatures and fans. Some chips answer over a slow bus. Not
//! sysinfo: it has no fans, cannot be pointed at another root, and joins chip and label into one text.

use std::path::Path;

use super::Paths;
use super::attributes::{AttributeDir, names_in};
use crate::model::Reading;
use crate::model::hardware::{HwmonChip, HwmonSensor, clean_name};

/// The kinds of sensor that are taken.
const KINDS: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// All chips with their sensors. A chip that vanishes while it is read is left out. Nothing is kept: chips come and go.
pub fn read(paths: &Paths) -> Reading<Vec<HwmonChip>> {
    let directory = paths.sys("class/hwmon");
    let names = names_in(&directory)?;
    Ok(names.iter().filter_map(|name| read_chip(&directory.join(name))).collect())
}

fn read_chip(directory: &Path) -> Option<HwmonChip> {
    let attributes = AttributeDir::open(directory).ok()?;
    let word = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let plain_name = word(attributes.text("name"));
    let name = plain_name.as_deref().map(clean_name).filter(|name| !name.is_empty());
    let mut sensors = Vec::new();
    add_sensors(directory, &attributes, &mut sensors);
    // Old drivers put their files one level deeper.
    let device = directory.join("device");
    let mut old_name = None;
    if let Ok(attributes) = AttributeDir::open(&device) {
        add_sensors(&device, &attributes, &mut sensors);
        old_name = word(attributes.text("name").filter(|_| plain_name.is_none()));
    }
    let number = directory.file_name().and_then(|name| name.to_str()?.strip_prefix("hwmon")?.parse().ok());
    let chip = chip_label(directory, name.as_deref())?;
    Some(HwmonChip { chip, name, plain_name: plain_name.or(old_name), number, sensors })
}

fn add_sensors(directory: &Path, attributes: &AttributeDir, sensors: &mut Vec<HwmonSensor>) {
    for file in names_in(directory).unwrap_or_default() {
        let Some((kind, number, element)) = split_file_name(&file) else { continue };
        let Some(text) = attributes.text(&file) else { continue };
        let sensor = format!("{kind}{number}");
        let index = sensors.iter().position(|known| known.sensor == sensor).unwrap_or_else(|| {
            sensors.push(HwmonSensor { sensor, kind, ..HwmonSensor::default() });
            sensors.len() - 1
        });
        if element == "label" {
            sensors[index].label = Some(text);
        } else if let Ok(value) = text.trim().parse() {
            sensors[index].elements.push((element.to_owned(), value));
        }
    }
}

/// `temp1_input` is kind `temp`, number 1, element `input`; `update_interval` has number 0 and no element.
fn split_file_name(name: &str) -> Option<(&'static str, u32, &str)> {
    let digits = name.find(|character: char| character.is_ascii_digit()).unwrap_or(name.len());
    let (kind, rest) = name.split_at(digits);
    let kind = KINDS.into_iter().find(|known| *known == kind)?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (number, element) = rest.split_at(end);
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    match element.strip_prefix('_') {
        Some("") => None,
        Some(element) => Some((kind, number, element)),
        None => element.is_empty().then_some((kind, number, "")),
    }
}

/// Bus and device of the chip, else its name, else `hwmonN`.
fn chip_label(directory: &Path, name: Option<&str>) -> Option<String> {
    let part = |path: Option<&Path>| clean_name(&path.and_then(Path::file_name).unwrap_or_default().to_string_lossy());
    if let Ok(device) = directory.join("device").canonicalize() {
        let (bus, device) = (part(device.parent()), part(Some(&device)));
        match (bus.is_empty(), device.is_empty()) {
            (false, false) => return Some(format!("{bus}_{device}")),
            (true, false) => return Some(device),
            _ => {}
        }
    }
    if let Some(name) = name {
        return Some(name.to_owned());
    }
    let real = part(Some(&directory.canonicalize().ok()?));
    (!real.is_empty()).then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_fall_apart() {
        assert_eq!(split_file_name("temp1_input"), Some(("temp", 1, "input")));
        assert_eq!(split_file_name("temp12_auto_point1_pwm"), Some(("temp", 12, "auto_point1_pwm")));
        assert_eq!(split_file_name("pwm2"), Some(("pwm", 2, "")));
        assert_eq!(split_file_name("update_interval"), Some(("update_interval", 0, "")));
        assert_eq!(split_file_name("name"), None);
        assert_eq!(split_file_name("temp1x"), None);
        assert_eq!(split_file_name("uevent"), None);
    }

    #[test]
    fn a_chip_is_named_by_its_device() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("devices/platform/coretemp.0");
        let chip = device.join("hwmon/hwmon3");
        std::fs::create_dir_all(&chip).unwrap();
        std::os::unix::fs::symlink("../..", chip.join("device")).unwrap();
        for (file, text) in [("name", "core temp\n"), ("temp1_input", "42000\n"), ("temp1_label", "Core 0\n")] {
            std::fs::write(chip.join(file), text).unwrap();
        }
        let class = dir.path().join("class/hwmon");
        std::fs::create_dir_all(&class).unwrap();
        std::os::unix::fs::symlink(&chip, class.join("hwmon3")).unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let chips = read(&paths).unwrap();
        assert_eq!(chips.len(), 1);
        assert_eq!(chips[0].chip, "platform_coretemp_0");
        assert_eq!(chips[0].name.as_deref(), Some("core_temp"));
        assert_eq!((chips[0].plain_name.as_deref(), chips[0].number), (Some("core temp"), Some(3)));
        let sensor = HwmonSensor {
            sensor: "temp1".to_owned(),
            kind: "temp",
            label: Some("Core 0".to_owned()),
            elements: vec![("input".to_owned(), 42000.0)],
        };
        assert_eq!(chips[0].sensors, [sensor]);
    }
}
