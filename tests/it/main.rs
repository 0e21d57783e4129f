//! Tests of the whole program: each starts the real binary and speaks to it over sockets, as clients do. One binary, so
//! that it is linked once. What one reader or one dialect does with its text is tested beside its source.
//!
//! | module      | what holds                                                                                       |
//! |-------------|--------------------------------------------------------------------------------------------------|
//! | `support`   | no tests: starts and ends servers; HTTP, event streams and WebSockets for the others               |
//! | `machine`   | no tests: the fixture machine of `tests/fixtures/machine` and copies of it                         |
//! | `fixtures`  | every answer about the fixture machine is right, to the last digit                               |

mod fixtures;
mod machine;
mod support;
