//! The tiers and what they are made of: points, rows of points, and rows that are still being filled.
//!
//! Used by every other file of the history. Knows no file, no clock and no name of a series.

use std::collections::BTreeMap;

/// Number of a series. Never used again for another one, so what is left of a forgotten series is never mistaken.
pub(super) type SeriesId = u32;

/// The series that every row has: how many samples the row was made of.
pub(super) const SAMPLES: SeriesId = 0;

/// Slots of a block: rows are kept as they are until a block of them is complete, then packed column by column.
pub(super) const BLOCK_SLOTS: i64 = 120;

/// One tier: how long a slot is and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tier {
    /// Length of a slot, seconds.
    pub(super) step: i64,
    /// How many slots are kept.
    pub(super) slots: i64,
}

impl Tier {
    /// Complete blocks that are kept beside the one that is being filled.
    pub(super) const fn blocks(self) -> usize {
        (self.slots / BLOCK_SLOTS) as usize
    }
}

/// The last hour, in memory.
pub(super) const SECONDS: Tier = Tier { step: 1, slots: 3_600 };

/// What is on disk: a day, 14 days, 2 years. Numbered in this order.
pub(super) const DISK: [Tier; 3] =
    [Tier { step: 10, slots: 8_640 }, Tier { step: 60, slots: 20_160 }, Tier { step: 3_600, slots: 17_520 }];

/// What one series did in one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Smallest sample.
    pub(super) min: f32,
    /// Mean of the samples.
    pub(super) mean: f32,
    /// Largest sample.
    pub(super) max: f32,
}

/// All series of one slot. A series without a sample is not in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Number of the slot: unix time / step.
    pub(super) slot: i64,
    /// Points by series, the number of samples ([`SAMPLES`]) among them.
    pub(super) points: Vec<(SeriesId, Point)>,
}

impl Row {
    /// How many samples it was made of.
    pub(super) fn samples(&self) -> f32 {
        self.points.iter().find(|(id, _)| *id == SAMPLES).map_or(1.0, |(_, point)| point.mean)
    }
}

/// Minimum, mean and maximum while samples still come in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gauge {
    weight: f64,
    sum: f64,
    min: f32,
    max: f32,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { weight: 0.0, sum: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl Gauge {
    /// Takes in a point that stands for `weight` samples.
    pub(super) fn add(&mut self, point: Point, weight: f64) {
        // `f32::min` does more, for what is not a number; nothing here is.
        self.min = if point.min < self.min { point.min } else { self.min };
        self.max = if point.max > self.max { point.max } else { self.max };
        self.weight += weight;
        self.sum += f64::from(point.mean) * weight;
    }

    /// How many samples it has seen.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// What it has seen; `None` while that is nothing.
    pub(super) fn point(&self) -> Option<Point> {
        let (min, max) = (self.min, self.max);
        // Rounding must not push a mean of equal samples out of its own bounds.
        (self.weight > 0.0).then(|| Point { min, mean: ((self.sum / self.weight) as f32).max(min).min(max), max })
    }
}

/// A point of one sample.
pub(super) fn single(value: f32) -> Point {
    Point { min: value, mean: value, max: value }
}

/// The slot of a tier that is being filled from the rows of a finer one.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    slot: Option<i64>,
    gauges: BTreeMap<SeriesId, Gauge>,
    samples: f64,
}

impl Open {
    /// Goes on with a row that was stored before it was complete.
    pub(super) fn resume(row: &Row) -> Self {
        let mut open = Self::default();
        open.merge(row.slot, row);
        open
    }

    /// Adds a row of the finer tier to `slot`. When that begins a new slot, the finished one is returned.
    pub(super) fn add(&mut self, slot: i64, row: &Row) -> Option<Row> {
        let finished = match self.slot {
            Some(current) if current != slot => std::mem::take(self).row(),
            _ => None,
        };
        self.merge(slot, row);
        finished
    }

    fn merge(&mut self, slot: i64, row: &Row) {
        self.slot = Some(slot);
        let weight = f64::from(row.samples());
        self.samples += weight;
        for (id, point) in row.points.iter().filter(|(id, _)| *id != SAMPLES) {
            self.gauges.entry(*id).or_default().add(*point, weight);
        }
    }

    /// The row as it stands.
    pub(super) fn row(&self) -> Option<Row> {
        let samples = (SAMPLES, single(self.samples as f32));
        let gauges = self.gauges.iter().filter_map(|(id, gauge)| Some((*id, gauge.point()?)));
        Some(Row { slot: self.slot?, points: std::iter::once(samples).chain(gauges).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slot: i64, samples: f32, point: Point) -> Row {
        Row { slot, points: vec![(SAMPLES, single(samples)), (7, point)] }
    }

    #[test]
    fn rows_weigh_as_much_as_their_samples() {
        let mut open = Open::default();
        assert_eq!(open.add(4, &row(40, 10.0, Point { min: 0.0, mean: 1.0, max: 3.0 })), None);
        assert_eq!(open.add(4, &row(41, 30.0, Point { min: 0.5, mean: 5.0, max: 9.0 })), None);
        let finished = open.add(5, &row(50, 1.0, single(2.0))).unwrap();
        assert_eq!(finished, row(4, 40.0, Point { min: 0.0, mean: 4.0, max: 9.0 }));
        assert_eq!(open.row(), Some(row(5, 1.0, single(2.0))));
    }

    #[test]
    fn a_stored_row_goes_on_where_it_was() {
        let mut straight = Open::default();
        straight.add(4, &row(40, 10.0, single(1.0)));
        let mut resumed = Open::resume(&straight.row().unwrap());
        straight.add(4, &row(41, 10.0, single(2.0)));
        resumed.add(4, &row(41, 10.0, single(2.0)));
        assert_eq!(straight.row(), resumed.row());
    }

    #[test]
    fn a_series_that_comes_late_is_not_pulled_down_by_its_absence() {
        let mut open = Open::default();
        open.add(1, &Row { slot: 1, points: vec![(SAMPLES, single(50.0))] });
        open.add(1, &row(2, 5.0, single(8.0)));
        open.add(1, &row(3, 5.0, single(10.0)));
        assert_eq!(open.row().unwrap().points[1], (7, Point { min: 8.0, mean: 9.0, max: 10.0 }));
    }
}
