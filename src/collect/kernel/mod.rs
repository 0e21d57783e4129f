//! The kernel's own tables, which only `/metrics` tells: one file a table, each with its parser.
//!
//! Run in the slow lane ([`super::slow_readers`]) when somebody scrapes. Each table is read, timed and judged for itself: one that fails, or
//! that this machine does not have, takes its own numbers away and no other.

pub mod arp;
pub mod attributes;
pub mod clock;
pub mod conntrack;
pub mod dmi;
pub mod entropy;
pub mod filefd;
pub mod hwmon;
mod link_watch;
pub mod meminfo;
pub mod mounts;
pub mod netclass;
pub mod netstat;
pub mod os_release;
pub mod own;
pub mod power_supply;
pub mod processor;
pub mod schedstat;
pub mod selinux;
pub mod sockstat;
pub mod softnet;
pub mod thermal;
pub mod timex;
pub mod udev;
pub mod udp_queues;
pub mod uname;
pub mod vmstat;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::Paths;
use super::file::FileReader;
use crate::model::cpu::SchedstatRow;
use crate::model::hold::{self, Told};
use crate::model::memory::MeminfoLine;
use crate::model::network::SoftnetRow;
use crate::model::system::FileHandles;
use crate::model::tables::{KernelTables, Named, TableRun};
use crate::model::{Faults, ReadError, Reading};

/// All tables' readers with what they keep open.
#[derive(Debug)]
pub struct Reader {
    /// For the tables of which nothing is kept: devices come and go.
    paths: Paths,
    arp: FileReader<Vec<Named>>,
    clock: clock::Reader,
    conntrack: conntrack::Reader,
    dmi: dmi::Reader,
    entropy: entropy::Reader,
    filefd: FileReader<FileHandles>,
    meminfo: FileReader<Vec<MeminfoLine>>,
    mounts: mounts::Reader,
    netclass: netclass::Reader,
    netstat: netstat::Reader,
    os_release: os_release::Reader,
    own: own::Reader,
    processors: processor::Reader,
    schedstat: schedstat::Reader,
    selinux: selinux::Reader,
    sockstat: sockstat::Reader,
    softnet: FileReader<Vec<SoftnetRow>>,
    timex: timex::Reader,
    udev: udev::Reader,
    udp_queues: udp_queues::Reader,
    uname: uname::Reader,
    vmstat: FileReader<Vec<Named>>,
    /// What was told last of counters that the kernel may step back.
    told_schedstat: Told<Vec<SchedstatRow>>,
    told_softnet: Told<Vec<SoftnetRow>>,
    told_vmstat: Told<Vec<Named>>,
    /// Tables whose failure was already told.
    told: HashSet<&'static str>,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            arp: arp::reader(paths),
            clock: clock::Reader::new(paths),
            conntrack: conntrack::Reader::new(paths),
            dmi: dmi::Reader::new(paths),
            entropy: entropy::Reader::new(paths),
            filefd: filefd::reader(paths),
            meminfo: meminfo::reader(paths),
            mounts: mounts::Reader::new(paths),
            netclass: netclass::Reader::new(paths),
            netstat: netstat::Reader::new(paths),
            os_release: os_release::Reader::new(paths),
            own: own::Reader::new(),
            processors: processor::Reader::new(paths),
            schedstat: schedstat::Reader::new(paths),
            selinux: selinux::Reader::new(paths),
            sockstat: sockstat::Reader::new(paths),
            softnet: softnet::reader(paths),
            timex: timex::Reader::default(),
            udev: udev::Reader::new(paths),
            udp_queues: udp_queues::Reader::new(paths),
            uname: uname::Reader::new(paths),
            vmstat: vmstat::reader(paths),
            told_schedstat: Told::default(),
            told_softnet: Told::default(),
            told_vmstat: Told::default(),
            told: HashSet::new(),
        }
    }

    /// Every table as it is now. Never fails as a whole.
    pub fn read(&mut self, _: &mut Faults) -> Reading<Arc<KernelTables>> {
        Ok(Arc::new(self.read_tables()))
    }

    fn read_tables(&mut self) -> KernelTables {
        let mut run = Runner { runs: Vec::with_capacity(28), told: &mut self.told };
        KernelTables {
            meminfo: run.one("meminfo", |faults| self.meminfo.read(faults)),
            vmstat: run.one("vmstat", |faults| {
                Ok(self.told_vmstat.next(self.vmstat.read(faults)?, |told, now| hold::vmstat(told, now)))
            }),
            netstat: run.one("netstat", |faults| self.netstat.read(faults)),
            sockstat: run.one("sockstat", |faults| self.sockstat.read(faults)),
            softnet: run.one("softnet", |faults| {
                Ok(self.told_softnet.next(self.softnet.read(faults)?, |told, now| hold::softnet(told, now)))
            }),
            arp: run.one("arp", |faults| self.arp.read(faults)),
            udp_queues: run.one("udp_queues", |faults| self.udp_queues.read(faults)),
            conntrack: run.one("conntrack", |faults| self.conntrack.read(faults)),
            netclass: run.one("netclass", |_| self.netclass.read()),
            schedstat: run.one("schedstat", |faults| {
                Ok(self.told_schedstat.next(self.schedstat.read(faults)?, |told, now| hold::schedstat(told, now)))
            }),
            file_handles: run.one("filefd", |faults| self.filefd.read(faults)),
            entropy: run.one("entropy", |_| self.entropy.read()),
            timex: run.one("timex", |_| self.timex.read()),
            clock: run.one("time", |_| self.clock.read()),
            uname: run.one("uname", |_| self.uname.read()),
            os_release: run.one("os", |_| self.os_release.read()),
            selinux: run.one("selinux", |_| self.selinux.read()),
            dmi: run.one("dmi", |_| self.dmi.read()),
            hwmon: run.one("hwmon", |_| hwmon::read(&self.paths)),
            thermal: run.one("thermal_zone", |_| thermal::read(&self.paths)),
            power_supplies: run.one("powersupplyclass", |_| power_supply::read(&self.paths)),
            frequencies: run.one("cpufreq", |_| self.processors.frequencies()),
            throttles: run.one("cpu", |_| self.processors.throttles()),
            udev: run.one("diskstats", |_| self.udev.read()),
            mounts: run.one("filesystem", |faults| self.mounts.read(faults)),
            own: run.one("psmonitor", |_| self.own.read()),
            runs: run.runs,
        }
    }
}

/// Times one table after the other and keeps what each said.
struct Runner<'a> {
    runs: Vec<TableRun>,
    told: &'a mut HashSet<&'static str>,
}

impl Runner<'_> {
    fn one<T>(&mut self, collector: &'static str, read: impl FnOnce(&mut Faults) -> Reading<T>) -> Option<T> {
        let begin = Instant::now();
        let mut faults = Faults::default();
        let reading = read(&mut faults);
        let duration_seconds = begin.elapsed().as_secs_f64();
        let error = reading.as_ref().err().map(ToString::to_string);
        match &reading {
            Err(ReadError::Unsupported { .. }) => {}
            Err(error) if self.told.insert(collector) => {
                log::warn!("table {collector}: {error}; its metrics are missing until it works");
            }
            Ok(_) if !faults.is_empty() => {
                if self.told.insert(collector) {
                    log::warn!("table {collector}: {faults}; the rest is told");
                }
            }
            Err(_) => {}
            Ok(_) => {
                if self.told.remove(collector) {
                    log::info!("table {collector} works again");
                }
            }
        }
        self.runs.push(TableRun { collector, duration_seconds, error });
        reading.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_root_takes_nothing_down() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let paths = Paths { procfs: root.into(), sysfs: root.into(), rootfs: root.into(), ..Paths::host() };
        let tables = Reader::new(&paths).read_tables();
        assert!(tables.meminfo.is_none() && tables.netclass.is_none() && tables.hwmon.is_none());
        assert!(tables.own.is_some());
        let run = |name: &str| tables.runs.iter().find(|run| run.collector == name).unwrap().error.clone();
        assert!(run("meminfo").unwrap().contains("not available"));
        assert_eq!(run("psmonitor"), None);
    }

    #[test]
    fn a_broken_table_leaves_the_others_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().into(), ..Paths::host() };
        std::fs::create_dir_all(dir.path().join("sys/fs")).unwrap();
        std::fs::write(dir.path().join("meminfo"), "garbage\n").unwrap();
        std::fs::write(dir.path().join("sys/fs/file-nr"), "1 0 2\n").unwrap();
        let mut reader = Reader::new(&paths);
        let tables = reader.read_tables();
        assert!(tables.meminfo.is_none());
        assert_eq!(tables.file_handles.unwrap().maximum, 2);
        std::fs::write(dir.path().join("meminfo"), "MemTotal: 1 kB\n").unwrap();
        assert_eq!(reader.read_tables().meminfo.unwrap().len(), 1);
    }
}
