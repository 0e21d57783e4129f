//! The dashboard's files, in the binary as `build.rs` compressed them. A client that takes no gzip gets them unpacked.

use std::io::Read;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::read::GzDecoder;

use crate::server::error::ApiError;

/// The dashboard's page.
pub fn index(req: &HttpRequest) -> Result<HttpResponse, ApiError> {
    file(req, "index.html")
}

/// Name and compressed bytes of each file.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/compressed.rs"));

/// One of the dashboard's files.
pub fn file(req: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let missing = || ApiError::NotFound(format!("there is no file {name:?}; open / instead"));
    let &(_, bytes) = found.ok_or_else(missing)?;
    let tag = entity_tag(bytes);
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
    if takes_gzip(req) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(Bytes::from_static(bytes)));
    }
    let mut plain = Vec::new();
    // Cannot fail with what build.rs made; if it did, the client would rather have all that there is.
    let _ = GzDecoder::new(bytes).read_to_end(&mut plain);
    Ok(response.body(plain))
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

/// Checksum and length of what was compressed, which a gzip file ends with (RFC 1952).
fn entity_tag(compressed: &[u8]) -> String {
    let end = compressed.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    format!("\"{end:016x}\"")
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
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let (name, text) = (path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
            let (_, bytes) = FILES.iter().find(|(known, _)| *known == name).unwrap();
            let mut plain = Vec::new();
            GzDecoder::new(*bytes).read_to_end(&mut plain).unwrap();
            assert!(plain == text, "{name}");
            count += 1;
        }
        assert_eq!(FILES.len(), count);
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 100 * 1024, "{bytes} bytes");
    }

    #[test]
    fn every_file_has_a_type() {
        assert!(FILES.iter().any(|(name, _)| *name == "index.html"));
        for (name, _) in FILES {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
    }
}
