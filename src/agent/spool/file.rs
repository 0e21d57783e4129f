//! The spool's file: entries by number, and a note of whoever fills it. Called by [`super::Spool`] under its lock; keeps
//! nothing of it in memory.
//!
//! ```text
//! entries  number -> when it came (8 bytes, unix seconds), what is to be sent (snappy)
//! notes    "note" -> what whoever fills it must know after a restart (snappy)
//! ```

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Entry, Slot};
use crate::database::{Failure, guarded};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");
const NOTE: &str = "note";

/// Memory that redb may use for pages.
const CACHE_BYTES: usize = 512 << 10;

/// The open file, and what was found in it.
pub(super) struct Opened {
    pub(super) database: Database,
    /// Its entries, oldest first.
    pub(super) slots: Vec<Slot>,
    pub(super) note: Option<Vec<u8>>,
}

/// Opens or makes the file, and looks at all that is in it.
pub(super) fn open(path: &Path) -> Result<Opened, Failure> {
    guarded(|| {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path)?;
        let is_new = database.begin_read()?.list_tables()?.next().is_none();
        if is_new {
            // Only then: the disk may be full.
            let write = database.begin_write()?;
            drop((write.open_table(ENTRIES)?, write.open_table(NOTES)?));
            write.commit()?;
        }
        let (mut slots, mut note) = (Vec::new(), None);
        let read = database.begin_read()?;
        for entry in read.open_table(ENTRIES)?.iter()? {
            let (number, packed) = entry?;
            let came = packed.value().first_chunk().map_or(0, |came| u64::from_le_bytes(*came));
            slots.push(Slot { number: number.value(), came, bytes: packed.value().len() as u64 });
        }
        // One of an earlier version has no notes.
        if let Ok(notes) = read.open_table(NOTES) {
            note = notes.get(NOTE)?.and_then(|packed| unpack(packed.value()));
        }
        Ok(Opened { database, slots, note })
    })
}

/// One transaction: these come, those go, and the note changes.
pub(super) fn put<'a>(
    database: &Database,
    coming: impl Iterator<Item = (u64, &'a [u8])>,
    going: impl Iterator<Item = u64>,
    note: Option<&[u8]>,
) -> Result<(), Failure> {
    guarded(|| {
        let write = database.begin_write()?;
        {
            let mut entries = write.open_table(ENTRIES)?;
            for (number, packed) in coming {
                entries.insert(number, packed)?;
            }
            for number in going {
                entries.remove(number)?;
            }
        }
        if let Some(note) = note {
            write.open_table(NOTES)?.insert(NOTE, pack(note).as_slice())?;
        }
        Ok(write.commit()?)
    })
}

/// Moves what is in the file together, and gives the rest of it back.
pub(super) fn compact(database: &mut Database) -> Result<(), Failure> {
    guarded(|| Ok(database.compact().map(drop)?))
}

/// What the file takes on the disk, holes left out; 0 where there is none.
pub(super) fn bytes_on_disk(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.blocks() * 512)
}

/// The oldest entries from number `first` on that are `wanted`, at most `count`.
pub(super) fn read(
    database: &Database,
    first: u64,
    count: usize,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<Entry>, Failure> {
    guarded(|| {
        let entries = database.begin_read()?.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for entry in entries.range(first..)? {
            let (number, packed) = entry?;
            if found.len() == count {
                break;
            }
            if wanted(number.value()) {
                found.push(entry_of(number.value(), packed.value()));
            }
        }
        Ok(found)
    })
}

/// What is kept of a body that came then.
pub(super) fn packed(came: u64, body: &[u8]) -> Vec<u8> {
    [came.to_le_bytes().as_slice(), &pack(body)].concat()
}

/// The entry of which this was kept. One that cannot be read is empty: it is refused, and done with.
pub(super) fn entry_of(number: u64, packed: &[u8]) -> Entry {
    Entry { number, body: packed.get(8..).and_then(unpack).unwrap_or_default() }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    // It fails beyond 4 GiB only, which nothing here has.
    snap::raw::Encoder::new().compress_vec(bytes).unwrap_or_default()
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let unpacked = snap::raw::Decoder::new().decompress_vec(packed);
    unpacked.inspect_err(|error| log::error!("spool: an entry cannot be read: {error}")).ok()
}
