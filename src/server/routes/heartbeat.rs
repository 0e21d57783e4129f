//! Carries Heartbeat's words about one process, which are not the same for everybody; the others are rows of the table of
//! routes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Identity;
use crate::dialect::heartbeat as words;
use crate::dialect::json_text;
use crate::model::{ReadError, redact};
use crate::server::error::ApiError;
use crate::server::http::client::Client;
use crate::server::machine::Machine;

/// How long the kernel may take to tell a command line: a process that is swapping can hold it up.
const COMMAND_LINE_TIME: Duration = Duration::from_secs(1);

/// Most processes that are read at once.
const PROCESS_READS: usize = 4;

/// Time between two looks whether a process is still being read.
const ANOTHER_LOOK: Duration = Duration::from_millis(20);

/// The reads of single processes that are under way. Each keeps a thread that nothing can call back while the process
/// holds its memory's lock, so there are only a few, and one a process.
#[derive(Debug)]
pub struct ProcessReads {
    turns: Arc<Semaphore>,
    /// Held for a look and an entry. An entry is dead once its read is over.
    running: Mutex<HashMap<u32, Weak<OwnedSemaphorePermit>>>,
}

impl Default for ProcessReads {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(PROCESS_READS)), running: Mutex::default() }
    }
}

impl ProcessReads {
    /// What `read` gives, once it is its turn; never while the last read of this process is still under way. `None` when
    /// it panicked.
    async fn begin<T: Send + 'static>(&self, pid: u32, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = loop {
            let turn = Arc::new(Arc::clone(&self.turns).acquire_owned().await.ok()?);
            if self.enter(pid, &turn) {
                break turn;
            }
            drop(turn);
            tokio::time::sleep(ANOTHER_LOOK).await;
        };
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read()
        });
        reading.await.ok()
    }

    /// Whether no read of this process was under way. Now one is, for as long as `turn` lives.
    fn enter(&self, pid: u32, turn: &Arc<OwnedSemaphorePermit>) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, turn| turn.strong_count() > 0);
        match running.entry(pid) {
            Entry::Vacant(place) => {
                place.insert(Arc::downgrade(turn));
                true
            }
            Entry::Occupied(_) => false,
        }
    }
}

/// Query of `/api/process`.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    pid: Option<String>,
}

/// `GET /api/process?pid=`. The command line is shown on this machine or to whoever proved who they are.
pub async fn process(
    req: HttpRequest,
    query: web::Query<Wanted>,
    machine: web::Data<dyn Machine>,
    reads: web::Data<ProcessReads>,
) -> Result<HttpResponse, ApiError> {
    let Some(asked) = query.pid.as_deref().map(str::trim).filter(|pid| !pid.is_empty()) else {
        return Err(ApiError::BadRequest("name the process: /api/process?pid=PID".to_owned()));
    };
    if !asked.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::BadRequest(format!("pid={asked}: a PID is a number; /api/processes lists them")));
    }
    let gone = || ApiError::NotFound(format!("there is no process {asked}; /api/processes lists them"));
    let pid: u32 = asked.parse().map_err(|_| gone())?;
    let is_local = Client::of_request(&req).is_local;
    let may_see = is_local || req.extensions().get::<Identity>().is_some();
    let machine = machine.into_inner();
    let reading = reads.begin(pid, move || {
        let name = match machine.process_name(pid) {
            // There is such a process, whatever keeps its name from us: `hidepid=1` of proc(5), most often.
            Err(ReadError::Denied { .. } | ReadError::Parse { .. }) => None,
            name => Some(name?),
        };
        // The process chose this text: it is masked here, off the threads that serve everybody.
        let arguments = may_see.then(|| machine.command_line(pid)).transpose().unwrap_or(None);
        Ok::<_, ReadError>((name, arguments.map(|arguments| redact::redact(&arguments).join(" "))))
    });
    let (name, command_line) = match tokio::time::timeout(COMMAND_LINE_TIME, reading).await {
        Ok(Some(Ok(found))) => found,
        Ok(Some(Err(ReadError::Vanished { .. } | ReadError::Unsupported { .. }))) => return Err(gone()),
        Ok(Some(Err(error))) => {
            return Err(ApiError::Unavailable { message: error.to_string(), retry_after: COMMAND_LINE_TIME });
        }
        _ => {
            return Err(ApiError::Unavailable {
                message: format!("the kernel does not tell about process {pid} just now; try again"),
                retry_after: COMMAND_LINE_TIME,
            });
        }
    };
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(json_text(&words::process(
        pid,
        name.as_deref(),
        command_line.as_deref(),
    ))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[tokio::test]
    async fn a_process_that_does_not_answer_holds_one_thread_and_nobody_else_up() {
        let reads = ProcessReads::default();
        let (release, held) = sync_channel::<()>(0);
        let limit = Duration::from_millis(200);
        let hangs = reads.begin(7, move || held.recv().is_ok());
        assert!(tokio::time::timeout(limit, hangs).await.is_err());
        for _ in 0..3 {
            assert!(tokio::time::timeout(limit, reads.begin(7, || "begun")).await.is_err(), "not a second time");
        }
        assert_eq!(reads.turns.available_permits(), PROCESS_READS - 1);
        assert_eq!(reads.begin(8, || "another").await, Some("another"));
        drop(release);
        assert_eq!(reads.begin(7, || "again").await, Some("again"));
        assert_eq!(reads.begin(9, || assert_eq!(1, 2)).await, None, "one that panics is over");
        assert_eq!(reads.begin(9, || "again").await, Some("again"));
    }
}
