//! Two hundred of each kind of stream, ended in every way: descriptors and threads are as before.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "measured times and sizes are shown with a failure")]

use crate::support::Server;
use crate::wire::{Raw, connections, frame, threads, wait_until};

const CYCLES: usize = 200;

/// Open descriptors but for those of processes' files: the process reader keeps these, as many as there are processes.
fn descriptors(server: &Server) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs");
    let links = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| !link.starts_with("/proc")).count()
}

/// Runs `cycle` a few times, then many times, and compares.
fn stays_flat(server: &mut Server, what: &str, mut cycle: impl FnMut(&Server, bool)) {
    for at in 0..10 {
        cycle(server, at % 2 == 0);
    }
    wait_until("the first ones are gone", || connections(server) == 0);
    let (sockets_before, threads_before) = (connections(server), threads(server));
    let descriptors_before = descriptors(server);
    for at in 0..CYCLES {
        cycle(server, at % 2 == 0);
    }
    let took = wait_until(&format!("{what}: all sockets are closed"), || connections(server) <= sockets_before);
    wait_until(&format!("{what}: no descriptor is left over"), || descriptors(server) <= descriptors_before + 4);
    let (now, threads_now) = (descriptors(server), threads(server));
    println!(
        "{what}: {descriptors_before} descriptors before, {now} after {CYCLES} cycles and {took:?}; {threads_before} and {threads_now} threads"
    );
    // The blocking pool may have grown by a thread for a slow reader; it does not grow with the clients.
    assert!(threads_now <= threads_before + 8, "{what}: {threads_before} threads before, {threads_now} now");
    server.assert_well();
}

/// The close frame and the end of the connection, or just the end.
fn leave(mut socket: Raw, is_clean: bool) {
    if is_clean {
        socket.send(&frame(0x88, b"\x03\xe8"));
        assert_eq!(socket.close_code(), Some(1000));
    }
}

#[test]
fn streams_of_psmonitor_leave_nothing() {
    let mut server = Server::start::<&str>(&[]);
    stays_flat(&mut server, "psmonitor", |server, is_clean| {
        let mut socket = Raw::psmonitor(server);
        assert!(socket.text().is_some() && socket.text().is_some());
        leave(socket, is_clean);
    });
}

#[test]
fn sockets_of_psiod_leave_nothing() {
    let mut server = Server::start::<&str>(&[]);
    stays_flat(&mut server, "psiod", |server, is_clean| {
        let mut socket = Raw::psiod(server);
        socket.send(&crate::wire::text(r#"{"type":"command","data":{"name":"cpu.getall"}}"#));
        assert!(socket.text().is_some());
        leave(socket, is_clean);
    });
}

#[test]
fn event_streams_leave_nothing() {
    let mut server = Server::start::<&str>(&[]);
    stays_flat(&mut server, "event streams", |server, is_clean| {
        let mut stream = server.events("/api/processes", &[]);
        if is_clean {
            assert!(stream.next().is_some());
        }
    });
}
