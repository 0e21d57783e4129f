//! How much room the file may take, known before it is made.

use super::series::{MOST_CORES, MOST_DYNAMIC_SERIES};
use super::tier::{BLOCK_SLOTS, DISK};

/// Bytes of an entry of `blocks` beside its column: key, offset, share of the tree above it.
pub(super) const ENTRY_BYTES: u64 = 24;

/// Bytes a slot of a series that is never quiet: one that jumps between nothing and its most at every sample. Most take a
/// fraction of that.
pub(super) const BUSY_SLOT_BYTES: u64 = 7;

/// Series that there is room for when all of them are busy, the cores' not counted.
const BUSY_SERIES: u64 = 64;

/// What the packed blocks of the three tiers may take together, shared out by their number of slots. A tier that would
/// take more drops its oldest block early. This is room for [`BUSY_SERIES`] and one a core.
pub(super) fn block_bytes(cores: usize) -> u64 {
    let slots: i64 = DISK.iter().map(|tier| tier.slots).sum();
    (BUSY_SERIES + cores.min(MOST_CORES as usize) as u64) * slots.unsigned_abs() * BUSY_SLOT_BYTES
}

/// Most bytes on disk of a file whose blocks may take `block_bytes`: with the rows of unfinished blocks, the trees above
/// both, and a quarter for the pages that wait for their next use. (Its length may be twice that: the database doubles it
/// when it needs room, and what it has not used yet is a hole.)
pub(super) fn file_bytes(block_bytes: u64) -> u64 {
    const ROW_BYTES: u64 = 16 * (MOST_DYNAMIC_SERIES as u64 + MOST_CORES as u64 + 32);
    let rows = ROW_BYTES * BLOCK_SLOTS.unsigned_abs() * DISK.len() as u64;
    (block_bytes + block_bytes / 8 + rows + rows / 4) * 5 / 4
}

/// What one tier's share of that is.
pub(super) fn tier_bytes(block_bytes: u64, tier: usize) -> u64 {
    let slots: i64 = DISK.iter().map(|tier| tier.slots).sum();
    block_bytes * DISK[tier].slots.unsigned_abs() / slots.unsigned_abs()
}
