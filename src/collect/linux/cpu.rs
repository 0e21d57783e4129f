//! `/proc/stat` (`proc_stat(5)`): CPU time by mode, interrupts, context switches, forks and the boot time.
//!
//! Read at every tick. Counts only; shares and rates are made in [`crate::model`].
//! A reader of our own because sysinfo tells neither the modes nor the event counters.

use std::path::Path;

use super::lines::{Bad, Taken, number, walk};
use crate::model::cpu::{RawCpu, RawCpuTicks};
use crate::model::{Faults, Reading};

/// More cores than any kernel is built for (`CONFIG_NR_CPUS` ends at 8192): a higher number is two numbers that lost the blank
/// between them.
const MOST_CORES: u32 = 1 << 16;

/// The text of `/proc/stat`:
///
/// ```text
/// cpu  6364 0 4025 227054 354 0 32 18 0 0
/// cpu0 2960 0 1552 114341 60 0 10 8 0 0
/// intr 146445 0 9 0 ...
/// ctxt 288173
/// btime 1700000000
/// processes 5220
/// procs_running 1
/// procs_blocked 0
/// softirq 107 ...
/// ```
///
/// Ticks that an old kernel lacks are 0: steal came with Linux 2.6.11, guest with 2.6.24, `guest_nice` with 2.6.33. Lines
/// that it lacks, or that are bad, are `None`. Columns and lines that are not known here are skipped.
pub fn parse_stat(path: &Path, text: &str, faults: &mut Faults) -> Reading<RawCpu> {
    let mut cpu = RawCpu::default();
    walk(path, text, faults, |_, line| {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(core) = key.strip_prefix("cpu") {
            if core.is_empty() {
                cpu.total = Some(parse_ticks(rest)?);
            } else {
                let number = parse_core(core, &cpu.cores)?;
                cpu.cores.push((number, parse_ticks(rest)?));
            }
            return Ok(Taken::Value);
        }
        let slot = match key {
            // This line has a column for each interrupt there is, thousands on a large machine; the first is their sum.
            "intr" => &mut cpu.interrupts,
            "ctxt" => &mut cpu.context_switches,
            // As the line above: a column for each kind.
            "softirq" => &mut cpu.soft_interrupts,
            "btime" => &mut cpu.boot_time_unix_seconds,
            "processes" => &mut cpu.forks,
            "procs_running" => &mut cpu.running,
            "procs_blocked" => &mut cpu.blocked,
            _ => return Ok(Taken::Nothing),
        };
        *slot = Some(number(rest.split_ascii_whitespace().next(), "a count")?);
        Ok(Taken::Value)
    })?;
    Ok(cpu)
}

/// The number of a core, which no line before had. The kernel goes through them in order.
fn parse_core<'a>(word: &'a str, before: &[(u32, RawCpuTicks)]) -> Result<u32, Bad<'a>> {
    let bad = Bad::found("the number of a core", word);
    let core: u32 = number(Some(word), "the number of a core")?;
    let is_plain = core < MOST_CORES && (word.len() == 1 || !word.starts_with(['0', '+']));
    let is_new = before.last().is_none_or(|(last, _)| *last < core) || before.iter().all(|(other, _)| *other != core);
    if is_plain && is_new { Ok(core) } else { Err(bad) }
}

fn parse_ticks(columns: &str) -> Result<RawCpuTicks, Bad<'_>> {
    let mut ticks = [0_u64; 10];
    let mut count = 0;
    for (slot, word) in ticks.iter_mut().zip(columns.split_ascii_whitespace()) {
        *slot = number(Some(word), "ticks")?;
        count += 1;
    }
    if count < 4 {
        return Err(Bad::found("at least 4 columns of ticks", columns));
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice] = ticks;
    Ok(RawCpuTicks { user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{live, partial, whole};
    use crate::model::ReadError;

    fn parse(text: &str) -> Reading<RawCpu> {
        whole(|faults| parse_stat(Path::new("stat"), text, faults))
    }

    fn wrong_line(text: &str) -> usize {
        match parse(text) {
            Err(ReadError::Parse { line, .. }) => line,
            other => panic!("expected a complaint, found {other:?}"),
        }
    }

    #[test]
    fn a_laptop() {
        let cpu = parse(include_str!("../../../tests/fixtures/machine/proc/stat")).unwrap();
        let total = RawCpuTicks {
            user: 1_052_880,
            nice: 3_312,
            system: 301_456,
            idle: 17_560_204,
            iowait: 21_768,
            irq: 0,
            softirq: 25_416,
            steal: 0,
            guest: 840,
            guest_nice: 0,
        };
        assert_eq!(cpu.total, Some(total));
        assert_eq!(cpu.cores.iter().map(|core| core.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(cpu.cores[3].1.idle, 4_390_051);
        assert_eq!(cpu.cores.iter().map(|core| core.1.user).sum::<u64>(), total.user);
        assert_eq!(cpu.interrupts, Some(98_214_337));
        assert_eq!(cpu.soft_interrupts, Some(41_209_554));
        assert_eq!(cpu.context_switches, Some(214_770_912));
        assert_eq!(cpu.boot_time_unix_seconds, Some(1_767_225_600));
        assert_eq!(cpu.forks, Some(187_342));
        assert_eq!(cpu.running, Some(2));
        assert_eq!(cpu.blocked, Some(1));
    }

    #[test]
    fn an_old_kernel_has_fewer_columns_and_lines() {
        let cpu = parse("cpu  10 2 3 400 5 6 7\ncpu0 10 2 3 400 5 6 7\ncpu2 1 2 3 4\nctxt 12\n").unwrap();
        assert_eq!(cpu.total, Some(RawCpuTicks { softirq: 7, irq: 6, iowait: 5, ..ticks(10, 2, 3, 400) }));
        assert_eq!(cpu.cores[1], (2, ticks(1, 2, 3, 4)));
        assert_eq!((cpu.context_switches, cpu.running, cpu.interrupts), (Some(12), None, None));
    }

    fn ticks(user: u64, nice: u64, system: u64, idle: u64) -> RawCpuTicks {
        RawCpuTicks { user, nice, system, idle, ..RawCpuTicks::default() }
    }

    #[test]
    fn a_newer_kernel_may_add_columns() {
        assert_eq!(parse("cpu  1 2 3 4 0 0 0 0 0 0 99 98\n").unwrap().total, Some(ticks(1, 2, 3, 4)));
    }

    #[test]
    fn a_file_without_a_good_line_has_failed() {
        assert_eq!(wrong_line(""), 0);
        assert_eq!(wrong_line("garbage\n"), 0);
        assert_eq!(wrong_line("cpu  1 2 3\n"), 1);
        assert_eq!(wrong_line("cpu  1 2 3 18446744073709551616\n"), 1);
        assert_eq!(parse("cpu  1 2 3 18446744073709551615\n").unwrap().total, Some(ticks(1, 2, 3, u64::MAX)));
    }

    #[test]
    fn a_bad_line_costs_its_own_value() {
        let good = "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 5 6 7 8\nctxt 12\nbtime 99\nprocesses 7\n";
        let whole = parse(good).unwrap();
        let spoil = |from: &str, to: &str| {
            assert!(good.contains(from));
            let (cpu, told) = partial(|faults| parse_stat(Path::new("stat"), &good.replace(from, to), faults));
            assert!(told.starts_with("stat:") && !told.contains("more"), "{told}");
            cpu
        };
        // After 2^31 forks some kernels print a negative number.
        assert_eq!(spoil("processes 7", "processes -2049562273"), RawCpu { forks: None, ..whole.clone() });
        assert_eq!(spoil("btime 99", "btime"), RawCpu { boot_time_unix_seconds: None, ..whole.clone() });
        assert_eq!(spoil("ctxt 12", "ctxt 18446744073709551616"), RawCpu { context_switches: None, ..whole.clone() });
        assert_eq!(spoil("cpu  1 2 3 4\n", "cpu  1 x 3 4\n"), RawCpu { total: None, ..whole.clone() });
        let first = RawCpu { cores: vec![(0, ticks(1, 2, 3, 4))], ..whole };
        assert_eq!(spoil("cpu1 5 6 7 8", "cpu1 5 6"), first);
        assert_eq!(spoil("cpu1 5", "cpux 5"), first);
        // Lines and words that grew together: never a core of another number.
        assert_eq!(spoil("cpu1 5 6 7 8", "cpu15 6 7"), first);
        for glued in ["cpu01 5 6 7 8", "cpu0 5 6 7 8", "cpu1271104 5 6 7 8", "cpu+1 5 6 7 8"] {
            assert_eq!(spoil("cpu1 5 6 7 8", glued), first, "{glued}");
        }
        let second = RawCpu { cores: Vec::new(), ..whole };
        assert_eq!(spoil("cpu0 1 2 3 4\ncpu1", "cpu0 1 2 3 4cpu1"), second);
    }

    #[test]
    fn this_machine_has_the_cores_that_it_says() {
        let [first, second] = [(); 2].map(|()| live("stat", parse_stat).unwrap());
        assert!(!first.cores.is_empty());
        assert_eq!(first.cores.len(), second.cores.len());
        assert!(second.context_switches >= first.context_switches && first.context_switches > Some(0));
        assert!(second.total.unwrap().user >= first.total.unwrap().user);
    }
}
