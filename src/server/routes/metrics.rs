//! Carries Prometheus' words: `GET /metrics`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::dialect::prometheus::{self, Format};
use crate::model::exclude::Exclusions;
use crate::model::own::OwnStats;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::stream::Streams;
use crate::server::stream::stream_limits::{Gate, Kind};
use crate::worker::Registry;

/// `GET /metrics`, `?collect[]=` as often as wanted.
pub async fn metrics(
    req: HttpRequest,
    query: web::Query<Vec<(String, String)>>,
    sampler: web::Data<Sampler>,
    workers: web::Data<Registry>,
    streams: web::Data<Streams>,
    exclusions: web::Data<Exclusions>,
) -> Result<HttpResponse, ApiError> {
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::from_accept(accept.unwrap_or_default());
    let wanted: Vec<&str> =
        query.iter().filter(|(key, _)| key == "collect[]").map(|(_, collector)| collector.as_str()).collect();
    let frame = sampler.latest(prometheus::NEEDS).await?;
    let own = own(&sampler, &workers, &streams.gate);
    match prometheus::encode(frame.snapshot(), &own, Some(&wanted), format, &exclusions) {
        Ok(page) => Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, format.content_type())).body(page)),
        Err(unknown) => Err(ApiError::BadRequest(unknown.to_string())),
    }
}

fn own(sampler: &Sampler, registry: &Registry, gate: &Gate) -> OwnStats {
    use std::sync::atomic::Ordering::Relaxed;
    let (workers, clock) = (registry.counts(), sampler.punctuality());
    OwnStats {
        clients: Kind::ALL.iter().map(|kind| (kind.name(), gate.count(*kind) as u64)).collect(),
        frames_sent: gate.sent.load(Relaxed),
        frames_skipped: gate.skipped.load(Relaxed),
        ticks: clock.ticks,
        ticks_skipped: clock.skipped,
        tick_lateness_seconds: clock.lateness_seconds,
        tick_age_seconds: clock.age_seconds,
        workers_created: workers.created,
        workers_claimed: workers.claimed,
        workers_reaped: workers.reaped,
        workers_refused: workers.refused,
        workers_waiting: registry.unclaimed() as u64,
    }
}
