//! CPU, memory, load, uptime and the facts about the host, as `sysinfo` tells them.

use std::time::Instant;

use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, Product, RefreshKind, System};

use super::{Users, failed, told};
use crate::model::cpu::{RawClocks, RawCpuModel};
use crate::model::hardware::Dmi;
use crate::model::load::Load;
use crate::model::memory::{MeminfoLine, Memory, RawMeminfo};
use crate::model::portable::CpuUse;
use crate::model::system::{HostFacts, OsRelease, RawUptime, Uname};
use crate::model::{ReadError, Reading};

/// Use of the CPU between two readings. `sysinfo` counts it, from its second reading on, and renews it only when the last one
/// lies [`MINIMUM_CPU_UPDATE_INTERVAL`] back; in between the last one holds.
#[derive(Default)]
pub(super) struct CpuReader {
    system: Option<System>,
    counted_at: Option<Instant>,
    last: CpuUse,
}

impl CpuReader {
    pub(super) fn read(&mut self) -> Reading<CpuUse> {
        let is_first = self.counted_at.is_none();
        if self.counted_at.is_none_or(|at| at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL) {
            let system = match &mut self.system {
                Some(system) => system,
                None => self.system.insert(System::new().map_err(|error| failed("cpu", &error))?),
            };
            system.refresh_cpu_usage();
            // Read after it, so that as much time has passed for `sysinfo` as for us.
            self.counted_at = Some(Instant::now());
            let share = |percent: f32| (!is_first).then_some(f64::from(percent) / 100.0).filter(|s| s.is_finite());
            let cores = system.cpus().iter().enumerate();
            self.last = CpuUse {
                busy_ratio: share(system.global_cpu_usage()),
                cores: cores.map(|(at, cpu)| (number(cpu.name(), at), share(cpu.usage()))).collect(),
                boot_time_unix_seconds: System::boot_time().ok().filter(|seconds| *seconds > 0),
            };
        }
        if self.last.cores.is_empty() {
            return Err(ReadError::Unsupported { path: "cpu".to_owned() });
        }
        Ok(self.last.clone())
    }
}

/// The number at the end of a core's name, `cpu3`, or its place.
fn number(name: &str, at: usize) -> u32 {
    let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.parse().unwrap_or_else(|_| u32::try_from(at).unwrap_or(u32::MAX))
}

/// The cores' clocks; what has none is left out.
pub(super) fn clocks() -> Reading<RawClocks> {
    let cpuinfo_mhz: Vec<_> = cpus("cpufreq", CpuRefreshKind::nothing().with_frequency())?
        .iter()
        .filter_map(|model| Some((model.core, model.mhz?)))
        .collect();
    if cpuinfo_mhz.is_empty() {
        return Err(ReadError::Unsupported { path: "the clock of the CPU".to_owned() });
    }
    Ok(RawClocks { limits: Vec::new(), cpuinfo_mhz })
}

/// Maker, model and clock of each core.
fn cpus(what: &str, kind: CpuRefreshKind) -> Reading<Vec<RawCpuModel>> {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(kind));
    let system = system.map_err(|error| failed(what, &error))?;
    let model = |(at, cpu): (usize, &sysinfo::Cpu)| RawCpuModel {
        core: number(cpu.name(), at),
        vendor: cpu.vendor_id().to_owned(),
        model_name: cpu.brand().trim().to_owned(),
        mhz: Some(cpu.frequency() as f64).filter(|mhz| *mhz > 0.0),
        ..RawCpuModel::default()
    };
    Ok(system.cpus().iter().enumerate().map(model).collect())
}

/// Memory and swap, also as the lines of `/proc/meminfo` that `/metrics` tells.
pub(super) fn memory() -> Reading<RawMeminfo> {
    let mut system = System::new().map_err(|error| failed("memory", &error))?;
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    if system.total_memory() == 0 {
        return Err(ReadError::Unsupported { path: "memory".to_owned() });
    }
    let numbers = [
        ("MemTotal", system.total_memory()),
        ("MemFree", system.free_memory()),
        ("MemAvailable", system.available_memory()),
        ("SwapTotal", system.total_swap()),
        ("SwapFree", system.free_swap()),
    ];
    let [total, free, available, swap_total, swap_free] = numbers.map(|(_, bytes)| Some(bytes));
    let memory = Memory {
        total_bytes: total,
        free_bytes: free,
        available_bytes: available,
        swap_total_bytes: swap_total,
        swap_free_bytes: swap_free,
        ..Memory::default()
    };
    let line = |(name, value): (&str, u64)| MeminfoLine { name: name.into(), value, is_bytes: true };
    Ok(RawMeminfo { memory, lines: numbers.map(line).into() })
}

/// Load averages.
pub(super) fn load() -> Reading<Load> {
    let load = System::load_average().map_err(|error| failed("load", &error))?;
    Ok(Load { one: load.one, five: load.five, fifteen: load.fifteen, runnable: None, total: None })
}

/// Whole seconds since boot.
pub(super) fn uptime() -> Reading<RawUptime> {
    let seconds = System::uptime().map_err(|error| failed("uptime", &error))?;
    Ok(RawUptime { seconds: seconds as f64 })
}

/// Names and versions. Each fact stands alone.
pub(super) fn host() -> Reading<HostFacts> {
    let (name, version) = (System::name().ok().and_then(told), System::os_version().ok().and_then(told));
    let distribution = match (&name, &version) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        _ => name,
    };
    Ok(HostFacts {
        hostname: System::host_name().ok().and_then(told),
        distribution,
        distribution_id: told(System::distribution_id()),
        distribution_like: told(System::distribution_id_like().join(" ")),
        distribution_version: version,
        kernel: System::kernel_version().ok().and_then(told),
        architecture: told(System::cpu_arch()),
        product_uuid: Product::uuid().ok().and_then(told),
        own_user: Users::default().name(rustix::process::getuid().as_raw()).map(|name| name.to_string()),
        cpu_models: cpus("host", CpuRefreshKind::nothing().with_frequency()).unwrap_or_default(),
        ..HostFacts::default()
    })
}

/// What uname(2) would say, as far as `sysinfo` does. An empty label is none to Prometheus.
pub(super) fn uname() -> Reading<Uname> {
    let long = System::kernel_long_version().ok().unwrap_or_default();
    Ok(Uname {
        system: long.split_whitespace().next().unwrap_or_default().to_owned(),
        release: System::kernel_version().ok().unwrap_or_default(),
        machine: System::cpu_arch(),
        node: System::host_name().ok().unwrap_or_default(),
        ..Uname::default()
    })
}

/// What os-release(5) would say.
pub(super) fn os_release() -> Reading<OsRelease> {
    let values = [
        ("ID", System::distribution_id()),
        ("ID_LIKE", System::distribution_id_like().join(" ")),
        ("NAME", System::name().ok().unwrap_or_default()),
        ("VERSION_ID", System::os_version().ok().unwrap_or_default()),
    ];
    let mut release = OsRelease::default();
    for (key, value) in values {
        if let Some(index) = OsRelease::KEYS.iter().position(|known| *known == key) {
            release.values[index] = value;
        }
    }
    Ok(release)
}

/// Maker and model. Serial numbers are not asked for.
pub(super) fn dmi() -> Reading<Dmi> {
    let fields = [
        ("product_family", Product::family()),
        ("product_name", Product::name()),
        ("product_sku", Product::stock_keeping_unit()),
        ("product_version", Product::version()),
        ("system_vendor", Product::vendor_name()),
    ];
    let fields: Vec<_> = fields.into_iter().filter_map(|(label, text)| Some((label, told(text.ok()?)?))).collect();
    if fields.is_empty() {
        return Err(ReadError::Unsupported { path: "the product".to_owned() });
    }
    Ok(Dmi { fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_has_the_number_of_its_name() {
        assert_eq!((number("cpu3", 0), number("CPU 12", 0), number("", 7), number("x", 1)), (3, 12, 7, 1));
    }

    #[test]
    fn the_first_reading_knows_no_use_and_the_next_one_is_not_taken_too_soon() {
        let mut reader = CpuReader::default();
        let first = reader.read().unwrap();
        assert_eq!(first.busy_ratio, None);
        assert!(!first.cores.is_empty() && first.cores.iter().all(|(_, share)| share.is_none()));
        // As if both readings came at one moment: what `sysinfo` says then is no use of the CPU.
        reader.counted_at = Some(Instant::now() + MINIMUM_CPU_UPDATE_INTERVAL);
        assert_eq!(reader.read().unwrap(), first);
    }
}
