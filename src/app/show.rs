//! Prints statistics of the machine without a server: the readers, one after the other, and the command that prints.
//!
//! Called by `main`.

use crate::cli::Statistics;
use crate::collect::{self, Collector};
use crate::command;
use crate::config::{self, Typed};
use crate::error::StartupError;
use crate::model::derive;

/// Prints the part of the statistics that is wanted.
///
/// # Errors
/// A machine that cannot be read, and what the command says.
pub fn show(typed: &Typed, wanted: &Statistics) -> Result<(), StartupError> {
    let paths = config::paths(&typed.args).map_err(|error| typed.locate(error))?;
    collect::probe(&paths).map_err(StartupError::Unreadable)?;
    let mut collector = Collector::new(&paths);
    command::show::show(wanted, |needs| derive(&collector.read(needs)))
}
