//! Tests of the whole program: each starts the real binary and speaks to it over sockets, as clients do. One binary, so
//! that it is linked once. What one reader or one dialect does with its text is tested beside its source.
//!
//! | module     | what holds                                                                                        |
//! |------------|---------------------------------------------------------------------------------------------------|
//! | `support`  | no tests: starts and ends servers; HTTP and event streams for the others                            |
//! | `socket`   | no tests: WebSockets for the others                                                                 |
//! | `machine`  | no tests: the fixture machine of `tests/fixtures/machine` and copies of it                          |
//! | `cli`      | flags are explained everywhere; what is typed wrong is told in one line                             |
//! | `commands` | psiod's socket answers everything malformed and stays open                                          |
//! | `events`   | Process Monitor's event stream: when events come, who gets plain JSON                               |
//! | `fixtures` | every answer about the fixture machine is right, to the last digit                                  |
//! | `inputs`   | wrong parameters and methods; every listener serves every route                                     |
//! | `kill`     | `process.kill` ends only what it may, for whom it may                                               |
//! | `matrix`   | every file of the machine missing, empty and garbage: its fields are null, nothing else changes     |

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod cli;
mod commands;
mod events;
mod fixtures;
mod inputs;
mod kill;
mod machine;
mod matrix;
mod socket;
mod support;
