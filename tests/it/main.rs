//! Tests of the whole program: each starts the real binary and speaks to it over sockets, as clients do. One binary, so
//! that it is linked once. What one reader or one dialect does with its text is tested beside its source.
//!
//! | module     | what holds                                                                                        |
//! |------------|---------------------------------------------------------------------------------------------------|
//! | `attack`   | broken frames, slow and silent clients, floods: each ends alone and delays nobody                    |
//! | `guard`    | every route against hosts, origins, tokens and tickets; headers of every answer                     |
//! | `leak`     | descriptors and threads after hundreds of streams                                                    |
//! | `limits`   | bounds on streams and workers, races for one worker                                                  |
//! | `load`     | five hundred clients at once; a client's own interval                                                |
//! | `stop`     | signals: close codes, exit code, time                                                                |
//! | `support`  | no tests: starts and ends servers; HTTP, event streams and WebSockets for the others                |
//! | `wire`     | no tests: raw frames, half requests, and what the kernel says of the server's process               |

mod attack;
mod guard;
mod leak;
mod limits;
mod load;
mod stop;
mod support;
mod wire;

use support::Server;

#[test]
fn a_server_starts_and_answers() {
    let mut server = Server::start::<&str>(&[]);
    assert_eq!(server.get("/healthz").status, 200);
    server.assert_well();
}
