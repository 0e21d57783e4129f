//! psiod: commands over a WebSocket at `/`, each answered with one JSON text.
//!
//! Called by the server for every text that a client sends: [`parse`] it, gather what it needs, then answer it, out of the
//! rows of [`ANSWERS`] or with [`process`].
//! A [`Refusal`] is an answer too, and the socket stays open. This module sends no signal: the server carries out
//! [`Command::Kill`] or refuses it.

mod answer;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{ANSWERS, PROCESS_NEEDS, process};
pub use request::{Command, Refusal, Signal, parse};
