//! How much room one host's series may take in the file, known before any is written.

use super::series::MOST_DYNAMIC_SERIES;
use super::tier::{BLOCK_SLOTS, DISK};

/// Bytes of an entry of `blocks` beside its column: key, offset, share of the tree above it.
pub(super) const ENTRY_BYTES: u64 = 24;

/// Bytes a slot of a series that is never quiet: one that jumps between nothing and its most at every sample. Most take a
/// fraction of that.
pub(super) const BUSY_SLOT_BYTES: u64 = 7;

/// Most series in a row, for which its bytes are reckoned: those that come and go, and 160 that stay.
const MOST_SERIES: u64 = MOST_DYNAMIC_SERIES as u64 + 160;

/// What the packed blocks of the three tiers take together where `series` of them are busy all the time. A tier that would
/// take more than its share drops its oldest block early.
pub(super) fn block_bytes(series: usize) -> u64 {
    let slots: i64 = DISK.iter().map(|tier| tier.slots).sum();
    series as u64 * slots.unsigned_abs() * BUSY_SLOT_BYTES
}

/// Most bytes on disk of a file whose blocks may take `block_bytes`: with the rows of unfinished blocks, the trees above
/// both, and a quarter for the pages that wait for their next use. (Its length may be twice that: the database doubles it
/// when it needs room, and what it has not used yet is a hole.)
pub(super) fn file_bytes(block_bytes: u64) -> u64 {
    let rows = 16 * MOST_SERIES * BLOCK_SLOTS.unsigned_abs() * DISK.len() as u64;
    (block_bytes + block_bytes / 8 + rows + rows / 4) * 5 / 4
}

/// One tier's share of `block_bytes`, by its number of slots.
pub(super) fn tier_bytes(block_bytes: u64, tier: usize) -> u64 {
    let slots: i64 = DISK.iter().map(|tier| tier.slots).sum();
    block_bytes * DISK[tier].slots.unsigned_abs() / slots.unsigned_abs()
}
