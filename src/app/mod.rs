//! Puts the program together: configuration -> sampler -> history -> whoever consumes them, in the order in which they start
//! and stop. Run by `main`; what tests start is this. The one place that sees all parts, and it must do nothing else.

mod machine;
mod reload;
mod show;
mod trim;
mod url;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::collect::{self, limit};
use crate::config::{Config, Typed};
use crate::error::StartupError;
use crate::history::History;
use crate::model::Subjects;
use crate::sampler::{Sampler, Settings};
use crate::server::{self, Server};
use machine::Local;
pub use show::show;

/// What the history remembers besides the vitals, and how often it is read when nobody watches.
const HISTORY_NEEDS: Subjects = Subjects::FILESYSTEMS.with(Subjects::SENSORS);
const HISTORY_PERIOD: Duration = Duration::from_secs(10);

/// When the program has ended at the latest, after it was told to. What is left of it once the clients are gone is for the
/// history's last write.
const STOP_LIMIT: Duration = Duration::from_millis(4_700);

/// The running parts.
struct App {
    server: Server,
    history: Arc<History>,
    clock: JoinHandle<()>,
}

/// `psmonitor check-config`: validates the settings and reads the files that they name, then prints each setting and where it
/// was set. Starts nothing.
pub fn check(typed: &Typed) -> Result<(), StartupError> {
    let config = Config::from_typed(typed)?;
    server::check(&config).map_err(|error| typed.locate(error))?;
    let report = typed.report();
    std::io::stdout()
        .write_all(report.as_bytes())
        .map_err(|source| StartupError::Io { what: "cannot print the settings", source })
}

/// Runs until a signal says to stop: SIGTERM and SIGINT stop, SIGHUP reads files again. Must be called inside an actix system.
pub async fn run(typed: &Typed, config: &Config) -> Result<(), StartupError> {
    limit::raise_descriptor_limit();
    let (mut terminate, mut interrupt) = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    let mut hangup = listen_for(SignalKind::hangup())?;
    let app = App::start(config).map_err(|error| typed.locate(error))?;
    let mut running = reload::Running::new(typed.clone(), config.clone(), app.server.reloader());
    actix_rt::spawn(async move {
        while hangup.recv().await.is_some() {
            running = running.reload().await;
        }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = trim::keep_trimming() => {}
    }
    log::info!("stopping");
    tokio::select! {
        () = app.stop() => {}
        _ = terminate.recv() => log::warn!("told twice, stopping at once"),
        _ = interrupt.recv() => log::warn!("told twice, stopping at once"),
    }
    Ok(())
}

fn listen_for(kind: SignalKind) -> Result<Signal, StartupError> {
    signal(kind).map_err(|source| StartupError::Io { what: "cannot listen for signals", source })
}

impl App {
    /// Starts everything, and says on stdout where to find it. What can be refused comes first and leaves nothing behind.
    fn start(config: &Config) -> Result<Self, StartupError> {
        collect::probe(&config.paths).map_err(StartupError::Unreadable)?;
        let bound = server::bind(config)?;
        let history = Arc::new(History::open(config.data_dir.as_deref(), config.interval)?);
        log::info!("{}", history.describe());
        let recorder = Arc::clone(&history);
        let (sampler, clock) = Sampler::new(Settings {
            interval: config.interval,
            paths: config.paths.clone(),
            background: Some((HISTORY_NEEDS, HISTORY_PERIOD)),
            observers: vec![Box::new(move |snapshot| recorder.record(snapshot))],
        });
        let clock = actix_rt::spawn(clock);
        let addresses = bound.addresses();
        let machine = Arc::new(Local::new(config.paths.clone()));
        if let Some(system) = machine.container() {
            log::info!(
                "this is a container's view ({system}): processes, mounts and network are the container's, CPU and memory the \
                 machine's, with the container's limits beside them; --procfs, --sysfs and --rootfs show the machine"
            );
        }
        let server = bound.serve(config, sampler, Arc::clone(&history), machine)?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        // Where nobody reads this there is nobody to tell.
        let mut out = std::io::stdout();
        let _ = writeln!(out, "psmonitor is listening, open {}", url::own(scheme, config.listen.first(), &addresses));
        let further = url::further(scheme, config.listen.first(), &addresses);
        if !further.is_empty() {
            let _ = writeln!(out, "and at {}", further.join(" "));
        }
        let outside = url::outside(scheme, &addresses);
        if !outside.is_empty() {
            let _ = writeln!(out, "from other machines: {}", outside.join(" "));
        }
        Ok(Self { server, history, clock })
    }

    /// Stops the clients' side first, then the sampler, and closes the history last, so that a slow disk delays nobody.
    async fn stop(self) {
        let deadline = Instant::now() + STOP_LIMIT;
        self.history.flush();
        self.server.stop().await;
        self.clock.abort();
        let _ = tokio::task::spawn_blocking(move || self.history.close_by(deadline)).await;
    }
}
