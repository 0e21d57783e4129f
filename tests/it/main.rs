//! Tests of the whole program: each starts the real binary and speaks to it over sockets, as clients do. One binary, so
//! that it is linked once. What one reader or one dialect does with its text is tested beside its source.
//!
//! | module     | what holds                                                                                        |
//! |------------|---------------------------------------------------------------------------------------------------|
//! | `attack`   | broken frames, slow and silent clients, floods: each ends alone and delays nobody                    |
//! | `busy`     | no tests: turns, and times beside another server's, for a machine that is busy                      |
//! | `cli`      | flags are explained everywhere; what is typed wrong is told in one line                             |
//! | `commands` | psiod's socket answers everything malformed and stays open                                          |
//! | `config`   | the configuration file: who wins, check-config, what SIGHUP takes over                              |
//! | `counters` | counters that the kernel steps back are held, counters that were reset are told             |
//! | `crowd`    | one address that takes all places, a flood of logins, the memory of two thousand clients                |
//! | `elsewhere` | boards with other sensors, hosts seen from a container, roots in a plain folder              |
//! | `events`   | Process Monitor's event stream: when events come, who gets plain JSON                               |
//! | `fixtures` | every answer about the fixture machine is right, to the last digit                                  |
//! | `growth`   | thousands of interfaces, devices and mounts cost by their number                                 |
//! | `glances`  | Glances' answers about the fixture machine; a process that holds up who looks at it                  |
//! | `guard`    | every route against hosts, origins, tokens and tickets; headers of every answer                     |
//! | `http`     | no tests: HTTP and event streams for the others                                                      |
//! | `inputs`   | wrong parameters and methods; every listener serves every route                                     |
//! | `kill`     | `process.kill` ends only what it may, for whom it may                                               |
//! | `leak`     | descriptors and threads after hundreds of streams                                                    |
//! | `limits`   | bounds on streams and workers, races for one worker                                                  |
//! | `pings`    | who answers no ping and takes all is kept, who takes nothing is cut                              |
//! | `pipeline` | clients that send and read nothing: the memory stays                                              |
//! | `load`     | five hundred clients at once; a client's own interval                                                |
//! | `machine`  | no tests: the fixture machine of `tests/fixtures/machine` and copies of it                          |
//! | `matrix`   | every file of the machine missing, empty and garbage: its fields are null, nothing else changes     |
//! | `names`    | what processes call themselves and were started with: no secret, no flood, nobody held up             |
//! | `odd_kernels` | what odd kernels and containers write: nonsense in a line costs its own values                    |
//! | `once`     | each source is read once a tick, whoever asks; one that hangs costs its own numbers                   |
//! | `proxy`    | behind a proxy: the real client, the outer address, the path below which we stand                    |
//! | `remote_write` | what is excluded is not sent, nothing twice after a restart, what ended meanwhile is marked         |
//! | `revoked`  | streams end when the token or password that opened them is taken back, and no others do               |
//! | `service`  | what systemd is told, sockets that it passes, UNIX sockets, the log for the journal                  |
//! | `portable` | both collectors tell the same of this machine at the same moment                                 |
//! | `push`     | reports that arrive whatever the receiver does, once and in order; nobody is dialled who is not named |
//! | `small_disk` | a disk that fills up under the receiver and under the spool                                     |
//! | `socket`   | no tests: WebSockets for the others                                                                 |
//! | `sockets`  | twenty thousand sockets, and nobody waits for their list                                             |
//! | `spoilt`   | one bad line of a kernel file costs its own values, whichever and however it is spoilt                |
//! | `statistics` | `psmonitor cpu` and its like: JSON, in place, until nobody reads                                 |
//! | `status`   | `psmonitor status`: up or not, for how long, and for whom                                           |
//! | `strangers` | pages that hide where they are from; characters that move the terminal of the log's reader     |
//! | `stop`     | signals: close codes, exit code, time                                                                |
//! | `systems`  | the receiver: what agents are answered, kill -9 under load, a full disk                              |
//! | `support`  | no tests: starts and ends servers                                                                   |
//! | `wire`     | no tests: raw frames, half requests, and what the kernel says of the server's process               |

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod attack;
mod busy;
mod cli;
mod commands;
mod config;
mod counters;
mod crowd;
mod elsewhere;
mod events;
mod fixtures;
mod glances;
mod growth;
mod guard;
mod http;
mod inputs;
mod kill;
mod leak;
mod limits;
mod load;
mod machine;
mod matrix;
mod names;
mod odd_kernels;
mod once;
mod pings;
mod pipeline;
mod portable;
mod proxy;
mod push;
mod remote_write;
mod revoked;
mod service;
mod small_disk;
mod socket;
mod sockets;
mod spoilt;
mod statistics;
mod status;
mod stop;
mod strangers;
mod support;
mod systems;
mod wire;
