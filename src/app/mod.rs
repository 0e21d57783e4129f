//! Puts the program together: configuration -> sampler -> history -> whoever consumes them, in the order in which they start
//! and stop. Run by `main`; what tests start is this. The one place that sees all parts, and it must do nothing else.

mod machine;
mod notify;
mod push;
mod reload;
mod show;
mod trim;
mod url;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::agent::thread::Pusher;
use crate::collect::{self, limit};
use crate::command;
use crate::config::{Config, Listen, Typed};
use crate::error::StartupError;
use crate::history::History;
use crate::model::Subjects;
use crate::receiver::Receiver;
use crate::sampler::{Sampler, Settings};
use crate::server::{self, Server};
use machine::Local;
pub use push::{ask, background};
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
    sampler: Sampler,
    history: Arc<History>,
    receiver: Option<Arc<Receiver>>,
    pusher: Option<Arc<Pusher>>,
    /// What gathers what is sent.
    pushing: Vec<JoinHandle<()>>,
    clock: JoinHandle<()>,
}

/// `psmonitor check-config`: validates the settings and reads the files that they name, then prints each setting and where it
/// was set. Starts nothing.
pub fn check(typed: &Typed) -> Result<(), StartupError> {
    let config = Config::from_typed(typed)?;
    server::check(&config).map_err(|error| typed.locate(error))?;
    command::print(&typed.report())
}

/// Runs until a signal says to stop: SIGTERM and SIGINT stop, SIGHUP reads files again. Must be called inside an actix system.
pub async fn run(typed: &Typed, config: &Config) -> Result<(), StartupError> {
    trim::give_back_large_at_once();
    limit::raise_descriptor_limit();
    let mut signals = Signals::new()?;
    let mut hangup = listen_for(SignalKind::hangup())?;
    let app = App::start(config).map_err(|error| typed.locate(error))?;
    let mut running = reload::Running::new(typed.clone(), config.clone(), app.server.reloader());
    actix_rt::spawn(async move {
        while hangup.recv().await.is_some() {
            notify::reloading();
            running = running.reload().await;
            notify::ready();
        }
    });
    let telling = actix_rt::spawn(notify::keep_telling(app.sampler.clone(), app.server.gate()));
    tokio::select! {
        () = signals.stop() => {}
        () = trim::keep_trimming() => {}
    }
    log::info!("stopping");
    // The watchdog counts no more once we stop, and a service manager that does not listen any more must not hold us up.
    telling.abort();
    notify::stopping();
    tokio::select! {
        () = app.stop() => {}
        () = signals.stop() => log::warn!("told twice, stopping at once"),
    }
    Ok(())
}

/// The signals that stop the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, StartupError> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    /// Until one of them comes.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, StartupError> {
    signal(kind).map_err(|source| StartupError::Io { what: "cannot listen for signals", source })
}

/// Says on stdout where to find the server. Where nobody reads this there is nobody to tell.
fn tell(config: &Config, addresses: &[SocketAddr]) {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut out = std::io::stdout();
    let (by_path, by_address): (Vec<&Listen>, Vec<&Listen>) =
        config.listen.iter().partition(|listen| listen.addresses.is_empty());
    let mut paths: Vec<String> = by_path.into_iter().flat_map(Listen::names).collect();
    let first = by_address.first().copied();
    if first.is_some() {
        let base = config.base_path.trim_start_matches('/');
        let slash = if base.is_empty() { "" } else { "/" };
        let _ = writeln!(out, "psmonitor is listening, open {}{base}{slash}", url::own(scheme, first, addresses));
    } else {
        let _ = writeln!(out, "psmonitor is listening at {}", paths.join(" "));
        paths.clear();
    }
    let further: Vec<String> = url::further(scheme, first, addresses).into_iter().chain(paths).collect();
    if !further.is_empty() {
        let _ = writeln!(out, "and at {}", further.join(" "));
    }
    let outside = url::outside(scheme, addresses);
    if !outside.is_empty() {
        let _ = writeln!(out, "from other machines: {}", outside.join(" "));
    }
}

impl App {
    /// Starts everything, and says on stdout where to find it. What can be refused comes first and leaves nothing behind.
    fn start(config: &Config) -> Result<Self, StartupError> {
        collect::probe(&config.paths).map_err(StartupError::Unreadable)?;
        let bound = server::bind(config)?;
        let history = Arc::new(History::open(config.data_dir.as_deref(), config.interval)?);
        log::info!("{}", history.describe());
        let pusher = push::open(config)?;
        let receiver = config.receiver.clone();
        let receiver = receiver.map(|settings| Receiver::open(settings, push::forward(config, pusher.as_ref())));
        let receiver = receiver.transpose()?.map(Arc::new);
        receiver.iter().for_each(|receiver| log::info!("{}", receiver.describe()));
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
        let server = bound.serve(
            config,
            sampler.clone(),
            Arc::clone(&history),
            receiver.clone(),
            push::counts(pusher.as_ref()),
            machine,
        )?;
        let pushing = pusher.as_ref().map(|pusher| push::start(config, pusher, &sampler, server.stats()));
        tell(config, &addresses);
        Ok(Self { server, sampler, history, receiver, pusher, pushing: pushing.unwrap_or_default(), clock })
    }

    /// Stops the clients' side first, then the sampler, and closes the history last, so that a slow disk delays nobody.
    async fn stop(self) {
        let deadline = Instant::now() + STOP_LIMIT;
        self.history.flush();
        self.pushing.iter().for_each(JoinHandle::abort);
        self.pusher.iter().for_each(|pusher| pusher.stop());
        self.server.stop().await;
        self.clock.abort();
        let close = move || {
            self.receiver.iter().for_each(|receiver| receiver.close_by(deadline));
            self.history.close_by(deadline);
            self.pusher.iter().for_each(|pusher| pusher.close_by(deadline));
        };
        let _ = tokio::task::spawn_blocking(close).await;
    }
}
