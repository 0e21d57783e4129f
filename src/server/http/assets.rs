//! The dashboard's files, embedded in the binary.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
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

/// Each file, compressed when the program was built.
static COMPRESSED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/compressed.rs"));

/// One of the dashboard's files.
pub fn file(req: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let found =
        Files::get(name).ok_or_else(|| ApiError::NotFound(format!("there is no file {name:?}; open / instead")))?;
    let tag = entity_tag(&found);
    if is_known(req, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, format!("W/{tag}"))).finish());
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, content_type(name)))
        // Weak: the same file has other bytes where it is compressed.
        .insert_header((ETAG, format!("W/{tag}")))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((VARY, "Accept-Encoding"));
    Ok(match compressed(name, found.data.len()).filter(|_| takes_gzip(req)) {
        Some(bytes) => response.insert_header((CONTENT_ENCODING, "gzip")).body(Bytes::from_static(bytes)),
        None => response.body(Bytes::from(found.data.into_owned())),
    })
}

/// The compressed form of a file that has this length. A debug build reads the files from the source folder, as they are
/// now; what was compressed when it was built may be older, and then goes by another length.
fn compressed(name: &str, length: usize) -> Option<&'static [u8]> {
    let (_, bytes) = COMPRESSED.iter().find(|(known, _)| *known == name)?;
    // RFC 1952: the last four bytes are the length of what was compressed.
    let told = u32::from_le_bytes(*bytes.last_chunk()?);
    (u32::try_from(length) == Ok(told)).then_some(*bytes)
}

/// Whether the client takes gzip: named, and not with a weight of nothing.
fn takes_gzip(req: &HttpRequest) -> bool {
    let accepted = req.headers().get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.parse().unwrap_or(0.0));
        is_gzip && weight > 0.0
    })
}

/// By the ending of the name.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;
    use actix_web::test::TestRequest;

    fn asked(encoding: &str) -> HttpResponse {
        file(&TestRequest::get().insert_header((ACCEPT_ENCODING, encoding)).to_http_request(), "app.js").unwrap()
    }

    #[test]
    fn who_takes_gzip_gets_it_and_nobody_else() {
        for (encoding, is_gzip) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("application/json", false),
            ("", false),
        ] {
            let response = asked(encoding);
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), is_gzip, "{encoding}");
            assert_eq!(response.headers().get(VARY).unwrap(), "Accept-Encoding");
            let bytes = response.into_body().try_into_bytes().unwrap();
            assert_eq!(bytes.starts_with(&[0x1f, 0x8b]), is_gzip, "{encoding}");
        }
    }

    #[test]
    fn every_file_is_compressed_and_all_of_them_are_small() {
        let all: Vec<_> = Files::iter().collect();
        assert_eq!(COMPRESSED.len(), all.len());
        for name in all {
            assert!(COMPRESSED.iter().any(|(known, _)| *known == name), "{name}");
        }
        let bytes: usize = COMPRESSED.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 100 * 1024, "{bytes} bytes");
    }

    #[test]
    fn every_file_has_a_type() {
        assert!(Files::iter().any(|name| name == "index.html"));
        for name in Files::iter() {
            assert_ne!(content_type(&name), "application/octet-stream", "{name}");
        }
    }
}
