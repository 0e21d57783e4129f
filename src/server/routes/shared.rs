//! Carries every answer that is the same for whoever asks: a row of a dialect, out of the newest frame. And who may see what
//! is not for everybody.

use actix_web::web::{self, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Route};

use crate::auth::Identity;
use crate::model::Answer;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::client::Client;
use crate::server::http::json_response;

/// The row's text as JSON, encoded once for all who ask about this frame.
pub async fn shared(answer: &'static Answer, sampler: &Sampler) -> Result<HttpResponse, ApiError> {
    Ok(json_response(sampler.latest(answer.needs).await?.encoded(answer)))
}

/// Whether this client may see command lines: it is on this machine, or proved who it is.
pub fn may_see_command_lines(req: &HttpRequest) -> bool {
    Client::of_request(req).is_local || req.extensions().get::<Identity>().is_some()
}

/// The route of a row.
pub fn route(answer: &'static Answer) -> Route {
    web::to(move |sampler: Data<Sampler>| async move { shared(answer, &sampler).await })
}
