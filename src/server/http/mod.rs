//! HTTP itself: where the server listens, who gets in, what a connection and a body may cost, the files of the page. Knows
//! no dialect and no stream's content.

pub mod assets;
pub mod body;
pub mod connection;
pub mod guard;
pub mod listener;
pub mod tls;
pub mod url;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderName};
use bytestring::ByteString;

/// Header of a JSON answer.
pub const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// A JSON answer from bytes that many share.
pub fn json_response(body: ByteString) -> HttpResponse {
    HttpResponse::Ok().insert_header(JSON).body(body.into_bytes())
}
