//! `/proc/schedstat`, the `cpuN` lines (Documentation/scheduler/sched-stats.rst): time run, time waited, slices. The file
//! is missing on a kernel without `CONFIG_SCHEDSTATS`.

use std::path::Path;

use crate::collect::linux::lines::{Taken, number, walk};
use crate::model::cpu::SchedstatRow;
use crate::model::{Faults, Reading};

/// All CPUs.
pub fn parse_schedstat(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<SchedstatRow>> {
    let mut rows = Vec::new();
    walk(path, text, faults, |_, line| {
        let Some(rest) = line.strip_prefix("cpu") else { return Ok(Taken::Nothing) };
        let mut words = rest.split_ascii_whitespace();
        let cpu = number(words.next(), "the number of a CPU")?;
        let mut numbers = words.skip(6);
        let mut column = || number(numbers.next(), "nine numbers");
        rows.push(SchedstatRow {
            cpu,
            running_nanoseconds: column()?,
            waiting_nanoseconds: column()?,
            timeslices: column()?,
        });
        Ok(Taken::Value)
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};

    #[test]
    fn the_last_three_fields_of_cpu_lines() {
        let text = "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 10 20 30\ndomain0 3 1 2\ncpu11 1 2 3 4 5 6 7 8 9\n";
        let row = |cpu, a, b, c| SchedstatRow { cpu, running_nanoseconds: a, waiting_nanoseconds: b, timeslices: c };
        assert_eq!(
            whole(|faults| parse_schedstat(Path::new("s"), text, faults)).unwrap(),
            [row(0, 10, 20, 30), row(11, 7, 8, 9)]
        );
    }

    #[test]
    fn a_short_line_costs_its_own_cpu() {
        let short = "cpu0 0 0 0 0 0 0 10 20\n";
        assert!(whole(|faults| parse_schedstat(Path::new("s"), short, faults)).is_err());
        let text = format!("{short}cpu1 1 2 3 4 5 6 7 8 9\n");
        let (rows, told) = partial(|faults| parse_schedstat(Path::new("s"), &text, faults));
        assert_eq!(rows.iter().map(|row| row.cpu).collect::<Vec<_>>(), [1]);
        assert!(told.starts_with("s:1: "), "{told}");
    }
}
