//! `/proc/meminfo`, every line: `MemTotal:  49368188 kB` in bytes, `HugePages_Total:  0` as a count.
//!
//! The memory reader takes the few lines that the model derives from; this one takes them all, by the kernel's names.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::{FileReader, parse_error};
use crate::model::Reading;
use crate::model::memory::MeminfoLine;

/// All lines as they are now.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<Vec<MeminfoLine>> {
    FileReader::new(paths.proc("meminfo"), parse_meminfo)
}

fn parse_meminfo(path: &Path, text: &str) -> Reading<Vec<MeminfoLine>> {
    let mut lines = Vec::with_capacity(64);
    for (index, line) in text.lines().enumerate() {
        let parsed = line.split_once(':').and_then(|(name, rest)| {
            let mut words = rest.split_ascii_whitespace();
            let value: u64 = words.next()?.parse().ok()?;
            Some(match words.next() {
                Some("kB") => MeminfoLine { name: name.into(), value: value.checked_mul(1024)?, is_bytes: true },
                _ => MeminfoLine { name: name.into(), value, is_bytes: false },
            })
        });
        lines.push(parsed.ok_or_else(|| parse_error(path, index + 1, "expected a name, a colon and a number"))?);
    }
    if lines.is_empty() {
        return Err(parse_error(path, 0, "empty"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        let lines = parse_meminfo(Path::new("m"), "Active(anon):   1576 kB\nHugePages_Total:       3\n").unwrap();
        assert_eq!(lines[0], MeminfoLine { name: "Active(anon)".into(), value: 1576 * 1024, is_bytes: true });
        assert_eq!(lines[1], MeminfoLine { name: "HugePages_Total".into(), value: 3, is_bytes: false });
    }

    #[test]
    fn garbage_names_its_line() {
        let error = parse_meminfo(Path::new("m"), "MemTotal: 5 kB\nwhat\n").unwrap_err();
        assert!(error.to_string().starts_with("m:2:"), "{error}");
        assert!(parse_meminfo(Path::new("m"), "").is_err());
    }
}
