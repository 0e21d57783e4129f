//! The receiver's file: the last report of each system as it came, what is known of the system, and the moments of its
//! latest reports with the numbers that history may not have on the disk yet.
//!
//! redb, as for history: a commit is there or it is not, whatever is killed meanwhile. History has a file of its own, which
//! is written later and in larger pieces; until then its numbers are here.
//!
//! ```text
//! meta     version                                       of this layout
//! systems  name -> what is known (JSON)                  every registered system that was heard of
//! last     name -> report (snappy)                       as it came
//! moments  number of the system, epoch -> sample (JSON)  empty where history has it, or never will
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::report::Sample;
use super::system::System;
use crate::database::{self, Failure, guarded};

const SYSTEMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("systems");
const LAST: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("last");
const MOMENTS: TableDefinition<'_, (u32, i64), &[u8]> = TableDefinition::new("moments");

/// Version of the layout.
const VERSION: u64 = 1;

/// Memory that redb may use for pages.
const CACHE_BYTES: usize = 2 << 20;

/// A system as it stands in the file.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) system: System,
    /// Its last report, as it came.
    pub(super) last: Option<Vec<u8>>,
    /// The moments of its latest reports, and the numbers of those that history may not have.
    pub(super) moments: Vec<(i64, Option<Sample>)>,
}

/// Opens or makes the file.
pub(super) fn open(path: &Path) -> Result<Database, Failure> {
    database::open(path, CACHE_BYTES, VERSION, |write| {
        drop((write.open_table(SYSTEMS)?, write.open_table(LAST)?, write.open_table(MOMENTS)?));
        Ok(())
    })
}

/// Every system of the file, by name.
pub(super) fn load(database: &Database) -> Result<BTreeMap<String, Kept>, Failure> {
    guarded(|| {
        let read = database.begin_read()?;
        let (systems, last) = (read.open_table(SYSTEMS)?, read.open_table(LAST)?);
        let moments = read.open_table(MOMENTS)?;
        let mut all = BTreeMap::new();
        for entry in systems.iter()? {
            let (name, bytes) = entry?;
            let system: System =
                serde_json::from_slice(bytes.value()).map_err(|error| Failure::Damaged(error.to_string()))?;
            let mut kept = Kept { last: None, moments: Vec::new(), system };
            if let Some(packed) = last.get(name.value())? {
                kept.last = Some(unpack(packed.value())?);
            }
            for entry in moments.range((kept.system.number, i64::MIN)..=(kept.system.number, i64::MAX))? {
                let (key, bytes) = entry?;
                kept.moments.push((key.value().1, serde_json::from_slice(bytes.value()).ok()));
            }
            kept.system.moments = u32::try_from(kept.moments.len()).unwrap_or(u32::MAX);
            all.insert(name.value().to_owned(), kept);
        }
        Ok(all)
    })
}

/// A system's last report, as it came.
pub(super) fn last(database: &Database, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    guarded(|| {
        let packed = database.begin_read()?.open_table(LAST)?.get(name)?;
        packed.map(|packed| unpack(packed.value())).transpose()
    })
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Failure> {
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|error| Failure::Damaged(error.to_string()))
}

/// A report as it is kept.
pub(super) fn pack(report: &[u8]) -> Vec<u8> {
    // It fails beyond 4 GiB only, which no report has.
    snap::raw::Encoder::new().compress_vec(report).unwrap_or_default()
}

/// What one transaction changes.
pub(super) struct Tables<'t> {
    systems: Table<'t, &'static str, &'static [u8]>,
    last: Table<'t, &'static str, &'static [u8]>,
    moments: Table<'t, (u32, i64), &'static [u8]>,
}

impl Tables<'_> {
    /// Runs `work` in one transaction: all that it changes is on the disk when this returns well, or nothing.
    pub(super) fn change<T>(
        database: &Database,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        guarded(|| {
            let write: WriteTransaction = database.begin_write()?;
            let done = {
                let (systems, last) = (write.open_table(SYSTEMS)?, write.open_table(LAST)?);
                let mut tables = Tables { systems, last, moments: write.open_table(MOMENTS)? };
                work(&mut tables)?
            };
            write.commit()?;
            Ok(done)
        })
    }

    /// What is known of a system.
    pub(super) fn put_system(&mut self, name: &str, system: &System) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(system).map_err(|error| Failure::refused(error.to_string()))?;
        self.systems.insert(name, bytes.as_slice())?;
        Ok(())
    }

    /// A system's last report, packed.
    pub(super) fn put_last(&mut self, name: &str, packed: &[u8]) -> Result<(), Failure> {
        self.last.insert(name, packed)?;
        Ok(())
    }

    /// Whether a system has reported this moment, as far as is still known.
    pub(super) fn has_moment(&self, number: u32, epoch: i64) -> Result<bool, Failure> {
        Ok(self.moments.get((number, epoch))?.is_some())
    }

    /// The oldest moment of a system that is still known.
    pub(super) fn oldest_moment(&self, number: u32) -> Result<Option<i64>, Failure> {
        let mut moments = self.moments.range((number, i64::MIN)..=(number, i64::MAX))?;
        Ok(moments.next().transpose()?.map(|(key, _)| key.value().1))
    }

    /// A moment, with its numbers where history is to have them. False when it was there already.
    pub(super) fn put_moment(&mut self, number: u32, epoch: i64, sample: Option<&Sample>) -> Result<bool, Failure> {
        let bytes = sample.map(serde_json::to_vec).transpose().map_err(|error| Failure::refused(error.to_string()))?;
        let before = self.moments.insert((number, epoch), bytes.as_deref().unwrap_or_default())?;
        Ok(before.is_none())
    }

    /// Forgets up to `count` of a system's moments that are drawn before `until`: first those that are later than its `newest`
    /// report, which are of a clock that was ahead, then the oldest. How many went.
    pub(super) fn forget_moments(&mut self, number: u32, count: u32, newest: i64, until: i64) -> Result<u32, Failure> {
        let mut gone = Vec::new();
        let later = (number, newest.saturating_add(1))..=(number, i64::MAX);
        let until_newest = (number, i64::MIN)..(number, newest);
        for entries in [self.moments.range(later)?, self.moments.range(until_newest)?] {
            for entry in entries {
                let (key, bytes) = entry?;
                let epoch = key.value().1;
                let sample: Option<Sample> = serde_json::from_slice(bytes.value()).ok();
                if gone.len() >= count as usize || sample.is_some_and(|sample| sample.moment(epoch) >= until) {
                    break;
                }
                gone.push(key.value());
            }
        }
        for key in &gone {
            self.moments.remove(key)?;
        }
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }

    /// Forgets a system.
    pub(super) fn remove(&mut self, name: &str, number: u32) -> Result<(), Failure> {
        self.systems.remove(name)?;
        self.last.remove(name)?;
        self.moments.retain_in((number, i64::MIN)..=(number, i64::MAX), |_, _| false)?;
        Ok(())
    }
}
