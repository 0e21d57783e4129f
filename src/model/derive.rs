//! Raw samples to numbers that mean something. Pure: the same two samples always give the same snapshot.
//!
//! Rates come from two readings of the same thing and their monotonic times. There is none at the first sample, none when
//! a counter went backwards (a reset, a new device of the same name), and none across a pair of equal readings.

use std::sync::Arc;

use super::average::Averages;
use super::sample::{
    Gathered, Machine, RawCpu, RawCpuTicks, RawFrequency, RawInterfaceCounters, RawLink, RawMemory, RawPressure,
    RawSensors, RawStall, RawSwapIo, RawWireless, ReadError, Sample,
};
use super::snapshot::{
    Core, Cpu, CpuTime, Interface, Link, Memory, Modes, Pressure, Reader, Snapshot, Stall, Stalls, Swap, Traffic,
    Wireless, ratio,
};
use super::{derive_disk, derive_process};

/// What `current` means, given the sample before it.
#[must_use]
pub fn derive(previous: Option<&Sample>, current: &Sample) -> Snapshot {
    let before = |pick: fn(&Sample) -> &Option<Arc<Gathered<RawCpu>>>| previous.and_then(|p| pick(p).as_deref());
    let cpu_pair = Pair::of(before(|s| &s.cpu), current.cpu.as_deref());
    let network = Pair::of(previous.and_then(|p| p.network.as_deref()), current.network.as_deref());
    let memory = value(&current.memory);
    Snapshot {
        time_unix_seconds: current.unix_seconds,
        interval_seconds: cpu_pair.as_ref().and_then(|pair| pair.seconds),
        host: value(&current.host).cloned(),
        uptime_seconds: value(&current.uptime_seconds).copied(),
        cpu: cpu_pair.map(|pair| {
            derive_cpu(&pair, value(&current.frequency).map(Vec::as_slice).unwrap_or_default(), current.machine)
        }),
        cpu_frequency_mhz: value(&current.frequency).and_then(|clocks| mean_frequency(clocks)),
        cpu_temperature_celsius: value(&current.sensors).and_then(package_temperature),
        memory: memory.map(derive_memory),
        swap: memory.and_then(|memory| {
            let io = Pair::of(previous.and_then(|p| p.swap_io.as_deref()), current.swap_io.as_deref());
            derive_swap(memory, io.as_ref(), current.machine)
        }),
        load: value(&current.load).copied(),
        pressure: value(&current.pressure).map(derive_pressure),
        disks: Pair::of(previous.and_then(|p| p.disks.as_deref()), current.disks.as_deref())
            .map(|pair| derive_disk::disks(&pair)),
        filesystems: value(&current.filesystems).map(|list| list.iter().map(derive_disk::filesystem).collect()),
        interfaces: network.map(|pair| derive_interfaces(&pair, value(&current.links).map(Vec::as_slice))),
        wireless: value(&current.wireless).map(|list| list.iter().map(derive_wireless).collect()),
        sensors: value(&current.sensors).cloned(),
        processes: Pair::of(previous.and_then(|p| p.processes.as_deref()), current.processes.as_deref())
            .map(|pair| derive_process::processes(&pair, current)),
        sockets: value(&current.sockets).cloned(),
        kernel: value(&current.kernel).cloned(),
        // Two samples do not tell of minutes: the sampler, which sees them all, fills these in.
        averages: Averages::default(),
        readers: current
            .runs
            .iter()
            .map(|run| Reader {
                name: run.reader,
                duration_seconds: run.duration.as_secs_f64(),
                success: matches!(run.error, None | Some(ReadError::Unsupported { .. })),
                error: run.error.as_ref().map(ToString::to_string),
            })
            .collect(),
    }
}

/// A good reading and, where there is one, the good reading before it.
pub(super) struct Pair<'a, T> {
    pub(super) previous: Option<&'a T>,
    pub(super) current: &'a T,
    /// Seconds between the two.
    pub(super) seconds: Option<f64>,
}

impl<'a, T> Pair<'a, T> {
    pub(super) fn of(previous: Option<&'a Gathered<T>>, current: Option<&'a Gathered<T>>) -> Option<Self> {
        let current = current?;
        let value = current.value.as_ref().ok()?;
        let earlier = previous.filter(|previous| previous.at < current.at);
        let seconds = earlier.map(|previous| (current.at - previous.at).as_secs_f64());
        Some(Self { previous: earlier.and_then(|previous| previous.value.as_ref().ok()), current: value, seconds })
    }

    /// How much a counter grew a second; `None` without a reading before, and when it went backwards.
    pub(super) fn per_second(&self, previous: Option<u64>, current: u64) -> Option<f64> {
        Some(current.checked_sub(previous?)? as f64 / self.seconds?)
    }
}

fn value<T>(gathered: &Option<Arc<Gathered<T>>>) -> Option<&T> {
    gathered.as_ref()?.value.as_ref().ok()
}

impl RawCpuTicks {
    /// Modes in the order of [`Modes`], guests taken out of user and nice.
    fn parts(&self) -> [u64; 10] {
        [
            self.user.saturating_sub(self.guest),
            self.nice.saturating_sub(self.guest_nice),
            self.system,
            self.idle,
            self.iowait,
            self.irq,
            self.softirq,
            self.steal,
            self.guest,
            self.guest_nice,
        ]
    }
}

impl Modes {
    fn from_parts(parts: [f64; 10]) -> Self {
        let [user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice] = parts;
        Self { user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice }
    }
}

fn cpu_time(previous: Option<&RawCpuTicks>, current: &RawCpuTicks, machine: Machine) -> CpuTime {
    let now = current.parts();
    let seconds = Modes::from_parts(now.map(|ticks| ticks as f64 / machine.ticks_per_second as f64));
    let Some(before) = previous.map(RawCpuTicks::parts) else {
        return CpuTime { seconds, ..CpuTime::default() };
    };
    // iowait and idle of one core may step back by a tick or so (proc_stat(5)); any other mode that does is a reset.
    let mut grown = [0_u64; 10];
    for (mode, slot) in grown.iter_mut().enumerate() {
        let delta = now[mode].checked_sub(before[mode]);
        let may_step_back = mode <= 1 || mode == 3 || mode == 4;
        match delta {
            Some(delta) => *slot = delta,
            None if may_step_back && before[mode] - now[mode] <= machine.ticks_per_second => {}
            None => return CpuTime { seconds, ..CpuTime::default() },
        }
    }
    let total: u64 = grown.iter().sum();
    if total == 0 {
        return CpuTime { seconds, ..CpuTime::default() };
    }
    let ratios = Modes::from_parts(grown.map(|ticks| ticks as f64 / total as f64));
    let busy = total - grown[3] - grown[4];
    CpuTime { busy_ratio: Some(busy as f64 / total as f64), ratios: Some(ratios), seconds }
}

fn mean_frequency(clocks: &[RawFrequency]) -> Option<f64> {
    let sum: f64 = clocks.iter().map(|clock| clock.current_mhz).sum();
    (!clocks.is_empty()).then(|| sum / clocks.len() as f64)
}

fn derive_cpu(pair: &Pair<'_, RawCpu>, frequency: &[RawFrequency], machine: Machine) -> Cpu {
    let cores = pair.current.cores.iter().map(|(number, ticks)| {
        let before = pair.previous.and_then(|p| p.cores.iter().find(|(n, _)| n == number)).map(|(_, ticks)| ticks);
        let clock = frequency.iter().find(|clock| clock.core == *number);
        Core {
            core: *number,
            time: cpu_time(before, ticks, machine),
            frequency_mhz: clock.map(|clock| clock.current_mhz),
            frequency_min_mhz: clock.and_then(|clock| clock.min_mhz),
            frequency_max_mhz: clock.and_then(|clock| clock.max_mhz),
        }
    });
    Cpu {
        total: cpu_time(pair.previous.map(|p| &p.total), &pair.current.total, machine),
        cores: cores.collect(),
        context_switches: pair.current.context_switches,
        interrupts: pair.current.interrupts,
        forks: pair.current.forks,
        running: pair.current.running,
        blocked: pair.current.blocked,
        boot_time_unix_seconds: pair.current.boot_time_unix_seconds,
    }
}

/// Chips that measure the CPU, best first: the drivers of Intel and AMD, then what ARM boards and virtual machines call
/// it, then the thermal zones.
const CPU_CHIPS: [&str; 12] = [
    "coretemp",
    "k10temp",
    "zenpower",
    "k8temp",
    "fam15h_power",
    "cpu_thermal",
    "cpu-thermal",
    "soc_thermal",
    "soc-thermal",
    "x86_pkg_temp",
    "cpu",
    "acpitz",
];

/// Labels of the package as a whole, best first.
const PACKAGE_LABELS: [&str; 4] = ["package id", "tdie", "tctl", "cpu"];

fn package_temperature(sensors: &RawSensors) -> Option<f64> {
    CPU_CHIPS.iter().find_map(|chip| {
        let of_chip = || sensors.temperatures.iter().filter(|t| t.chip.eq_ignore_ascii_case(chip));
        PACKAGE_LABELS
            .iter()
            .find_map(|label| of_chip().find(|t| t.label.to_ascii_lowercase().starts_with(label)))
            .or_else(|| of_chip().next())
            .map(|temperature| temperature.celsius)
    })
}

fn derive_memory(raw: &RawMemory) -> Memory {
    let used_bytes = raw.total_bytes.saturating_sub(raw.available_bytes);
    Memory {
        total_bytes: raw.total_bytes,
        available_bytes: raw.available_bytes,
        used_bytes,
        free_bytes: raw.free_bytes,
        used_ratio: ratio(used_bytes, raw.total_bytes),
        buffers_bytes: raw.buffers_bytes,
        cached_bytes: raw.cached_bytes,
        active_bytes: raw.active_bytes,
        inactive_bytes: raw.inactive_bytes,
        shared_bytes: raw.shared_bytes,
        slab_bytes: raw.slab_bytes,
        slab_reclaimable_bytes: raw.slab_reclaimable_bytes,
        dirty_bytes: raw.dirty_bytes,
    }
}

fn derive_swap(raw: &RawMemory, io: Option<&Pair<'_, RawSwapIo>>, machine: Machine) -> Option<Swap> {
    let (total_bytes, free_bytes) = (raw.swap_total_bytes?, raw.swap_free_bytes?);
    let used_bytes = total_bytes.saturating_sub(free_bytes);
    let bytes = |pages: u64| pages.saturating_mul(machine.page_bytes);
    let rate = |pick: fn(&RawSwapIo) -> u64| {
        io.and_then(|io| io.per_second(io.previous.map(pick), pick(io.current))).map(|p| p * machine.page_bytes as f64)
    };
    Some(Swap {
        total_bytes,
        used_bytes,
        free_bytes,
        used_ratio: ratio(used_bytes, total_bytes).unwrap_or(0.0),
        in_bytes: io.map(|io| bytes(io.current.pages_in)),
        out_bytes: io.map(|io| bytes(io.current.pages_out)),
        in_bytes_per_second: rate(|io| io.pages_in),
        out_bytes_per_second: rate(|io| io.pages_out),
    })
}

fn derive_pressure(raw: &RawPressure) -> Pressure {
    let stall = |raw: RawStall| Stall {
        avg10_ratio: raw.avg10 / 100.0,
        avg60_ratio: raw.avg60 / 100.0,
        avg300_ratio: raw.avg300 / 100.0,
        total_seconds: raw.total_microseconds as f64 / 1e6,
    };
    let stalls =
        |pair: Option<(RawStall, Option<RawStall>)>| pair.map(|(s, f)| Stalls { some: stall(s), full: f.map(stall) });
    Pressure { cpu: stalls(raw.cpu), memory: stalls(raw.memory), io: stalls(raw.io) }
}

fn derive_interfaces(pair: &Pair<'_, Vec<RawInterfaceCounters>>, links: Option<&[RawLink]>) -> Vec<Interface> {
    let traffic = |now: &[u64; 8], before: Option<&[u64; 8]>| Traffic {
        bytes: now[0],
        packets: now[1],
        errors: now[2],
        dropped: now[3],
        fifo: now[4],
        frame_or_collisions: now[5],
        compressed: now[6],
        multicast_or_carrier: now[7],
        bytes_per_second: pair.per_second(before.map(|b| b[0]), now[0]),
        packets_per_second: pair.per_second(before.map(|b| b[1]), now[1]),
    };
    let interface = |now: &RawInterfaceCounters| {
        let before = pair.previous.and_then(|list| list.iter().find(|b| b.name == now.name));
        // A reset of either direction is a reset of both: the interface was taken away and came back.
        let before = before.filter(|b| b.received[0] <= now.received[0] && b.sent[0] <= now.sent[0]);
        Interface {
            name: Arc::clone(&now.name),
            received: traffic(&now.received, before.map(|b| &b.received)),
            sent: traffic(&now.sent, before.map(|b| &b.sent)),
            link: links.and_then(|links| links.iter().find(|link| link.name == now.name)).map(derive_link),
        }
    };
    pair.current.iter().map(interface).collect()
}

fn derive_link(raw: &RawLink) -> Link {
    Link {
        index: raw.index,
        flags: raw.flags,
        mtu_bytes: raw.mtu_bytes,
        mac: raw.mac.clone(),
        operational_state: raw.operational_state.clone(),
        speed_bits_per_second: raw.speed_megabits.map(|megabits| megabits * 1_000_000),
        duplex: raw.duplex.clone(),
        addresses: raw.addresses.clone(),
    }
}

/// dBm of the worst and the best link on the kernel's own scale of 70 steps.
const WORST_DBM: f64 = -110.0;
const BEST_DBM: f64 = -40.0;

fn derive_wireless(raw: &RawWireless) -> Wireless {
    let quality = |dbm: i32| ((f64::from(dbm) - WORST_DBM) / (BEST_DBM - WORST_DBM)).clamp(0.0, 1.0);
    Wireless {
        interface: raw.interface.clone(),
        ssid: raw.ssid.clone(),
        bssid: raw.bssid.clone(),
        channel: raw.frequency_mhz.and_then(channel),
        frequency_mhz: raw.frequency_mhz,
        signal_dbm: raw.signal_dbm,
        quality_ratio: raw.signal_dbm.map(quality),
        encryption: raw.encryption.clone(),
    }
}

/// Channel number of a Wi-Fi frequency (IEEE 802.11, annex E).
fn channel(mhz: u32) -> Option<u32> {
    match mhz {
        2484 => Some(14),
        2412..=2472 => Some((mhz - 2407) / 5),
        5000..=5895 => Some((mhz - 5000) / 5),
        5935 => Some(2),
        5950..=7115 => Some((mhz - 5950) / 5),
        58_320..=70_200 => Some((mhz - 56_160) / 2_160),
        _ => None,
    }
}
