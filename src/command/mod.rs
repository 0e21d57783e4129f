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

/// Prints a text that a command made. A reader that has gone is no error.
///
/// # Errors
/// Whatever else the system says, such as that the disk is full.
pub fn print(text: &str) -> Result<(), StartupError> {
    output::write(text).map(drop)
}
