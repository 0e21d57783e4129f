//! Tables about the hardware. Filled by [`crate::collect::kernel`]; plain data.

/// Frequencies of one CPU, `/sys/devices/system/cpu/cpuN/cpufreq`, kHz. Absent without a frequency driver, as in most
/// virtual machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrequencyLimits {
    /// The CPU.
    pub cpu: u32,
    /// `cpuinfo_cur_freq`, readable by root only.
    pub hardware_current_khz: Option<u64>,
    /// `cpuinfo_min_freq`.
    pub hardware_minimum_khz: Option<u64>,
    /// `cpuinfo_max_freq`.
    pub hardware_maximum_khz: Option<u64>,
    /// `scaling_cur_freq`.
    pub scaling_current_khz: Option<u64>,
    /// `scaling_min_freq`.
    pub scaling_minimum_khz: Option<u64>,
    /// `scaling_max_freq`.
    pub scaling_maximum_khz: Option<u64>,
}

/// How often the processor slowed itself down to cool. Intel only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttles {
    /// Package, core, `core_throttle_count`.
    pub cores: Vec<(u64, u64, u64)>,
    /// Package, `package_throttle_count`.
    pub packages: Vec<(u64, u64)>,
}

/// One directory of `/sys/class/hwmon` (Documentation/hwmon/sysfs-interface.rst).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HwmonChip {
    /// Stable name made from the place of the device: `platform_coretemp_0`.
    pub chip: String,
    /// `name`, made fit for a label: `coretemp`.
    pub name: Option<String>,
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

/// `/sys/class/dmi/id`: label and text of each field that this process may read. Serial numbers and UUIDs, which the
/// kernel shows to root only, are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmi {
    /// Label and text.
    pub fields: Vec<(&'static str, String)>,
}

/// What udev knows about one block device: the `E:` lines of `/run/udev/data/bMAJOR:MINOR` that are of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdevDevice {
    /// Device number.
    pub major_minor: (u32, u32),
    /// Key and value.
    pub properties: Vec<(Box<str>, String)>,
}

impl UdevDevice {
    /// The value of a key, if udev has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|(name, _)| &**name == key).map(|(_, value)| value.as_str())
    }
}

/// Lower case; what may not stand in a metric's name becomes an underscore, none at either end.
#[must_use]
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
    use super::clean_name;

    #[test]
    fn names_are_made_fit_for_labels() {
        assert_eq!(clean_name("Core Temp.0\n"), "core_temp_0");
        assert_eq!(clean_name("--é--"), "");
    }
}
