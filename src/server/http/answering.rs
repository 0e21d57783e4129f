//! How long a request is being answered: from its head to the last byte of its answer's body, told to its [`Connection`].
//! Used by [`super::guard`], which every request goes through.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::web::Bytes;

use super::connection::Connection;
use crate::limits::ANSWER_PIECE_BYTES;

/// Lives as long as a request is being answered.
#[derive(Debug)]
pub struct Answering(Rc<Connection>);

impl Answering {
    /// Begins with the head of the request.
    #[must_use]
    pub fn begin(connection: &Rc<Connection>, head: &RequestHead) -> Self {
        connection.begin(head);
        Self(Rc::clone(connection))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
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
            connection.sends(matches!(body, Pieces::Whole(_)));
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
        let this = &mut *self;
        match &mut this.body {
            Pieces::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Pieces::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(ANSWER_PIECE_BYTES));
                if let Some(Answering(connection)) = &this.answering {
                    connection.sends_more();
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Pieces::Stream(stream) => {
                let polled = Pin::new(stream).poll_next(cx);
                if let (Poll::Ready(_), Some(Answering(connection))) = (&polled, &this.answering) {
                    connection.handed_over();
                }
                polled
            }
        }
    }
}
