//! The machine as the crate `sysinfo` tells of it: the collector on systems other than Linux, and on Linux with
//! `--collector portable`. It knows less than the readers of the kernel's files; what it does not know is unknown, and its
//! readers are told as missing here, not as failed.
//!
//! Called by [`super::registry`] for the table of readers and by [`super`] for single processes. It knows no roots and reads
//! nothing but this machine. Whatever `sysinfo` tells in the form of a kernel's file fills that file's raw value, so that
//! the dialects need no second way; CPU and processes have raw values of their own ([`crate::model::portable`]).

mod devices;
mod process;
mod system;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::registry::{Every, FACTS_AGE, PROCESSES_KEPT, Source};
use crate::model::network::{Link, NetClass, RawAddresses};
use crate::model::{Faults, ReadError, Reading, Subjects};

pub(super) use process::{command_line, name};

/// Readers of Linux that have no counterpart here. `udev` is not named: it adds to the disks, which are told without it.
const MISSING: [(&str, Subjects); 20] = [
    ("vmstat", Subjects::VITALS),
    ("pressure", Subjects::VITALS),
    ("wireless", Subjects::WIRELESS),
    ("socket", Subjects::SOCKETS.with(Subjects::TABLES)),
    ("thermal", Subjects::SENSORS),
    ("power_supply", Subjects::TABLES.with(Subjects::SENSORS)),
    ("process_details", Subjects::PROCESS_DETAILS.without(Subjects::ALL_PROCESSES)),
    ("cgroup", Subjects::CONTAINER),
    ("clock", Subjects::TABLES),
    ("conntrack", Subjects::TABLES),
    ("entropy", Subjects::TABLES),
    ("netstat", Subjects::TABLES),
    ("throttle", Subjects::TABLES),
    ("schedstat", Subjects::TABLES),
    ("selinux", Subjects::TABLES),
    ("sockstat", Subjects::TABLES),
    ("timex", Subjects::TABLES),
    ("softnet", Subjects::TABLES),
    ("arp", Subjects::TABLES),
    ("filefd", Subjects::TABLES),
];

/// What a reader says that `sysinfo` has nothing for.
struct Missing;

/// Every reader. Asks the system for nothing yet.
pub(super) fn sources() -> Vec<Source> {
    let none = Subjects::VITALS;
    let mut cpu = system::CpuReader::default();
    let mut processes = process::Reader::default();
    let mut traffic = devices::Network::default();
    let mut links = devices::Network::default();
    let mut addresses = devices::Network::default();
    let mut sources = vec![
        Source::counters("cpu", none, |_, _| {}, move |_, _| cpu.read()).each_tick(),
        Source::new("memory", none, |_, _| system::memory()).each_tick(),
        Source::new("load", none, |_, _| system::load()).each_tick(),
        Source::new("uptime", none, |_, _| system::uptime()).each_tick(),
        Source::counters("network", none, |_, _| {}, move |_, _| traffic.counters()).each_tick(),
        Source::new("host", none, |_, _| system::host()).in_tick().when(Every::Span(FACTS_AGE)),
        Source::counters("process", Subjects::ALL_PROCESSES, |_, _| {}, move |_, _| processes.read())
            .in_tick()
            .rests_after(PROCESSES_KEPT),
        // A vital, yet in a lane of its own: to list the disks may wait for one of them.
        Source::counters("disk", none, |_, _| {}, |_, _| devices::disks()).may_hang().when(Every::Tick),
        Source::new("filesystem", Subjects::FILESYSTEMS, |_, _| devices::filesystems()).may_hang(),
        Source::new("hwmon", Subjects::SENSORS, |_, _| devices::sensors()).may_hang(),
        Source::new("cpufreq", Subjects::FREQUENCY, |_, _| system::clocks()).may_hang(),
        Source::new("link", Subjects::INTERFACES, move |_, _| links.links()).may_hang(),
        Source::new("address", Subjects::ADDRESSES.without(Subjects::INTERFACES), move |_, _| addresses.addresses())
            .may_hang(),
        Source::new("own", Subjects::TABLES, |_, _| process::own()),
        Source::new("uname", Subjects::TABLES, |_, _| system::uname()),
        Source::new("os_release", Subjects::TABLES, |_, _| system::os_release()),
        Source::new("dmi", Subjects::TABLES, |_, _| system::dmi()),
    ];
    sources.extend(MISSING.into_iter().map(|(name, serves)| missing(name, serves)));
    sources
}

/// A reader that says that there is no such thing here.
fn missing(name: &'static str, serves: Subjects) -> Source {
    let read = move |_: Subjects, _: &mut Faults| -> Reading<Missing> {
        Err(ReadError::Unsupported { path: format!("{name} (the portable collector)") })
    };
    let every = if serves == Subjects::VITALS { Every::Span(FACTS_AGE) } else { Every::Asked };
    Source::new(name, serves, read).when(every)
}

/// The interfaces with their addresses, for what is printed at the start.
pub(super) fn links() -> Reading<Vec<Link>> {
    let mut network = devices::Network::default();
    let (classes, RawAddresses(list)): (Vec<NetClass>, _) = (network.links()?, network.addresses()?);
    let addresses = RawAddresses(list);
    let mut addresses = addresses.by_name();
    Ok(classes.iter().filter_map(|class| Link::of(class, addresses.remove(&*class.name))).collect())
}

/// What `sysinfo` says went wrong.
fn failed(what: &str, error: &sysinfo::Error) -> ReadError {
    match error {
        sysinfo::Error::Unsupported => ReadError::Unsupported { path: what.to_owned() },
        error => ReadError::Io { path: what.to_owned(), reason: error.to_string() },
    }
}

/// A text, unless there is none in it.
fn told(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The names of users, from the system's list of them, which is read again when a number has no name, at most once a minute.
#[derive(Default)]
struct Users {
    names: HashMap<u32, Arc<str>>,
    read_at: Option<Instant>,
}

impl Users {
    /// Users are seldom added while somebody looks.
    const AGE: Duration = Duration::from_secs(60);

    fn name(&mut self, uid: u32) -> Option<Arc<str>> {
        if !self.names.contains_key(&uid) && self.read_at.is_none_or(|at| at.elapsed() >= Self::AGE) {
            self.read_at = Some(Instant::now());
            let list = sysinfo::Users::new_with_refreshed_list();
            let known = |user: &sysinfo::User| (**user.id(), Arc::from(user.name()));
            self.names = list.iter().flat_map(|list| list.iter()).map(known).collect();
        }
        self.names.get(&uid).cloned()
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::sources;
    use crate::collect::{Paths, Registry};
    use crate::model::ReadError;

    #[test]
    fn every_reader_of_linux_is_here_or_is_told_to_be_missing() {
        let mut linux: BTreeSet<_> = Registry::new(&Paths::host()).sources().iter().map(|source| source.name).collect();
        linux.remove("udev");
        let portable: Vec<_> = sources().iter().map(|source| source.name).collect();
        assert_eq!(portable.len(), linux.len(), "none twice");
        assert_eq!(portable.into_iter().collect::<BTreeSet<_>>(), linux);
    }

    #[test]
    fn what_is_missing_is_no_failure() {
        for mut source in sources() {
            for seconds in 0..2 {
                let answer = source.read(Duration::from_secs(seconds), source.serves);
                let is_missing = matches!(answer.error, Some(ReadError::Unsupported { .. }));
                assert!(answer.error.is_none() || is_missing, "{}: {:?}", source.name, answer.error);
                assert!(answer.faults.is_empty());
            }
        }
    }
}
