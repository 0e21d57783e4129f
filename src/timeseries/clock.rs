//! A clock for slots: the wall clock, except that it never goes back. Pure; used by [`super::host`].
//!
//! While the wall clock goes forward, the two are the same; a step forward leaves a gap. After a step back this clock runs at
//! half speed until the wall clock has caught up: a step of ten minutes is worked off in twenty, during which a slot takes
//! in two samples rather than one. So no slot is written twice, no sample is left out, and the order of time is the order
//! of events. What happens when the wall clock is days behind is [`super::host`]'s to say.

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    wall: Option<f64>,
    newest: Option<f64>,
}

/// One tick of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tick {
    /// Time of the sample, unix seconds.
    pub(super) time: f64,
    /// Seconds that went by since the tick before, those that the machine slept included; 0 at the first.
    pub(super) elapsed: f64,
    /// The same by the monotonic clock, as far as that is known: neither sleep nor a wall clock that was set counts.
    pub(super) passed: f64,
    /// How far the wall clock stepped back just now, seconds.
    pub(super) stepped_back: Option<f64>,
}

/// A step back that is smaller goes unmentioned: corrections of a fraction of an interval are nothing unusual.
const MENTIONED_SECONDS: f64 = 2.0;

impl Clock {
    /// A clock that goes on after `newest`, the time of the newest stored point.
    pub(super) fn after(newest: Option<f64>) -> Self {
        Self { wall: None, newest }
    }

    /// The latest time that it told, or was made with.
    pub(super) fn newest(&self) -> Option<f64> {
        self.newest
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
        let passed = elapsed.min(real.unwrap_or(elapsed));
        let ahead = moved.or_else(|| self.newest.map(|newest| wall - newest));
        let stepped_back = ahead.map(|ahead| -ahead).filter(|back| *back >= MENTIONED_SECONDS);
        let time = match self.newest {
            Some(newest) if wall < newest => wall.max(newest + passed / 2.0),
            _ => wall,
        };
        (self.wall, self.newest) = (Some(wall), Some(time));
        Tick { time, elapsed, passed, stepped_back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(time: f64, elapsed: f64, stepped_back: Option<f64>) -> Tick {
        Tick { time, elapsed, passed: elapsed, stepped_back }
    }

    #[test]
    fn forward_it_is_the_wall_clock() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(100.0, None), tick(100.0, 0.0, None));
        assert_eq!(clock.tick(101.0, Some(1.0)), tick(101.0, 1.0, None));
        let leap = clock.tick(5_000.0, Some(1.0));
        assert_eq!((leap.time, leap.elapsed, leap.passed), (5_000.0, 4_899.0, 1.0), "a leap is no time that went by");
    }

    #[test]
    fn a_step_back_is_worked_off_at_half_speed() {
        let mut clock = Clock::default();
        clock.tick(10_000.0, None);
        let first = clock.tick(9_401.0, Some(1.0));
        assert_eq!(first, tick(10_000.5, 1.0, Some(599.0)));
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
        assert_eq!(clock.tick(100.5, Some(1.0)), tick(100.5, 1.0, None));
    }

    #[test]
    fn after_a_restart_it_goes_on_behind_the_newest_point() {
        let mut clock = Clock::after(Some(500.0));
        assert_eq!(clock.tick(400.0, None), tick(500.0, 0.0, Some(100.0)));
        assert_eq!(clock.tick(401.0, Some(1.0)).time, 500.5);
        assert_eq!(Clock::after(Some(500.0)).tick(600.0, None).time, 600.0);
    }
}
