//! The processor: its time by mode and its counters. Raw as `/proc/stat` and `/proc/schedstat` tell them, derived as
//! shares of the last interval. The chip itself is [`processor`]'s.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

mod processor;

use serde::Serialize;

use super::{Machine, Pair};

pub use processor::{Frequency, FrequencyLimits, RawClocks, RawCpuModel, Throttles};
pub(super) use processor::{frequencies, mean_frequency};

/// CPU time by mode in clock ticks, one line of `/proc/stat` (`proc_stat(5)`). Fields that an old kernel lacks are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawCpuTicks {
    /// User mode. Includes `guest`.
    pub user: u64,
    /// User mode at low priority. Includes `guest_nice`.
    pub nice: u64,
    /// Kernel mode.
    pub system: u64,
    /// Idle.
    pub idle: u64,
    /// Idle with I/O outstanding.
    pub iowait: u64,
    /// Serving interrupts.
    pub irq: u64,
    /// Serving soft interrupts.
    pub softirq: u64,
    /// Taken by the hypervisor for others.
    pub steal: u64,
    /// Running guests.
    pub guest: u64,
    /// Running low priority guests.
    pub guest_nice: u64,
}

/// `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawCpu {
    /// The `cpu` line.
    pub total: Option<RawCpuTicks>,
    /// The `cpuN` lines: number and ticks. A core that is offline has no line.
    pub cores: Vec<(u32, RawCpuTicks)>,
    /// `ctxt`: context switches since boot.
    pub context_switches: Option<u64>,
    /// `processes`: forks since boot.
    pub forks: Option<u64>,
    /// `intr`, first number: interrupts served since boot.
    pub interrupts: Option<u64>,
    /// `btime`: wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
    /// `procs_running`.
    pub running: Option<u64>,
    /// `procs_blocked`.
    pub blocked: Option<u64>,
}

/// One CPU of `/proc/schedstat` (Documentation/scheduler/sched-stats.rst). Absent without `CONFIG_SCHEDSTATS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedstatRow {
    /// The CPU.
    pub cpu: u32,
    /// Field 7: nanoseconds that tasks ran.
    pub running_nanoseconds: u64,
    /// Field 8: nanoseconds that tasks waited for it.
    pub waiting_nanoseconds: u64,
    /// Field 9: time slices run.
    pub timeslices: u64,
}

/// CPU time by mode. In [`CpuTime::seconds`] cumulative seconds since boot, in [`CpuTime::ratios`] shares of the last
/// interval. `user` and `nice` exclude the guests that they contain in `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Modes {
    /// User mode, guests excluded.
    pub user: f64,
    /// User mode at low priority, guests excluded.
    pub nice: f64,
    /// Kernel mode.
    pub system: f64,
    /// Idle.
    pub idle: f64,
    /// Idle with I/O outstanding.
    pub iowait: f64,
    /// Serving interrupts.
    pub irq: f64,
    /// Serving soft interrupts.
    pub softirq: f64,
    /// Taken by the hypervisor for others.
    pub steal: f64,
    /// Running guests.
    pub guest: f64,
    /// Running low priority guests.
    pub guest_nice: f64,
}

/// CPU time of the machine or of one core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuTime {
    /// 1 - (idle + iowait) / total over the last interval, 0 to 1.
    pub busy_ratio: Option<f64>,
    /// Share of each mode of the last interval, 0 to 1.
    pub ratios: Option<Modes>,
    /// Seconds in each mode since boot.
    pub seconds: Modes,
}

/// CPU.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// All cores together. `None` when the line of their sum could not be read.
    pub total: Option<CpuTime>,
    /// Each core that is online.
    pub cores: Vec<Core>,
    /// Context switches since boot.
    pub context_switches: Option<u64>,
    /// Interrupts since boot.
    pub interrupts: Option<u64>,
    /// Forks since boot.
    pub forks: Option<u64>,
    /// Runnable tasks now.
    pub running: Option<u64>,
    /// Tasks blocked on I/O now.
    pub blocked: Option<u64>,
    /// Wall clock of the boot, seconds since 1970.
    pub boot_time_unix_seconds: Option<u64>,
}

impl Cpu {
    /// Share of all cores together that was busy over the last interval.
    #[must_use]
    pub fn busy_ratio(&self) -> Option<f64> {
        self.total.as_ref()?.busy_ratio
    }
}

/// One core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Core {
    /// Its number.
    pub core: u32,
    /// Its time.
    #[serde(flatten)]
    pub time: CpuTime,
    /// Its clock, MHz.
    pub frequency_mhz: Option<f64>,
    /// Lowest clock of the hardware, MHz.
    pub frequency_min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub frequency_max_mhz: Option<f64>,
}

/// What the two readings mean, with the clock of each core that has one.
pub(super) fn derive(pair: &Pair<'_, RawCpu>, frequency: &[Frequency], machine: Machine) -> Cpu {
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
        total: pair.current.total.map(|now| cpu_time(pair.previous.and_then(|p| p.total.as_ref()), &now, machine)),
        cores: cores.collect(),
        context_switches: pair.current.context_switches,
        interrupts: pair.current.interrupts,
        forks: pair.current.forks,
        running: pair.current.running,
        blocked: pair.current.blocked,
        boot_time_unix_seconds: pair.current.boot_time_unix_seconds,
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
