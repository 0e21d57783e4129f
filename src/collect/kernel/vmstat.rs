//! `/proc/vmstat`: paging, swapping, page faults and kills for want of memory; `pgfault 6206766` for example.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::{FileReader, parse_error};
use crate::model::Reading;
use crate::model::tables::Named;

/// The fields that are kept, as they are now.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<Vec<Named>> {
    FileReader::new(paths.proc("vmstat"), parse_vmstat)
}

/// The default selection of `node_exporter`: `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_kept(name: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"].iter().any(|prefix| name.starts_with(prefix))
        || name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
}

fn parse_vmstat(path: &Path, text: &str) -> Reading<Vec<Named>> {
    if text.is_empty() {
        return Err(parse_error(path, 0, "empty"));
    }
    let mut fields = Vec::with_capacity(8);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| is_kept(line)) {
        let field = line.split_once(' ').and_then(|(name, value)| Some((name.into(), value.trim().parse().ok()?)));
        fields.push(field.ok_or_else(|| parse_error(path, index + 1, "expected a name and a number"))?);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_selection_is_kept() {
        let text = "nr_free_pages 5\npgpgin 1\npgpgout 2\npswpin 3\npgfault 4\npgmajfault 5\npgfree 6\noom_kill 7\n";
        let names: Vec<_> = parse_vmstat(Path::new("v"), text).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["pgpgin", "pgpgout", "pswpin", "pgfault", "pgmajfault", "oom_kill"]
        );
    }

    #[test]
    fn garbage_in_a_kept_line_is_an_error() {
        assert!(parse_vmstat(Path::new("v"), "x\noom_kill many\n").unwrap_err().to_string().starts_with("v:2:"));
        assert!(parse_vmstat(Path::new("v"), "").is_err());
    }
}
