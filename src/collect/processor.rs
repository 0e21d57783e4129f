//! `/sys/devices/system/cpu/cpuN`: `cpufreq` (Documentation/admin-guide/pm/cpufreq.rst) and `thermal_throttle`. Virtual
//! machines have neither as a rule; the lists are empty then.

use std::path::PathBuf;

use super::attributes::{AttributeDir, numbered_in};
use crate::collect::Paths;
use crate::collect::file::FileReader;
use crate::model::Reading;
use crate::model::cpu::{FrequencyLimits, Throttles};

/// Lists the processors once for both tables.
#[derive(Debug)]
pub struct Reader {
    root: PathBuf,
    /// `online`, a list such as `0-3`: the directory is listed again when it changes.
    online: FileReader<String>,
    listed: Option<String>,
    /// Directories of the processors by number, as [`Reader::frequencies`] found them.
    processors: Vec<(u32, String)>,
}

impl Reader {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let root = paths.sys("devices/system/cpu");
        let online = FileReader::new(root.join("online"), |_, text| Ok(text.to_owned()));
        Self { root, online, listed: None, processors: Vec::new() }
    }

    /// Frequencies of the processors that have a frequency driver. They can be switched off and on.
    pub fn frequencies(&mut self) -> Reading<Vec<FrequencyLimits>> {
        let online = self.online.read().ok();
        if online.is_none() || online != self.listed {
            self.processors = numbered_in(&self.root, "cpu");
            self.listed = online;
        }
        let mut list = Vec::new();
        for (cpu, name) in &self.processors {
            let Ok(attributes) = AttributeDir::open(&self.root.join(name).join("cpufreq")) else { continue };
            let khz = |file: &str| attributes.number(file).and_then(|number| u64::try_from(number).ok());
            list.push(FrequencyLimits {
                cpu: *cpu,
                hardware_current_khz: khz("cpuinfo_cur_freq"),
                hardware_minimum_khz: khz("cpuinfo_min_freq"),
                hardware_maximum_khz: khz("cpuinfo_max_freq"),
                scaling_current_khz: khz("scaling_cur_freq"),
                scaling_minimum_khz: khz("scaling_min_freq"),
                scaling_maximum_khz: khz("scaling_max_freq"),
            });
        }
        Ok(list)
    }

    /// Throttle counts, once a core and once a package: threads of a core share theirs. Of the processors that were last
    /// listed.
    pub fn throttles(&self) -> Reading<Throttles> {
        let mut throttles = Throttles::default();
        for (_, name) in &self.processors {
            let directory = self.root.join(name);
            let Ok(counts) = AttributeDir::open(&directory.join("thermal_throttle")) else { continue };
            let Ok(topology) = AttributeDir::open(&directory.join("topology")) else { continue };
            let number = |attributes: &AttributeDir, file: &str| u64::try_from(attributes.number(file)?).ok();
            let (Some(package), Some(core)) = (number(&topology, "physical_package_id"), number(&topology, "core_id"))
            else {
                continue;
            };
            if !throttles.cores.iter().any(|known| (known.0, known.1) == (package, core)) {
                let count = number(&counts, "core_throttle_count");
                throttles.cores.extend(count.map(|count| (package, core, count)));
            }
            if !throttles.packages.iter().any(|known| known.0 == package) {
                let count = number(&counts, "package_throttle_count");
                throttles.packages.extend(count.map(|count| (package, count)));
            }
        }
        Ok(throttles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_a_core_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = dir.path().join("devices/system/cpu").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (cpu, core) in [("cpu0", "0\n"), ("cpu1", "0\n"), ("cpu2", "1\n")] {
            file(&format!("{cpu}/topology/core_id"), core);
            file(&format!("{cpu}/topology/physical_package_id"), "0\n");
            file(&format!("{cpu}/thermal_throttle/core_throttle_count"), "5\n");
            file(&format!("{cpu}/thermal_throttle/package_throttle_count"), "30\n");
        }
        file("cpu1/cpufreq/scaling_cur_freq", "1200000\n");
        file("cpufreq/boost", "1\n");
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        let expected = FrequencyLimits { cpu: 1, scaling_current_khz: Some(1_200_000), ..FrequencyLimits::default() };
        assert_eq!(reader.frequencies().unwrap(), [expected]);
        let throttles = reader.throttles().unwrap();
        file("online", "0-2\n");
        assert_eq!(reader.frequencies().unwrap().len(), 1);
        file("cpu3/cpufreq/scaling_cur_freq", "1300000\n");
        assert_eq!(reader.frequencies().unwrap().len(), 1, "not online yet");
        file("online", "0-3\n");
        assert_eq!(reader.frequencies().unwrap().len(), 2);
        assert_eq!(throttles, Throttles { cores: vec![(0, 0, 5), (0, 1, 5)], packages: vec![(0, 30)] });
    }
}
