//! The clock of each core: cpufreq under `/sys/devices/system/cpu` (Documentation/admin-guide/pm/cpufreq.rst), else the
//! `cpu MHz` lines of `/proc/cpuinfo`.
//!
//! Called by [`super::Collector`] while somebody watches the frequency. Absent on most virtual machines that are not x86.

use std::path::Path;

use super::Paths;
use super::cpuinfo;
use super::file::{KeptFile, optional, read_number};
use super::lines::{Bad, Taken, fraction, number, one, walk_each};
use crate::model::cpu::RawFrequency;
use crate::model::{Faults, ReadError, Reading};

/// Keeps the file of each core open.
#[derive(Debug)]
pub struct Reader {
    paths: Paths,
    online: KeptFile,
    /// The text of `online` that `cores` was made from.
    listed: String,
    cores: Vec<Core>,
    /// What of `listed` could not be read.
    left_out: Faults,
    cpuinfo: KeptFile,
}

/// One core with a cpufreq policy.
#[derive(Debug)]
struct Core {
    number: u32,
    current: KeptFile,
    min_mhz: Option<f64>,
    max_mhz: Option<f64>,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            online: KeptFile::new(paths.sys("devices/system/cpu/online")),
            listed: String::new(),
            cores: Vec::new(),
            left_out: Faults::default(),
            cpuinfo: KeptFile::new(paths.proc("cpuinfo")),
        }
    }

    /// The clocks now, by number of the core. A core that does not tell has no row.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<RawFrequency>> {
        // What the list leaves out is told as long as the list stands.
        if let Err(error) = self.list() {
            self.left_out.add_with(|| error);
        }
        let left_out = self.left_out.clone();
        let mut clocks = Vec::with_capacity(self.cores.len());
        for core in &mut self.cores {
            // A core that went offline between the list and the read, or whose driver prints "<unknown>", has no clock.
            if let Ok(current_mhz) = core.current.read_text_with(parse_kilohertz) {
                let (min_mhz, max_mhz) = (core.min_mhz, core.max_mhz);
                clocks.push(RawFrequency { core: core.number, current_mhz, min_mhz, max_mhz });
            }
        }
        if !clocks.is_empty() {
            faults.append(left_out);
            return Ok(clocks);
        }
        let models = self.cpuinfo.read_text_with(|_, text| Ok(cpuinfo::clocks(text)))?;
        if models.is_empty() {
            let absent = || ReadError::Unsupported { path: self.paths.sys("devices/system/cpu").display().to_string() };
            return Err(left_out.into_first().unwrap_or_else(absent));
        }
        faults.append(left_out);
        let clock = |(core, current_mhz)| RawFrequency { core, current_mhz, min_mhz: None, max_mhz: None };
        Ok(models.into_iter().map(clock).collect())
    }

    /// Makes the list of cores anew when the kernel's own list of cores that are online has changed.
    fn list(&mut self) -> Reading<()> {
        let Some(online) = optional(self.online.read())? else {
            self.left_out = Faults::default();
            self.cores.clear();
            self.listed.clear();
            return Ok(());
        };
        if online == self.listed {
            return Ok(());
        }
        self.left_out = Faults::default();
        self.cores.clear();
        self.listed = online.into_owned();
        let path = self.paths.sys("devices/system/cpu/online");
        // Of a list that cannot be read at all nothing is left: cpuinfo tells.
        let numbers = parse_online(&path, &self.listed, &mut self.left_out);
        let numbers = self.left_out.part(numbers).unwrap_or_default();
        let paths = &self.paths;
        self.cores = numbers
            .into_iter()
            .map(|number| {
                let file = |name| paths.sys(&format!("devices/system/cpu/cpu{number}/cpufreq/{name}"));
                let limit = |name| read_number::<u32>(&file(name)).ok().map(|kilohertz| f64::from(kilohertz) / 1000.0);
                Core {
                    number,
                    current: KeptFile::new(file("scaling_cur_freq")),
                    min_mhz: limit("cpuinfo_min_freq"),
                    max_mhz: limit("cpuinfo_max_freq"),
                }
            })
            .collect();
        Ok(())
    }
}

/// The text of `scaling_cur_freq`, kHz, as MHz.
pub fn parse_kilohertz(path: &Path, text: &str) -> Reading<f64> {
    one(path, text, |line| Ok(fraction(Some(line.trim()), "kHz")? / 1000.0))
}

/// More cores than any kernel is built for (`CONFIG_NR_CPUS` ends at 8192); bounds what a wrong text can ask for.
const MOST_CORES: usize = 1 << 16;

/// The text of `online`, a list of ranges such as `0-3,6`.
pub fn parse_online(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<u32>> {
    let mut cores = Vec::new();
    let ranges = text.trim().split(',').filter(|range| !range.is_empty());
    if ranges.clone().next().is_none() {
        return Ok(cores);
    }
    walk_each(path, ranges.map(|range| (1, range)), faults, |_, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let expected = "ranges of cores as 0-3,6";
        let (first, last): (u32, u32) = (number(Some(first), expected)?, number(Some(last), expected)?);
        if last.saturating_sub(first) as usize + cores.len() >= MOST_CORES {
            return Err(Bad::found("fewer cores", range));
        }
        cores.extend(first..=last);
        Ok(Taken::Value)
    })?;
    Ok(cores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{laptop, partial, whole};
    use std::fs;

    #[test]
    fn a_laptop() {
        let clocks = Reader::new(&laptop()).read(&mut Faults::default()).unwrap();
        let row = |core, current_mhz| RawFrequency {
            core,
            current_mhz,
            min_mhz: Some(400.0),
            max_mhz: Some(if core < 2 { 4200.0 } else { 4100.0 }),
        };
        assert_eq!(clocks, [row(0, 1800.204), row(1, 2399.998), row(2, 800.0), row(3, 1100.5)]);
    }

    #[test]
    fn without_cpufreq_cpuinfo_tells() {
        let dir = tempfile::tempdir().unwrap();
        let clocks = Reader::new(&Paths { sysfs: dir.path().into(), ..laptop() }).read(&mut Faults::default()).unwrap();
        let expected = RawFrequency { core: 1, current_mhz: 2399.998, min_mhz: None, max_mhz: None };
        assert_eq!((clocks.len(), clocks[1]), (4, expected));
    }

    #[test]
    fn without_either_there_is_no_clock() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { sysfs: dir.path().into(), procfs: dir.path().into(), ..laptop() };
        assert!(matches!(Reader::new(&paths).read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
        fs::write(dir.path().join("cpuinfo"), "processor\t: 0\nBogoMIPS\t: 108.00\n").unwrap();
        assert!(matches!(Reader::new(&paths).read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
    }

    #[test]
    fn a_core_that_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cpu = dir.path().join("devices/system/cpu");
        for (core, text) in [("cpu0", "1000000\n"), ("cpu1", "<unknown>\n"), ("cpu2", "3000000\n")] {
            fs::create_dir_all(cpu.join(core).join("cpufreq")).unwrap();
            fs::write(cpu.join(core).join("cpufreq/scaling_cur_freq"), text).unwrap();
        }
        let mut reader = Reader::new(&Paths { sysfs: dir.path().into(), ..laptop() });
        let mut cores_of = |online: &str| {
            fs::write(cpu.join("online"), online).unwrap();
            reader.read(&mut Faults::default()).unwrap().iter().map(|clock| clock.core).collect::<Vec<_>>()
        };
        assert_eq!(cores_of("0-1\n"), [0]);
        assert_eq!(cores_of("0-2\n"), [0, 2]);
        assert_eq!(cores_of("2\n"), [2]);
    }

    #[test]
    fn lists_of_cores() {
        let parse = |text| whole(|faults| parse_online(Path::new("online"), text, faults));
        assert_eq!(parse("0-3,6,8-9\n"), Ok(vec![0, 1, 2, 3, 6, 8, 9]));
        assert_eq!(parse("\n"), Ok(vec![]));
        for text in ["x\n", "0-\n", "1;2\n", "0-4294967295\n", "4294967296\n"] {
            assert!(matches!(parse(text), Err(ReadError::Parse { line: 1, .. })), "{text:?}");
        }
        let (cores, _) = partial(|faults| parse_online(Path::new("online"), "0,x,2-3\n", faults));
        assert_eq!(cores, [0, 2, 3]);
    }
}
