//! Carries Process Monitor's words: the event stream of `/api/processes`, or the object once.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::dialect::json_text;
use crate::dialect::process_monitor as words;
use crate::model::Snapshot;
use crate::sampler::{Encoding, Sampler};
use crate::server::error::ApiError;
use crate::server::http::json_response;
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
        let frame = sampler.latest(words::NEEDS).await?;
        return Ok(json_response(frame.encoded(Encoding::ProcessMonitorObject, object)));
    }
    events::respond(
        &req,
        &streams,
        &sampler,
        Events {
            kind: Kind::ProcessMonitor,
            needs: words::NEEDS,
            pace: Pace::Timer(PERIOD),
            event: |frame| frame.encoded(Encoding::ProcessMonitorEvent, words::event),
        },
    )
}

fn object(snapshot: &Snapshot) -> String {
    json_text(&words::processes(snapshot))
}
