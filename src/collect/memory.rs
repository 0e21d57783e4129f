//! `/proc/meminfo` (`proc_meminfo(5)`): the lines that the model derives from, and all lines by the kernel's names.
//!
//! Read at every tick. A reader of our own because sysinfo has no buffers, active, inactive or slab. What counts as used is
//! decided in [`crate::model`].

use std::path::Path;

use super::Paths;
use super::file::{FileReader, number, parse_error};
use crate::model::Reading;
use crate::model::memory::{MeminfoLine, RawMemory};

/// Memory now.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<RawMemory> {
    FileReader::new(paths.proc("meminfo"), parse_meminfo)
}

/// The lines of `/proc/meminfo` that are used, in the order of the slots of [`parse_meminfo`].
const KEYS: [&str; 14] = [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapCached",
    "Active",
    "Inactive",
    "SwapTotal",
    "SwapFree",
    "Dirty",
    "Shmem",
    "Slab",
    "SReclaimable",
];

/// The text of `/proc/meminfo`, lines such as `MemTotal:       24684092 kB`; a kB of the kernel is 1024 bytes.
///
/// `MemTotal` and `MemFree` must be there. `MemAvailable` came with Linux 3.14; without it free + buffers + cached stands in.
pub fn parse_meminfo(path: &Path, text: &str) -> Reading<RawMemory> {
    let mut slots = [None; KEYS.len()];
    // The kernel prints in the order of KEYS, so the next line that matters is nearly always the next key.
    let mut expected = 0;
    let mut missing = KEYS.len();
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let found = if KEYS[expected] == key { Some(expected) } else { KEYS.iter().position(|known| *known == key) };
        let Some(found) = found else { continue };
        if slots[found].replace(parse_kilobytes(path, index + 1, key, value)?).is_none() {
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
        expected = (found + 1) % KEYS.len();
    }
    let [total, free, available, buffers, cached, swap_cached, active, inactive, swap_total, swap_free, ..] = slots;
    let [.., dirty, shared, slab, slab_reclaimable] = slots;
    let (Some(total_bytes), Some(free_bytes)) = (total, free) else {
        return Err(parse_error(path, 0, "no MemTotal or no MemFree"));
    };
    let estimate = || free_bytes.saturating_add(buffers.unwrap_or(0)).saturating_add(cached.unwrap_or(0));
    Ok(RawMemory {
        total_bytes,
        free_bytes,
        available_bytes: available.unwrap_or_else(estimate),
        buffers_bytes: buffers,
        cached_bytes: cached,
        active_bytes: active,
        inactive_bytes: inactive,
        shared_bytes: shared,
        slab_bytes: slab,
        slab_reclaimable_bytes: slab_reclaimable,
        dirty_bytes: dirty,
        swap_total_bytes: swap_total,
        swap_free_bytes: swap_free,
        swap_cached_bytes: swap_cached,
        lines: parse_lines(text),
    })
}

fn parse_kilobytes(path: &Path, line: usize, key: &str, value: &str) -> Reading<u64> {
    let value = value.trim();
    let kilobytes: u64 = number(path, line, Some(value.strip_suffix(" kB").unwrap_or(value)), key)?;
    kilobytes.checked_mul(1024).ok_or_else(|| parse_error(path, line, format!("{key} is too large: {value}")))
}

/// Every line: `MemTotal:  49368188 kB` in bytes, `HugePages_Total:  0` as a count. A line that is neither is left out.
fn parse_lines(text: &str) -> Vec<MeminfoLine> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let mut words = rest.split_ascii_whitespace();
        let value: u64 = words.next()?.parse().ok()?;
        Some(match words.next() {
            Some("kB") => MeminfoLine { name: name.into(), value: value.checked_mul(1024)?, is_bytes: true },
            _ => MeminfoLine { name: name.into(), value, is_bytes: false },
        })
    };
    let mut lines = Vec::with_capacity(64);
    lines.extend(text.lines().filter_map(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReadError;

    const MEMINFO: &str = include_str!("../../tests/fixtures/machine/proc/meminfo");
    const KIB: u64 = 1024;

    fn parse(text: &str) -> Reading<RawMemory> {
        parse_meminfo(Path::new("meminfo"), text)
    }

    fn wrong_line<T: std::fmt::Debug>(reading: Reading<T>) -> usize {
        match reading {
            Err(ReadError::Parse { line, .. }) => line,
            other => panic!("expected a complaint, found {other:?}"),
        }
    }

    #[test]
    fn a_laptop() {
        let expected = RawMemory {
            total_bytes: 16_223_648 * KIB,
            free_bytes: 3_118_204 * KIB,
            available_bytes: 9_874_512 * KIB,
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
            swap_cached_bytes: Some(10_244 * KIB),
            lines: parse_lines(MEMINFO),
        };
        assert_eq!(parse(MEMINFO), Ok(expected));
    }

    #[test]
    fn the_order_of_the_lines_does_not_matter() {
        let reversed: Vec<&str> = MEMINFO.lines().rev().collect();
        let (mut reversed, memory) = (parse(&reversed.join("\n")).unwrap(), parse(MEMINFO).unwrap());
        reversed.lines.reverse();
        assert_eq!(reversed, memory);
    }

    #[test]
    fn an_old_kernel_does_not_say_what_is_available() {
        let memory = parse("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 2 kB\nCached: 30 kB\n").unwrap();
        assert_eq!((memory.available_bytes, memory.total_bytes), (42 * KIB, 100 * KIB));
        assert_eq!((memory.swap_total_bytes, memory.slab_bytes), (None, None));
    }

    #[test]
    fn complaints_name_the_line() {
        assert_eq!(wrong_line(parse("")), 0);
        assert_eq!(wrong_line(parse("garbage\n")), 0);
        assert_eq!(wrong_line(parse("MemFree: 10 kB\n")), 0);
        assert_eq!(wrong_line(parse("MemTotal: lots kB\nMemFree: 10 kB\n")), 1);
        assert_eq!(wrong_line(parse("MemTotal: 10 kB\nMemFree: -1 kB\n")), 2);
        assert_eq!(wrong_line(parse("MemTotal: 18014398509481984 kB\nMemFree: 10 kB\n")), 1);
        assert_eq!(wrong_line(parse("MemTotal:\nMemFree: 10 kB\n")), 1);
    }

    #[test]
    fn every_line_is_kept_under_its_name() {
        let lines = parse_lines("Active(anon):   1576 kB\nwhat\nHugePages_Total:       3\n");
        let line = |name: &str, value, is_bytes| MeminfoLine { name: name.into(), value, is_bytes };
        assert_eq!(lines, [line("Active(anon)", 1576 * 1024, true), line("HugePages_Total", 3, false)]);
    }

    #[test]
    fn this_machine_has_no_more_available_than_there_is() {
        let paths = Paths::host();
        let memory = reader(&paths).read().unwrap();
        assert!(memory.total_bytes > 0 && memory.available_bytes <= memory.total_bytes);
        assert!(memory.free_bytes <= memory.total_bytes);
    }
}
