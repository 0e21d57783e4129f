//! Answers that do not end: WebSockets and event streams, what their frames may be, and how many there may be. Knows no
//! dialect; the routes say what is sent.

pub mod events;
pub mod frame_guard;
pub mod stream_limits;
pub mod websocket;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use futures_util::future::{FutureExt, LocalBoxFuture};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::{Auth, Opener};
use crate::config::{INTERVALS, parse_time};
use crate::limits::Limits;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use stream_limits::Gate;

/// What every stream needs, whatever it carries. One instance for all worker threads.
pub struct Streams {
    /// Places for streams, and counts of what went over them.
    pub gate: Arc<Gate>,
    /// What a client may send, and how long it may take nothing.
    pub limits: Limits,
    /// Who somebody is, now.
    pub auth: Data<Auth>,
    /// Written by the server, read by every stream.
    pub events: watch::Receiver<Events>,
}

/// What happens to the server that streams must know of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Events {
    /// It stops.
    pub is_stopping: bool,
    /// How often tokens and users were read again.
    pub reloads: u64,
}

/// Why a stream ends whose client would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server stops.
    Stopping,
    /// What it was opened with was taken back.
    Revoked,
    /// What it was opened with was good for a time, which is over.
    Expired,
}

impl End {
    /// What the client is told.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Stopping => "the server is stopping",
            Self::Revoked => "the token or password that opened this counts no more",
            Self::Expired => "the login that opened this is over; log in again",
        }
    }
}

impl Streams {
    /// Done when a stream that was opened with `opener` must end. Made once for each stream and kept: it wakes when the server
    /// stops, when secrets are read again and when the opener's own time is over, and else costs nothing.
    pub fn end(&self, opener: Option<Opener>) -> LocalBoxFuture<'static, End> {
        let (mut events, auth) = (self.events.clone(), self.auth.clone());
        let over = opener.as_ref().and_then(|opener| Instant::now().checked_add(auth.lasts(opener)?));
        async move {
            let ended = async {
                match events.wait_for(|events| events.is_stopping || !auth.counts(opener.as_ref())).await {
                    Ok(events) if !events.is_stopping => End::Revoked,
                    _ => End::Stopping,
                }
            };
            match over {
                Some(over) => tokio::time::timeout_at(over, ended).await.unwrap_or(End::Expired),
                None => ended.await,
            }
        }
        .boxed_local()
    }
}

/// The interval that a stream's `?interval=` asks for, or else the sampler's. What is no time, or out of the bounds of
/// `--interval`, is refused.
pub fn wanted_interval(sampler: &Sampler, text: Option<&str>) -> Result<Duration, ApiError> {
    let Some(text) = text else { return Ok(sampler.interval()) };
    let is_bounded = |time: &Duration| INTERVALS.contains(time);
    let parsed = parse_time(text)
        .and_then(|time| Some(time).filter(is_bounded).ok_or_else(|| "it must be between 100ms and 1h".to_owned()));
    parsed.map_err(|why| ApiError::BadRequest(format!("interval={text}: {why}")))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::auth::{Secret, Sources};

    const USERS: &str = "ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

    fn streams(sources: &Sources) -> (Streams, watch::Sender<Events>) {
        let (sender, events) = watch::channel(Events::default());
        let limits = Limits::default();
        let gate = Arc::new(Gate::new(&limits));
        (Streams { gate, limits, auth: Data::new(Auth::load(sources).unwrap()), events }, sender)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_lasts_as_long_as_what_it_was_opened_with() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        std::fs::write(&users, USERS).unwrap();
        let token = Some(Secret("0123456789abcdef".to_owned()));
        let (streams, events) = streams(&Sources { users_file: Some(users), token, token_file: None });
        let login = streams.auth.log_in("ann", "secret".to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let login = Opener::token(&login.unwrap().0);
        let begin = Instant::now();
        let end = tokio::time::timeout(Duration::from_secs(100_000), streams.end(Some(login))).await;
        assert_eq!(end, Ok(End::Expired));
        let after = begin.elapsed();
        assert!((Duration::from_secs(3_590)..Duration::from_secs(3_602)).contains(&after), "{after:?}");

        // A token of a file and a password have no end of their own.
        let mut ends = [
            streams.end(Some(Opener::token("0123456789abcdef"))),
            streams.end(Some(streams.auth.opener("ann", "secret"))),
        ];
        for end in &mut ends {
            assert!(tokio::time::timeout(Duration::from_secs(100_000), end).await.is_err());
        }
        events.send_modify(|events| events.reloads += 1);
        for end in &mut ends {
            assert!(tokio::time::timeout(Duration::from_secs(100_000), end).await.is_err(), "they count still");
        }
        events.send_modify(|events| events.is_stopping = true);
        for end in ends {
            assert_eq!(end.await, End::Stopping);
        }
    }

    #[tokio::test]
    async fn what_was_opened_before_anything_was_asked_ends_once_it_is() {
        let (streams, events) = streams(&Sources::default());
        let mut end = streams.end(None);
        assert!(end.as_mut().now_or_never().is_none());
        let token = Some(Secret("0123456789abcdef".to_owned()));
        streams.auth.reload(&Sources { token, ..Sources::default() });
        events.send_modify(|events| events.reloads += 1);
        assert_eq!(end.now_or_never(), Some(End::Revoked));
        let other = streams.end(Some(Opener::token("0123456789abcdeX")));
        assert_eq!(other.now_or_never(), Some(End::Revoked), "it never counted");
    }
}
