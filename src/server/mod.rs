//! Carries bytes between the sampler and the clients. The only part that knows HTTP; it decides nothing about numbers.
//!
//! [`start`] builds everything that production runs, and tests start exactly that.

mod assets;
mod body;
mod connection;
mod connection_share;
mod events;
mod frame_guard;
mod gate;
mod guard;
mod heartbeat;
mod listener;
mod login;
mod metrics;
mod native;
mod openapi;
mod paced;
mod process_monitor;
mod psiod;
mod psmonitor;
pub mod routes;
mod serve;
mod state;
mod tls;
mod url;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{HttpResponse, web};
use bytestring::ByteString;
use tokio::sync::{Semaphore, watch};

pub use gate::{Gate, Kind};

use crate::auth::Auth;
use crate::collect;
use crate::config::Config;
use crate::error::StartupError;
use crate::history::History;
use crate::model::Subjects;
use crate::sampler::{Sampler, Settings};
use crate::worker::Registry;
use guard::Policy;
use heartbeat::ProcessReads;
use state::State;
use tls::Certificates;

/// How long requests on their way may take to end when the server stops. actix looks once a second.
const STOP_SECONDS: u64 = 3;

/// When the server has ended at the latest, after it was told to. What is left of it once the clients are gone is for the
/// history's last write.
const STOP_LIMIT: Duration = Duration::from_millis(4_700);

/// What the history remembers besides the vitals, and how often it is read when nobody watches.
const HISTORY_NEEDS: Subjects = Subjects::FILESYSTEMS.with(Subjects::SENSORS);
const HISTORY_PERIOD: Duration = Duration::from_secs(10);

/// Most queries of the history at once.
const HISTORY_QUERIES: usize = 4;

/// A running server.
pub struct Server {
    addresses: Vec<SocketAddr>,
    url: String,
    further_urls: Vec<String>,
    outside_urls: Vec<String>,
    history: Arc<History>,
    reloader: Reloader,
    stopping: watch::Sender<bool>,
    handle: ServerHandle,
    running: tokio::task::JoinHandle<std::io::Result<()>>,
    clock: tokio::task::JoinHandle<()>,
}

/// Reads again what may change while the server runs: tokens, users, certificate.
#[derive(Clone)]
pub struct Reloader {
    state: web::Data<State>,
    certificates: Option<Arc<Certificates>>,
}

/// Starts to listen and to sample. Must be called inside an actix system.
pub fn start(config: &Config) -> Result<Server, StartupError> {
    collect::file::read_text(&config.paths.proc("stat")).map_err(StartupError::Unreadable)?;
    let auth = Auth::load(&config.secrets)?;
    let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
    let listeners = listener::listen(&config.listen)?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let url = url::own(scheme, config.listen.first(), &addresses);
    let further_urls = url::further(scheme, config.listen.first(), &addresses);
    let outside_urls = url::outside(scheme, &addresses);

    let history = Arc::new(History::open(config.data_dir.as_deref(), config.interval)?);
    log::info!("{}", history.describe());
    let recorder = Arc::clone(&history);
    let (sampler, clock) = Sampler::new(Settings {
        interval: config.interval,
        paths: config.paths.clone(),
        background: Some((HISTORY_NEEDS, HISTORY_PERIOD)),
        observers: vec![Box::new(move |snapshot| recorder.record(snapshot))],
    });
    let workers = Arc::new(Registry::new(config.limits.unclaimed_workers));
    let (stopping, stopped) = watch::channel(false);
    let reaper = Arc::clone(&workers);
    // Ends with the server, not when it is told to stop: requests on their way may still wait for a pass.
    let clock = actix_rt::spawn(async move {
        tokio::select! {
            () = clock => {}
            () = reaper.keep_reaping() => {}
        }
    });

    let state = web::Data::new(State {
        limits: config.limits,
        sampler,
        history: Arc::clone(&history),
        history_queries: Semaphore::new(HISTORY_QUERIES),
        process_reads: ProcessReads::default(),
        workers,
        gate: Arc::new(Gate::new(&config.limits)),
        is_secure: config.tls.is_some(),
        policy: Policy::new(config),
        auth,
        allow_kill: config.allow_kill,
        paths: config.paths.clone(),
        stopping: stopped,
    });
    let reloader = Reloader { state: state.clone(), certificates: certificates.clone() };
    let server = serve::run(listeners, &state, certificates.as_ref(), config.workers)?;
    let handle = server.handle();
    Ok(Server {
        addresses,
        url,
        further_urls,
        outside_urls,
        history,
        reloader,
        stopping,
        handle,
        running: actix_rt::spawn(server),
        clock,
    })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address to open in a browser, by the name that was asked for.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Where it listens besides.
    #[must_use]
    pub fn further_urls(&self) -> &[String] {
        &self.further_urls
    }

    /// Where other machines find it when it listens on every address of this one; the first few.
    #[must_use]
    pub fn outside_urls(&self) -> &[String] {
        &self.outside_urls
    }

    /// What reads tokens, users and the certificate again.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Stops: every stream is told and closed, requests are answered to their end, at most for a few seconds.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_LIMIT;
        self.stopping.send_replace(true);
        self.history.flush();
        self.handle.stop(true).await;
        let _ = tokio::time::timeout(Duration::from_millis(500), self.running).await;
        self.clock.abort();
        // After the clients, so that a slow disk delays nobody.
        let _ = tokio::task::spawn_blocking(move || self.history.close_by(deadline)).await;
    }
}

impl Reloader {
    /// Reads every file again and says in the log what came of it. What is broken stays as it was, and no client notices
    /// more than that a token is worth nothing any more. One after the other, never two at once.
    pub async fn reload(&self) {
        let own = self.clone();
        let read = web::block(move || {
            own.state.auth.reload();
            if let Some(certificates) = &own.certificates {
                certificates.reload();
            }
            own.state.auth.is_on() || own.certificates.is_some()
        });
        if matches!(read.await, Ok(false)) {
            log::info!("there is no file to read again: no tokens, no users, no certificate");
        }
    }
}

/// A JSON answer from bytes that many share.
fn json_response(body: ByteString) -> HttpResponse {
    HttpResponse::Ok().insert_header(psmonitor::JSON).body(body.into_bytes())
}
