//! From points to the columns of an answer: steps, means over them, gaps. Pure.
//!
//! [`super::answer_of`] makes [`Columns`] and feeds them with what the tiers hold; the [`Answer`] is serialized as it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::timeseries::{BLOCK_SLOTS, Gauge, Point, SAMPLES, SeriesId, Unit};

/// The answer to a query; serialized as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Begin of what was asked for, unix seconds.
    pub from: i64,
    /// End of what was asked for, unix seconds.
    pub to: i64,
    /// Length of a step.
    pub step_seconds: i64,
    /// How old the newest point of the history is. `None` while there is none.
    pub age_seconds: Option<f64>,
    /// Begin of each step, unix seconds: multiples of the step's length.
    pub time: Vec<i64>,
    /// The series by name.
    pub series: BTreeMap<Arc<str>, Column>,
}

/// One series of an answer. All arrays are as long as [`Answer::time`]; a gap is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Unit of the values.
    pub unit: Unit,
    /// Mean over each step.
    pub mean: Vec<Option<f32>>,
    /// Smallest sample of each step. `None` where the step holds one sample only.
    pub min: Vec<Option<f32>>,
    /// Largest sample of each step. `None` where the step holds one sample only.
    pub max: Vec<Option<f32>>,
}

/// The steps of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Begin of the first, unix seconds.
    pub(super) first: i64,
    /// Length.
    pub(super) seconds: i64,
    /// How many.
    pub(super) count: usize,
}

impl Steps {
    /// The shortest steps over `from` to `to` that are multiples of `tier_step` and no more than `points`. They begin at
    /// multiples of their own length, so that a chart that asks again sees the same steps; a single one cannot.
    pub(super) fn new(from: i64, to: i64, tier_step: i64, points: usize) -> Self {
        let points = i64::try_from(points).unwrap_or(i64::MAX).max(1);
        let round_up =
            |number: i64, to: i64| number.div_euclid(to) * to + if number.rem_euclid(to) > 0 { to } else { 0 };
        // A range that does not begin at a multiple of the step needs one step more.
        for parts in [points, points - 1].into_iter().filter(|parts| *parts > 0) {
            let seconds = round_up(round_up(to - from, parts) / parts, tier_step);
            let first = from.div_euclid(seconds) * seconds;
            let count = round_up(to - first, seconds) / seconds;
            if count <= points {
                return Self { first, seconds, count: usize::try_from(count).unwrap_or(0) };
            }
        }
        let first = from.div_euclid(tier_step) * tier_step;
        Self { first, seconds: round_up(to - first, tier_step), count: 1 }
    }

    /// The moment after the last step, unix seconds.
    pub(super) fn end(&self) -> i64 {
        self.first + self.length(self.count)
    }

    /// How long that many steps are, seconds.
    fn length(&self, steps: usize) -> i64 {
        self.seconds.saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX))
    }
}

/// The values of an answer while they are gathered.
#[derive(Debug)]
pub(super) struct Columns {
    steps: Steps,
    /// By number, with the place of their gauges.
    series: Vec<(SeriesId, usize)>,
    /// By place, then by step.
    gauges: Vec<Gauge>,
    /// Number of samples of the slots of the block that is being fed.
    samples: [f32; BLOCK_SLOTS as usize],
}

impl Columns {
    /// Empty columns of the series of these numbers.
    pub(super) fn new(steps: Steps, series: impl Iterator<Item = SeriesId>) -> Self {
        let mut series: Vec<_> = series.enumerate().map(|(place, id)| (id, place)).collect();
        series.sort_unstable();
        let gauges = vec![Gauge::default(); steps.count * series.len()];
        Self { steps, series, gauges, samples: [1.0; BLOCK_SLOTS as usize] }
    }

    /// What is to be fed: the numbers of the series and [`SAMPLES`], sorted.
    pub(super) fn ids(&self) -> Vec<SeriesId> {
        std::iter::once(SAMPLES).chain(self.series.iter().map(|(id, _)| *id)).collect()
    }

    /// Adds points of one series, with their slots: of one block, in order. The number of samples of each slot must come
    /// before the points of that slot.
    pub(super) fn add(&mut self, id: SeriesId, slot_seconds: i64, points: &[(i64, Point)]) {
        let Some(block) = points.first().map(|(slot, _)| slot.div_euclid(BLOCK_SLOTS) * BLOCK_SLOTS) else { return };
        let in_block = |slot: i64| (slot - block) as usize;
        if id == SAMPLES {
            points.iter().for_each(|(slot, point)| self.samples[in_block(*slot)] = point.mean);
            return;
        }
        let Ok(found) = self.series.binary_search_by_key(&id, |(id, _)| *id) else { return };
        let gauges = &mut self.gauges[self.series[found].1 * self.steps.count..][..self.steps.count];
        let mut rest = points;
        while let Some((slot, _)) = rest.first() {
            // A look at the step for each of its points took longer than adding them up.
            let step = (slot * slot_seconds - self.steps.first).div_euclid(self.steps.seconds);
            let end = self.steps.first + (step + 1) * self.steps.seconds;
            let here;
            (here, rest) = rest.split_at(rest.partition_point(|(slot, _)| slot * slot_seconds < end));
            let Some(gauge) = usize::try_from(step).ok().and_then(|step| gauges.get_mut(step)) else { continue };
            // In a variable of its own, it need not be stored and loaded again for each point.
            let mut sum = *gauge;
            for (slot, point) in here {
                sum.add(*point, f64::from(self.samples[in_block(*slot)]));
            }
            *gauge = sum;
        }
    }

    /// The column of the series at `place`, in the order of [`Self::new`]. Steps without a sample have the mean of the last
    /// one that has, for less than `hold` seconds: samples further apart than the steps are long are no gap.
    pub(super) fn column(&self, place: usize, unit: Unit, hold: f64) -> Column {
        let gauges = &self.gauges[place * self.steps.count..][..self.steps.count];
        let empty = || Vec::with_capacity(gauges.len());
        let mut column = Column { unit, mean: empty(), min: empty(), max: empty() };
        let mut last: Option<(usize, f32)> = None;
        for (step, gauge) in gauges.iter().enumerate() {
            let point = gauge.point();
            let several = point.filter(|_| gauge.weight() > 1.0);
            column.min.push(several.map(|point| rounded(point.min)));
            column.max.push(several.map(|point| rounded(point.max)));
            if let Some(point) = point {
                last = Some((step, rounded(point.mean)));
            }
            let near = last.filter(|(at, _)| self.steps.length(step - at) as f64 <= hold || step == *at);
            column.mean.push(near.map(|(_, mean)| mean));
        }
        column
    }

    /// Begin of each step.
    pub(super) fn time(&self) -> Vec<i64> {
        (0..self.steps.count).map(|step| self.steps.first + self.steps.length(step)).collect()
    }
}

/// Powers of ten, as far as a float has them exactly.
const TENS: [f64; 23] = {
    let mut tens = [1.0; 23];
    let mut exponent = 1;
    while exponent < tens.len() {
        tens[exponent] = tens[exponent - 1] * 10.0;
        exponent += 1;
    }
    tens
};

/// To five digits: more are not stored, and an answer of many points is a third shorter.
fn rounded(value: f32) -> f32 {
    let size = f64::from(value.abs());
    if !(1e-15..1e21).contains(&size) {
        return value;
    }
    let ten = |exponent: i32| TENS[exponent.unsigned_abs() as usize];
    let shifted = |number: f64, by: i32| if by < 0 { number / ten(by) } else { number * ten(by) };
    // The exponent of ten from that of two (a logarithm took longer than all else here): log10(2) is 1233/4096.
    let two = (value.to_bits() >> 23 & 0xff).cast_signed() - 127;
    let low = (two * 1_233) >> 12;
    let exponent = low + i32::from(shifted(size, -(low + 1)) >= 1.0);
    let by = 4 - exponent;
    let digits = (shifted(size, by) + 0.5) as u32;
    (shifted(f64::from(digits), -by) as f32).copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeseries::single;

    #[test]
    fn steps_fit_the_points_and_the_tier() {
        assert_eq!(Steps::new(1_000, 1_600, 1, 600), Steps { first: 1_000, seconds: 1, count: 600 });
        assert_eq!(Steps::new(1_000, 1_900, 1, 600), Steps { first: 1_000, seconds: 2, count: 450 });
        assert_eq!(Steps::new(1_001, 1_021, 10, 600), Steps { first: 1_000, seconds: 10, count: 3 });
        let fortnight = Steps::new(1_000_000_007, 1_001_209_607, 60, 600);
        assert_eq!((fortnight.seconds, fortnight.first % 2_040), (2_040, 0));
        for (from, length, tier, points) in
            [(7, 1, 1, 1), (59, 2, 60, 1), (12_345, 86_400, 10, 7), (3_599, 2, 3_600, 5)]
        {
            let steps = Steps::new(from, from + length, tier, points);
            assert!(steps.first <= from && steps.end() >= from + length, "{steps:?}");
            assert!(steps.count <= points, "{steps:?}");
            assert_eq!(steps.seconds % tier, 0);
        }
    }

    #[test]
    fn a_step_has_bounds_only_when_it_holds_several_samples() {
        let mut columns = Columns::new(Steps { first: 100, seconds: 10, count: 4 }, [8, 5].into_iter());
        assert_eq!(columns.ids(), [SAMPLES, 5, 8]);
        columns.add(SAMPLES, 1, &[(119, single(3.0))]);
        let several = Point { min: 1.0, mean: 2.0, max: 8.0 };
        columns.add(5, 1, &[(99, single(9.0)), (100, single(4.0)), (115, single(4.0)), (119, several)]);
        columns.add(5, 1, &[(140, single(9.0))]);
        columns.add(6, 1, &[(100, single(9.0))]);
        let column = columns.column(1, Unit::Ratio, 0.0);
        assert_eq!(column.mean, [Some(4.0), Some(2.5), None, None]);
        assert_eq!(column.min, [None, Some(1.0), None, None]);
        assert_eq!(column.max, [None, Some(8.0), None, None]);
        assert_eq!(columns.column(0, Unit::Ratio, 1e9).mean, [None; 4]);
        assert_eq!(columns.time(), [100, 110, 120, 130]);
    }

    #[test]
    fn five_digits_stay() {
        for (value, expected) in [
            (0.123_456_78, 0.123_46),
            (-98_765.43, -98_765.0),
            (3.123_456_7e10, 3.123_5e10),
            (0.0, 0.0),
            (1.0, 1.0),
            (9.999_996e-7, 1e-6),
            (f32::MAX, f32::MAX),
            (f32::MIN_POSITIVE / 64.0, f32::MIN_POSITIVE / 64.0),
        ] {
            let error = (rounded(value) - expected).abs() / expected.abs().max(f32::MIN_POSITIVE);
            assert!(error < 1e-4, "{value} {} {expected}", rounded(value));
        }
        assert_eq!(serde_json::to_string(&rounded(0.123_456_78)).unwrap(), "0.12346");
        for exponent in -14..21 {
            for digits in [1.0, 1.000_04, 1.234_56, 1.999_96, 3.162_27, 9.999_4, 9.999_96] {
                let value = (digits * 10_f64.powi(exponent)) as f32;
                let expected: f32 = format!("{value:.4e}").parse().unwrap();
                assert_eq!(rounded(value), expected, "{value}");
                assert_eq!(rounded(-value), -expected, "{value}");
            }
        }
    }

    #[test]
    fn a_gap_is_only_what_is_longer_than_the_hold() {
        let mut columns = Columns::new(Steps { first: 0, seconds: 1, count: 20 }, std::iter::once(1));
        for time in [0, 5, 11] {
            columns.add(1, 1, &[(time, single(time as f32))]);
        }
        let column = columns.column(0, Unit::Ratio, 5.0 * 2.5);
        assert!(column.mean.iter().all(Option::is_some), "{column:?}");
        let column = columns.column(0, Unit::Ratio, 2.0);
        assert_eq!(column.mean[..6], [Some(0.0), Some(0.0), Some(0.0), None, None, Some(5.0)]);
    }
}
