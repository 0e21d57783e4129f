//! Looks at the header of every WebSocket frame before actix-ws does.
//!
//! actix-ws buffers a whole frame as long as its header says before it checks a limit, so a header that declares 8 GiB
//! would fill the memory. This stream sits between the connection and actix-ws, reads the headers as they pass, and ends
//! the stream with a verdict as soon as one breaks a limit. It changes no byte.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_ws::CloseCode;
use futures_util::Stream;

use crate::limits::Limits;

/// Why the guard ended a stream. Written by the guard, read by the socket's loop on the same thread.
pub type Verdict = Rc<Cell<Option<CloseCode>>>;

/// The guarded stream.
pub struct FrameGuard<S> {
    inner: S,
    headers: Headers,
    verdict: Verdict,
}

impl<S> FrameGuard<S> {
    /// Guards `inner`; the reason for an early end is left in the returned cell.
    pub fn new(inner: S, limits: &Limits) -> (Self, Verdict) {
        let verdict = Verdict::default();
        (Self { inner, headers: Headers::new(limits, Instant::now()), verdict: Rc::clone(&verdict) }, verdict)
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for FrameGuard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.verdict.get().is_some() {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled
            && let Err(code) = self.headers.pass(bytes, Instant::now)
        {
            self.verdict.set(Some(code));
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        polled
    }
}

/// Follows the frames of one client byte by byte (RFC 6455, 5.2).
struct Headers {
    message_bytes_limit: u64,
    fragments_limit: usize,
    rate_limit: u32,
    /// The header bytes seen so far of the frame whose header is not complete. Longest: 2 + 8 + 4.
    header: [u8; 14],
    header_length: usize,
    /// Payload bytes of the current frame still to pass.
    payload_left: u64,
    /// Bytes and frames of the message that is not finished.
    message_bytes: u64,
    fragments: usize,
    /// Messages since `second`.
    messages: u32,
    second: Instant,
}

impl Headers {
    fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            message_bytes_limit: limits.message_bytes as u64,
            fragments_limit: limits.message_fragments,
            rate_limit: limits.messages_per_second,
            header: [0; 14],
            header_length: 0,
            payload_left: 0,
            message_bytes: 0,
            fragments: 0,
            messages: 0,
            second: now,
        }
    }

    fn pass(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> Result<(), CloseCode> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let here = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= here;
                bytes = &bytes[here as usize..];
                continue;
            }
            self.header[self.header_length] = bytes[0];
            self.header_length += 1;
            bytes = &bytes[1..];
            if self.header_length >= 2 && self.header_length == self.wanted_header_length() {
                self.frame(&now)?;
            }
        }
        Ok(())
    }

    fn wanted_header_length(&self) -> usize {
        let extended = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + extended + mask
    }

    /// Judges the frame whose header is complete.
    fn frame(&mut self, now: &impl Fn() -> Instant) -> Result<(), CloseCode> {
        let header = &self.header;
        let length = match header[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
            127 => u64::from_be_bytes([
                header[2], header[3], header[4], header[5], header[6], header[7], header[8], header[9],
            ]),
            short => u64::from(short),
        };
        let (last, opcode) = (header[0] & 0x80 != 0, header[0] & 0x0f);
        self.header_length = 0;
        self.payload_left = length;
        // No extension is ever agreed on, so a reserved bit (a compressed message, for one) has no meaning.
        if header[0] & 0x70 != 0 {
            return Err(CloseCode::Protocol);
        }
        let is_control = opcode >= 8;
        if is_control || opcode != 0 {
            self.count_message(now())?;
        }
        if is_control {
            return if length > 125 { Err(CloseCode::Protocol) } else { Ok(()) };
        }
        if opcode != 0 {
            self.message_bytes = 0;
            self.fragments = 0;
        }
        self.message_bytes = self.message_bytes.saturating_add(length);
        self.fragments += 1;
        if self.message_bytes > self.message_bytes_limit || self.fragments > self.fragments_limit {
            return Err(CloseCode::Size);
        }
        if last {
            self.message_bytes = 0;
            self.fragments = 0;
        }
        Ok(())
    }

    fn count_message(&mut self, now: Instant) -> Result<(), CloseCode> {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.messages = 0;
        }
        self.messages += 1;
        if self.messages > self.rate_limit { Err(CloseCode::Policy) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> (Headers, Instant) {
        let now = Instant::now();
        (Headers::new(&Limits::default(), now), now)
    }

    fn frame(first: u8, length: u64) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..=125 => bytes.push(0x80 | length as u8),
            126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes
    }

    fn whole(first: u8, length: u64) -> Vec<u8> {
        let mut bytes = frame(first, length);
        bytes.resize(bytes.len() + length as usize, b'x');
        bytes
    }

    #[test]
    fn a_declared_giant_is_refused_by_its_header_alone() {
        let (mut headers, now) = headers();
        assert_eq!(headers.pass(&frame(0x81, 8 << 30), || now), Err(CloseCode::Size));
    }

    #[test]
    fn the_limit_itself_passes_and_one_more_does_not() {
        let (mut headers, now) = headers();
        assert_eq!(headers.pass(&whole(0x81, 64 * 1024), || now), Ok(()));
        assert_eq!(headers.pass(&frame(0x81, 64 * 1024 + 1), || now), Err(CloseCode::Size));
    }

    #[test]
    fn fragments_count_together() {
        let (mut headers, now) = headers();
        assert_eq!(headers.pass(&whole(0x01, 40 * 1024), || now), Ok(()));
        assert_eq!(headers.pass(&whole(0x89, 4), || now), Ok(()), "a ping between two fragments is no part of them");
        assert_eq!(headers.pass(&frame(0x00, 40 * 1024), || now), Err(CloseCode::Size));
    }

    #[test]
    fn empty_fragments_without_end_are_refused() {
        let (mut headers, now) = headers();
        assert_eq!(headers.pass(&whole(0x01, 0), || now), Ok(()));
        for _ in 1..1_000 {
            assert_eq!(headers.pass(&whole(0x00, 0), || now), Ok(()));
        }
        assert_eq!(headers.pass(&whole(0x00, 0), || now), Err(CloseCode::Size));
    }

    #[test]
    fn a_reserved_bit_is_refused() {
        for bit in [0x40, 0x20, 0x10] {
            let (mut headers, now) = headers();
            assert_eq!(headers.pass(&whole(0x81 | bit, 4), || now), Err(CloseCode::Protocol));
        }
    }

    #[test]
    fn headers_may_arrive_byte_by_byte() {
        let (mut headers, now) = headers();
        let mut stream = whole(0x81, 300);
        stream.extend(whole(0x8a, 0));
        stream.extend(frame(0x82, 1 << 20));
        let (end, rest) = stream.split_last().unwrap();
        for byte in rest {
            assert_eq!(headers.pass(&[*byte], || now), Ok(()));
        }
        assert_eq!(headers.pass(&[*end], || now), Err(CloseCode::Size));
    }

    #[test]
    fn a_hundred_messages_a_second_and_no_more() {
        let (mut headers, begin) = headers();
        for _ in 0..100 {
            assert_eq!(headers.pass(&whole(0x89, 0), || begin), Ok(()));
        }
        assert_eq!(headers.pass(&whole(0x89, 0), || begin), Err(CloseCode::Policy));
        let later = begin + Duration::from_secs(1);
        assert_eq!(headers.pass(&whole(0x81, 2), || later), Ok(()));
    }
}
