//! What makes the tests firm on a busy machine: those that load it take turns, and what others may delay is looked at
//! again. No tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static TURN: Mutex<()> = Mutex::new(());

/// Whoever loads the machine with hundreds of clients or several servers holds this meanwhile.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a check of times may fail before it is believed.
pub const TRIES: usize = 3;

/// Runs a check that somebody else's work can spoil. A server that is wrong fails every time.
pub fn eventually(check: impl Fn()) {
    for _ in 1..TRIES {
        if catch_unwind(AssertUnwindSafe(&check)).is_ok() {
            return;
        }
    }
    check();
}

/// The one in the middle, which a few late ones do not move.
pub fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(Duration::MAX)
}

/// Times between frames, one of which comes every second: mostly so, and nobody is kept waiting.
#[track_caller]
pub fn assert_every_second(gaps: &[Duration]) {
    let off = median(gaps.iter().map(|gap| gap.abs_diff(Duration::from_secs(1))));
    assert!(off < Duration::from_millis(250), "frames come {off:?} too early or late: {gaps:?}");
    let longest = gaps.iter().max().copied().unwrap_or_default();
    assert!(longest < Duration::from_secs(3), "a frame came {longest:?} after the one before: {gaps:?}");
}
