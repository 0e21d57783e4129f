//! The path below which the server stands, for a proxy that shows it as a part of another site. The guard takes it off each
//! request before routes are looked for, so that no route knows of it.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::http::uri::PathAndQuery;

/// Takes `base` off the request's path. The base itself, without a slash behind it, has another place: the answer that says
/// so comes back, since what the page loads is relative to it. A request that is not below the base stays as it is, so
/// that a proxy may take the base off itself.
pub fn take_off(req: &mut ServiceRequest, base: &str) -> Option<HttpResponse> {
    let rest = req.path().strip_prefix(base).filter(|_| !base.is_empty())?;
    if rest.is_empty() {
        return Some(moved(req, base));
    }
    if !rest.starts_with('/') {
        return None;
    }
    let target = req.uri().path_and_query().map_or(rest, PathAndQuery::as_str);
    let target = target.strip_prefix(base).unwrap_or(rest).to_owned();
    let mut parts = req.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    let uri = Uri::from_parts(parts).ok()?;
    req.match_info_mut().get_mut().update(&uri);
    req.head_mut().uri = uri;
    None
}

fn moved(req: &ServiceRequest, base: &str) -> HttpResponse {
    let query = req.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = HttpResponse::PermanentRedirect().finish();
    if let Ok(place) = HeaderValue::from_str(&format!("{base}/{query}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_base_is_taken_off_once_and_only_whole() {
        for (asked, seen) in [
            ("/monitor/system", "/system"),
            ("/monitor/", "/"),
            ("/monitor/connect?id=1", "/connect?id=1"),
            ("/monitor/monitor/", "/monitor/"),
            ("/monitors/system", "/monitors/system"),
            ("/system", "/system"),
        ] {
            let mut req = TestRequest::with_uri(asked).to_srv_request();
            assert!(take_off(&mut req, "/monitor").is_none());
            assert_eq!(req.uri().path_and_query().unwrap().as_str(), seen, "{asked}");
            assert_eq!(req.match_info().as_str(), seen.split('?').next().unwrap());
        }
        let mut req = TestRequest::with_uri("/monitor").to_srv_request();
        assert!(take_off(&mut req, "").is_none());
        assert_eq!(req.path(), "/monitor");
    }

    #[test]
    fn the_base_without_a_slash_has_another_place() {
        let mut req = TestRequest::with_uri("/monitor?a=b").to_srv_request();
        let answer = take_off(&mut req, "/monitor").unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get(LOCATION).unwrap().to_str().unwrap()),
            (308, "/monitor/?a=b")
        );
    }
}
