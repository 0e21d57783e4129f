//! The bytes of a connection at the pace of its client: nothing more is read while what was answered has not been taken.
//!
//! actix reads 32 KiB of whatever comes and makes requests of it, which take 7 KiB each, before it answers the first: a
//! client that only sends would have the server hold megabytes. [`Paced`] stands between actix and the socket, over TLS
//! where there is TLS, and gives it one head at a time, and nothing while a request is being answered or the kernel takes
//! no more. Used by [`crate::server::serve`] alone; it changes no byte.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, SharedStream};
use super::connection_list::Place;
use super::transport::Transport;
use crate::limits::READ_PIECE_BYTES;

/// The socket as actix or TLS reads and writes it.
pub struct Socket {
    stream: SharedStream,
    /// What the handlers know of it.
    pub connection: Rc<Connection>,
    /// Its place among the others.
    pub place: Place,
}

impl Socket {
    /// The owner of `stream`: when it is dropped the descriptor is closed.
    pub fn new((stream, connection, place): (SharedStream, Rc<Connection>, Place)) -> Self {
        Self { stream, connection, place }
    }

    /// The first byte that the client sends, which stays to be read; `None` when it sends nothing before the end.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = poll_fn(|cx| self.stream.borrow().poll_first_byte(cx, &mut ReadBuf::new(&mut byte))).await?;
        Ok((count > 0).then_some(byte[0]))
    }

    fn with<T>(&self, poll: impl FnOnce(Pin<&mut Transport>) -> T) -> T {
        let stream: &RefCell<Transport> = &self.stream;
        poll(Pin::new(&mut stream.borrow_mut()))
    }

    /// Counts what the kernel takes: with TLS that is more than what was written.
    fn counted(&self, write: impl FnOnce(Pin<&mut Transport>) -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let polled = self.with(write);
        if let Poll::Ready(Ok(count)) = &polled {
            self.connection.has_written(*count);
        }
        polled
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.connection.owes_nothing();
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.counted(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.counted(|stream| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }
}

impl ActixStream for Socket {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&*self.stream.borrow(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&*self.stream.borrow(), cx)
    }
}

/// What actix reads and writes.
pub struct Paced<T> {
    io: T,
    /// Whose bytes these are.
    pub connection: Rc<Connection>,
    /// What was read behind the end of a head, at most a piece. Empty unless a client sends several at once.
    kept: Vec<u8>,
    /// Whether actix has to deal with what it got before it gets more.
    is_piece_over: bool,
}

impl<T> Paced<T> {
    /// Slows `io` down to the pace of `connection`.
    pub fn new(io: T, connection: Rc<Connection>) -> Self {
        Self { io, connection, kept: Vec::new(), is_piece_over: false }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let readable = usize::try_from(self.connection.readable_bytes()).unwrap_or(usize::MAX);
        if readable == 0 {
            self.connection.wants_to_read(cx.waker());
            return Poll::Pending;
        }
        if std::mem::take(&mut self.is_piece_over) {
            // There may be more, and nobody would tell: after this piece actix asks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        let most = readable.min(READ_PIECE_BYTES).min(buf.remaining());
        // Not in actix's buffer: what is not filled there is never touched, and takes no memory.
        let mut room = [MaybeUninit::uninit(); READ_PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut room[..most]);
        let polled = if this.kept.is_empty() {
            Pin::new(&mut this.io).poll_read(cx, &mut piece)
        } else {
            piece.put_slice(&this.kept[..most.min(this.kept.len())]);
            Poll::Ready(Ok(()))
        };
        let piece = piece.filled();
        let read = piece.len();
        let given = if this.connection.is_upgraded() { read } else { end_of_head(piece).unwrap_or(read) };
        if !this.kept.is_empty() {
            this.kept.drain(..given);
        } else if given < read {
            this.kept.extend_from_slice(&piece[given..]);
        }
        this.is_piece_over = given < read || !this.kept.is_empty() || read == READ_PIECE_BYTES;
        buf.put_slice(&piece[..given]);
        this.connection.has_read(given);
        polled
    }
}

/// Where the first empty line ends, if there is one: behind it another request may begin. Line ends may lack their
/// carriage return.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        at += found + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if polled.is_pending() {
            self.connection.set_blocked(true);
        }
        polled
    }

    /// Called when actix has nothing left in its buffer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.connection.set_blocked(polled.is_pending());
        Poll::Ready(ready!(polled))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_the_first_empty_line() {
        for (bytes, end) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", Some(27)),
            ("GET / HTTP/1.1\nHost: a\n\nGET", Some(24)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", None),
            ("a\n", None),
            ("", None),
        ] {
            assert_eq!(end_of_head(bytes.as_bytes()), end, "{bytes:?}");
        }
    }
}
