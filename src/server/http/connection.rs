//! One TCP connection's life beyond what actix watches: who is at the other end, whether a request is being answered, and
//! the end of connections that only linger. Made by [`super::serve`] for each accepted socket, read by [`super::paced`],
//! which moves its bytes, and by the handlers. Decides nothing about requests.
//!
//! actix limits the time of the first request head alone. A second head that never ends, or a body that nobody reads,
//! would stay open for ever. Here every connection on which nothing has been answered for [`IDLE_LIMIT`] is shut down,
//! whatever bytes drip in. A request counts from its head to the last byte of its answer, so streams are not affected.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::Bytes;
use rustix::net::Shutdown;

use super::connection_share::{self, Seat};
use super::transport::Transport;
use crate::limits::{ANSWER_PIECE_BYTES, READ_AHEAD_BYTES};
use crate::server::machine::Machine;

/// Keep-alive of actix: how long it waits for another head on a quiet connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(7);

/// How long a connection lives on which no request is being answered. A little longer than actix's own limits, so that
/// their polite answers come first.
const IDLE_LIMIT: Duration = Duration::from_secs(8);

/// How long a connection lives after an answer that ends it: time to read the answer, for a client that goes on sending.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// In so many sweeps bytes may wait behind an answer that is on its way.
const UNWANTED_SWEEPS: u32 = 2;

/// Descriptors of listeners, threads, the log and whatever a reader opens for a moment.
const OWN_DESCRIPTORS: usize = 96;

/// Connections of one thread, however many descriptors there are.
const MOST_PER_WORKER: usize = 25_600;

/// The socket of a connection. Owned by what actix reads and writes; everybody else holds it weakly, so that the
/// descriptor is closed when actix has done with it. Borrowed for the time of one call, on one thread.
pub type SharedStream = Rc<RefCell<Transport>>;

/// How far what a WebSocket said is on its way to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outgoing {
    /// All was taken.
    Nothing,
    /// It waits for actix.
    Queued,
    /// actix has it in its buffer.
    Buffered,
}

/// A connection, as the handlers of its thread see it.
#[derive(Debug)]
pub struct Connection {
    /// Shutting it down ends the connection whatever state actix is in.
    socket: Weak<RefCell<Transport>>,
    is_cut: Cell<bool>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The address that the client reached.
    pub local: Option<SocketAddr>,
    answering: Cell<u32>,
    idle_since: Cell<Instant>,
    idle_limit: Cell<Duration>,
    /// Since when the answer's body is on its way, or its last piece; `None` between two answers and on WebSockets.
    sending_since: Cell<Option<Instant>>,
    /// Whether that body was whole when it was answered, so that only the client can hold it up.
    is_whole: Cell<bool>,
    stalled_time: Duration,
    /// In how many sweeps one after the other bytes waited that nobody will read before the answer ends.
    unwanted: Cell<u32>,
    /// Whether the kernel would not take what was written last.
    is_blocked: Cell<bool>,
    /// Since when it takes nothing at all.
    blocked_since: Cell<Option<Instant>>,
    /// How many bytes may still be read while a request is being answered: its body, and a few more.
    allowance: Cell<u64>,
    /// Whether what follows is no HTTP.
    is_upgraded: Cell<bool>,
    /// Who wanted to read and may not yet. Kept by `paced`, woken when that changes.
    reader: RefCell<Option<Waker>>,
    outgoing: Cell<Outgoing>,
    /// Who waits until `outgoing` is nothing: the one loop of this connection's WebSocket.
    speaker: RefCell<Option<Waker>>,
    /// Bytes written so far.
    written: Cell<u64>,
}

thread_local! {
    /// The connections of this worker thread. Written at each accept, walked by the sweep; bounded by the connections.
    static CONNECTIONS: RefCell<Vec<Weak<Connection>>> = const { RefCell::new(Vec::new()) };
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
    /// How many sockets of this thread are open, those in a TLS handshake too.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// To be called on the worker's thread for each accepted socket. `room` is how many the thread takes.
pub fn open(stream: Transport, user_timeout: Duration, room: usize) -> (SharedStream, Rc<Connection>) {
    stream.prepare(user_timeout);
    let (peer, local) = stream.addresses();
    let stream = Rc::new(RefCell::new(stream));
    let connection = Rc::new(Connection {
        socket: Rc::downgrade(&stream),
        is_cut: Cell::new(false),
        peer,
        local,
        answering: Cell::new(0),
        idle_since: Cell::new(Instant::now()),
        idle_limit: Cell::new(IDLE_LIMIT),
        sending_since: Cell::new(None),
        is_whole: Cell::new(false),
        stalled_time: user_timeout,
        unwanted: Cell::new(0),
        is_blocked: Cell::new(false),
        blocked_since: Cell::new(None),
        allowance: Cell::new(0),
        is_upgraded: Cell::new(false),
        reader: RefCell::new(None),
        outgoing: Cell::new(Outgoing::Nothing),
        speaker: RefCell::new(None),
        written: Cell::new(0),
    });
    OPEN.set(OPEN.get() + 1);
    CONNECTIONS.with_borrow_mut(|all| all.push(Rc::downgrade(&connection)));
    make_room(room);
    if !SWEEPING.replace(true) {
        actix_rt::spawn(keep_sweeping(room));
    }
    (stream, connection)
}

/// Cuts idle connections when places are short. What is cut gives its place back a moment later.
fn make_room(room: usize) {
    let comfortable = connection_share::comfortable(room);
    if OPEN.get() <= comfortable {
        return;
    }
    CONNECTIONS.with_borrow(|all| {
        let open: Vec<Rc<Connection>> = all.iter().filter_map(Weak::upgrade).filter(|one| one.is_open()).collect();
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
        make_room(room);
        let any_left = CONNECTIONS.with_borrow_mut(|all| {
            all.retain(|connection| {
                let Some(connection) = connection.upgrade() else { return false };
                if connection.is_flooded() || connection.is_stalled() {
                    log::debug!("{} takes too little and is cut off", connection.peer_name());
                    connection.cut();
                }
                if connection.answering.get() == 0
                    && connection.idle_since.get().elapsed() > connection.idle_limit.get()
                {
                    connection.cut();
                }
                true
            });
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

impl Connection {
    /// Ends the connection at once. What the kernel has already taken may still reach the client.
    pub fn cut(&self) {
        self.is_cut.set(true);
        self.shut(Shutdown::Both);
    }

    /// Ends our side of the connection after what was written: the client sees the end, and what it still sends is no error.
    pub fn finish(&self) {
        self.shut(Shutdown::Write);
    }

    fn shut(&self, how: Shutdown) {
        if let Some(socket) = self.socket.upgrade() {
            let _ = rustix::net::shutdown(&*socket.borrow(), how);
        }
    }

    /// Whether it has its place and will keep it.
    fn is_open(&self) -> bool {
        !self.is_cut.get() && self.socket.strong_count() > 0
    }

    /// What counts when places are short. A request that was begun is always answered, unless its client takes nothing.
    fn seat(&self) -> Seat {
        let is_stuck = self.is_blocked.get()
            && self.is_whole.get()
            && self.sending_since.get().is_some_and(|since| since.elapsed() > SWEEP);
        let is_idle = self.answering.get() == 0 || is_stuck;
        Seat { address: self.peer_ip(), idle_since: is_idle.then(|| self.idle_since.get()) }
    }

    /// How many bytes may be read now; 0 as long as an answer has not been taken.
    pub fn readable_bytes(&self) -> u64 {
        match (self.is_blocked.get(), self.answering.get()) {
            (true, _) => 0,
            (false, 0) => u64::MAX,
            (false, _) => self.allowance.get(),
        }
    }

    /// Whether what is read now belongs to another protocol.
    pub fn is_upgraded(&self) -> bool {
        self.is_upgraded.get()
    }

    /// So many bytes were read.
    pub fn has_read(&self, bytes: usize) {
        self.allowance.set(self.allowance.get().saturating_sub(bytes as u64));
    }

    /// Somebody wants to read who may not: to be woken when that changes.
    pub fn wants_to_read(&self, waker: &Waker) {
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *reader = Some(waker.clone());
        }
    }

    fn wake_reader(&self) {
        if self.readable_bytes() > 0
            && let Some(waker) = self.reader.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// The kernel took so many bytes.
    pub fn has_written(&self, bytes: usize) {
        self.written.set(self.written.get().wrapping_add(bytes as u64));
        self.blocked_since.set(None);
    }

    /// Whether the kernel takes no more, or has taken everything that actix has.
    pub fn set_blocked(&self, is_blocked: bool) {
        self.is_blocked.set(is_blocked);
        if is_blocked {
            let since = self.blocked_since.get().unwrap_or_else(Instant::now);
            self.blocked_since.set(Some(since));
            return;
        }
        self.blocked_since.set(None);
        self.wake_reader();
        if self.outgoing.get() == Outgoing::Buffered {
            self.all_is_taken();
        }
    }

    fn all_is_taken(&self) {
        self.outgoing.set(Outgoing::Nothing);
        if let Some(waker) = self.speaker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The socket is gone, and nobody need wait for it.
    pub fn closed(&self) {
        OPEN.set(OPEN.get().saturating_sub(1));
        self.all_is_taken();
    }

    /// To be called before an answer is handed to actix that [`Self::taken`] is to wait for.
    pub fn owes(&self) {
        self.outgoing.set(Outgoing::Queued);
    }

    /// Waits until the kernel has everything that was owed. False when the client takes nothing for the stalled time.
    pub async fn taken(&self) -> bool {
        loop {
            let written = self.written.get();
            let taken = poll_fn(|cx| {
                if self.outgoing.get() == Outgoing::Nothing {
                    return Poll::Ready(());
                }
                *self.speaker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            });
            match tokio::time::timeout(self.stalled_time, taken).await {
                Ok(()) => return true,
                Err(_) if self.written.get() == written => return false,
                Err(_) => {}
            }
        }
    }

    /// Whether the client keeps sending requests while one answer is on its way to it, for an event stream as long as
    /// that lives. They wait in the kernel, which has no end of room for them either.
    fn is_flooded(&self) -> bool {
        let is_sending = self.sending_since.get().is_some_and(|since| since.elapsed() > SWEEP);
        let socket = if is_sending { self.socket.upgrade() } else { None };
        let waiting = socket.map(|socket| rustix::io::ioctl_fionread(&*socket.borrow()));
        let is_unwanted = matches!(waiting, Some(Ok(bytes)) if bytes > 0);
        self.unwanted.set(if is_unwanted { self.unwanted.get() + 1 } else { 0 });
        self.unwanted.get() >= UNWANTED_SWEEPS
    }

    /// Whether the client has taken nothing of an answer for too long. Of a stream only the kernel can tell
    /// (`TCP_USER_TIMEOUT`), and it looks more and more seldom.
    fn is_stalled(&self) -> bool {
        // Of a UNIX socket the kernel does not look at all.
        let takes_nothing = |since: Instant| self.peer.is_none() && since.elapsed() >= self.stalled_time;
        if self.blocked_since.get().is_some_and(takes_nothing) {
            return true;
        }
        self.is_whole.get() && self.sending_since.get().is_some_and(|since| since.elapsed() >= self.stalled_time)
    }

    /// To be called when an answer says that it is the last one.
    pub fn says_farewell(&self) {
        self.idle_limit.set(FAREWELL_LIMIT);
    }

    /// The peer's address with IPv4 addresses as such, also on a listener for both families; the unspecified one on a UNIX
    /// socket.
    fn peer_ip(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
    }

    /// What the log calls the peer.
    fn peer_name(&self) -> String {
        self.peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string())
    }

    /// Marks a request as being answered until the returned value is dropped. Of what follows its head only its own body
    /// is read meanwhile, and a little more: that is how the end of a client is noticed.
    #[must_use]
    pub fn begin(self: &Rc<Self>, head: &RequestHead) -> Answering {
        self.answering.set(self.answering.get() + 1);
        let length = head.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        // What has no length is read as long as it is read at all: actix bounds what nobody fetches from it.
        self.is_upgraded.set(head.upgrade());
        let is_endless = head.upgrade() || head.headers().contains_key(TRANSFER_ENCODING);
        self.allowance.set(if is_endless { u64::MAX } else { length.unwrap_or(0).saturating_add(READ_AHEAD_BYTES) });
        Answering(Rc::clone(self))
    }
}

/// Lives as long as a request is being answered.
#[derive(Debug)]
pub struct Answering(Rc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
        self.0.sending_since.set(None);
        if self.0.answering.get() == 0 {
            self.0.wake_reader();
        }
    }
}

/// A body that keeps its connection marked as being answered until its last byte was taken.
pub struct AnsweringBody {
    body: Pieces,
    /// Dropped with the body.
    answering: Option<Answering>,
}

enum Pieces {
    Whole(Bytes),
    Stream(BoxBody),
}

impl AnsweringBody {
    /// Wraps a response's body.
    pub fn new(body: BoxBody, answering: Option<Answering>, is_upgrade: bool) -> Self {
        let body = match body.try_into_bytes() {
            Ok(bytes) => Pieces::Whole(bytes),
            Err(stream) => Pieces::Stream(stream),
        };
        if let Some(Answering(connection)) = answering.as_ref().filter(|_| !is_upgrade) {
            connection.sending_since.set(Some(Instant::now()));
            connection.is_whole.set(matches!(body, Pieces::Whole(_)));
        }
        Self { body, answering }
    }
}

impl MessageBody for AnsweringBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.body {
            Pieces::Whole(bytes) => BodySize::Sized(bytes.len() as u64),
            Pieces::Stream(stream) => stream.size(),
        }
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.body {
            Pieces::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Pieces::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(ANSWER_PIECE_BYTES));
                if let Some(Answering(connection)) = &self.answering {
                    connection.sending_since.set(Some(Instant::now()));
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Pieces::Stream(stream) => {
                let polled = Pin::new(stream).poll_next(cx);
                // actix-ws makes one piece of all that waits for it.
                if let (Poll::Ready(_), Some(Answering(connection))) = (&polled, &self.answering)
                    && connection.outgoing.get() == Outgoing::Queued
                {
                    connection.outgoing.set(Outgoing::Buffered);
                }
                polled
            }
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
