//! Memory and swap: raw from `/proc/meminfo` and `/proc/vmstat`, derived as what is used of them.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] and [`derive_swap`] are called by [`super::derive()`].

use serde::Serialize;
use smol_str::SmolStr;

use super::{Machine, Named, Pair, ratio};

/// Pages swapped in and out since boot, `pswpin` and `pswpout` of `/proc/vmstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawSwapIo {
    /// `pswpin`, pages.
    pub pages_in: Option<u64>,
    /// `pswpout`, pages.
    pub pages_out: Option<u64>,
}

/// One line of `/proc/meminfo` (`proc_meminfo`(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeminfoLine {
    /// The text before the colon, `Active(anon)` for example.
    pub name: SmolStr,
    /// Bytes where the line says `kB`, else a plain count (`HugePages_Total`).
    pub value: u64,
    /// Whether the value is bytes.
    pub is_bytes: bool,
}

/// `/proc/meminfo`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawMeminfo {
    /// The lines that the model derives from, and nothing that is derived.
    pub memory: Memory,
    /// Every line, in the file's order.
    pub lines: Vec<MeminfoLine>,
}

/// `/proc/vmstat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawVmstat {
    /// `oom_kill`, `pgpg*`, `pswp*` and `pg*fault*` with their counts since boot, in the file's order.
    pub fields: Vec<Named>,
    /// The two that the model derives from.
    pub swap: RawSwapIo,
}

/// Memory, from `/proc/meminfo` in bytes (the file says kB and means KiB). `None`: this kernel has no such line, or what it
/// says cannot be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: Option<u64>,
    /// `MemAvailable`, since Linux 3.14; on an older kernel, and where it says 0, free + buffers + cached.
    pub available_bytes: Option<u64>,
    /// `MemTotal` - `MemAvailable`; derived.
    pub used_bytes: Option<u64>,
    /// `MemFree`.
    pub free_bytes: Option<u64>,
    /// used / total; derived. `None` when the total is 0 or one of the two unknown.
    pub used_ratio: Option<f64>,
    /// `Buffers`.
    pub buffers_bytes: Option<u64>,
    /// `Cached`.
    pub cached_bytes: Option<u64>,
    /// `Active`.
    pub active_bytes: Option<u64>,
    /// `Inactive`.
    pub inactive_bytes: Option<u64>,
    /// `Shmem`.
    pub shared_bytes: Option<u64>,
    /// `Slab`.
    pub slab_bytes: Option<u64>,
    /// `SReclaimable`.
    pub slab_reclaimable_bytes: Option<u64>,
    /// `Dirty`.
    pub dirty_bytes: Option<u64>,
    /// `SwapTotal`, told by [`Swap`].
    #[serde(skip)]
    pub swap_total_bytes: Option<u64>,
    /// `SwapFree`, never more than `SwapTotal`, told by [`Swap`].
    #[serde(skip)]
    pub swap_free_bytes: Option<u64>,
}

/// Swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Swap {
    /// `SwapTotal`.
    pub total_bytes: Option<u64>,
    /// `SwapTotal` - `SwapFree`.
    pub used_bytes: Option<u64>,
    /// `SwapFree`.
    pub free_bytes: Option<u64>,
    /// used / total; 0 where there is no swap.
    pub used_ratio: Option<f64>,
    /// Bytes swapped in since boot.
    pub in_bytes: Option<u64>,
    /// Bytes swapped out since boot.
    pub out_bytes: Option<u64>,
    /// Bytes a second swapped in over the last interval.
    pub in_bytes_per_second: Option<f64>,
    /// Bytes a second swapped out over the last interval.
    pub out_bytes_per_second: Option<f64>,
}

impl Memory {
    /// Page cache with the slab that can be given back, as `free` and psutil count it.
    pub fn cached_with_slab_bytes(&self) -> Option<u64> {
        Some(self.cached_bytes?.saturating_add(self.slab_reclaimable_bytes.unwrap_or(0)))
    }
}

/// What is used and what is left.
pub(super) fn derive(raw: &Memory) -> Memory {
    let used_bytes = difference(raw.total_bytes, raw.available_bytes);
    let used_ratio = used_bytes.zip(raw.total_bytes).and_then(|(used, total)| ratio(used, total));
    Memory { used_bytes, used_ratio, ..*raw }
}

/// `whole - part`. `None` when one of them is unknown, and when the part is larger.
fn difference(whole: Option<u64>, part: Option<u64>) -> Option<u64> {
    whole?.checked_sub(part?)
}

/// The swap of the same reading, with the pages that went in and out. `None`: the kernel tells of none.
pub(super) fn derive_swap(raw: &Memory, io: Option<&Pair<'_, RawVmstat>>, machine: Machine) -> Option<Swap> {
    let (total_bytes, free_bytes) = (raw.swap_total_bytes, raw.swap_free_bytes);
    let is_told = io.is_some_and(|io| io.current.swap.pages_in.or(io.current.swap.pages_out).is_some());
    if total_bytes.or(free_bytes).is_none() && !is_told {
        return None;
    }
    let used_bytes = difference(total_bytes, free_bytes);
    let bytes = |pages: u64| pages.saturating_mul(machine.page_bytes);
    let rate = |pick: fn(&RawSwapIo) -> Option<u64>| {
        let pages =
            io.and_then(|io| io.per_second(io.previous.and_then(|io| pick(&io.swap)), pick(&io.current.swap)?))?;
        Some(pages * machine.page_bytes as f64)
    };
    Some(Swap {
        total_bytes,
        used_bytes,
        free_bytes,
        used_ratio: used_bytes.zip(total_bytes).map(|(used, total)| ratio(used, total).unwrap_or(0.0)),
        in_bytes: io.and_then(|io| io.current.swap.pages_in).map(bytes),
        out_bytes: io.and_then(|io| io.current.swap.pages_out).map(bytes),
        in_bytes_per_second: rate(|io| io.pages_in),
        out_bytes_per_second: rate(|io| io.pages_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { page_bytes: 4096, ticks_per_second: 100 };

    #[test]
    fn used_is_what_is_not_available() {
        let raw = Memory { total_bytes: Some(1_000), available_bytes: Some(250), ..Memory::default() };
        let memory = derive(&raw);
        assert_eq!((memory.used_bytes, memory.used_ratio, memory.free_bytes), (Some(750), Some(0.75), None));
    }

    #[test]
    fn what_depends_on_an_unknown_is_unknown() {
        let of = |total_bytes, available_bytes| {
            let memory = derive(&Memory { total_bytes, available_bytes, ..Memory::default() });
            (memory.used_bytes, memory.used_ratio)
        };
        assert_eq!(of(None, Some(5)), (None, None));
        assert_eq!(of(Some(5), None), (None, None));
        assert_eq!(of(Some(5), Some(6)), (None, None), "more than there is");
        assert_eq!(of(Some(0), Some(0)), (Some(0), None));
    }

    fn swapped(pages_in: Option<u64>, pages_out: Option<u64>) -> RawVmstat {
        RawVmstat { swap: RawSwapIo { pages_in, pages_out }, ..RawVmstat::default() }
    }

    fn swap(total: Option<u64>, free: Option<u64>, io: Option<(&RawVmstat, &RawVmstat)>) -> Option<Swap> {
        let raw = Memory { swap_total_bytes: total, swap_free_bytes: free, ..Memory::default() };
        let pair = io.map(|(previous, current)| Pair { previous: Some(previous), current, seconds: Some(2.0) });
        derive_swap(&raw, pair.as_ref(), MACHINE)
    }

    #[test]
    fn swap_and_its_traffic() {
        let (before, now) = (swapped(Some(10), Some(5)), swapped(Some(30), Some(5)));
        let found = swap(Some(100), Some(75), Some((&before, &now))).unwrap();
        assert_eq!((found.used_bytes, found.used_ratio), (Some(25), Some(0.25)));
        assert_eq!((found.in_bytes, found.in_bytes_per_second), (Some(30 * 4096), Some(10.0 * 4096.0)));
        assert_eq!((found.out_bytes, found.out_bytes_per_second), (Some(5 * 4096), Some(0.0)));
        let huge = swapped(Some(u64::MAX), None);
        assert_eq!(swap(Some(1), Some(1), Some((&before, &huge))).unwrap().in_bytes, Some(u64::MAX));
    }

    #[test]
    fn no_swap_is_none_used_and_an_unknown_is_unknown() {
        let found = swap(Some(0), Some(0), None).unwrap();
        assert_eq!((found.used_bytes, found.used_ratio, found.in_bytes), (Some(0), Some(0.0), None));
        let found = swap(Some(0), None, None).unwrap();
        assert_eq!((found.total_bytes, found.used_bytes, found.used_ratio), (Some(0), None, None));
        assert_eq!(swap(None, None, None), None, "this kernel has none");
        assert!(swap(None, None, Some((&swapped(None, None), &swapped(Some(1), None)))).is_some());
    }

    #[test]
    fn no_rate_across_a_reset_an_unknown_or_a_first_reading() {
        let (many, few, unknown) = (swapped(Some(30), Some(30)), swapped(Some(3), Some(31)), swapped(None, Some(31)));
        let rates = |before, now| {
            let swap = swap(Some(1), Some(1), Some((before, now))).unwrap();
            (swap.in_bytes_per_second, swap.out_bytes_per_second)
        };
        assert_eq!(rates(&many, &few), (None, Some(2048.0)));
        assert_eq!(rates(&many, &unknown), (None, Some(2048.0)));
        assert_eq!(rates(&unknown, &many), (None, None));
        let raw = Memory { swap_total_bytes: Some(1), ..Memory::default() };
        let first = Pair { previous: None, current: &many, seconds: None };
        assert_eq!(derive_swap(&raw, Some(&first), MACHINE).unwrap().in_bytes_per_second, None);
    }
}
