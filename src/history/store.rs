//! The file under the data directory: a redb database, what stands in it, and how it is read and written.
//!
//! redb, because a commit there is all or nothing and survives a kill or a power cut without a log to replay, the file
//! can be read while it is written, and its free pages are used again, so that a ring of fixed length is a file of
//! bounded size. Nothing here knows a thread or a clock: [`super::writer`] writes, queries read.
//!
//! ```text
//! meta    version                           of this layout
//! series  number -> unit, last seen, name   the catalogue
//! rows    tier, slot -> points              the slots of the block that is being filled, the open one among them
//! index   tier, block -> bytes, first slot  the packed blocks
//! blocks  block, series -> column           the packed blocks' columns, one table a tier
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError, WriteTransaction,
};

use super::failure::{Failure, guarded};
use super::pack::unpack;
use super::record::{points_bytes, points_from, series_bytes, series_from};
use super::ring::{pack_rows, within};
use super::series::Series;
use super::space::{ENTRY_BYTES, tier_bytes};
use super::tier::{BLOCK_SLOTS, DISK, Point, Row, SeriesId};

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const SERIES: TableDefinition<SeriesId, &[u8]> = TableDefinition::new("series");
const ROWS: TableDefinition<(u8, i64), &[u8]> = TableDefinition::new("rows");
const INDEX: TableDefinition<(u8, i64), (u64, i64)> = TableDefinition::new("index");
/// A table a tier: keys only ever grow in each, so that pages are filled to the end before the next one begins.
const BLOCKS: [TableDefinition<(i64, SeriesId), &[u8]>; 3] =
    [TableDefinition::new("blocks10s"), TableDefinition::new("blocks1m"), TableDefinition::new("blocks1h")];

/// Version of the layout of tables and values.
const VERSION: u64 = 1;

/// Memory that redb may use for pages. Its default is 1 GiB.
const CACHE_BYTES: usize = 256 << 10;

/// What is known from the file when it is opened.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Loaded {
    /// The catalogue.
    pub(super) series: Vec<Series>,
    /// The newest row of each tier.
    pub(super) newest: [Option<Row>; 3],
}

/// Opens or makes the file and reads what is needed to go on.
///
/// A new file is made under another name first: a server that is killed meanwhile leaves no half of one, which the next
/// would take for damaged.
pub(super) fn open(path: &Path) -> Result<(Database, Loaded), Failure> {
    if path.symlink_metadata().is_ok() {
        return open_at(path);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let opened = match open_at(new) {
        // Left by one that was killed: nobody has it open.
        Err(Failure::Damaged(_)) => {
            std::fs::remove_file(new).map_err(refused)?;
            open_at(new)?
        }
        opened => opened?,
    };
    std::fs::rename(new, path).map_err(refused)?;
    Ok(opened)
}

fn refused(error: std::io::Error) -> Failure {
    Failure::Refused(error.kind(), error.to_string())
}

fn open_at(path: &Path) -> Result<(Database, Loaded), Failure> {
    let is_new = !path.metadata().is_ok_and(|file| file.len() > 0);
    let opened = guarded(|| {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path)?;
        if !is_made(&database)? {
            make(&database)?;
        }
        let loaded = load(&database)?;
        Ok((database, loaded))
    });
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

fn is_made(database: &Database) -> Result<bool, Failure> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Ok(meta) => match meta.get("version")?.map(|version| version.value()) {
            Some(VERSION) => Ok(true),
            version => Err(Failure::Damaged(format!("its layout has version {version:?}, not {VERSION}"))),
        },
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn make(database: &Database) -> Result<(), Failure> {
    let write = database.begin_write()?;
    write.open_table(META)?.insert("version", VERSION)?;
    write.open_table(SERIES)?;
    write.open_table(ROWS)?;
    write.open_table(INDEX)?;
    for blocks in BLOCKS {
        write.open_table(blocks)?;
    }
    Ok(write.commit()?)
}

fn load(database: &Database) -> Result<Loaded, Failure> {
    let read = database.begin_read()?;
    let mut loaded = Loaded::default();
    for entry in read.open_table(SERIES)?.iter()? {
        let (id, bytes) = entry?;
        let series = series_from(id.value(), bytes.value());
        loaded.series.push(series.ok_or_else(|| Failure::Damaged("a series cannot be read".to_owned()))?);
    }
    for (tier, newest) in loaded.newest.iter_mut().enumerate() {
        *newest = self::newest(database, tier)?;
    }
    Ok(loaded)
}

/// The newest row of a tier.
pub(super) fn newest(database: &Database, tier: usize) -> Result<Option<Row>, Failure> {
    newest_of(&database.begin_read()?.open_table(ROWS)?, tier)
}

fn newest_of(rows: &impl ReadableTable<(u8, i64), &'static [u8]>, tier: usize) -> Result<Option<Row>, Failure> {
    let Some(entry) = rows.range(rows_of(tier))?.next_back() else { return Ok(None) };
    let (key, bytes) = entry?;
    Ok(Some(Row { slot: key.value().1, points: points_from(bytes.value()) }))
}

fn rows_of(tier: usize) -> std::ops::RangeInclusive<(u8, i64)> {
    (tier as u8, i64::MIN)..=(tier as u8, i64::MAX)
}

/// Writes or replaces series of the catalogue.
pub(super) fn put_series(write: &WriteTransaction, series: &[Series]) -> Result<(), Failure> {
    let mut table = write.open_table(SERIES)?;
    for series in series {
        table.insert(series.id, series_bytes(series).as_slice())?;
    }
    Ok(())
}

/// Takes a series and all its columns out. Its points in the rows of unfinished blocks stay, unseen, until those are
/// packed without them.
pub(super) fn forget_series(write: &WriteTransaction, ids: &[SeriesId]) -> Result<(), Failure> {
    let mut index = write.open_table(INDEX)?;
    let mut series = write.open_table(SERIES)?;
    for id in ids {
        series.remove(id)?;
    }
    for (tier, blocks) in BLOCKS.into_iter().enumerate() {
        let mut blocks = write.open_table(blocks)?;
        for (number, before, first) in index_of(&index, tier)? {
            let mut bytes = before;
            for id in ids {
                if let Some(column) = blocks.remove((number, *id))? {
                    bytes = bytes.saturating_sub(column.value().len() as u64 + ENTRY_BYTES);
                }
            }
            if bytes != before {
                index.insert((tier as u8, number), (bytes, first))?;
            }
        }
    }
    Ok(())
}

/// Number, bytes and first slot of the blocks of a tier, oldest first.
fn index_of(
    index: &impl ReadableTable<(u8, i64), (u64, i64)>,
    tier: usize,
) -> Result<Vec<(i64, u64, i64)>, StorageError> {
    let blocks = index.range(rows_of(tier))?;
    blocks.map(|entry| entry.map(|(key, value)| (key.value().1, value.value().0, value.value().1))).collect()
}

/// Writes or replaces a row. The first row of a new block packs the block before it, and drops what no longer fits into
/// the tier's share of `block_bytes`.
pub(super) fn put_row(write: &WriteTransaction, tier: usize, row: &Row, block_bytes: u64) -> Result<(), Failure> {
    let mut rows = write.open_table(ROWS)?;
    let first = rows.range(rows_of(tier))?.next().transpose()?.map(|(key, _)| key.value().1);
    let [first_block, block] = [first.unwrap_or(row.slot), row.slot].map(|slot| slot.div_euclid(BLOCK_SLOTS));
    if block < first_block {
        // Packed already: a commit that was reported as failed had reached the disk after all.
        return Ok(());
    }
    if let Some(first) = first
        && first_block < block
    {
        let mut finished = Vec::new();
        for entry in rows.range(rows_of(tier))? {
            let (key, bytes) = entry?;
            finished.push(Row { slot: key.value().1, points: points_from(bytes.value()) });
        }
        rows.retain_in(rows_of(tier), |_, _| false)?;
        put_block(write, tier, first, &finished, tier_bytes(block_bytes, tier))?;
    }
    rows.insert((tier as u8, row.slot), points_bytes(row).as_slice())?;
    Ok(())
}

fn put_block(write: &WriteTransaction, tier: usize, first: i64, rows: &[Row], most_bytes: u64) -> Result<(), Failure> {
    let mut blocks = write.open_table(BLOCKS[tier])?;
    let mut index = write.open_table(INDEX)?;
    let series = write.open_table(SERIES)?;
    let number = first.div_euclid(BLOCK_SLOTS);
    let mut bytes = 0;
    for (id, column) in pack_rows(rows.iter()) {
        if id == super::tier::SAMPLES || series.get(id)?.is_some() {
            blocks.insert((number, id), column.as_slice())?;
            bytes += column.len() as u64 + ENTRY_BYTES;
        }
    }
    index.insert((tier as u8, number), (bytes, first))?;
    let mut total = 0;
    for (position, (number, bytes, _)) in index_of(&index, tier)?.into_iter().rev().enumerate() {
        total += bytes;
        if position >= DISK[tier].blocks() || total > most_bytes {
            index.remove((tier as u8, number))?;
            blocks.retain_in((number, SeriesId::MIN)..=(number, SeriesId::MAX), |_, _| false)?;
        }
    }
    Ok(())
}

/// The rows that are to go on after some were taken out.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The newest minute, if it is not in its hour yet.
    pub(super) minute: Option<Row>,
    /// The newest hour.
    pub(super) hour: Option<Row>,
}

/// Takes every slot after `moment`, unix seconds, out of every tier.
pub(super) fn take_out_after(write: &WriteTransaction, moment: i64) -> Result<Left, Failure> {
    let (mut rows, mut index) = (write.open_table(ROWS)?, write.open_table(INDEX)?);
    let mut left = Left::default();
    for tier in 0..DISK.len() {
        let was_newest = newest_of(&rows, tier)?.map(|row| row.slot);
        let last = moment.div_euclid(DISK[tier].step);
        let mut blocks = write.open_table(BLOCKS[tier])?;
        rows.retain_in((tier as u8, last + 1)..=(tier as u8, i64::MAX), |_, _| false)?;
        let all = index_of(&index, tier)?;
        for (number, ..) in all.into_iter().filter(|(number, ..)| (number + 1) * BLOCK_SLOTS > last) {
            // The block that it lies in is one that is being filled again.
            let mut kept: BTreeMap<i64, Row> = BTreeMap::new();
            for entry in blocks.range((number, SeriesId::MIN)..=(number, SeriesId::MAX))? {
                let (key, bytes) = entry?;
                let mut points = Vec::new();
                unpack(bytes.value(), number * BLOCK_SLOTS, &mut points)
                    .ok_or_else(|| Failure::Damaged("a block cannot be read".to_owned()))?;
                for (slot, point) in points.into_iter().filter(|(slot, _)| *slot <= last) {
                    kept.entry(slot)
                        .or_insert_with(|| Row { slot, points: Vec::new() })
                        .points
                        .push((key.value().1, point));
                }
            }
            index.remove((tier as u8, number))?;
            blocks.retain_in((number, SeriesId::MIN)..=(number, SeriesId::MAX), |_, _| false)?;
            for row in kept.values() {
                rows.insert((tier as u8, row.slot), points_bytes(row).as_slice())?;
            }
        }
        let newest = newest_of(&rows, tier)?;
        match tier {
            // One that is followed by another was finished, and its hour has it.
            1 => left.minute = newest.filter(|row| was_newest == Some(row.slot)),
            2 => left.hour = newest,
            _ => {}
        }
    }
    Ok(left)
}

/// The oldest slot of each tier.
pub(super) fn oldest(database: &Database) -> Result<[Option<i64>; 3], Failure> {
    guarded(|| {
        let read = database.begin_read()?;
        let (index, rows) = (read.open_table(INDEX)?, read.open_table(ROWS)?);
        let mut oldest = [None; 3];
        for (tier, oldest) in oldest.iter_mut().enumerate() {
            let block = index.range(rows_of(tier))?.next().transpose()?.map(|(_, value)| value.value().1);
            let row = rows.range(rows_of(tier))?.next().transpose()?.map(|(key, _)| key.value().1);
            *oldest = block.or(row);
        }
        Ok(oldest)
    })
}

/// Calls `each` with the points of `ids` (sorted) from slot `from` up to, not including, slot `to`: those of one series and
/// one block at a time, in order.
pub(super) fn read(
    database: &Database,
    tier: usize,
    from: i64,
    to: i64,
    ids: &[SeriesId],
    mut each: impl FnMut(SeriesId, &[(i64, Point)]),
) -> Result<(), Failure> {
    guarded(|| {
        let read = database.begin_read()?;
        let (index, rows) = (read.open_table(INDEX)?, read.open_table(ROWS)?);
        let blocks = read.open_table(BLOCKS[tier])?;
        let number = tier as u8;
        let wanted = from..to;
        let mut points = Vec::with_capacity(BLOCK_SLOTS as usize);
        let mut column = |id: SeriesId, first: i64, bytes: &[u8]| {
            points.clear();
            unpack(bytes, first, &mut points).ok_or_else(|| Failure::Damaged("a block cannot be read".to_owned()))?;
            each(id, within(&points, &wanted));
            Ok::<_, Failure>(())
        };
        for entry in index.range((number, from.div_euclid(BLOCK_SLOTS))..(number, to.div_euclid(BLOCK_SLOTS) + 1))? {
            let block = entry?.0.value().1;
            let first = block * BLOCK_SLOTS;
            // One after the other is cheaper than a search for each as soon as it is more than a few.
            if ids.len() > 8 {
                for entry in blocks.range((block, SeriesId::MIN)..=(block, SeriesId::MAX))? {
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
        for entry in rows.range((number, from)..(number, to))? {
            let (key, bytes) = entry?;
            let points = points_from(bytes.value());
            let points = points.iter().filter(|(id, _)| ids.binary_search(id).is_ok());
            points.for_each(|(id, point)| each(*id, &[(key.value().1, *point)]));
        }
        Ok(())
    })
}
