//! The only part that touches the machine: one reader for each source, and the table of them ([`registry`]). The readers of
//! Linux are the files here, each under one `cfg`; on other systems `portable` reads, which can be asked for on Linux too.
//!
//! Called by [`crate::sampler`] on the blocking pool, never on an async thread. A file is called as the kernel names its
//! source, has a `Reader` (made from [`Paths`], kept between passes) where something is kept, and a parser that takes text.
//! Beside the sources stand what several of them use: [`mod@file`] and `attributes` for files, `netlink` for messages.

#[cfg(target_os = "linux")]
pub mod address;
#[cfg(target_os = "linux")]
pub mod arp;
#[cfg(target_os = "linux")]
mod attributes;
#[cfg(target_os = "linux")]
mod below;
#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod clock;
#[cfg(target_os = "linux")]
pub mod conntrack;
#[cfg(target_os = "linux")]
pub mod cpu;
#[cfg(target_os = "linux")]
pub mod cpufreq;
#[cfg(target_os = "linux")]
pub mod cpuinfo;
#[cfg(target_os = "linux")]
pub mod disk;
#[cfg(target_os = "linux")]
pub mod dmi;
#[cfg(target_os = "linux")]
pub mod entropy;
#[cfg(target_os = "linux")]
pub mod file;
#[cfg(target_os = "linux")]
pub mod filefd;
#[cfg(target_os = "linux")]
pub mod filesystem;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
mod hostname;
#[cfg(target_os = "linux")]
pub mod hwmon;
mod judge;
pub mod limit;
#[cfg(target_os = "linux")]
pub mod lines;
#[cfg(target_os = "linux")]
pub mod link;
#[cfg(target_os = "linux")]
mod link_watch;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub mod load;
#[cfg(target_os = "linux")]
pub mod memory;
#[cfg(target_os = "linux")]
mod mount_table;
#[cfg(target_os = "linux")]
pub mod mountinfo;
mod naming;
#[cfg(target_os = "linux")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod netstat;
#[cfg(target_os = "linux")]
pub mod network;
#[cfg(target_os = "linux")]
pub mod nl80211;
#[cfg(target_os = "linux")]
pub mod os_release;
#[cfg(target_os = "linux")]
pub mod own;
pub mod paths;
mod portable;
#[cfg(target_os = "linux")]
pub mod power_supply;
#[cfg(target_os = "linux")]
pub mod pressure;
#[cfg(target_os = "linux")]
pub mod process;
pub mod registry;
#[cfg(target_os = "linux")]
pub mod schedstat;
#[cfg(target_os = "linux")]
pub mod selinux;
#[cfg(target_os = "linux")]
pub mod socket;
#[cfg(target_os = "linux")]
pub mod sockstat;
#[cfg(target_os = "linux")]
pub mod softnet;
#[cfg(target_os = "linux")]
pub mod statvfs;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod testing;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests_sensor;
#[cfg(target_os = "linux")]
pub mod thermal;
#[cfg(target_os = "linux")]
pub mod throttle;
#[cfg(target_os = "linux")]
pub mod timex;
#[cfg(target_os = "linux")]
pub mod udev;
#[cfg(target_os = "linux")]
pub mod uname;
#[cfg(target_os = "linux")]
pub mod uptime;
#[cfg(target_os = "linux")]
pub mod user;
#[cfg(target_os = "linux")]
pub mod virtualization;
#[cfg(target_os = "linux")]
pub mod vmstat;
#[cfg(target_os = "linux")]
pub mod wireless;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
pub use below::Below;
pub use judge::Judge;
pub use paths::{Paths, Readers};
pub use registry::{Answer, Every, Registry, SHORTEST_SPAN, Source};

#[cfg(target_os = "linux")]
use crate::model::Faults;
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
        Readers::Linux => probe_files(paths),
        Readers::Portable => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn probe_files(paths: &Paths) -> Reading<()> {
    let mut first = None;
    let files = ["stat", "meminfo", "vmstat", "loadavg", "uptime", "diskstats"].map(|file| paths.proc(file));
    for file in files.into_iter().chain([paths.net("dev")]) {
        match file::read_text(&file) {
            Ok(_) => return Ok(()),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// What keeps the container whose numbers these are, where they are a container's.
#[must_use]
pub fn container(paths: &Paths) -> Option<&'static str> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => cgroup::container(paths),
        Readers::Portable => None,
    }
}

/// The name of process `pid`, as in the process table. [`crate::model::ReadError::Vanished`] when there is no such process.
pub fn process_name(paths: &Paths, pid: u32) -> Reading<String> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => process::name(paths, pid),
        Readers::Portable => portable::name(pid),
    }
}

/// The arguments of process `pid`, nothing masked. [`crate::model::ReadError::Vanished`] when there is no such process.
pub fn command_line(paths: &Paths, pid: u32) -> Reading<Vec<String>> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => process::command_line(paths, pid),
        Readers::Portable => portable::command_line(pid),
    }
}

/// How many descriptors the readers of processes may keep.
#[must_use]
pub fn descriptor_budget(paths: &Paths) -> usize {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => process::descriptor_budget(),
        Readers::Portable => 0,
    }
}

/// The interfaces with their addresses, read once.
pub fn links(paths: &Paths) -> Reading<Vec<Link>> {
    match paths.readers {
        #[cfg(target_os = "linux")]
        Readers::Linux => {
            let told = address::read(paths, &mut Faults::default())?;
            let (classes, mut told) = (link::Reader::new(paths).read()?, told.by_name());
            Ok(classes.iter().filter_map(|class| Link::of(class, told.remove(&*class.name))).collect())
        }
        Readers::Portable => portable::links(),
    }
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
