//! Carries Glances' words: `/api/4` and `/api/3`, read only.
//!
//! Versions and plugins that do not exist are answered as Glances answers them, with `detail`, beside our own `error`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytestring::ByteString;
use serde_json::json;

use super::native::HistoryQueries;
use super::shared::may_see_command_lines;
use crate::dialect::glances::{self as words, Plugin, Trace, Version};
use crate::history::{Answer, Query, QueryError, Span};
use crate::model::process::RawProcesses;
use crate::model::{self, Subjects};
use crate::sampler::{Frame, Sampler};
use crate::server::error::ApiError;
use crate::server::http::json_response;
use crate::terminal;

/// Rows of a history when nothing is said, which is all that Glances keeps, and most of them.
const HISTORY_ROWS: u32 = 1_200;

/// Ticks that have been when every rate of the vitals is known.
const SAMPLES: u64 = 2;

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// As every route of ours says it.
    Ours(ApiError),
    /// As Glances says it.
    Theirs(StatusCode, String),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Ours(error)
    }
}

impl From<crate::sampler::StandsStill> for Refusal {
    fn from(error: crate::sampler::StandsStill) -> Self {
        Self::Ours(error.into())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ours(error) => error.fmt(f),
            Self::Theirs(_, detail) => f.write_str(detail),
        }
    }
}

impl actix_web::ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Ours(error) => error.status_code(),
            Self::Theirs(status, _) => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Ours(error) => error.error_response(),
            Self::Theirs(status, detail) => {
                let detail = terminal::plain(detail);
                HttpResponse::build(*status).json(json!({ "detail": detail, "error": detail }))
            }
        }
    }
}

type Answered = Result<HttpResponse, Refusal>;

fn version(text: &str) -> Result<Version, Refusal> {
    let unknown =
        || ApiError::NotFound(format!("there is no version {text:?} of Glances' API here; there are 3 and 4"));
    Ok(Version::parse(text).ok_or_else(unknown)?)
}

fn known(name: &str) -> Result<&'static Plugin, Refusal> {
    Plugin::named(name).ok_or_else(|| {
        let names: Vec<&str> = words::PLUGINS.iter().map(|plugin| plugin.name).collect();
        let detail = format!("Unknown plugin {name} (available plugins: {})", names.join(", "));
        Refusal::Theirs(StatusCode::BAD_REQUEST, detail)
    })
}

fn count(text: &str) -> Result<usize, Refusal> {
    let wrong = || ApiError::BadRequest(format!("{text:?} is no number of rows; as in /api/4/processlist/top/3"));
    Ok(text.parse().map_err(|_| wrong())?)
}

fn missing(plugin: &str, what: &str) -> Refusal {
    let detail = format!("Cannot get {what} in plugin {plugin}; /api/4/{plugin} shows what there is");
    Refusal::Theirs(StatusCode::NOT_FOUND, detail)
}

/// A frame in which what is counted between two samples is known: numbers that clients take no `null` for.
async fn frame(sampler: &Sampler, needs: Subjects) -> Result<Arc<Frame>, Refusal> {
    let is_settled = |frame: &Frame| {
        let processes = frame.snapshot().readings.get::<RawProcesses>();
        let are_compared = || processes.is_none_or(|read| read.previous.is_some() || read.value.is_err());
        frame.tick() >= SAMPLES && (!needs.contains(Subjects::ALL_PROCESSES) || are_compared())
    };
    Ok(sampler.settled(needs, is_settled).await?)
}

async fn shared(answer: &'static model::Answer, sampler: &Sampler) -> Result<ByteString, Refusal> {
    Ok(frame(sampler, answer.needs).await?.encoded(answer))
}

/// The text of a plugin, as this client may see it.
async fn text(req: &HttpRequest, sampler: &Sampler, version: Version, name: &str) -> Result<ByteString, Refusal> {
    shared(known(name)?.answer(version, may_see_command_lines(req)), sampler).await
}

/// `GET /api/{version}/status`: that it is there.
pub async fn status(path: Path<String>) -> Answered {
    version(&path)?;
    Ok(json_response(words::status().into()))
}

/// `GET /api/{version}/pluginslist`.
pub async fn plugins_list(path: Path<String>) -> Answered {
    version(&path)?;
    Ok(json_response(words::plugins_list().into()))
}

/// `GET /api/{version}/{plugin}`, and of `all`.
pub async fn plugin(req: HttpRequest, path: Path<(String, String)>, sampler: Data<Sampler>) -> Answered {
    let (asked, name) = path.into_inner();
    let version = version(&asked)?;
    if name == "all" {
        return Ok(json_response(shared(words::all(version, may_see_command_lines(&req)), &sampler).await?));
    }
    Ok(json_response(text(&req, &sampler, version, &name).await?))
}

/// `GET /api/{version}/{plugin}/limits` and `/views`, and of `all`: this program has no thresholds.
pub async fn nothing(path: Path<(String, String)>) -> Answered {
    let (asked, name) = path.into_inner();
    version(&asked)?;
    if name != "all" {
        known(&name)?;
    }
    Ok(json_response(ByteString::from_static("{}")))
}

/// `GET /api/{version}/{plugin}/top/{count}`.
pub async fn top(req: HttpRequest, path: Path<(String, String, String)>, sampler: Data<Sampler>) -> Answered {
    let (asked, name, rows) = path.into_inner();
    let (version, rows) = (version(&asked)?, count(&rows)?);
    Ok(json_response(words::top(&text(&req, &sampler, version, &name).await?, rows).into()))
}

/// `GET /api/{version}/{plugin}/{item}`.
pub async fn item(req: HttpRequest, path: Path<(String, String, String)>, sampler: Data<Sampler>) -> Answered {
    let (asked, name, item) = path.into_inner();
    let text = text(&req, &sampler, version(&asked)?, &name).await?;
    let found = words::item(&text, &item).ok_or_else(|| missing(&name, &format!("item {item}")))?;
    Ok(json_response(found.into()))
}

/// `GET /api/{version}/{plugin}/{item}/{key}`.
pub async fn key(req: HttpRequest, path: Path<(String, String, String, String)>, sampler: Data<Sampler>) -> Answered {
    let (asked, name, item, key) = path.into_inner();
    let key = key.replace("%2F", "/").replace("%2f", "/");
    let text = text(&req, &sampler, version(&asked)?, &name).await?;
    let found = words::of_key(&text, &item, &key);
    Ok(json_response(found.ok_or_else(|| missing(&name, &format!("item {item} for key {key}")))?.into()))
}

/// `GET /api/{version}/{plugin}/{item}/value/{value}`.
pub async fn value(req: HttpRequest, path: Path<(String, String, String, String)>, sampler: Data<Sampler>) -> Answered {
    let (asked, name, item, value) = path.into_inner();
    let value = value.replace("%2F", "/").replace("%2f", "/");
    let text = text(&req, &sampler, version(&asked)?, &name).await?;
    let found = words::of_value(&text, &item, &value);
    Ok(json_response(found.ok_or_else(|| missing(&name, &format!("{item} = {value}")))?.into()))
}

/// `GET /api/{version}/{plugin}/history`.
pub async fn history(path: Path<(String, String)>, sampler: Data<Sampler>, queries: Data<HistoryQueries>) -> Answered {
    let (asked, name) = path.into_inner();
    past(&sampler, &queries, version(&asked)?, &name, None, 0).await
}

/// `GET /api/{version}/{plugin}/history/{count}`.
pub async fn last(
    path: Path<(String, String, String)>,
    sampler: Data<Sampler>,
    queries: Data<HistoryQueries>,
) -> Answered {
    let (asked, name, rows) = path.into_inner();
    past(&sampler, &queries, version(&asked)?, &name, None, count(&rows)?).await
}

/// `GET /api/{version}/{plugin}/{item}/history`.
pub async fn item_history(
    path: Path<(String, String, String)>,
    sampler: Data<Sampler>,
    queries: Data<HistoryQueries>,
) -> Answered {
    let (asked, name, item) = path.into_inner();
    past(&sampler, &queries, version(&asked)?, &name, Some(&item), 0).await
}

/// `GET /api/{version}/{plugin}/{item}/history/{count}`.
pub async fn item_last(
    path: Path<(String, String, String, String)>,
    sampler: Data<Sampler>,
    queries: Data<HistoryQueries>,
) -> Answered {
    let (asked, name, item, rows) = path.into_inner();
    past(&sampler, &queries, version(&asked)?, &name, Some(&item), count(&rows)?).await
}

/// The last `rows` points of a plugin's items, or of one; 0 is all that Glances would keep.
async fn past(
    sampler: &Sampler,
    queries: &HistoryQueries,
    version: Version,
    name: &str,
    item: Option<&str>,
    rows: usize,
) -> Answered {
    let needs = known(name)?.answer(version, false).needs;
    let frame = frame(sampler, needs.without(Subjects::PROCESS_DETAILS)).await?;
    let mut traces = words::traces(name, version, frame.snapshot());
    drop(frame);
    if let Some(item) = item {
        // Of a list the item of one row, or of each.
        traces
            .retain(|trace| trace.item == item || trace.item.strip_suffix(item).is_some_and(|row| row.ends_with('_')));
        if traces.is_empty() {
            return Err(missing(name, &format!("a history of {item}")));
        }
    }
    let rows = u32::try_from(rows).ok().filter(|rows| (1..=HISTORY_ROWS).contains(rows)).unwrap_or(HISTORY_ROWS);
    let answer = asked(queries, sampler, &traces, rows).await?;
    let points = |trace: &Trace| -> Vec<(i64, f32)> {
        let Some(column) = answer.as_ref().and_then(|answer| answer.series.get(trace.series.as_str())) else {
            return Vec::new();
        };
        let times = answer.iter().flat_map(|answer| &answer.time);
        let known: Vec<_> = times.zip(&column.mean).filter_map(|(time, mean)| Some((*time, (*mean)?))).collect();
        known[known.len().saturating_sub(rows as usize)..].to_vec()
    };
    Ok(json_response(words::history_text(traces.iter().map(|trace| (trace, points(trace)))).into()))
}

/// What the history has of these; `None` where it has nothing.
async fn asked(
    queries: &HistoryQueries,
    sampler: &Sampler,
    traces: &[Trace],
    rows: u32,
) -> Result<Option<Answer>, Refusal> {
    // A step more at either end: the one that has just begun is empty, and the first may be cut.
    let points = rows + 2;
    let seconds = (sampler.interval().as_secs_f64() * f64::from(points)).ceil() as i64;
    let mut series: Vec<String> = traces.iter().map(|trace| trace.series.clone()).collect();
    for _ in 0..2 {
        if series.is_empty() {
            return Ok(None);
        }
        let query = Query { span: Span::Last(seconds.max(i64::from(points))), series: Some(series.clone()), points };
        match queries.answer(query, |answer| answer).await? {
            Ok(answer) => return Ok(Some(answer)),
            // What was not there at any tick yet has no series.
            Err(QueryError::UnknownSeries { known, .. }) => {
                series.retain(|name| known.iter().any(|known| **known == **name));
            }
            Err(error) => return Err(ApiError::BadRequest(error.to_string()).into()),
        }
    }
    Ok(None)
}
