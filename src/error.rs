//! What can go wrong: at start ([`StartupError`]: one line and an exit code) and in a request ([`ApiError`]: one status
//! table).

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::model::ReadError;
use crate::terminal;

/// Why the program cannot run. Each text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A flag, variable or file says something that makes no sense.
    #[error("{0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}", listen_hint(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A host name in `--listen` or `--address` has no address.
    #[error("cannot find an address for {host:?}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's answer.
        reason: String,
    },
    /// The machine's numbers cannot be read at all.
    #[error("cannot read the machine's numbers: {0}; is /proc mounted, and is --procfs right?")]
    Unreadable(ReadError),
    /// The history cannot be kept where it should be.
    #[error("--data-dir: {0}")]
    History(#[from] crate::history::HistoryError),
    /// Anything else of the system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What to do about an address that cannot be listened on.
fn listen_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "stop whatever uses it or choose another with --listen or --port",
        std::io::ErrorKind::PermissionDenied => "choose a port of 1024 or above with --listen or --port",
        std::io::ErrorKind::AddrNotAvailable => {
            "it is no address of this machine; choose one with --listen or --address"
        }
        _ => "choose another with --listen or --port",
    }
}

impl StartupError {
    /// 2 for what was typed wrong, 1 for what the machine refuses.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Resolve { .. } => 2,
            Self::Listen { .. } | Self::Unreadable(_) | Self::History(_) | Self::Io { .. } => 1,
        }
    }
}

/// Why a request is refused. The body is `{"error": "what was wrong and what to do"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// A token is missing or wrong.
    #[error("{0}")]
    Unauthorized(String),
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
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
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
        let mut response =
            HttpResponse::build(self.status_code()).json(json!({ "error": terminal::plain(&self.to_string()) }));
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) => {
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

impl From<crate::sampler::StandsStill> for ApiError {
    fn from(error: crate::sampler::StandsStill) -> Self {
        Self::Unavailable { message: error.to_string(), retry_after: Duration::from_secs(5) }
    }
}
