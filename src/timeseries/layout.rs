//! What stands in the file: its tables, their keys, and the bytes of a row. Used by [`super::file`], which writes it, and by
//! [`super::file_reader`]. Pure.
//!
//! ```text
//! meta    version                           of this layout
//! series  number -> unit, last seen, name   all series
//! rows    tier, slot -> points              the slots of the block that is being filled, the open one among them
//! index   tier, block -> bytes, first slot  the packed blocks
//! blocks  block, series -> column           the packed blocks' columns, one table a tier
//! ```
//!
//! Each host has tables of its own, all but `meta`: those of this machine, whose name is empty, are named as above, those of
//! another one `series@HOST` and so on. So the bounds are each host's, a query of one host looks at none of the others',
//! and files from before there were hosts are read on as they are.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use redb::{ReadableTable, StorageError};

use super::tier::{BLOCK_SLOTS, Point, Row, SeriesId};

pub(super) const SERIES: &str = "series";
pub(super) const ROWS: &str = "rows";
pub(super) const INDEX: &str = "index";
/// A table a tier: keys only ever grow in each, so that pages are filled to the end before the next one begins.
pub(super) const BLOCKS: [&str; 3] = ["blocks10s", "blocks1m", "blocks1h"];

/// Tier and slot, or tier and block.
pub(super) type Key = (u8, i64);

/// Version of the layout of tables and values.
pub(super) const VERSION: u64 = 1;

/// The name of a host's table.
pub(super) fn name<'a>(table: &'a str, host: &str) -> Cow<'a, str> {
    if host.is_empty() { table.into() } else { format!("{table}@{host}").into() }
}

/// The keys of a tier.
pub(super) fn all_of(tier: usize) -> RangeInclusive<Key> {
    (tier as u8, i64::MIN)..=(tier as u8, i64::MAX)
}

/// The keys of a block's columns.
pub(super) fn columns_of(block: i64) -> RangeInclusive<(i64, SeriesId)> {
    (block, SeriesId::MIN)..=(block, SeriesId::MAX)
}

pub(super) fn block_of(slot: i64) -> i64 {
    slot.div_euclid(BLOCK_SLOTS)
}

/// Rows of some keys, oldest first.
pub(super) fn rows_in(
    rows: &impl ReadableTable<Key, &'static [u8]>,
    keys: RangeInclusive<Key>,
) -> Result<Vec<Row>, StorageError> {
    let rows = rows.range(keys)?;
    rows.map(|entry| entry.map(|(key, bytes)| Row { slot: key.value().1, points: points_from(bytes.value()) }))
        .collect()
}

/// 16 bytes a point: series, minimum, mean, maximum, little endian.
pub(super) fn points_bytes(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.points.len() * 16);
    for (id, point) in &row.points {
        bytes.extend(id.to_le_bytes());
        [point.min, point.mean, point.max].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
    bytes
}

/// The points in such bytes.
pub(super) fn points_from(bytes: &[u8]) -> Vec<(SeriesId, Point)> {
    let (points, _) = bytes.as_chunks::<16>();
    let word = |point: &[u8; 16], at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| point[at * 4 + byte]));
    let value = |point, at| f32::from_bits(word(point, at));
    points.iter().map(|p| (word(p, 0), Point { min: value(p, 1), mean: value(p, 2), max: value(p, 3) })).collect()
}
