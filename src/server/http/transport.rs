//! The socket under a connection: TCP, or a UNIX socket of this machine, as for a proxy beside us. Used by
//! [`super::connection`] and [`super::paced`], which treat both alike; it changes no byte.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::{ActixStream, Ready, TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many times the stalled time the kernel waits. Who takes nothing is cut off by us before.
const KERNEL_PATIENCE: u32 = 3;

/// One of both.
pub enum Transport {
    /// From another machine, or over loopback.
    Tcp(TcpStream),
    /// From a process of this machine that may open the socket's file.
    Unix(UnixStream),
}

impl Transport {
    /// The addresses of both ends: the peer's and our own. A UNIX socket has none.
    pub fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self {
            Self::Tcp(stream) => (stream.peer_addr().ok(), stream.local_addr().ok()),
            Self::Unix(_) => (None, None),
        }
    }

    /// Sends small answers at once, and has the kernel give up on a client that acknowledges nothing, some time after
    /// `stalled_time`: to the kernel a client that reads slowly acknowledges nothing as long as what comes next does not
    /// fit whole. The kernel does this for TCP alone.
    pub fn prepare(&self, stalled_time: Duration) {
        let Self::Tcp(stream) = self else { return };
        let user_timeout = stalled_time * KERNEL_PATIENCE;
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, user_timeout.as_millis() as u32) {
            log::debug!("TCP_USER_TIMEOUT: {error}");
        }
        // Elsewhere there is no such option: a silent client ends with the writes that time out.
        #[cfg(not(target_os = "linux"))]
        let _ = user_timeout;
        let _ = stream.set_nodelay(true);
    }

    /// The first byte that the client sends, which stays to be read. Known of TCP alone.
    pub fn poll_first_byte(&self, cx: &mut Context<'_>, byte: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => stream.poll_peek(cx, byte),
            Self::Unix(_) => Poll::Ready(Ok(0)),
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }
}

impl ActixStream for Transport {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match self {
            Self::Tcp(stream) => ActixStream::poll_read_ready(stream, cx),
            Self::Unix(stream) => ActixStream::poll_read_ready(stream, cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match self {
            Self::Tcp(stream) => ActixStream::poll_write_ready(stream, cx),
            Self::Unix(stream) => ActixStream::poll_write_ready(stream, cx),
        }
    }
}
