//! The file under the data directory, a redb database: how it is opened, checked and written. What stands in it is
//! [`super::layout`]'s, reading [`super::file_reader`]'s.
//!
//! redb, because a commit there is all or nothing and survives a kill or a power cut without a log to replay, the file
//! can be read while it is written, and its free pages are used again, so that a ring of fixed length is a file of
//! bounded size. Nothing here knows a thread or a clock: called by [`super::writer`] and, at the start, by [`super::Store`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition, TableHandle,
    WriteTransaction,
};

use super::disk_budget::{ENTRY_BYTES, tier_bytes};
use super::file_reader::Reader;
use super::layout::{
    BLOCKS, INDEX, Key, ROWS, SERIES, VERSION, all_of, block_of, columns_of, name, points_bytes, rows_in,
};
use super::pack::unpack;
use super::ring::pack_rows;
use super::series::Series;
use super::tier::{BLOCK_SLOTS, DISK, Point, Row, SAMPLES, SeriesId, summary};
use crate::database::{self, Failure, guarded, io_failure};

/// Memory that redb may use for pages.
const CACHE_BYTES: usize = 256 << 10;

/// What is known from the file when it is opened, by host.
pub(super) type Loaded = BTreeMap<String, LoadedHost>;

/// What is known of one host.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LoadedHost {
    /// All its series.
    pub(super) series: Vec<Series>,
    /// Its newest row of the finest tier.
    pub(super) newest: Option<Row>,
}

/// Opens or makes the file and reads what is needed to go on.
///
/// A new file is made under another name first: a server that is killed meanwhile leaves no half of one, which the next
/// would take for damaged.
pub(super) fn open(path: &Path) -> Result<(Database, Loaded), Failure> {
    if path.symlink_metadata().is_ok() {
        return open_at(path);
    }
    let new = &database::beside(path, "new");
    let opened = match open_at(new) {
        // Left by one that was killed: nobody has it open.
        Err(Failure::Damaged(_)) => {
            std::fs::remove_file(new).map_err(io_failure)?;
            open_at(new)?
        }
        opened => opened?,
    };
    std::fs::rename(new, path).map_err(io_failure)?;
    Ok(opened)
}

fn open_at(path: &Path) -> Result<(Database, Loaded), Failure> {
    let is_new = !path.metadata().is_ok_and(|file| file.len() > 0);
    let opened = database::open(path, CACHE_BYTES, VERSION, |write| Tables::open(write, "").map(drop))
        .and_then(|database| guarded(|| Ok((load(&database)?, database))))
        .map(|(loaded, database)| (database, loaded));
    if is_new && matches!(opened, Err(Failure::Refused(..))) {
        // Half a file, left by a full disk, would be taken for a damaged one next time.
        let _ = std::fs::remove_file(path);
    }
    opened
}

/// Reads every page of the file. Much faster than it sounds for a file of this size, and the only way to find damage in
/// pages that are seldom read.
pub(super) fn check(database: &mut Database) -> Result<(), Failure> {
    guarded(|| match database.check_integrity()? {
        true => Ok(()),
        false => Err(Failure::Damaged("its pages do not fit together".to_owned())),
    })
}

fn load(database: &Database) -> Result<Loaded, Failure> {
    let read = database.begin_read()?;
    let mut loaded = Loaded::new();
    for table in read.list_tables()? {
        let Some(host) = table.name().strip_prefix(SERIES) else { continue };
        let host = host.strip_prefix('@').unwrap_or(host);
        let mut known = LoadedHost::default();
        let series: ReadOnlyTable<SeriesId, &[u8]> = read.open_table(TableDefinition::new(&name(SERIES, host)))?;
        for entry in series.iter()? {
            let (id, bytes) = entry?;
            let series = Series::from_bytes(id.value(), bytes.value());
            known.series.push(series.ok_or_else(|| Failure::Damaged("a series cannot be read".to_owned()))?);
        }
        if let Some(reader) = Reader::of(&read, host)? {
            known.newest = reader.newest(0)?;
        }
        loaded.insert(host.to_owned(), known);
    }
    Ok(loaded)
}

/// Takes every table of a host out.
pub(super) fn remove_tables(write: &WriteTransaction, host: &str) -> Result<(), Failure> {
    write.delete_table(TableDefinition::<SeriesId, &[u8]>::new(&name(SERIES, host)))?;
    write.delete_table(TableDefinition::<Key, &[u8]>::new(&name(ROWS, host)))?;
    write.delete_table(TableDefinition::<Key, (u64, i64)>::new(&name(INDEX, host)))?;
    for blocks in BLOCKS {
        write.delete_table(TableDefinition::<(i64, SeriesId), &[u8]>::new(&name(blocks, host)))?;
    }
    Ok(())
}

/// The tables of one host, to be written.
pub(super) struct Tables<'a> {
    series: Table<'a, SeriesId, &'static [u8]>,
    rows: Table<'a, Key, &'static [u8]>,
    index: Table<'a, Key, (u64, i64)>,
    blocks: [Table<'a, (i64, SeriesId), &'static [u8]>; 3],
}

impl<'a> Tables<'a> {
    /// Opens them, or makes them if need be.
    pub(super) fn open(write: &'a WriteTransaction, host: &str) -> Result<Self, Failure> {
        let blocks = |tier: usize| write.open_table(TableDefinition::new(&name(BLOCKS[tier], host)));
        Ok(Self {
            series: write.open_table(TableDefinition::new(&name(SERIES, host)))?,
            rows: write.open_table(TableDefinition::new(&name(ROWS, host)))?,
            index: write.open_table(TableDefinition::new(&name(INDEX, host)))?,
            blocks: [blocks(0)?, blocks(1)?, blocks(2)?],
        })
    }

    /// Makes `all` the series that there are. Those that are not among them go with all their columns; their points in the
    /// rows of unfinished blocks stay, unseen, until those are packed without them.
    pub(super) fn put_series(&mut self, all: &[Series]) -> Result<(), Failure> {
        let ids: BTreeSet<SeriesId> = all.iter().map(|series| series.id).collect();
        let mut gone = Vec::new();
        self.series.retain(|id, _| {
            let stays = ids.contains(&id);
            gone.extend((!stays).then_some(id));
            stays
        })?;
        for series in all {
            self.series.insert(series.id, series.bytes().as_slice())?;
        }
        for tier in (0..DISK.len()).filter(|_| !gone.is_empty()) {
            for (block, before, first) in self.index_of(tier)? {
                let mut bytes = before;
                for id in &gone {
                    if let Some(column) = self.blocks[tier].remove((block, *id))? {
                        bytes = bytes.saturating_sub(column.value().len() as u64 + ENTRY_BYTES);
                    }
                }
                if bytes != before {
                    self.index.insert((tier as u8, block), (bytes, first))?;
                }
            }
        }
        Ok(())
    }

    /// Block, bytes and first slot of the packed blocks of a tier, oldest first.
    fn index_of(&self, tier: usize) -> Result<Vec<(i64, u64, i64)>, StorageError> {
        let blocks = self.index.range(all_of(tier))?;
        blocks.map(|entry| entry.map(|(key, value)| (key.value().1, value.value().0, value.value().1))).collect()
    }

    /// Writes or replaces a row of the finest tier. Slots never go back from row to row. Blocks may take `block_bytes`.
    pub(super) fn put_row(&mut self, row: &Row, block_bytes: u64) -> Result<(), Failure> {
        self.put_row_of(0, row, block_bytes)
    }

    /// A row is finished when the next one comes: the coarser row that it lies in is made again then, of all finer rows in
    /// it. The first row of a new block packs the block before it.
    fn put_row_of(&mut self, tier: usize, row: &Row, block_bytes: u64) -> Result<(), Failure> {
        let first = self.rows.range(all_of(tier))?.next().transpose()?.map(|(key, _)| key.value().1);
        let newest = self.rows.range(all_of(tier))?.next_back().transpose()?.map(|(key, _)| key.value().1);
        if first.is_some_and(|first| block_of(row.slot) < block_of(first)) {
            // Packed already: a commit that was reported as failed had reached the disk after all.
            return Ok(());
        }
        if let (Some(newest), Some(coarse)) = (newest.filter(|newest| *newest < row.slot), DISK.get(tier + 1)) {
            let slots = coarse.step / DISK[tier].step;
            let slot = newest.div_euclid(slots);
            let finer = (tier as u8, slot * slots)..=(tier as u8, (slot + 1) * slots - 1);
            let coarse = summary(slot, &rows_in(&self.rows, finer)?);
            self.put_row_of(tier + 1, &coarse, block_bytes)?;
        }
        if let Some(first) = first.filter(|first| block_of(*first) < block_of(row.slot)) {
            self.pack_block(tier, first, tier_bytes(block_bytes, tier))?;
        }
        self.rows.insert((tier as u8, row.slot), points_bytes(row).as_slice())?;
        Ok(())
    }

    /// Packs all rows of a tier, the first of which is `first`, and drops what no longer fits into `most_bytes`.
    fn pack_block(&mut self, tier: usize, first: i64, most_bytes: u64) -> Result<(), Failure> {
        let rows = rows_in(&self.rows, all_of(tier))?;
        self.rows.retain_in(all_of(tier), |_, _| false)?;
        let block = block_of(first);
        let mut bytes = 0;
        for (id, column) in pack_rows(rows.iter()) {
            if id == SAMPLES || self.series.get(id)?.is_some() {
                self.blocks[tier].insert((block, id), column.as_slice())?;
                bytes += column.len() as u64 + ENTRY_BYTES;
            }
        }
        self.index.insert((tier as u8, block), (bytes, first))?;
        let mut total = 0;
        for (position, (block, bytes, _)) in self.index_of(tier)?.into_iter().rev().enumerate() {
            total += bytes;
            if position >= DISK[tier].blocks() || total > most_bytes {
                self.drop_block(tier, block)?;
            }
        }
        Ok(())
    }

    fn drop_block(&mut self, tier: usize, block: i64) -> Result<(), Failure> {
        self.index.remove((tier as u8, block))?;
        Ok(self.blocks[tier].retain_in(columns_of(block), |_, _| false)?)
    }

    /// Takes every slot after `moment`, unix seconds, out of every tier. The block that it lies in is one that is being
    /// filled again.
    pub(super) fn take_out_after(&mut self, moment: i64) -> Result<(), Failure> {
        for (tier, step) in DISK.iter().map(|tier| tier.step).enumerate() {
            let last = moment.div_euclid(step);
            self.rows.retain_in((tier as u8, last + 1)..=(tier as u8, i64::MAX), |_, _| false)?;
            for (block, ..) in self.index_of(tier)?.into_iter().filter(|(block, ..)| (block + 1) * BLOCK_SLOTS > last) {
                let mut kept: BTreeMap<i64, Vec<(SeriesId, Point)>> = BTreeMap::new();
                for entry in self.blocks[tier].range(columns_of(block))? {
                    let (key, bytes) = entry?;
                    let mut points = Vec::new();
                    unpack(bytes.value(), block * BLOCK_SLOTS, &mut points)
                        .ok_or_else(|| Failure::Damaged("a block cannot be read".to_owned()))?;
                    for (slot, point) in points.into_iter().filter(|(slot, _)| *slot <= last) {
                        kept.entry(slot).or_default().push((key.value().1, point));
                    }
                }
                self.drop_block(tier, block)?;
                for (slot, points) in kept {
                    self.rows.insert((tier as u8, slot), points_bytes(&Row { slot, points }).as_slice())?;
                }
            }
        }
        Ok(())
    }
}
