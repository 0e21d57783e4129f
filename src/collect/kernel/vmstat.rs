//! `/proc/vmstat`: paging, swapping, page faults and kills for want of memory; `pgfault 6206766` for example.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::FileReader;
use crate::collect::lines::{Bad, Taken, number, walk};
use crate::model::tables::Named;
use crate::model::{Faults, Reading};

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

fn parse_vmstat(path: &Path, text: &str, faults: &mut Faults) -> Reading<Vec<Named>> {
    let mut fields = Vec::with_capacity(8);
    walk(path, text, faults, |_, line| {
        if !is_kept(line) {
            return Ok(if line.starts_with("nr_") { Taken::Head } else { Taken::Nothing });
        }
        let (name, value) = line.split_once(' ').ok_or(Bad::found("a name and a number", line))?;
        fields.push((name.into(), number(Some(value), "a number")?));
        Ok(Taken::Value)
    })?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{partial, whole};

    #[test]
    fn only_the_selection_is_kept() {
        let text = "nr_free_pages 5\npgpgin 1\npgpgout 2\npswpin 3\npgfault 4\npgmajfault 5\npgfree 6\noom_kill 7\n";
        let names: Vec<_> =
            whole(|faults| parse_vmstat(Path::new("v"), text, faults)).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["pgpgin", "pgpgout", "pswpin", "pgfault", "pgmajfault", "oom_kill"]
        );
    }

    #[test]
    fn garbage_in_a_kept_line_costs_that_line() {
        let (fields, told) = partial(|faults| parse_vmstat(Path::new("v"), "oom_kill many\npgfault 3\n", faults));
        assert_eq!(fields, [("pgfault".into(), 3)]);
        assert!(told.starts_with("v:1: "), "{told}");
        for text in ["", "x\n", "oom_kill many\n"] {
            assert!(whole(|faults| parse_vmstat(Path::new("v"), text, faults)).is_err(), "{text}");
        }
    }
}
