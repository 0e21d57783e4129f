//! Judges how the readers fared: tells once when one breaks and once when it works again.
//!
//! Called by [`crate::sampler`] with each pass's reports. "This machine has no such thing" is no fault.

use std::collections::HashMap;

use crate::model::{ReadError, Run};

/// Remembers what was told already.
#[derive(Debug, Default)]
pub struct Judge {
    told: HashMap<&'static str, ReadError>,
}

impl Judge {
    /// Logs what is new in these reports.
    pub fn judge(&mut self, runs: &[Run]) {
        for run in runs {
            match &run.error {
                None => {
                    if self.told.remove(run.reader).is_some() {
                        log::info!("reader {} works again", run.reader);
                    }
                }
                Some(error) => {
                    if self.told.contains_key(run.reader) {
                        continue;
                    }
                    if matches!(error, ReadError::Unsupported { .. }) {
                        log::debug!("reader {}: {error}", run.reader);
                    } else {
                        log::warn!("reader {}: {error}; its numbers are null until it works", run.reader);
                    }
                    self.told.insert(run.reader, error.clone());
                }
            }
        }
    }
}
