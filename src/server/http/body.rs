//! Request bodies, bounded in size and time.

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, error::PayloadError};
use futures_util::StreamExt;

use crate::limits::Limits;
use crate::server::error::ApiError;

/// The whole body, at most the bytes that a body may have and at most for the request time.
pub async fn read(req: &HttpRequest, payload: Payload, limits: &Limits) -> Result<Bytes, ApiError> {
    let limit = limits.body_bytes;
    let declared = req.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    tokio::time::timeout(limits.request_time, collect(payload, limit)).await.unwrap_or_else(|_| {
        let seconds = limits.request_time.as_secs();
        Err(ApiError::TooSlow(format!("the body did not arrive within {seconds} s; send it at once")))
    })
}

async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece =
            piece.map_err(|error: PayloadError| ApiError::BadRequest(format!("the body is broken: {error}")))?;
        if body.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
