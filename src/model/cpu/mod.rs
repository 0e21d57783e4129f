//! The processor: its time by mode and its counters. Raw as `/proc/stat` and `/proc/schedstat` tell them, derived as
//! shares of the last interval. The chip itself is [`processor`]'s, its heat [`mod@temperature`]'s.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] is called by [`super::derive()`].

mod processor;
mod temperature;

use serde::Serialize;

use super::hold::row;
use super::{Machine, Pair};

pub use processor::{Frequency, FrequencyLimits, RawClocks, RawCpuModel, Throttles};
pub(super) use processor::{frequencies, mean_frequency};
pub(super) use temperature::temperature;

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
    /// `softirq`, first number: soft interrupts served since boot.
    pub soft_interrupts: Option<u64>,
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
    pub seconds: Option<Modes>,
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
    /// Soft interrupts since boot.
    pub soft_interrupts: Option<u64>,
    /// Context switches a second.
    pub context_switches_per_second: Option<f64>,
    /// Interrupts a second.
    pub interrupts_per_second: Option<f64>,
    /// Soft interrupts a second.
    pub soft_interrupts_per_second: Option<f64>,
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
    /// Its clock, MHz. `None` also for a core that stands still.
    pub frequency_mhz: Option<f64>,
    /// Lowest clock of the hardware, MHz.
    pub frequency_min_mhz: Option<f64>,
    /// Highest clock of the hardware, MHz.
    pub frequency_max_mhz: Option<f64>,
}

/// What the two readings mean, with the clock of each core that has one.
pub(super) fn derive(pair: &Pair<'_, RawCpu>, frequency: &[Frequency], machine: Machine) -> Cpu {
    let cores = pair.current.cores.iter().enumerate().map(|(at, (number, ticks))| {
        let before = pair.previous.and_then(|p| row(&p.cores, at, |(n, _)| n == number)).map(|(_, ticks)| ticks);
        let clock = row(frequency, at, |clock| clock.core == *number);
        Core {
            core: *number,
            time: cpu_time(before, ticks, machine),
            frequency_mhz: clock.map(|clock| clock.current_mhz).filter(|mhz| *mhz > 0.0),
            frequency_min_mhz: clock.and_then(|clock| clock.min_mhz),
            frequency_max_mhz: clock.and_then(|clock| clock.max_mhz),
        }
    });
    let rate = |pick: fn(&RawCpu) -> Option<u64>| pair.per_second(pair.previous.and_then(pick), pick(pair.current)?);
    Cpu {
        total: pair.current.total.map(|now| cpu_time(pair.previous.and_then(|p| p.total.as_ref()), &now, machine)),
        cores: cores.collect(),
        context_switches: pair.current.context_switches,
        interrupts: pair.current.interrupts,
        soft_interrupts: pair.current.soft_interrupts,
        context_switches_per_second: rate(|cpu| cpu.context_switches),
        interrupts_per_second: rate(|cpu| cpu.interrupts),
        soft_interrupts_per_second: rate(|cpu| cpu.soft_interrupts),
        forks: pair.current.forks,
        running: pair.current.running,
        blocked: pair.current.blocked,
        boot_time_unix_seconds: pair.current.boot_time_unix_seconds,
    }
}

fn cpu_time(previous: Option<&RawCpuTicks>, current: &RawCpuTicks, machine: Machine) -> CpuTime {
    let now = current.parts();
    let seconds = Some(Modes::from_parts(now.map(|ticks| ticks as f64 / machine.ticks_per_second as f64)));
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
    // Ten numbers of a file that may say anything can be more than a u64 holds.
    let sum = |parts: &[u64]| parts.iter().map(|ticks| u128::from(*ticks)).sum::<u128>();
    let total = sum(&grown);
    if total == 0 {
        return CpuTime { seconds, ..CpuTime::default() };
    }
    let ratios = Modes::from_parts(grown.map(|ticks| ticks as f64 / total as f64));
    let busy = total - sum(&grown[3..5]);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { page_bytes: 4096, ticks_per_second: 100 };

    fn ticks(user: u64, idle: u64, iowait: u64) -> RawCpuTicks {
        RawCpuTicks { user, idle, iowait, ..RawCpuTicks::default() }
    }

    fn busy(before: Option<RawCpuTicks>, now: RawCpuTicks) -> Option<f64> {
        let time = cpu_time(before.as_ref(), &now, MACHINE);
        assert_eq!(time.ratios.is_some(), time.busy_ratio.is_some());
        if let Some(modes) = time.ratios {
            let Modes { user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice } = modes;
            let sum = user + nice + system + idle + iowait + irq + softirq + steal + guest + guest_nice;
            assert!((sum - 1.0).abs() < 1e-9, "{modes:?}");
        }
        time.busy_ratio
    }

    #[test]
    fn a_first_reading_has_seconds_and_no_shares() {
        let time = cpu_time(None, &ticks(250, 50, 0), MACHINE);
        assert_eq!((time.busy_ratio, time.ratios), (None, None));
        let seconds = time.seconds.unwrap();
        assert_eq!((seconds.user, seconds.idle), (2.5, 0.5));
    }

    #[test]
    fn shares_of_the_time_between_two_readings() {
        assert_eq!(busy(Some(ticks(100, 100, 100)), ticks(125, 150, 125)), Some(0.25));
        assert_eq!(busy(Some(ticks(100, 100, 100)), ticks(100, 100, 100)), None, "nothing went by");
        // Guests are part of users' time and are told apart.
        let guests = RawCpuTicks { guest: 40, ..ticks(60, 40, 0) };
        let time = cpu_time(Some(&RawCpuTicks::default()), &guests, MACHINE);
        let ratios = time.ratios.unwrap();
        assert_eq!((ratios.user, ratios.guest, time.busy_ratio), (0.2, 0.4, Some(0.6)));
    }

    #[test]
    fn a_reset_has_no_shares() {
        assert_eq!(busy(Some(ticks(1_000, 1_000, 0)), ticks(10, 20, 0)), None);
        let system = |system| RawCpuTicks { system, ..ticks(200, 200, 0) };
        assert_eq!(busy(Some(system(5)), system(4)), None, "the kernel's own time never steps back");
    }

    #[test]
    fn idle_and_iowait_may_step_back_a_little() {
        assert_eq!(busy(Some(ticks(100, 100, 100)), ticks(150, 99, 150)), Some(0.5));
        assert_eq!(busy(Some(ticks(100, 100, 100)), ticks(150, 150, 98)), Some(0.5));
        assert_eq!(busy(Some(ticks(100, 100, 100)), ticks(100, 99, 99)), None, "nothing went by");
        // More than a second is no rounding.
        assert_eq!(busy(Some(ticks(100, 1_000, 100)), ticks(150, 899, 100)), None);
    }

    #[test]
    fn sums_larger_than_a_number_do_not_wrap() {
        let half = u64::MAX / 4 * 3;
        assert_eq!(busy(Some(ticks(0, 0, 0)), ticks(half, half, 0)), Some(0.5));
        assert_eq!(busy(Some(ticks(0, 0, 0)), ticks(u64::MAX, u64::MAX, u64::MAX)), Some(1.0 / 3.0));
    }

    fn cores(list: &[(u32, RawCpuTicks)]) -> RawCpu {
        RawCpu { cores: list.to_vec(), ..RawCpu::default() }
    }

    #[test]
    fn a_core_that_went_and_came_is_found_by_its_number() {
        let both = cores(&[(0, ticks(7, 9, 0)), (1, ticks(100, 100, 0))]);
        let one = cores(&[(1, ticks(175, 125, 0))]);
        let shares = |previous: Option<&RawCpu>, current: &RawCpu| -> Vec<_> {
            let pair = Pair { previous, current, seconds: Some(1.0) };
            derive(&pair, &[], MACHINE).cores.into_iter().map(|core| (core.core, core.time.busy_ratio)).collect()
        };
        assert_eq!(shares(Some(&both), &one), [(1, Some(0.75))]);
        let back = cores(&[(0, ticks(1, 1, 0)), (1, ticks(175, 225, 0))]);
        assert_eq!(shares(Some(&one), &back), [(0, None), (1, Some(0.0))], "nothing is known of the core's absence");
        assert_eq!(shares(None, &back), [(0, None), (1, None)]);
    }

    #[test]
    fn events_have_a_rate_each() {
        let counted = |context_switches, soft_interrupts| RawCpu {
            context_switches: Some(context_switches),
            soft_interrupts,
            ..RawCpu::default()
        };
        let (before, now) = (counted(100, Some(50)), counted(300, Some(40)));
        let of = |previous| derive(&Pair { previous, current: &now, seconds: previous.map(|_| 2.0) }, &[], MACHINE);
        assert_eq!(of(Some(&before)).context_switches_per_second, Some(100.0));
        assert_eq!((of(None).context_switches_per_second, of(None).context_switches), (None, Some(300)));
        let rates = (of(Some(&before)).soft_interrupts_per_second, of(Some(&before)).interrupts_per_second);
        assert_eq!(rates, (None, None), "a reset, and one that is not known");
    }

    #[test]
    fn what_could_not_be_read_is_unknown_and_the_rest_is_told() {
        let before = RawCpu { total: Some(ticks(100, 100, 0)), ..RawCpu::default() };
        let now = RawCpu { boot_time_unix_seconds: Some(7), ..cores(&[(0, ticks(5, 5, 0))]) };
        let clock = Frequency { core: 0, current_mhz: 800.0, min_mhz: None, max_mhz: Some(900.0) };
        let pair = Pair { previous: Some(&before), current: &now, seconds: Some(1.0) };
        let cpu = derive(&pair, &[clock], MACHINE);
        assert!(cpu.total.is_none() && cpu.busy_ratio().is_none() && cpu.forks.is_none());
        assert_eq!(cpu.boot_time_unix_seconds, Some(7));
        assert_eq!((cpu.cores[0].frequency_mhz, cpu.cores[0].frequency_max_mhz), (Some(800.0), Some(900.0)));
        // The sum's line is back: its first reading again.
        let pair = Pair { previous: Some(&now), current: &before, seconds: Some(1.0) };
        assert_eq!(derive(&pair, &[], MACHINE).busy_ratio(), None);
    }
}
