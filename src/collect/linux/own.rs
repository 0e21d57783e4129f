//! This process: `/proc/self/stat` (`proc_pid_stat`(5)), its descriptors and its limits. Always of the running machine,
//! whatever roots are watched.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::Paths;
use super::attributes::names_in;
use super::file::{KeptFile, parse_error};
use crate::model::own::OwnProcess;
use crate::model::{Machine, Reading};

/// Keeps the file open.
#[derive(Debug)]
pub struct Reader {
    stat: KeptFile,
    machine: Machine,
}

impl Default for Reader {
    /// Opens nothing yet.
    fn default() -> Self {
        let paths = Paths::host();
        Self { stat: KeptFile::new(paths.proc("self/stat")), machine: paths.machine }
    }
}

impl Reader {
    /// The process as it is now.
    pub fn read(&mut self) -> Reading<OwnProcess> {
        let mut own = self.stat.read_text_with(|path, text| parse_stat(path, text, self.machine))?;
        own.virtual_limit_bytes = getrlimit(Resource::As).current;
        own.descriptor_limit = getrlimit(Resource::Nofile).current;
        own.open_descriptors = count_descriptors(&self.stat.path().with_file_name("fd"));
        Ok(own)
    }
}

/// The size of the directory since Linux 6.2, before that its entries, less the one that the listing itself opens.
fn count_descriptors(path: &Path) -> Option<u64> {
    match std::fs::metadata(path).ok()?.len() {
        0 => Some((names_in(path).ok()?.len() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

fn parse_stat(path: &Path, text: &str, machine: Machine) -> Reading<OwnProcess> {
    let wrong = || parse_error(path, 1, "expected the fields of proc_pid_stat(5)");
    // The name in parentheses may hold anything; the fields behind it start at the third.
    let (_, rest) = text.rsplit_once(')').ok_or_else(wrong)?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|word| word.parse::<u64>().ok()).ok_or_else(wrong);
    let seconds = |ticks: u64| ticks as f64 / machine.ticks_per_second as f64;
    Ok(OwnProcess {
        cpu_seconds: seconds(field(14)?.saturating_add(field(15)?)),
        start_seconds_after_boot: seconds(field(22)?),
        virtual_bytes: field(23)?,
        resident_bytes: field(24)?.saturating_mul(machine.page_bytes),
        ..OwnProcess::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 2000 1048576 3 21\n";
        let machine = Machine { page_bytes: 4096, ticks_per_second: 100 };
        let own = parse_stat(Path::new("s"), text, machine).unwrap();
        let expected = OwnProcess {
            cpu_seconds: 2.0,
            start_seconds_after_boot: 20.0,
            virtual_bytes: 1_048_576,
            resident_bytes: 12_288,
            ..OwnProcess::default()
        };
        assert_eq!(own, expected);
        assert!(parse_stat(Path::new("s"), "42 (a) S 1\n", machine).is_err());
        let huge = text.replace("150 50", &format!("{} 50", u64::MAX));
        assert_eq!(parse_stat(Path::new("s"), &huge, machine).unwrap().cpu_seconds, u64::MAX as f64 / 100.0);
    }

    #[test]
    fn opening_a_file_is_seen() {
        let mut reader = Reader::default();
        assert!(reader.read().unwrap().resident_bytes > 0);
        // Other tests of this process open and close files at the same time.
        let seen = (0..50).any(|_| {
            let before = reader.read().unwrap().open_descriptors.unwrap();
            let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
            let after = reader.read().unwrap().open_descriptors.unwrap();
            after > before + 20 && files.len() == 50
        });
        assert!(seen, "fifty files were opened");
    }
}
