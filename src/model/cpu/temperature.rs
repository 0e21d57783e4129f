//! Which of a machine's temperatures is that of its CPU.
//!
//! Called by [`crate::model::derive()`]. Thermometers are found by kind, not by a list of boards: a driver of CPUs, or a chip,
//! zone or label that speaks of a package, a CPU, a core or a whole `SoC`, and of nothing else. It must not guess: a machine
//! of which nothing says that it is the CPU has no such temperature.

use crate::model::hardware::Temperature;

/// Drivers that measure nothing but a processor of Intel or AMD.
const CPU_DRIVERS: [&str; 5] = ["coretemp", "k10temp", "zenpower", "k8temp", "fam15h_power"];

/// Words of what is not the CPU even where its name stands beside: `GPU core`, `CPU VRM`, `battery soc`. Each is the beginning
/// of a word.
const OTHERS: [&str; 32] = [
    "ambient",
    "bat",
    "board",
    "cam",
    "charg",
    "chipset",
    "cool",
    "ddr",
    "dimm",
    "disk",
    "dram",
    "drive",
    "fan",
    "inlet",
    "mem",
    "modem",
    "mos",
    "motherboard",
    "nouveau",
    "npu",
    "nvme",
    "outlet",
    "pch",
    "pmic",
    "psu",
    "radeon",
    "sodimm",
    "socket",
    "vpu",
    "vr",
    "water",
    "wlan",
];

/// Zones and chips of `SoC`s that have one thermometer and do not say of what. As a chip a zone has `_` for `-`.
const SOC_DRIVERS: [&str; 9] = [
    "aml_thermal",
    "armada_thermal",
    "bcm2835_thermal",
    "exynos_therm",
    "exynos_tmu",
    "imx_thermal_zone",
    "sun4i_ts",
    "sunxi_therm",
    "tj_thermal",
];

/// Clusters of cores that are called by their code names or sizes: Exynos 5433, and the phones that came after it.
const CLUSTERS: [&str; 5] = ["atlas", "apollo", "big", "mid", "little"];

/// What a thermometer shows, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A driver of CPUs: the package, then what AMD calls die and control, then a core.
    DriverPackage,
    DriverDie,
    DriverControl,
    Driver,
    /// A package by its name.
    Package,
    /// A zone or chip of the CPU.
    CpuChip,
    /// The sensor of the CPU on a chip that measures a board.
    CpuLabel,
    /// A core, or a cluster of them.
    Core,
    /// The chip that the CPU is a part of.
    Soc,
    /// The firmware's one zone, which on most machines follows the CPU.
    Firmware,
}

/// Temperature of the CPU as a whole: the hottest of the best thermometers that there are.
pub(in crate::model) fn temperature(all: &[Temperature]) -> Option<f64> {
    let known = || all.iter().filter_map(|one| Some((kind(one)?, one.celsius)));
    let best = known().map(|(kind, _)| kind).min()?;
    known().filter(|(kind, _)| *kind == best).map(|(_, celsius)| celsius).max_by(f64::total_cmp)
}

fn kind(one: &Temperature) -> Option<Kind> {
    let (chip, label) = (one.chip.to_ascii_lowercase(), one.label.to_ascii_lowercase());
    if CPU_DRIVERS.contains(&chip.as_str()) {
        return Some(match &label {
            label if label.starts_with("package") => Kind::DriverPackage,
            label if label.starts_with("tdie") => Kind::DriverDie,
            label if label.starts_with("tctl") => Kind::DriverControl,
            _ => Kind::Driver,
        });
    }
    let any = |is: &dyn Fn(&str) -> bool| words(&chip).chain(words(&label)).any(is);
    if any(&|word| word.contains("gpu") || OTHERS.iter().any(|other| word.starts_with(other))) {
        return None;
    }
    let without_number = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    if any(&|word| word.contains("package") || word == "pkg") {
        return Some(Kind::Package);
    }
    if words(&chip).any(|word| word.contains("cpu")) {
        return Some(Kind::CpuChip);
    }
    if words(&label).any(|word| word.contains("cpu")) {
        return Some(Kind::CpuLabel);
    }
    if any(&|word| without_number(word).ends_with("core"))
        || words(&chip).any(|word| CLUSTERS.contains(&&*without_number(word)))
    {
        return Some(Kind::Core);
    }
    if SOC_DRIVERS.contains(&chip.replace('-', "_").as_str()) || any(&|word| without_number(word) == "soc") {
        return Some(Kind::Soc);
    }
    (chip == "acpitz").then_some(Kind::Firmware)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine, its thermometers (chip or zone, label, degrees), and what is that of the CPU.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str, f64)], Option<f64>);

    const BOARDS: &[Row<'static>] = &[
        (
            "RK3588",
            &[
                ("package-thermal", "thermal_zone0", 36.1),
                ("bigcore0-thermal", "thermal_zone1", 41.0),
                ("gpu-thermal", "thermal_zone5", 60.0),
                ("npu-thermal", "thermal_zone6", 61.0),
                ("center-thermal", "thermal_zone4", 62.0),
            ],
            Some(36.1),
        ),
        (
            "RK3588 without a package",
            &[
                ("bigcore0-thermal", "z", 40.0),
                ("bigcore2-thermal", "z", 43.0),
                ("littlecore-thermal", "z", 39.0),
                ("soc-thermal", "z", 70.0),
                ("gpu-thermal", "z", 60.0),
            ],
            Some(43.0),
        ),
        (
            "Pine64",
            &[("cpu0-thermal", "z", 48.1), ("gpu0-thermal", "z", 52.0), ("gpu1-thermal", "z", 53.0)],
            Some(48.1),
        ),
        (
            "Jetson Nano",
            &[
                ("AO-therm", "z", 44.5),
                ("CPU-therm", "z", 38.5),
                ("GPU-therm", "z", 39.0),
                ("PLL-therm", "z", 40.0),
                ("PMIC-Die", "z", 100.0),
                ("thermal-fan-est", "z", 42.0),
            ],
            Some(38.5),
        ),
        ("Jetson TX2", &[("BCPU-therm", "z", 40.0), ("MCPU-therm", "z", 42.0), ("GPU-therm", "z", 50.0)], Some(42.0)),
        (
            "Jetson Orin",
            &[("cpu-thermal", "z", 50.0), ("soc0-thermal", "z", 52.0), ("tj_thermal", "z", 53.0)],
            Some(50.0),
        ),
        ("i.MX 6", &[("imx_thermal_zone", "z", 45.2)], Some(45.2)),
        (
            "i.MX 8",
            &[("cpu0-thermal", "z", 41.0), ("cpu1-thermal", "z", 44.0), ("drc0-thermal", "z", 60.0)],
            Some(44.0),
        ),
        ("i.MX 8M", &[("cpu-thermal", "z", 41.0), ("gpu-thermal", "z", 44.0), ("vpu-thermal", "z", 60.0)], Some(41.0)),
        ("Amlogic S905", &[("aml_thermal", "z", 51.0)], Some(51.0)),
        ("Amlogic G12", &[("cpu_thermal", "temp1", 47.0), ("ddr_thermal", "temp1", 49.0)], Some(47.0)),
        (
            "Qualcomm",
            &[
                ("aoss0-thermal", "z", 60.0),
                ("cpuss0-thermal", "z", 40.3),
                ("gpuss-0-thermal", "z", 61.0),
                ("mdmss-0-thermal", "z", 62.0),
                ("pm8150_thermal", "temp1", 63.0),
            ],
            Some(40.3),
        ),
        ("Qualcomm, by core", &[("cpu-0-0-thermal", "z", 40.0), ("cpu-1-3-top-thermal", "z", 46.0)], Some(46.0)),
        ("Exynos 4", &[("exynos-therm", "z", 44.0)], Some(44.0)),
        (
            "Exynos 5422",
            &[("cpu0-thermal", "z", 50.0), ("cpu3-thermal", "z", 55.0), ("gpu-thermal", "z", 70.0)],
            Some(55.0),
        ),
        (
            "Exynos 5433",
            &[
                ("atlas0-thermal", "z", 50.0),
                ("apollo-thermal", "z", 45.0),
                ("g3d-thermal", "z", 70.0),
                ("isp-thermal", "z", 71.0),
            ],
            Some(50.0),
        ),
        ("MediaTek", &[("mtktscpu", "z", 44.0), ("mtktsbattery", "z", 60.0), ("mtktswmt", "z", 61.0)], Some(44.0)),
        ("Raspberry Pi", &[("cpu_thermal", "temp1", 47.2), ("rp1_adc", "temp1", 55.0)], Some(47.2)),
        (
            "Atom of tablets",
            &[("soc_dts0", "z", 48.0), ("soc_dts1", "z", 51.0), ("battery_soc", "z", 90.0)],
            Some(51.0),
        ),
        ("X-Gene", &[("apm_xgene", "SoC Temperature", 43.0)], Some(43.0)),
        ("VIA", &[("via_cputemp", "Core 0", 41.0), ("acpitz", "temp1", 27.0)], Some(41.0)),
        ("Asus", &[("atk0110", "CPU Temperature", 51.0), ("atk0110", "MB Temperature", 60.0)], Some(51.0)),
        (
            "Asus, later",
            &[
                ("asus_wmi_sensors", "CPU Temperature", 50.0),
                ("asus_wmi_sensors", "CPU Socket Temperature", 70.0),
                ("asus_wmi_sensors", "CPU VRM Temperature", 80.0),
                ("asus_wmi_sensors", "Motherboard Temperature", 81.0),
            ],
            Some(50.0),
        ),
        (
            "Dell",
            &[
                ("dell_smm", "CPU", 55.0),
                ("dell_smm", "GPU", 70.0),
                ("dell_smm", "SODIMM", 71.0),
                ("dell_smm", "Ambient", 72.0),
                ("dell_smm", "Other", 73.0),
            ],
            Some(55.0),
        ),
        ("ThinkPad", &[("thinkpad", "CPU", 52.0), ("thinkpad", "GPU", 70.0), ("thinkpad", "temp3", 80.0)], Some(52.0)),
        (
            "a chip of the board",
            &[("nct6798", "SYSTIN", 60.0), ("nct6798", "CPUTIN", 41.0), ("nct6798", "PCH_CHIP_CPU_MAX_TEMP", 90.0)],
            Some(41.0),
        ),
        (
            "POWER",
            &[("ibmpowernv", "Core 0-7", 51.0), ("ibmpowernv", "Core 8-15", 54.0), ("ibmpowernv", "DIMM 0", 70.0)],
            Some(54.0),
        ),
        ("a virtual machine", &[("acpitz", "temp1", 27.8)], Some(27.8)),
        (
            "Intel's zone alone",
            &[("acpitz", "z", 27.8), ("INT3400 Thermal", "z", 20.0), ("x86_pkg_temp", "z", 47.0)],
            Some(47.0),
        ),
        ("Intel's zone of a laptop", &[("acpitz", "z", 27.8), ("TCPU", "z", 51.0), ("TMEM", "z", 60.0)], Some(51.0)),
        (
            "Intel, two packages",
            &[
                ("coretemp", "Package id 0", 50.0),
                ("coretemp", "Core 0", 58.0),
                ("coretemp", "Package id 1", 57.0),
                ("nct6798", "CPUTIN", 90.0),
            ],
            Some(57.0),
        ),
        ("Intel without a package", &[("coretemp", "Core 0", 41.0), ("coretemp", "Core 1", 44.0)], Some(44.0)),
        (
            "AMD",
            &[
                ("k10temp", "Tctl", 70.0),
                ("k10temp", "Tdie", 50.0),
                ("k10temp", "Tccd1", 60.0),
                ("amdgpu", "edge", 80.0),
            ],
            Some(50.0),
        ),
        ("AMD, old", &[("k10temp", "temp1", 44.0)], Some(44.0)),
        (
            "nothing that is the CPU",
            &[
                ("amdgpu", "edge", 50.0),
                ("nouveau", "GPU core", 50.0),
                ("BAT0", "temp1", 30.0),
                ("battery", "soc", 80.0),
                ("iwlwifi_1", "temp1", 40.0),
                ("nvme", "Composite", 38.0),
                ("drivetemp", "temp1", 35.0),
                ("nct6798", "SYSTIN", 30.0),
                ("nct6798", "AUXTIN0", 30.0),
                ("pch_cannonlake", "temp1", 50.0),
                ("asusec", "VRM", 50.0),
                ("asusec", "Chipset", 50.0),
                ("jc42", "temp1", 40.0),
                ("corsairpsu", "vrm temp", 40.0),
                ("gpu_thermal", "temp1", 40.0),
                ("ucsi_source_psy_USBC000:001", "temp1", 40.0),
            ],
            None,
        ),
        ("no thermometer", &[], None),
    ];

    #[test]
    fn each_board_tells_the_temperature_of_its_cpu_and_of_nothing_else() {
        for (board, sensors, expected) in BOARDS {
            for reversed in [false, true] {
                let mut all: Vec<Temperature> = sensors
                    .iter()
                    .map(|(chip, label, celsius)| Temperature {
                        chip: (*chip).to_owned(),
                        label: (*label).to_owned(),
                        celsius: *celsius,
                        ..Temperature::default()
                    })
                    .collect();
                if reversed {
                    all.reverse();
                }
                assert_eq!(temperature(&all), *expected, "{board}");
            }
        }
    }
}
