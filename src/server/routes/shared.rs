//! Carries every answer that is the same for whoever asks: a row of a dialect, out of the newest frame.

use actix_web::web::{self, Data};
use actix_web::{HttpResponse, Route};

use crate::model::Answer;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::json_response;

/// The row's text as JSON, encoded once for all who ask about this frame.
pub async fn shared(answer: &'static Answer, sampler: &Sampler) -> Result<HttpResponse, ApiError> {
    Ok(json_response(sampler.latest(answer.needs).await?.encoded(answer)))
}

/// The route of a row.
pub fn route(answer: &'static Answer) -> Route {
    web::to(move |sampler: Data<Sampler>| async move { shared(answer, &sampler).await })
}
