//! The clock of each core: `/sys/devices/system/cpu/cpuN/cpufreq` (Documentation/admin-guide/pm/cpufreq.rst), and where no
//! core has that, as in most virtual machines, the `cpu MHz` lines of `/proc/cpuinfo`.
//!
//! A reader of our own because sysinfo tells neither limits nor the clock of another root. Asking a core for its clock may
//! wait for that core.

use std::borrow::Cow;
use std::path::PathBuf;

use super::Paths;
use super::attributes::{KeptDir, numbered_in};
use super::cpuinfo;
use super::file::KeptFile;
use crate::model::Reading;
use crate::model::cpu::{FrequencyLimits, RawClocks};

/// The files of a core, in the order in which [`Core::read`] takes them. The limits of the hardware are [`cpuinfo`]'s.
const FILES: [&str; 4] = ["scaling_cur_freq", "scaling_min_freq", "scaling_max_freq", "cpuinfo_cur_freq"];

/// Keeps the files of each core open.
#[derive(Debug)]
pub struct Reader {
    root: PathBuf,
    /// `online`, a list such as `0-3`: the cores are listed again when it changes.
    online: KeptFile,
    listed: Option<String>,
    cores: Vec<Core>,
    cpuinfo: cpuinfo::Reader,
}

/// One core with a frequency driver.
#[derive(Debug)]
struct Core {
    number: u32,
    files: KeptDir,
    /// What the hardware can do does not change.
    hardware: [Option<u64>; 2],
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths, cpuinfo: cpuinfo::Reader) -> Self {
        let root = paths.sys("devices/system/cpu");
        let online = KeptFile::new(root.join("online"));
        Self { root, online, listed: None, cores: Vec::new(), cpuinfo }
    }

    /// The clocks now, by number of the core. They can be switched off and on.
    pub fn read(&mut self) -> Reading<RawClocks> {
        let online = self.online.read().ok();
        if online.is_none() || online.as_deref() != self.listed.as_deref() {
            self.listed = online.map(Cow::into_owned);
            let core = |(number, name): (u32, String)| {
                let files = KeptDir::open(&self.root.join(name).join("cpufreq"), &FILES).ok()?;
                Some(Core { number, files, hardware: self.cpuinfo.limits(number) })
            };
            self.cores = numbered_in(&self.root, "cpu").into_iter().filter_map(core).collect();
        }
        let limits: Vec<FrequencyLimits> = self.cores.iter().map(Core::read).collect();
        let cpuinfo_mhz = if limits.iter().any(|core| core.current_khz().is_some_and(|khz| khz > 0)) {
            Vec::new()
        } else {
            self.cpuinfo.clocks()?
        };
        Ok(RawClocks { limits, cpuinfo_mhz })
    }
}

impl Core {
    /// What it tells. A core that went offline since it was listed, or whose driver prints `<unknown>`, tells nothing.
    fn read(&self) -> FrequencyLimits {
        let [hardware_minimum_khz, hardware_maximum_khz] = self.hardware;
        FrequencyLimits {
            cpu: self.number,
            hardware_current_khz: khz(&self.files, 3),
            hardware_minimum_khz,
            hardware_maximum_khz,
            scaling_current_khz: khz(&self.files, 0),
            scaling_minimum_khz: khz(&self.files, 1),
            scaling_maximum_khz: khz(&self.files, 2),
        }
    }
}

fn khz(files: &KeptDir, index: usize) -> Option<u64> {
    files.number(index).and_then(|number| u64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{laptop, machine_of};
    use std::fs;

    fn reader(paths: &Paths) -> Reader {
        Reader::new(paths, cpuinfo::Reader::new(paths))
    }

    #[test]
    fn a_laptop() {
        let clocks = reader(&laptop()).read().unwrap();
        let told: Vec<_> = clocks.limits.iter().map(|core| (core.cpu, core.scaling_current_khz)).collect();
        assert_eq!(told, [(0, Some(1_800_204)), (1, Some(2_399_998)), (2, Some(800_000)), (3, Some(1_100_500))]);
        assert_eq!(clocks.limits[2].hardware_minimum_khz, Some(400_000));
        assert_eq!(clocks.limits[2].hardware_maximum_khz, Some(4_100_000));
        assert_eq!(clocks.cpuinfo_mhz, []);
    }

    #[test]
    fn without_cpufreq_cpuinfo_tells() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..laptop() };
        let clocks = reader(&paths).read().unwrap();
        assert_eq!((clocks.limits.len(), clocks.cpuinfo_mhz.len(), clocks.cpuinfo_mhz[1]), (0, 4, (1, 2399.998)));
        let paths = Paths { procfs: dir.path().into(), ..paths };
        assert_eq!(reader(&paths).read(), Ok(RawClocks::default()));
    }

    #[test]
    fn the_hardware_tells_where_the_driver_has_no_clock() {
        let folder = "sys/devices/system/cpu/cpu0/cpufreq";
        let cpuinfo = ("proc/cpuinfo".to_owned(), "processor\t: 0\ncpu MHz\t\t: 700.000\n");
        let of = |file: &str, text| {
            let files = [(format!("{folder}/{file}"), text), cpuinfo.clone()];
            let (_dir, paths) = machine_of(&files.each_ref().map(|(file, text)| (file.as_str(), *text)));
            reader(&paths).read().unwrap()
        };
        let clocks = of("cpuinfo_cur_freq", "1200000\n");
        assert_eq!((clocks.limits[0].current_khz(), clocks.cpuinfo_mhz), (Some(1_200_000), Vec::new()));
        assert_eq!(of("scaling_cur_freq", "0\n").cpuinfo_mhz, [(0, 700.0)], "a clock of 0 is none");
    }

    #[test]
    fn a_core_that_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cpu = dir.path().join("devices/system/cpu");
        let core = |name: &str, text: &str| {
            fs::create_dir_all(cpu.join(name).join("cpufreq")).unwrap();
            fs::write(cpu.join(name).join("cpufreq/scaling_cur_freq"), text).unwrap();
        };
        core("cpu0", "1000000\n");
        core("cpu1", "<unknown>\n");
        let mut reader = reader(&Paths { sysfs: dir.path().into(), ..laptop() });
        let mut clocks = |online: &str| {
            fs::write(cpu.join("online"), online).unwrap();
            let clocks = reader.read().unwrap();
            clocks.limits.iter().map(|core| (core.cpu, core.scaling_current_khz)).collect::<Vec<_>>()
        };
        let first = [(0, Some(1_000_000)), (1, None)];
        assert_eq!(clocks("0-1\n"), first);
        core("cpu2", "3000000\n");
        assert_eq!(clocks("0-1\n"), first, "not online yet");
        assert_eq!(clocks("0-2\n"), [first[0], first[1], (2, Some(3_000_000))]);
        fs::remove_dir_all(cpu.join("cpu0")).unwrap();
        assert_eq!(clocks("1-2\n"), [first[1], (2, Some(3_000_000))]);
    }
}
