//! Server-sent events: one event at once, then one every period, from the frames that everybody shares.
//!
//! The stream is pulled: actix asks for the next piece only when the client has taken the one before, so a slow client
//! skips events and costs nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::stream_limits::{Kind, Pass};
use super::{End, Streams};
use crate::model::{Answer, Subjects};
use crate::sampler::{Frame, Sampler, StandsStill, Stride, Watch};
use crate::server::error::ApiError;
use crate::server::http::client::Client;
use crate::server::http::opener;

/// A comment goes out this often, so that proxies keep the connection open however rare the events are.
const COMMENT_EVERY: Duration = Duration::from_secs(12);

/// When a client that found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

const KIND: (HeaderName, HeaderValue) = (CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));

/// How a stream of events is made.
pub struct Events {
    /// Whose clients these are.
    pub kind: Kind,
    /// When an event is due.
    pub pace: Pace,
    /// One event, `data: ...` and the blank line.
    pub event: &'static Answer,
}

/// When an event is due.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// At once and then every so often, whatever the sampling interval.
    Timer(Duration),
    /// At once and then with the sampler's ticks, every so often.
    Ticks(Duration),
}

/// What tells that an event is due.
enum Source {
    Timer {
        ticker: Interval,
        /// It ticked, and the event is not there yet.
        due: bool,
    },
    Ticks {
        watch: Watch,
        wanted: Duration,
        stride: Option<Stride>,
    },
}

struct Stream {
    events: Events,
    streams: Arc<Streams>,
    sampler: Sampler,
    source: Source,
    /// Done when it must end. Kept for the stream's whole life, as what it waits for is registered once.
    end: LocalBoxFuture<'static, End>,
    /// When there was a comment, or the stream began.
    commented: Instant,
    _pass: Pass,
}

/// The streaming answer.
pub fn respond(
    req: &HttpRequest,
    streams: &web::Data<Streams>,
    sampler: &Sampler,
    events: Events,
) -> Result<HttpResponse, ApiError> {
    // `HEAD` asks for the head alone; a stream behind it would keep the connection and a place for ever.
    if req.method() == Method::HEAD {
        return Ok(HttpResponse::Ok().insert_header(KIND).finish());
    }
    let address = Client::of_request(req).address;
    let pass = streams.gate.enter(events.kind, address).map_err(|_| ApiError::Unavailable {
        message: "the server is at full capacity; try again later".to_owned(),
        retry_after: RETRY_AFTER,
    })?;
    let source = match events.pace {
        Pace::Timer(period) => {
            let mut ticker = tokio::time::interval(period);
            ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
            Source::Timer { ticker, due: false }
        }
        Pace::Ticks(wanted) => Source::Ticks { watch: sampler.watch(events.event.needs), wanted, stride: None },
    };
    let stream = Stream {
        events,
        streams: Arc::clone(streams),
        sampler: sampler.clone(),
        source,
        end: streams.end(opener(req)),
        commented: Instant::now(),
        _pass: pass,
    };
    Ok(HttpResponse::Ok().insert_header(KIND).insert_header(("X-Accel-Buffering", "no")).streaming(stream::unfold(
        stream,
        |mut stream| async move {
            let piece = stream.next().await?;
            Some((Ok::<_, actix_web::Error>(piece), stream))
        },
    )))
}

/// Whether the client asks for the object once, as plain JSON: its `Accept` names that and no event stream.
#[must_use]
pub fn wants_json_once(req: &HttpRequest) -> bool {
    let names = |what: &str| {
        let mut all = req.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        let is_what = |kind: &str| kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(what);
        all.any(|value| value.split(',').any(is_what))
    };
    names("application/json") && !names("text/event-stream")
}

impl Source {
    /// The frame of the next event. May be dropped while it waits.
    async fn next(&mut self, sampler: &Sampler, needs: Subjects) -> Result<Arc<Frame>, StandsStill> {
        match self {
            Self::Timer { ticker, due } => {
                if !*due {
                    ticker.tick().await;
                    *due = true;
                }
                let frame = sampler.latest(needs).await;
                *due = false;
                frame
            }
            Self::Ticks { watch, wanted, stride } => {
                let Some(stride) = *stride else {
                    let first = watch.first().await?;
                    *stride = Some(Stride::new(first.tick(), *wanted, sampler.interval()));
                    return Ok(first);
                };
                watch.next(stride).await.ok_or(StandsStill)
            }
        }
    }
}

impl Stream {
    /// The next piece: an event or a comment, whichever is due. `None` when it must end.
    async fn next(&mut self) -> Option<Bytes> {
        let comment_at = self.commented + COMMENT_EVERY;
        let piece = tokio::select! {
            _ = &mut self.end => return None,
            frame = self.source.next(&self.sampler, self.events.event.needs) => match frame {
                Ok(frame) => {
                    self.streams.gate.sent.fetch_add(1, Ordering::Relaxed);
                    frame.encoded(self.events.event).into_bytes()
                }
                Err(error) => Bytes::from(format!(": {error}\n\n")),
            },
            () = tokio::time::sleep_until(comment_at) => {
                self.commented = Instant::now();
                Bytes::from_static(b": still here\n\n")
            }
        };
        Some(piece)
    }
}
