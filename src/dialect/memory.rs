//! Memory and swap space as psutil says them.
//!
//! Called by the dialects of systems that ask psutil.

use serde::Serialize;

use super::number::percent_one_decimal;
use crate::model::memory::{Memory, Swap};

/// What `free` and psutil count as cached: the slab that can be given back too.
pub(super) fn cached(memory: &Memory) -> Option<u64> {
    memory.cached_bytes.map(|cached| cached.saturating_add(memory.slab_reclaimable_bytes.unwrap_or(0)))
}

/// Swap space, in bytes.
#[derive(Clone, Copy, Serialize)]
pub(super) struct SwapUse {
    total: Option<u64>,
    used: Option<u64>,
    free: Option<u64>,
    percent: Option<f64>,
    sin: Option<u64>,
    sout: Option<u64>,
}

impl SwapUse {
    pub(super) fn of(swap: Option<&Swap>) -> Self {
        Self {
            total: swap.and_then(|swap| swap.total_bytes),
            used: swap.and_then(|swap| swap.used_bytes),
            free: swap.and_then(|swap| swap.free_bytes),
            percent: swap.and_then(|swap| swap.used_ratio).map(percent_one_decimal),
            sin: swap.and_then(|swap| swap.in_bytes),
            sout: swap.and_then(|swap| swap.out_bytes),
        }
    }
}
