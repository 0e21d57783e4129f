//! The history's own clock: the wall clock, except that it never goes back. Pure.
//!
//! The rule. While the wall clock goes forward, the two are the same; a step forward leaves a gap. After a step back the
//! history's clock runs at half speed until the wall clock has caught up: a step of ten minutes is worked off in twenty,
//! during which a slot takes in two samples rather than one. So no slot is written twice, no sample is left out, and the
//! order of time is the order of events.

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    wall: Option<f64>,
    time: Option<f64>,
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
}

/// A step back that is smaller goes unmentioned: corrections of a fraction of an interval are nothing unusual.
const MENTIONED_SECONDS: f64 = 2.0;

impl Clock {
    /// A clock that goes on after `newest`, the time of the newest stored point.
    pub(super) fn after(newest: Option<f64>) -> Self {
        Self { wall: None, time: newest }
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
        let time = match self.time {
            Some(time) if wall < time => (time + elapsed.min(real.unwrap_or(elapsed)) / 2.0).max(wall),
            _ => wall,
        };
        let behind = moved.map_or_else(|| self.time.map(|time| wall - time), Some);
        let stepped_back = behind.map(|moved| -moved).filter(|back| *back >= MENTIONED_SECONDS);
        self.wall = Some(wall);
        self.time = Some(time);
        Tick { time, elapsed, stepped_back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_it_is_the_wall_clock() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(100.0, None), Tick { time: 100.0, elapsed: 0.0, stepped_back: None });
        assert_eq!(clock.tick(101.0, Some(1.0)), Tick { time: 101.0, elapsed: 1.0, stepped_back: None });
        assert_eq!(clock.tick(5_000.0, Some(1.0)).time, 5_000.0);
    }

    #[test]
    fn a_step_back_is_worked_off_at_half_speed() {
        let mut clock = Clock::default();
        clock.tick(10_000.0, None);
        let first = clock.tick(9_401.0, Some(1.0));
        assert_eq!(first, Tick { time: 10_000.5, elapsed: 1.0, stepped_back: Some(599.0) });
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
        assert_eq!(clock.tick(100.5, Some(1.0)), Tick { time: 100.5, elapsed: 1.0, stepped_back: None });
    }

    #[test]
    fn after_a_restart_it_goes_on_behind_the_newest_point() {
        let mut clock = Clock::after(Some(500.0));
        assert_eq!(clock.tick(400.0, None), Tick { time: 500.0, elapsed: 0.0, stepped_back: Some(100.0) });
        assert_eq!(clock.tick(401.0, Some(1.0)).time, 500.5);
        assert_eq!(Clock::after(Some(500.0)).tick(600.0, None).time, 600.0);
    }
}
