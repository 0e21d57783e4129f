//! Carries psmonitor 2's words: the login, and the worker that belongs to a user.

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::auth::{Auth, Identity, Refused};
use crate::limits::Limits;
use crate::server::error::ApiError;
use crate::server::http::body;
use crate::server::http::client::{self, Client};
use crate::server::http::guard::Doors;
use crate::server::http::opener;
use crate::worker::{LIFETIME, Registry};

/// Body of `POST /authenticate`.
#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// `POST /authenticate`: a token for a name and a password.
pub async fn authenticate(
    req: HttpRequest,
    payload: web::Payload,
    limits: web::Data<Limits>,
    auth: web::Data<Auth>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&req, payload, &limits).await?;
    let Ok(Credentials { username, password }) = serde_json::from_slice(&body) else {
        return Err(ApiError::BadRequest("send JSON: {\"username\": \"...\", \"password\": \"...\"}".to_owned()));
    };
    let address = Client::of_request(&req).address;
    let (token, name) = auth.log_in(&username, password, address).await?;
    Ok(HttpResponse::Ok().json(json!({ "token": token, "user_id": &*name })))
}

/// `POST /worker`: a worker for whoever sent a token. Only its user may open the stream, as `subscriber`.
pub async fn worker(
    req: HttpRequest,
    payload: web::Payload,
    limits: web::Data<Limits>,
    workers: web::Data<Registry>,
    doors: web::Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    body::read(&req, payload, &limits).await?;
    let owner = match req.extensions().get::<Identity>() {
        Some(Identity::User(name)) => Some(name.clone()),
        Some(Identity::Token) | None => None,
    };
    let subscriber = owner.as_deref().map(|name| format!("&subscriber={name}")).unwrap_or_default();
    let id = workers
        .create(owner, opener(&req))
        .map_err(|full| ApiError::Unavailable { message: full.to_string(), retry_after: full.retry_after })?;
    let client = Client::of_request(&req);
    let scheme = if client.is_secure { "wss" } else { "ws" };
    let (host, base) = (client::outer_host(&req, &client), &doors.base_path);
    Ok(HttpResponse::Ok().json(json!({
        "id": id.to_string(),
        "url": format!("{scheme}://{host}{base}/connect?id={id}{subscriber}"),
        "message": format!("worker created; connect to its url within {} s", LIFETIME.as_secs()),
    })))
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoUsers => Self::NotFound(
                "nobody can log in here; start the server with --users-file FILE to have users".to_owned(),
            ),
            Refused::Wrong => Self::Unauthorized("the user name or the password is wrong".to_owned()),
            // Rounded up: who comes back earlier is refused again.
            Refused::TooMany(wait) => Self::TooMany {
                message: "too many logins from this address; wait as long as Retry-After says".to_owned(),
                retry_after: Duration::from_secs(wait.as_secs() + 1),
            },
            Refused::Busy => Self::Unavailable {
                message: "too many logins at once; try again".to_owned(),
                retry_after: Duration::from_secs(2),
            },
        }
    }
}
