//! Carries our own words: the snapshot once, or as a stream of events.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::events::{self, Events, Pace};
use super::gate::Kind;
use super::json_response;
use super::state::State;
use crate::dialect::json_text;
use crate::dialect::native as words;
use crate::error::ApiError;
use crate::history::{Parameters, Query};
use crate::sampler::Encoding;

/// When a client whose query failed should come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// `GET /api/v1/snapshot`.
pub async fn snapshot(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let frame = state.sampler.latest(words::NEEDS).await?;
    Ok(json_response(frame.encoded(Encoding::NativeSnapshot, words::snapshot)))
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
    let interval = state.wanted_interval(query.interval.as_deref())?;
    events::respond(
        &req,
        &state,
        Events {
            kind: Kind::Native,
            needs: words::NEEDS,
            pace: Pace::Ticks(interval),
            event: |frame| frame.encoded(Encoding::NativeEvent, words::event),
        },
    )
}

/// `GET /api/v1/history`.
pub async fn history(parameters: web::Query<Parameters>, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let query = Query::parse(&parameters).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let _place = state.history_queries.acquire().await;
    let history = Arc::clone(&state.history);
    let answer = tokio::task::spawn_blocking(move || history.query(&query).map(|answer| json_text(&answer)));
    match answer.await {
        Ok(Ok(text)) => Ok(json_response(text.into())),
        Ok(Err(error)) => Err(ApiError::BadRequest(error.to_string())),
        Err(error) => {
            log::error!("history: {error}");
            Err(ApiError::Unavailable {
                message: "the history could not be read; try again".to_owned(),
                retry_after: RETRY_AFTER,
            })
        }
    }
}
