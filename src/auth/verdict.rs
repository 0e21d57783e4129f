//! What became of names and passwords that were checked a moment ago, so that a client which sends them with every request
//! (HTTP Basic) costs one slow check and not one for each.
//!
//! Made anew with every reading of the users file, so nothing outlives the users it was found with. Kept by a keyed hash of
//! name and password: neither stands in memory, and nobody without the key can say what is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::MutexGuard as Turn;
use tokio::time::Instant;

/// A keyed hash of a name and a password.
pub type Mark = [u8; 32];

/// How long a verdict is good.
const LIFETIME: Duration = Duration::from_secs(300);

/// Most verdicts of either kind.
const MOST: usize = 1024;

/// Requests with the same name and password are checked one after the other. Others share their turn with one in so many.
const TURNS: usize = 16;

/// The verdicts.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Who it was, by mark. Written after a slow check, read at each request with Basic; held for a look or an entry.
    right: Mutex<HashMap<Mark, (Instant, Arc<str>)>>,
    /// What was wrong. The same wrong password again tells an attacker nothing new, so it costs no try; apart from the others,
    /// so that whoever sends many wrong ones displaces nobody.
    wrong: Mutex<HashMap<Mark, (Instant, ())>>,
    turns: [tokio::sync::Mutex<()>; TURNS],
}

impl Verdicts {
    /// Whose name and password these are, `Some(None)` for nobody's. `None` when it is not known.
    pub fn of(&self, mark: &Mark) -> Option<Option<Arc<str>>> {
        look(&self.right, mark).map(Some).or_else(|| look(&self.wrong, mark).map(|()| None))
    }

    /// Keeps a verdict.
    pub fn keep(&self, mark: Mark, name: Option<&Arc<str>>) {
        match name {
            Some(name) => put(&self.right, mark, Arc::clone(name)),
            None => put(&self.wrong, mark, ()),
        }
    }

    /// Waits until nobody else checks this name and password.
    pub async fn turn(&self, mark: &Mark) -> Turn<'_, ()> {
        self.turns[usize::from(mark[0]) % TURNS].lock().await
    }
}

fn look<T: Clone>(kept: &Mutex<HashMap<Mark, (Instant, T)>>, mark: &Mark) -> Option<T> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(mark).filter(|(until, _)| Instant::now() < *until).map(|(_, value)| value.clone())
}

fn put<T>(kept: &Mutex<HashMap<Mark, (Instant, T)>>, mark: Mark, value: T) {
    let now = Instant::now();
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MOST {
        kept.retain(|_, (until, _)| now < *until);
        if kept.len() >= MOST {
            kept.clear();
        }
    }
    kept.insert(mark, (now + LIFETIME, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32) -> Mark {
        let mut mark = [0; 32];
        mark[..4].copy_from_slice(&number.to_be_bytes());
        mark
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_is_good_for_a_while() {
        let verdicts = Verdicts::default();
        let ann: Arc<str> = "ann".into();
        verdicts.keep(mark(1), Some(&ann));
        verdicts.keep(mark(2), None);
        tokio::time::advance(LIFETIME - Duration::from_secs(1)).await;
        assert_eq!([1, 2, 3].map(|number| verdicts.of(&mark(number))), [Some(Some(ann)), Some(None), None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([1, 2].map(|number| verdicts.of(&mark(number))), [None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_bounded_and_wrong_ones_displace_no_right_one() {
        let verdicts = Verdicts::default();
        let ann: Arc<str> = "ann".into();
        verdicts.keep(mark(0), Some(&ann));
        for number in 1..=10 * MOST as u32 {
            verdicts.keep(mark(number), None);
        }
        assert!(verdicts.wrong.lock().unwrap().len() <= MOST);
        assert_eq!(verdicts.of(&mark(0)), Some(Some(ann)));
    }
}
