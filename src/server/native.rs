//! Carries our own words: the snapshot once, or as a stream of events.

use actix_web::{HttpRequest, HttpResponse, web};
use bytestring::ByteString;
use serde::Deserialize;

use super::events::{self, Events, Pace};
use super::gate::Kind;
use super::json_response;
use super::state::State;
use crate::config::parse_time;
use crate::dialect::native as words;
use crate::error::ApiError;
use crate::model::Snapshot;
use crate::sampler::{Encoding, Frame};

/// `GET /api/v1/snapshot`.
pub async fn snapshot(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let frame = state.sampler.latest(words::NEEDS).await?;
    Ok(json_response(frame.encoded(Encoding::NativeSnapshot, text)))
}

/// Query of `/api/v1/stream`.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    interval: Option<String>,
}

/// `GET /api/v1/stream`.
pub async fn stream(
    req: HttpRequest,
    query: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let interval = match query.interval.as_deref() {
        None => state.sampler.interval(),
        Some(text) => parse_time(text).map_err(|why| ApiError::BadRequest(format!("interval={text}: {why}")))?,
    };
    let events = Events { kind: Kind::Native, needs: words::NEEDS, pace: Pace::Ticks(interval), event };
    events::respond(&req, &state, events)
}

fn event(frame: &Frame) -> ByteString {
    frame.encoded(Encoding::NativeEvent, |snapshot| format!("data: {}\n\n", text(snapshot)))
}

fn text(snapshot: &Snapshot) -> String {
    words::snapshot(snapshot).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}
