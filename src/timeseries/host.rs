//! One host's newest values: what a sample changes at once, in memory.
//!
//! [`super::Store::record`] calls [`Host::record`] under its lock and hands the batches that come out of it to the writer. A
//! sample goes to the second and to the ten seconds that are being filled; a second that is over goes to the ring in
//! memory, ten seconds that are over wait for the next batch.
//!
//! A wall clock that is more than a day behind the newest point is either wrong now, as on a board without a battery that has
//! not yet asked the network for the time, or was wrong before. It is doubted for an hour. Meanwhile the samples go to a
//! [`Timeline`] of their own, in memory; that from before waits, and goes on untouched once the clock is right again. After the
//! hour it is the other way round: the new timeline stays, and whatever the file has later than it is taken out.

use super::Bounds;
use super::batch::Batch;
use super::clock::Clock;
use super::file::LoadedHost;
use super::ring::Ring;
use super::series::{SeriesList, Values};
use super::slot::Slot;
use super::tier::{DISK, Row, SECONDS};

/// How many of the last distances between two samples are looked at to find the interval.
const INTERVALS: usize = 8;

/// A clock that is further behind is doubted, seconds. Smaller steps are worked off by [`super::clock`].
const DOUBTED_SECONDS: f64 = 86_400.0;

/// For how long it is doubted, in seconds that really went by.
const DOUBT_LASTS_SECONDS: f64 = 3_600.0;

/// The state of one host that a sample changes.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) series: SeriesList,
    timeline: Timeline,
    /// What is recorded while the clock is doubted.
    doubted: Option<Timeline>,
    /// Made for the writer, which had no room for it; `None` without a file.
    unsent: Option<Batch>,
    since_batch: f64,
    /// After how many seconds there is a batch.
    batch_seconds: f64,
    /// How far apart samples should be, seconds.
    interval: f64,
    intervals: [f64; INTERVALS],
    samples: usize,
}

/// Slots by one clock, which never goes back.
#[derive(Debug)]
pub(super) struct Timeline {
    clock: Clock,
    /// Seconds that really went by since its first sample.
    passed: f64,
    pub(super) ring: Ring,
    second: Slot,
    ten: Slot,
    /// Ten seconds that are over and in no batch yet.
    rows: Vec<Row>,
}

impl Timeline {
    fn new(clock: Clock, ten: Slot) -> Self {
        Self { clock, passed: 0.0, ring: Ring::new(SECONDS), second: Slot::default(), ten, rows: Vec::new() }
    }

    /// Time of the newest sample, or of the newest stored point, unix seconds.
    pub(super) fn newest(&self) -> Option<f64> {
        self.clock.newest()
    }

    /// The second that is being filled.
    pub(super) fn open_second(&self) -> Option<Row> {
        self.second.row()
    }
}

impl Host {
    /// A host that goes on with the series and the newest row of 10 s of the file. Without a file (`has_file`) there are no
    /// batches.
    pub(super) fn new(stored: LoadedHost, bounds: &Bounds, has_file: bool) -> Self {
        let series = SeriesList::new(stored.series);
        let newest = stored.newest.as_ref();
        let ten = newest.map(|row| Slot::resume(row, &series)).unwrap_or_default();
        // A row tells the ten seconds in which its last sample lay, but not the second: their begin is never too late.
        let clock = Clock::after(newest.map(|row| (row.slot * DISK[0].step) as f64));
        Self {
            series,
            timeline: Timeline::new(clock, ten),
            doubted: None,
            unsent: has_file.then(Batch::default),
            since_batch: 0.0,
            batch_seconds: bounds.batch.as_secs_f64(),
            interval: bounds.interval.as_secs_f64(),
            intervals: [f64::INFINITY; INTERVALS],
            samples: 0,
        }
    }

    /// Gives back the memory of the last hour. What was not written yet stays.
    pub(super) fn rest(&mut self) {
        let timeline = self.doubted.as_mut().unwrap_or(&mut self.timeline);
        timeline.ring = Ring::new(SECONDS);
    }

    /// The timeline that is being recorded.
    pub(super) fn current(&self) -> &Timeline {
        self.doubted.as_ref().unwrap_or(&self.timeline)
    }

    /// Takes in a sample of the wall clock's time `wall`, `interval` seconds after the one before, with the values that
    /// `fill` puts in. Returns what is to be written, when it is time for that.
    pub(super) fn record(
        &mut self,
        wall: f64,
        interval: Option<f64>,
        fill: impl FnOnce(&mut Values<'_>),
    ) -> Option<Batch> {
        let behind = self.timeline.newest().map_or(0.0, |newest| newest - wall);
        let mut batch = None;
        if behind <= DOUBTED_SECONDS && self.doubted.take().is_some() {
            log::info!("history: the clock is right again; what was recorded since it went back is left out");
        } else if behind > DOUBTED_SECONDS && self.doubted.is_none() {
            log::warn!(
                "history: the clock is {:.1} days behind the newest point; nothing is written until it is right again. \
                 After an hour it is taken for right, and what is later than it is set aside",
                behind / DOUBTED_SECONDS
            );
            batch = self.take_batch();
            self.doubted = Some(Timeline::new(Clock::default(), Slot::default()));
        }
        let is_doubted = self.doubted.is_some();
        let timeline = self.doubted.as_mut().unwrap_or(&mut self.timeline);
        let tick = timeline.clock.tick(wall, interval);
        timeline.passed += tick.passed;
        if let (Some(back), false) = (tick.stepped_back, is_doubted) {
            log::warn!(
                "history: the clock stepped back {back:.0} s; until it has caught up, history's runs at half speed"
            );
        }
        if self.samples > 0 {
            self.intervals[self.samples % INTERVALS] = interval.unwrap_or(tick.elapsed);
        }
        self.samples += 1;
        let now = tick.time.floor() as i64;
        if is_doubted && timeline.passed >= DOUBT_LASTS_SECONDS {
            self.believe(now);
        }
        let timeline = self.doubted.as_mut().unwrap_or(&mut self.timeline);
        if let Some(row) = timeline.second.begin(now) {
            timeline.ring.push(row);
        }
        if let (Some(row), true) = (timeline.ten.begin(now.div_euclid(DISK[0].step)), self.unsent.is_some()) {
            timeline.rows.push(row);
        }
        self.series.read(now, fill);
        timeline.second.add(&self.series);
        timeline.ten.add(&self.series);
        self.since_batch += tick.elapsed;
        if self.since_batch >= self.batch_seconds { self.take_batch() } else { batch }
    }

    /// The clock was right all along, so what is later than `now` is not.
    fn believe(&mut self, now: i64) {
        log::warn!("history: the clock stays behind and is taken for right; points later than it are set aside");
        if let Some(timeline) = self.doubted.take() {
            self.timeline = timeline;
        }
        if let Some(unsent) = &mut self.unsent {
            unsent.append(Batch { take_out_after: Some(now), ..Batch::default() });
        }
        self.series.forget_later_sightings(now);
    }

    /// All that is not written yet. `None` without a file, and while the clock is doubted.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.since_batch = 0.0;
        if self.doubted.is_some() {
            return None;
        }
        let unsent = self.unsent.as_mut()?;
        let mut rows = std::mem::take(&mut self.timeline.rows);
        rows.extend(self.timeline.ten.row());
        unsent.append(Batch { rows, series: self.series.take_changed(), take_out_after: None });
        Some(std::mem::take(unsent)).filter(|batch| !batch.is_empty())
    }

    /// Puts a batch back that the writer had no room for.
    pub(super) fn put_back(&mut self, batch: Batch) {
        if let Some(unsent) = &mut self.unsent {
            let later = std::mem::replace(unsent, batch);
            unsent.append(later);
        }
    }

    /// Whether the writer had room for everything so far.
    #[cfg(test)]
    pub(super) fn is_sent(&self) -> bool {
        self.doubted.is_some() || self.unsent.as_ref().is_none_or(Batch::is_empty)
    }

    /// Distance of two samples, seconds. The smallest of the last few, so that one late sample (a machine that slept) does
    /// not count, and what it should be at least: a client that comes causes an early one.
    pub(super) fn interval(&self) -> f64 {
        let smallest = self.intervals.iter().copied().filter(|i| *i > 0.0).fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest.max(self.interval) } else { self.interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeseries::tests::bounds;
    use crate::timeseries::tier::{Point, single};
    use crate::timeseries::{MOST_DYNAMIC_SERIES, Unit};

    const DAY: f64 = DOUBTED_SECONDS;

    fn host() -> Host {
        Host::new(LoadedHost::default(), &bounds(1), true)
    }

    fn sample(host: &mut Host, time: f64, value: f64) -> Option<Batch> {
        host.record(time, Some(1.0), |values| values.put(&["x"], Unit::Ratio, Some(value)))
    }

    /// Samples of one series, and all batches of them.
    fn batches(host: &mut Host, samples: impl Iterator<Item = (f64, f64)>) -> Vec<Batch> {
        samples.filter_map(|(time, value)| sample(host, time, value)).collect()
    }

    /// The rows that these batches leave, one after the other.
    fn rows(batches: Vec<Batch>) -> Vec<Row> {
        let mut all = Batch::default();
        batches.into_iter().for_each(|batch| all.append(batch));
        all.rows
    }

    #[test]
    fn a_batch_comes_every_nine_seconds_with_the_open_row() {
        let mut host = host();
        let all = batches(&mut host, (0..40).map(|i| (1_000.0 + f64::from(i), f64::from(i))));
        assert_eq!(all.len(), 4);
        let seen: Vec<Vec<_>> = all.iter().map(|b| b.rows.iter().map(|r| (r.slot, r.samples())).collect()).collect();
        let expected =
            [&[(100, 10.0)][..], &[(100, 10.0), (101, 9.0)], &[(101, 10.0), (102, 8.0)], &[(102, 10.0), (103, 7.0)]];
        assert_eq!(seen, expected);
        assert_eq!(all.iter().filter(|batch| batch.series.is_some()).count(), 1);
        assert_eq!(all[1].rows[0].points[1].1, Point { min: 0.0, mean: 4.5, max: 9.0 });
    }

    #[test]
    fn a_step_back_neither_loses_nor_doubles_a_sample() {
        let mut host = host();
        let mut wall = 5_000.0;
        let samples = (0..600).map(|i| {
            wall += if i == 200 { -100.0 } else { 1.0 };
            (wall, 1.0)
        });
        let mut all = batches(&mut host, samples);
        all.extend(host.take_batch());
        let rows = rows(all);
        assert!(rows.windows(2).all(|pair| pair[1].slot - pair[0].slot == 1), "no slot twice and no gap");
        assert_eq!(rows.iter().map(Row::samples).sum::<f32>(), 600.0);
        assert_eq!(host.current().newest(), Some(wall), "it has caught up");
    }

    #[test]
    fn a_clock_that_was_days_behind_takes_nothing_along() {
        let mut host = host();
        // Nothing of this is batched yet when the clock goes back, and it returns into the same ten seconds.
        let mut all = batches(&mut host, (0..8).map(|i| (9.0 * DAY + 5.0 + f64::from(i), 1.0)));
        assert!(all.is_empty(), "{all:?}");
        all.extend(batches(&mut host, (0..30).map(|i| (DAY + f64::from(i), 2.0))));
        assert_eq!(all.len(), 1, "what was there before, and nothing since");
        assert_eq!(host.current().ring.oldest(), Some(DAY as i64), "memory goes by the clock as it is");
        all.extend(batches(&mut host, (14..40).map(|i| (9.0 * DAY + f64::from(i), 3.0))));
        all.extend(host.take_batch());
        let first = (9.0 * DAY) as i64 / 10;
        let seen: Vec<_> =
            rows(all).iter().map(|row| (row.slot - first, row.samples(), row.points[1].1.mean)).collect();
        assert_eq!(seen, [(0, 5.0, 1.0), (1, 9.0, 7.0 / 3.0), (2, 10.0, 3.0), (3, 10.0, 3.0)]);
        assert_eq!(host.current().ring.oldest(), Some(9 * DAY as i64 + 5), "nor is the memory of before lost");
    }

    #[test]
    fn a_clock_that_is_days_behind_never_goes_back_further_and_is_right_again_behind_the_newest_point() {
        let newest = Row { slot: 100_000_000, points: Vec::new() };
        let mut host = Host::new(LoadedHost { newest: Some(newest), ..LoadedHost::default() }, &bounds(1), true);
        let mut tick = |time| {
            sample(&mut host, time, 1.0);
            (host.current().newest().unwrap(), host.doubted.is_some())
        };
        assert_eq!(tick(5_000.0), (5_000.0, true));
        assert_eq!(tick(5_001.0), (5_001.0, true));
        assert_eq!(tick(4_991.0), (5_001.5, true));
        assert_eq!(tick(500_000.0), (500_000.0, true), "a leap is no time that went by");
        assert_eq!(tick(1e9 - 50.0), (1e9, false));
    }

    #[test]
    fn a_clock_that_stays_days_behind_is_believed_after_an_hour() {
        let mut host = host();
        sample(&mut host, 1e9, 1.0);
        let told: Vec<(i32, Batch)> =
            (0..4_000).filter_map(|i| Some((i, sample(&mut host, 5_000.0 + f64::from(i), 2.0)?))).collect();
        assert_eq!((told[0].0, told[0].1.rows[0].slot), (0, 100_000_000), "what was there before");
        assert!((3_600..3_610).contains(&told[1].0) && told[1].1.take_out_after == Some(8_600), "{:?}", told[1]);
        let slots: Vec<i64> = told[1].1.rows.iter().map(|row| row.slot).collect();
        assert_eq!(slots, (500..=860).collect::<Vec<_>>(), "the hour of doubt is not lost");
        assert!(told[2..].iter().all(|(_, batch)| batch.take_out_after.is_none()));
    }

    #[test]
    fn a_series_that_was_seen_in_the_future_can_be_forgotten() {
        let mut host = host();
        let see = |host: &mut Host, time: f64, name: &str| {
            host.record(time, Some(1.0), |values| values.put_dynamic(&[name], Unit::Bytes, Some(1.0)))
        };
        for number in 0..MOST_DYNAMIC_SERIES {
            see(&mut host, 9.0 * DAY + number as f64, &format!("veth{number}"));
        }
        let told: Vec<Batch> = (0..4_000).filter_map(|i| see(&mut host, f64::from(i), "lo")).collect();
        let believed = told.iter().find(|batch| batch.take_out_after.is_some()).unwrap();
        assert!(believed.series.as_ref().unwrap().iter().all(|series| series.last_seen <= 3_600));
        assert!(host.series.all().iter().any(|series| &*series.name == "lo"));
    }

    #[test]
    fn several_samples_in_a_second_are_one_point_with_bounds() {
        let mut host = host();
        batches(&mut host, (0..25).map(|i| (70.0 + f64::from(i) / 10.0, f64::from(i % 10))));
        let mut seen = Vec::new();
        host.current().ring.contents().read(0..100, &[1], |_, points| seen.extend_from_slice(points));
        let point = Point { min: 0.0, mean: 4.5, max: 9.0 };
        assert_eq!(seen, [(70, point), (71, point)]);
        assert_eq!(host.current().open_second().unwrap().samples(), 5.0);
    }

    #[test]
    fn a_batch_that_was_put_back_comes_again_before_what_is_newer() {
        let mut host = host();
        let mut all = batches(&mut host, (0..25).map(|i| (f64::from(i), 1.0)));
        host.put_back(all.pop().unwrap());
        let batch = batches(&mut host, (25..28).map(|i| (f64::from(i), 1.0))).pop().unwrap();
        let slots: Vec<i64> = batch.rows.iter().map(|row| row.slot).collect();
        assert_eq!(slots, [0, 1, 2]);
    }

    #[test]
    fn a_place_given_to_another_series_brings_nothing_along() {
        let mut host = host();
        let see = |host: &mut Host, time: f64, name: &str, value: f64| {
            host.record(time, Some(1.0), |values| values.put_dynamic(&[name], Unit::Bytes, Some(value)))
        };
        for number in 0..MOST_DYNAMIC_SERIES {
            see(&mut host, 0.0, &format!("old{number}"), 7.0);
        }
        host.timeline.ten.number = Some(6);
        host.timeline.second.number = Some(60);
        see(&mut host, 60.0, "new", 1.0);
        let row = host.current().open_second().unwrap();
        let id = host.series.all().iter().find(|series| &*series.name == "new").unwrap().id;
        assert_eq!(row.points.iter().find(|(known, _)| *known == id).unwrap().1, single(1.0));
    }
}
