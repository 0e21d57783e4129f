//! `GET /api/v1/openapi.json`: what every route takes and answers, as a document of `OpenAPI`.
//!
//! The document is written by hand in the JSON files of this folder: `document.json` with what all have in common,
//! `paths.json`, and a file of schemas for each dialect. Here they are put together and the program's version is filled
//! in. Tests keep it true: here that it lists the routes and who may use them, outside that real answers fit its schemas.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::server::http::guard::Doors;
use crate::server::http::{self, assets};

/// A part, as `build.rs` made it small.
macro_rules! part {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

const DOCUMENT: &str = part!("document.json");
const PATHS: &str = part!("paths.json");
const SCHEMAS: [&str; 7] = [
    part!("native.json"),
    part!("psmonitor.json"),
    part!("glances.json"),
    part!("heartbeat.json"),
    part!("process_monitor.json"),
    part!("psiod.json"),
    part!("systems.json"),
];

/// What stands in `document.json` for the parts; each once.
const VERSION_MARK: &str = "PROGRAM_VERSION";
const SERVER_MARK: &str = "\"url\": \"/\"";
const PATHS_MARK: &str = "\"PATHS\"";
const SCHEMAS_MARK: &str = "\"SCHEMAS\": \"SCHEMAS\"";

struct Served {
    text: Bytes,
    entity_tag: String,
}

/// Made at the first request, the same until the program ends.
static SERVED: OnceLock<Served> = OnceLock::new();

/// The document of a server that stands below `base`.
fn made(base: &str) -> Served {
    let schemas: Vec<&str> = SCHEMAS.iter().map(|file| members(file)).collect();
    let text = DOCUMENT
        .replacen(VERSION_MARK, env!("CARGO_PKG_VERSION"), 1)
        .replacen(SERVER_MARK, &format!("\"url\": \"{base}/\""), 1)
        .replacen(PATHS_MARK, PATHS.trim_end(), 1)
        .replacen(SCHEMAS_MARK, &schemas.join(","), 1);
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Served { entity_tag: format!("\"{:016x}\"", hasher.finish()), text: text.into() }
}

/// The members of a JSON object, without the braces around them.
fn members(object: &str) -> &str {
    let object = object.trim();
    object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(object).trim_end()
}

/// `GET /api/v1/openapi.json`.
pub async fn document(req: HttpRequest) -> HttpResponse {
    let doors = req.app_data::<web::Data<Doors>>();
    let served = SERVED.get_or_init(|| made(doors.map_or("", |doors| &doors.base_path)));
    let tag = &*served.entity_tag;
    if assets::is_known(&req, tag) {
        return HttpResponse::NotModified().insert_header((ETAG, tag)).finish();
    }
    HttpResponse::Ok()
        .insert_header(http::JSON)
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(served.text.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::http::header::IF_NONE_MATCH;
    use actix_web::test::TestRequest;
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::{self, native};
    use crate::model::Snapshot;
    use crate::model::network::Wireless;
    use crate::server::routes::{Access, ENDPOINTS};

    const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

    fn parsed() -> Value {
        serde_json::from_slice(&made("").text).unwrap()
    }

    /// Method, path, operation.
    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter().filter(|(key, _)| METHODS.contains(&key.as_str()));
            operations.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
        });
        all.collect()
    }

    #[test]
    fn every_route_is_described_and_no_other() {
        let described: BTreeSet<_> =
            operations(&parsed()).into_iter().map(|(method, path, _)| (method, path)).collect();
        let served: BTreeSet<_> =
            ENDPOINTS.iter().map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned())).collect();
        assert_eq!(described.difference(&served).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
        assert_eq!(served.difference(&described).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    }

    #[test]
    fn it_says_who_may_use_a_route() {
        let document = parsed();
        assert_eq!(
            document["security"],
            json!([{ "bearer": [] }, { "basic": [] }]),
            "what holds where an operation says nothing"
        );
        for (method, path, operation) in operations(&document) {
            let endpoint = ENDPOINTS.iter().find(|e| e.path == path && e.method.as_str() == method).unwrap();
            let expected = match endpoint.access {
                Access::Open => json!([]),
                Access::Token | Access::Report => Value::Null,
                Access::Stream => json!([{ "bearer": [] }, { "basic": [] }, { "ticket": [] }]),
                Access::Worker => json!([{ "worker": [] }]),
            };
            assert_eq!(operation["security"], expected, "{method} {path}");
        }
    }

    #[test]
    fn every_operation_says_what_it_is_and_what_can_go_wrong() {
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&parsed()) {
            let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
            assert!(!text("summary").is_empty() && !text("description").is_empty(), "{method} {path}");
            assert!(ids.insert(text("operationId")), "{method} {path}: the operationId is taken or missing");
            let endpoint = ENDPOINTS.iter().find(|e| e.path == path && e.method.as_str() == method).unwrap();
            let mut wanted = vec!["400", "403", "421", "431"];
            match endpoint.access {
                Access::Token | Access::Report | Access::Stream => wanted.push("401"),
                Access::Worker => wanted.push("101"),
                Access::Open => {}
            }
            if method == "POST" {
                wanted.extend(["408", "413"]);
            }
            for status in wanted {
                assert!(operation["responses"][status].is_object(), "{method} {path}: {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let well = parameter["$ref"].is_string()
                    || !parameter["description"].is_null() && !parameter["example"].is_null();
                assert!(well, "{method} {path}: {parameter}");
            }
        }
    }

    #[test]
    fn the_parts_make_one_document() {
        let document = parsed();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        for mark in [VERSION_MARK, PATHS_MARK, SCHEMAS_MARK] {
            assert_eq!(DOCUMENT.matches(mark).count(), 1, "{mark}");
        }
        let count = |text: &str| serde_json::from_str::<Value>(text).unwrap().as_object().unwrap().len();
        assert_eq!(document["paths"].as_object().unwrap().len(), count(PATHS));
        let own: Value = serde_json::from_str(DOCUMENT).unwrap();
        // The mark goes; a name that two files give would go missing here.
        let common = own["components"]["schemas"].as_object().unwrap().len() - 1;
        let parts: usize = SCHEMAS.iter().map(|file| count(file)).sum();
        assert_eq!(document["components"]["schemas"].as_object().unwrap().len(), common + parts);
    }

    /// The machines that the outer tests run on have no Wi-Fi.
    #[test]
    fn wifi_has_the_keys_that_are_described() {
        let link = Wireless {
            interface: "wlan0".into(),
            ssid: None,
            bssid: None,
            channel: None,
            frequency_mhz: None,
            signal_dbm: None,
            quality_ratio: None,
            encryption: None,
        };
        let snapshot = Snapshot { wireless: Some(vec![link]), ..Snapshot::default() };
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let schemas = parsed()["components"]["schemas"].clone();
        let ours = json(&(native::SNAPSHOT.encode)(&snapshot))["wireless"][0].clone();
        assert_eq!(keys(&ours), keys(&schemas["SnapshotWireless"]["properties"]));
        let theirs = json(&(dialect::psmonitor::NETWORK.encode)(&snapshot))["wireless"].clone();
        assert_eq!(keys(&theirs), keys(&schemas["Network"]["properties"]["wireless"]["anyOf"][1]["properties"]));
    }

    #[actix_web::test]
    async fn who_has_it_gets_it_once() {
        let first = document(TestRequest::get().to_http_request()).await;
        assert_eq!(first.status(), 200);
        let tag = first.headers().get(ETAG).unwrap().clone();
        let again = document(TestRequest::get().insert_header((IF_NONE_MATCH, tag)).to_http_request()).await;
        assert_eq!(again.status(), 304);
        let other = document(TestRequest::get().insert_header((IF_NONE_MATCH, "\"0\"")).to_http_request()).await;
        assert_eq!(other.status(), 200);
    }
}
