//! One WebSocket, with everything that actix-ws leaves to its user: pings, close frames, limits, the end.
//!
//! A dialect's loop calls [`Socket::next`] and [`Socket::say`] and never sees a control frame. Nothing here waits longer
//! than the stalled time for a client.
//!
//! Every client is sent pings. One that answers has caught up. One that does not is no less alive: libraries for small
//! devices never answer. What it takes is told by the kernel's send queue ([`Connection`]), and only who takes nothing is cut.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, ProtocolError, Session};
use bytestring::ByteString;
use futures_util::StreamExt;
use futures_util::future::{LocalBoxFuture, poll_immediate};
use tokio::time::{Instant, Sleep, timeout};

use super::frame_guard::{FrameGuard, Verdict};
use super::stream_limits::Gate;
use super::{End, Streams};
use crate::auth::Opener;
use crate::server::error::ApiError;
use crate::server::http::connection::Connection;
use crate::server::http::opener;

/// Time between two pings. They are bytes that a client that is gone does not take: with the stalled time of 10 s, it is cut
/// within 15 s on a stream that says nothing.
const PING_EVERY: Duration = Duration::from_millis(4_500);

/// A ping that is due this soon goes out with a frame: one packet and one system call for both. With a frame a second that is
/// every fourth one, half a second before the ping is due, so that neither is late for the other.
const PING_EARLY: Duration = Duration::from_secs(1);

/// A ping unanswered for this long means a client that may lag: frames are skipped unless it has taken all before, so that at
/// most a few frames wait for it.
const LAG: Duration = Duration::from_secs(1);

/// How long a close frame may take to be handed over.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How long actix may take to write a close frame out that it has taken.
const FLUSH_TIME: Duration = Duration::from_millis(10);

/// What a client did.
#[derive(Debug)]
pub enum Event {
    /// It sent a text.
    Text(ByteString),
    /// It sent bytes.
    Binary(Bytes),
}

/// The socket is closed or was cut: nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// An open WebSocket.
pub struct Socket {
    /// `None` once it is closed.
    link: Option<Link>,
    /// Payload of a ping of the client's that is still to be answered.
    owed_pong: Option<Bytes>,
    verdict: Verdict,
    connection: Option<Rc<Connection>>,
    gate: Arc<Gate>,
    /// Done when it must end. Kept, like the timer, for the socket's whole life: registering both anew for every
    /// frame costs more than the rest of what happens here.
    end: LocalBoxFuture<'static, End>,
    /// Goes off at the deadline. Set anew only when that changes.
    timer: Pin<Box<Sleep>>,
    stalled_time: Duration,
    next_ping: Instant,
    unanswered_since: Option<Instant>,
    /// Number of the last ping, which is what it carries. Only a pong that repeats it says that the client reads.
    ping: u64,
}

/// Both directions of an open socket.
struct Link {
    session: Session,
    messages: AggregatedMessageStream,
}

/// Upgrades the request.
pub fn accept(
    req: &HttpRequest,
    payload: &mut dev::Payload,
    streams: &Streams,
) -> Result<(HttpResponse, Socket), ApiError> {
    let inner = std::mem::replace(payload, dev::Payload::None);
    let (guarded, verdict) = FrameGuard::new(inner, &streams.limits);
    let mut guarded = dev::Payload::Stream { payload: guarded.boxed_local() };
    let body = Payload::from_request(req, &mut guarded).into_inner().map_err(refused)?;
    let (response, session, messages) = actix_ws::handle(req, body).map_err(refused)?;
    let messages = messages
        .max_frame_size(streams.limits.message_bytes)
        .aggregate_continuations()
        .max_continuation_size(streams.limits.message_bytes);
    let connection = req.conn_data::<Rc<Connection>>().cloned();
    let now = Instant::now();
    let socket = Socket {
        link: Some(Link { session, messages }),
        owed_pong: None,
        verdict,
        connection,
        gate: Arc::clone(&streams.gate),
        end: streams.end(opener(req)),
        timer: Box::pin(tokio::time::sleep_until(now)),
        stalled_time: streams.limits.stalled_time,
        next_ping: now,
        unanswered_since: None,
        ping: 0,
    };
    Ok((response, socket))
}

fn refused(error: actix_web::Error) -> ApiError {
    ApiError::BadRequest(format!("this is not a WebSocket handshake: {error}"))
}

impl Socket {
    /// What the client did next. Answers pings and close frames, sends pings, and ends a socket that breaks a rule, takes
    /// nothing, or stands in the way of stopping. May be dropped and called again at any time: what it has begun then is
    /// done by the next call, or goes on by itself.
    pub async fn next(&mut self) -> Result<Event, Gone> {
        loop {
            self.pay_pong().await?;
            let Some(link) = &mut self.link else { return Err(Gone) };
            let deadline = self.unanswered_since.map_or(self.next_ping, |since| since + self.stalled_time);
            if self.timer.deadline() != deadline {
                self.timer.as_mut().reset(deadline);
            }
            let happened = tokio::select! {
                message = link.messages.next() => Happened::Received(message),
                end = &mut self.end => Happened::Ended(end),
                () = &mut self.timer => Happened::Deadline,
            };
            match happened {
                Happened::Received(Some(Ok(message))) => {
                    if let Some(event) = self.received(message)? {
                        return Ok(event);
                    }
                }
                Happened::Received(Some(Err(error))) => {
                    let (code, text) = self.verdict(Some(&error));
                    self.close_with(code, text);
                    return Err(Gone);
                }
                Happened::Received(None) => {
                    if self.verdict.get().is_some() {
                        let (code, text) = self.verdict(None);
                        self.close_with(code, text);
                    }
                    self.link = None;
                    return Err(Gone);
                }
                Happened::Ended(end) => return self.close_at(end),
                Happened::Deadline => self.deadline().await?,
            }
        }
    }

    /// A message is an event, unless it is a control frame, which is dealt with here.
    fn received(&mut self, message: AggregatedMessage) -> Result<Option<Event>, Gone> {
        match message {
            AggregatedMessage::Text(text) => return Ok(Some(Event::Text(text))),
            AggregatedMessage::Binary(bytes) => return Ok(Some(Event::Binary(bytes))),
            AggregatedMessage::Ping(bytes) => self.owed_pong = Some(bytes),
            AggregatedMessage::Pong(bytes) => {
                if self.unanswered_since.is_some() && *bytes == self.ping.to_be_bytes() {
                    let now = Instant::now();
                    (self.unanswered_since, self.next_ping) = (None, now + PING_EVERY);
                    if let Some(connection) = &self.connection {
                        connection.has_answered(now.into_std());
                    }
                }
            }
            AggregatedMessage::Close(reason) => {
                self.close(reason);
                return Err(Gone);
            }
        }
        Ok(None)
    }

    /// Answers a ping. The answer is owed until it was taken.
    async fn pay_pong(&mut self) -> Result<(), Gone> {
        let Some(bytes) = &self.owed_pong else { return Ok(()) };
        let link = self.link.as_mut().ok_or(Gone)?;
        if in_time(self.stalled_time, pin!(link.session.pong(bytes))).await != Some(true) {
            return self.cut();
        }
        self.owed_pong = None;
        Ok(())
    }

    /// Time for a ping, or the end of the time for its answer.
    async fn deadline(&mut self) -> Result<(), Gone> {
        if self.unanswered_since.is_some() {
            if !self.connection.as_ref().is_some_and(|connection| connection.takes()) {
                log::debug!("a client took nothing for {} s and is cut off", self.stalled_time.as_secs());
                return self.cut();
            }
            (self.unanswered_since, self.next_ping) = (None, Instant::now());
        }
        let link = self.link.as_mut().ok_or(Gone)?;
        let ping = self.ping + 1;
        if in_time(self.stalled_time, pin!(link.session.ping(&ping.to_be_bytes()))).await != Some(true) {
            return self.cut();
        }
        // Only now: one that was never sent will not be answered.
        (self.ping, self.unanswered_since) = (ping, Some(Instant::now()));
        Ok(())
    }

    /// Sends a text.
    pub async fn say(&mut self, text: impl Into<ByteString>) -> Result<(), Gone> {
        let Some(link) = &mut self.link else { return Err(Gone) };
        let said = in_time(self.stalled_time, pin!(link.session.text(text))).await;
        match said {
            Some(true) => {
                self.gate.sent.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Some(false) => Err(Gone),
            None => self.cut(),
        }
    }

    /// Sends an answer and waits until the client has taken it: only then may it ask again.
    pub async fn answer(&mut self, text: ByteString) -> Result<(), Gone> {
        let Some(connection) = self.connection.clone() else { return self.say(text).await };
        connection.owes();
        self.say(text).await?;
        tokio::select! {
            is_taken = connection.taken() => if is_taken { Ok(()) } else { self.cut() },
            end = &mut self.end => self.close_at(end),
        }
    }

    /// Sends a frame, or skips it when the client lags behind.
    pub async fn frame(&mut self, frame: ByteString) -> Result<(), Gone> {
        let has_taken_all = || self.connection.as_ref().is_some_and(|connection| connection.has_taken_all());
        if self.unanswered_since.is_some_and(|since| since.elapsed() >= LAG) && !has_taken_all() {
            self.gate.skipped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // The ping first: actix would make room for twice the frame to append it.
        if self.unanswered_since.is_none() && self.next_ping <= Instant::now() + PING_EARLY {
            self.deadline().await?;
        }
        self.say(frame).await
    }

    /// It was opened with this, and not by the request that it came with.
    pub fn was_opened_with(&mut self, streams: &Streams, opener: Option<Opener>) {
        self.end = streams.end(opener);
    }

    fn close_at<T>(&mut self, end: End) -> Result<T, Gone> {
        let code = if end == End::Stopping { CloseCode::Away } else { CloseCode::Policy };
        self.close_with(code, end.reason());
        Err(Gone)
    }

    /// Says why and closes.
    pub fn close_with(&mut self, code: CloseCode, text: &str) {
        self.close(Some(CloseReason { code, description: Some(text.to_owned()) }));
    }

    /// Closes in a task of its own, so that nobody who stops waiting for this socket can stop that.
    fn close(&mut self, reason: Option<CloseReason>) {
        if let Some(link) = self.link.take() {
            actix_rt::spawn(link.close(reason, self.verdict.clone(), self.connection.clone()));
        }
    }

    /// Ends the connection without ceremony: the client takes nothing, so it would not take a close frame either.
    fn cut<T>(&mut self) -> Result<T, Gone> {
        self.link = None;
        if let Some(connection) = &self.connection {
            connection.cut();
        }
        Err(Gone)
    }

    /// The close code for what a client did wrong: the guard's verdict, or what actix-ws complains about.
    fn verdict(&self, error: Option<&ProtocolError>) -> (CloseCode, &'static str) {
        match (self.verdict.get(), error) {
            (Some(CloseCode::Policy), _) => (CloseCode::Policy, "too many messages"),
            (Some(CloseCode::Size), _) | (_, Some(ProtocolError::Overflow)) => (CloseCode::Size, "message too big"),
            (None, Some(ProtocolError::Io(error))) if error.kind() == std::io::ErrorKind::InvalidData => {
                (CloseCode::Invalid, "text is not UTF-8")
            }
            _ => (CloseCode::Protocol, "not a WebSocket frame"),
        }
    }
}

impl Link {
    /// Sends a close frame and ends the connection: the server does so first (RFC 6455, 7.1.1); actix would wait for the
    /// client to do it.
    async fn close(mut self, reason: Option<CloseReason>, verdict: Verdict, connection: Option<Rc<Connection>>) {
        if !matches!(timeout(CLOSE_TIME, self.session.close(reason)).await, Ok(Ok(()))) {
            return;
        }
        // The messages end when actix has taken the close frame; after an error they tell nothing, and actix may have its
        // way.
        let taken = async {
            loop {
                match self.messages.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return false,
                    None => return verdict.get().is_none(),
                }
            }
        };
        if matches!(timeout(CLOSE_TIME, taken).await, Ok(true))
            && let Some(connection) = connection
        {
            tokio::time::sleep(FLUSH_TIME).await;
            connection.finish();
        }
    }
}

/// Whether actix took what is handed to it; `None` when it did not within `limit`. There is room as a rule, and then no timer
/// is made.
async fn in_time(
    limit: Duration,
    mut handing_over: Pin<&mut impl Future<Output = Result<(), Closed>>>,
) -> Option<bool> {
    let handed_over = match poll_immediate(handing_over.as_mut()).await {
        Some(at_once) => at_once,
        None => timeout(limit, handing_over).await.ok()?,
    };
    Some(handed_over.is_ok())
}

/// Why [`Socket::next`] woke up.
enum Happened {
    Received(Option<Result<AggregatedMessage, ProtocolError>>),
    Ended(End),
    Deadline,
}
