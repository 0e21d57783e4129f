//! Glances' `cpu`, `percpu`, `quicklook`, `load` and `core`.
//!
//! Called by the table of plugins. Guests are part of the users' time here, as psutil has it.

use serde::Serialize;

use super::{delta, span, whole_rate};
use crate::dialect::number::percent_one_decimal;
use crate::model::Snapshot;
use crate::model::cpu::{Core, Cpu, Modes, RawCpu};

#[derive(Serialize)]
pub struct CpuAnswer {
    total: Option<f64>,
    user: Option<f64>,
    nice: Option<f64>,
    system: Option<f64>,
    idle: Option<f64>,
    iowait: Option<f64>,
    irq: Option<f64>,
    steal: Option<f64>,
    guest: Option<f64>,
    ctx_switches: Option<u64>,
    interrupts: Option<u64>,
    soft_interrupts: Option<u64>,
    /// Linux counts none.
    syscalls: u64,
    cpucore: Option<usize>,
    time_since_update: Option<f64>,
    ctx_switches_gauge: Option<u64>,
    ctx_switches_rate_per_sec: Option<f64>,
    interrupts_gauge: Option<u64>,
    interrupts_rate_per_sec: Option<f64>,
    soft_interrupts_gauge: Option<u64>,
    soft_interrupts_rate_per_sec: Option<f64>,
    syscalls_gauge: u64,
    syscalls_rate_per_sec: u64,
}

/// `cpu`.
pub fn cpu(snapshot: &Snapshot) -> CpuAnswer {
    let cpu = snapshot.cpu.as_ref();
    let seconds = span::<RawCpu>(snapshot);
    let modes = cpu.and_then(|cpu| cpu.total.as_ref()?.ratios);
    let mode = |pick: fn(&Modes) -> f64| modes.as_ref().map(pick).map(percent_one_decimal);
    let rate = |pick: fn(&Cpu) -> Option<f64>| cpu.and_then(pick);
    let [switches, interrupts, soft] = [
        rate(|cpu| cpu.context_switches_per_second),
        rate(|cpu| cpu.interrupts_per_second),
        rate(|cpu| cpu.soft_interrupts_per_second),
    ];
    CpuAnswer {
        total: cpu.and_then(Cpu::busy_ratio).map(percent_one_decimal),
        user: mode(|modes| modes.user + modes.guest),
        nice: mode(|modes| modes.nice + modes.guest_nice),
        system: mode(|modes| modes.system),
        idle: mode(|modes| modes.idle),
        iowait: mode(|modes| modes.iowait),
        irq: mode(|modes| modes.irq),
        steal: mode(|modes| modes.steal),
        guest: mode(|modes| modes.guest),
        ctx_switches: delta(switches, seconds),
        interrupts: delta(interrupts, seconds),
        soft_interrupts: delta(soft, seconds),
        syscalls: 0,
        cpucore: logical_cores(snapshot),
        time_since_update: seconds,
        ctx_switches_gauge: cpu.and_then(|cpu| cpu.context_switches),
        ctx_switches_rate_per_sec: whole_rate(switches),
        interrupts_gauge: cpu.and_then(|cpu| cpu.interrupts),
        interrupts_rate_per_sec: whole_rate(interrupts),
        soft_interrupts_gauge: cpu.and_then(|cpu| cpu.soft_interrupts),
        soft_interrupts_rate_per_sec: whole_rate(soft),
        syscalls_gauge: 0,
        syscalls_rate_per_sec: 0,
    }
}

#[derive(Serialize)]
pub struct CoreRow {
    key: &'static str,
    cpu_number: u32,
    total: f64,
    user: f64,
    system: f64,
    idle: f64,
    nice: f64,
    iowait: f64,
    irq: f64,
    softirq: f64,
    steal: f64,
    guest: f64,
    guest_nice: f64,
    /// These two are of Windows.
    dpc: Option<f64>,
    interrupt: Option<f64>,
}

/// `percpu`: the cores whose shares are known.
pub fn percpu(snapshot: &Snapshot) -> Vec<CoreRow> {
    snapshot.cpu.iter().flat_map(|cpu| &cpu.cores).filter_map(core_row).collect()
}

fn core_row(core: &Core) -> Option<CoreRow> {
    let (modes, percent) = (core.time.ratios?, percent_one_decimal);
    Some(CoreRow {
        key: "cpu_number",
        cpu_number: core.core,
        total: percent(core.time.busy_ratio?),
        user: percent(modes.user + modes.guest),
        system: percent(modes.system),
        idle: percent(modes.idle),
        nice: percent(modes.nice + modes.guest_nice),
        iowait: percent(modes.iowait),
        irq: percent(modes.irq),
        softirq: percent(modes.softirq),
        steal: percent(modes.steal),
        guest: percent(modes.guest),
        guest_nice: percent(modes.guest_nice),
        dpc: None,
        interrupt: None,
    })
}

#[derive(Serialize)]
pub struct Quicklook<'a> {
    cpu_name: &'a str,
    cpu_hz_current: Option<f64>,
    cpu_hz: Option<f64>,
    cpu: Option<f64>,
    percpu: Vec<CoreRow>,
    mem: Option<f64>,
    swap: Option<f64>,
    cpu_log_core: Option<usize>,
    cpu_phys_core: Option<usize>,
    load: Option<f64>,
    /// Nothing is known of graphics processors here; Glances says 0 where there is none.
    gpu_mem: u64,
    gpu_proc: u64,
}

/// `quicklook`. `load` is that of 15 minutes in per cent of the cores.
pub fn quicklook(snapshot: &Snapshot) -> Quicklook<'_> {
    let cpu = snapshot.cpu.as_ref();
    let highest = cpu.into_iter().flat_map(|cpu| &cpu.cores).filter_map(|core| core.frequency_max_mhz);
    let cores = logical_cores(snapshot);
    let load = snapshot.load.zip(cores).map(|(load, cores)| percent_one_decimal(load.fifteen / cores as f64));
    Quicklook {
        cpu_name: name(snapshot),
        cpu_hz_current: snapshot.cpu_frequency_mhz.map(|mhz| mhz * 1e6),
        cpu_hz: highest.max_by(f64::total_cmp).map(|mhz| mhz * 1e6),
        cpu: cpu.and_then(Cpu::busy_ratio).map(percent_one_decimal),
        percpu: percpu(snapshot),
        mem: snapshot.memory.and_then(|memory| memory.used_ratio).map(percent_one_decimal),
        swap: snapshot.swap.and_then(|swap| swap.used_ratio).map(percent_one_decimal),
        cpu_log_core: cores,
        cpu_phys_core: snapshot.host.as_deref().and_then(|host| host.physical_cores),
        load,
        gpu_mem: 0,
        gpu_proc: 0,
    }
}

/// The processor's name. Where `/proc/cpuinfo` has none, as on ARM, the architecture's: clients take nothing but text.
fn name(snapshot: &Snapshot) -> &str {
    let Some(host) = snapshot.host.as_deref() else { return "" };
    let model = host.cpu_models.first().map(|model| model.model_name.as_str()).filter(|name| !name.is_empty());
    model.or(host.architecture.as_deref()).unwrap_or_default()
}

#[derive(Serialize)]
pub struct LoadAnswer {
    min1: Option<f64>,
    min5: Option<f64>,
    min15: Option<f64>,
    cpucore: Option<usize>,
}

/// `load`.
pub fn load(snapshot: &Snapshot) -> LoadAnswer {
    LoadAnswer {
        min1: snapshot.load.map(|load| load.one),
        min5: snapshot.load.map(|load| load.five),
        min15: snapshot.load.map(|load| load.fifteen),
        cpucore: logical_cores(snapshot),
    }
}

#[derive(Serialize)]
pub struct CoreCounts {
    phys: Option<usize>,
    log: Option<usize>,
}

/// `core`.
pub fn core(snapshot: &Snapshot) -> CoreCounts {
    CoreCounts { phys: snapshot.host.as_deref().and_then(|host| host.physical_cores), log: logical_cores(snapshot) }
}

/// Cores that are online, each thread of one counted.
pub fn logical_cores(snapshot: &Snapshot) -> Option<usize> {
    snapshot.cpu.as_ref().map(|cpu| cpu.cores.len()).filter(|count| *count > 0)
}
