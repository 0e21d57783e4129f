//! The connections of one worker thread: how many there are and may be, who leaves when places are short, and the sweep that
//! ends those that only linger. [`crate::server::serve`] opens one for each accepted socket; what one of them is about is
//! [`super::connection`]'s business.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::connection::{Connection, SWEEP, SharedStream};
use super::connection_share::{self, Seat};
use super::transport::Transport;
use crate::server::machine::Machine;

/// Descriptors of listeners, threads, the log and whatever a reader opens for a moment.
const OWN_DESCRIPTORS: usize = 96;

/// Connections of one thread, however many descriptors there are.
const MOST_PER_WORKER: usize = 25_600;

/// TLS handshakes that one thread has open at once, each of some 16 KiB. When so many do not go on, every listener waits,
/// so that whoever begins them leaves before.
pub const HANDSHAKES_AT_ONCE: usize = 2_048;

thread_local! {
    /// The connections of this worker thread. Written at each accept, walked by the sweep; bounded by the connections.
    static CONNECTIONS: RefCell<Vec<Weak<Connection>>> = const { RefCell::new(Vec::new()) };
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
    /// How many sockets of this thread are open, those in a TLS handshake too.
    static OPEN: Cell<usize> = const { Cell::new(0) };
    /// How many of them are in a TLS handshake.
    static IN_HANDSHAKE: Cell<usize> = const { Cell::new(0) };
}

/// The count of an open socket, as long as it is open.
pub struct Place(Rc<Connection>);

impl Place {
    /// A TLS handshake begins. Where there are too many, some of those that have lasted longest end.
    pub fn begin_handshake(&self) {
        self.0.is_in_handshake.set(true);
        IN_HANDSHAKE.set(IN_HANDSHAKE.get() + 1);
        shed(IN_HANDSHAKE.get(), HANDSHAKES_AT_ONCE, |one| one.is_in_handshake.get());
    }

    /// The handshake is over, if there was one.
    pub fn end_handshake(&self) {
        if self.0.is_in_handshake.replace(false) {
            IN_HANDSHAKE.set(IN_HANDSHAKE.get().saturating_sub(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_handshake();
        OPEN.set(OPEN.get().saturating_sub(1));
    }
}

/// To be called on the worker's thread for each accepted socket. `room` is how many the thread takes.
pub fn open(stream: Transport, user_timeout: Duration, room: usize) -> (SharedStream, Rc<Connection>, Place) {
    let (stream, connection) = Connection::open(stream, user_timeout);
    OPEN.set(OPEN.get() + 1);
    CONNECTIONS.with_borrow_mut(|all| all.push(Rc::downgrade(&connection)));
    shed(OPEN.get(), room, |_| true);
    if !SWEEPING.replace(true) {
        actix_rt::spawn(keep_sweeping(room));
    }
    let place = Place(Rc::clone(&connection));
    (stream, connection, place)
}

/// Cuts idle ones of the connections that `are_meant` when their places are short: there are `count` of them and `room` for so
/// many. What is cut gives its place back a moment later.
fn shed(count: usize, room: usize, are_meant: fn(&Connection) -> bool) {
    let comfortable = connection_share::comfortable(room);
    if count <= comfortable {
        return;
    }
    CONNECTIONS.with_borrow(|all| {
        let is_meant = |one: &Rc<Connection>| one.is_open() && are_meant(one);
        let open: Vec<Rc<Connection>> = all.iter().filter_map(Weak::upgrade).filter(is_meant).collect();
        let seats: Vec<Seat> = open.iter().map(|one| one.seat()).collect();
        for at in connection_share::to_leave(&seats, comfortable) {
            log::debug!("{} makes room for another", open[at].peer_name());
            open[at].cut();
        }
    });
}

/// How many connections one of `workers` threads takes before accepting pauses. What the readers need stays free.
pub fn limit_per_worker(machine: &dyn Machine, workers: usize) -> usize {
    let (all, kept_by_readers) = machine.descriptors();
    share(usize::try_from(all).unwrap_or(usize::MAX), kept_by_readers, workers)
}

fn share(descriptors: usize, kept_by_readers: usize, workers: usize) -> usize {
    let left = descriptors.saturating_sub(kept_by_readers).saturating_sub(OWN_DESCRIPTORS);
    (left / workers.max(1)).clamp(1, MOST_PER_WORKER)
}

async fn keep_sweeping(room: usize) {
    loop {
        tokio::time::sleep(SWEEP).await;
        shed(OPEN.get(), room, |_| true);
        let any_left = CONNECTIONS.with_borrow_mut(|all| {
            all.retain(|connection| connection.upgrade().inspect(|connection| connection.sweep()).is_some());
            if all.capacity() > 64 && all.len() * 4 < all.capacity() {
                all.shrink_to(all.len() * 2);
            }
            !all.is_empty()
        });
        // Nothing runs while nobody is connected.
        if !any_left {
            SWEEPING.set(false);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_the_last_descriptors() {
        assert_eq!(share(256, 0, 2), 80);
        assert_eq!(share(4_096, 1_536, 1), 2_464);
        assert_eq!(share(20_000, 9_488, 2), 5_208);
        assert_eq!(share(usize::MAX, 32_768, 4), MOST_PER_WORKER);
        assert_eq!(share(64, 0, 4), 1, "a server that takes nobody is of no use");
    }
}
