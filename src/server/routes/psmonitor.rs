//! Carries psmonitor's words: workers and the stream.

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use actix_ws::CloseCode;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::dialect::psmonitor as words;
use crate::limits::Limits;
use crate::sampler::{Sampler, Stride};
use crate::server::error::ApiError;
use crate::server::http::client::Client;
use crate::server::http::guard::{Doors, REPORTS_ONLY, Reporter};
use crate::server::http::{body, is_upgrade, opener};
use crate::server::routes::systems::{self, Reports};
use crate::server::stream::stream_limits::{Kind, Pass};
use crate::server::stream::websocket::{self, Event, Gone, Socket};
use crate::server::stream::{Streams, wanted_interval};
use crate::worker::{LIFETIME, Registry, Worker};

/// Why a stream is refused to somebody else than the worker's user.
const INVALID_SUBSCRIBER: &str = "Invalid worker id for this subscriber";

/// `POST /`: a new worker, whatever the body says, unless it is what a System Monitor agent sends: to answer that one as a
/// client of ours would tell it that its report is kept.
pub async fn create(
    req: HttpRequest,
    payload: web::Payload,
    limits: web::Data<Limits>,
    workers: web::Data<Registry>,
    reports: web::Data<Reports>,
    doors: web::Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    if let Some(receiver) = reports.receiver() {
        if let Ok(answer) = systems::take_or_leave(&req, payload, &limits, receiver).await? {
            return Ok(answer);
        }
    } else {
        let body = body::read(&req, payload, &limits).await?;
        if let Some(refusal) = systems::refusal(&body) {
            return Err(refusal);
        }
    }
    if req.extensions().get::<Reporter>().is_some() {
        return Err(ApiError::Forbidden(REPORTS_ONLY.to_owned()));
    }
    Ok(match workers.create(None, opener(&req)) {
        Ok(id) => HttpResponse::Ok().json(json!({
            "id": id.to_string(),
            "status": null,
            "url": format!("{}/connect?id={id}", doors.base_path),
            "message": format!("worker created; connect to its url within {} s", LIFETIME.as_secs()),
        })),
        Err(full) => HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", full.retry_after.as_secs().to_string()))
            .json(json!({ "id": null, "status": full.to_string() })),
    })
}

/// Query of `/connect`.
#[derive(Debug, Deserialize)]
pub struct Connect {
    id: Option<String>,
    subscriber: Option<String>,
    interval: Option<String>,
}

/// `WS /connect?id=`: binds a socket to its worker and streams.
pub async fn connect(
    req: HttpRequest,
    payload: web::Payload,
    query: web::Query<Connect>,
    sampler: web::Data<Sampler>,
    workers: web::Data<Registry>,
    streams: web::Data<Streams>,
) -> Result<HttpResponse, ApiError> {
    if !is_upgrade(&req) {
        return Err(ApiError::UpgradeRequired);
    }
    let Some(id) = query.id.as_deref().filter(|id| !id.is_empty()) else {
        return Err(ApiError::BadRequest("name the worker: POST / gives an id, connect to /connect?id=ID".to_owned()));
    };
    let interval = wanted_interval(&sampler, query.interval.as_deref())?;
    let address = Client::of_request(&req).address;
    let (response, mut socket) = websocket::accept(&req, &mut payload.into_inner(), &streams)?;
    let pass = streams.gate.enter(Kind::Psmonitor, address);
    let claim = || id.parse::<Uuid>().ok().and_then(|id| workers.claim(&id));
    let worker = if pass.is_ok() { claim().ok_or("Invalid worker id") } else { Err("at capacity") };
    // A worker that a user asked for serves that user only.
    let is_theirs = |worker: &Worker| worker.owner.is_none() || worker.owner.as_deref() == query.subscriber.as_deref();
    let worker = worker.and_then(|worker| is_theirs(&worker).then_some(worker).ok_or(INVALID_SUBSCRIBER));
    actix_rt::spawn(async move {
        match (pass, worker) {
            (Err(_), _) => {
                let _ = socket.say(words::AT_CAPACITY).await;
                socket.close_with(CloseCode::Again, "at capacity");
            }
            (_, Err(reason)) => {
                socket.close_with(CloseCode::Policy, reason);
            }
            (Ok(pass), Ok(worker)) => {
                socket.was_opened_with(&streams, worker.opener);
                let _ = stream(&mut socket, &sampler, interval, pass).await;
            }
        }
    });
    Ok(response)
}

// By reference: a socket that is moved in would have its place twice in each stream's memory.
async fn stream(socket: &mut Socket, sampler: &Sampler, interval: Duration, _pass: Pass) -> Result<(), Gone> {
    let mut watch = sampler.watch(words::FRAME.needs);
    socket.say(ByteString::from_static(words::GREETING)).await?;
    // A server that stops before the first frame closes the socket too, so that is listened for from the start.
    let first = loop {
        tokio::select! {
            first = watch.first() => break first,
            event = socket.next() => answer(socket, event?).await?,
        }
    };
    let Ok(first) = first else {
        socket.close_with(CloseCode::Error, "the sampler does not answer");
        return Err(Gone);
    };
    let stride = Stride::new(first.tick(), interval, sampler.interval());
    socket.frame(first.encoded(&words::FRAME)).await?;
    drop(first);
    loop {
        tokio::select! {
            frame = watch.next(stride) => match frame {
                Some(frame) => socket.frame(frame.encoded(&words::FRAME)).await?,
                None => return Err(Gone),
            },
            event = socket.next() => answer(socket, event?).await?,
        }
    }
}

/// What a client sent comes back to it.
async fn answer(socket: &mut Socket, event: Event) -> Result<(), Gone> {
    match event {
        Event::Text(text) => socket.say(words::received(&text)).await,
        Event::Binary(bytes) => socket.say(words::received(&String::from_utf8_lossy(&bytes))).await,
    }
}
