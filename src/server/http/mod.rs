//! HTTP itself: where the server listens, who gets in, what a connection and a body may cost, the files of the page. Knows
//! no dialect and no stream's content.

pub mod answering;
pub mod assets;
pub mod base_path;
pub mod body;
pub mod client;
pub mod connection;
pub mod connection_list;
pub mod connection_share;
pub mod guard;
pub mod listener;
pub mod paced;
mod send_queue;
pub mod tls;
pub mod transport;

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytestring::ByteString;

use crate::auth::{Identity, Opener};
use crate::server::error::ApiError;

/// Header of a JSON answer.
pub const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// A JSON answer from bytes that many share.
pub fn json_response(body: ByteString) -> HttpResponse {
    HttpResponse::Ok().insert_header(JSON).body(body.into_bytes())
}

/// Whether the request asks for a WebSocket.
#[must_use]
pub fn is_upgrade(req: &HttpRequest) -> bool {
    let asks = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("websocket")))
    };
    req.headers().get_all(UPGRADE).any(asks)
}

/// The token of `Authorization: Bearer TOKEN`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Name and password of `Authorization: Basic`. The name ends at the first colon.
#[must_use]
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let encoded = Some(encoded.trim()).filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// What a stream is opened with by a request that went through the guard. `None` where nothing was asked.
#[must_use]
pub fn opener(req: &HttpRequest) -> Option<Opener> {
    let extensions = req.extensions();
    // The guard leaves what does not stand in the header as it is: a ticket's, a password's.
    let left = || extensions.get::<Opener>().cloned();
    let sent = || extensions.get::<Identity>().and_then(|_| bearer(req.headers())).map(Opener::token);
    left().or_else(sent)
}

/// The raw `Host`, exactly one. What a proxy forwards is [`client`]'s business.
pub fn host_of(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut all = headers.get_all(HOST);
    let host = all.next().and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    match (host, all.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(ApiError::BadRequest("send exactly one Host header".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_only() {
        for (sent, token) in [
            ("Bearer 0123", Some("0123")),
            (" bearer  0123 ", Some("0123")),
            ("Basic 0123", None),
            ("0123", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(sent));
            assert_eq!(bearer(&headers), token, "{sent:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn name_and_password_come_as_basic_only() {
        for (sent, expected) in [
            ("Basic YW5uOnNlY3JldA==", Some(("ann", "secret"))),
            (" basic  YW5uOmE6Yg== ", Some(("ann", "a:b"))),
            ("Basic Og==", Some(("", ""))),
            ("Basic YW5u", None),
            ("Basic YW5uOnNlY3JldA", None),
            ("Basic /w==", None),
            ("Basic", None),
            ("Bearer YW5uOnNlY3JldA==", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(sent));
            let expected = expected.map(|(name, password)| (name.to_owned(), password.to_owned()));
            assert_eq!(basic(&headers), expected, "{sent:?}");
        }
        assert_eq!(basic(&HeaderMap::new()), None);
    }
}
