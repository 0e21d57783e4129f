//! One connection's life beyond what actix watches: who is at the other end, whether a request is being answered, and the end
//! of one that only lingers. Made and swept by [`super::connection_list`], read by [`super::paced`], which moves its bytes,
//! and by the handlers. Decides nothing about requests.
//!
//! actix limits the time of the first request head alone. A second head that never ends, or a body that nobody reads,
//! would stay open for ever. Here every connection on which nothing has been answered for [`IDLE_LIMIT`] is shut down,
//! whatever bytes drip in. A request counts from its head to the last byte of its answer, so streams are not affected.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::dev::RequestHead;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use rustix::net::Shutdown;

use super::connection_share::Seat;
use super::send_queue;
use super::transport::Transport;
use crate::limits::READ_AHEAD_BYTES;

/// How long a connection lives on which no request is answered: longer than actix's limit for the first head, which is polite.
const IDLE_LIMIT: Duration = Duration::from_secs(8);

/// How long a connection lives after an answer that ends it: time to read the answer, for a client that goes on sending.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// How often each connection is looked at.
pub const SWEEP: Duration = Duration::from_secs(1);

/// Whoever took something this short ago is not looked at again: a look is a system call for each stream. Longer than the
/// time between two pings of a WebSocket, so that who answers them is never looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How many sweeps in a row may find bytes waiting behind an answer without end; then the connection ends.
const UNWANTED_SWEEPS: u32 = 2;

/// Bytes of a whole answer that a client takes at least within the stalled time: some 2 KiB a second. Who takes less holds
/// the answer for the sake of holding it.
const LEAST_TAKEN_BYTES: u64 = 20 * 1024;

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
    /// Whether TLS has not begun yet. Kept by [`super::connection_list`].
    pub is_in_handshake: Cell<bool>,
    answering: Cell<u32>,
    idle_since: Cell<Instant>,
    idle_limit: Cell<Duration>,
    /// Since when the answer's body is on its way, or its last piece; `None` between two answers and on WebSockets.
    sending_since: Cell<Option<Instant>>,
    /// Whether that body was whole when it was answered, so that only the client can hold it up.
    is_whole: Cell<bool>,
    /// How many bytes the client had taken when it last had taken enough of the answer, and when that was; `None` until
    /// somebody looks.
    pace: Cell<Option<(u64, Instant)>>,
    stalled_time: Duration,
    /// How many sweeps in a row found bytes that nobody will read before the answer ends.
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
    /// Bytes that the kernel took so far.
    written: Cell<u64>,
    /// How many of them the client had taken when that was looked at last, and since when it has not taken more although
    /// there is more.
    progress: Cell<(u64, Instant)>,
}

impl Connection {
    /// The state of an accepted socket. The kernel gives up on a client that acknowledges nothing for `stalled_time`.
    pub fn open(stream: Transport, stalled_time: Duration) -> (SharedStream, Rc<Self>) {
        stream.prepare(stalled_time);
        let (peer, local) = stream.addresses();
        let stream = Rc::new(RefCell::new(stream));
        let connection = Self {
            socket: Rc::downgrade(&stream),
            is_cut: Cell::new(false),
            peer,
            local,
            is_in_handshake: Cell::new(false),
            answering: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            idle_limit: Cell::new(IDLE_LIMIT),
            sending_since: Cell::new(None),
            is_whole: Cell::new(false),
            pace: Cell::new(None),
            stalled_time,
            unwanted: Cell::new(0),
            is_blocked: Cell::new(false),
            blocked_since: Cell::new(None),
            allowance: Cell::new(0),
            is_upgraded: Cell::new(false),
            reader: RefCell::new(None),
            outgoing: Cell::new(Outgoing::Nothing),
            speaker: RefCell::new(None),
            written: Cell::new(0),
            progress: Cell::new((0, Instant::now())),
        };
        (stream, Rc::new(connection))
    }

    /// Ends the connection if its client takes too little, or if nothing has been answered on it for too long.
    pub fn sweep(&self) {
        if self.is_flooded() || self.is_stalled() || self.is_stuck() {
            log::debug!("{} takes too little and is cut off", self.peer_name());
            self.cut();
        } else if self.answering.get() == 0
            && !self.is_blocked.get()
            && self.idle_since.get().elapsed() > self.idle_limit.get()
        {
            self.cut();
        }
    }

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
    pub fn is_open(&self) -> bool {
        !self.is_cut.get() && self.socket.strong_count() > 0
    }

    /// What counts when places are short. A request that was begun is always answered, unless its client takes nothing.
    pub fn seat(&self) -> Seat {
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
        let was_blocked = self.is_blocked.replace(is_blocked);
        if is_blocked {
            let since = self.blocked_since.get().unwrap_or_else(Instant::now);
            self.blocked_since.set(Some(since));
            return;
        }
        self.blocked_since.set(None);
        if was_blocked {
            self.idle_since.set(Instant::now());
        }
        self.wake_reader();
        if self.outgoing.get() == Outgoing::Buffered {
            self.owes_nothing();
        }
    }

    /// All was taken, or the socket is gone: nobody need wait.
    pub fn owes_nothing(&self) {
        self.outgoing.set(Outgoing::Nothing);
        if let Some(waker) = self.speaker.borrow_mut().take() {
            waker.wake();
        }
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

    /// Whether the client sends requests behind an event stream, which nobody will read as long as that lives. They wait in
    /// the kernel, which has no end of room for them either. Behind an answer that has an end they may wait: how long that
    /// may take is [`Self::is_stalled`]'s business, whether there are any or not.
    fn is_flooded(&self) -> bool {
        let is_endless = !self.is_whole.get() && self.sending_since.get().is_some_and(|since| since.elapsed() > SWEEP);
        let socket = if is_endless { self.socket.upgrade() } else { None };
        let waiting = socket.map(|socket| rustix::io::ioctl_fionread(&*socket.borrow()));
        let is_unwanted = matches!(waiting, Some(Ok(bytes)) if bytes > 0);
        self.unwanted.set(if is_unwanted { self.unwanted.get() + 1 } else { 0 });
        self.unwanted.get() >= UNWANTED_SWEEPS
    }

    /// Since when the client has not taken what would make room for more of a whole answer, or for its end.
    fn owed_since(&self) -> Option<Instant> {
        match self.answering.get() {
            0 => self.is_blocked.get().then(|| self.idle_since.get()),
            _ => self.sending_since.get().filter(|_| self.is_whole.get()),
        }
    }

    /// Whether the client takes a whole answer too slowly to mean it, or nothing at all.
    fn is_stalled(&self) -> bool {
        // Of a UNIX socket the kernel does not look at all.
        let takes_nothing = |since: Instant| self.peer.is_none() && since.elapsed() >= self.stalled_time;
        if self.blocked_since.get().is_some_and(takes_nothing) {
            return true;
        }
        let Some(since) = self.owed_since() else {
            self.pace.set(None);
            return false;
        };
        let Some(waiting) = self.peer.and_then(|_| self.look()) else { return since.elapsed() >= self.stalled_time };
        let taken = self.written.get().wrapping_sub(waiting);
        match self.pace.get() {
            Some((before, at)) if taken.wrapping_sub(before) < LEAST_TAKEN_BYTES => at.elapsed() >= self.stalled_time,
            _ => {
                self.pace.set(Some((taken, Instant::now())));
                false
            }
        }
    }

    /// To be called when an answer says that it is the last one.
    pub fn says_farewell(&self) {
        self.idle_limit.set(FAREWELL_LIMIT);
    }

    /// Looks how many bytes the client has not taken yet. `None` where the kernel does not tell.
    fn look(&self) -> Option<u64> {
        let socket = self.socket.upgrade()?;
        let waiting = send_queue::waiting_bytes(&*socket.borrow()).ok()?;
        let taken = self.written.get().wrapping_sub(waiting);
        if waiting == 0 || taken != self.progress.get().0 {
            self.progress.set((taken, Instant::now()));
        }
        Some(waiting)
    }

    /// Whether an answer or a stream is on its way to the client of which it has taken nothing for too long.
    fn is_stuck(&self) -> bool {
        let is_due = self.progress.get().1.elapsed() >= LOOK_EVERY;
        is_due
            && self.answering.get() > 0
            && self.look().is_some()
            && self.progress.get().1.elapsed() >= self.stalled_time
    }

    /// The client has said that it took what it was sent a moment ago.
    pub fn has_answered(&self, now: Instant) {
        self.progress.set((self.progress.get().0, now));
    }

    /// Whether the client takes what it is sent, as far as the kernel tells. The sweep ends a connection that does not.
    pub fn takes(&self) -> bool {
        self.look().is_some() && self.progress.get().1.elapsed() < self.stalled_time
    }

    /// Whether the client has taken all that it was sent. False where the kernel does not tell.
    pub fn has_taken_all(&self) -> bool {
        self.look() == Some(0)
    }

    /// The peer's address with IPv4 addresses as such, also on a listener for both families; the unspecified one on a UNIX
    /// socket.
    fn peer_ip(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
    }

    /// What the log calls the peer.
    pub fn peer_name(&self) -> String {
        self.peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string())
    }

    /// A request is being answered from now on. Of what follows its head only its own body is read meanwhile, and a little
    /// more: that is how the end of a client is noticed.
    pub fn begin(&self, head: &RequestHead) {
        self.answering.set(self.answering.get() + 1);
        // Nobody has looked while nothing was on its way.
        self.progress.set((self.progress.get().0, Instant::now()));
        let length = head.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        // What has no length is read as long as it is read at all: actix bounds what nobody fetches from it.
        self.is_upgraded.set(head.upgrade());
        let is_endless = head.upgrade() || head.headers().contains_key(TRANSFER_ENCODING);
        self.allowance.set(if is_endless { u64::MAX } else { length.unwrap_or(0).saturating_add(READ_AHEAD_BYTES) });
    }

    /// The answer's body is on its way; whether all of it is there already.
    pub fn sends(&self, is_whole: bool) {
        self.sending_since.set(Some(Instant::now()));
        self.is_whole.set(is_whole);
    }

    /// Another piece of it is.
    pub fn sends_more(&self) {
        self.sending_since.set(Some(Instant::now()));
    }

    /// actix has made one piece of all that waited for it.
    pub fn handed_over(&self) {
        if self.outgoing.get() == Outgoing::Queued {
            self.outgoing.set(Outgoing::Buffered);
        }
    }

    /// The last byte of an answer was taken, or nobody wants it any more.
    pub fn end(&self) {
        self.answering.set(self.answering.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
        self.sending_since.set(None);
        if self.answering.get() == 0 {
            self.wake_reader();
        }
    }
}
