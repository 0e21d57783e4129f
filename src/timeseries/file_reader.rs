//! The file of one host as it was at one moment, read while it is written.
//!
//! Made by [`super::file`] when it is opened, and by [`super::view`] for each query.

use std::ops::Range;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError};

use super::layout::{BLOCKS, INDEX, Key, ROWS, all_of, block_of, columns_of, name, points_from, rows_in};
use super::pack::unpack;
use super::ring::within;
use super::tier::{BLOCK_SLOTS, Point, Row, SeriesId};
use crate::database::{Failure, guarded};

/// The tables of one host as they were at one moment, to be read.
pub(super) struct Reader {
    rows: ReadOnlyTable<Key, &'static [u8]>,
    index: ReadOnlyTable<Key, (u64, i64)>,
    blocks: [ReadOnlyTable<(i64, SeriesId), &'static [u8]>; 3],
}

impl Reader {
    /// Opens them; `None` when the file has nothing of this host.
    pub(super) fn open(database: &Database, host: &str) -> Result<Option<Self>, Failure> {
        guarded(|| Self::of(&database.begin_read()?, host))
    }

    pub(super) fn of(read: &ReadTransaction, host: &str) -> Result<Option<Self>, Failure> {
        let rows = match read.open_table(TableDefinition::new(&name(ROWS, host))) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            rows => rows?,
        };
        let blocks = |tier: usize| read.open_table(TableDefinition::new(&name(BLOCKS[tier], host)));
        let index = read.open_table(TableDefinition::new(&name(INDEX, host)))?;
        Ok(Some(Self { rows, index, blocks: [blocks(0)?, blocks(1)?, blocks(2)?] }))
    }

    /// The newest row of a tier.
    pub(super) fn newest(&self, tier: usize) -> Result<Option<Row>, Failure> {
        let Some(entry) = self.rows.range(all_of(tier))?.next_back() else { return Ok(None) };
        let (key, bytes) = entry?;
        Ok(Some(Row { slot: key.value().1, points: points_from(bytes.value()) }))
    }

    /// The oldest slot of each tier.
    pub(super) fn oldest(&self) -> Result<[Option<i64>; 3], Failure> {
        guarded(|| {
            let mut oldest = [None; 3];
            for (tier, oldest) in oldest.iter_mut().enumerate() {
                let block = self.index.range(all_of(tier))?.next().transpose()?.map(|(_, value)| value.value().1);
                let row = self.rows.range(all_of(tier))?.next().transpose()?.map(|(key, _)| key.value().1);
                *oldest = block.or(row);
            }
            Ok(oldest)
        })
    }

    /// Calls `each` with the points of `ids` (sorted) in the slots that are `wanted`: those of one series and one block at
    /// a time, in order.
    pub(super) fn read(
        &self,
        tier: usize,
        wanted: Range<i64>,
        ids: &[SeriesId],
        mut each: impl FnMut(SeriesId, &[(i64, Point)]),
    ) -> Result<(), Failure> {
        guarded(|| {
            let (blocks, number) = (&self.blocks[tier], tier as u8);
            let mut points = Vec::with_capacity(BLOCK_SLOTS as usize);
            let mut column = |id: SeriesId, first: i64, bytes: &[u8]| {
                points.clear();
                unpack(bytes, first, &mut points)
                    .ok_or_else(|| Failure::Damaged("a block cannot be read".to_owned()))?;
                each(id, within(&points, &wanted));
                Ok::<_, Failure>(())
            };
            for entry in self.index.range((number, block_of(wanted.start))..(number, block_of(wanted.end) + 1))? {
                let block = entry?.0.value().1;
                let first = block * BLOCK_SLOTS;
                // One after the other is cheaper than a search for each as soon as it is more than a few.
                if ids.len() > 8 {
                    for entry in blocks.range(columns_of(block))? {
                        let (key, bytes) = entry?;
                        let id = key.value().1;
                        if ids.binary_search(&id).is_ok() {
                            column(id, first, bytes.value())?;
                        }
                    }
                } else {
                    for id in ids {
                        if let Some(bytes) = blocks.get((block, *id))? {
                            column(*id, first, bytes.value())?;
                        }
                    }
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
            for row in rows_in(&self.rows, (number, wanted.start)..=(number, wanted.end - 1))? {
                let points = row.points.iter().filter(|(id, _)| ids.binary_search(id).is_ok());
                points.for_each(|(id, point)| each(*id, &[(row.slot, *point)]));
            }
            Ok(())
        })
    }
}
