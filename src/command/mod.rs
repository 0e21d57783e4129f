//! What the program does at a terminal or in a script instead of serving: it prints statistics, asks a server how it is,
//! makes names and pages.
//!
//! Called by `app` and `main`. Reads no file of the machine: numbers come as snapshots from whoever calls.

pub mod generate;
mod output;
pub mod show;
mod statistics;
pub mod status;
mod table;

use crate::error::StartupError;

/// Prints a new name for a machine that reports to a System Monitor server: `Linux-` and 32 hexadecimal digits.
pub fn generate_system_id() -> Result<(), StartupError> {
    output::write(&format!("Linux-{}\n", uuid::Uuid::new_v4().simple())).map(drop)
}
