//! Carries our own words: the snapshot as a stream of events, and the history.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::dialect::json_text;
use crate::dialect::native as words;
use crate::history::{Answer, History, Parameters, Query, QueryError};
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::json_response;
use crate::server::stream::events::{self, Events, Pace};
use crate::server::stream::stream_limits::Kind;
use crate::server::stream::{Streams, wanted_interval};

/// Most queries of the history at once.
const QUERIES_AT_ONCE: usize = 4;

/// When a client whose query failed should come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Query of `/api/v1/stream`.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    interval: Option<String>,
    processes: Option<String>,
}

/// `GET /api/v1/stream`.
pub async fn stream(
    req: HttpRequest,
    query: web::Query<Wanted>,
    sampler: web::Data<Sampler>,
    streams: web::Data<Streams>,
) -> Result<HttpResponse, ApiError> {
    let interval = wanted_interval(&sampler, query.interval.as_deref())?;
    let event = match query.processes.as_deref().unwrap_or("all") {
        "all" => &words::EVENT,
        "top" => &words::EVENT_TOP,
        "none" => &words::EVENT_VITALS,
        other => return Err(ApiError::BadRequest(format!("processes={other}: it is all, top or none"))),
    };
    events::respond(&req, &streams, &sampler, Events { kind: Kind::Native, pace: Pace::Ticks(interval), event })
}

/// The history, and places for those who ask it.
pub struct HistoryQueries {
    history: Arc<History>,
    /// Bounds how many queries run at once; each may read the disk.
    places: Semaphore,
}

impl HistoryQueries {
    /// Queries of this history.
    #[must_use]
    pub fn new(history: Arc<History>) -> Self {
        Self { history, places: Semaphore::new(QUERIES_AT_ONCE) }
    }
}

impl HistoryQueries {
    /// What `told` makes of the history's answer. Waits for a place, and does both off the threads that serve.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        query: Query,
        told: impl FnOnce(Answer) -> T + Send + 'static,
    ) -> Result<Result<T, QueryError>, ApiError> {
        let _place = self.places.acquire().await;
        let history = Arc::clone(&self.history);
        tokio::task::spawn_blocking(move || history.query(&query).map(told)).await.map_err(|error| {
            log::error!("history: {error}");
            ApiError::Unavailable {
                message: "the history could not be read; try again".to_owned(),
                retry_after: RETRY_AFTER,
            }
        })
    }
}

/// `GET /api/v1/history`.
pub async fn history(
    parameters: web::Query<Parameters>,
    queries: web::Data<HistoryQueries>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::parse(&parameters).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let text = queries.answer(query, |answer| json_text(&answer)).await?;
    Ok(json_response(text.map_err(|error| ApiError::BadRequest(error.to_string()))?.into()))
}
