//! The tiers (how fine, how long) and what they hold: points, rows of points, and the sums that become points.
//!
//! Used by every other file of this room, and by whoever adds points up further. Knows no file, no clock and no name.

use std::collections::BTreeMap;

/// Number of a series of one host. Never used again for another one, so that what is left of a forgotten series is never
/// taken for another's.
pub type SeriesId = u32;

/// The series that every row has: how many samples the row was made of.
pub const SAMPLES: SeriesId = 0;

/// Slots of a block: rows are kept as they are until a block of them is complete, then packed column by column.
pub const BLOCK_SLOTS: i64 = 120;

/// One tier: how long a slot is and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Length of a slot, seconds.
    pub step: i64,
    /// How many slots are kept.
    pub slots: i64,
}

impl Tier {
    /// Complete blocks that are kept beside the one that is being filled.
    pub(super) const fn blocks(self) -> usize {
        (self.slots / BLOCK_SLOTS) as usize
    }
}

/// The last hour, in memory.
pub const SECONDS: Tier = Tier { step: 1, slots: 3_600 };

/// What is on disk: a day, 14 days, 2 years. Numbered in this order.
pub const DISK: [Tier; 3] =
    [Tier { step: 10, slots: 8_640 }, Tier { step: 60, slots: 20_160 }, Tier { step: 3_600, slots: 17_520 }];

/// What one series did in one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Smallest sample.
    pub min: f32,
    /// Mean of the samples.
    pub mean: f32,
    /// Largest sample.
    pub max: f32,
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
pub struct Gauge {
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
    pub fn add(&mut self, point: Point, weight: f64) {
        // `f32::min` does more, for what is not a number; nothing here is.
        self.min = if point.min < self.min { point.min } else { self.min };
        self.max = if point.max > self.max { point.max } else { self.max };
        self.weight += weight;
        self.sum += f64::from(point.mean) * weight;
    }

    /// How many samples it has seen.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// What it has seen; `None` while that is nothing.
    pub fn point(&self) -> Option<Point> {
        let (min, max) = (self.min, self.max);
        // Rounding must not push a mean of equal samples out of its own bounds.
        (self.weight > 0.0).then(|| Point { min, mean: ((self.sum / self.weight) as f32).max(min).min(max), max })
    }
}

/// A point of one sample.
pub(crate) fn single(value: f32) -> Point {
    Point { min: value, mean: value, max: value }
}

/// One row of slot `slot` out of the finer rows that lie in it. Each weighs as much as the samples that it was made of, and
/// a series that is in few of them has the mean of those.
pub(super) fn summary(slot: i64, rows: &[Row]) -> Row {
    let mut gauges: BTreeMap<SeriesId, Gauge> = BTreeMap::new();
    let mut samples = 0.0;
    for row in rows {
        let weight = f64::from(row.samples());
        samples += weight;
        for (id, point) in row.points.iter().filter(|(id, _)| *id != SAMPLES) {
            gauges.entry(*id).or_default().add(*point, weight);
        }
    }
    let gauges = gauges.iter().filter_map(|(id, gauge)| Some((*id, gauge.point()?)));
    Row { slot, points: std::iter::once((SAMPLES, single(samples as f32))).chain(gauges).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slot: i64, samples: f32, point: Point) -> Row {
        Row { slot, points: vec![(SAMPLES, single(samples)), (7, point)] }
    }

    #[test]
    fn rows_weigh_as_much_as_their_samples() {
        let few = row(40, 10.0, Point { min: 0.0, mean: 1.0, max: 3.0 });
        let many = row(41, 30.0, Point { min: 0.5, mean: 5.0, max: 9.0 });
        assert_eq!(summary(4, &[few, many]), row(4, 40.0, Point { min: 0.0, mean: 4.0, max: 9.0 }));
    }

    #[test]
    fn a_series_that_comes_late_is_not_pulled_down_by_its_absence() {
        let absent = Row { slot: 1, points: vec![(SAMPLES, single(50.0))] };
        let rows = [absent, row(2, 5.0, single(8.0)), row(3, 5.0, single(10.0))];
        assert_eq!(summary(0, &rows).points[1], (7, Point { min: 8.0, mean: 9.0, max: 10.0 }));
    }

    #[test]
    fn what_a_coarser_row_is_made_of_lies_in_one_block() {
        for (fine, coarse) in DISK.iter().zip(&DISK[1..]) {
            assert_eq!(coarse.step % fine.step, 0);
            assert_eq!(BLOCK_SLOTS % (coarse.step / fine.step), 0);
        }
    }
}
