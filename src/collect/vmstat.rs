//! `/proc/vmstat` (`proc_vmstat(5)`): paging, swapping, page faults and kills for want of memory; `pgfault 6206766` for
//! example.
//!
//! Read at every tick. A reader of our own because sysinfo tells no swap traffic.

use std::path::Path;

use super::Paths;
use super::file::{FileReader, parse_error};
use crate::model::Reading;
use crate::model::memory::RawVmstat;

/// The fields that are kept, as they are now.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<RawVmstat> {
    FileReader::new(paths.proc("vmstat"), parse_vmstat)
}

/// The default selection of `node_exporter`: `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_kept(name: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"].iter().any(|prefix| name.starts_with(prefix))
        || name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
}

fn parse_vmstat(path: &Path, text: &str) -> Reading<RawVmstat> {
    if !text.starts_with("nr_") {
        return Err(parse_error(path, 1, "expected a counter called \"nr_...\""));
    }
    let mut fields = Vec::with_capacity(8);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| is_kept(line)) {
        let field = line.split_once(' ').and_then(|(name, value)| Some((name.into(), value.trim().parse().ok()?)));
        fields.push(field.ok_or_else(|| parse_error(path, index + 1, "expected a name and a number"))?);
    }
    Ok(RawVmstat { fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_selection_is_kept() {
        let text = "nr_free_pages 5\npgpgin 1\npgpgout 2\npswpin 3\npgfault 4\npgmajfault 5\npgfree 6\noom_kill 7\n";
        let names: Vec<_> = parse_vmstat(Path::new("v"), text).unwrap().fields.into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["pgpgin", "pgpgout", "pswpin", "pgfault", "pgmajfault", "oom_kill"]
        );
    }

    #[test]
    fn garbage_in_a_kept_line_is_an_error() {
        assert!(parse_vmstat(Path::new("v"), "nr_x 1\noom_kill many\n").unwrap_err().to_string().starts_with("v:2:"));
        assert!(parse_vmstat(Path::new("v"), "").is_err());
    }

    #[test]
    fn swap_traffic_of_a_laptop_and_of_a_kernel_without_swap() {
        let text = include_str!("../../tests/fixtures/machine/proc/vmstat");
        let vmstat = parse_vmstat(Path::new("v"), text).unwrap();
        assert_eq!((vmstat.count("pswpin"), vmstat.count("pswpout")), (20_418, 88_731));
        assert_eq!(parse_vmstat(Path::new("v"), "nr_free_pages 1\npgpgin 7\n").unwrap().count("pswpin"), 0);
        assert!(parse_vmstat(Path::new("v"), "garbage\npswpin 1\n").is_err());
    }
}
