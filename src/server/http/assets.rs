//! The dashboard's files, embedded in the binary.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{Embed, EmbeddedFile};

use crate::server::error::ApiError;

#[derive(Embed)]
#[folder = "static/"]
struct Files;

/// The dashboard's page.
pub fn index(req: &HttpRequest) -> Result<HttpResponse, ApiError> {
    file(req, "index.html")
}

/// One of the dashboard's files.
pub fn file(req: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let found =
        Files::get(name).ok_or_else(|| ApiError::NotFound(format!("there is no file {name:?}; open / instead")))?;
    let tag = entity_tag(&found);
    if is_known(req, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(Bytes::from(found.data.into_owned())))
}

/// Whether the client says that it already has what bears this tag.
pub fn is_known(req: &HttpRequest, tag: &str) -> bool {
    let known = req.headers().get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag))
}

fn entity_tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
