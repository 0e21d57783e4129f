//! One module a system: its words for a [`crate::model::Snapshot`]. Pure: no clock, no I/O, no HTTP.

pub mod prometheus;
