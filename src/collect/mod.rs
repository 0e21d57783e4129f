//! The only part that touches the machine: runs every reader that is wanted, times and judges it.
//!
//! Called by [`crate::sampler`] on the blocking pool, never on an async thread. Each reader's file is called as the
//! kernel names its subject, has a `Reader` (made once from [`Paths`], kept between passes) and a parser that takes text.

pub mod cpu;
pub mod disk;
pub mod file;
pub mod filesystem;
pub mod host;
pub mod kernel;
pub mod load;
pub mod memory;
pub mod network;
pub mod paths;
pub mod pressure;
pub mod process;
pub mod sensor;
pub mod socket;
pub mod user;
pub mod wireless;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use paths::Paths;

use crate::model::sample::{RawProcesses, RunReport};
use crate::model::{Gathered, ReadError, Reading, Sample, Subjects};

/// How often facts that do not change are looked at again (a renamed host, an upgraded distribution).
const HOST_FACTS_AGE: Duration = Duration::from_secs(300);

/// All readers with what they keep open between passes.
#[derive(Debug)]
pub struct Collector {
    paths: Paths,
    epoch: Instant,
    cpu: cpu::Reader,
    frequency: cpu::FrequencyReader,
    memory: memory::Reader,
    swap_io: memory::SwapIoReader,
    load: load::Reader,
    pressure: pressure::Reader,
    uptime: host::UptimeReader,
    network: network::Reader,
    links: network::LinkReader,
    wireless: wireless::Reader,
    disks: disk::Reader,
    filesystems: filesystem::Reader,
    sensors: sensor::Reader,
    processes: process::Reader,
    sockets: socket::Reader,
    host: host::Reader,
    kernel: kernel::Reader,
    /// Readers whose failure was already told, with what they said.
    told: HashMap<&'static str, ReadError>,
}

impl Collector {
    /// Readers under `paths`. Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            epoch: Instant::now(),
            cpu: cpu::Reader::new(paths),
            frequency: cpu::FrequencyReader::new(paths),
            memory: memory::Reader::new(paths),
            swap_io: memory::SwapIoReader::new(paths),
            load: load::Reader::new(paths),
            pressure: pressure::Reader::new(paths),
            uptime: host::UptimeReader::new(paths),
            network: network::Reader::new(paths),
            links: network::LinkReader::new(paths),
            wireless: wireless::Reader::new(paths),
            disks: disk::Reader::new(paths),
            filesystems: filesystem::Reader::new(paths),
            sensors: sensor::Reader::new(paths),
            processes: process::Reader::new(paths),
            sockets: socket::Reader::new(paths),
            host: host::Reader::new(paths),
            kernel: kernel::Reader::new(paths),
            told: HashMap::new(),
        }
    }

    /// One full pass: the vitals and `wanted`. What was not wanted is absent from the sample, host facts aside, which are
    /// carried over from `previous` while they are fresh.
    pub fn collect(&mut self, wanted: Subjects, previous: Option<&Sample>) -> Sample {
        let mut sample = self.empty();
        let epoch = self.epoch;
        let mut run = Runner { epoch, runs: Vec::with_capacity(16) };
        sample.cpu = run.one("cpu", || self.cpu.read());
        sample.memory = run.one("memory", || self.memory.read());
        sample.swap_io = run.one("swap", || self.swap_io.read());
        sample.load = run.one("load", || self.load.read());
        sample.pressure = run.one("pressure", || self.pressure.read());
        sample.uptime_seconds = run.one("uptime", || self.uptime.read());
        sample.network = run.one("network", || self.network.read());
        sample.disks = run.one("disk", || self.disks.read());
        let fresh =
            previous.and_then(|p| p.host.clone()).filter(|host| sample.at.saturating_sub(host.at) < HOST_FACTS_AGE);
        sample.host = fresh.or_else(|| run.one("host", || self.host.read()));
        sample.runs = run.runs;
        self.add(&mut sample, wanted);
        sample
    }

    /// A pass for `wanted` alone, laid over the vitals and everything else of `base`: what a first reader between two
    /// ticks waits for.
    pub fn supplement(&mut self, wanted: Subjects, base: &Sample) -> Sample {
        let mut sample = base.clone();
        self.add(&mut sample, wanted);
        sample
    }

    fn add(&mut self, sample: &mut Sample, wanted: Subjects) {
        let mut run = Runner { epoch: self.epoch, runs: Vec::new() };
        if wanted.contains(Subjects::FREQUENCY) {
            sample.frequency = run.one("frequency", || self.frequency.read());
        }
        if wanted.contains(Subjects::INTERFACES) {
            sample.links = run.one("link", || self.links.read());
        }
        if wanted.contains(Subjects::WIRELESS) {
            sample.wireless = run.one("wireless", || self.wireless.read());
        }
        if wanted.contains(Subjects::FILESYSTEMS) {
            sample.filesystems = run.one("filesystem", || self.filesystems.read());
        }
        if wanted.contains(Subjects::SENSORS) {
            sample.sensors = run.one("sensor", || self.sensors.read());
        }
        if wanted.contains(Subjects::SOCKETS) {
            sample.sockets = run.one("socket", || self.sockets.read());
        }
        if wanted.contains(Subjects::TOP_PROCESSES) {
            let complete = wanted.contains(Subjects::ALL_PROCESSES);
            sample.processes = run.one("process", || -> Reading<RawProcesses> {
                if complete { self.processes.read_all() } else { self.processes.read_top() }
            });
        }
        if wanted.contains(Subjects::KERNEL) {
            sample.kernel = run.one("kernel", || Ok(Arc::new(self.kernel.read())));
        }
        for report in run.runs {
            sample.runs.retain(|old| old.reader != report.reader);
            sample.runs.push(report);
        }
        self.judge(&sample.runs);
    }

    fn empty(&self) -> Sample {
        Sample {
            at: self.epoch.elapsed(),
            unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()),
            machine: self.paths.machine,
            cpu: None,
            frequency: None,
            memory: None,
            swap_io: None,
            load: None,
            pressure: None,
            uptime_seconds: None,
            network: None,
            disks: None,
            links: None,
            wireless: None,
            filesystems: None,
            sensors: None,
            processes: None,
            sockets: None,
            host: None,
            kernel: None,
            runs: Vec::new(),
        }
    }

    /// Warns once about a reader that broke, and tells once when it works again. What this machine does not have is no
    /// fault and goes to the debug log.
    fn judge(&mut self, runs: &[RunReport]) {
        for run in runs {
            match &run.error {
                None => {
                    if self.told.remove(run.reader).is_some() {
                        log::info!("reader {} works again", run.reader);
                    }
                }
                Some(error) => {
                    if self.told.contains_key(run.reader) {
                        continue;
                    }
                    if matches!(error, ReadError::Unsupported { .. }) {
                        log::debug!("reader {}: {error}", run.reader);
                    } else {
                        log::warn!("reader {}: {error}; its numbers are null until it works", run.reader);
                    }
                    self.told.insert(run.reader, error.clone());
                }
            }
        }
    }
}

/// Times one reader after the other and keeps what each said.
struct Runner {
    epoch: Instant,
    runs: Vec<RunReport>,
}

impl Runner {
    fn one<T>(&mut self, reader: &'static str, read: impl FnOnce() -> Reading<T>) -> Option<Arc<Gathered<T>>> {
        let begin = self.epoch.elapsed();
        let value = read();
        let duration = self.epoch.elapsed().saturating_sub(begin);
        self.runs.push(RunReport { reader, duration, error: value.as_ref().err().cloned() });
        Some(Arc::new(Gathered { at: begin, value }))
    }
}
