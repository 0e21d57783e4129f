//! What this program sends of its own accord: gathers it when it is due, and puts it into the spool that `agent` empties.
//! Also `background`, which does nothing else, and the two checks of a receiver.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::agent::check::{Check, check};
use crate::agent::client::Client;
use crate::agent::remote_write::Batcher;
use crate::agent::spool::Spool;
use crate::agent::thread::{Kind, Lane, Outlet, Pusher};
use crate::agent::{self, AgentError, Bounds, Destination, RemoteWrite, Settings};
use crate::cli;
use crate::config::{self, Config, Typed};
use crate::dialect::{prometheus, system_monitor};
use crate::error::StartupError;
use crate::model::Snapshot;
use crate::model::exclude::Exclusions;
use crate::model::own::OwnStats;
use crate::receiver::Forward;
use crate::sampler::{self, Sampler};
use crate::server::PushCounts;
use crate::terminal;

/// Names of the spools in the data directory.
const REPORTS_FILE: &str = "agent-spool.redb";
const SAMPLES_FILE: &str = "remote-write-spool.redb";

/// Reports of others that are passed on before the spool is told: the receiver there knows each again.
const FORWARDED_TOGETHER: usize = 32;

/// How long the CPU is measured for a report, as System Monitor's agent does.
const MEASURED: Duration = Duration::from_secs(1);

/// How often the first report looks whether there are two readings.
const FIRST_LOOKS: u32 = 30;

/// Opens what the configuration says is sent; `None` where nothing is.
pub(super) fn open(config: &Config) -> Result<Option<Arc<Pusher>>, StartupError> {
    let mut lanes = Vec::new();
    let data_dir = config.data_dir.as_deref();
    if let Some(settings) = &config.agent {
        let together = if settings.forward { FORWARDED_TOGETHER } else { 1 };
        lanes.push(lane(Kind::Reports, &settings.destination, data_dir, config.spool, together)?);
    }
    if let Some(settings) = &config.remote_write {
        let wanted: Vec<&str> = settings.collect.iter().map(String::as_str).collect();
        // An unknown collector is told now, not at each sample.
        let mut nothing = prometheus::text::Page::new(prometheus::Format::Text, &config.exclusions);
        prometheus::families(&Snapshot::default(), &OwnStats::default(), Some(&wanted), &mut nothing)
            .map_err(AgentError::from)?;
        lanes.push(lane(Kind::Samples, &settings.destination, data_dir, config.spool, 1)?);
    }
    if lanes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Pusher::start(lanes).map_err(AgentError::from)?)))
}

fn lane(
    kind: Kind,
    destination: &Destination,
    data_dir: Option<&Path>,
    bounds: Bounds,
    together: usize,
) -> Result<Lane, StartupError> {
    let (name, file) = match kind {
        Kind::Reports => ("agent", REPORTS_FILE),
        Kind::Samples => ("remote write", SAMPLES_FILE),
    };
    let client = Client::new(destination.clone()).map_err(AgentError::from)?;
    let path = data_dir.map(|folder| folder.join(file));
    let spool = Arc::new(Spool::open(path.as_deref(), bounds).map_err(AgentError::from)?);
    let waiting = spool.counts().entries;
    match path {
        Some(path) => {
            log::info!(
                "{name}: sends to {}; what waits is kept in {} ({waiting} now)",
                destination.shown(),
                path.display()
            );
        }
        None => log::warn!(
            "{name}: sends to {}; without --data-dir what waits is in memory, and lost with this process",
            destination.shown()
        ),
    }
    Ok(Lane::new(kind, spool, client, together))
}

/// What tells the metrics what was sent.
pub(super) fn counts(pusher: Option<&Arc<Pusher>>) -> PushCounts {
    let pusher = pusher.cloned();
    Box::new(move || pusher.as_ref().map(|pusher| pusher.counts()).unwrap_or_default())
}

/// What passes the reports of others on, where that is wanted.
pub(super) fn forward(config: &Config, pusher: Option<&Arc<Pusher>>) -> Option<Forward> {
    config.agent.as_ref().filter(|settings| settings.forward)?;
    let outlet = pusher?.outlet(Kind::Reports)?;
    Some(Box::new(move |reports: &[&[u8]]| outlet.push_durably(reports)))
}

/// Starts gathering what the configuration says is sent.
pub(super) fn start(
    config: &Config,
    pusher: &Pusher,
    sampler: &Sampler,
    stats: impl Fn() -> OwnStats + Send + Sync + 'static,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    if let (Some(settings), Some(outlet)) = (config.agent.clone(), pusher.outlet(Kind::Reports)) {
        tasks.push(actix_rt::spawn(report(sampler.clone(), settings, config.data_dir.clone(), outlet)));
    }
    if let (Some(settings), Some(outlet)) = (config.remote_write.clone(), pusher.outlet(Kind::Samples)) {
        let exclusions = config.exclusions.clone();
        tasks.push(actix_rt::spawn(write_remotely(sampler.clone(), settings, exclusions, outlet, stats)));
    }
    tasks
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// A report each interval, the first as soon as the CPU was measured.
async fn report(sampler: Sampler, settings: Settings, data_dir: Option<std::path::PathBuf>, outlet: Outlet) {
    let mut ticks = every(settings.interval);
    let mut name = settings.system_id.clone();
    let mut last = None;
    wait_until_measured(&sampler).await;
    loop {
        ticks.tick().await;
        let Ok(frame) = sampler.latest(system_monitor::REPORT_NEEDS).await else { continue };
        let moment = frame.snapshot().time_unix_seconds.floor() as i64;
        // A receiver would take a second one of the same second for the first.
        if last == Some(moment) {
            continue;
        }
        last = Some(moment);
        let name = name.get_or_insert_with(|| own_name(frame.snapshot(), data_dir.as_deref())).clone();
        let (outlet, url, interval) = (outlet.clone(), settings.destination.shown(), settings.interval);
        let pushed = tokio::task::spawn_blocking(move || {
            let sender = system_monitor::Sender { system_id: &name, url: &url, interval };
            outlet.push(&[system_monitor::report(&sender, frame.snapshot()).as_bytes()]);
        });
        if let Err(error) = pushed.await {
            log::error!("agent: {error}");
        }
    }
}

/// The use of the CPU takes two readings.
async fn wait_until_measured(sampler: &Sampler) {
    for _ in 0..FIRST_LOOKS {
        let Ok(frame) = sampler.latest(system_monitor::REPORT_NEEDS).await else { continue };
        let cpu = frame.snapshot().cpu.as_ref();
        if cpu.and_then(|cpu| cpu.total.as_ref()).and_then(|total| total.busy_ratio).is_some() {
            return;
        }
        tokio::time::sleep(sampler.interval().min(MEASURED) / 10).await;
    }
}

/// This machine's name where nobody chose one.
fn own_name(snapshot: &Snapshot, data_dir: Option<&Path>) -> String {
    let machine_id = snapshot.host.as_ref().and_then(|host| host.machine_id.as_deref());
    let name = machine_id.and_then(agent::system_id_of).unwrap_or_else(|| kept_name(data_dir));
    log::info!("agent: reports as {name}");
    name
}

/// A name that is kept in the data directory, for machines that have no machine-id.
fn kept_name(data_dir: Option<&Path>) -> String {
    let Some(path) = data_dir.map(|folder| folder.join("system-id")) else {
        log::warn!(
            "agent: there is no /etc/machine-id and no --data-dir, so this machine has a new name at each start"
        );
        return agent::new_system_id();
    };
    if let Ok(text) = std::fs::read_to_string(&path)
        && !text.trim().is_empty()
    {
        return text.trim().to_owned();
    }
    let name = agent::new_system_id();
    if let Err(error) = std::fs::write(&path, format!("{name}\n")) {
        log::warn!(
            "agent: {} cannot be written ({error}), so this machine has a new name at each start",
            path.display()
        );
    }
    name
}

/// The families of `/metrics` each interval.
async fn write_remotely(
    sampler: Sampler,
    settings: RemoteWrite,
    exclusions: Exclusions,
    outlet: Outlet,
    stats: impl Fn() -> OwnStats,
) {
    let mut ticks = every(settings.interval);
    let collect: Vec<String> = settings.collect.clone();
    let mut batcher = None;
    loop {
        ticks.tick().await;
        let Ok(frame) = sampler.latest(prometheus::NEEDS).await else { continue };
        let own = stats();
        let mut batches = batcher.take().unwrap_or_else(|| {
            let host = frame.snapshot().host.as_ref().and_then(|host| host.hostname.clone());
            let mut selection = settings.selection.clone();
            let instance = || host.unwrap_or_else(|| "localhost".to_owned());
            selection.labels.entry("instance".to_owned()).or_insert_with(instance);
            Batcher::new(selection, exclusions.clone(), outlet.note().as_deref())
        });
        let (outlet, collect) = (outlet.clone(), collect.clone());
        let made = tokio::task::spawn_blocking(move || {
            let wanted: Vec<&str> = collect.iter().map(String::as_str).collect();
            let snapshot = frame.snapshot();
            let requests = batches.requests(snapshot.time_unix_seconds, |sink| {
                // Unknown collectors were refused at the start.
                let _ = prometheus::families(snapshot, &own, Some(&wanted), sink);
            });
            let bodies: Vec<&[u8]> = requests.bodies.iter().map(Vec::as_slice).collect();
            if !bodies.is_empty() {
                outlet.push_noted(&bodies, requests.series);
            }
            batches
        });
        match made.await {
            Ok(batches) => batcher = Some(batches),
            Err(error) => return log::error!("remote write: {error}; it ends"),
        }
    }
}

/// `psmonitor background`: reports until a signal says to stop, and serves nobody.
pub async fn background(typed: &Typed, given: &cli::Background) -> Result<(), StartupError> {
    let told = config::standalone(typed, given).map_err(|error| typed.locate(error))?;
    let paths = config::paths(&typed.args)?;
    crate::collect::probe(&paths).map_err(StartupError::Unreadable)?;
    let mut signals = super::Signals::new()?;
    let lane = lane(Kind::Reports, &told.settings.destination, told.data_dir.as_deref(), told.spool, 1)?;
    let pusher = Pusher::start(vec![lane]).map_err(AgentError::from)?;
    let (sampler, clock) =
        Sampler::new(sampler::Settings { interval: MEASURED, paths, background: None, observers: Vec::new() });
    let Some(outlet) = pusher.outlet(Kind::Reports) else { return Ok(()) };
    tokio::select! {
        () = clock => {}
        () = report(sampler, told.settings, told.data_dir, outlet) => {}
        () = super::trim::keep_trimming() => {}
        () = signals.stop() => {}
    }
    log::info!("stopping");
    let deadline = Instant::now() + super::STOP_LIMIT;
    let _ = tokio::task::spawn_blocking(move || pusher.close_by(deadline)).await;
    Ok(())
}

/// `psmonitor check-url` and `check-system-id`: says what the receiver answered.
pub fn ask(typed: &Typed, receiver: &cli::Named, is_about_name: bool) -> Result<(), StartupError> {
    let given = cli::Background { named: receiver.clone(), ..cli::Background::default() };
    let told = config::standalone(typed, &given).map_err(|error| typed.locate(error))?;
    let name = match told.settings.system_id {
        Some(name) => name,
        None if is_about_name => {
            let paths = config::paths(&typed.args)?;
            let snapshot =
                crate::model::derive(&crate::collect::Collector::new(&paths).read(crate::model::Subjects::VITALS));
            own_name(&snapshot, told.data_dir.as_deref())
        }
        None => String::new(),
    };
    let about = if is_about_name { Check::SystemId(&name) } else { Check::Url };
    let found = check(&told.settings.destination, about).map_err(StartupError::Check)?;
    // Where nobody reads this there is nobody to tell.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{}\n", terminal::plain(&found)).as_bytes());
    Ok(())
}
