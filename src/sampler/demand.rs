//! Who wants what, and how old it may be: the one thing that decides what is read.
//!
//! Streams, requests that wait, the history: each holds a [`Want`] while it wants something. Read by the clock at each pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Subjects;

/// What is wanted. Few kinds of client make few different wants; equal ones are counted, not listed.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Subjects, how old their readings may be, by how many. Changed when a client comes or goes, looked at once a pass;
    /// held for a few instructions.
    wants: Mutex<Vec<(Subjects, Duration, usize)>>,
}

impl Demand {
    /// Wants `subjects` at most `max_age` old until the answer is dropped.
    pub(super) fn want(self: &Arc<Self>, subjects: Subjects, max_age: Duration) -> Want {
        let mut wants = self.lock();
        match wants.iter_mut().find(|(known, age, _)| (*known, *age) == (subjects, max_age)) {
            Some((.., count)) => *count += 1,
            None => wants.push((subjects, max_age, 1)),
        }
        Want { demand: Arc::clone(self), subjects, max_age }
    }

    /// Everything that is wanted now.
    pub(super) fn all(&self) -> Vec<(Subjects, Duration)> {
        self.lock().iter().map(|(subjects, max_age, _)| (*subjects, *max_age)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Subjects, Duration, usize)>> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who wants something, for as long as this lives.
#[derive(Debug)]
pub struct Want {
    demand: Arc<Demand>,
    subjects: Subjects,
    max_age: Duration,
}

impl Drop for Want {
    fn drop(&mut self) {
        let mut wants = self.demand.lock();
        if let Some((.., count)) =
            wants.iter_mut().find(|(known, age, _)| (*known, *age) == (self.subjects, self.max_age))
        {
            *count -= 1;
        }
        wants.retain(|(.., count)| *count > 0);
    }
}
