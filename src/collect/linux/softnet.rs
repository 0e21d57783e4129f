//! `/proc/net/softnet_stat`: packets taken from the backlog, one line a CPU, hexadecimal columns
//! (net/core/net-procfs.c). Column 13, the number of the CPU, is there since Linux 5.14.

use std::path::Path;

use crate::collect::linux::lines::{Bad, Taken, walk};
use crate::model::network::SoftnetRow;
use crate::model::{Faults, Reading};

/// All CPUs.
pub fn parse_softnet(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<SoftnetRow>> {
    let mut rows = Vec::with_capacity(8);
    walk(path, text, faults, |at, line| {
        let bad = Bad::found("hexadecimal columns", line);
        let mut words = line.split_ascii_whitespace().map(|word| {
            // Eight digits; more are two words that grew together.
            u32::from_str_radix(word, 16).ok().filter(|_| word.len() <= 8)
        });
        let mut column = || words.next().flatten().ok_or(bad);
        let (processed, dropped, squeezed) = (column()?, column()?, column()?);
        let cpu = match words.nth(9) {
            Some(cpu) => cpu.ok_or(bad)?,
            None => u32::try_from(at - 1).map_err(|_| bad)?,
        };
        rows.push(SoftnetRow { cpu, processed, dropped, squeezed });
        Ok(Taken::Value)
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};

    #[test]
    fn the_cpu_is_column_13_or_the_line() {
        let text = "0000000d 00000001 00000002 0 0 0 0 0 0 0 0 0 00000003 0 0\n";
        let row = SoftnetRow { cpu: 3, processed: 13, dropped: 1, squeezed: 2 };
        assert_eq!(whole(|faults| parse_softnet(Path::new("s"), text, faults)).unwrap(), [row]);
        let old = "0000000d 00000001 00000002 0 0 0 0 0 0\n";
        assert_eq!(whole(|faults| parse_softnet(Path::new("s"), old, faults)).unwrap(), [SoftnetRow { cpu: 0, ..row }]);
    }

    #[test]
    fn garbage_costs_its_own_cpu() {
        let (rows, told) = partial(|faults| parse_softnet(Path::new("s"), "1 2 3\n1 zz 3\n4 5 6\n", faults));
        let row = |cpu, processed, dropped, squeezed| SoftnetRow { cpu, processed, dropped, squeezed };
        assert_eq!(rows, [row(0, 1, 2, 3), row(2, 4, 5, 6)]);
        assert!(told.starts_with("s:2: "), "{told}");
        assert!(whole(|faults| parse_softnet(Path::new("s"), "zz\n", faults)).is_err());
    }
}
