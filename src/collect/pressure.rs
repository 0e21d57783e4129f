//! `/proc/pressure/{cpu,memory,io}`: pressure stall information (Documentation/accounting/psi.rst), since Linux 4.20.
//!
//! Read at every tick. Absent where the kernel was built without it; where it was booted with
//! `psi=0` the files exist and opening one fails with `EOPNOTSUPP`.

use std::path::Path;

use super::Paths;
use super::file::{KeptFile, fraction, number, optional, parse_error};
use crate::model::pressure::{RawPressure, RawStall};
use crate::model::{ReadError, Reading};

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader {
    cpu: KeptFile,
    memory: KeptFile,
    io: KeptFile,
    directory: String,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            cpu: KeptFile::new(paths.proc("pressure/cpu")),
            memory: KeptFile::new(paths.proc("pressure/memory")),
            io: KeptFile::new(paths.proc("pressure/io")),
            directory: paths.proc("pressure").display().to_string(),
        }
    }

    /// The three now. A file that this kernel lacks is `None`; without any of them there is no pressure at all.
    pub fn read(&mut self) -> Reading<RawPressure> {
        let pressure = RawPressure {
            cpu: optional(self.cpu.read_text_with(parse_pressure))?,
            memory: optional(self.memory.read_text_with(parse_pressure))?,
            io: optional(self.io.read_text_with(parse_pressure))?,
        };
        if pressure == RawPressure::default() {
            return Err(ReadError::Unsupported { path: self.directory.clone() });
        }
        Ok(pressure)
    }
}

/// The text of one of the files, the line `some` and mostly a line `full`:
///
/// ```text
/// some avg10=0.00 avg60=0.12 avg300=0.05 total=123456
/// full avg10=0.00 avg60=0.00 avg300=0.00 total=0
/// ```
pub fn parse_pressure(path: &Path, text: &str) -> Reading<(RawStall, Option<RawStall>)> {
    let (mut some, mut full) = (None, None);
    for (index, line) in text.lines().enumerate() {
        match line.split_once(' ') {
            Some(("some", rest)) => some = Some(parse_stall(path, index + 1, rest)?),
            Some(("full", rest)) => full = Some(parse_stall(path, index + 1, rest)?),
            _ => return Err(parse_error(path, index + 1, "expected \"some\" or \"full\" and their averages")),
        }
    }
    Ok((some.ok_or_else(|| parse_error(path, 0, "no line \"some\""))?, full))
}

fn parse_stall(path: &Path, line: usize, columns: &str) -> Reading<RawStall> {
    let [mut avg10, mut avg60, mut avg300, mut total] = [None; 4];
    for (key, value) in columns.split_ascii_whitespace().filter_map(|column| column.split_once('=')) {
        match key {
            "avg10" => avg10 = Some(value),
            "avg60" => avg60 = Some(value),
            "avg300" => avg300 = Some(value),
            "total" => total = Some(value),
            _ => {}
        }
    }
    Ok(RawStall {
        avg10: fraction(path, line, avg10, "avg10")?,
        avg60: fraction(path, line, avg60, "avg60")?,
        avg300: fraction(path, line, avg300, "avg300")?,
        total_microseconds: number(path, line, total, "total")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reading<(RawStall, Option<RawStall>)> {
        parse_pressure(Path::new("io"), text)
    }

    fn stall(avg10: f64, avg60: f64, avg300: f64, total_microseconds: u64) -> RawStall {
        RawStall { avg10, avg60, avg300, total_microseconds }
    }

    #[test]
    fn a_laptop() {
        let pair = parse(include_str!("../../tests/fixtures/machine/proc/pressure/io")).unwrap();
        assert_eq!(pair.0, stall(1.53, 0.87, 0.42, 482_913_004));
        assert_eq!(pair.1, Some(stall(1.21, 0.66, 0.31, 401_224_517)));
    }

    #[test]
    fn an_older_kernel_has_no_full_line_for_the_cpu() {
        let pair = parse("some avg10=0.00 avg60=0.10 avg300=0.05 total=77\n");
        assert_eq!(pair, Ok((stall(0.0, 0.1, 0.05, 77), None)));
    }

    #[test]
    fn complaints_name_the_line() {
        let good = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        let texts = [
            (String::new(), 0),
            ("garbage\n".into(), 1),
            ("some avg10=0.00 avg60=0.00 total=0\n".into(), 1),
            ("some avg10=nan avg60=0.00 avg300=0.00 total=0\n".into(), 1),
            (format!("{good}full avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551616\n"), 2),
            (good.replace("some", "full"), 0),
        ];
        for (text, wrong) in texts {
            let reading = parse(&text);
            assert!(matches!(&reading, Err(ReadError::Parse { line, .. }) if *line == wrong), "{text:?}: {reading:?}");
        }
    }

    #[test]
    fn files_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        assert!(matches!(reader.read(), Err(ReadError::Unsupported { .. })));
        std::fs::create_dir(dir.path().join("pressure")).unwrap();
        std::fs::write(dir.path().join("pressure/memory"), "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n").unwrap();
        let expected = RawPressure { memory: Some((stall(1.0, 2.0, 3.0, 4), None)), ..RawPressure::default() };
        assert_eq!(reader.read(), Ok(expected));
    }
}
