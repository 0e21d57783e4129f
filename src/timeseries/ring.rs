//! The tier in memory: the last hour of one host, a second a slot.
//!
//! Filled by [`super::host`], read by [`super::view`]. Whole blocks are packed, so an hour of 60 series takes some 200 KiB
//! rather than 864. Blocks and rows are shared by `Arc`: a query takes the pointers under the lock and unpacks them after
//! it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::pack::{Column, pack, unpack};
use super::tier::{BLOCK_SLOTS, Point, Row, SeriesId, Tier};

/// One packed block.
#[derive(Debug)]
pub(super) struct Block {
    first_slot: i64,
    columns: Vec<(SeriesId, Vec<u8>)>,
}

/// The ring as it was at one moment, for a query to read without the lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    blocks: Vec<Arc<Block>>,
    rows: Vec<Arc<Row>>,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    blocks_kept: usize,
    blocks: VecDeque<Arc<Block>>,
    /// Rows of the block that is being filled.
    rows: Vec<Arc<Row>>,
    oldest: Option<i64>,
}

impl Ring {
    /// An empty ring for a tier.
    pub(super) fn new(tier: Tier) -> Self {
        Self { blocks_kept: tier.blocks(), blocks: VecDeque::new(), rows: Vec::new(), oldest: None }
    }

    /// Adds a finished row. Slots only ever grow; see [`super::clock`].
    pub(super) fn push(&mut self, row: Row) {
        let block = row.slot.div_euclid(BLOCK_SLOTS);
        if self.rows.first().is_some_and(|first| first.slot.div_euclid(BLOCK_SLOTS) != block) {
            self.pack_rows();
        }
        self.oldest.get_or_insert(row.slot);
        self.rows.push(Arc::new(row));
    }

    fn pack_rows(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let Some(first) = rows.first() else { return };
        let first_slot = first.slot.div_euclid(BLOCK_SLOTS) * BLOCK_SLOTS;
        let columns = pack_rows(rows.iter().map(AsRef::as_ref));
        self.blocks.push_back(Arc::new(Block { first_slot, columns }));
        while self.blocks.len() > self.blocks_kept {
            self.blocks.pop_front();
            self.oldest = self.blocks.front().map(|block| block.first_slot);
        }
    }

    /// The oldest slot there is.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    /// Everything, to be read after the lock.
    pub(super) fn contents(&self) -> Contents {
        Contents { blocks: self.blocks.iter().cloned().collect(), rows: self.rows.clone() }
    }
}

impl Contents {
    /// Calls `each` with the points of `ids` (sorted) in the slots that are `wanted`: those of one series and one block at
    /// a time, in order.
    pub(super) fn read(&self, wanted: Range<i64>, ids: &[SeriesId], mut each: impl FnMut(SeriesId, &[(i64, Point)])) {
        let mut points = Vec::with_capacity(BLOCK_SLOTS as usize);
        for block in &self.blocks {
            if block.first_slot >= wanted.end || block.first_slot + BLOCK_SLOTS <= wanted.start {
                continue;
            }
            for (id, column) in block.columns.iter().filter(|(id, _)| ids.binary_search(id).is_ok()) {
                points.clear();
                let _ = unpack(column, block.first_slot, &mut points);
                each(*id, within(&points, &wanted));
            }
        }
        for row in self.rows.iter().filter(|row| wanted.contains(&row.slot)) {
            let points = row.points.iter().filter(|(id, _)| ids.binary_search(id).is_ok());
            points.for_each(|(id, point)| each(*id, &[(row.slot, *point)]));
        }
    }
}

/// Those of the points, which are in order, whose slots are `wanted`.
pub(super) fn within<'a>(points: &'a [(i64, Point)], wanted: &Range<i64>) -> &'a [(i64, Point)] {
    let before = |end: i64| points.partition_point(|(slot, _)| *slot < end);
    let first = before(wanted.start);
    &points[first..before(wanted.end).max(first)]
}

/// The columns of the rows of one block, by series.
pub(super) fn pack_rows<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<(SeriesId, Vec<u8>)> {
    let mut columns: BTreeMap<SeriesId, Box<Column>> = BTreeMap::new();
    for row in rows {
        let slot = row.slot.rem_euclid(BLOCK_SLOTS) as usize;
        for (id, point) in &row.points {
            columns.entry(*id).or_insert_with(|| Box::new([None; BLOCK_SLOTS as usize]))[slot] = Some(*point);
        }
    }
    columns.into_iter().map(|(id, column)| (id, pack(&column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeseries::tier::{SECONDS, single};

    fn read(ring: &Ring, from: i64, to: i64) -> Vec<(i64, f32)> {
        let mut points = Vec::new();
        ring.contents().read(from..to, &[1], |id, some| {
            assert_eq!(id, 1);
            points.extend(some.iter().map(|(slot, point)| (*slot, point.mean)));
        });
        points
    }

    #[test]
    fn an_hour_stays_and_what_is_older_goes() {
        let mut ring = Ring::new(SECONDS);
        for slot in 1_000..12_000 {
            ring.push(Row { slot, points: vec![(1, single((slot % 1_000) as f32))] });
        }
        let oldest = ring.oldest().unwrap();
        assert!((12_000 - 3_600 - 120..=12_000 - 3_600).contains(&oldest), "{oldest}");
        let points = read(&ring, 0, i64::MAX);
        let expected: Vec<_> = (oldest..12_000).map(|slot| (slot, (slot % 1_000) as f32)).collect();
        assert_eq!(points, expected);
        assert_eq!(read(&ring, 11_000, 11_003), [(11_000, 0.0), (11_001, 1.0), (11_002, 2.0)]);
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let mut ring = Ring::new(SECONDS);
        for slot in [-5, 7, 1_000_000] {
            ring.push(Row { slot, points: vec![(1, single(2.0))] });
        }
        assert_eq!(read(&ring, -100, 2_000_000), [(-5, 2.0), (7, 2.0), (1_000_000, 2.0)]);
        assert_eq!(ring.oldest(), Some(-5));
    }
}
