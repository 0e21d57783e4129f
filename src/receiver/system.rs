//! What is known of one system besides its history: when it was last heard, which of its reports came last, how its clock
//! stands. Pure; [`super::writer`] changes it and has it written, requests read it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::model::received::{ReceivedSystem, Vitals};

/// How often a system reports that does not say so, seconds. System Monitor's default.
const USUAL_INTERVAL: f64 = 60.0;

/// Reports that a system may miss before it is late.
const MISSED: f64 = 3.0;

/// A System Monitor agent's period is this much longer than its interval, seconds.
const SAMPLING: f64 = 1.0;

/// Reports in a row, one an interval, after which a clock that went back is taken for the system's clock.
const BELIEVED: u32 = 3;

/// Beyond this a clock is told to be wrong, seconds.
const CLOCK_TOLERANCE: f64 = 30.0;

/// See the head of this file. What is serialized stands on the disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Its number, under which the moments of its reports are kept.
    pub number: u32,
    /// Whether the configuration names it. One that registered itself is forgotten after a long silence.
    #[serde(skip)]
    pub is_configured: bool,
    /// Whether it has its place by the configuration: once that names it no more it may not report, unless whoever comes may.
    #[serde(default)]
    pub is_by_configuration: bool,
    /// When its last report came, unix seconds by this machine's clock.
    pub last_seen: Option<f64>,
    /// What its last report says how often there is one, seconds.
    pub interval: Option<f64>,
    /// The moment of the newest report, by its own clock.
    pub newest: Option<i64>,
    /// The same moment, or when the report came by this machine's clock if that was earlier. A clock that was ahead and was set
    /// right goes on from here.
    pub newest_here: i64,
    /// The latest moment at which numbers were drawn, see [`drawn_at`].
    #[serde(default)]
    pub drawn: Option<i64>,
    /// Whether the numbers of the newest report were drawn before that moment.
    #[serde(skip)]
    pub was_behind: bool,
    /// Reports that were stored.
    pub reports: u64,
    /// Reports that came again.
    pub repeated: u64,
    /// Reports that were stored behind newer ones.
    pub out_of_order: u64,
    /// How far its clock was ahead when it last sent something, seconds.
    pub clock_offset: Option<f64>,
    /// Bytes that its last report takes on the disk.
    pub report_bytes: u64,
    /// Reports in a row that were older than the newest and came one an interval, and the moment of the last of them.
    #[serde(skip)]
    pub behind: (u32, i64),
    /// The numbers of its last report.
    #[serde(skip)]
    pub vitals: Option<Arc<Vitals>>,
    /// Moments that are kept.
    #[serde(skip)]
    pub moments: u32,
    /// Whether it has been silent for so long that its last hour left the memory.
    #[serde(skip)]
    pub is_resting: bool,
}

/// Where a report belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind all others.
    Newest,
    /// It is the newest one, again.
    Repeated,
    /// Before the newest: whether it was here before is to be looked up.
    Before,
}

/// When the numbers of a report are drawn, which was sent at `sent` by its sender's clock and came at `arrived` by ours: at
/// its `epoch`, unless that clock is told to be wrong. Then it is when the report was made by our clock, and never in the
/// future, where numbers would stand in the way of all that come once the clock is right.
pub fn drawn_at(epoch: i64, sent: Option<f64>, arrived: f64) -> i64 {
    let offset = sent.map(|sent| sent - arrived).filter(|offset| offset.abs() > CLOCK_TOLERANCE).unwrap_or(0.0);
    let at = epoch as f64 - offset;
    let at = if at > arrived + CLOCK_TOLERANCE || offset != 0.0 { at.min(arrived) } else { at };
    at.max(0.0).floor() as i64
}

impl System {
    /// Where a report of `epoch` belongs that comes at `arrived`.
    pub fn place(&self, epoch: i64, arrived: f64) -> Place {
        match self.newest {
            Some(newest) if epoch == newest => Place::Repeated,
            Some(newest) if epoch < newest => {
                // The newest was of a clock that was ahead: right ones are smaller for as long.
                let was_ahead = newest > self.newest_here && epoch >= self.newest_here;
                if was_ahead || self.is_believed(epoch, arrived) { Place::Newest } else { Place::Before }
            }
            _ => Place::Newest,
        }
    }

    /// Whether with this one the clock has told for long enough that it went back.
    fn is_believed(&self, epoch: i64, arrived: f64) -> bool {
        self.behind.0 + 1 >= BELIEVED && self.is_live(arrived) && epoch > self.behind.1
    }

    /// Whether the last report is about an interval ago: what was kept back comes faster.
    fn is_live(&self, arrived: f64) -> bool {
        let period = self.interval.unwrap_or(USUAL_INTERVAL).max(SAMPLING);
        self.last_seen.is_some_and(|last| arrived - last >= period / 2.0)
    }

    /// It was heard of: a report came at `arrived`, and was sent at `sent` by its own clock. Where that is not told, one that
    /// goes on was sent when it was made.
    pub fn heard(&mut self, report: &Report, arrived: f64, sent: Option<f64>, goes_on: bool) {
        self.last_seen = Some(arrived);
        self.is_resting = false;
        self.interval = report.interval;
        let sent = sent.or(goes_on.then_some(report.epoch as f64));
        self.clock_offset = sent.map(|sent| sent - arrived).or(self.clock_offset);
    }

    /// A report was stored behind all others.
    pub fn goes_on(&mut self, report: &Report, arrived: f64, drawn: i64, report_bytes: u64) {
        self.reports += 1;
        self.newest = Some(report.epoch);
        self.was_behind = self.drawn.is_some_and(|latest| drawn < latest);
        self.drawn = self.drawn.max(Some(drawn));
        self.newest_here = report.epoch.min(arrived.floor() as i64);
        self.behind = (0, 0);
        self.vitals = Some(Arc::new(report.vitals.clone()));
        self.report_bytes = report_bytes;
    }

    /// A report was stored before the newest. To be called before [`Self::heard`].
    pub fn filled_in(&mut self, epoch: i64, arrived: f64) {
        self.reports += 1;
        self.out_of_order += 1;
        let goes_on = self.is_live(arrived) && (self.behind.0 == 0 || epoch > self.behind.1);
        self.behind = if goes_on { (self.behind.0 + 1, epoch) } else { (0, 0) };
    }

    /// Whether it has missed its reports at `now`. One that was never heard of is, too.
    pub fn is_late(&self, now: f64) -> bool {
        let period = self.interval.unwrap_or(USUAL_INTERVAL) + SAMPLING;
        self.last_seen.is_none_or(|last| now - last > MISSED * period)
    }

    /// Whether its clock is wrong. `None` while nothing is known of it.
    pub fn is_clock_wrong(&self) -> Option<bool> {
        self.clock_offset.map(|offset| offset.abs() > CLOCK_TOLERANCE)
    }

    /// As it is told on at `now`.
    pub fn told(&self, id: &Arc<str>, now: f64) -> ReceivedSystem {
        ReceivedSystem {
            id: Arc::clone(id),
            last_seen_unix_seconds: self.last_seen,
            interval_seconds: self.interval,
            is_late: self.is_late(now),
            clock_offset_seconds: self.clock_offset,
            reports: self.reports,
            vitals: self.vitals.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: i64) -> Report {
        Report { system_id: "a".into(), epoch, interval: Some(10.0), vitals: Vitals::default() }
    }

    /// A report comes; where it belongs.
    fn comes(system: &mut System, epoch: i64, arrived: f64) -> Place {
        let place = system.place(epoch, arrived);
        match place {
            Place::Newest => system.goes_on(&report(epoch), arrived, epoch, 1),
            Place::Before => system.filled_in(epoch, arrived),
            Place::Repeated => {}
        }
        system.heard(&report(epoch), arrived, None, place == Place::Newest);
        place
    }

    #[test]
    fn in_order_again_and_behind() {
        let mut system = System::default();
        assert_eq!(comes(&mut system, 1_000, 1_000.2), Place::Newest);
        assert_eq!(comes(&mut system, 1_010, 1_010.2), Place::Newest);
        assert_eq!(comes(&mut system, 1_010, 1_010.4), Place::Repeated);
        for epoch in 1_001..1_009 {
            assert_eq!(comes(&mut system, epoch, 1_010.5), Place::Before, "what was kept back comes at once");
        }
        assert_eq!((system.newest, system.reports, system.out_of_order), (Some(1_010), 10, 8));
    }

    #[test]
    fn a_clock_that_went_back_is_believed_after_three_intervals() {
        let mut system = System::default();
        comes(&mut system, 9_000, 9_000.0);
        let places: Vec<_> = (1..5).map(|n| comes(&mut system, 1_000 + n * 10, 9_000.0 + n as f64 * 10.0)).collect();
        assert_eq!(places, [Place::Before, Place::Before, Place::Newest, Place::Newest]);
        assert_eq!((system.newest, system.clock_offset), (Some(1_040), Some(-8_000.0)));
        assert_eq!(system.is_clock_wrong(), Some(true));
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_set_right_goes_on() {
        let mut system = System::default();
        comes(&mut system, 99_000, 1_000.0);
        comes(&mut system, 99_010, 1_010.0);
        assert_eq!(system.is_clock_wrong(), Some(true));
        assert_eq!(comes(&mut system, 1_020, 1_020.0), Place::Newest);
        assert_eq!(comes(&mut system, 1_030, 1_030.0), Place::Newest);
        assert_eq!(system.is_clock_wrong(), Some(false));
    }

    #[test]
    fn numbers_are_drawn_when_they_were_true_and_never_in_the_future() {
        for (epoch, sent, expected, what) in [
            (990, None, 990, "as it says"),
            (990, Some(1_000.5), 990, "a clock that is right, a report that waited"),
            (1_020, None, 1_020, "a little ahead"),
            (9_000, None, 1_000, "in the future"),
            (i64::MAX, Some(f64::MAX), 0, "nonsense"),
            (i64::MAX, Some(1_000.0), 1_000, "a moment that cannot be, by a clock that is right"),
            (8_990, Some(9_000.0), 990, "a clock that is ahead, a report that waited"),
            (90, Some(100.0), 990, "a clock that is behind"),
            (90, None, 90, "perhaps it waited"),
        ] {
            assert_eq!(drawn_at(epoch, sent, 1_000.0), expected, "{what}");
        }
    }

    #[test]
    fn three_missed_periods_make_it_late() {
        let mut system = System::default();
        assert!(system.is_late(0.0), "never heard of");
        comes(&mut system, 1_000, 1_000.0);
        assert!(!system.is_late(1_033.0) && system.is_late(1_033.1), "the period is a second longer than the interval");
        system.interval = None;
        assert!(!system.is_late(1_183.0) && system.is_late(1_183.1));
    }
}
