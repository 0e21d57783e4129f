//! A host with twenty thousand sockets: whoever asks for all of them delays nobody.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::busy::{Watcher, assert_every_second, turn};
use crate::support::Server;
use crate::wire::raise_own_limit;

/// Connections of a listener that accepts none: what the kernel lets wait, `net.core.somaxconn` by default.
const WAITING: i32 = 4_096;

/// Connections that nobody accepts: both ends of each are sockets, and one of them takes a descriptor.
const CONNECTIONS: usize = 10_000;

fn connections() -> (Vec<TcpListener>, Vec<TcpStream>) {
    let mut listeners = Vec::new();
    let mut streams = Vec::with_capacity(CONNECTIONS);
    while streams.len() < CONNECTIONS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        rustix::net::listen(&listener, WAITING).expect("a longer queue");
        let address = listener.local_addr().expect("an address");
        let count = (WAITING as usize / 2).min(CONNECTIONS - streams.len());
        streams.extend((0..count).map(|_| TcpStream::connect(address).expect("a connection")));
        listeners.push(listener);
    }
    (listeners, streams)
}

#[test]
fn a_list_of_twenty_thousand_sockets_delays_no_frame() {
    raise_own_limit();
    let _turn = turn();
    let _connections = connections();
    let (mut server, other) = (Server::start::<&str>(&[]), Server::start::<&str>(&[]));
    let (watcher, beside) = (Watcher::new(&server), Watcher::new(&other));
    let (begin, mut asked, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(8) || asked < 4 {
        let before = Instant::now();
        let rows = server.json("/api/network")["connections"].as_array().map_or(0, Vec::len);
        slowest = slowest.max(before.elapsed());
        assert!(rows >= 2 * CONNECTIONS, "{rows} rows");
        asked += 1;
    }
    let (gaps, beside) = (watcher.end(), beside.end());
    println!("{asked} lists of {} sockets, the slowest after {slowest:?}; frames {gaps:?}", 2 * CONNECTIONS);
    assert_every_second(&gaps, &beside);
    server.assert_well();
}
