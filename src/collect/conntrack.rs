//! Connection tracking: `/proc/sys/net/netfilter/nf_conntrack_{count,max}` and `/proc/net/stat/nf_conntrack`, whose first
//! line names its hexadecimal columns and which has one line a CPU. All are missing while the module is not loaded.

use std::path::Path;

use super::Paths;
use super::entropy::number;
use super::file::{KeptFile, parse_error};
use crate::model::network::Conntrack;
use crate::model::{Named, ReadError, Reading};

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader {
    count: KeptFile,
    limit: KeptFile,
    statistics: KeptFile,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            count: KeptFile::new(paths.proc("sys/net/netfilter/nf_conntrack_count")),
            limit: KeptFile::new(paths.proc("sys/net/netfilter/nf_conntrack_max")),
            statistics: KeptFile::new(paths.proc("net/stat/nf_conntrack")),
        }
    }

    /// Entries, limit and the summed columns. The columns need `CONFIG_NF_CONNTRACK_PROCFS` (and, before Linux 5.18, root);
    /// without them the rest is told.
    pub fn read(&mut self) -> Reading<Conntrack> {
        let (entries, limit) = (number(&mut self.count)?, number(&mut self.limit)?);
        let statistics = match self.statistics.read_text_with(parse_statistics) {
            Err(ReadError::Unsupported { .. } | ReadError::Denied { .. }) => Vec::new(),
            statistics => statistics?,
        };
        Ok(Conntrack { entries, limit, statistics })
    }
}

fn parse_statistics(path: &Path, text: &str) -> Reading<Vec<Named>> {
    let mut lines = text.lines();
    let header = lines.next().ok_or_else(|| parse_error(path, 0, "empty"))?;
    let mut columns: Vec<Named> = header.split_ascii_whitespace().map(|name| (name.into(), 0)).collect();
    for (index, line) in lines.enumerate() {
        let mut words = line.split_ascii_whitespace();
        for (_, sum) in &mut columns {
            let word = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            let word = word.ok_or_else(|| parse_error(path, index + 2, "expected a hexadecimal number a column"))?;
            *sum = sum.saturating_add(word);
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_summed_over_the_cpus() {
        let text = "entries  clashres found\n00000000  00000001 0000000a\n00000000  00000002 00000010\n";
        let columns = parse_statistics(Path::new("c"), text).unwrap();
        assert_eq!(columns, [("entries".into(), 0), ("clashres".into(), 3), ("found".into(), 26)]);
        assert!(parse_statistics(Path::new("c"), "a b\n1\n").unwrap_err().to_string().starts_with("c:2:"));
    }
}
