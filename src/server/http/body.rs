//! Request bodies, bounded in size and time.

use std::io::Read;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, error::PayloadError};
use futures_util::StreamExt;

use crate::limits::Limits;
use crate::server::error::ApiError;

/// The whole body, at most the bytes that a body may have and at most for the request time.
pub async fn read(req: &HttpRequest, payload: Payload, limits: &Limits) -> Result<Bytes, ApiError> {
    read_up_to(req, payload, limits, limits.body_bytes).await
}

/// The same, at most `limit` bytes.
pub async fn read_up_to(req: &HttpRequest, payload: Payload, limits: &Limits, limit: usize) -> Result<Bytes, ApiError> {
    read_into(req, payload, limits, limit, async |_| Ok(())).await
}

/// The same, where each piece waits until there is `room` for its bytes.
pub async fn read_into(
    req: &HttpRequest,
    payload: Payload,
    limits: &Limits,
    limit: usize,
    room: impl AsyncFnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    let declared = req.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    tokio::time::timeout(limits.request_time, collect(payload, limit, room)).await.unwrap_or_else(|_| {
        let seconds = limits.request_time.as_secs();
        Err(ApiError::TooSlow(format!("the body did not arrive within {seconds} s; send it at once")))
    })
}

async fn collect(
    mut payload: Payload,
    limit: usize,
    mut room: impl AsyncFnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece =
            piece.map_err(|error: PayloadError| ApiError::BadRequest(format!("the body is broken: {error}")))?;
        if body.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        room(piece.len()).await?;
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// What a body says that may be packed with gzip, at most `limit` bytes. Unpacking some megabytes takes tens of
/// milliseconds, so a large one goes elsewhere for it.
pub async fn unpacked(req: &HttpRequest, body: Bytes, limit: usize) -> Result<Bytes, ApiError> {
    let mut encodings = req.headers().get_all(CONTENT_ENCODING);
    let encoding = encodings.next().map_or(Ok("identity"), |encoding| encoding.to_str());
    match encoding.map(str::trim) {
        Ok(plain) if plain.is_empty() || plain.eq_ignore_ascii_case("identity") => Ok(body),
        Ok(gzip) if gzip.eq_ignore_ascii_case("gzip") && encodings.next().is_none() => {
            let unpacked = tokio::task::spawn_blocking(move || unpack(&body, limit)).await;
            unpacked.unwrap_or_else(|error| Err(ApiError::BadRequest(error.to_string())))
        }
        _ => {
            Err(ApiError::BadRequest("this takes bodies as they are or packed with gzip; send one of both".to_owned()))
        }
    }
}

fn unpack(body: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let mut all = Vec::new();
    let unpacked = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut all);
    match unpacked {
        Err(error) => Err(ApiError::BadRequest(format!("the body is no gzip ({error}); send it as it is"))),
        Ok(bytes) if bytes > limit => Err(ApiError::BodyTooLarge { limit }),
        Ok(_) => Ok(all.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_packed_body_is_no_larger_than_a_plain_one_may_be() {
        let pack = |size: usize| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(&vec![b' '; size]).unwrap();
            out.finish().unwrap()
        };
        assert_eq!(unpack(&pack(1_000), 1_000).unwrap().len(), 1_000);
        assert_eq!(unpack(&pack(1_001), 1_000), Err(ApiError::BodyTooLarge { limit: 1_000 }));
        assert_eq!(unpack(&pack(64 << 20), 1 << 20), Err(ApiError::BodyTooLarge { limit: 1 << 20 }));
        let cut = pack(1_000);
        assert!(matches!(unpack(&cut[..cut.len() - 9], 1_000), Err(ApiError::BadRequest(_))));
        assert!(matches!(unpack(b"{}", 1_000), Err(ApiError::BadRequest(_))));
    }
}
