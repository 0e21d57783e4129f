//! Glances' `mem` and `memswap`.
//!
//! Called by the table of plugins.

use serde::Serialize;

use super::span;
use crate::dialect::memory::SwapUse;
use crate::dialect::number::percent_one_decimal;
use crate::model::Snapshot;
use crate::model::average::Extremes;
use crate::model::memory::RawVmstat;

/// `mem`, in bytes. The last three are since this program started.
pub fn mem(snapshot: &Snapshot) -> impl Serialize {
    let memory = snapshot.memory.unwrap_or_default();
    let total = memory.total_bytes.filter(|total| *total > 0).map(|total| total as f64);
    let ever = |pick: fn(&Extremes) -> f64| {
        let bytes = snapshot.averages.memory_since_start.as_ref().map(pick)?;
        Some(percent_one_decimal(bytes / total?))
    };
    object! {
        total: memory.total_bytes,
        available: memory.available_bytes,
        percent: memory.used_ratio.map(percent_one_decimal),
        used: memory.used_bytes,
        free: memory.free_bytes,
        active: memory.active_bytes,
        inactive: memory.inactive_bytes,
        buffers: memory.buffers_bytes,
        cached: memory.cached_with_slab_bytes(),
        shared: memory.shared_bytes,
        percent_min: ever(|ever| ever.min),
        percent_max: ever(|ever| ever.max),
        percent_mean: ever(|ever| ever.mean),
    }
}

/// `memswap`, in bytes.
pub fn memswap(snapshot: &Snapshot) -> impl Serialize {
    object! {
        #[serde(flatten)]
        swap: SwapUse::of(snapshot.swap),
        time_since_update: span::<RawVmstat>(snapshot),
    }
}
