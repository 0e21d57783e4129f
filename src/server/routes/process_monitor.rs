//! Carries Process Monitor's words: the event stream of `/api/processes`, or the object once.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};

use super::shared::shared;
use crate::dialect::process_monitor as words;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::stream::Streams;
use crate::server::stream::events::{self, Events, Pace};
use crate::server::stream::stream_limits::Kind;

/// Time between two events.
const PERIOD: Duration = Duration::from_secs(3);

/// `GET /api/processes`.
pub async fn processes(
    req: HttpRequest,
    sampler: web::Data<Sampler>,
    streams: web::Data<Streams>,
) -> Result<HttpResponse, ApiError> {
    if events::wants_json_once(&req) {
        return shared(&words::OBJECT, &sampler).await;
    }
    events::respond(
        &req,
        &streams,
        &sampler,
        Events { kind: Kind::ProcessMonitor, pace: Pace::Timer(PERIOD), event: &words::EVENT },
    )
}
