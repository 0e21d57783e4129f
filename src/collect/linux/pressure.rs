//! `/proc/pressure/{cpu,memory,io}`: pressure stall information (Documentation/accounting/psi.rst), since Linux 4.20.
//!
//! Read at every tick. Absent where the kernel was built without it; where it was booted with `psi=0` the files exist and opening
//! one fails with `EOPNOTSUPP`.

use std::path::Path;

use super::Paths;
use super::file::KeptFile;
use super::lines::{Bad, Taken, fraction, number, walk};
use crate::model::pressure::{Pressure, Stall, Stalls};
use crate::model::{Faults, ReadError, Reading};

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader([KeptFile; 3]);

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self(["cpu", "memory", "io"].map(|file| KeptFile::new(paths.proc("pressure").join(file))))
    }

    /// The three now, each for itself. A file that this kernel lacks, or that cannot be read, is `None`; without any of them
    /// there is no pressure at all.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Pressure> {
        let mut failed = Faults::default();
        let [cpu, memory, io] = self.0.each_mut().map(|file| {
            let reading = file.read_text_with(|path, text| parse_pressure(path, text, faults));
            failed.part(reading)
        });
        if cpu.or(memory).or(io).is_none() {
            let folder = self.0[0].path().parent().unwrap_or(Path::new("")).display().to_string();
            return Err(failed.into_first().unwrap_or(ReadError::Unsupported { path: folder }));
        }
        faults.append(failed);
        Ok(Pressure { cpu, memory, io })
    }
}

/// The text of one of the files, the line `some` and mostly a line `full`:
///
/// ```text
/// some avg10=0.00 avg60=0.12 avg300=0.05 total=123456
/// full avg10=0.00 avg60=0.00 avg300=0.00 total=0
/// ```
pub fn parse_pressure(path: &Path, text: &str, faults: &mut Faults) -> Reading<Stalls> {
    let mut stalls = Stalls::default();
    walk(path, text, faults, |_, line| {
        match line.split_once(' ') {
            Some(("some", rest)) => stalls.some = Some(parse_stall(rest)?),
            Some(("full", rest)) => stalls.full = Some(parse_stall(rest)?),
            _ => return Err(Bad::found("\"some\" or \"full\" and their averages", line)),
        }
        Ok(Taken::Value)
    })?;
    Ok(stalls)
}

fn parse_stall(columns: &str) -> Result<Stall, Bad<'_>> {
    let [mut avg10, mut avg60, mut avg300, mut total] = [None; 4];
    for (key, value) in columns.split_ascii_whitespace().filter_map(|column| column.split_once('=')) {
        let slot = match key {
            "avg10" => &mut avg10,
            "avg60" => &mut avg60,
            "avg300" => &mut avg300,
            "total" => &mut total,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Bad::found("one line and no other behind it", columns));
        }
    }
    let microseconds: u64 = number(total, "total")?;
    Ok(Stall {
        avg10_ratio: fraction(avg10, "avg10")? / 100.0,
        avg60_ratio: fraction(avg60, "avg60")? / 100.0,
        avg300_ratio: fraction(avg300, "avg300")? / 100.0,
        total_seconds: microseconds as f64 / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{machine_of, partial, whole};

    fn parse(text: &str) -> Reading<Stalls> {
        whole(|faults| parse_pressure(Path::new("io"), text, faults))
    }

    fn stall(avg10: f64, avg60: f64, avg300: f64, total_microseconds: u64) -> Stall {
        let [avg10_ratio, avg60_ratio, avg300_ratio] = [avg10, avg60, avg300].map(|percent| percent / 100.0);
        Stall { avg10_ratio, avg60_ratio, avg300_ratio, total_seconds: total_microseconds as f64 / 1e6 }
    }

    #[test]
    fn a_laptop() {
        let pair = parse(include_str!("../../../tests/fixtures/machine/proc/pressure/io")).unwrap();
        assert_eq!(pair.some, Some(stall(1.53, 0.87, 0.42, 482_913_004)));
        assert_eq!(pair.full, Some(stall(1.21, 0.66, 0.31, 401_224_517)));
    }

    #[test]
    fn per_cent_become_ratios_and_microseconds_seconds() {
        let stalls = parse("some avg10=50.00 avg60=25.00 avg300=12.50 total=2500000\n").unwrap();
        let expected = Stall { avg10_ratio: 0.5, avg60_ratio: 0.25, avg300_ratio: 0.125, total_seconds: 2.5 };
        assert_eq!(stalls.some, Some(expected));
    }

    #[test]
    fn an_older_kernel_has_no_full_line_for_the_cpu() {
        let pair = parse("some avg10=0.00 avg60=0.10 avg300=0.05 total=77\n");
        assert_eq!(pair, Ok(Stalls { some: Some(stall(0.0, 0.1, 0.05, 77)), full: None }));
    }

    #[test]
    fn each_line_stands_for_itself() {
        let good = "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n";
        let bad = [
            "garbage",
            "full avg10=0.00 avg60=0.00 total=0",
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=0full avg10=0.00 avg60=0.00 avg300=0.00 total=0",
            "full avg10=nan avg60=0.00 avg300=0.00 total=0",
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551616",
        ];
        for bad in bad {
            let (stalls, told) = partial(|faults| parse_pressure(Path::new("io"), &format!("{good}{bad}\n"), faults));
            assert_eq!(stalls, Stalls { some: Some(stall(0.0, 0.0, 0.0, 9)), full: None }, "{bad}");
            assert!(told.starts_with("io:2: "), "{told}");
            assert!(matches!(parse(bad), Err(ReadError::Parse { line: 1, .. })), "{bad}");
        }
        let full = good.replace("some", "full");
        assert_eq!(parse(&full), Ok(Stalls { some: None, full: Some(stall(0.0, 0.0, 0.0, 9)) }));
        assert!(matches!(parse(""), Err(ReadError::Parse { line: 0, .. })));
    }

    #[test]
    fn each_file_stands_for_itself() {
        let good = "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n";
        let (_dir, paths) = machine_of(&[("proc/pressure/cpu", good), ("proc/pressure/memory", "garbage\n")]);
        let (pressure, told) = partial(|faults| Reader::new(&paths).read(faults));
        assert!(pressure.cpu.is_some() && pressure.memory.is_none() && pressure.io.is_none());
        assert!(told.contains("pressure/memory:1: "), "{told}");
        let (_dir, paths) = machine_of(&[("proc/pressure/memory", "garbage\n")]);
        let reading = Reader::new(&paths).read(&mut Faults::default());
        assert!(matches!(reading, Err(ReadError::Parse { line: 1, .. })), "{reading:?}");
    }

    #[test]
    fn files_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        assert!(matches!(reader.read(&mut Faults::default()), Err(ReadError::Unsupported { .. })));
        std::fs::create_dir(dir.path().join("pressure")).unwrap();
        std::fs::write(dir.path().join("pressure/memory"), "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n").unwrap();
        let expected = Pressure {
            memory: Some(Stalls { some: Some(stall(1.0, 2.0, 3.0, 4)), full: None }),
            ..Pressure::default()
        };
        assert_eq!(reader.read(&mut Faults::default()), Ok(expected));
    }
}
