//! `/proc/schedstat`, the `cpuN` lines (Documentation/scheduler/sched-stats.rst): time run, time waited, slices. The file
//! is missing on a kernel without `CONFIG_SCHEDSTATS`.

use std::path::Path;

use super::Paths;
use super::file::{FileReader, parse_error};
use crate::model::cpu::SchedstatRow;
use crate::model::{ReadError, Reading};

/// Keeps the file open, and in mind when this machine has none: that does not change before the next boot.
#[derive(Debug)]
pub struct Reader {
    file: FileReader<Vec<SchedstatRow>>,
    is_live: bool,
    missing: Option<ReadError>,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let file = FileReader::new(paths.proc("schedstat"), parse_schedstat);
        Self { file, is_live: paths.is_live(), missing: None }
    }

    /// All CPUs.
    pub fn read(&mut self) -> Reading<Vec<SchedstatRow>> {
        if let Some(missing) = &self.missing {
            return Err(missing.clone());
        }
        let reading = self.file.read();
        if self.is_live && matches!(reading, Err(ReadError::Unsupported { .. })) {
            self.missing = reading.as_ref().err().cloned();
        }
        reading
    }
}

fn parse_schedstat(path: &Path, text: &str) -> Reading<Vec<SchedstatRow>> {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(rest) = line.strip_prefix("cpu") else { continue };
        let wrong = || parse_error(path, index + 1, "expected a CPU and nine numbers");
        let mut words = rest.split_ascii_whitespace();
        let cpu = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
        let mut numbers = words.skip(6).map(|word| word.parse::<u64>().ok());
        let mut number = || numbers.next().flatten().ok_or_else(wrong);
        rows.push(SchedstatRow {
            cpu,
            running_nanoseconds: number()?,
            waiting_nanoseconds: number()?,
            timeslices: number()?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_fields_of_cpu_lines() {
        let text = "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 10 20 30\ndomain0 3 1 2\ncpu11 1 2 3 4 5 6 7 8 9\n";
        let row = |cpu, a, b, c| SchedstatRow { cpu, running_nanoseconds: a, waiting_nanoseconds: b, timeslices: c };
        assert_eq!(parse_schedstat(Path::new("s"), text).unwrap(), [row(0, 10, 20, 30), row(11, 7, 8, 9)]);
    }

    #[test]
    fn a_short_line_is_an_error() {
        assert!(parse_schedstat(Path::new("s"), "cpu0 0 0 0 0 0 0 10 20\n").is_err());
    }
}
