//! Connection tracking: `/proc/sys/net/netfilter/nf_conntrack_{count,max}` and `/proc/net/stat/nf_conntrack`, whose first
//! line names its hexadecimal columns and which has one line a CPU. All are missing while the module is not loaded.

use std::path::Path;

use super::Paths;
use crate::collect::linux::file::{KeptFile, parse_error};
use crate::collect::linux::lines::{Bad, Taken, walk_each};
use crate::model::network::Conntrack;
use crate::model::{Faults, Named, ReadError, Reading};

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader {
    count: KeptFile,
    limit: KeptFile,
    statistics: KeptFile,
    /// Whether the number of entries is that of this process's own name space: the kernel tells no other below `sys`.
    is_own: bool,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self {
            count: KeptFile::new(paths.proc("sys/net/netfilter/nf_conntrack_count")),
            limit: KeptFile::new(paths.proc("sys/net/netfilter/nf_conntrack_max")),
            statistics: KeptFile::new(paths.net("stat/nf_conntrack")),
            is_own: paths.is_live(),
        }
    }

    /// Entries, limit and the summed columns. The columns need `CONFIG_NF_CONNTRACK_PROCFS` (and, before Linux 5.18, root);
    /// without them the rest is told.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Conntrack> {
        let (own, limit) = (self.count.number()?, self.limit.number()?);
        let mut listed = None;
        let read = self.statistics.read_text_with(|path, text| {
            listed = first_entries(text);
            parse_statistics(path, text, faults)
        });
        let entries = listed.filter(|_| !self.is_own).unwrap_or(own);
        let statistics = match read {
            Err(ReadError::Unsupported { .. } | ReadError::Denied { .. }) => Vec::new(),
            statistics => faults.part(statistics).unwrap_or_default(),
        };
        Ok(Conntrack { entries, limit, statistics })
    }
}

/// The column `entries`, which is the same number in every line.
fn first_entries(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let column = lines.next()?.split_ascii_whitespace().position(|name| name == "entries")?;
    u64::from_str_radix(lines.next()?.split_ascii_whitespace().nth(column)?, 16).ok()
}

/// A column is the sum over all CPUs. Where the number of one CPU is bad, the column is unknown.
fn parse_statistics(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<Named>> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let (_, header) = lines.next().ok_or_else(|| parse_error(path, 0, "empty"))?;
    let mut columns: Vec<(&str, Option<u64>)> = header.split_ascii_whitespace().map(|name| (name, Some(0))).collect();
    walk_each(path, lines, faults, |_, line| {
        let mut words = line.split_ascii_whitespace();
        let (mut is_whole, mut has_any) = (true, false);
        for (_, sum) in &mut columns {
            let word = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            is_whole &= word.is_some();
            has_any |= word.is_some();
            *sum = sum.zip(word).map(|(sum, word)| sum.saturating_add(word));
        }
        let bad = Bad::found("a hexadecimal number a column", line);
        match (is_whole, has_any) {
            (true, _) => Ok(Taken::Value),
            (false, true) => Ok(Taken::Part(bad)),
            (false, false) => Err(bad),
        }
    })?;
    Ok(columns.into_iter().filter_map(|(name, sum)| Some((name.into(), sum?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{machine_of, partial, whole};

    #[test]
    fn below_another_root_the_entries_are_those_of_its_first_process() {
        let files = [
            ("proc/sys/net/netfilter/nf_conntrack_count", "3\n"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
            ("proc/net/stat/nf_conntrack", "entries  found\n00000003  00000001\n"),
            ("proc/1/net/stat/nf_conntrack", "entries  found\n0000002a  00000001\n0000002a  00000002\n"),
        ];
        let (_dir, paths) = machine_of(&files);
        let told = whole(|faults| Reader::new(&paths).read(faults)).unwrap();
        assert_eq!((told.entries, told.limit, &told.statistics[1]), (42, 65_536, &("found".into(), 3)));
        let (_dir, paths) = machine_of(&files[..2]);
        assert_eq!(whole(|faults| Reader::new(&paths).read(faults)).unwrap().entries, 3, "nothing tells better");
    }

    #[test]
    fn columns_are_summed_over_the_cpus() {
        let text = "entries  clashres found\n00000000  00000001 0000000a\n00000000  00000002 00000010\n";
        let columns = whole(|faults| parse_statistics(Path::new("c"), text, faults)).unwrap();
        assert_eq!(columns, [("entries".into(), 0), ("clashres".into(), 3), ("found".into(), 26)]);
        let (columns, told) = partial(|faults| parse_statistics(Path::new("c"), "a b c\n1 2 3\n1 x 3\n", faults));
        assert_eq!(columns, [("a".into(), 2), ("c".into(), 6)]);
        assert!(told.starts_with("c:3: "), "{told}");
        let error = whole(|faults| parse_statistics(Path::new("c"), "a b\nx\n", faults)).unwrap_err();
        assert!(error.to_string().starts_with("c:2:"));
    }
}
