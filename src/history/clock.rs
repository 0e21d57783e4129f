//! The history's own clock: the wall clock, except that it never goes back. Pure.
//!
//! The rule. While the wall clock goes forward, the two are the same; a step forward leaves a gap. After a step back the
//! history's clock runs at half speed until the wall clock has caught up: a step of ten minutes is worked off in twenty,
//! during which a slot takes in two samples rather than one. So no slot is written twice, no sample is left out, and the
//! order of time is the order of events.
//!
//! More than a day is not worked off. Either the clock is wrong now, as on a board without a battery before it has asked the
//! network for the time, or it was wrong before. For an hour it is [`Course::Astray`]: what it says is good for the memory,
//! and nothing is written. Then it is [`Course::Believed`], and what lies later than it gives way.

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    wall: Option<f64>,
    /// The latest time that was ever told while not astray, or that the file knows.
    furthest: Option<f64>,
    /// Since it went astray: seconds that went by, and the time that it told last.
    astray: Option<(f64, f64)>,
}

/// One tick of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tick {
    /// Time of the history, unix seconds.
    pub(super) time: f64,
    /// Seconds that really went by since the tick before; 0 at the first.
    pub(super) elapsed: f64,
    /// How far the wall clock stepped back just now, seconds.
    pub(super) stepped_back: Option<f64>,
    /// What to make of the time.
    pub(super) course: Course,
}

/// What to make of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It is later than every one before.
    Right,
    /// It is more than a day earlier than one before, and may be wrong.
    Astray,
    /// It was astray for so long that what lies later must be wrong. Told once.
    Believed,
}

/// A step back that is smaller goes unmentioned: corrections of a fraction of an interval are nothing unusual.
const MENTIONED_SECONDS: f64 = 2.0;

/// A step back that is larger is not worked off.
pub(super) const ASTRAY_SECONDS: f64 = 86_400.0;

/// How long a clock that is astray is doubted, in seconds that really went by.
const DOUBTED_SECONDS: f64 = 3_600.0;

impl Clock {
    /// A clock that goes on after `newest`, the time of the newest stored point.
    pub(super) fn after(newest: Option<f64>) -> Self {
        Self { wall: None, furthest: newest, astray: None }
    }

    /// The latest time of all that were right.
    pub(super) fn furthest(&self) -> Option<f64> {
        self.furthest
    }

    /// Whether the last time told was astray.
    pub(super) fn is_astray(&self) -> bool {
        self.astray.is_some()
    }

    /// The wall clock now reads `wall`; by the monotonic clock `interval` seconds went by since the sample before.
    pub(super) fn tick(&mut self, wall: f64, interval: Option<f64>) -> Tick {
        let moved = self.wall.map(|before| wall - before);
        let real = interval.filter(|interval| interval.is_finite() && *interval > 0.0);
        let elapsed = match (moved, real) {
            (None, _) => 0.0,
            (Some(moved), None) => moved.max(0.0),
            // The monotonic clock stands still while the machine sleeps, the wall clock does not.
            (Some(moved), Some(real)) => moved.max(real),
        };
        // By the monotonic clock, as far as that is known.
        let passed = elapsed.min(real.unwrap_or(elapsed));
        let at_half_speed = |time: f64| (time + passed / 2.0).max(wall);
        let behind = moved.map_or_else(|| self.furthest.map(|time| wall - time), Some);
        let stepped_back = behind.map(|moved| -moved).filter(|back| *back >= MENTIONED_SECONDS);
        self.wall = Some(wall);
        let (time, course) = match (self.furthest, self.astray) {
            (Some(furthest), None) if wall < furthest - ASTRAY_SECONDS => {
                self.astray = Some((0.0, wall));
                return Tick { time: wall, elapsed, stepped_back, course: Course::Astray };
            }
            (Some(furthest), Some((doubted, last))) if wall < furthest - ASTRAY_SECONDS => {
                let (doubted, time) = (doubted + passed, if wall < last { at_half_speed(last) } else { wall });
                if doubted < DOUBTED_SECONDS {
                    self.astray = Some((doubted, time));
                    return Tick { time, elapsed, stepped_back, course: Course::Astray };
                }
                (time, Course::Believed)
            }
            (Some(furthest), _) if wall < furthest => (at_half_speed(furthest), Course::Right),
            _ => (wall, Course::Right),
        };
        (self.furthest, self.astray) = (Some(time), None);
        Tick { time, elapsed, stepped_back, course }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_it_is_the_wall_clock() {
        let mut clock = Clock::default();
        assert_eq!(
            clock.tick(100.0, None),
            Tick { time: 100.0, elapsed: 0.0, stepped_back: None, course: Course::Right }
        );
        assert_eq!(
            clock.tick(101.0, Some(1.0)),
            Tick { time: 101.0, elapsed: 1.0, stepped_back: None, course: Course::Right }
        );
        assert_eq!(clock.tick(5_000.0, Some(1.0)).time, 5_000.0);
    }

    #[test]
    fn a_step_back_is_worked_off_at_half_speed() {
        let mut clock = Clock::default();
        clock.tick(10_000.0, None);
        let first = clock.tick(9_401.0, Some(1.0));
        assert_eq!(first, Tick { time: 10_000.5, elapsed: 1.0, stepped_back: Some(599.0), course: Course::Right });
        let mut before = first.time;
        let mut ticks = 0;
        loop {
            ticks += 1;
            let wall = 9_401.0 + f64::from(ticks);
            let tick = clock.tick(wall, Some(1.0));
            assert!(tick.time >= before && tick.stepped_back.is_none(), "{tick:?}");
            before = tick.time;
            if tick.time == wall {
                break;
            }
        }
        assert_eq!(ticks, 1_198, "twice the step, which was a second shorter when it was first seen");
    }

    #[test]
    fn a_small_correction_is_not_seen_at_all() {
        let mut clock = Clock::default();
        clock.tick(100.0, None);
        assert_eq!(
            clock.tick(100.5, Some(1.0)),
            Tick { time: 100.5, elapsed: 1.0, stepped_back: None, course: Course::Right }
        );
    }

    #[test]
    fn after_a_restart_it_goes_on_behind_the_newest_point() {
        let mut clock = Clock::after(Some(500.0));
        assert_eq!(
            clock.tick(400.0, None),
            Tick { time: 500.0, elapsed: 0.0, stepped_back: Some(100.0), course: Course::Right }
        );
        assert_eq!(clock.tick(401.0, Some(1.0)).time, 500.5);
        assert_eq!(Clock::after(Some(500.0)).tick(600.0, None).time, 600.0);
    }

    #[test]
    fn a_clock_that_is_days_behind_is_doubted_until_it_jumps_forward() {
        let mut clock = Clock::after(Some(1e9));
        let first = clock.tick(5_000.0, None);
        assert_eq!((first.time, first.course, first.stepped_back), (5_000.0, Course::Astray, Some(1e9 - 5_000.0)));
        assert_eq!(clock.tick(5_001.0, Some(1.0)).course, Course::Astray);
        let back = clock.tick(4_991.0, Some(1.0));
        assert_eq!((back.time, back.course), (5_001.5, Course::Astray), "it never goes back");
        assert_eq!(clock.furthest(), Some(1e9));
        let right = clock.tick(1e9 - 50.0, Some(1.0));
        assert_eq!((right.time, right.course), (1e9 + 0.5, Course::Right), "behind what the file knows");
        assert!(!clock.is_astray());
    }

    #[test]
    fn a_clock_that_stays_days_behind_is_believed_after_an_hour() {
        let mut clock = Clock::default();
        clock.tick(1e9, None);
        let ticks: Vec<Tick> = (1..4_000).map(|i| clock.tick(5_000.0 + f64::from(i), Some(1.0))).collect();
        let believed = ticks.iter().position(|tick| tick.course == Course::Believed);
        assert_eq!(believed, Some(3_600));
        assert!(ticks[..3_600].iter().all(|tick| tick.course == Course::Astray));
        assert!(ticks[3_601..].iter().all(|tick| tick.course == Course::Right));
        assert!(ticks.windows(2).all(|two| two[1].time - two[0].time == 1.0));
    }

    #[test]
    fn a_jump_does_not_count_as_time_that_went_by() {
        let mut clock = Clock::after(Some(1e9));
        clock.tick(5_000.0, None);
        assert_eq!(clock.tick(500_000.0, Some(1.0)).course, Course::Astray);
    }
}
