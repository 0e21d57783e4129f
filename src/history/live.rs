//! What happens at every tick: the sample's values go to the second and to the ten seconds that are being filled.
//!
//! `History::record` calls [`Live::record`] under its lock and hands the batches that come out of it to the writer.

use super::clock::{ASTRAY_SECONDS, Clock, Course, Tick};
use super::ring::Ring;
use super::series::{Catalogue, Place};
use super::store::Loaded;
use super::tier::{DISK, Gauge, Row, SAMPLES, SECONDS, single};
use super::writer::Batch;
use crate::model::Snapshot;

/// Seconds after which there is a batch. Samples come a little early or late: at one a second this is always the ninth,
/// and the oldest that is not written yet is 8 s old, so that a sync may take two.
const BATCH_SECONDS: f64 = 8.5;

/// How many of the last distances between two samples are looked at to find the interval.
const INTERVALS: usize = 8;

/// The state that a tick changes.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) catalogue: Catalogue,
    pub(super) ring: Ring,
    clock: Clock,
    second: Slot,
    ten: Slot,
    /// Finished and changed since the last batch; `None` without a file.
    pending: Option<Batch>,
    since_batch: f64,
    /// How far apart samples should be, seconds.
    interval: f64,
    intervals: [f64; INTERVALS],
    ticks: usize,
    /// Time of the newest sample, or of the newest stored point.
    newest: Option<f64>,
    /// Kept from tick to tick for its memory.
    values: Vec<Option<f32>>,
}

impl Live {
    /// Goes on where `loaded` ends (`None`: memory only), with a sample every `interval` seconds.
    pub(super) fn new(loaded: Option<&Loaded>, interval: f64) -> Self {
        let newest_rows = || loaded.into_iter().flat_map(|loaded| loaded.newest.iter().enumerate());
        let last = newest_rows().next().and_then(|(_, row)| row.as_ref());
        let stored = loaded.map(|loaded| loaded.series.clone()).unwrap_or_default();
        let catalogue = Catalogue::new(stored, SAMPLES + 1);
        let ten = last.map(|row| Slot::resume(row, &catalogue)).unwrap_or_default();
        // A row says which ten seconds its last sample lay in, not where: the first of them cannot be later.
        let newest = last.map(|row| (row.slot * DISK[0].step) as f64);
        Self {
            catalogue,
            ring: Ring::new(SECONDS),
            clock: Clock::after(newest),
            second: Slot::default(),
            ten,
            pending: loaded.map(|_| Batch::default()),
            since_batch: 0.0,
            interval,
            intervals: [f64::INFINITY; INTERVALS],
            ticks: 0,
            newest,
            values: Vec::new(),
        }
    }

    /// Takes in one sample. Returns what is to be written, when it is time for that.
    pub(super) fn record(&mut self, snapshot: &Snapshot) -> Option<Batch> {
        let (was_astray, furthest) = (self.clock.is_astray(), self.clock.furthest());
        let tick = self.clock.tick(snapshot.time_unix_seconds, snapshot.interval_seconds);
        match tick.course {
            Course::Astray if !was_astray => self.go_astray(&tick),
            Course::Right if was_astray => self.come_back(furthest),
            _ => {}
        }
        if let (Some(back), Course::Right) = (tick.stepped_back, tick.course) {
            log::warn!(
                "history: the clock stepped back {back:.0} s; until it has caught up, history's runs at half speed"
            );
        }
        if self.ticks > 0 {
            self.intervals[self.ticks % INTERVALS] = snapshot.interval_seconds.unwrap_or(tick.elapsed);
        }
        self.ticks += 1;
        self.newest = Some(tick.time);
        let now = tick.time.floor() as i64;
        if let Some(row) = self.second.begin(now, &self.catalogue) {
            self.ring.push(row);
        }
        if let (Some(row), Some(pending)) =
            (self.ten.begin(now.div_euclid(DISK[0].step), &self.catalogue), &mut self.pending)
        {
            pending.append(Batch { closed: vec![row], ..Batch::default() });
        }
        if tick.course == Course::Believed {
            self.believe(now);
        }
        self.catalogue.read(snapshot, now, &mut self.values);
        for place in self.catalogue.take_forgotten_places() {
            self.second.forget(place);
            self.ten.forget(place);
        }
        self.second.add(&self.values);
        self.ten.add(&self.values);
        self.since_batch += tick.elapsed;
        (self.since_batch >= BATCH_SECONDS).then(|| self.take_batch()).flatten()
    }

    /// The clock is days behind: nothing is written, and of memory only what is earlier stays.
    fn go_astray(&mut self, tick: &Tick) {
        let days = self.clock.furthest().map_or(0.0, |furthest| (furthest - tick.time) / ASTRAY_SECONDS);
        log::warn!(
            "history: the clock is {days:.1} days behind the newest point; nothing is written until it is right again. \
             After an hour it is taken for right, and what is later than it is set aside"
        );
        self.ring.forget_after(tick.time.floor() as i64);
        // The second that was being filled is later, too; its ten seconds wait among the rows.
        self.second = Slot::default();
    }

    /// The clock, which was behind `furthest`, is ahead of it again: what was recorded meanwhile has no right time.
    fn come_back(&mut self, furthest: Option<f64>) {
        log::info!("history: the clock is right again; what was recorded since it went back is left out");
        let ten = furthest.map_or(i64::MAX, |time| (time.floor() as i64).div_euclid(DISK[0].step));
        self.ring.forget_after(i64::MIN);
        self.second = Slot::default();
        if self.ten.number.is_some_and(|number| number < ten) {
            self.ten = Slot::default();
        }
        // Rows from before it went back may still wait here. The ten seconds that were cut short then go on.
        let Some(pending) = &mut self.pending else { return };
        let earliest = ten.saturating_sub(ASTRAY_SECONDS as i64 / DISK[0].step);
        pending.closed.retain(|row| row.slot >= earliest);
        if let Some(row) = pending.closed.pop_if(|row| row.slot == ten) {
            self.ten = Slot::resume(&row, &self.catalogue);
        }
    }

    /// The clock is right after all, so what is later than `now` is not.
    fn believe(&mut self, now: i64) {
        log::warn!("history: the clock stays behind and is taken for right; points later than it are set aside");
        if let Some(pending) = &mut self.pending {
            pending.closed.retain(|row| row.slot <= now.div_euclid(DISK[0].step));
            pending.take_out_after = Some(now);
        }
        self.catalogue.forget_later_sightings(now);
    }

    /// All that is not written yet. `None` without a file, and while nothing may be written.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.since_batch = 0.0;
        if self.clock.is_astray() {
            return None;
        }
        let (fresh, forgotten) = self.catalogue.take_changes();
        let pending = self.pending.as_mut()?;
        let open = self.ten.row(&self.catalogue);
        pending.append(Batch { open, fresh, forgotten, ..Batch::default() });
        Some(std::mem::take(pending))
    }

    /// Puts a batch back that the writer had no room for.
    pub(super) fn put_back(&mut self, mut batch: Batch) {
        if let Some(pending) = &mut self.pending {
            batch.append(std::mem::take(pending));
            *pending = batch;
        }
    }

    /// The second that is being filled.
    pub(super) fn open_second(&self) -> Option<Row> {
        self.second.row(&self.catalogue)
    }

    /// Time of the newest point, unix seconds.
    pub(super) fn newest(&self) -> Option<f64> {
        self.newest
    }

    /// Distance of two samples, seconds. The smallest of the last few, so that one late sample (a machine that slept) does
    /// not count, and what it should be at least: a client that comes causes an early one.
    pub(super) fn interval(&self) -> f64 {
        let smallest = self.intervals.iter().copied().filter(|i| *i > 0.0).fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest.max(self.interval) } else { self.interval }
    }
}

/// A slot that is being filled, by place.
#[derive(Debug, Default)]
struct Slot {
    number: Option<i64>,
    samples: f64,
    gauges: Vec<Gauge>,
}

impl Slot {
    /// Goes on with a row that was stored before it was complete.
    fn resume(row: &Row, catalogue: &Catalogue) -> Self {
        let weight = f64::from(row.samples());
        let mut gauges = vec![Gauge::default(); catalogue.all().len()];
        for (gauge, series) in gauges.iter_mut().zip(catalogue.all()) {
            let point = row.points.iter().find(|(id, _)| *id == series.id);
            point.iter().for_each(|(_, point)| gauge.add(*point, weight));
        }
        Self { number: Some(row.slot), samples: weight, gauges }
    }

    /// Turns to slot `number`; the row of the one before, if it is another.
    fn begin(&mut self, number: i64, catalogue: &Catalogue) -> Option<Row> {
        if self.number == Some(number) {
            return None;
        }
        let row = self.row(catalogue);
        self.number = Some(number);
        self.samples = 0.0;
        self.gauges.fill(Gauge::default());
        row
    }

    fn add(&mut self, values: &[Option<f32>]) {
        self.samples += 1.0;
        self.gauges.resize(values.len(), Gauge::default());
        for (gauge, value) in self.gauges.iter_mut().zip(values) {
            if let Some(value) = value {
                gauge.add(single(*value), 1.0);
            }
        }
    }

    fn forget(&mut self, place: Place) {
        if let Some(gauge) = self.gauges.get_mut(place) {
            *gauge = Gauge::default();
        }
    }

    fn row(&self, catalogue: &Catalogue) -> Option<Row> {
        let slot = self.number.filter(|_| self.samples > 0.0)?;
        let mut points = Vec::with_capacity(self.gauges.len() + 1);
        points.push((SAMPLES, single(self.samples as f32)));
        let gauges = self.gauges.iter().zip(catalogue.all());
        points.extend(gauges.filter_map(|(gauge, series)| Some((series.id, gauge.point()?))));
        Some(Row { slot, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing;

    fn live() -> Live {
        Live::new(Some(&Loaded::default()), 1.0)
    }

    /// Samples of `cpu.busy`, all that was batched, and what is left.
    fn batches(live: &mut Live, ticks: impl Iterator<Item = (f64, f64)>) -> Vec<Batch> {
        ticks.filter_map(|(time, value)| live.record(&testing::busy(time, value))).collect()
    }

    #[test]
    fn a_batch_comes_every_nine_seconds_with_the_open_row() {
        let mut live = live();
        let all = batches(&mut live, (0..40).map(|i| (1_000.0 + f64::from(i), f64::from(i))));
        assert_eq!(all.len(), 4);
        let open: Vec<(i64, f32)> =
            all.iter().map(|b| b.open.as_ref().map(|r| (r.slot, r.samples())).unwrap()).collect();
        assert_eq!(open, [(100, 10.0), (101, 9.0), (102, 8.0), (103, 7.0)]);
        let closed: Vec<i64> = all.iter().flat_map(|b| b.closed.iter().map(|row| row.slot)).collect();
        assert_eq!(closed, [100, 101, 102]);
        assert_eq!(all[0].fresh.len(), 1);
        assert_eq!(all[1].closed[0].points[1].1, crate::history::tier::Point { min: 0.0, mean: 4.5, max: 9.0 });
    }

    #[test]
    fn a_step_back_neither_loses_nor_doubles_a_sample() {
        let mut live = live();
        let mut wall = 5_000.0;
        let ticks = (0..600).map(|i| {
            wall += if i == 200 { -100.0 } else { 1.0 };
            (wall, 1.0)
        });
        let mut all = batches(&mut live, ticks);
        all.extend(live.take_batch());
        let mut rows: Vec<&Row> = all.iter().flat_map(|batch| &batch.closed).collect();
        rows.extend(all.last().unwrap().open.as_ref());
        assert!(rows.windows(2).all(|pair| pair[0].slot < pair[1].slot), "no slot twice");
        assert_eq!(rows.iter().map(|row| row.samples()).sum::<f32>(), 600.0);
        assert!(rows.windows(2).all(|pair| pair[1].slot - pair[0].slot == 1), "no gap");
        assert_eq!(live.newest(), Some(wall), "it has caught up");
    }

    #[test]
    fn a_clock_that_was_days_behind_takes_nothing_along() {
        let mut live = live();
        let day = ASTRAY_SECONDS;
        // Nothing of this is batched yet when the clock goes back, and it returns into the same ten seconds.
        let mut all = batches(&mut live, (0..8).map(|i| (9.0 * day + 5.0 + f64::from(i), 1.0)));
        all.extend(batches(&mut live, (0..30).map(|i| (day + f64::from(i), 2.0))));
        assert!(all.is_empty(), "{all:?}");
        all.extend(batches(&mut live, (14..40).map(|i| (9.0 * day + f64::from(i), 3.0))));
        all.extend(live.take_batch());
        let mut rows: Vec<&Row> = all.iter().flat_map(|batch| &batch.closed).collect();
        rows.extend(all.last().unwrap().open.as_ref());
        let first = (9.0 * day) as i64 / 10;
        let seen: Vec<_> = rows.iter().map(|row| (row.slot - first, row.samples(), row.points[1].1.mean)).collect();
        assert_eq!(seen, [(0, 5.0, 1.0), (1, 9.0, 7.0 / 3.0), (2, 10.0, 3.0), (3, 10.0, 3.0)]);
    }

    #[test]
    fn a_series_that_was_seen_in_the_future_can_be_forgotten() {
        let mut live = live();
        let see = |live: &mut Live, time: f64, name: &str| {
            let interval_seconds = Some(1.0);
            let seen = testing::with_interfaces(&[name.to_owned()], 1.0);
            live.record(&Snapshot { time_unix_seconds: time, interval_seconds, ..seen })
        };
        for number in 0..crate::history::MOST_DYNAMIC_SERIES {
            see(&mut live, 9.0 * ASTRAY_SECONDS + number as f64, &format!("veth{number}"));
        }
        let told: Vec<Batch> = (0..4_000).filter_map(|i| see(&mut live, f64::from(i), "lo")).collect();
        assert_eq!(told[0].take_out_after, Some(3_600));
        assert!(told[0].fresh.iter().all(|series| series.last_seen <= 3_600));
        assert!(live.catalogue.all().iter().any(|series| &*series.name == "network.lo.sent"));
    }

    #[test]
    fn several_samples_in_a_second_are_one_point_with_bounds() {
        let mut live = live();
        batches(&mut live, (0..25).map(|i| (70.0 + f64::from(i) / 10.0, f64::from(i % 10))));
        let mut seen = Vec::new();
        live.ring.hold().read(0..100, &[1], |_, points| seen.extend_from_slice(points));
        let point = crate::history::tier::Point { min: 0.0, mean: 4.5, max: 9.0 };
        assert_eq!(seen, [(70, point), (71, point)]);
        assert_eq!(live.open_second().unwrap().samples(), 5.0);
    }

    #[test]
    fn a_batch_that_was_put_back_comes_again_before_what_is_newer() {
        let mut live = live();
        let mut all = batches(&mut live, (0..25).map(|i| (f64::from(i), 1.0)));
        live.put_back(all.pop().unwrap());
        let batch = batches(&mut live, (25..28).map(|i| (f64::from(i), 1.0))).pop().unwrap();
        let closed: Vec<i64> = batch.closed.iter().map(|row| row.slot).collect();
        assert_eq!(closed, [0, 1]);
    }
}
