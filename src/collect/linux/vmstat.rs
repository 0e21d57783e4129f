//! `/proc/vmstat` (`proc_vmstat(5)`): paging, swapping, page faults and kills for want of memory; `pgfault 6206766` for
//! example.
//!
//! Read at every tick. A reader of our own because sysinfo tells no swap traffic.

use std::path::Path;

use super::lines::{Bad, Taken, number, walk};
use crate::model::memory::{RawSwapIo, RawVmstat};
use crate::model::{Faults, Named, Reading};

/// The default selection of `node_exporter`: `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_kept(name: &str) -> bool {
    // Most of the nearly 200 names begin with another letter.
    match name.as_bytes().first() {
        Some(b'o') => name.starts_with("oom_kill"),
        Some(b'p') => {
            ["pgpg", "pswp"].iter().any(|prefix| name.starts_with(prefix))
                || name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
        }
        _ => false,
    }
}

/// The fields that are kept.
pub fn parse_vmstat(path: &Path, text: &str, faults: &mut Faults) -> Reading<RawVmstat> {
    let mut fields: Vec<Named> = Vec::with_capacity(16);
    let mut has_swap = false;
    walk(path, text, faults, |_, line| {
        if !is_kept(line) {
            return Ok(if line.starts_with("nr_") { Taken::Head } else { Taken::Nothing });
        }
        has_swap |= line.starts_with("pswp");
        let (name, value) = line.split_once(' ').ok_or(Bad::found("a name and a number", line))?;
        fields.push((name.into(), number(Some(value), "a number")?));
        Ok(Taken::Value)
    })?;
    // A kernel without these lines never swapped.
    let pages = |name: &str| match fields.iter().find(|(known, _)| **known == *name) {
        Some((_, pages)) => Some(*pages),
        None => (!has_swap).then_some(0),
    };
    let swap = RawSwapIo { pages_in: pages("pswpin"), pages_out: pages("pswpout") };
    Ok(RawVmstat { fields, swap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};
    use crate::model::ReadError;

    const VMSTAT: &str = include_str!("../../../tests/fixtures/machine/proc/vmstat");

    #[test]
    fn only_the_selection_is_kept() {
        let text = "nr_free_pages 5\npgpgin 1\npgpgout 2\npswpin 3\npgfault 4\npgmajfault 5\npgfree 6\noom_kill 7\n";
        let names: Vec<_> = whole(|faults| parse_vmstat(Path::new("v"), text, faults))
            .unwrap()
            .fields
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        assert_eq!(
            names.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["pgpgin", "pgpgout", "pswpin", "pgfault", "pgmajfault", "oom_kill"]
        );
    }

    #[test]
    fn garbage_in_a_kept_line_costs_that_line() {
        let (vmstat, told) = partial(|faults| parse_vmstat(Path::new("v"), "oom_kill many\npgfault 3\n", faults));
        assert_eq!(vmstat.fields, [("pgfault".into(), 3)]);
        assert!(told.starts_with("v:1: "), "{told}");
        for text in ["", "x\n", "oom_kill many\n"] {
            assert!(whole(|faults| parse_vmstat(Path::new("v"), text, faults)).is_err(), "{text}");
        }
    }

    fn wrong_line<T: std::fmt::Debug>(reading: Reading<T>) -> usize {
        match reading {
            Err(ReadError::Parse { line, .. }) => line,
            other => panic!("expected a complaint, found {other:?}"),
        }
    }

    #[test]
    fn swap_counters_of_a_laptop() {
        let expected = RawSwapIo { pages_in: Some(20_418), pages_out: Some(88_731) };
        assert_eq!(whole(|faults| parse_vmstat(Path::new("vmstat"), VMSTAT, faults)).map(|all| all.swap), Ok(expected));
    }

    #[test]
    fn swap_counters_of_other_texts() {
        let parse = |text| whole(|faults| parse_vmstat(Path::new("vmstat"), text, faults)).map(|all| all.swap);
        let swapped = |pages_in, pages_out| RawSwapIo { pages_in, pages_out };
        assert_eq!(parse("nr_free_pages 1\npgpgin 7\n"), Ok(swapped(Some(0), Some(0))));
        assert_eq!(parse("nr_free_pages 1\npswpin 7\ngarbage\n"), Ok(swapped(Some(7), None)));
        assert_eq!(wrong_line(parse("")), 0);
        assert_eq!(wrong_line(parse("garbage\npswpin x\n")), 2);
        for bad in ["x", "", "-1", "18446744073709551616"] {
            let text = format!("nr_free_pages 1\npgpgin 7\npswpin {bad}\npswpout 5\n");
            let (all, told) = partial(|faults| parse_vmstat(Path::new("vmstat"), &text, faults));
            assert_eq!(all.swap, swapped(None, Some(5)), "{bad}");
            assert!(told.starts_with("vmstat:3: "), "{told}");
        }
    }
}
