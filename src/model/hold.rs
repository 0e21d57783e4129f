//! Counters that the kernel steps back a little are held at what was told before, so that nobody takes the step for a reset.
//!
//! The kernel rounds some counters and sums others over the CPUs while these go on, so a later reading can be a few ticks
//! smaller (`proc_stat(5)`: iowait and idle). A monitoring server takes any fall of a counter for a restart and adds the
//! whole counter. Called by [`crate::collect`] right behind the readers, once for all dialects and clients, so that all of
//! them see the same numbers. A real reset (a core that was away, another boot) is told as it is. Not for counters of
//! interfaces and disks: these fall only when the device was replaced or its counter ran over.

use super::cpu::{RawCpu, RawCpuTicks, SchedstatRow};
use super::memory::{RawSwapIo, RawVmstat};
use super::network::SoftnetRow;
use super::pressure::{Pressure, Stall};

/// Time that falls by this many seconds or more was reset. `node_exporter` has the same bound, for idle.
const RESET_SECONDS: u64 = 3;

/// A count of events that falls by more than this part of itself was reset. What summing over the CPUs loses is far below.
const RESET_PART: u64 = 100;

/// `told` where `now` is less by less than `reset`, else `now`.
fn held(told: u64, now: u64, reset: u64) -> u64 {
    if now < told && told - now < reset { told } else { now }
}

/// A count of events.
fn held_count(told: u64, now: u64) -> u64 {
    held(told, now, told / RESET_PART + 1)
}

/// `/proc/stat`. Forks are one number that never steps back: where it fell, this is another boot.
pub fn cpu(told: &RawCpu, now: &mut RawCpu, ticks_per_second: u64) {
    if now.forks < told.forks && now.forks.is_some() {
        return;
    }
    let reset = RESET_SECONDS.saturating_mul(ticks_per_second);
    if let (Some(told), Some(now)) = (&told.total, &mut now.total) {
        hold_ticks(told, now, reset);
    }
    // A core without a line is forgotten with it: when it comes back its counters are told as they are.
    for (at, (number, ticks)) in now.cores.iter_mut().enumerate() {
        if let Some((_, told)) = row(&told.cores, at, |(core, _)| core == number) {
            hold_ticks(told, ticks, reset);
        }
    }
    for (told, now) in [
        (told.context_switches, &mut now.context_switches),
        (told.interrupts, &mut now.interrupts),
        (told.soft_interrupts, &mut now.soft_interrupts),
    ] {
        if let (Some(told), Some(now)) = (told, now) {
            *now = held_count(told, *now);
        }
    }
}

/// Idle tells whether the core was away. Where it was not, every other mode is held however far it falls: iowait and steal
/// are known to do so by more than seconds.
fn hold_ticks(told: &RawCpuTicks, now: &mut RawCpuTicks, reset: u64) {
    if told.idle.saturating_sub(now.idle) >= reset {
        return;
    }
    *now = RawCpuTicks {
        user: now.user.max(told.user),
        nice: now.nice.max(told.nice),
        system: now.system.max(told.system),
        idle: now.idle.max(told.idle),
        iowait: now.iowait.max(told.iowait),
        irq: now.irq.max(told.irq),
        softirq: now.softirq.max(told.softirq),
        steal: now.steal.max(told.steal),
        guest: now.guest.max(told.guest),
        guest_nice: now.guest_nice.max(told.guest_nice),
    };
}

/// `/proc/pressure/*`, the totals.
pub fn pressure(told: &Pressure, now: &mut Pressure) {
    let hold = |told: &Stall, now: &mut Stall| {
        let (before, after) = (told.total_seconds, now.total_seconds);
        now.total_seconds = if before - after < RESET_SECONDS as f64 { after.max(before) } else { after };
    };
    let pairs = [(&told.cpu, &mut now.cpu), (&told.memory, &mut now.memory), (&told.io, &mut now.io)];
    for (told, now) in pairs {
        let (Some(told), Some(now)) = (told, now) else { continue };
        for (told, now) in [(&told.some, &mut now.some), (&told.full, &mut now.full)] {
            if let (Some(told), Some(now)) = (told, now) {
                hold(told, now);
            }
        }
    }
}

/// The swap counters of `/proc/vmstat`.
fn swap_io(told: &RawSwapIo, now: &mut RawSwapIo) {
    for (told, now) in [(told.pages_in, &mut now.pages_in), (told.pages_out, &mut now.pages_out)] {
        if let (Some(told), Some(now)) = (told, now) {
            *now = held_count(told, *now);
        }
    }
}

/// `/proc/vmstat`: counts that are summed over the CPUs.
pub fn vmstat(told: &RawVmstat, now: &mut RawVmstat) {
    swap_io(&told.swap, &mut now.swap);
    for (at, (name, value)) in now.fields.iter_mut().enumerate() {
        if let Some((_, told)) = row(&told.fields, at, |(known, _)| known == name) {
            *value = held_count(*told, *value);
        }
    }
}

/// `/proc/schedstat`.
pub fn schedstat(told: &[SchedstatRow], now: &mut [SchedstatRow]) {
    let reset = RESET_SECONDS * 1_000_000_000;
    for (at, now) in now.iter_mut().enumerate() {
        if let Some(told) = row(told, at, |told| told.cpu == now.cpu) {
            now.running_nanoseconds = held(told.running_nanoseconds, now.running_nanoseconds, reset);
            now.waiting_nanoseconds = held(told.waiting_nanoseconds, now.waiting_nanoseconds, reset);
            now.timeslices = held_count(told.timeslices, now.timeslices);
        }
    }
}

/// `/proc/net/softnet_stat`. Its counters are of 32 bits and begin anew when they are full: a fall of all, told as it is.
pub fn softnet(told: &[SoftnetRow], now: &mut [SoftnetRow]) {
    let hold = |told: u32, now: u32| if now < told && told - now <= told / RESET_PART as u32 { told } else { now };
    for (at, now) in now.iter_mut().enumerate() {
        if let Some(told) = row(told, at, |told| told.cpu == now.cpu) {
            now.processed = hold(told.processed, now.processed);
            now.dropped = hold(told.dropped, now.dropped);
            now.squeezed = hold(told.squeezed, now.squeezed);
        }
    }
}

/// The row that `is_it`, which mostly stands where it stood before.
pub(super) fn row<T>(rows: &[T], at: usize, is_it: impl Fn(&T) -> bool) -> Option<&T> {
    rows.get(at).filter(|row| is_it(row)).or_else(|| rows.iter().find(|row| is_it(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pressure::Stalls;

    fn ticks(user: u64, idle: u64, iowait: u64) -> RawCpuTicks {
        RawCpuTicks { user, idle, iowait, ..RawCpuTicks::default() }
    }

    fn machine(cores: &[(u32, RawCpuTicks)]) -> RawCpu {
        RawCpu { cores: cores.to_vec(), forks: Some(10), ..RawCpu::default() }
    }

    /// What is told of core 1 after each of the readings.
    fn told(readings: &[RawCpu]) -> Vec<Option<RawCpuTicks>> {
        let mut last: Option<RawCpu> = None;
        let mut core = |now: &RawCpu| {
            let mut now = now.clone();
            if let Some(told) = &last {
                cpu(told, &mut now, 100);
            }
            let told = last.insert(now);
            told.cores.iter().find(|(number, _)| *number == 1).map(|(_, ticks)| *ticks)
        };
        readings.iter().map(&mut core).collect()
    }

    #[test]
    fn a_core_is_held_until_the_kernel_passes_what_was_told() {
        let one = |ticks| machine(&[(1, ticks)]);
        for (what, readings, expected) in [
            (
                "a step back and on",
                [ticks(5, 1000, 50), ticks(6, 998, 8), ticks(7, 1001, 51)],
                [ticks(5, 1000, 50), ticks(6, 1000, 50), ticks(7, 1001, 51)],
            ),
            (
                "many small steps are one fall of more than three seconds",
                [ticks(5, 1000, 50), ticks(5, 701, 50), ticks(5, 700, 49)],
                [ticks(5, 1000, 50), ticks(5, 1000, 50), ticks(5, 700, 49)],
            ),
            (
                "a core that was away",
                [ticks(500, 1000, 50), ticks(3, 700, 0), ticks(4, 702, 1)],
                [ticks(500, 1000, 50), ticks(3, 700, 0), ticks(4, 702, 1)],
            ),
            (
                "iowait falls far and idle does not",
                [ticks(5, 1000, 5000), ticks(5, 1001, 10), ticks(5, 1002, 5001)],
                [ticks(5, 1000, 5000), ticks(5, 1001, 5000), ticks(5, 1002, 5001)],
            ),
        ] {
            assert_eq!(told(&readings.map(one)), expected.map(Some), "{what}");
        }
    }

    #[test]
    fn a_core_that_has_no_line_comes_back_as_it_is() {
        let (with, without) = (|ticks| machine(&[(0, ticks), (1, ticks)]), machine(&[(0, ticks(9, 9, 9))]));
        let readings = [with(ticks(5, 200, 5)), without, with(ticks(1, 100, 1))];
        assert_eq!(told(&readings), [Some(ticks(5, 200, 5)), None, Some(ticks(1, 100, 1))]);
        // A line that moved up, as the one before it went, is still the same core's.
        let readings = [with(ticks(5, 200, 5)), machine(&[(1, ticks(4, 199, 4))])];
        assert_eq!(told(&readings), [Some(ticks(5, 200, 5)); 2]);
    }

    #[test]
    fn another_boot_is_told_as_it_is() {
        let before = machine(&[(1, ticks(900, 10, 5))]);
        let after = RawCpu { forks: Some(9), ..machine(&[(1, ticks(3, 12, 1))]) };
        assert_eq!(told(&[before.clone(), after]), [Some(ticks(900, 10, 5)), Some(ticks(3, 12, 1))]);
        let unknown = RawCpu { forks: None, ..machine(&[(1, ticks(899, 10, 5))]) };
        assert_eq!(told(&[before, unknown]), [Some(ticks(900, 10, 5)); 2]);
    }

    #[test]
    fn counts_and_times_fall_by_little_or_were_reset() {
        for (told, now, expected) in [(1000, 1001, 1001), (1000, 990, 1000), (1000, 989, 989), (5, 0, 0), (0, 0, 0)] {
            assert_eq!(held_count(told, now), expected, "{told}, then {now}");
        }
        let all = RawCpu { context_switches: Some(1000), interrupts: Some(5000), ..RawCpu::default() };
        let mut now = RawCpu { context_switches: Some(999), interrupts: Some(9), ..RawCpu::default() };
        cpu(&all, &mut now, 100);
        assert_eq!((now.context_switches, now.interrupts), (Some(1000), Some(9)));

        let stall = |microseconds: u32| Stall { total_seconds: f64::from(microseconds) / 1e6, ..Stall::default() };
        let of = |some, full| {
            let stalls = Stalls { some: Some(stall(some)), full: Some(stall(full)) };
            Pressure { io: Some(stalls), ..Pressure::default() }
        };
        let mut now = of(9_000_000, 6_999_999);
        pressure(&of(9_000_001, 10_000_000), &mut now);
        assert_eq!(now, of(9_000_001, 6_999_999));

        let swapped = |pages_in, pages_out| RawSwapIo { pages_in: Some(pages_in), pages_out: Some(pages_out) };
        let mut now = swapped(999, 1);
        swap_io(&swapped(1000, 1000), &mut now);
        assert_eq!(now, swapped(1000, 1));
    }

    #[test]
    fn the_tables_of_metrics_are_held() {
        let run = |cpu, run, slices| SchedstatRow {
            cpu,
            running_nanoseconds: run,
            waiting_nanoseconds: run,
            timeslices: slices,
        };
        let mut now = [run(1, 8_999_999_999, 999), run(2, 1, 1)];
        schedstat(&[run(0, 1, 1), run(1, 9_000_000_000, 1000), run(2, 9_000_000_000, 1000)], &mut now);
        assert_eq!(now, [run(1, 9_000_000_000, 1000), run(2, 1, 1)]);

        let mut now = RawVmstat {
            fields: vec![("pgfault".into(), 999), ("pswpin".into(), 1), ("oom_kill".into(), 2)],
            ..RawVmstat::default()
        };
        vmstat(
            &RawVmstat { fields: vec![("pgfault".into(), 1000), ("pswpin".into(), 1000)], ..RawVmstat::default() },
            &mut now,
        );
        assert_eq!(now.fields.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1000, 1, 2]);

        let row = |cpu, processed| SoftnetRow { cpu, processed, dropped: 0, squeezed: 0 };
        let mut now = [row(0, 1_999), row(1, 5)];
        softnet(&[row(0, 2_000), row(1, u32::MAX)], &mut now);
        assert_eq!(now, [row(0, 2_000), row(1, 5)]);
    }
}
