//! What makes the tests firm on a busy machine: those that load it take turns, and times are compared with those of a server
//! beside the tested one, which others hold up just as much. No tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::Server;
use crate::wire::Raw;

static TURN: Mutex<()> = Mutex::new(());

/// Whoever loads the machine with hundreds of clients or several servers holds this meanwhile.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that it is over when it goes, also for a test that fails: threads of a scope that go on until then would hold it up.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The one in the middle, which a few late ones do not move.
pub fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(Duration::MAX)
}

/// Looks at the frames of a stream, one of which is to come every second, until it is told to end.
pub struct Watcher {
    is_wanted: Arc<AtomicBool>,
    gaps: JoinHandle<Vec<Duration>>,
}

impl Watcher {
    pub fn new(server: &Server) -> Self {
        let is_wanted = Arc::new(AtomicBool::new(true));
        let (stream, wanted) = (Raw::psmonitor(server), Arc::clone(&is_wanted));
        Self { is_wanted, gaps: std::thread::spawn(move || stream.gaps(&wanted)) }
    }

    /// Times between the frames so far. The first one is left out: it follows the warm-up.
    pub fn end(self) -> Vec<Duration> {
        self.is_wanted.store(false, Ordering::SeqCst);
        let mut gaps = self.gaps.join().expect("a watcher");
        gaps.remove(0);
        gaps
    }
}

/// More than a busy machine adds by itself. Less than the ten seconds for which one client could hold up all others.
const LONGEST_GAP: Duration = Duration::from_secs(6);

/// Frames come every second: mostly as well as `beside`, on a server that nobody loads, and nobody is kept waiting.
#[track_caller]
pub fn assert_every_second(gaps: &[Duration], beside: &[Duration]) {
    let off = |gaps: &[Duration]| median(gaps.iter().map(|gap| gap.abs_diff(Duration::from_secs(1))));
    let (off, usual) = (off(gaps), off(beside));
    assert!(
        off < usual + Duration::from_millis(250),
        "frames come {off:?} too early or late, beside it {usual:?}: {gaps:?}"
    );
    let longest = gaps.iter().max().copied().unwrap_or_default();
    assert!(longest < LONGEST_GAP, "a frame came {longest:?} after the one before: {gaps:?}");
}
