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

/// Keep-alive of actix: how long it waits for another head on a quiet connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(7);

/// How long a connection lives on which no request is being answered. A little longer than actix's own limits, so that
/// their polite answers come first.
const IDLE_LIMIT: Duration = Duration::from_secs(8);

/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Bodies are handed to actix in pieces of this size, so that "the last byte was taken" means what it says.
const PIECE_BYTES: usize = 64 * 1024;

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
    let connection = Rc::new(Connection {
        socket: tcp.as_fd().try_clone_to_owned().ok(),
        peer: tcp.peer_addr().unwrap_or(nobody),
        local: tcp.local_addr().unwrap_or(nobody),
        answering: Cell::new(0),
        idle_since: Cell::new(Instant::now()),
    });
    CONNECTIONS.with_borrow_mut(|all| all.push(Rc::downgrade(&connection)));
    data.insert(connection);
    if !SWEEPING.replace(true) {
        actix_rt::spawn(keep_sweeping());
    }
}

async fn keep_sweeping() {
    loop {
        tokio::time::sleep(SWEEP).await;
        let any_left = CONNECTIONS.with_borrow_mut(|all| {
            all.retain(|connection| {
                let Some(connection) = connection.upgrade() else { return false };
                if connection.answering.get() == 0 && connection.idle_since.get().elapsed() > IDLE_LIMIT {
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
    }
}

/// A body that keeps its connection marked as being answered until its last byte was taken.
pub struct AnsweringBody {
    body: Pieces,
    /// Dropped with the body.
    _answering: Option<Answering>,
}

enum Pieces {
    Whole(Bytes),
    Stream(BoxBody),
}

impl AnsweringBody {
    /// Wraps a response's body.
    pub fn new(body: BoxBody, answering: Option<Answering>) -> Self {
        let body = match body.try_into_bytes() {
            Ok(bytes) => Pieces::Whole(bytes),
            Err(stream) => Pieces::Stream(stream),
        };
        Self { body, _answering: answering }
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
            Pieces::Whole(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(PIECE_BYTES))))),
            Pieces::Stream(stream) => Pin::new(stream).poll_next(cx),
        }
    }
}
