//! What a host's slots have to tell the file, on its way from [`super::host`] to [`super::writer`].

use super::series::Series;
use super::tier::{DISK, Row};

/// Rows of 10 s that wait for a disk that takes nothing: an hour and a half. An hour comes at once when a clock is believed
/// that was doubted, and more may come while it is written.
pub(super) const MOST_WAITING_ROWS: usize = 540;

/// What happened since the last batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Rows of the finest tier on disk, oldest first. The last one may still grow: it comes again with the next batch.
    pub(super) rows: Vec<Row>,
    /// All series there are, if anything about them changed.
    pub(super) series: Option<Vec<Series>>,
    /// What the file has after this moment, unix seconds, was stamped by a clock that was wrong: it is taken out before
    /// anything else is done.
    pub(super) take_out_after: Option<i64>,
}

impl Batch {
    /// Adds a later batch. Past [`MOST_WAITING_ROWS`] the oldest rows go.
    pub(super) fn append(&mut self, later: Self) {
        if let Some(moment) = later.take_out_after {
            // What still waits here may be of that time, too.
            let last = moment.div_euclid(DISK[0].step);
            self.rows.retain(|row| row.slot <= last);
            self.take_out_after = Some(moment);
        }
        if let Some(first) = later.rows.first() {
            self.rows.pop_if(|row| row.slot == first.slot);
        }
        self.rows.extend(later.rows);
        self.rows.drain(..self.rows.len().saturating_sub(MOST_WAITING_ROWS));
        self.series = later.series.or(self.series.take());
    }

    /// Whether there is nothing to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.series.is_none() && self.take_out_after.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(slots: std::ops::Range<i64>) -> Batch {
        Batch { rows: slots.map(|slot| Row { slot, points: Vec::new() }).collect(), ..Batch::default() }
    }

    fn slots(batch: &Batch) -> Vec<i64> {
        batch.rows.iter().map(|row| row.slot).collect()
    }

    #[test]
    fn a_row_that_grew_takes_the_place_of_itself() {
        let mut batch = of(0..3);
        batch.append(of(2..5));
        assert_eq!(slots(&batch), [0, 1, 2, 3, 4]);
        batch.append(Batch::default());
        assert_eq!(slots(&batch), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_more_than_an_hour_and_a_half_waits() {
        let mut batch = of(0..500);
        batch.append(of(500..700));
        assert_eq!(slots(&batch), (160..700).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_taken_out_of_the_file_does_not_wait_here() {
        let mut batch = of(100..110);
        batch.append(Batch { take_out_after: Some(50), ..of(3..6) });
        assert_eq!((slots(&batch), batch.take_out_after), (vec![3, 4, 5], Some(50)));
    }
}
