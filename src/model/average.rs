//! Means of the last 5, 10 and 15 minutes.
//!
//! The sampler pushes one reading a tick and puts [`AverageRing::averages`] into the snapshot. No clock of its own: every
//! moment is handed in, monotonic and counted from the start of the program. Kept are sums since the start as they were at
//! some moments, one a second at most and 15 minutes back: at most 40 KiB. What lies between two moments is the difference of
//! their sums.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// The windows, seconds, in the order of the fields of [`WindowAverages`].
const WINDOWS: [f64; 3] = [300.0, 600.0, 900.0];

/// The least that a reading weighs, seconds. The first reading has no interval before it; it counts while it is the only
/// one, and is lost among the others later.
const LEAST_SECONDS: f64 = 0.001;

/// How far apart the moments are at least whose sums are kept, seconds; a pause that is shorter is none.
const GRAIN_SECONDS: f64 = 1.0;

/// Means over the last minutes. Over what there is, while the program is younger than the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Averages {
    /// Share of the CPU that was busy, 0 to 1.
    #[serde(rename = "cpu_busy_ratio")]
    pub cpu: WindowAverages,
    /// Memory used, bytes.
    #[serde(rename = "memory_used_bytes")]
    pub memory: WindowAverages,
    /// Memory used since the program started, bytes.
    #[serde(rename = "memory_used_since_start_bytes")]
    pub memory_since_start: Option<Extremes>,
}

/// What a number was since the program started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Extremes {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Mean over the time.
    pub mean: f64,
}

/// One number's means. `None` where the window holds no reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WindowAverages {
    /// Over the last 5 minutes.
    #[serde(rename = "five_minutes")]
    pub five: Option<f64>,
    /// Over the last 10 minutes.
    #[serde(rename = "ten_minutes")]
    pub ten: Option<f64>,
    /// Over the last 15 minutes.
    #[serde(rename = "fifteen_minutes")]
    pub fifteen: Option<f64>,
}

/// A sum weighted by time, and the time.
#[derive(Clone, Copy, Debug, Default)]
struct Weighted {
    sum: f64,
    seconds: f64,
}

impl Weighted {
    /// With `value` for so many seconds more; unknown is no time.
    fn and(self, value: Option<f64>, seconds: f64) -> Self {
        value.map_or(self, |value| Self { sum: self.sum + value * seconds, seconds: self.seconds + seconds })
    }

    /// What was added after `earlier`, the share that lies between that and `next` left out.
    fn since(self, earlier: Self, next: Self, share: f64) -> Option<f64> {
        let between = |from: f64, to: f64| from + (to - from) * share;
        let seconds = self.seconds - between(earlier.seconds, next.seconds);
        (seconds > 0.0).then(|| (self.sum - between(earlier.sum, next.sum)) / seconds)
    }
}

/// All that was added up to a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Seconds.
    at: f64,
    cpu: Weighted,
    memory: Weighted,
}

/// The last 15 minutes of CPU and memory.
#[derive(Clone, Debug)]
pub struct AverageRing {
    /// Oldest first, never empty.
    sums: VecDeque<Sums>,
    /// Memory: smallest and largest.
    extremes: (f64, f64),
}

impl Default for AverageRing {
    fn default() -> Self {
        Self { sums: [Sums::default()].into(), extremes: (f64::INFINITY, f64::NEG_INFINITY) }
    }
}

impl AverageRing {
    fn newest(&self) -> Sums {
        self.sums.back().copied().unwrap_or_default()
    }

    /// Takes in what was read at `at` and holds for the `interval_seconds` before it. A value that is `None` leaves that
    /// time unknown; it then weighs in no mean. One from before the last one is left out.
    pub fn push(&mut self, at: Duration, interval_seconds: f64, busy_ratio: Option<f64>, used_bytes: Option<u64>) {
        let (at, before) = (at.as_secs_f64(), self.newest());
        if at < before.at {
            return;
        }
        let span = if interval_seconds.is_finite() { interval_seconds } else { LEAST_SECONDS };
        let span = span.clamp(LEAST_SECONDS, WINDOWS[2]);
        if at - span - before.at > GRAIN_SECONDS {
            self.sums.push_back(Sums { at: at - span, ..before });
        }
        let busy_ratio = busy_ratio.filter(|ratio| ratio.is_finite());
        let bytes = used_bytes.map(|bytes| bytes as f64);
        let now = Sums { at, cpu: before.cpu.and(busy_ratio, span), memory: before.memory.and(bytes, span) };
        let (min, max) = self.extremes;
        self.extremes = bytes.map_or((min, max), |bytes| (min.min(bytes), max.max(bytes)));
        // The newest stands for a moment that is not over yet.
        if self.sums.iter().nth_back(1).is_some_and(|earlier| at - earlier.at <= GRAIN_SECONDS) {
            self.sums.pop_back();
        }
        self.sums.push_back(now);
        while self.sums.get(1).is_some_and(|second| second.at <= at - WINDOWS[2]) {
            self.sums.pop_front();
        }
    }

    /// Means of the windows that end at `now`.
    pub fn averages(&self, now: Duration) -> Averages {
        let newest = self.newest();
        let bounds = WINDOWS.map(|length| {
            let begin = now.as_secs_f64() - length;
            let after = self.sums.partition_point(|sums| sums.at <= begin);
            let earlier = self.sums.get(after.saturating_sub(1)).copied().unwrap_or_default();
            let next = self.sums.get(after).copied().unwrap_or(newest);
            let share = (begin - earlier.at) / (next.at - earlier.at);
            (earlier, next, if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 })
        });
        let means = |pick: fn(&Sums) -> Weighted| {
            let [five, ten, fifteen] =
                bounds.each_ref().map(|(earlier, next, share)| pick(&newest).since(pick(earlier), pick(next), *share));
            WindowAverages { five, ten, fifteen }
        };
        let ((min, max), none) = (self.extremes, Weighted::default());
        let memory_since_start = newest.memory.since(none, none, 0.0).map(|mean| Extremes { min, max, mean });
        Averages { cpu: means(|sums| sums.cpu), memory: means(|sums| sums.memory), memory_since_start }
    }
}

#[cfg(test)]
mod tests {
    use super::{AverageRing, Averages, Extremes, LEAST_SECONDS, Sums};
    use std::time::Duration;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[track_caller]
    fn near(found: Option<f64>, wanted: f64, tolerance: f64) {
        let found = found.expect("a mean");
        assert!((found - wanted).abs() <= tolerance, "{found} is not {wanted}");
    }

    /// The mean of a function over `[now - length, now]`, by summing its value at each tick.
    fn truth(value: impl Fn(f64) -> f64, now: f64, length: f64, tick: f64) -> f64 {
        let ticks = (length / tick).round() as u32;
        (0..ticks).map(|n| value(now - f64::from(n) * tick)).sum::<f64>() / f64::from(ticks)
    }

    #[test]
    fn it_is_small_and_stays_so() {
        let mut ring = AverageRing::default();
        for n in 1..=20_000_u32 {
            ring.push(at(f64::from(n) / 10.0), 0.1, Some(0.5), Some(1));
        }
        assert!(ring.sums.capacity() * size_of::<Sums>() <= 40 << 10, "{}", ring.sums.len());
    }

    #[test]
    fn nothing_read_is_nothing_known() {
        assert_eq!(AverageRing::default().averages(at(1000.0)), Averages::default());
        let mut ring = AverageRing::default();
        ring.push(at(1.0), 1.0, None, None);
        ring.push(at(2.0), 1.0, Some(f64::NAN), None);
        assert_eq!(ring.averages(at(2.0)), Averages::default());
    }

    #[test]
    fn the_first_reading_is_its_own_mean_and_soon_forgotten() {
        for first in [0.0, 0.2, 7.0] {
            let mut ring = AverageRing::default();
            ring.push(at(first), 0.0, None, Some(4096));
            let averages = ring.averages(at(first));
            assert_eq!(averages.cpu.five, None);
            near(averages.memory.five, 4096.0, 1e-6);
            near(averages.memory.fifteen, 4096.0, 1e-6);
            ring.push(at(first + 1.0), 1.0, Some(0.5), Some(8192));
            near(ring.averages(at(first + 1.0)).memory.five, 8192.0, 8.0);
            near(ring.averages(at(first + 1.0)).cpu.ten, 0.5, 1e-12);
        }
    }

    #[test]
    fn what_was_long_ago_stays_among_the_extremes() {
        let mut ring = AverageRing::default();
        ring.push(at(1.0), f64::NAN, None, Some(700));
        assert_eq!(ring.averages(at(1.0)).memory_since_start, Some(Extremes { min: 700.0, max: 700.0, mean: 700.0 }));
        ring.push(at(2.0), 1.0, None, Some(100));
        ring.push(at(3.0), 1.0, None, None);
        for minute in 1..=60 {
            ring.push(at(3.0 + 60.0 * f64::from(minute)), 60.0, None, Some(200));
        }
        let found = ring.averages(at(3603.0)).memory_since_start.unwrap();
        assert_eq!((found.min, found.max), (100.0, 700.0));
        let seconds = LEAST_SECONDS + 1.0 + 3600.0;
        near(Some(found.mean), (700.0 * LEAST_SECONDS + 100.0 + 200.0 * 3600.0) / seconds, 1e-9);
    }

    #[test]
    fn an_hour_of_ticks_gives_each_window_its_own_mean() {
        let busy = |t: f64| t / 3600.0;
        for tick in [0.1, 1.0, 2.5, 5.0, 60.0] {
            let mut ring = AverageRing::default();
            let ticks = (3600.0 / tick) as u32;
            for n in 1..=ticks {
                let t = f64::from(n) * tick;
                ring.push(at(t), tick, Some(busy(t)), Some((t * 1e6) as u64));
            }
            let averages = ring.averages(at(3600.0));
            for (found, length) in
                [(averages.cpu.five, 300.0), (averages.cpu.ten, 600.0), (averages.cpu.fifteen, 900.0)]
            {
                near(found, truth(busy, 3600.0, length, tick), 1e-6);
            }
            near(averages.memory.five, truth(|t| t * 1e6, 3600.0, 300.0, tick), 2.0);
        }
    }

    #[test]
    fn a_step_leaves_the_windows_one_after_the_other() {
        let mut ring = AverageRing::default();
        for t in 1..=1200_u32 {
            // Busy for the first 500 seconds.
            ring.push(at(f64::from(t)), 1.0, Some(f64::from(u8::from(t <= 500))), None);
        }
        let averages = ring.averages(at(1200.0));
        near(averages.cpu.five, 0.0, 1e-12);
        near(averages.cpu.ten, 0.0, 1e-12);
        near(averages.cpu.fifteen, 200.0 / 900.0, 1e-9);
        // A beginning in the middle of a bucket: half of it counts.
        near(ring.averages(at(1202.5)).cpu.fifteen, 197.5 / 897.5, 1e-9);
    }

    #[test]
    fn time_weighs_not_the_number_of_readings() {
        let mut ring = AverageRing::default();
        for n in 1..=1000_u32 {
            ring.push(at(f64::from(n) / 10.0), 0.1, Some(1.0), None);
        }
        // One late tick covers as much time as the thousand before it.
        ring.push(at(200.0), 100.0, Some(0.0), None);
        near(ring.averages(at(200.0)).cpu.five, 0.5, 1e-9);
    }

    #[test]
    fn a_gap_counts_neither_as_idle_nor_as_busy() {
        let mut ring = AverageRing::default();
        for t in 1..=100_u32 {
            ring.push(at(f64::from(t)), 1.0, Some(0.25), Some(100));
        }
        ring.push(at(300.0), 200.0, None, None);
        for t in 301..=400_u32 {
            ring.push(at(f64::from(t)), 1.0, Some(0.75), Some(300));
        }
        let averages = ring.averages(at(400.0));
        near(averages.cpu.fifteen, 0.5, 1e-9);
        near(averages.memory.fifteen, 200.0, 1e-9);
        near(averages.cpu.five, 0.75, 1e-9);
        // After a silence longer than every window nothing is known, and nothing old comes back with the next reading.
        let since_start = ring.averages(at(1400.0)).memory_since_start;
        assert_eq!(ring.averages(at(1400.0)), Averages { memory_since_start: since_start, ..Averages::default() });
        ring.push(at(5000.0), 1.0, Some(1.0), Some(7));
        near(ring.averages(at(5000.0)).cpu.fifteen, 1.0, 1e-12);
        near(ring.averages(at(5000.0)).memory.fifteen, 7.0, 1e-9);
    }

    #[test]
    fn an_interval_longer_than_a_window_fills_it() {
        let mut ring = AverageRing::default();
        ring.push(at(3600.0), 3600.0, Some(0.2), Some(10));
        ring.push(at(7200.0), 3600.0, Some(0.6), Some(20));
        let averages = ring.averages(at(7200.0));
        for (cpu, memory) in [
            (averages.cpu.five, averages.memory.five),
            (averages.cpu.ten, averages.memory.ten),
            (averages.cpu.fifteen, averages.memory.fifteen),
        ] {
            near(cpu, 0.6, 1e-9);
            near(memory, 20.0, 1e-9);
        }
        // Seven minutes: the five-minute window sees the newer value alone, the others both by their time.
        ring.push(at(7620.0), 420.0, Some(0.0), None);
        near(ring.averages(at(7620.0)).cpu.five, 0.0, 1e-12);
        near(ring.averages(at(7620.0)).cpu.ten, 0.6 * 180.0 / 600.0, 1e-9);
        near(ring.averages(at(7620.0)).cpu.fifteen, 0.6 * 480.0 / 900.0, 1e-9);
    }

    #[test]
    fn odd_input_neither_panics_nor_spoils_the_means() {
        let mut ring = AverageRing::default();
        ring.push(at(2000.0), 10.0, Some(0.5), Some(50));
        ring.push(at(3.0), 1.0, Some(1.0), Some(1));
        for interval in [f64::NAN, f64::INFINITY, -5.0, 0.0] {
            ring.push(at(2000.0), interval, Some(0.5), Some(50));
        }
        let averages = ring.averages(at(2000.0));
        near(averages.cpu.fifteen, 0.5, 1e-9);
        near(averages.memory.fifteen, 50.0, 1e-9);
        near(ring.averages(at(10.0)).cpu.five, 0.5, 1e-9);
    }
}
