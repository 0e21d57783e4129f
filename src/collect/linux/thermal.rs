//! `/sys/class/thermal`: zones and cooling devices (Documentation/driver-api/thermal/sysfs-api.rst). A machine without any
//! has empty lists.

use super::Paths;
use super::attributes::{AttributeDir, names_in, numbered};
use super::file::optional;
use crate::model::Reading;
use crate::model::hardware::Thermal;

/// What is there now. A zone whose driver has no temperature to tell is left out. Nothing is kept: zones come and go.
pub fn read(paths: &Paths) -> Reading<Thermal> {
    let directory = paths.sys("class/thermal");
    let names = optional(names_in(&directory))?.unwrap_or_default();
    let mut thermal = Thermal::default();
    for (number, name) in numbered(&names, "thermal_zone") {
        let Ok(zone) = AttributeDir::open(&directory.join(name)) else { continue };
        if let (Some(kind), Some(temperature)) = (zone.text("type"), zone.number("temp")) {
            thermal.zones.push((number.to_string(), kind, temperature));
        }
    }
    for (number, name) in numbered(&names, "cooling_device") {
        let Ok(device) = AttributeDir::open(&directory.join(name)) else { continue };
        let states = (device.number("cur_state"), device.number("max_state"));
        if let (Some(kind), (Some(current), Some(maximum))) = (device.text("type"), states) {
            thermal.cooling_devices.push((number.to_string(), kind, current, maximum));
        }
    }
    Ok(thermal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_cooling_devices() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        assert_eq!(read(&paths).unwrap(), Thermal::default());
        let file = |path: &str, text: &str| {
            let path = dir.path().join("class/thermal").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        file("thermal_zone0/type", "x86_pkg_temp\n");
        file("thermal_zone0/temp", "-5000\n");
        file("thermal_zone1/type", "silent\n");
        file("cooling_device10/type", "Processor\n");
        file("cooling_device10/cur_state", "1\n");
        file("cooling_device10/max_state", "3\n");
        let thermal = read(&paths).unwrap();
        assert_eq!(thermal.zones, [("0".to_owned(), "x86_pkg_temp".to_owned(), -5000)]);
        assert_eq!(thermal.cooling_devices, [("10".to_owned(), "Processor".to_owned(), 1, 3)]);
    }
}
