//! Carries System Monitor's words: what its agents send to a receiver, and what is known of those who report. Also what
//! psmonitor's `POST /` leaves to it, since agents report to whatever path they are given.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ACCEPT_ENCODING, HeaderName};
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dialect::json_text;
use crate::history::{Parameters, Query};
use crate::limits::Limits;
use crate::model::own::Pushed;
use crate::receiver::{MOST_REPORT_BYTES, Receiver, Refused, Taken, report};
use crate::server::error::ApiError;
use crate::server::http::guard::Reporter;
use crate::server::http::{body, json_response};

/// When our own agents sent a report, unix seconds by their clock. Another's sends what it has just made.
const SENT: HeaderName = HeaderName::from_static("x-psmonitor-sent");

/// Most questions about systems at once that read the disk.
const QUERIES_AT_ONCE: usize = 4;

/// Tells what is sent of our own accord.
pub type PushCounts = Box<dyn Fn() -> Vec<Pushed> + Send + Sync>;

/// The receiver, if this server is one, places for those who ask it, and what goes out.
pub struct Reports {
    receiver: Option<Arc<Receiver>>,
    pushed: PushCounts,
    /// Bounds how many questions run at once; each may read the disk.
    places: Semaphore,
}

impl Reports {
    /// What this receiver keeps; `None` where the server is none.
    #[must_use]
    pub fn new(receiver: Option<Arc<Receiver>>, pushed: PushCounts) -> Self {
        Self { receiver, pushed, places: Semaphore::new(QUERIES_AT_ONCE) }
    }

    /// The receiver, unless there is none.
    #[must_use]
    pub fn receiver(&self) -> Option<&Arc<Receiver>> {
        self.receiver.as_ref()
    }

    /// What this program sends of its own accord, for the metrics.
    #[must_use]
    pub fn pushed(&self) -> Vec<Pushed> {
        (self.pushed)()
    }

    fn needed(&self) -> Result<&Arc<Receiver>, ApiError> {
        self.receiver.as_ref().ok_or_else(|| ApiError::NotFound(none("has no systems")))
    }

    /// Asks the receiver something that reads the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Receiver) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let receiver = Arc::clone(self.needed()?);
        let _place = self.places.acquire().await;
        tokio::task::spawn_blocking(move || question(&receiver)).await.unwrap_or_else(|error| {
            log::error!("receiver: {error}");
            Err(ApiError::Unavailable {
                message: "the reports could not be read; try again".to_owned(),
                retry_after: Duration::from_secs(5),
            })
        })
    }
}

/// What a server is told that is no receiver.
fn none(what: &str) -> String {
    format!(
        "this server keeps no reports of System Monitor agents, so it {what}; start it with --receive (or enabled = true \
         under [receiver]), or point the agent to a server that is a receiver"
    )
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        let later = |seconds| Self::Unavailable { message: message.clone(), retry_after: Duration::from_secs(seconds) };
        match refused {
            Refused::Malformed(_) => Self::BadRequest(message),
            Refused::NotRegistered(_) | Refused::Anothers(_) => Self::Forbidden(message),
            Refused::TooOld(_) => Self::Conflict(message),
            Refused::TooMany(_) => Self::TooMany { message, retry_after: Duration::from_secs(1) },
            Refused::Full(_) => later(60),
            Refused::Disk(_) => later(5),
            Refused::Busy => later(1),
        }
    }
}

/// `POST /systems`: what a System Monitor agent sends.
pub async fn take(
    req: HttpRequest,
    payload: web::Payload,
    limits: Data<Limits>,
    reports: Data<Reports>,
) -> Result<HttpResponse, ApiError> {
    let receiver = reports.needed()?;
    let (body, _room) = read(&req, payload, &limits, receiver).await?;
    answer(&req, receiver, body).await
}

/// `POST /` where this server is a receiver: the answer to an agent, or the body for who else posts there.
pub async fn take_or_leave(
    req: &HttpRequest,
    payload: web::Payload,
    limits: &Limits,
    receiver: &Receiver,
) -> Result<Result<HttpResponse, Bytes>, ApiError> {
    let (body, _room) = read(req, payload, limits, receiver).await?;
    if report::action_of(&body).is_some() {
        return Ok(Ok(answer(req, receiver, body).await?));
    }
    if body.len() > limits.body_bytes {
        return Err(ApiError::BodyTooLarge { limit: limits.body_bytes });
    }
    Ok(Err(body))
}

/// The body, unpacked, and the room that it takes: as much as has come, so that nobody holds room by a promise of bytes; and
/// while it is unpacked as much as it may become.
async fn read(
    req: &HttpRequest,
    payload: web::Payload,
    limits: &Limits,
    receiver: &Receiver,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let mut room = receiver.room(1).await?;
    let body = body::read_into(req, payload, limits, MOST_REPORT_BYTES, async |bytes| {
        room.merge(receiver.room(bytes).await?);
        Ok(())
    });
    let body = body.await?;
    let is_packed = req.headers().contains_key(actix_web::http::header::CONTENT_ENCODING);
    if is_packed {
        drop(room);
        room = receiver.room(MOST_REPORT_BYTES).await?;
    }
    let body = body::unpacked(req, body, MOST_REPORT_BYTES).await?;
    if is_packed {
        drop(room.split(MOST_REPORT_BYTES.saturating_sub(body.len().max(1))));
    }
    Ok((body, room))
}

async fn answer(req: &HttpRequest, receiver: &Receiver, body: Bytes) -> Result<HttpResponse, ApiError> {
    let sent = req.headers().get(SENT).and_then(|sent| sent.to_str().ok()?.parse::<f64>().ok());
    let reporting = req.extensions().get::<Reporter>().map(|reporter| reporter.0.clone());
    let may = |name: &str| reporting.as_ref().is_none_or(|reporting| reporting.allows(name));
    let taken = receiver.take(body, sent.filter(|sent| sent.is_finite()), may).await?;
    let mut response = match taken {
        Taken::UrlIsRight => HttpResponse::Accepted(),
        Taken::Known | Taken::Stored => HttpResponse::Ok(),
        Taken::Free => HttpResponse::NoContent(),
    };
    // The body of the next request may be packed (RFC 7694).
    Ok(response.insert_header((ACCEPT_ENCODING, "gzip")).finish())
}

/// What `POST /` says to an agent where this server is no receiver, if the body is one's.
pub fn refusal(body: &[u8]) -> Option<ApiError> {
    let action = report::action_of(body).filter(|action| report::ACTIONS.contains(&action.as_str()))?;
    Some(ApiError::NotFound(none(&format!("takes no {action}"))))
}

/// `GET /systems`: who reports.
pub async fn list(reports: Data<Reports>) -> Result<HttpResponse, ApiError> {
    let systems = reports.needed()?.list();
    Ok(json_response(json_text(&json!({ "systems": systems })).into()))
}

/// `GET /systems/{id}`: a system's last report, as it came.
pub async fn last(name: web::Path<String>, reports: Data<Reports>) -> Result<HttpResponse, ApiError> {
    let name = known(&reports, name.into_inner())?;
    let report = reports.ask(move |receiver| {
        let none = || ApiError::NotFound(format!("{name:?} has sent no report yet"));
        receiver.last(&name)?.ok_or_else(none)
    });
    Ok(HttpResponse::Ok().insert_header(crate::server::http::JSON).body(report.await?))
}

/// `GET /systems/{id}/history`: what a system's vitals did.
pub async fn history(
    name: web::Path<String>,
    parameters: web::Query<Parameters>,
    reports: Data<Reports>,
) -> Result<HttpResponse, ApiError> {
    let name = known(&reports, name.into_inner())?;
    let query = Query::parse(&parameters).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let text = reports.ask(move |receiver| {
        let answer = receiver.history(&name, &query);
        answer.map(|answer| json_text(&answer)).map_err(|error| ApiError::BadRequest(error.to_string()))
    });
    Ok(json_response(text.await?.into()))
}

fn known(reports: &Reports, name: String) -> Result<String, ApiError> {
    if reports.needed()?.knows(&name) {
        return Ok(name);
    }
    Err(ApiError::NotFound(format!("no system {name:?} reports here; GET /systems names those that do")))
}
