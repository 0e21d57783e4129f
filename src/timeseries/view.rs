//! One host's series at one moment, to be read by a query: memory and file together, without holding up who records.
//!
//! Made by [`super::Store::view`], which takes pointers under the lock; all else happens after it.

use std::ops::Range;
use std::sync::Arc;

use super::file_reader::Reader;
use super::ring::Contents;
use super::series::Series;
use super::tier::{DISK, Point, Row, SECONDS, SeriesId, Tier};
use super::writer::Disk;
use crate::database::Failure;

/// See the head of this file.
pub struct View {
    /// All series there are.
    pub series: Vec<Series>,
    /// Time of the newest point, unix seconds.
    pub newest: Option<f64>,
    /// Distance of two samples, seconds.
    pub interval: f64,
    /// The last hour, by seconds, and the second that is being filled.
    pub(super) memory: Contents,
    pub(super) open_second: Option<Row>,
    /// The oldest moment of the memory, unix seconds.
    pub(super) memory_oldest: Option<i64>,
    pub(super) disk: Option<Arc<Disk>>,
    pub(super) reader: Option<Reader>,
}

impl View {
    /// Opens the host's tables, if there is a file and it can be read.
    pub(super) fn open_file(&mut self, host: &str) {
        let Some(disk) = &self.disk else { return };
        let reader = disk.database().map(|database| Reader::open(&database, host));
        self.reader = reader.and_then(|reader| self.readable(reader)).flatten();
    }

    /// What could be read of the file; if nothing, the log says why.
    fn readable<T>(&self, result: Result<T, Failure>) -> Option<T> {
        result
            .inspect_err(|failure| {
                if let (Some(disk), Failure::Damaged(_)) = (&self.disk, failure) {
                    disk.report_damage();
                }
                log::warn!("history: a query could not read the disk: {failure}");
            })
            .ok()
    }

    /// The finest tier that reaches back to `from`, unix seconds.
    pub fn tier_from(&self, from: i64) -> Tier {
        let mut oldest = vec![self.memory_oldest];
        if let Some(slots) = self.reader.as_ref().and_then(|reader| self.readable(reader.oldest())) {
            oldest.extend(slots.iter().zip(DISK).map(|(slot, tier)| slot.map(|slot| slot * tier.step)));
        }
        choose_tier(from, &oldest)
    }

    /// Calls `each` with the points of `ids` (sorted) in the seconds that are `wanted`, and with the length of their slots:
    /// those of one series and one block at a time, in order. What the memory knows it gives by seconds, from the first
    /// whole slot of `tier` on; what is older comes from that tier. After a restart the slot in which memory begins may not
    /// be on the disk yet: memory gives what it has of that one then.
    pub fn read(
        &self,
        tier: Tier,
        wanted: Range<i64>,
        ids: &[SeriesId],
        mut each: impl FnMut(SeriesId, i64, &[(i64, Point)]),
    ) {
        let mut memory_from = i64::MIN;
        if let Some(number) = DISK.iter().position(|disk| *disk == tier) {
            // From there on memory knows every second, and the file only what was synced.
            memory_from = self.memory_oldest.map_or(i64::MAX, |oldest| next_multiple(oldest, tier.step));
            let end = wanted.end.min(memory_from);
            let slots = wanted.start.div_euclid(tier.step)..end.div_euclid(tier.step);
            let mut newest = i64::MIN;
            if let Some(reader) = &self.reader {
                let _ = self.readable(reader.read(number, slots, ids, |id, points| {
                    newest = points.last().map_or(newest, |(slot, _)| newest.max(*slot));
                    each(id, tier.step, points);
                }));
            }
            if let Some(oldest) = self.memory_oldest.filter(|oldest| newest < oldest.div_euclid(tier.step)) {
                memory_from = oldest;
            }
        }
        let seconds = wanted.start.max(memory_from)..wanted.end;
        self.memory.read(seconds, ids, |id, points| each(id, SECONDS.step, points));
        for row in self.open_second.iter().filter(|row| row.slot >= memory_from) {
            let points = row.points.iter().filter(|(id, _)| ids.binary_search(id).is_ok());
            points.for_each(|(id, point)| each(*id, SECONDS.step, &[(row.slot, *point)]));
        }
    }
}

/// The finest tier that reaches back to `from`. `oldest` gives the oldest moment of memory and of each tier on disk. A coarser
/// one is taken only where it is a whole slot older: slots begin before the first sample in them.
fn choose_tier(from: i64, oldest: &[Option<i64>]) -> Tier {
    let (mut chosen, mut chosen_oldest) = (SECONDS, oldest.first().copied().flatten().unwrap_or(i64::MAX));
    for (tier, moment) in DISK.iter().zip(oldest.iter().skip(1)) {
        if chosen_oldest <= from {
            break;
        }
        if let Some(moment) = moment.filter(|moment| moment.saturating_add(tier.step) <= chosen_oldest) {
            (chosen, chosen_oldest) = (*tier, moment);
        }
    }
    chosen
}

fn next_multiple(number: i64, step: i64) -> i64 {
    (number + step - 1).div_euclid(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_tier_that_reaches_back_is_taken() {
        let hour = 3_600;
        let all = [Some(100 * hour), Some(77 * hour), Some(10 * hour), Some(-500 * hour)];
        let steps = [101, 100, 99, 77, 76, 10, 9, -900].map(|at| choose_tier(at * hour, &all).step);
        assert_eq!(steps, [1, 1, 10, 10, 60, 60, 3_600, 3_600]);
        // All began at the same moment; only their slots begin earlier.
        assert_eq!(choose_tier(0, &[Some(7_205), Some(7_200), Some(7_200), Some(7_200)]), SECONDS);
        assert_eq!(choose_tier(0, &[None, Some(7_200), None, None]), DISK[0]);
        assert_eq!(choose_tier(0, &[Some(5)]), SECONDS);
    }
}
