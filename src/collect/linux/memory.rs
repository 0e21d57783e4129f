//! `/proc/meminfo` (`proc_meminfo(5)`): the lines that the model derives from, and all lines by the kernel's names.
//!
//! Read at every tick. A reader of our own because sysinfo has no buffers, active, inactive or slab. What counts as used is
//! decided in [`crate::model`].

use std::path::Path;

use super::lines::{Bad, Taken, split_once, walk};
use crate::model::memory::{MeminfoLine, Memory, RawMeminfo};
use crate::model::{Faults, Reading};

/// The text of `/proc/meminfo`: `MemTotal:  49368188 kB` in bytes (a kB of the kernel is 1024), `HugePages_Total:  0` as a
/// count.
pub fn parse_meminfo(path: &Path, text: &str, faults: &mut Faults) -> Reading<RawMeminfo> {
    let (mut lines, mut bad) = (Vec::with_capacity(64), Vec::new());
    walk(path, text, faults, |_, line| {
        let expected = Bad::found("a name, a colon and a number, with or without kB", line);
        let (name, value) = split_once(line, b':').ok_or(expected)?;
        let (value, is_bytes) = parse_value(value).ok_or_else(|| {
            bad.push(name);
            expected
        })?;
        lines.push(MeminfoLine { name: name.into(), value, is_bytes });
        Ok(Taken::Value)
    })?;
    // A line that is there and bad is `Some(None)`.
    let memory = memory_of(|key| match lines.iter().find(|line| line.name == key) {
        Some(line) => Some(if line.is_bytes { Some(line.value) } else { line.value.checked_mul(1024) }),
        None => bad.contains(&key).then_some(None),
    });
    Ok(RawMeminfo { memory, lines })
}

/// What stands behind the colon, and whether it is bytes.
fn parse_value(value: &str) -> Option<(u64, bool)> {
    let value = value.trim_ascii();
    match value.strip_suffix(" kB") {
        Some(kilobytes) => Some((kilobytes.trim_ascii_end().parse::<u64>().ok()?.checked_mul(1024)?, true)),
        None => Some((value.parse().ok()?, false)),
    }
}

/// What the lines tell, bytes each; `line` gives one by its name, and `Some(None)` for one that is there and bad.
///
/// A line that is missing, bad or not true is `None`. `MemAvailable` came with Linux 3.14; without it, and where a container
/// says 0 or more than there is, free + buffers + cached stands in.
fn memory_of(line: impl Fn(&'static str) -> Option<Option<u64>>) -> Memory {
    let bytes = |key| line(key).flatten();
    let estimate = || {
        let free_and_buffers = bytes("MemFree")?.checked_add(line("Buffers").unwrap_or(Some(0))?)?;
        free_and_buffers.checked_add(line("Cached").unwrap_or(Some(0))?)
    };
    let fits = |bytes: &u64, total: Option<u64>| total.is_none_or(|total| *bytes <= total);
    let (total, swap_total) = (bytes("MemTotal"), bytes("SwapTotal"));
    let available = bytes("MemAvailable").filter(|bytes| *bytes > 0).or_else(estimate);
    Memory {
        total_bytes: total,
        free_bytes: bytes("MemFree"),
        available_bytes: available.filter(|bytes| fits(bytes, total)),
        buffers_bytes: bytes("Buffers"),
        cached_bytes: bytes("Cached"),
        active_bytes: bytes("Active"),
        inactive_bytes: bytes("Inactive"),
        shared_bytes: bytes("Shmem"),
        slab_bytes: bytes("Slab"),
        slab_reclaimable_bytes: bytes("SReclaimable"),
        dirty_bytes: bytes("Dirty"),
        swap_total_bytes: swap_total,
        swap_free_bytes: bytes("SwapFree").filter(|bytes| fits(bytes, swap_total)),
        ..Memory::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{live, partial, whole};
    use crate::model::ReadError;

    const MEMINFO: &str = include_str!("../../../tests/fixtures/machine/proc/meminfo");
    const KIB: u64 = 1024;

    fn all(text: &str) -> Reading<RawMeminfo> {
        whole(|faults| parse_meminfo(Path::new("m"), text, faults))
    }

    fn parse(text: &str) -> Reading<Memory> {
        all(text).map(|all| all.memory)
    }

    fn wrong_line<T: std::fmt::Debug>(reading: Reading<T>) -> usize {
        match reading {
            Err(ReadError::Parse { line, .. }) => line,
            other => panic!("expected a complaint, found {other:?}"),
        }
    }

    #[test]
    fn a_laptop() {
        let expected = Memory {
            total_bytes: Some(16_223_648 * KIB),
            free_bytes: Some(3_118_204 * KIB),
            available_bytes: Some(9_874_512 * KIB),
            buffers_bytes: Some(412_380 * KIB),
            cached_bytes: Some(6_518_904 * KIB),
            active_bytes: Some(5_230_116 * KIB),
            inactive_bytes: Some(5_903_288 * KIB),
            shared_bytes: Some(688_212 * KIB),
            slab_bytes: Some(702_556 * KIB),
            slab_reclaimable_bytes: Some(498_120 * KIB),
            dirty_bytes: Some(1_384 * KIB),
            swap_total_bytes: Some(8_388_604 * KIB),
            swap_free_bytes: Some(8_126_460 * KIB),
            ..Memory::default()
        };
        assert_eq!(parse(MEMINFO), Ok(expected));
    }

    #[test]
    fn the_order_of_the_lines_does_not_matter() {
        let reversed: Vec<&str> = MEMINFO.lines().rev().collect();
        assert_eq!(parse(&reversed.join("\n")), parse(MEMINFO));
    }

    #[test]
    fn an_old_kernel_does_not_say_what_is_available() {
        let memory = parse("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 2 kB\nCached: 30 kB\n").unwrap();
        assert_eq!((memory.available_bytes, memory.total_bytes), (Some(42 * KIB), Some(100 * KIB)));
        assert_eq!((memory.swap_total_bytes, memory.slab_bytes), (None, None));
    }

    #[test]
    fn a_file_without_a_good_line_has_failed() {
        for (text, line) in [("", 0), ("garbage\n", 1), ("\n        total:    used:\n", 2), ("MemTotal: lots kB\n", 1)]
        {
            assert_eq!(wrong_line(parse(text)), line, "{text}");
        }
    }

    #[test]
    fn a_bad_line_costs_its_own_value() {
        let whole = parse(MEMINFO).unwrap();
        let spoil = |from: &str, to: &str| {
            assert!(MEMINFO.contains(from));
            let text = MEMINFO.replace(from, to);
            partial(|faults| parse_meminfo(Path::new("meminfo"), &text, faults)).0.memory
        };
        let total = "MemTotal:       16223648 kB";
        for bad in ["MemTotal: lots kB", "MemTotal: -1 kB", "MemTotal:", "MemTotal: 18014398509481984 kB"] {
            assert_eq!(spoil(total, bad), Memory { total_bytes: None, ..whole }, "{bad}");
        }
        // lxcfs, beside a SwapTotal of 0.
        let swap_free = spoil("SwapFree:        8126460 kB", "SwapFree: 18446744073709346016 kB");
        assert_eq!(swap_free, Memory { swap_free_bytes: None, ..whole });
        // Two lines grown together: neither is told.
        let glued = spoil("Cached:          6518904 kB\n", "Cached:          6518904 kB");
        assert_eq!(glued, Memory { cached_bytes: None, ..whole });
        // The estimate stands in for the line, and is none where one of its own lines is bad.
        let estimate = Some((3_118_204 + 412_380 + 6_518_904) * KIB);
        let available = "MemAvailable:    9874512 kB";
        assert_eq!(spoil(available, "MemAvailable: x kB"), Memory { available_bytes: estimate, ..whole });
        let text = MEMINFO.replace(available, "").replace("Cached:          6518904", "Cached: x");
        let memory = partial(|faults| parse_meminfo(Path::new("meminfo"), &text, faults)).0.memory;
        assert_eq!((memory.available_bytes, memory.cached_bytes), (None, None));
    }

    #[test]
    fn what_cannot_be_true_is_not_told() {
        let with = |from: &str, to: &str| {
            assert!(MEMINFO.contains(from));
            parse(&MEMINFO.replace(from, to)).unwrap()
        };
        let whole = parse(MEMINFO).unwrap();
        let estimate = Some((3_118_204 + 412_380 + 6_518_904) * KIB);
        let zero = with("MemAvailable:    9874512 kB", "MemAvailable: 0 kB");
        assert_eq!(zero, Memory { available_bytes: estimate, ..whole });
        let of_the_host = with("MemTotal:       16223648 kB", "MemTotal: 5000000 kB");
        assert_eq!((of_the_host.available_bytes, of_the_host.free_bytes), (None, whole.free_bytes));
        let swap = with("SwapTotal:       8388604 kB", "SwapTotal: 0 kB");
        assert_eq!((swap.swap_total_bytes, swap.swap_free_bytes), (Some(0), None));
    }

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        let lines = all("Active(anon):   1576 kB\nHugePages_Total:       3\n").unwrap().lines;
        assert_eq!(lines[0], MeminfoLine { name: "Active(anon)".into(), value: 1576 * 1024, is_bytes: true });
        assert_eq!(lines[1], MeminfoLine { name: "HugePages_Total".into(), value: 3, is_bytes: false });
    }

    #[test]
    fn a_bad_line_of_all_costs_itself() {
        for bad in ["what", "SwapFree: 18446744073709346016 kB", "A: -1 kB", "A: 1 kBB: 2 kB", "  total:  used:"] {
            let text = format!("MemTotal: 5 kB\n{bad}\nMemFree: 3 kB\n");
            let (all, told) = partial(|faults| parse_meminfo(Path::new("m"), &text, faults));
            assert_eq!(all.lines.iter().map(|line| &*line.name).collect::<Vec<_>>(), ["MemTotal", "MemFree"], "{bad}");
            assert!(told.starts_with("m:2: "), "{told}");
        }
    }

    #[test]
    fn this_machine_has_no_more_available_than_there_is() {
        let memory = live("meminfo", parse_meminfo).unwrap().memory;
        assert!(memory.total_bytes > Some(0) && memory.available_bytes <= memory.total_bytes);
        assert!(memory.free_bytes <= memory.total_bytes);
    }
}
