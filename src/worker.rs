//! The worker registry: created by `POST /`, claimed exactly once by a WebSocket, reaped when nobody came in time.
//!
//! Called by the server only. Time is tokio's, so that tests can pause it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::Opener;

/// How long a worker waits to be claimed.
pub const LIFETIME: Duration = Duration::from_secs(3);

/// No room for another unclaimed worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many unclaimed workers; try again in {} s", retry_after.as_secs())]
pub struct Full {
    /// When the oldest unclaimed worker will be gone, rounded up to whole seconds, at least one.
    pub retry_after: Duration,
}

/// A claimed worker: the right to one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Who asked for it, where somebody had to say so.
    pub owner: Option<Arc<str>>,
    /// What it was asked for with.
    pub opener: Option<Opener>,
}

/// How many workers went which way since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Created.
    pub created: u64,
    /// Claimed in time.
    pub claimed: u64,
    /// Gone unclaimed.
    pub reaped: u64,
    /// Refused because there was no room.
    pub refused: u64,
}

/// All unclaimed workers.
#[derive(Debug)]
pub struct Registry {
    /// By id. A guard of this map is never held across an await: every method here is synchronous.
    waiting: DashMap<Uuid, (Instant, Worker)>,
    /// Deadlines in order of creation, which is their order too because the lifetime is constant. The lock is also what
    /// makes "look for room, then insert" one step; only `create` and `reap` take it, both for a few operations. Ids that
    /// were claimed stay until their deadline, so it is bounded by the creations of three seconds.
    deadlines: Mutex<VecDeque<(Instant, Uuid)>>,
    /// Wakes the reaper when the queue stops being empty.
    created_one: Notify,
    /// Read at each creation, written at SIGHUP.
    limit: AtomicUsize,
    created: AtomicU64,
    claimed: AtomicU64,
    reaped: AtomicU64,
    refused: AtomicU64,
}

impl Registry {
    /// A registry with room for `limit` unclaimed workers.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            waiting: DashMap::new(),
            deadlines: Mutex::default(),
            created_one: Notify::new(),
            limit: AtomicUsize::new(limit),
            created: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            reaped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// From now on there is room for `limit` unclaimed workers.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// A new worker, waiting to be claimed for [`LIFETIME`].
    pub fn create(&self, owner: Option<Arc<str>>, opener: Option<Opener>) -> Result<Uuid, Full> {
        let now = Instant::now();
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        self.reap_due(&mut deadlines, now);
        if self.waiting.len() >= self.limit.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let wait = deadlines.front().map_or(LIFETIME, |(deadline, _)| deadline.duration_since(now));
            return Err(Full { retry_after: Duration::from_secs(wait.as_millis().div_ceil(1000).max(1) as u64) });
        }
        let id = Uuid::new_v4();
        let deadline = now + LIFETIME;
        self.waiting.insert(id, (deadline, Worker { owner, opener }));
        deadlines.push_back((deadline, id));
        self.created.fetch_add(1, Ordering::Relaxed);
        self.created_one.notify_one();
        Ok(id)
    }

    /// Takes the worker out, if it is there and its time is not over. Of two claims at once exactly one gets it.
    pub fn claim(&self, id: &Uuid) -> Option<Worker> {
        let (_, (deadline, worker)) = self.waiting.remove(id)?;
        if Instant::now() >= deadline {
            self.reaped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.claimed.fetch_add(1, Ordering::Relaxed);
        Some(worker)
    }

    /// Removes every worker whose time is over.
    pub fn reap(&self) {
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        self.reap_due(&mut deadlines, Instant::now());
    }

    fn reap_due(&self, deadlines: &mut VecDeque<(Instant, Uuid)>, now: Instant) {
        while deadlines.front().is_some_and(|(deadline, _)| *deadline <= now) {
            let Some((_, id)) = deadlines.pop_front() else { break };
            if self.waiting.remove(&id).is_some() {
                self.reaped.fetch_add(1, Ordering::Relaxed);
            }
        }
        if deadlines.is_empty() && deadlines.capacity() > 4 * self.limit.load(Ordering::Relaxed).max(64) {
            deadlines.shrink_to_fit();
        }
    }

    /// Reaps each worker at its deadline, for ever.
    pub async fn keep_reaping(&self) {
        loop {
            let next = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner).front().map(|(at, _)| *at);
            match next {
                Some(deadline) => {
                    tokio::time::sleep_until(deadline).await;
                    self.reap();
                }
                None => self.created_one.notified().await,
            }
        }
    }

    /// How many workers wait.
    #[must_use]
    pub fn unclaimed(&self) -> usize {
        self.waiting.len()
    }

    /// What happened since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            created: self.created.load(Ordering::Relaxed),
            claimed: self.claimed.load(Ordering::Relaxed),
            reaped: self.reaped.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_counts_until_three_seconds_are_over() {
        let registry = Registry::new(8);
        let (early, late) = (registry.create(None, None).unwrap(), registry.create(None, None).unwrap());
        tokio::time::advance(Duration::from_millis(2_900)).await;
        assert!(registry.claim(&early).is_some());
        tokio::time::advance(Duration::from_millis(200)).await;
        assert!(registry.claim(&late).is_none());
        assert_eq!(registry.counts(), Counts { created: 2, claimed: 1, reaped: 1, refused: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_is_claimed_once() {
        let registry = Registry::new(8);
        let id = registry.create(Some("ann".into()), None).unwrap();
        assert_eq!(registry.claim(&id), Some(Worker { owner: Some("ann".into()), opener: None }));
        assert_eq!(registry.claim(&id), None);
        assert_eq!(registry.claim(&Uuid::new_v4()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_surplus_is_refused_until_the_oldest_are_gone() {
        let registry = Registry::new(2);
        registry.create(None, None).unwrap();
        tokio::time::advance(Duration::from_millis(1_500)).await;
        registry.create(None, None).unwrap();
        assert_eq!(registry.create(None, None), Err(Full { retry_after: Duration::from_secs(2) }));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert!(registry.create(None, None).is_ok());
        assert_eq!(registry.unclaimed(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reaper_empties_the_map_without_being_asked() {
        let registry = Arc::new(Registry::new(8));
        let reaper = tokio::spawn({
            let registry = Arc::clone(&registry);
            async move { registry.keep_reaping().await }
        });
        tokio::task::yield_now().await;
        registry.create(None, None).unwrap();
        tokio::time::sleep(Duration::from_millis(2_999)).await;
        assert_eq!(registry.unclaimed(), 1);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(registry.unclaimed(), 0);
        reaper.abort();
    }

    #[test]
    fn of_many_claims_at_once_one_wins() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _context = runtime.enter();
        let registry = Registry::new(1024);
        for _ in 0..200 {
            let id = registry.create(None, None).unwrap();
            let start = std::sync::Barrier::new(4);
            let won: usize = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            usize::from(registry.claim(&id).is_some())
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(won, 1);
        }
    }
}
