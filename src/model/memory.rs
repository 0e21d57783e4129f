//! Memory and swap: raw from `/proc/meminfo` and `/proc/vmstat`, derived as what is used of them.
//!
//! Raw values are filled by [`crate::collect`]; [`derive()`] and [`derive_swap`] are called by [`super::derive()`].

use serde::Serialize;

use super::{Machine, Named, Pair, ratio};

/// `/proc/meminfo` in bytes (the file says kB and means KiB). `None`: this kernel has no such
/// line, or what it says cannot be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawMemory {
    /// `MemTotal`.
    pub total_bytes: Option<u64>,
    /// `MemFree`.
    pub free_bytes: Option<u64>,
    /// `MemAvailable`, since Linux 3.14; on an older kernel, and where it says 0, free + buffers + cached.
    pub available_bytes: Option<u64>,
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
    /// `SwapTotal`.
    pub swap_total_bytes: Option<u64>,
    /// `SwapFree`, never more than `SwapTotal`.
    pub swap_free_bytes: Option<u64>,
    /// `SwapCached`.
    pub swap_cached_bytes: Option<u64>,
}

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
    pub name: Box<str>,
    /// Bytes where the line says `kB`, else a plain count (`HugePages_Total`).
    pub value: u64,
    /// Whether the value is bytes.
    pub is_bytes: bool,
}

/// `/proc/meminfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMeminfo {
    /// The lines that the model derives from.
    pub memory: RawMemory,
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

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// `MemTotal`.
    pub total_bytes: Option<u64>,
    /// `MemAvailable`.
    pub available_bytes: Option<u64>,
    /// `MemTotal` - `MemAvailable`.
    pub used_bytes: Option<u64>,
    /// `MemFree`.
    pub free_bytes: Option<u64>,
    /// used / total. `None` when the total is 0 or one of the two unknown.
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

/// What is used and what is left.
pub(super) fn derive(raw: &RawMemory) -> Memory {
    let used_bytes = difference(raw.total_bytes, raw.available_bytes);
    Memory {
        total_bytes: raw.total_bytes,
        available_bytes: raw.available_bytes,
        used_bytes,
        free_bytes: raw.free_bytes,
        used_ratio: used_bytes.zip(raw.total_bytes).and_then(|(used, total)| ratio(used, total)),
        buffers_bytes: raw.buffers_bytes,
        cached_bytes: raw.cached_bytes,
        active_bytes: raw.active_bytes,
        inactive_bytes: raw.inactive_bytes,
        shared_bytes: raw.shared_bytes,
        slab_bytes: raw.slab_bytes,
        slab_reclaimable_bytes: raw.slab_reclaimable_bytes,
        dirty_bytes: raw.dirty_bytes,
    }
}

/// `whole - part`. `None` when one of them is unknown, and when the part is larger.
fn difference(whole: Option<u64>, part: Option<u64>) -> Option<u64> {
    whole?.checked_sub(part?)
}

/// The swap of the same reading, with the pages that went in and out. `None`: the kernel tells of none.
pub(super) fn derive_swap(raw: &RawMemory, io: Option<&Pair<'_, RawVmstat>>, machine: Machine) -> Option<Swap> {
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
