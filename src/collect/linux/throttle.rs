//! `/sys/devices/system/cpu/cpuN/thermal_throttle`: how often the processor slowed itself down to cool. Intel only; the
//! lists are empty elsewhere.

use super::Paths;
use super::attributes::{AttributeDir, numbered_in};
use crate::model::Reading;
use crate::model::cpu::Throttles;

/// Throttle counts, once a core and once a package: threads of a core share theirs.
pub fn read(paths: &Paths) -> Reading<Throttles> {
    let root = paths.sys("devices/system/cpu");
    let mut throttles = Throttles::default();
    for (_, name) in numbered_in(&root, "cpu") {
        let directory = root.join(name);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::machine_of;

    #[test]
    fn threads_of_a_core_count_once() {
        let cpu = |cpu: &str, core: &'static str| {
            let file = |file: &str, text| (format!("sys/devices/system/cpu/{cpu}/{file}"), text);
            [
                file("topology/core_id", core),
                file("topology/physical_package_id", "0\n"),
                file("thermal_throttle/core_throttle_count", "5\n"),
                file("thermal_throttle/package_throttle_count", "30\n"),
            ]
        };
        let files: Vec<_> = [("cpu0", "0\n"), ("cpu1", "0\n"), ("cpu2", "1\n")].map(|(n, core)| cpu(n, core)).concat();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (_dir, paths) = machine_of(&files);
        let expected = Throttles { cores: vec![(0, 0, 5), (0, 1, 5)], packages: vec![(0, 30)] };
        assert_eq!(read(&paths).unwrap(), expected);
    }
}
