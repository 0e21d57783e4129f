//! Every route on one screen; the handlers of each dialect are a file of their own.

mod glances;
mod heartbeat;
mod login;
mod metrics;
mod native;
mod openapi;
mod process_monitor;
mod psiod;
mod psmonitor;
mod shared;
mod systems;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use crate::dialect as words;
use crate::model::Answer;
use crate::sampler::Sampler;
use crate::server::error::ApiError;
use crate::server::http::assets;
pub use crate::server::http::guard::Access;
use crate::server::http::is_upgrade;
use crate::server::machine::Machine;
use crate::server::stream::Streams;
pub use heartbeat::ProcessReads;
pub use metrics::own as own_stats;
pub use native::HistoryQueries;
pub use psiod::Psiod;
pub use systems::{PushCounts, Reports};

/// One route: method, path, who may use it, and what answers.
pub struct Endpoint {
    /// The method. `GET` answers `HEAD` too.
    pub method: Method,
    /// The path pattern.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    handler: Handler,
}

/// What answers.
enum Handler {
    /// A function of a dialect's file.
    Own(fn() -> Route),
    /// A dialect's row, the same for everybody.
    Shared(&'static Answer),
}

const fn on(method: Method, path: &'static str, access: Access, route: fn() -> Route) -> Endpoint {
    Endpoint { method, path, access, handler: Handler::Own(route) }
}

/// `GET` of a row's own path, for whoever holds a token.
const fn row(answer: &'static Answer) -> Endpoint {
    Endpoint { method: Method::GET, path: answer.name, access: Token, handler: Handler::Shared(answer) }
}

use Access::{Open, Report, Stream, Token, Worker};

/// The routes. Order matters only within one path.
pub static ENDPOINTS: &[Endpoint] = &[
    on(Method::GET, "/", Open, || web::to(index)),
    on(Method::POST, "/", Report, || web::to(psmonitor::create)),
    on(Method::POST, "/authenticate", Open, || web::to(login::authenticate)),
    on(Method::POST, "/worker", Token, || web::to(login::worker)),
    row(&words::psmonitor::SYSTEM),
    row(&words::psmonitor::NETWORK),
    on(Method::GET, "/connect", Worker, || web::to(psmonitor::connect)),
    on(Method::GET, "/ws", Worker, || web::to(psmonitor::connect)),
    row(&words::heartbeat::CPU),
    row(&words::heartbeat::MEMORY),
    row(&words::heartbeat::DISK),
    row(&words::heartbeat::DISKIO),
    row(&words::heartbeat::NETWORK),
    row(&words::heartbeat::UPTIME),
    on(Method::GET, "/api/process", Token, || web::to(heartbeat::process)),
    row(&words::heartbeat::PLATFORM),
    row(&words::heartbeat::CPUMODEL),
    on(Method::GET, "/api/processes", Stream, || web::to(process_monitor::processes)),
    row(&words::native::SNAPSHOT),
    on(Method::GET, "/api/v1/stream", Stream, || web::to(native::stream)),
    on(Method::GET, "/api/v1/history", Token, || web::to(native::history)),
    on(Method::GET, "/api/v1/about", Token, || web::to(psiod::about)),
    on(Method::POST, "/api/v1/kill", Token, || web::to(psiod::kill)),
    on(Method::GET, "/api/v1/openapi.json", Token, || web::to(openapi::document)),
    on(Method::GET, "/systems", Token, || web::to(systems::list)),
    on(Method::POST, "/systems", Report, || web::to(systems::take)),
    on(Method::GET, "/systems/{id}", Token, || web::to(systems::last)),
    on(Method::GET, "/systems/{id}/history", Token, || web::to(systems::history)),
    on(Method::GET, "/api/{version}/status", Open, || web::to(glances::status)),
    on(Method::GET, "/api/{version}/pluginslist", Token, || web::to(glances::plugins_list)),
    on(Method::GET, "/api/{version}/{plugin}", Token, || web::to(glances::plugin)),
    on(Method::GET, "/api/{version}/{plugin}/limits", Token, || web::to(glances::nothing)),
    on(Method::GET, "/api/{version}/{plugin}/views", Token, || web::to(glances::nothing)),
    on(Method::GET, "/api/{version}/{plugin}/history", Token, || web::to(glances::history)),
    on(Method::GET, "/api/{version}/{plugin}/{item}", Token, || web::to(glances::item)),
    on(Method::GET, "/api/{version}/{plugin}/top/{count}", Token, || web::to(glances::top)),
    on(Method::GET, "/api/{version}/{plugin}/history/{count}", Token, || web::to(glances::last)),
    on(Method::GET, "/api/{version}/{plugin}/{item}/history", Token, || web::to(glances::item_history)),
    on(Method::GET, "/api/{version}/{plugin}/{item}/{key}", Token, || web::to(glances::key)),
    on(Method::GET, "/api/{version}/{plugin}/{item}/history/{count}", Token, || web::to(glances::item_last)),
    on(Method::GET, "/api/{version}/{plugin}/{item}/value/{value}", Token, || web::to(glances::value)),
    on(Method::GET, "/metrics", Token, || web::to(metrics::metrics)),
    on(Method::GET, "/healthz", Open, || web::to(health)),
    on(Method::GET, "/static/{name}", Open, || web::to(asset)),
    on(Method::GET, "/favicon.ico", Open, || web::to(favicon)),
];

/// Registers every route, with a 405 for other methods and a 404 for other paths.
pub fn configure(app: &mut web::ServiceConfig) {
    for (at, first) in ENDPOINTS.iter().enumerate() {
        if ENDPOINTS[..at].iter().any(|earlier| earlier.path == first.path) {
            continue;
        }
        let mut resource = web::resource(first.path);
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.path == first.path) {
            let route = match endpoint.handler {
                Handler::Own(route) => route(),
                Handler::Shared(answer) => shared::route(answer),
            };
            resource = resource.route(if endpoint.method == Method::GET {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                route.method(endpoint.method.clone())
            });
        }
        app.service(resource.default_service(web::to(wrong_method)));
    }
    app.app_data(
        web::QueryConfig::default().error_handler(|error, _| {
            ApiError::BadRequest(format!("the part after ? is not understood: {error}")).into()
        }),
    );
    app.default_service(web::to(not_found));
}

/// Who may use a path with a method. A path that does not exist is for those with a token: a stranger learns nothing.
#[must_use]
pub fn access(method: &Method, path: &str, asks_upgrade: bool) -> Access {
    let is = |endpoint: &&Endpoint| endpoint.path == path || fits(endpoint.path, path);
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let found = ENDPOINTS.iter().filter(is).find(|endpoint| endpoint.method == *method);
    match found.map(|endpoint| endpoint.access) {
        // The dashboard's address is also psiod's.
        Some(Open) if asks_upgrade && *method == Method::GET => Stream,
        Some(access) => access,
        None => Token,
    }
}

/// Whether `path` fits a pattern with `{name}` for one segment.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() || wanted == given => {}
            _ => return false,
        }
    }
}

/// `GET /`: the dashboard, or psiod's WebSocket.
async fn index(
    req: HttpRequest,
    payload: web::Payload,
    psiod: web::Data<Psiod>,
    streams: web::Data<Streams>,
) -> Result<HttpResponse, ApiError> {
    if is_upgrade(&req) {
        return psiod::connect(&req, payload, psiod, &streams);
    }
    assets::index(&req)
}

/// `GET /healthz`: whether the sampler is alive, whether what it sees is a container, and nothing else.
async fn health(sampler: web::Data<Sampler>, machine: web::Data<dyn Machine>) -> HttpResponse {
    if sampler.is_alive() {
        let body = if machine.is_container() { "ok (a container's view)\n" } else { "ok\n" };
        HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(body)
    } else {
        HttpResponse::ServiceUnavailable().content_type("text/plain; charset=utf-8").body("the sampler stands still\n")
    }
}

async fn asset(req: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    assets::file(&req, &name)
}

async fn favicon(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    assets::file(&req, "favicon.svg")
}

async fn wrong_method(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let pattern = req.match_pattern().unwrap_or_default();
    let mut allow: Vec<&str> = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.path == pattern) {
        allow.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allow.push("HEAD");
        }
    }
    allow.push("OPTIONS");
    Err(ApiError::MethodNotAllowed {
        path: req.path().to_owned(),
        method: req.method().to_string(),
        allow: allow.join(", "),
    })
}

async fn not_found(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound(format!("there is no {:?} here; open / for the dashboard", req.path())))
}
