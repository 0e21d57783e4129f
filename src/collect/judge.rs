//! Judges how the readers fared: tells once when one breaks or reads a part only, and once when it works again.
//!
//! Called by [`crate::sampler`] with each pass's reports. "This machine has no such thing" is no fault.

use std::collections::HashMap;

use crate::model::{ReadError, Run};

/// How a reader fares. What it is that fails may change from pass to pass; only a change of this is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Partial,
    Unsupported,
    Failed,
}

/// Remembers what was told already.
#[derive(Debug, Default)]
pub struct Judge {
    told: HashMap<&'static str, State>,
}

impl Judge {
    /// Logs what is new in these reports.
    pub fn judge(&mut self, runs: &[Run]) {
        for run in runs {
            let state = match &run.error {
                None if run.faults.is_empty() => None,
                None => Some(State::Partial),
                Some(ReadError::Unsupported { .. }) => Some(State::Unsupported),
                Some(_) => Some(State::Failed),
            };
            let before = match state {
                Some(state) => self.told.insert(run.reader, state),
                None => self.told.remove(run.reader),
            };
            if before == state {
                continue;
            }
            match (state, &run.error) {
                (Some(State::Unsupported), Some(error)) => log::debug!("reader {}: {error}", run.reader),
                (Some(_), Some(error)) => {
                    log::warn!("reader {}: {error}; its numbers are null until it works", run.reader);
                }
                (Some(_), None) => log::warn!("reader {}: {}; the rest is told", run.reader, run.faults),
                (None, _) => log::info!("reader {} works again", run.reader),
            }
        }
    }
}
