//! What can go wrong in a request, and the one table of what status it gets. Made by every handler and by the guard;
//! actix turns it into the answer. What goes wrong at start is `crate::error`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::auth::Ways;
use crate::terminal;

/// Why a request is refused. The body is `{"error": "what was wrong and what to do"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// A login is wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// Nobody whom we know asks: a token is missing or wrong. The answer's `ways` tell a page what to ask a person for.
    #[error("{}", needed(*.0))]
    Stranger(Ways),
    /// The page that asks is not one of ours.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The route has no such method.
    #[error("{path} does not answer {method}; it answers {allow}")]
    MethodNotAllowed {
        /// The route.
        path: String,
        /// What was tried.
        method: String,
        /// What works.
        allow: String,
    },
    /// It cannot be, as things stand.
    #[error("{0}")]
    Conflict(String),
    /// The client was too slow.
    #[error("{0}")]
    TooSlow(String),
    /// The body is larger than this route takes.
    #[error("the body is larger than {limit} bytes; send less")]
    BodyTooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// The host name is not one of ours.
    #[error("{0}")]
    Misdirected(String),
    /// The route is a WebSocket.
    #[error("this is a WebSocket; connect to it with a WebSocket client (ws:// or wss://)")]
    UpgradeRequired,
    /// Too many tries.
    #[error("{message}")]
    TooMany {
        /// What to do.
        message: String,
        /// When to come back.
        retry_after: Duration,
    },
    /// The head is larger than any client of ours needs.
    #[error("the request's head is larger than {limit} bytes; send fewer or shorter headers")]
    HeadTooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// No room or no answer now.
    #[error("{message}")]
    Unavailable {
        /// What to do.
        message: String,
        /// When to come back.
        retry_after: Duration,
    },
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::Stranger(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({ "error": terminal::plain(&self.to_string()) });
        if let Self::Stranger(ways) = self {
            let names = [(ways.token, "token"), (ways.password, "password")];
            body["ways"] = names.into_iter().filter_map(|(is_there, name)| is_there.then_some(name)).collect();
        }
        let mut response = HttpResponse::build(self.status_code()).json(body);
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) | Self::Stranger(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"psmonitor\""));
            }
            Self::MethodNotAllowed { allow, .. } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            Self::TooMany { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            Self::UpgradeRequired => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            // The rest of the body or head is still on its way; this connection is of no more use.
            Self::TooSlow(_) | Self::BodyTooLarge { .. } | Self::HeadTooLarge { .. } => {
                response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            }
            _ => {}
        }
        response
    }
}

/// What to send where a stranger is not let in.
fn needed(ways: Ways) -> &'static str {
    match ways {
        Ways { token: true, password: true } => {
            "this needs a token or a login; send a token, or the one that POST /authenticate gives for a name and a \
             password, as `Authorization: Bearer TOKEN`, or name and password as HTTP Basic"
        }
        Ways { token: false, password: true } => {
            "this needs a login; send name and password to POST /authenticate and the token it gives as \
             `Authorization: Bearer TOKEN`, or both as HTTP Basic"
        }
        Ways { password: false, .. } => {
            "this needs a token; send it as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic"
        }
    }
}

impl From<crate::sampler::StandsStill> for ApiError {
    fn from(error: crate::sampler::StandsStill) -> Self {
        Self::Unavailable { message: error.to_string(), retry_after: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;

    #[test]
    fn a_stranger_is_told_the_ways_there_are() {
        for (token, password, ways, words) in [
            (true, false, json!(["token"]), "this needs a token; "),
            (false, true, json!(["password"]), "this needs a login; "),
            (true, true, json!(["token", "password"]), "this needs a token or a login; "),
        ] {
            let response = ApiError::Stranger(Ways { token, password }).error_response();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
            let bytes = response.into_body().try_into_bytes().unwrap();
            let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(body["ways"], ways);
            assert!(body["error"].as_str().unwrap().starts_with(words), "{body}");
        }
    }
}
