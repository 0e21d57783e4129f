//! Carries Heartbeat's words: its `/api/*` routes.

use std::rc::Rc;
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::json_response;
use super::state::State;
use crate::auth::Identity;
use crate::collect::process;
use crate::dialect::heartbeat as words;
use crate::error::ApiError;
use crate::model::{ReadError, Snapshot, Subjects, redact};
use crate::sampler::Encoding;

type Answer = Result<HttpResponse, ApiError>;

/// How long the kernel may take to tell a command line: a process that is swapping can hold it up.
const COMMAND_LINE_TIME: Duration = Duration::from_secs(1);

/// `GET /api/cpu`.
pub async fn cpu(state: web::Data<State>) -> Answer {
    answer(&state, words::CPU_NEEDS, Encoding::HeartbeatCpu, |snapshot| text(&words::cpu(snapshot))).await
}

/// `GET /api/memory`.
pub async fn memory(state: web::Data<State>) -> Answer {
    answer(&state, words::MEMORY_NEEDS, Encoding::HeartbeatMemory, |snapshot| text(&words::memory(snapshot))).await
}

/// `GET /api/disk`.
pub async fn disk(state: web::Data<State>) -> Answer {
    answer(&state, words::DISK_NEEDS, Encoding::HeartbeatDisk, |snapshot| text(&words::disk(snapshot))).await
}

/// `GET /api/diskio`.
pub async fn diskio(state: web::Data<State>) -> Answer {
    answer(&state, words::DISKIO_NEEDS, Encoding::HeartbeatDiskio, |snapshot| text(&words::diskio(snapshot))).await
}

/// `GET /api/network`.
pub async fn network(state: web::Data<State>) -> Answer {
    answer(&state, words::NETWORK_NEEDS, Encoding::HeartbeatNetwork, |snapshot| text(&words::network(snapshot))).await
}

/// `GET /api/uptime`.
pub async fn uptime(state: web::Data<State>) -> Answer {
    answer(&state, words::UPTIME_NEEDS, Encoding::HeartbeatUptime, |snapshot| text(&words::uptime(snapshot))).await
}

/// `GET /api/platform`.
pub async fn platform(state: web::Data<State>) -> Answer {
    answer(&state, words::PLATFORM_NEEDS, Encoding::HeartbeatPlatform, |snapshot| text(&words::platform(snapshot)))
        .await
}

/// `GET /api/cpumodel`.
pub async fn cpumodel(state: web::Data<State>) -> Answer {
    answer(&state, words::CPUMODEL_NEEDS, Encoding::HeartbeatCpumodel, |snapshot| text(&words::cpumodel(snapshot)))
        .await
}

async fn answer(state: &State, needs: Subjects, encoding: Encoding, encode: fn(&Snapshot) -> String) -> Answer {
    let frame = state.sampler.latest(needs).await?;
    Ok(json_response(frame.encoded(encoding, encode)))
}

fn text(value: &impl Serialize) -> String {
    super::json_text(value)
}

/// Query of `/api/process`.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    pid: Option<String>,
}

/// `GET /api/process?pid=`. The command line is shown on this machine or to whoever proved who they are.
pub async fn process(req: HttpRequest, query: web::Query<Wanted>, state: web::Data<State>) -> Answer {
    let Some(asked) = query.pid.as_deref().map(str::trim).filter(|pid| !pid.is_empty()) else {
        return Err(ApiError::BadRequest("name the process: /api/process?pid=PID".to_owned()));
    };
    if !asked.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::BadRequest(format!("pid={asked}: a PID is a number; /api/processes lists them")));
    }
    let gone = || ApiError::NotFound(format!("there is no process {asked}; /api/processes lists them"));
    let pid: u32 = asked.parse().map_err(|_| gone())?;
    let is_local = req.conn_data::<Rc<Connection>>().is_some_and(|connection| connection.peer_ip().is_loopback());
    let may_see = is_local || req.extensions().get::<Identity>().is_some();
    let paths = state.paths.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let name = match process::name(&paths, pid) {
            // There is such a process, whatever keeps its name from us: `hidepid=1` of proc(5), most often.
            Err(ReadError::Denied { .. } | ReadError::Parse { .. }) => None,
            name => Some(name?),
        };
        Ok::<_, ReadError>((name, may_see.then(|| process::command_line(&paths, pid)).transpose().unwrap_or(None)))
    });
    let (name, arguments) = match tokio::time::timeout(COMMAND_LINE_TIME, reading).await {
        Ok(Ok(Ok(found))) => found,
        Ok(Ok(Err(ReadError::Vanished { .. } | ReadError::Unsupported { .. }))) => return Err(gone()),
        Ok(Ok(Err(error))) => {
            return Err(ApiError::Unavailable { message: error.to_string(), retry_after: COMMAND_LINE_TIME });
        }
        _ => {
            return Err(ApiError::Unavailable {
                message: format!("the kernel does not tell about process {pid} just now; try again"),
                retry_after: COMMAND_LINE_TIME,
            });
        }
    };
    let command_line = arguments.map(|arguments| redact::redact(&arguments).join(" "));
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(text(&words::process(
        pid,
        name.as_deref(),
        command_line.as_deref(),
    ))))
}
