//! One module for each system whose clients are served: a snapshot in, that system's words out.
//!
//! Called by the server and the frame. A dialect sees the model and nothing else: no clock, no file, no HTTP. What it
//! returns is text, or a view that borrows from the snapshot and is serialized by the caller.

#[cfg(test)]
mod cost;
pub mod glances;
pub mod heartbeat;
mod memory;
pub mod native;
mod number;
pub mod process_monitor;
pub mod prometheus;
pub mod psiod;
pub mod psmonitor;
mod rows;
pub mod system_monitor;
#[cfg(test)]
pub(crate) mod testing;
mod user;

use serde::Serialize;

/// JSON text of a value whose keys are all text, which cannot fail. If it did, the error would be the answer.
pub fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        log::error!("an answer could not be encoded: {error}");
        "{\"error\":\"the answer could not be encoded\"}".to_owned()
    })
}
