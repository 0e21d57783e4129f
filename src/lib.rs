//! psmonitor: a headless system monitor server.
//!
//! One small program that knows the machine it runs on and tells it to whoever is allowed to ask. The way of the data:
//!
//! ```text
//! /proc /sys statvfs   one reader per subject, raw counters only         collect
//!         |  Sample    raw, with its own monotonic and wall time
//!    derive(prev, cur) pure: percentages, rates, top lists               model
//!         |  Snapshot  immutable
//!      sampler         the one clock; samples once for everybody         sampler
//!         |  Frame     Snapshot + every encoding made of it, once each
//!      dialects        pure: Snapshot -> one system's words              dialect
//!         |
//!      server         carries bytes; decides nothing about numbers      server
//! ```
//!
//! Beside that way stand [`history`], which remembers every snapshot; [`auth`], who somebody is; [`worker`], who waits for a
//! stream; [`cli`] and [`config`], what was typed and what it means; [`error`], what goes wrong at start and in a request.
//!
//! Imports run one way: `server -> dialect -> model`, `sampler -> collect -> model` and `server -> history -> model`. Only
//! [`collect`] reads the machine; only [`server`] and [`error`] know HTTP; a dialect has no clock and does no I/O.

pub mod auth;
pub mod cli;
pub mod collect;
pub mod config;
pub mod dialect;
pub mod error;
pub mod history;
pub mod model;
pub mod sampler;
pub mod server;
pub mod worker;
