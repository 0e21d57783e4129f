//! Tests of temperatures and fans: from the files of hwmon and of the thermal zones to what the model makes of both.

use std::fs;

use super::{Paths, testing};
use crate::collect::Collector;
use crate::model::hardware::{Fan, Sensors};
use crate::model::{Subjects, derive};

/// What is told of a machine.
fn told(paths: &Paths) -> Option<Sensors> {
    derive(&Collector::new(paths).read(Subjects::SENSORS)).sensors
}

/// A `/sys` of the given files, and its roots.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join("class").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let paths = Paths { sysfs: dir.path().to_owned(), ..Paths::host() };
    (dir, paths)
}

#[test]
fn sensors_come_by_number_with_label_and_limits() {
    let (_dir, paths) = machine(&[
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
    let sensors = told(&paths).unwrap();
    let listed: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label, t.celsius)).collect();
    assert_eq!(listed, [("coretemp", "Core 0", 40.5), ("coretemp", "temp10", 41.0), ("nvme", "temp1", -5.85)]);
    assert_eq!(sensors.temperatures[0].high_celsius, Some(100.0));
    assert_eq!(sensors.temperatures[0].critical_celsius, None, "65261.85 degrees are no limit");
    assert_eq!(sensors.fans, [Fan { chip: "coretemp".into(), label: "fan1".into(), rpm: 2345 }]);
}

#[test]
fn a_sensor_that_fails_is_left_out_alone() {
    let (_dir, paths) = machine(&[
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
    let sensors = told(&paths).unwrap();
    assert_eq!(sensors.temperatures.iter().map(|t| &*t.label).collect::<Vec<_>>(), ["temp6"]);
    assert_eq!(sensors.fans, []);
}

#[test]
fn old_drivers_have_their_files_one_folder_down() {
    let (_dir, paths) = machine(&[
        ("hwmon/hwmon0/device/name", "k8temp\n"),
        ("hwmon/hwmon0/device/temp1_input", "29000\n"),
        ("hwmon/hwmon1/temp1_input", "30000\n"),
    ]);
    let sensors = told(&paths).unwrap();
    let listed: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, t.celsius)).collect();
    assert_eq!(listed, [("k8temp", 29.0), ("hwmon1", 30.0)]);
}

#[test]
fn a_zone_that_is_a_chip_too_is_told_once() {
    let (_dir, paths) = machine(&[
        ("hwmon/hwmon0/name", "cpu_thermal\n"),
        ("hwmon/hwmon0/temp1_input", "50000\n"),
        ("thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("thermal/thermal_zone0/temp", "50100\n"),
        ("thermal/thermal_zone1/type", "x86_pkg_temp\n"),
        ("thermal/thermal_zone1/temp", "48000\n"),
        ("thermal/thermal_zone2/type", "off\n"),
        ("thermal/cooling_device0/type", "Processor\n"),
    ]);
    let sensors = told(&paths).unwrap();
    let listed: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label, t.celsius)).collect();
    assert_eq!(listed, [("cpu_thermal", "temp1", 50.0), ("x86_pkg_temp", "thermal_zone1", 48.0)]);
}

#[test]
fn a_machine_without_sensors_is_no_fault() {
    let (_dir, paths) = machine(&[("thermal/cooling_device0/type", "Processor\n")]);
    assert_eq!(told(&paths), None);
    let (_dir, paths) = machine(&[]);
    assert_eq!(told(&paths), None);
}

#[test]
fn a_chip_name_that_is_not_text_is_replaced() {
    let (dir, paths) = machine(&[("hwmon/hwmon0/temp1_input", "30000\n")]);
    fs::write(dir.path().join("class/hwmon/hwmon0/name"), b"chip\xff\n").unwrap();
    assert_eq!(told(&paths).unwrap().temperatures[0].chip, "chip\u{fffd}");
}

#[test]
fn the_laptop_has_three_chips_and_two_zones() {
    let sensors = told(&testing::laptop()).unwrap();
    let listed: Vec<_> = sensors.temperatures.iter().map(|t| (&*t.chip, &*t.label)).collect();
    let cores = ["Package id 0", "Core 0", "Core 1", "Core 2", "Core 3"].map(|label| ("coretemp", label));
    assert_eq!(listed[..5], cores);
    let others = [("nvme", "Composite"), ("nvme", "Sensor 1"), ("thinkpad", "CPU"), ("thinkpad", "GPU")];
    assert_eq!(listed[5..9], others);
    assert_eq!(listed[9..], [("acpitz", "thermal_zone0"), ("x86_pkg_temp", "thermal_zone1")]);
    assert_eq!(sensors.temperatures[6].high_celsius, None);
    assert_eq!(sensors.fans, [Fan { chip: "thinkpad".into(), label: "fan1".into(), rpm: 2631 }]);
}
