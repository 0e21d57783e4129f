//! The only part that touches the machine: one reader for each source, and the table of them ([`registry`]). The readers of
//! Linux are in `linux`; on other systems `portable` reads, which can be asked for on Linux too.
//!
//! Called by [`crate::sampler`] on the blocking pool, never on an async thread.

mod judge;
pub mod limit;
#[cfg(target_os = "linux")]
pub mod linux;
mod naming;
pub mod paths;
mod portable;
pub mod registry;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use judge::Judge;
pub use paths::{Paths, Readers};
pub use registry::{Answer, Every, Registry, SHORTEST_SPAN, Source};

use crate::model::network::Link;
use crate::model::{Machine, Reading, Readings, Run, Sample, Subjects};

/// Whether there is a machine to watch below these roots: one file of its `/proc` that can be read is enough, as each
/// stands for itself.
///
/// # Errors
/// What the first of them says, when none can be read.
pub fn probe(paths: &Paths) -> Reading<()> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::probe(paths),
        Readers::Portable => Ok(()),
    }
}

/// What keeps the container whose numbers these are, where they are a container's.
pub fn container(paths: &Paths) -> Option<&'static str> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::cgroup::container(paths),
        Readers::Portable => None,
    }
}

/// The name of process `pid`, as in the process table. [`crate::model::ReadError::Vanished`] when there is no such process.
pub fn process_name(paths: &Paths, pid: u32) -> Reading<String> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::process::name(paths, pid),
        Readers::Portable => portable::name(pid),
    }
}

/// The arguments of process `pid`, nothing masked. [`crate::model::ReadError::Vanished`] when there is no such process.
pub fn command_line(paths: &Paths, pid: u32) -> Reading<Vec<String>> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::process::command_line(paths, pid),
        Readers::Portable => portable::command_line(pid),
    }
}

/// How many descriptors the readers of processes may keep.
pub fn descriptor_budget(paths: &Paths) -> usize {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::process::descriptor_budget(),
        Readers::Portable => 0,
    }
}

/// The interfaces with their addresses, read once.
pub fn links(paths: &Paths) -> Reading<Vec<Link>> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => linux::links(paths),
        Readers::Portable => portable::links(),
    }
}

/// Seconds since 1970.
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |wall| wall.as_secs_f64())
}

/// Runs the readers one after the other on the calling thread, for whoever has no server: benches, tests, commands.
pub struct Collector {
    sources: Vec<Source>,
    machine: Machine,
    epoch: Instant,
    /// Facts are taken over from pass to pass.
    facts: Readings,
}

impl Collector {
    /// Half of the shortest time between two screens of `--watch`: who calls keeps the time, and nobody else is in between.
    const SHORTEST_SPAN: Duration = Duration::from_millis(50);

    /// Readers under `paths`. Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let mut sources = Registry::new(paths).sources();
        sources.iter_mut().for_each(|source| source.shortest_span = Self::SHORTEST_SPAN);
        Self { sources, machine: paths.machine, epoch: Instant::now(), facts: Readings::default() }
    }

    /// The vitals and what `wanted` names, read now. Each reading of counters carries the one of an earlier call. Facts that
    /// do not change are read at the first call only.
    pub fn read(&mut self, wanted: Subjects) -> Sample {
        let at = self.epoch.elapsed();
        let is_first = self.facts.is_empty();
        let mut sample = Sample {
            at,
            unix_seconds: unix_seconds(),
            machine: self.machine,
            readings: self.facts.clone(),
            runs: Vec::new(),
        };
        for source in &mut self.sources {
            let asked = wanted.and(source.serves);
            let is_fact = matches!(source.every, Every::Span(_));
            if source.every == Every::Tick || asked != Subjects::VITALS || is_fact && is_first {
                let begin = self.epoch.elapsed();
                let Answer { reading, error, faults } = source.read(begin, asked);
                let seconds = (self.epoch.elapsed() - begin).as_secs_f64();
                sample.runs.push(Run { reader: source.name, seconds, error, faults });
                if is_fact {
                    self.facts.put(reading.clone());
                }
                sample.readings.put(reading);
            }
        }
        sample
    }
}
