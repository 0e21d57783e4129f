//! The processor itself: model, clock and throttling of each core.
//!
//! Filled by [`crate::collect`] from `/proc/cpuinfo` and `/sys/devices/system/cpu`.

use std::sync::Arc;

use serde::Serialize;

/// One `processor` block of `/proc/cpuinfo`. The keys are those of x86; another architecture fills what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RawCpuModel {
    /// `processor`.
    pub core: u32,
    /// `vendor_id`.
    pub vendor: String,
    /// `cpu family`.
    pub family: String,
    /// `model`.
    pub model: String,
    /// `stepping`.
    pub stepping: Option<i32>,
    /// `physical id`.
    pub physical_id: String,
    /// `core id`.
    pub core_id: String,
    /// `model name`.
    pub model_name: String,
    /// Highest clock of the core where cpufreq tells, else the `cpu MHz` line; MHz.
    pub mhz: Option<f64>,
    /// `cache size`, KiB.
    pub cache_kibibytes: Option<u64>,
    /// `flags`. All cores of one machine share one list. Too long to be part of every native answer.
    #[serde(skip)]
    pub flags: Arc<[String]>,
    /// `microcode`.
    pub microcode: String,
}

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

impl FrequencyLimits {
    /// Its clock now: what the driver wants, else, where that is not told, what the hardware says.
    pub fn current_khz(&self) -> Option<u64> {
        self.scaling_current_khz.or(self.hardware_current_khz)
    }
}

/// How often the processor slowed itself down to cool. Intel only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttles {
    /// Package, core, `core_throttle_count`.
    pub cores: Vec<(u64, u64, u64)>,
    /// Package, `package_throttle_count`.
    pub packages: Vec<(u64, u64)>,
}

/// The clocks of all cores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawClocks {
    /// What cpufreq tells, by core.
    pub limits: Vec<FrequencyLimits>,
    /// Number and MHz of the `cpu MHz` lines of `/proc/cpuinfo`; only where cpufreq tells no clock.
    pub cpuinfo_mhz: Vec<(u32, f64)>,
}

/// One core's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequency {
    /// Number of the core.
    pub core: u32,
    /// Clock now, MHz; 0 of a core that stands still.
    pub current_mhz: f64,
    /// Lowest clock of the hardware, MHz.
    pub min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub max_mhz: Option<f64>,
}

/// The clocks of the cores that tell theirs: cpufreq's where there is one, else those of `/proc/cpuinfo`.
pub(in crate::model) fn frequencies(raw: &RawClocks) -> Vec<Frequency> {
    let mhz = |khz: u64| khz as f64 / 1000.0;
    let of_driver = raw.limits.iter().filter_map(|core| {
        Some(Frequency {
            core: core.cpu,
            current_mhz: mhz(core.current_khz()?),
            min_mhz: core.hardware_minimum_khz.map(mhz),
            max_mhz: core.hardware_maximum_khz.map(mhz),
        })
    });
    let of_cpuinfo = raw.cpuinfo_mhz.iter().map(|(core, current_mhz)| Frequency {
        core: *core,
        current_mhz: *current_mhz,
        min_mhz: None,
        max_mhz: None,
    });
    of_driver.chain(of_cpuinfo).collect()
}

/// Mean clock of the cores that run, MHz. One that is switched off, or whose driver does not know, says 0.
pub(in crate::model) fn mean_frequency(clocks: &[Frequency]) -> Option<f64> {
    let running: Vec<f64> = clocks.iter().map(|clock| clock.current_mhz).filter(|mhz| *mhz > 0.0).collect();
    (!running.is_empty()).then(|| running.iter().sum::<f64>() / running.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_tells_before_cpuinfo_and_a_core_without_a_clock_has_no_row() {
        let limits = vec![
            FrequencyLimits { cpu: 0, scaling_current_khz: Some(1_500_000), ..FrequencyLimits::default() },
            FrequencyLimits { cpu: 1, hardware_maximum_khz: Some(2_000_000), ..FrequencyLimits::default() },
        ];
        let clocks = frequencies(&RawClocks { limits, cpuinfo_mhz: Vec::new() });
        let first = Frequency { core: 0, current_mhz: 1_500.0, min_mhz: None, max_mhz: None };
        assert_eq!(clocks, [first]);
        let cpuinfo = frequencies(&RawClocks { limits: Vec::new(), cpuinfo_mhz: vec![(0, 1_500.0), (3, 500.0)] });
        assert_eq!(cpuinfo[0], first);
        assert_eq!((mean_frequency(&cpuinfo), mean_frequency(&[])), (Some(1_000.0), None));
    }

    #[test]
    fn a_core_at_zero_is_in_no_mean_and_the_hardware_tells_where_the_driver_does_not() {
        let of = |cpu, scaling_current_khz, hardware_current_khz| FrequencyLimits {
            cpu,
            scaling_current_khz,
            hardware_current_khz,
            ..FrequencyLimits::default()
        };
        let told = |limits: &[FrequencyLimits]| {
            let clocks = frequencies(&RawClocks { limits: limits.to_vec(), cpuinfo_mhz: Vec::new() });
            mean_frequency(&clocks)
        };
        assert_eq!(told(&[of(0, Some(2_000_000), None), of(1, Some(0), None)]), Some(2_000.0));
        assert_eq!(told(&[of(0, None, Some(1_200_000)), of(1, Some(800_000), Some(5))]), Some(1_000.0));
        assert_eq!(told(&[of(0, Some(0), None)]), None);
    }
}
