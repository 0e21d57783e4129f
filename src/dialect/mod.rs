//! One module for each system whose clients are served: a snapshot in, that system's words out.
//!
//! Called by the server and the frame. A dialect sees the model and nothing else: no clock, no file, no HTTP. What it
//! returns is text, or a view that borrows from the snapshot and is serialized by the caller.

/// A JSON object with these members, in this order. Its type is made on the spot, with a parameter for each member that is
/// called as the member is. `object!(#[serde(...)] { ... })` says how all of them are written.
macro_rules! object {
    ($(#[$all:meta])* { $($(#[$one:meta])* $key:ident $(: $value:expr)?),* $(,)? }) => {{
        #[allow(non_camel_case_types, reason = "the type of a member is called as the member")]
        let object = {
            #[derive(serde::Serialize)]
            $(#[$all])*
            struct Object<$($key),*> {
                $($(#[$one])* $key: $key),*
            }
            Object { $($key $(: $value)?),* }
        };
        object
    }};
    ($($members:tt)*) => { object!({ $($members)* }) };
}

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
