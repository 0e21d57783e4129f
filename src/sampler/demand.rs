//! Who wants what, and how old it may be: the one thing that decides what is read.
//!
//! Streams, requests that wait, the history: each holds a [`Want`] while it wants something. Read by the clock at each pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Subjects;

/// What is wanted.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Changed when a client comes, asks or goes, looked at once a pass; held for a few instructions.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Subjects, how old their readings may be, by how many. Few kinds of client make few different wants.
    wants: Vec<(Subjects, Duration, usize)>,
    /// When requests asked for each subject last.
    asked: [Option<Instant>; Subjects::COUNT],
}

/// What a pass is to bring.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Subjects, and how old their readings may be.
    pub(super) wants: Vec<(Subjects, Duration)>,
    /// What requests asked for a moment ago and will ask for again, as a rule. No reason to read, but where a source is read
    /// anyway it is read for them too: else it would be read twice.
    pub(super) lately: Subjects,
}

impl Demand {
    /// Wants `subjects` at most `max_age` old until the answer is dropped.
    pub(super) fn want(self: &Arc<Self>, subjects: Subjects, max_age: Duration) -> Want {
        let wants = &mut self.lock().wants;
        match wants.iter_mut().find(|(known, age, _)| (*known, *age) == (subjects, max_age)) {
            Some((.., count)) => *count += 1,
            None => wants.push((subjects, max_age, 1)),
        }
        Want { demand: Arc::clone(self), subjects, max_age }
    }

    /// A request asked for `subjects`.
    pub(super) fn note(&self, subjects: Subjects, now: Instant) {
        let asked = &mut self.lock().asked;
        subjects.bits().for_each(|bit| asked[bit] = Some(now));
    }

    /// Everything that is wanted now, or was asked for since `lately`.
    pub(super) fn all(&self, lately: Option<Instant>) -> Wanted {
        let state = self.lock();
        let is_late = |bit: &usize| state.asked[*bit].is_some_and(|at| lately.is_none_or(|lately| at >= lately));
        let bits = (0..Subjects::COUNT).filter(is_late);
        Wanted {
            wants: state.wants.iter().map(|(subjects, max_age, _)| (*subjects, *max_age)).collect(),
            lately: bits.fold(Subjects::VITALS, |set, bit| set.with(Subjects::from_bit(bit))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let wants = &mut self.demand.lock().wants;
        if let Some((.., count)) =
            wants.iter_mut().find(|(known, age, _)| (*known, *age) == (self.subjects, self.max_age))
        {
            *count -= 1;
        }
        wants.retain(|(.., count)| *count > 0);
    }
}
