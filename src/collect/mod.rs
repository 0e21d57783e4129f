//! The only part that touches the machine: runs every reader that is wanted, times and judges it.
//!
//! Called by [`crate::sampler`] on the blocking pool, never on an async thread. Each reader's file is called as the
//! kernel names its subject, has a `Reader` (made once from [`Paths`], kept between passes) and a parser that takes text.

pub mod cpu;
pub mod cpuinfo;
pub mod disk;
pub mod file;
pub mod filesystem;
pub mod frequency;
pub mod host;
pub mod kernel;
pub mod limit;
pub mod lines;
pub mod link;
pub mod load;
pub mod memory;
pub mod mountinfo;
pub mod netlink;
pub mod network;
pub mod nl80211;
pub mod paths;
pub mod pressure;
pub mod process;
pub mod sensor;
pub mod socket;
pub mod statvfs;
pub mod uptime;
pub mod user;
pub mod virtualization;
pub mod wireless;

mod judge;
mod slow;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use file::FileReader;
pub use judge::Judge;
use load::Loadavg;
pub use paths::Paths;
pub use slow::{Patch, SlowReader, slow_readers};

use crate::model::cpu::RawCpu;
use crate::model::hold::{self, Told};
use crate::model::memory::{RawMemory, RawSwapIo};
use crate::model::pressure::RawPressure;
use crate::model::process::RawProcesses;
use crate::model::{Faults, Gathered, Reading, RunReport, Sample, Subjects};

/// Whether there is a machine to watch below these roots: one file of its `/proc` that can be read is enough, as each
/// stands for itself.
///
/// # Errors
/// What the first of them says, when none can be read.
pub fn probe(paths: &Paths) -> Reading<()> {
    let mut first = None;
    for file in ["stat", "meminfo", "vmstat", "loadavg", "uptime", "diskstats", "net/dev"] {
        match file::read_text(&paths.proc(file)) {
            Ok(_) => return Ok(()),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// How often facts that do not change are looked at again (a renamed host, an upgraded distribution).
const HOST_FACTS_AGE: Duration = Duration::from_secs(300);

/// How long the processes' files stay open after nobody wants them any more: a page that is reloaded finds them open, an
/// idle server holds no descriptors.
const PROCESSES_KEPT: Duration = Duration::from_secs(30);

/// The fast readers, with what they keep open between passes: vitals, processes, and host facts now and then.
#[derive(Debug)]
pub struct Collector {
    paths: Paths,
    epoch: Instant,
    cpu: cpu::Reader,
    memory: FileReader<RawMemory>,
    swap_io: FileReader<RawSwapIo>,
    load: FileReader<Loadavg>,
    pressure: pressure::Reader,
    uptime: FileReader<f64>,
    network: network::Reader,
    disks: disk::Reader,
    processes: process::Reader,
    /// When processes were last wanted; `None` when nothing is kept open for them.
    processes_at: Option<Duration>,
    host: host::Reader,
    /// What was told last of counters that the kernel may step back.
    told_cpu: Told<RawCpu>,
    told_pressure: Told<RawPressure>,
    told_swap_io: Told<RawSwapIo>,
}

impl Collector {
    /// Readers under `paths`. Opens nothing yet. Moments in samples are counted from `epoch`.
    #[must_use]
    pub fn new(paths: &Paths, epoch: Instant) -> Self {
        Self {
            paths: paths.clone(),
            epoch,
            cpu: cpu::Reader::new(paths),
            memory: memory::reader(paths),
            swap_io: memory::swap_io_reader(paths),
            load: load::reader(paths),
            pressure: pressure::Reader::new(paths),
            uptime: uptime::reader(paths),
            network: network::Reader::new(paths),
            disks: disk::Reader::new(paths),
            processes: process::Reader::new(paths),
            processes_at: None,
            host: host::Reader::new(paths),
            told_cpu: Told::default(),
            told_pressure: Told::default(),
            told_swap_io: Told::default(),
        }
    }

    /// One tick's pass: the vitals, and the processes as far as `wanted` names them. Host facts are carried over from
    /// `previous` while they are fresh; everything else that was not wanted is absent.
    pub fn tick(&mut self, wanted: Subjects, previous: Option<&Sample>) -> Sample {
        let mut sample = self.empty();
        let mut run = Runner { epoch: self.epoch, runs: Vec::with_capacity(12) };
        let hertz = self.paths.machine.ticks_per_second;
        sample.cpu = run.one("cpu", |faults| {
            let now = self.cpu.read(faults)?;
            Ok(self.told_cpu.next(now, |told, now| hold::cpu(told, now, hertz)))
        });
        sample.memory = run.one("memory", |faults| self.memory.read(faults));
        sample.swap_io =
            run.one("swap", |faults| Ok(self.told_swap_io.next(self.swap_io.read(faults)?, hold::swap_io)));
        let mut newest_pid = None;
        sample.load = run.one("load", |faults| {
            let read = self.load.read(faults)?;
            newest_pid = read.newest_pid;
            Ok(read.load)
        });
        sample.pressure =
            run.one("pressure", |faults| Ok(self.told_pressure.next(self.pressure.read(faults)?, hold::pressure)));
        sample.uptime_seconds = run.one("uptime", |faults| self.uptime.read(faults));
        sample.network = run.one("network", |faults| self.network.read(faults));
        sample.disks = run.one("disk", |faults| self.disks.read(faults));
        let known = previous.and_then(|previous| previous.host.clone());
        let fresh = known.filter(|host| sample.at.saturating_sub(host.at) < HOST_FACTS_AGE);
        sample.host = fresh.or_else(|| run.one("host", |_| self.host.read().map(Arc::new)));
        sample.runs = run.runs;
        self.processes.note_newest_pid(newest_pid);
        self.add_processes(&mut sample, wanted);
        sample
    }

    /// Reads the processes as far as `wanted` names them, and puts them into `sample`.
    pub fn add_processes(&mut self, sample: &mut Sample, wanted: Subjects) {
        let now = self.epoch.elapsed();
        if !wanted.intersects(Subjects::ALL_PROCESSES) {
            if self.processes_at.is_some_and(|at| now.saturating_sub(at) > PROCESSES_KEPT) {
                self.processes.release();
                self.processes_at = None;
            }
            return;
        }
        self.processes_at = Some(now);
        // Where the ten largest are known already, what is left of "all" is the one bit beyond them.
        let all = wanted.intersects(Subjects::ALL_PROCESSES.without(Subjects::TOP_PROCESSES));
        let mut run = Runner { epoch: self.epoch, runs: Vec::with_capacity(1) };
        sample.processes = run.one("process", |_| -> Reading<RawProcesses> {
            if all { self.processes.read_all() } else { self.processes.read_top() }
        });
        sample.add_runs(run.runs);
    }

    fn empty(&self) -> Sample {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Sample::empty(self.epoch.elapsed(), wall.map_or(0.0, |wall| wall.as_secs_f64()), self.paths.machine)
    }
}

/// Times one reader after the other and keeps what each said.
struct Runner {
    epoch: Instant,
    runs: Vec<RunReport>,
}

impl Runner {
    fn one<T>(
        &mut self,
        reader: &'static str,
        read: impl FnOnce(&mut Faults) -> Reading<T>,
    ) -> Option<Arc<Gathered<T>>> {
        let begin = self.epoch.elapsed();
        let mut faults = Faults::default();
        let value = read(&mut faults);
        let duration = self.epoch.elapsed().saturating_sub(begin);
        self.runs.push(RunReport { reader, duration, error: value.as_ref().err().cloned(), faults });
        Some(Arc::new(Gathered { at: begin, value }))
    }
}
