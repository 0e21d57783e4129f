//! `/proc/cpuinfo` and `cpufreq/cpuinfo_*_freq`: what the cores are, and their clocks where there is no cpufreq.
//!
//! Asked by the readers of host facts and of frequencies. The text differs by architecture and is meant for people, so
//! nothing in it is an error: what is not understood is left out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Paths;
use super::file::{KeptFile, optional, read_number};
use crate::model::Reading;
use crate::model::cpu::RawCpuModel;

/// For so long what was read serves whoever asks for the models: both who ask may do so at one tick.
const SERVES: Duration = Duration::from_secs(1);

/// Reads both for everybody. Clones are the same reader.
#[derive(Clone, Debug)]
pub struct Reader(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    file: KeptFile,
    read_at: Option<Instant>,
    cores: PathBuf,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let (file, cores) = (KeptFile::new(paths.proc("cpuinfo")), paths.sys("devices/system/cpu"));
        Self(Arc::new(Mutex::new(State { file, read_at: None, cores })))
    }

    /// The clocks now, as [`clocks`] tells them. None where there is no such file.
    pub(super) fn clocks(&self) -> Reading<Vec<(u32, f64)>> {
        let mut state = self.lock();
        state.read_at = None;
        let clocks = optional(state.file.read_text_with(|_, text| Ok(clocks(text))))?;
        state.read_at = Some(Instant::now());
        Ok(clocks.unwrap_or_default())
    }

    /// What [`models`] tells of each core, with the highest clock of the hardware where cpufreq knows it.
    pub(super) fn models(&self) -> Vec<RawCpuModel> {
        let mut state = self.lock();
        let parse = |_: &std::path::Path, text: &str| Ok(models(text));
        let models = if state.read_at.is_some_and(|at| at.elapsed() < SERVES) {
            state.file.last_text_with(parse)
        } else {
            state.file.read_text_with(parse)
        };
        let mut models = models.unwrap_or_default();
        for model in &mut models {
            if let [_, Some(khz)] = state.limits(model.core) {
                model.mhz = Some(khz as f64 / 1000.0);
            }
        }
        models
    }

    /// Lowest and highest clock of a core's hardware, kHz.
    pub(super) fn limits(&self, core: u32) -> [Option<u64>; 2] {
        self.lock().limits(core)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Not kept: both who ask do so seldom.
    fn limits(&self, core: u32) -> [Option<u64>; 2] {
        let folder = self.cores.join(format!("cpu{core}/cpufreq"));
        ["cpuinfo_min_freq", "cpuinfo_max_freq"].map(|file| read_number(&folder.join(file)).ok())
    }
}

/// One entry for each block with a `processor` line that is a number. A block of x86:
///
/// ```text
/// processor       : 0
/// vendor_id       : GenuineIntel
/// model name      : Intel(R) Core(TM) i5-7300U CPU @ 2.60GHz
/// cache size      : 3072 KB
/// flags           : fpu vme de ...
/// ```
///
/// ARM has `Features` for flags, `CPU implementer`, `CPU architecture`, `CPU part` and `CPU revision` for vendor, family,
/// model and stepping, and no clock; an old ARM kernel names the model once, in a line `Processor` above all blocks. What
/// a block lacks is empty or `None`.
pub fn models(text: &str) -> Vec<RawCpuModel> {
    let mut cores: Vec<RawCpuModel> = Vec::new();
    let mut common_name = "";
    // The flags of the last core as text: the list is the same for all cores of nearly every machine, and long.
    let mut last_flags = "";
    for line in numbered(text) {
        let (number, key, value) = match line {
            Line::Block(core) => {
                cores.push(RawCpuModel { core, ..RawCpuModel::default() });
                continue;
            }
            Line::Pair(number, key, value) => (number, key, value),
        };
        let Some((core, before)) = cores.split_last_mut().filter(|(core, _)| Some(core.core) == number) else {
            if cores.is_empty() && (key == "Processor" || key == "model name") {
                common_name = value;
            }
            continue;
        };
        match key {
            "vendor_id" | "CPU implementer" => value.clone_into(&mut core.vendor),
            "cpu family" | "CPU architecture" => value.clone_into(&mut core.family),
            "model" | "CPU part" => value.clone_into(&mut core.model),
            "model name" => value.clone_into(&mut core.model_name),
            "stepping" | "CPU revision" => core.stepping = value.parse().ok(),
            "physical id" => value.clone_into(&mut core.physical_id),
            "core id" => value.clone_into(&mut core.core_id),
            "microcode" => value.clone_into(&mut core.microcode),
            "cpu MHz" => core.mhz = megahertz(value),
            "cache size" => core.cache_kibibytes = value.strip_suffix(" KB").and_then(|size| size.parse().ok()),
            "flags" | "Features" => {
                core.flags = match before.last() {
                    Some(before) if value == last_flags => Arc::clone(&before.flags),
                    _ => value.split_ascii_whitespace().map(str::to_owned).collect(),
                };
                last_flags = value;
            }
            _ => {}
        }
    }
    for core in cores.iter_mut().filter(|core| core.model_name.is_empty()) {
        common_name.clone_into(&mut core.model_name);
    }
    cores
}

/// Number and `cpu MHz` of each core that has such a line.
pub fn clocks(text: &str) -> Vec<(u32, f64)> {
    let clock = |line| match line {
        Line::Pair(Some(core), "cpu MHz", value) => Some((core, megahertz(value)?)),
        _ => None,
    };
    numbered(text).filter_map(clock).collect()
}

/// A line that has a colon.
enum Line<'a> {
    /// The `processor` line that begins the block of a core.
    Block(u32),
    /// Any other: the core in whose block it stands, if it stands in one, key and value.
    Pair(Option<u32>, &'a str, &'a str),
}

/// The lines with the core that each belongs to. All blocks begin with the same key below their number, so where that key
/// comes again without a number, the number is bad, and what follows belongs to no core.
fn numbered(text: &str) -> impl Iterator<Item = Line<'_>> {
    let (mut core, mut first) = (None, None);
    text.lines().filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        let (key, value) = (key.trim_end(), value.trim());
        // Two lines that grew together.
        if value.contains('\t') {
            return None;
        }
        if key == "processor"
            && let Ok(number) = value.parse()
        {
            (core, first) = (Some(number), None);
            return Some(Line::Block(number));
        }
        match first {
            None => first = Some(key),
            Some(first) if first == key => core = None,
            Some(_) => {}
        }
        Some(Line::Pair(core, key, value))
    })
}

fn megahertz(value: &str) -> Option<f64> {
    value.parse().ok().filter(|mhz: &f64| mhz.is_finite() && *mhz > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAPTOP: &str = include_str!("../../../tests/fixtures/machine/proc/cpuinfo");

    #[test]
    fn a_laptop() {
        let cores = models(LAPTOP);
        assert_eq!(cores.iter().map(|core| core.core).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let last = &cores[3];
        assert_eq!((last.vendor.as_str(), last.family.as_str(), last.model.as_str()), ("GenuineIntel", "6", "140"));
        assert_eq!(last.model_name, "11th Gen Intel(R) Core(TM) i3-1115G4 @ 3.00GHz");
        assert_eq!((last.stepping, last.cache_kibibytes, last.mhz), (Some(1), Some(6144), Some(1100.5)));
        assert_eq!((last.physical_id.as_str(), last.core_id.as_str(), last.microcode.as_str()), ("0", "1", "0xbc"));
        assert!(last.flags.iter().any(|flag| flag == "avx2") && last.flags.len() > 50);
        assert!(cores.iter().all(|core| Arc::ptr_eq(&core.flags, &last.flags)));
        assert_eq!(clocks(LAPTOP), [(0, 1800.204), (1, 2399.998), (2, 800.0), (3, 1100.5)]);
    }

    #[test]
    fn cores_that_differ_have_their_own_flags() {
        let cores = models("processor: 0\nflags: a b\n\nprocessor: 1\nflags: a\n\nprocessor: 2\nflags: a\n");
        assert_eq!((cores[0].flags.len(), cores[1].flags.len()), (2, 1));
        assert!(Arc::ptr_eq(&cores[1].flags, &cores[2].flags));
    }

    #[test]
    fn a_board_with_arm_cores() {
        let block = |core| {
            format!(
                "processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\n\
                 CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
            )
        };
        let text = format!("{}{}Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n", block(0), block(1));
        let cores = models(&text);
        assert_eq!(cores.len(), 2);
        let core = &cores[1];
        assert_eq!((core.vendor.as_str(), core.family.as_str(), core.model.as_str()), ("0x41", "8", "0xd08"));
        assert_eq!((core.stepping, core.mhz, core.model_name.as_str()), (Some(3), None, ""));
        assert_eq!(*core.flags, ["fp", "asimd", "crc32"].map(str::to_owned));
        assert!(clocks(&text).is_empty());
    }

    #[test]
    fn an_old_arm_kernel_names_the_model_once() {
        let cores = models("Processor\t: ARMv7 rev 4 (v7l)\nprocessor\t: 0\n\nprocessor\t: 1\nFeatures\t: neon\n");
        assert_eq!(cores.len(), 2);
        assert!(cores.iter().all(|core| core.model_name == "ARMv7 rev 4 (v7l)"));
    }

    #[test]
    fn a_block_without_its_number_is_no_other_cores() {
        for bad in ["garbage", "processor\t: -1", "processor\t: 99999999999", ""] {
            let text = LAPTOP.replace("processor\t: 2", bad);
            let mut expected = models(LAPTOP);
            expected.remove(2);
            assert_eq!(models(&text), expected, "{bad}");
            assert_eq!(clocks(&text), [(0, 1800.204), (1, 2399.998), (3, 1100.5)], "{bad}");
        }
    }

    #[test]
    fn lines_that_grew_together_or_were_emptied_cost_themselves() {
        let expected = |change: fn(&mut RawCpuModel)| {
            let mut cores = models(LAPTOP);
            change(&mut cores[0]);
            cores
        };
        let emptied = LAPTOP.replacen("cpu family\t: 6\n", "\n", 1);
        assert_eq!(models(&emptied), expected(|core| core.family.clear()));
        let glued = LAPTOP.replacen("cpu family\t: 6\n", "cpu family\t: 6", 1);
        let both = |core: &mut RawCpuModel| {
            core.family.clear();
            core.model.clear();
        };
        assert_eq!(models(&glued), expected(both));
    }

    #[test]
    fn garbage_is_no_core() {
        assert!(models("").is_empty());
        assert!(models("garbage\n: :\nprocessor: x\nprocessor: 4294967296\n").is_empty());
        assert!(clocks("processor: 0\ncpu MHz: nan\nprocessor: x\ncpu MHz: 5\n").is_empty());
        let odd = models("processor: 7\nstepping: unknown\ncache size: big\ncpu MHz: 99999999999999999999999 x\n");
        assert_eq!(odd, [RawCpuModel { core: 7, ..RawCpuModel::default() }]);
    }

    #[test]
    fn this_machine_has_a_core() {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        assert!(!models(&text).is_empty());
    }
}
