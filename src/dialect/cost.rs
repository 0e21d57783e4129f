//! What the long lists cost to write: 2,000 processes and 20,000 sockets. Ignored, because a busy machine and a debug
//! build say little; `cargo test --release -- --ignored --nocapture dialect::cost` measures.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::testing::{process, snapshot};
use super::{heartbeat, process_monitor, psiod};
use crate::model::Snapshot;
use crate::model::process::Processes;
use crate::model::socket::{RawSocket, RawSockets, SocketEnd, SocketKind};

const PROCESSES: u32 = 2_000;
const SOCKETS: u32 = 20_000;
const ROUNDS: u32 = 50;

fn large() -> Snapshot {
    let list: Vec<_> = (1..=PROCESSES).map(|pid| process(pid * 3, &format!("worker-{}", pid * 7919 % 1000))).collect();
    let end = |n: u32| SocketEnd::Inet(std::net::Ipv4Addr::from(0x0a00_0000 | n).into(), (n % 65_536) as u16);
    let socket = |n: u32| RawSocket {
        kind: if n.is_multiple_of(4) { SocketKind::Unix(1) } else { SocketKind::Tcp4 },
        local: if n.is_multiple_of(4) { SocketEnd::Path(Arc::from(format!("/run/user/{n}/bus"))) } else { end(n) },
        remote: if n.is_multiple_of(4) { SocketEnd::Path(Arc::from("")) } else { end(n * 31 % 65_536) },
        state: 1,
        inode: u64::from(n) + 10_000,
        uid: Some(1000),
        holders: vec![((n % PROCESSES + 1) * 3, n % 1000)],
    };
    Snapshot {
        processes: Some(Processes { count: list.len(), complete: true, list, ..Processes::default() }),
        sockets: Some(Arc::new(RawSockets { list: (0..SOCKETS).map(socket).collect(), users: HashMap::new() })),
        ..snapshot()
    }
}

/// The quickest of some rounds: what it costs when nothing else runs.
#[expect(clippy::print_stderr, reason = "the measurement is what this test is run for")]
fn measure(what: &str, write: impl Fn() -> Vec<u8>) {
    let mut best = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        bytes = std::hint::black_box(write()).len();
        best = best.min(started.elapsed());
    }
    eprintln!("{what}: {best:?}, {bytes} bytes");
    assert!(best < Duration::from_millis(200), "{what} takes {best:?}");
}

#[test]
#[ignore = "a measurement, for a release build on an idle machine"]
fn long_lists() {
    let snapshot = large();
    measure("psiod process.getall", || (psiod::ANSWERS[0].encode)(&snapshot).into_bytes());
    measure("process monitor event", || (process_monitor::EVENT.encode)(&snapshot).into_bytes());
    measure("heartbeat network", || (heartbeat::NETWORK.encode)(&snapshot).into_bytes());
}
