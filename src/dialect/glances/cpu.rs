//! Glances' `cpu`, `percpu`, `quicklook`, `load` and `core`.
//!
//! Called by the table of plugins. Guests are part of the users' time here, as psutil has it.

use serde::Serialize;

use super::{delta, span, whole_rate};
use crate::dialect::number::percent_one_decimal;
use crate::model::Snapshot;
use crate::model::cpu::{Core, Cpu, Modes, RawCpu};

/// `cpu`.
pub fn cpu(snapshot: &Snapshot) -> impl Serialize {
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
    object! {
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
        // Linux counts none.
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

/// `percpu`: the cores whose shares are known.
pub fn percpu(snapshot: &Snapshot) -> Vec<impl Serialize> {
    snapshot.cpu.iter().flat_map(|cpu| &cpu.cores).filter_map(core_row).collect()
}

fn core_row(core: &Core) -> Option<impl Serialize> {
    let (modes, percent) = (core.time.ratios?, percent_one_decimal);
    Some(object! {
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
        // These two are of Windows.
        dpc: (),
        interrupt: (),
    })
}

/// `quicklook`. `load` is that of 15 minutes in per cent of the cores.
pub fn quicklook(snapshot: &Snapshot) -> impl Serialize {
    let cpu = snapshot.cpu.as_ref();
    let highest = cpu.into_iter().flat_map(|cpu| &cpu.cores).filter_map(|core| core.frequency_max_mhz);
    let cores = logical_cores(snapshot);
    let load = snapshot.load.zip(cores).map(|(load, cores)| percent_one_decimal(load.fifteen / cores as f64));
    object! {
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
        // Nothing is known of graphics processors here; Glances says 0 where there is none.
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

/// `load`.
pub fn load(snapshot: &Snapshot) -> impl Serialize {
    object! {
        min1: snapshot.load.map(|load| load.one),
        min5: snapshot.load.map(|load| load.five),
        min15: snapshot.load.map(|load| load.fifteen),
        cpucore: logical_cores(snapshot),
    }
}

/// `core`.
pub fn core(snapshot: &Snapshot) -> impl Serialize {
    object! { phys: snapshot.host.as_deref().and_then(|host| host.physical_cores), log: logical_cores(snapshot) }
}

/// Cores that are online, each thread of one counted.
pub fn logical_cores(snapshot: &Snapshot) -> Option<usize> {
    snapshot.cpu.as_ref().map(|cpu| cpu.cores.len()).filter(|count| *count > 0)
}
