//! Swap space as psutil says it.
//!
//! Called by the dialects of systems that ask psutil.

use serde::Serialize;

use super::number::percent_one_decimal;
use crate::model::memory::Swap;

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
    pub(super) fn of(swap: Option<Swap>) -> Self {
        let swap = swap.unwrap_or_default();
        Self {
            total: swap.total_bytes,
            used: swap.used_bytes,
            free: swap.free_bytes,
            percent: swap.used_ratio.map(percent_one_decimal),
            sin: swap.in_bytes,
            sout: swap.out_bytes,
        }
    }
}
