//! Collectors `cpu`, `cpufreq`, `schedstat` and `stat`.

use super::writer::{Kind, Value, Writer};
use crate::model::Snapshot;
use crate::model::cpu::{Core, FrequencyLimits, Modes, RawClocks, SchedstatRow, Throttles};

/// Time of each core by mode, and throttle counts.
pub fn cpu(writer: &mut Writer, snapshot: &Snapshot) {
    let cores = snapshot.cpu.as_ref().map_or(&[][..], |cpu| &cpu.cores);
    let numbers: Vec<(String, &Core)> = cores.iter().map(|core| (core.core.to_string(), core)).collect();

    let help = "Seconds that the CPU spent in each mode.";
    let mut family = writer.family("node_cpu_seconds_total", Kind::Counter, help);
    for (cpu, core) in &numbers {
        for (mode, seconds) in core.time.seconds.iter().flat_map(modes) {
            family.sample(&[("cpu", cpu), ("mode", mode)], seconds);
        }
    }

    let help = "Seconds that the CPU ran guests, by the mode in which they are counted too.";
    let mut family = writer.family("node_cpu_guest_seconds_total", Kind::Counter, help);
    for (cpu, core) in &numbers {
        let Some(seconds) = &core.time.seconds else { continue };
        family.sample(&[("cpu", cpu), ("mode", "nice")], seconds.guest_nice);
        family.sample(&[("cpu", cpu), ("mode", "user")], seconds.guest);
    }

    let Some(throttles) = snapshot.raw::<Throttles>() else { return };
    let help = "How often the core slowed itself down to cool.";
    let mut family = writer.family("node_cpu_core_throttles_total", Kind::Counter, help);
    for (package, core, count) in &throttles.cores {
        family.sample(&[("core", &core.to_string()), ("package", &package.to_string())], *count);
    }
    let help = "How often the package slowed itself down to cool.";
    let mut family = writer.family("node_cpu_package_throttles_total", Kind::Counter, help);
    for (package, count) in &throttles.packages {
        family.sample(&[("package", &package.to_string())], *count);
    }
}

/// The modes as the kernel counts them: guests are inside user and nice.
fn modes(seconds: &Modes) -> [(&'static str, f64); 8] {
    [
        ("idle", seconds.idle),
        ("iowait", seconds.iowait),
        ("irq", seconds.irq),
        ("nice", sum(seconds.nice, seconds.guest_nice)),
        ("softirq", seconds.softirq),
        ("steal", seconds.steal),
        ("system", seconds.system),
        ("user", sum(seconds.user, seconds.guest)),
    ]
}

/// Two parts of one counter, to the microsecond: the last bits of the sum depend on how the counter is divided between the two,
/// and whoever scrapes it takes the smallest fall for a reset.
fn sum(one: f64, other: f64) -> f64 {
    ((one + other) * 1e6).round() / 1e6
}

/// Clocks, hertz.
pub fn cpufreq(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(RawClocks { limits: list, .. }) = snapshot.raw() else { return };
    type Pick = fn(&FrequencyLimits) -> Option<u64>;
    let families: [(&str, &str, Pick); 6] = [
        ("node_cpu_frequency_hertz", "Clock of the CPU as the hardware tells it.", |f| f.hardware_current_khz),
        ("node_cpu_frequency_min_hertz", "Lowest clock of the hardware.", |f| f.hardware_minimum_khz),
        ("node_cpu_frequency_max_hertz", "Highest clock of the hardware.", |f| f.hardware_maximum_khz),
        ("node_cpu_scaling_frequency_hertz", "Clock of the CPU as the governor set it.", |f| f.scaling_current_khz),
        ("node_cpu_scaling_frequency_min_hertz", "Lowest clock that the governor may set.", |f| f.scaling_minimum_khz),
        ("node_cpu_scaling_frequency_max_hertz", "Highest clock that the governor may set.", |f| f.scaling_maximum_khz),
    ];
    for (name, help, pick) in families {
        let mut family = writer.family(name, Kind::Gauge, help);
        for limits in list {
            family.maybe(&[("cpu", &limits.cpu.to_string())], pick(limits).map(|khz| khz.saturating_mul(1000)));
        }
    }
}

/// Work of the scheduler.
pub fn schedstat(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(rows) = snapshot.raw::<Vec<SchedstatRow>>() else { return };
    type Pick = fn(&SchedstatRow) -> Value;
    let families: [(&str, &str, Pick); 3] = [
        ("running_seconds", "Seconds that tasks ran on the CPU.", |row| seconds(row.running_nanoseconds)),
        ("timeslices", "Time slices that the CPU ran.", |row| row.timeslices.into()),
        ("waiting_seconds", "Seconds that tasks waited for the CPU.", |row| seconds(row.waiting_nanoseconds)),
    ];
    for (name, help, pick) in families {
        let name = format!("node_schedstat_{name}_total");
        let mut family = writer.family(&name, Kind::Counter, help);
        for row in rows {
            family.sample(&[("cpu", &row.cpu.to_string())], pick(row));
        }
    }
}

fn seconds(nanoseconds: u64) -> Value {
    (nanoseconds as f64 / 1e9).into()
}

/// The rest of `/proc/stat`.
pub fn stat(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(cpu) = &snapshot.cpu else { return };
    writer.gauge("node_boot_time_seconds", "Moment of the boot, seconds since 1970.", cpu.boot_time_unix_seconds);
    writer.counter("node_context_switches_total", "Context switches since boot.", cpu.context_switches);
    writer.counter("node_forks_total", "Forks since boot.", cpu.forks);
    writer.counter("node_intr_total", "Interrupts served since boot.", cpu.interrupts);
    writer.gauge("node_procs_blocked", "Tasks that wait for I/O now.", cpu.blocked);
    writer.gauge("node_procs_running", "Tasks that can run now.", cpu.running);
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn a_counter_does_not_hang_on_how_it_is_parted() {
        let part = |ticks: u64| ticks as f64 / 100.0;
        for guest in 0..=4_391_002 {
            assert_eq!(sum(part(4_391_002 - guest), part(guest)), 43_910.02, "{guest} ticks of guests");
        }
    }
}
