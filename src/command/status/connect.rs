//! The connection to the server that is asked: TCP or a UNIX socket, with TLS where it is wanted, all of it until one
//! moment and no longer.
//!
//! Called by [`super`], through ureq.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

/// Bytes of each buffer; heads and pages are small.
const BUFFER: usize = 16 << 10;

/// Opens connections.
#[derive(Debug)]
pub struct Dialler {
    /// Where a UNIX socket is; else the URL's host is dialled.
    pub unix: Option<PathBuf>,
    /// Whom to believe, where TLS is spoken.
    pub tls: Option<Arc<ClientConfig>>,
    /// When everything must be over.
    pub deadline: Instant,
}

impl Connector for Dialler {
    type Out = Wire;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Wire>, ureq::Error> {
        let socket = match &self.unix {
            Some(path) => Socket::Unix(UnixStream::connect(path)?),
            None => Socket::Tcp(self.dial(&details.addrs)?),
        };
        let stream = Timed { socket, deadline: self.deadline };
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        Ok(Some(Wire { stream, is_tls: self.tls.is_some(), buffers: LazyBuffers::new(BUFFER, BUFFER) }))
    }
}

impl Dialler {
    /// The first address that answers; what the last one said if none does.
    fn dial(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(address, left(self.deadline)?) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Time until the deadline; an error once it has passed.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")) } else { Ok(left) }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that gives up at the deadline, however slowly the other side goes on.
struct Timed {
    socket: Socket,
    deadline: Instant,
}

/// One text for a wait that was too long; TCP and UNIX sockets name it differently.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
        }
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = Some(left(self.deadline)?);
        match &mut self.socket {
            Socket::Tcp(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(into)),
            Socket::Unix(socket) => socket.set_read_timeout(left).and_then(|()| socket.read(into)),
        }
        .map_err(told)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(left(self.deadline)?);
        match &mut self.socket {
            Socket::Tcp(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
            Socket::Unix(socket) => socket.set_write_timeout(left).and_then(|()| socket.write(bytes)),
        }
        .map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

trait Stream: Read + Write + Send + Sync {}

impl<S: Read + Write + Send + Sync> Stream for S {}

/// A connection as ureq wants it.
pub struct Wire {
    stream: Box<dyn Stream>,
    is_tls: bool,
    buffers: LazyBuffers,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(self.stream.flush()?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// One connection a request: there are two of them.
    fn is_open(&mut self) -> bool {
        false
    }
}
