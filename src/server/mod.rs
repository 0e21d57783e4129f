//! Carries bytes between the sampler and the clients. The only part that knows HTTP; it decides nothing about numbers.
//!
//! `app` binds it ([`bind`]), hands it the sampler, the history and the machine ([`Bound::serve`]), and stops it. The rooms:
//! `http` (listeners, connections, who gets in), `stream` (answers that do not end), `routes` (one file for each dialect).
//! `routes` may use the other two and `stream` may use `http`; none is used back.

mod error;
mod http;
pub mod machine;
pub mod routes;
mod serve;
mod stream;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use actix_server::ServerHandle;
use actix_web::web::{self, Data};
use tokio::sync::watch;

pub use stream::stream_limits::{Gate, Kind};

use crate::auth::Auth;
use crate::config::Config;
use crate::error::StartupError;
use crate::history::History;
use crate::limits::Limits;
use crate::model::exclude::Exclusions;
use crate::model::own::OwnStats;
use crate::receiver::Receiver;
use crate::sampler::Sampler;
use crate::worker::Registry;
use http::guard::{Doors, Policy};
use http::listener::{Listener, SocketFile};
use http::tls::Certificates;
use http::{connection_list, listener};
use machine::Machine;
pub use routes::PushCounts;
use routes::{HistoryQueries, ProcessReads, Psiod, Reports};
use stream::{Events, Streams};

/// How long requests on their way may take to end when the server stops. actix looks once a second.
const STOP_SECONDS: u64 = 3;

/// How long a server that has stopped may take to say so.
const END_TIME: Duration = Duration::from_millis(500);

/// A server whose secrets are read and whose addresses are taken, but which serves nobody yet.
pub struct Bound {
    auth: Auth,
    certificates: Option<Arc<Certificates>>,
    listeners: Vec<Listener>,
    files: Vec<SocketFile>,
}

/// A running server.
pub struct Server {
    reloader: Reloader,
    files: Vec<SocketFile>,
    handle: ServerHandle,
    running: tokio::task::JoinHandle<std::io::Result<()>>,
    reaper: tokio::task::JoinHandle<()>,
}

/// Takes over what may change while the server runs: tokens, users, certificate, names, origins, limits.
#[derive(Clone)]
pub struct Reloader {
    shared: Shared,
    certificates: Option<Arc<Certificates>>,
    events: Arc<watch::Sender<Events>>,
}

/// What the handlers share. Each part is there for itself: a handler names what it needs, and sees no more. One instance
/// of each for all worker threads.
#[derive(Clone)]
struct Shared {
    limits: Data<Limits>,
    doors: Data<Doors>,
    streams: Data<Streams>,
    sampler: Data<Sampler>,
    history: Data<HistoryQueries>,
    workers: Data<Registry>,
    auth: Data<Auth>,
    machine: Data<dyn Machine>,
    processes: Data<ProcessReads>,
    psiod: Data<Psiod>,
    reports: Data<Reports>,
    exclusions: Data<Exclusions>,
}

impl Shared {
    fn install(&self, app: &mut web::ServiceConfig) {
        let Self {
            limits,
            doors,
            streams,
            sampler,
            history,
            workers,
            auth,
            machine,
            processes,
            psiod,
            reports,
            exclusions,
        } = self.clone();
        app.app_data(limits).app_data(doors).app_data(streams).app_data(sampler).app_data(history);
        app.app_data(workers).app_data(auth).app_data(machine).app_data(processes).app_data(psiod);
        app.app_data(reports).app_data(exclusions);
    }
}

/// Reads the files that the configuration names as [`bind`] does, and keeps nothing of them.
pub fn check(config: &Config) -> Result<(), StartupError> {
    Auth::load(&config.secrets)?;
    config.tls.as_ref().map(Certificates::load).transpose()?;
    Ok(())
}

/// Reads secrets and takes the addresses, which is all that can be refused.
pub fn bind(config: &Config) -> Result<Bound, StartupError> {
    let auth = Auth::load(&config.secrets)?;
    let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
    let (listeners, files) = listener::listen(&config.listen, config.socket_mode)?;
    Ok(Bound { auth, certificates, listeners, files })
}

impl Bound {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::address).collect()
    }

    /// Serves from now on. Must be called inside an actix system.
    pub fn serve(
        self,
        config: &Config,
        sampler: Sampler,
        history: Arc<History>,
        receiver: Option<Arc<Receiver>>,
        pushed: PushCounts,
        machine: Arc<dyn Machine>,
    ) -> Result<Server, StartupError> {
        let Self { auth, certificates, listeners, files } = self;
        let room = connection_list::limit_per_worker(&*machine, config.workers);
        let events = Arc::new(watch::Sender::new(Events::default()));
        let (auth, sampler) = (Data::new(auth), Data::new(sampler));
        let workers = Arc::new(Registry::new(config.limits.unclaimed_workers));
        let reaper = Arc::clone(&workers);
        let (workers, machine) = (Data::from(workers), Data::from(machine));
        let shared = Shared {
            limits: Data::new(config.limits),
            doors: Data::new(Doors {
                policy: RwLock::new(Arc::new(Policy::new(config))),
                auth: auth.clone(),
                workers: workers.clone(),
                head_bytes: config.limits.head_bytes,
                is_secure: config.tls.is_some(),
                base_path: config.base_path.clone(),
                access: routes::access,
            }),
            streams: Data::new(Streams {
                gate: Arc::new(Gate::new(&config.limits)),
                limits: config.limits,
                auth: auth.clone(),
                events: events.subscribe(),
            }),
            psiod: Data::new(Psiod {
                sampler: sampler.clone(),
                auth: auth.clone(),
                machine: machine.clone(),
                allow_kill: AtomicBool::new(config.allow_kill),
            }),
            sampler,
            history: Data::new(HistoryQueries::new(history)),
            workers,
            auth,
            machine,
            processes: Data::new(ProcessReads::default()),
            reports: Data::new(Reports::new(receiver, pushed)),
            exclusions: Data::new(config.exclusions.clone()),
        };
        let server = serve::run(listeners, &shared, certificates.as_ref(), config.workers, room)?;
        Ok(Server {
            reloader: Reloader { shared, certificates, events },
            files,
            handle: server.handle(),
            running: actix_rt::spawn(server),
            reaper: actix_rt::spawn(async move { reaper.keep_reaping().await }),
        })
    }
}

impl Server {
    /// The counts of streams.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.reloader.shared.streams.gate)
    }

    /// What reads tokens, users and the certificate again.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// What tells the server's own counters, for who writes metrics elsewhere.
    pub fn stats(&self) -> impl Fn() -> OwnStats + Send + Sync + use<> {
        let shared = self.reloader.shared.clone();
        move || routes::own_stats(&shared.sampler, &shared.workers, &shared.streams.gate, &shared.reports)
    }

    /// Stops: every stream is told and closed, requests are answered to their end, at most for a few seconds. The sampler
    /// must live until this is over: requests on their way may still wait for a pass.
    pub async fn stop(self) {
        // First of all: whoever comes now finds nobody, rather than somebody who goes.
        drop(self.files);
        self.reloader.events.send_modify(|events| events.is_stopping = true);
        self.handle.stop(true).await;
        let _ = tokio::time::timeout(END_TIME, self.running).await;
        self.reaper.abort();
    }
}

impl Reloader {
    /// Takes over what `config` says of such things, reads every file that it names again, and says in the log what came of
    /// it. What is broken stays as it was, and no client notices more than that a token is worth nothing any more, and ends
    /// what it opened. Reads files, so not for the async threads.
    pub fn reload(&self, config: &Config) {
        let shared = &self.shared;
        shared.doors.set_policy(Policy::new(config));
        shared.streams.gate.set_limits(&config.limits);
        shared.workers.set_limit(config.limits.unclaimed_workers);
        shared.psiod.allow_kill.store(config.allow_kill, Ordering::Relaxed);
        shared.auth.reload(&config.secrets);
        // Streams that were opened with what counts no more end.
        self.events.send_modify(|events| events.reloads += 1);
        if let Some(certificates) = &self.certificates {
            certificates.reload();
        }
        if !shared.auth.is_on() && self.certificates.is_none() {
            log::info!("there is no file to read again: no tokens, no users, no certificate");
        }
    }
}
