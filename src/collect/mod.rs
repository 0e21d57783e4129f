//! The only part that touches the machine: one reader for each source, and the table of them ([`registry`]).
//!
//! Called by [`crate::sampler`] on the blocking pool, never on an async thread. A file is called as the kernel names its
//! source, has a `Reader` (made from [`Paths`], kept between passes) where something is kept, and a parser that takes text.
//! Beside the sources stand what several of them use: [`mod@file`] and `attributes` for files, `netlink` for messages.

pub mod address;
pub mod arp;
mod attributes;
pub mod cgroup;
pub mod clock;
pub mod conntrack;
pub mod cpu;
pub mod cpufreq;
pub mod cpuinfo;
pub mod disk;
pub mod dmi;
pub mod entropy;
pub mod file;
pub mod filefd;
pub mod filesystem;
pub mod host;
pub mod hwmon;
mod judge;
pub mod limit;
pub mod lines;
pub mod link;
mod link_watch;
pub mod load;
pub mod memory;
mod mount_table;
pub mod mountinfo;
pub mod netlink;
pub mod netstat;
pub mod network;
pub mod nl80211;
pub mod os_release;
pub mod own;
pub mod paths;
pub mod power_supply;
pub mod pressure;
pub mod process;
pub mod registry;
pub mod schedstat;
pub mod selinux;
pub mod socket;
pub mod sockstat;
pub mod softnet;
pub mod statvfs;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_sensor;
pub mod thermal;
pub mod throttle;
pub mod timex;
pub mod udev;
pub mod uname;
pub mod uptime;
pub mod user;
pub mod virtualization;
pub mod vmstat;
pub mod wireless;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use judge::Judge;
pub use paths::Paths;
pub use registry::{Answer, Every, Registry, Source};

use crate::model::{Machine, Reading, Readings, Run, Sample, Subjects};

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

/// Seconds since 1970.
#[must_use]
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
    /// Readers under `paths`. Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let sources = Registry::new(paths).sources();
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
