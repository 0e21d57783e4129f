//! `/sys/class/power_supply`: batteries and mains (Documentation/ABI/testing/sysfs-class-power). A machine without any has
//! an empty list.

use super::Paths;
use super::attributes::{AttributeDir, names_in};
use crate::model::Reading;
use crate::model::hardware::{PowerSupply, SUPPLY_NUMBERS};

/// Files that hold a text.
const TEXTS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

/// All supplies. Files that a driver refuses (a battery that is being pulled) are left out. Nothing is kept: supplies come
/// and go.
pub fn read(paths: &Paths) -> Reading<Vec<PowerSupply>> {
    let root = paths.sys("class/power_supply");
    let mut supplies = Vec::new();
    for name in names_in(&root)? {
        let directory = root.join(&name);
        let Ok(attributes) = AttributeDir::open(&directory) else { continue };
        let mut supply = PowerSupply { name, ..PowerSupply::default() };
        for file in names_in(&directory).unwrap_or_default() {
            if let Ok(index) = SUPPLY_NUMBERS.binary_search(&file.as_str()) {
                supply.numbers.extend(attributes.number(&file).map(|number| (SUPPLY_NUMBERS[index], number)));
            } else if let Ok(index) = TEXTS.binary_search(&file.as_str()) {
                let text = attributes.text(&file).filter(|text| !text.is_empty());
                supply.texts.extend(text.map(|text| (TEXTS[index], text)));
            }
        }
        supplies.push(supply);
    }
    Ok(supplies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_for_their_search() {
        assert!(SUPPLY_NUMBERS.is_sorted());
        assert!(TEXTS.is_sorted());
    }

    #[test]
    fn a_battery_is_read_by_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("class/power_supply/BAT0");
        std::fs::create_dir_all(&place).unwrap();
        for (file, text) in [("capacity", "81\n"), ("status", "Charging\n"), ("model_name", "\n"), ("uevent", "A=1\n")]
        {
            std::fs::write(place.join(file), text).unwrap();
        }
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let supplies = read(&paths).unwrap();
        let expected = PowerSupply {
            name: "BAT0".to_owned(),
            numbers: vec![("capacity", 81)],
            texts: vec![("status", "Charging".to_owned())],
        };
        assert_eq!(supplies, [expected]);
    }
}
