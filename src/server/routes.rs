//! Every route on one screen.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use super::{assets, psmonitor};
use crate::error::ApiError;

/// Who may use a route once tokens are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: it tells nothing about the machine.
    Open,
    /// Whoever holds a token.
    Token,
    /// Whoever holds a worker id, which is a ticket that works once.
    Ticket,
}

/// One route: method, path, who may use it, and what answers.
pub struct Endpoint {
    /// The method. `GET` answers `HEAD` too.
    pub method: Method,
    /// The path pattern.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    route: fn() -> Route,
}

const fn on(method: Method, path: &'static str, access: Access, route: fn() -> Route) -> Endpoint {
    Endpoint { method, path, access, route }
}

use Access::{Open, Ticket, Token};

/// The routes. Order matters only within one path.
pub static ENDPOINTS: &[Endpoint] = &[
    on(Method::GET, "/", Open, || web::to(index)),
    on(Method::POST, "/", Token, || web::to(psmonitor::create)),
    on(Method::GET, "/system", Token, || web::to(psmonitor::system)),
    on(Method::GET, "/network", Token, || web::to(psmonitor::network)),
    on(Method::GET, "/connect", Ticket, || web::to(psmonitor::connect)),
    on(Method::GET, "/ws", Ticket, || web::to(psmonitor::connect)),
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
            let route = (endpoint.route)();
            resource = resource.route(if endpoint.method == Method::GET {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                route.method(endpoint.method.clone())
            });
        }
        app.service(resource.default_service(web::to(wrong_method)));
    }
    app.default_service(web::to(not_found));
}

async fn index(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    assets::index(&req)
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
