//! One file a system: each turns a snapshot into that system's words and nothing else.
//!
//! Called by [`crate::server`]. A dialect sees only [`crate::model`]: no clock, no I/O, no HTTP.

pub mod psmonitor;
