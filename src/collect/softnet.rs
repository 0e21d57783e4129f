//! `/proc/net/softnet_stat`: packets taken from the backlog, one line a CPU, hexadecimal columns
//! (net/core/net-procfs.c). Column 13, the number of the CPU, is there since Linux 5.14.

use std::path::Path;

use super::Paths;
use super::file::{FileReader, parse_error};
use crate::model::Reading;
use crate::model::network::SoftnetRow;

/// All CPUs.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<Vec<SoftnetRow>> {
    FileReader::new(paths.proc("net/softnet_stat"), parse_softnet)
}

fn parse_softnet(path: &Path, text: &str) -> Reading<Vec<SoftnetRow>> {
    let mut rows = Vec::with_capacity(8);
    for (index, line) in (0_u32..).zip(text.lines()) {
        let wrong = || parse_error(path, index as usize + 1, "expected hexadecimal columns");
        let mut words = line.split_ascii_whitespace().map(|word| u32::from_str_radix(word, 16).ok());
        let mut column = || words.next().flatten().ok_or_else(wrong);
        let (processed, dropped, squeezed) = (column()?, column()?, column()?);
        let cpu = words.nth(9).flatten().unwrap_or(index);
        rows.push(SoftnetRow { cpu, processed, dropped, squeezed });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_column_13_or_the_line() {
        let text = "0000000d 00000001 00000002 0 0 0 0 0 0 0 0 0 00000003 0 0\n";
        let row = SoftnetRow { cpu: 3, processed: 13, dropped: 1, squeezed: 2 };
        assert_eq!(parse_softnet(Path::new("s"), text).unwrap(), [row]);
        let old = "0000000d 00000001 00000002 0 0 0 0 0 0\n";
        assert_eq!(parse_softnet(Path::new("s"), old).unwrap(), [SoftnetRow { cpu: 0, ..row }]);
    }

    #[test]
    fn garbage_names_its_line() {
        let error = parse_softnet(Path::new("s"), "1 2 3\n1 zz 3\n").unwrap_err();
        assert!(error.to_string().starts_with("s:2:"), "{error}");
    }
}
