//! One TCP connection's life beyond what actix watches: who is at the other end, whether a request is being answered, and
//! the end of connections that only linger.
//!
//! actix limits the time of the first request head alone. A second head that never ends, or a body that nobody reads,
//! would stay open for ever. Here every connection on which nothing has been answered for [`IDLE_LIMIT`] is shut down,
//! whatever bytes drip in. A request counts from its head to the last byte of its answer, so streams are not affected.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use rustix::net::Shutdown;

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

/// Bodies are handed to actix in pieces of this size, so that "the last byte was taken" means what it says.
const PIECE_BYTES: usize = 64 * 1024;

/// Descriptors of listeners, threads, the log and whatever a reader opens for a moment.
const OWN_DESCRIPTORS: usize = 96;

/// A connection's own descriptor and the one to cut it with.
const DESCRIPTORS_EACH: usize = 2;

/// Connections of one thread, however many descriptors there are.
const MOST_PER_WORKER: usize = 25_600;

/// What the kernel may hold for a stream's client.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A connection, as the handlers of its thread see it.
#[derive(Debug)]
pub struct Connection {
    /// A second descriptor of the socket: shutting it down ends the connection whatever state actix is in.
    socket: Option<OwnedFd>,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address that the client reached.
    pub local: SocketAddr,
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
}

thread_local! {
    /// The connections of this worker thread. Written at each accept, walked by the sweep; bounded by the connections.
    static CONNECTIONS: RefCell<Vec<Weak<Connection>>> = const { RefCell::new(Vec::new()) };
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
}

/// Called by actix on the worker's thread for each accepted connection.
pub fn on_connect(io: &dyn Any, data: &mut Extensions, user_timeout: Duration) {
    let inside = || io.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0);
    let Some(tcp) = io.downcast_ref::<TcpStream>().or_else(inside) else { return };
    // A client that takes nothing: the kernel gives up on unacknowledged data after this time.
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(tcp, user_timeout.as_millis() as u32) {
        log::debug!("TCP_USER_TIMEOUT: {error}");
    }
    let _ = tcp.set_nodelay(true);
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let socket = tcp.as_fd().try_clone_to_owned().ok();
    if socket.is_none() {
        // No descriptor is left to end this connection with later, so it ends now.
        log::debug!("a connection is refused: no descriptors are left");
        let _ = rustix::net::shutdown(tcp, Shutdown::Both);
    }
    let connection = Rc::new(Connection {
        socket,
        peer: tcp.peer_addr().unwrap_or(nobody),
        local: tcp.local_addr().unwrap_or(nobody),
        answering: Cell::new(0),
        idle_since: Cell::new(Instant::now()),
        idle_limit: Cell::new(IDLE_LIMIT),
        sending_since: Cell::new(None),
        is_whole: Cell::new(false),
        stalled_time: user_timeout,
        unwanted: Cell::new(0),
    });
    CONNECTIONS.with_borrow_mut(|all| all.push(Rc::downgrade(&connection)));
    data.insert(connection);
    if !SWEEPING.replace(true) {
        actix_rt::spawn(keep_sweeping());
    }
}

/// How many connections one of `workers` threads takes before accepting pauses. What the readers need stays free.
pub fn limit_per_worker(machine: &dyn Machine, workers: usize) -> usize {
    let (all, kept_by_readers) = machine.descriptors();
    share(usize::try_from(all).unwrap_or(usize::MAX), kept_by_readers, workers)
}

fn share(descriptors: usize, kept_by_readers: usize, workers: usize) -> usize {
    let left = descriptors.saturating_sub(kept_by_readers).saturating_sub(OWN_DESCRIPTORS);
    (left / DESCRIPTORS_EACH / workers.max(1)).clamp(1, MOST_PER_WORKER)
}

async fn keep_sweeping() {
    loop {
        tokio::time::sleep(SWEEP).await;
        let any_left = CONNECTIONS.with_borrow_mut(|all| {
            all.retain(|connection| {
                let Some(connection) = connection.upgrade() else { return false };
                if connection.is_flooded() || connection.is_stalled() {
                    log::debug!("{} takes too little and is cut off", connection.peer);
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
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }

    /// Ends our side of the connection after what was written: the client sees the end, and what it still sends is no error.
    pub fn finish(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Whether the client keeps sending requests while one answer is on its way to it. actix reads on until its buffer
    /// is full and then asks again and again without a rest, for an event stream as long as that lives.
    fn is_flooded(&self) -> bool {
        let is_sending = self.sending_since.get().is_some_and(|since| since.elapsed() > SWEEP);
        let waiting = if is_sending { self.socket.as_ref().map(rustix::io::ioctl_fionread) } else { None };
        let is_unwanted = matches!(waiting, Some(Ok(bytes)) if bytes > 0);
        self.unwanted.set(if is_unwanted { self.unwanted.get() + 1 } else { 0 });
        self.unwanted.get() >= UNWANTED_SWEEPS
    }

    /// Whether the client has taken nothing of an answer for too long. Of a stream only the kernel can tell
    /// (`TCP_USER_TIMEOUT`), and it looks more and more seldom.
    fn is_stalled(&self) -> bool {
        self.is_whole.get() && self.sending_since.get().is_some_and(|since| since.elapsed() >= self.stalled_time)
    }

    /// To be called when an answer says that it is the last one.
    pub fn says_farewell(&self) {
        self.idle_limit.set(FAREWELL_LIMIT);
    }

    /// Keeps the kernel from holding more than a few events for a client that does not take them.
    pub fn bound_send_buffer(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES);
        }
    }

    /// The client's address with IPv4 addresses as such, also on a listener for both families.
    #[must_use]
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Marks a request as being answered until the returned value is dropped.
    #[must_use]
    pub fn begin(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
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
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                if let Some(Answering(connection)) = &self.answering {
                    connection.sending_since.set(Some(Instant::now()));
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Pieces::Stream(stream) => Pin::new(stream).poll_next(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_the_last_descriptors() {
        assert_eq!(share(256, 0, 2), 40);
        assert_eq!(share(4_096, 1_536, 1), 1_232);
        assert_eq!(share(20_000, 9_488, 2), 2_604);
        assert_eq!(share(usize::MAX, 32_768, 4), MOST_PER_WORKER);
        assert_eq!(share(64, 0, 4), 1, "a server that takes nobody is of no use");
    }
}
