//! When to try again: exponential back-off with full jitter, so that a thousand agents do not come back at the same
//! moment. Pure but for the dice.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

/// Longest wait for a receiver that says nothing else.
pub const LONGEST: Duration = Duration::from_secs(60);

/// Longest wait that a receiver can ask for.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// The first wait is up to this long.
const FIRST: Duration = Duration::from_secs(1);

/// How often it failed, and when the next try is due.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    due: Option<Instant>,
}

impl Backoff {
    /// Whether a try is due, or how long that takes.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Whether the last try failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// A try went well.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A try failed; the receiver may have said after how long it wants to see us again.
    pub fn failed(&mut self, now: Instant, asked: Option<Duration>) -> Duration {
        let wait = match asked {
            // Not all at once there, either.
            Some(asked) => asked.min(LONGEST_ASKED) + FIRST.mul_f64(random()),
            None => longest(self.failures).mul_f64(random()),
        };
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + wait);
        wait
    }
}

/// The longest wait after so many failures before this one.
fn longest(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST)
}

/// 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without dice the longest wait is as good as any other.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_anywhere_below() {
        assert_eq!([0, 1, 2, 5, 6, 7, 100].map(|n| longest(n).as_secs()), [1, 2, 4, 32, 60, 60, 60]);
        let now = Instant::now();
        let waits: Vec<f64> = (0..200)
            .map(|_| {
                let mut backoff = Backoff { failures: 9, due: None };
                backoff.failed(now, None).as_secs_f64()
            })
            .collect();
        assert!(waits.iter().all(|wait| (0.0..=60.0).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 15.0) && waits.iter().any(|wait| *wait > 45.0), "{waits:?}");
    }

    #[test]
    fn who_says_when_is_heard() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let wait = backoff.failed(now, Some(Duration::from_secs(120)));
        assert!((120..=121).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(backoff.wait(now), Some(wait));
        assert!(backoff.failed(now, Some(Duration::from_secs(1 << 40))) <= LONGEST_ASKED + FIRST);
        backoff.succeeded();
        assert_eq!((backoff.wait(now), backoff.is_failing()), (None, false));
    }
}
