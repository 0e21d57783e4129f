//! Who gets in: the `Host` that a request names, the page that it comes from, and what the answer tells browsers.
//!
//! Wraps every route, upgrades included. A monitor on loopback is reachable by every web page its owner opens; what keeps
//! those out is that a foreign page cannot choose its `Origin`, and a rebound name cannot choose our `Host`.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};
use uuid::Uuid;

use super::answering::{Answering, AnsweringBody};
use super::client::Client;
use super::connection::Connection;
use super::{base_path, basic, bearer, host_of, is_upgrade};
use crate::auth::{Auth, Reporting};
use crate::config::{AllowOrigins, Config, TrustedProxy};
use crate::origin::{self, Origin};
use crate::server::error::ApiError;
use crate::worker::{Registry, Worker};

/// Methods that a foreign page may use.
const CORS_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// Headers that a foreign page may send.
const CORS_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, Last-Event-ID");
/// How long a browser may remember a preflight, seconds.
const CORS_MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Headers of ours that a foreign page may read.
const CORS_EXPOSE: HeaderValue = HeaderValue::from_static("Retry-After, WWW-Authenticate");

/// The target under which the log has a line for each answer.
const ACCESS_LOG: &str = "psmonitor::access";

/// Most bytes of a path or a method in the log: whoever asks chooses it, and the log is not theirs to fill.
const LONGEST_LOGGED: usize = 256;

/// What the holder of a token is told that hands in reports.
pub const REPORTS_ONLY: &str = "this token hands in reports and opens nothing else; use one that stands in the token file \
                                without the word `report`";

/// What a page of another origin is told that does not say which it is.
const ANOTHER_PAGE: &str = "a page of another site may ask for this only with an Origin header, and only if started with --allow-origin ORIGIN";

/// What the dashboard may load: its own files and nothing else.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Who may use a route once tokens are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: it tells nothing about the machine.
    Open,
    /// Whoever holds a token.
    Token,
    /// Whoever holds a token, one that hands in reports too.
    Report,
    /// Whoever holds a token, or a worker id as `?ticket=`, which works once.
    Stream,
    /// Whoever holds a worker id as `?id=`; the route itself takes it.
    Worker,
}

/// Stands in the extensions of a request whose token hands in reports, and says of whom.
pub struct Reporter(pub Reporting);

/// What the guard asks. One instance for all worker threads.
pub struct Doors {
    /// Names and pages. Read at each request for the time of a clone, written at SIGHUP.
    pub policy: RwLock<Arc<Policy>>,
    /// Who somebody is.
    pub auth: web::Data<Auth>,
    /// Whose ids are tickets.
    pub workers: web::Data<Registry>,
    /// Most bytes of a request's head.
    pub head_bytes: usize,
    /// Whether every connection over TCP is encrypted.
    pub is_secure: bool,
    /// The path below which the server stands; empty for none.
    pub base_path: String,
    /// Who may use a path with a method; whether the request asks for a WebSocket comes last. The table of routes knows.
    pub access: fn(&Method, &str, bool) -> Access,
}

impl Doors {
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this policy counts.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

/// By which names we are known and which foreign pages may read. Made once from the configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    hosts: Vec<String>,
    origins: AllowOrigins,
    trusted: Vec<TrustedProxy>,
}

impl Policy {
    /// The policy of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let named = config.listen.iter().map(|listen| listen.host.to_ascii_lowercase());
        let addresses = config.listen.iter().flat_map(|listen| &listen.addresses);
        let hosts = config.allow_hosts.iter().cloned().chain(named);
        let hosts = hosts.chain(addresses.filter(|a| !a.ip().is_unspecified()).map(|a| a.ip().to_string())).collect();
        Self { hosts, origins: config.allow_origins.clone(), trusted: config.trusted_proxies.clone() }
    }

    /// Whether `authority` (host with or without port) names this server as reached at `local`.
    fn knows(&self, authority: &str, local: Option<std::net::IpAddr>) -> bool {
        let Some(name) = origin::host_name(authority) else { return false };
        if origin::is_loopback(name) {
            return true;
        }
        if let Ok(ip) = name.parse::<std::net::IpAddr>() {
            let ip = ip.to_canonical();
            return local == Some(ip) || self.hosts.iter().any(|host| host.parse() == Ok(ip));
        }
        let name = name.trim_end_matches('.');
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    /// Whether a page of `origin` may read what a request to `host` over `scheme` answers. A page of the same host that came
    /// over TLS is our own behind a proxy that ends TLS: nobody else has a certificate for the name. `is_here` says that the
    /// request comes from this machine.
    fn admits(&self, origin: &str, scheme: &str, host: &str, is_here: bool) -> bool {
        if self.origins == AllowOrigins::Any {
            return true;
        }
        let Some(page) = Origin::parse(origin) else { return false };
        let is_page_of = |scheme: &str| Origin::parse(&format!("{scheme}://{host}")).is_some_and(|own| own == page);
        let is_same = is_page_of(scheme) || is_page_of("https");
        let both_loopback = is_here && origin::is_loopback(page.host);
        let listed = matches!(&self.origins, AllowOrigins::Listed(all) if all.iter().any(|one| Origin::parse(one).as_ref() == Some(&page)));
        is_same || both_loopback || listed
    }
}

/// The middleware.
pub async fn guard(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<AnsweringBody>, actix_web::Error> {
    let begin = Instant::now();
    let connection = req.conn_data::<Rc<Connection>>().cloned();
    let answering = connection.as_ref().map(|connection| Answering::begin(connection, req.head()));
    let doors = req.app_data::<web::Data<Doors>>().cloned();
    let length = req.path().len();
    let moved = doors.as_ref().and_then(|doors| base_path::take_off(&mut req, &doors.base_path));
    let is_below_base = req.path().len() < length;
    // A page that may ask may also read that it needs a token.
    let (origin, verdict) = match admit(&req, connection.as_deref()) {
        // Where the base path is tells nothing.
        Ok(origin) => (origin, if moved.is_some() { Ok(()) } else { authorize(&req).await }),
        Err(error) => (None, Err(error)),
    };
    let mut response: ServiceResponse<BoxBody> = match (verdict, moved) {
        (Err(error), _) => req.into_response(error.error_response()),
        (Ok(()), Some(elsewhere)) => req.into_response(elsewhere),
        (Ok(()), None) if req.method() == Method::OPTIONS => {
            let response = preflight(req.headers(), origin.is_some());
            req.into_response(response)
        }
        (Ok(()), None) => next.call(req).await?.map_into_boxed_body(),
    };
    let is_any = doors.as_ref().is_some_and(|doors| doors.policy().origins == AllowOrigins::Any);
    dress(response.headers_mut(), origin, is_any);
    let is_upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // Whoever offers another protocol (h2c, as some clients do) is answered in this one. actix takes all that follows for
    // that protocol's, so the connection ends, and the answer must say so.
    if response.request().head().upgrade() && !is_upgraded {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(connection) = &connection
        && response.response().head().connection_type() == ConnectionType::Close
    {
        connection.says_farewell();
    }
    // What the line is made of is only put together when somebody reads it.
    let level = if response.status().as_u16() >= 400 { log::Level::Info } else { log::Level::Debug };
    if log::log_enabled!(target: ACCESS_LOG, level) {
        let (request, status) = (response.request(), response.status().as_u16());
        let (method, path) = (head_of(request.method().as_str()), head_of(request.path()));
        let base = doors.as_ref().filter(|_| is_below_base).map_or("", |doors| &doors.base_path);
        let milliseconds = begin.elapsed().as_secs_f64() * 1000.0;
        let client = Client::of_request(request);
        log::log!(target: ACCESS_LOG, level, "{client} {method} {base}{path} {status} {milliseconds:.1} ms");
    }
    Ok(response.map_body(|_, body| AnsweringBody::new(body, answering, is_upgraded)))
}

/// What the log shows of a text that a client chose.
fn head_of(text: &str) -> Cow<'_, str> {
    match text.floor_char_boundary(LONGEST_LOGGED) {
        end if end < text.len() => format!("{}…", &text[..end]).into(),
        _ => text.into(),
    }
}

/// Head size, host and origin. The origin of the page that the answer is for comes back, if a page asks.
fn admit(req: &ServiceRequest, connection: Option<&Connection>) -> Result<Option<HeaderValue>, ApiError> {
    let Some(doors) = req.app_data::<web::Data<Doors>>() else { return Ok(None) };
    let policy = doors.policy();
    let head: usize = req.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head + req.uri().path_and_query().map_or(0, |target| target.as_str().len()) > doors.head_bytes {
        return Err(ApiError::HeadTooLarge { limit: doors.head_bytes });
    }
    let client = Client::of(connection, req.headers(), &policy.trusted, doors.is_secure)?;
    req.extensions_mut().insert(client.clone());
    let local = connection.and_then(|connection| connection.local).map(|local| local.ip().to_canonical());
    let host = if is_nameless_check(req) { None } else { Some(host_of(req.headers())?) };
    // A request in absolute form names the host a second time, and a proxy that one which its client called; all must be ours.
    let in_target = req.uri().authority().map(actix_web::http::uri::Authority::as_str);
    let mut names = host.into_iter().chain(in_target).chain(client.host.as_deref());
    if let Some(foreign) = names.find(|name| !policy.knows(name, local)) {
        return Err(ApiError::Misdirected(format!(
            "this server is not known as {foreign:?}; if it should be, start it with --allow-host NAME"
        )));
    }
    let mut origins = req.headers().get_all(header::ORIGIN);
    let Some(origin) = origins.next() else {
        let is_foreign = policy.origins != AllowOrigins::Any && is_of_another_page(req, doors);
        return if is_foreign { Err(ApiError::Forbidden(ANOTHER_PAGE.to_owned())) } else { Ok(None) };
    };
    let text = origin.to_str().unwrap_or_default();
    let outer = client.host.as_deref().or(host).unwrap_or_default();
    let is_here = client.is_local && local.is_some_and(|local| local.is_loopback());
    if origins.next().is_some() || !policy.admits(text, client.scheme(), outer, is_here) {
        return Err(ApiError::Forbidden(format!(
            "pages from {text:?} may not read from this server; if they should, start it with --allow-origin ORIGIN"
        )));
    }
    Ok(Some(origin.clone()))
}

/// Whether this is the check of a load balancer or an old monitoring program: HTTP/1.0 has no `Host`, and no browser leaves
/// it out. What it may ask tells nothing about the machine.
fn is_nameless_check(req: &ServiceRequest) -> bool {
    let is_check = match *req.method() {
        Method::GET | Method::HEAD => req.path() == "/healthz",
        Method::OPTIONS => true,
        _ => false,
    };
    is_check && req.version() == Version::HTTP_10 && !req.headers().contains_key(header::HOST)
}

/// Whether a browser says that a page of another origin asks for this without naming itself: an image, a script, a frame,
/// a form of a page that hides where it is from. Only that a person follows a link is fine, wherever it stands, to whatever
/// has an end: the page learns nothing by it. Browsers tell this (Fetch Metadata) on https and to loopback; other programs
/// do not tell it.
fn is_of_another_page(req: &ServiceRequest, doors: &Doors) -> bool {
    let told = |name: &str, is: fn(&[u8]) -> bool| req.headers().get_all(name).any(|value| is(value.as_bytes()));
    if !told("sec-fetch-site", |site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let is_link = *req.method() == Method::GET
        && told("sec-fetch-mode", |mode| mode == b"navigate")
        && told("sec-fetch-dest", |dest| dest == b"document");
    let access = (doors.access)(req.method(), req.path(), is_upgrade(req.request()));
    !(is_link && matches!(access, Access::Open | Access::Token))
}

/// Where anybody must prove who they are: a token in the header, or name and password, or for streams a ticket that works
/// once. Who it is goes into the request's extensions. A name and password where nothing is asked are not looked at, and
/// none are ever asked for: a browser would keep them and send them along with whatever another page makes it ask.
async fn authorize(req: &ServiceRequest) -> Result<(), ApiError> {
    let Some(doors) = req.app_data::<web::Data<Doors>>() else { return Ok(()) };
    if !doors.auth.is_on() {
        return Ok(());
    }
    if let Some(identity) = doors.auth.identify(bearer(req.headers())) {
        req.extensions_mut().insert(identity);
        return Ok(());
    }
    let access = (doors.access)(req.method(), req.path(), is_upgrade(req.request()));
    let is_admitted = match access {
        Access::Open | Access::Worker => true,
        // A preflight carries no token by design and is answered with nothing but permissions.
        _ if req.method() == Method::OPTIONS => true,
        Access::Stream => {
            let worker = ticket(req.query_string()).and_then(|id| doors.workers.claim(&id));
            let is_admitted = worker.is_some();
            if let Some(Worker { opener: Some(opener), .. }) = worker {
                req.extensions_mut().insert(opener);
            }
            is_admitted
        }
        Access::Token | Access::Report => false,
    };
    if is_admitted {
        return Ok(());
    }
    let basic = basic(req.headers());
    let token = bearer(req.headers()).or(basic.as_ref().map(|(_, password)| password.as_str()));
    if let Some(reporting) = token.and_then(|token| doors.auth.may_report(token)) {
        req.extensions_mut().insert(Reporter(reporting));
        return if access == Access::Report { Ok(()) } else { Err(ApiError::Forbidden(REPORTS_ONLY.to_owned())) };
    }
    if let Some((name, password)) = basic {
        let address = Client::of_request(req.request()).address;
        let opener = doors.auth.opener(&name, &password);
        let identity = doors.auth.identify_basic(&name, &password, address).await?;
        req.extensions_mut().insert(identity);
        req.extensions_mut().insert(opener);
        return Ok(());
    }
    Err(ApiError::Stranger(doors.auth.ways()))
}

/// The worker id of `?ticket=`.
fn ticket(query: &str) -> Option<Uuid> {
    query.split('&').find_map(|pair| pair.strip_prefix("ticket="))?.parse().ok()
}

fn preflight(asked: &HeaderMap, is_cors: bool) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, CORS_METHODS);
    if is_cors {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, CORS_METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, CORS_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, CORS_MAX_AGE);
        if asked.contains_key("access-control-request-private-network") {
            headers.insert(
                HeaderName::from_static("access-control-allow-private-network"),
                HeaderValue::from_static("true"),
            );
        }
    }
    response
}

/// Headers that every answer carries.
fn dress(headers: &mut HeaderMap, origin: Option<HeaderValue>, is_any: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static(if origin.is_some() { "cross-origin" } else { "same-origin" }),
    );
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        let allowed = if is_any { HeaderValue::from_static("*") } else { origin };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, CORS_EXPOSE);
    }
}
