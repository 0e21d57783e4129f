//! `/proc/meminfo`, every line: `MemTotal:  49368188 kB` in bytes, `HugePages_Total:  0` as a count.
//!
//! The memory reader takes the few lines that the model derives from; this one takes them all, by the kernel's names.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::FileReader;
use crate::collect::lines::{Bad, Taken, number, walk};
use crate::model::memory::MeminfoLine;
use crate::model::{Faults, Reading};

/// All lines as they are now.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<Vec<MeminfoLine>> {
    FileReader::new(paths.proc("meminfo"), parse_meminfo)
}

fn parse_meminfo(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<MeminfoLine>> {
    let mut lines = Vec::with_capacity(64);
    walk(path, text, faults, |_, line| {
        let bad = Bad::found("a name, a colon and a number, with or without kB", line);
        let (name, rest) = line.split_once(':').ok_or(bad)?;
        let mut words = rest.split_ascii_whitespace();
        let value: u64 = number(words.next(), "a number")?;
        let (value, is_bytes) = match (words.next(), words.next()) {
            (Some("kB"), None) => (value.checked_mul(1024).ok_or(bad)?, true),
            (None, _) => (value, false),
            _ => return Err(bad),
        };
        lines.push(MeminfoLine { name: name.into(), value, is_bytes });
        Ok(Taken::Value)
    })?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{partial, whole};

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        let lines = parse("Active(anon):   1576 kB\nHugePages_Total:       3\n").unwrap();
        assert_eq!(lines[0], MeminfoLine { name: "Active(anon)".into(), value: 1576 * 1024, is_bytes: true });
        assert_eq!(lines[1], MeminfoLine { name: "HugePages_Total".into(), value: 3, is_bytes: false });
    }

    fn parse(text: &str) -> Reading<Vec<MeminfoLine>> {
        whole(|faults| parse_meminfo(Path::new("m"), text, faults))
    }

    #[test]
    fn a_bad_line_costs_itself() {
        for bad in ["what", "SwapFree: 18446744073709346016 kB", "A: -1 kB", "A: 1 kBB: 2 kB", "  total:  used:"] {
            let text = format!("MemTotal: 5 kB\n{bad}\nMemFree: 3 kB\n");
            let (lines, told) = partial(|faults| parse_meminfo(Path::new("m"), &text, faults));
            assert_eq!(lines.iter().map(|line| &*line.name).collect::<Vec<_>>(), ["MemTotal", "MemFree"], "{bad}");
            assert!(told.starts_with("m:2: "), "{told}");
        }
        assert!(parse("").is_err() && parse("what\n").is_err());
    }
}
