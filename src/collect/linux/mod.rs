//! The readers of Linux: one file here for each source of the kernel's, called as the kernel names it, and one row in
//! [`sources`], which says how often it is read, in which lane, and for whom.
//!
//! Called by [`super::registry`] for the rows and by [`super`] for single questions. A file has a `Reader` (made from
//! [`Paths`], kept between passes) where something is kept, and a parser that takes text. Beside the sources stand what
//! several of them use: [`mod@file`] and `attributes` for files, `lines` for their text, `netlink` for messages.

mod address;
mod arp;
mod attributes;
mod below;
pub(super) mod cgroup;
mod clock;
mod conntrack;
mod cpu;
mod cpufreq;
mod cpuinfo;
mod disk;
mod dmi;
mod entropy;
pub mod file;
mod filefd;
mod filesystem;
mod host;
mod hostname;
mod hwmon;
mod lines;
mod link;
mod link_watch;
pub mod load;
mod memory;
mod mount_table;
mod mountinfo;
mod netlink;
mod netstat;
mod network;
mod nl80211;
mod os_release;
mod own;
mod power_supply;
mod pressure;
pub mod process;
mod schedstat;
mod selinux;
mod socket;
mod sockstat;
mod softnet;
mod statvfs;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_sensor;
mod thermal;
mod throttle;
mod timex;
mod udev;
mod uname;
mod uptime;
mod user;
mod virtualization;
mod vmstat;
mod wireless;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use self::below::Below;
use self::file::KeptFile;
use super::registry::{Every, FACTS_AGE, PROCESSES_KEPT, Source};
use super::{Paths, naming};
use crate::model::network::Link;
use crate::model::{Faults, Reading, Subjects, hold};

/// See [`super::probe`].
pub(super) fn probe(paths: &Paths) -> Reading<()> {
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

/// See [`super::links`].
pub(super) fn links(paths: &Paths) -> Reading<Vec<Link>> {
    let told = address::read(paths, &mut Faults::default())?;
    let (classes, mut told) = (link::Reader::new(paths).read()?, told.by_name());
    Ok(classes.iter().filter_map(|class| Link::of(class, told.remove(&*class.name))).collect())
}

/// Every row. Opens nothing yet. `newest_pid` holds the PID that was given out last, or 0: written by the reader of the load,
/// read by that of the processes right after it, also when one of the two was made anew.
pub(super) fn sources(paths: &Paths, newest_pid: &Arc<AtomicU32>) -> Vec<Source> {
    let (cpuinfo, os_release) = (cpuinfo::Reader::new(paths), os_release::Reader::new(paths));
    let host = host::Reader::new(paths, os_release.clone(), cpuinfo.clone());
    let mut sources = ticks(paths, host, newest_pid);
    sources.extend(lanes(paths, cpuinfo));
    sources.extend(tables(paths, os_release));
    sources
}

/// What makes the tick: the vitals, and in the same lane the processes and facts that do not change.
fn ticks(paths: &Paths, mut host: host::Reader, newest_pid: &Arc<AtomicU32>) -> Vec<Source> {
    let none = Subjects::VITALS;
    let hertz = paths.machine.ticks_per_second;
    let mut load = KeptFile::new(paths.proc("loadavg"));
    let mut pressure = pressure::Reader::new(paths);
    let mut network = network::Reader::new(paths);
    let mut disks = disk::Reader::new(paths);
    let mut processes = process::Reader::new(paths);
    let (newest, newest_pid) = (Arc::clone(newest_pid), Arc::clone(newest_pid));
    let all = Subjects::ALL_PROCESSES.without(Subjects::TOP_PROCESSES);
    vec![
        Source::counters(
            "cpu",
            none,
            move |told, now| hold::cpu(told, now, hertz),
            kept(paths.proc("stat"), cpu::parse_stat),
        )
        .each_tick(),
        Source::new("memory", none, kept(paths.proc("meminfo"), memory::parse_meminfo)).each_tick(),
        Source::counters("vmstat", none, hold::vmstat, kept(paths.proc("vmstat"), vmstat::parse_vmstat)).each_tick(),
        Source::new("load", none, move |_, faults| {
            let read = load.read_text_with(|path, text| load::parse_loadavg(path, text, faults))?;
            newest.store(read.newest_pid.unwrap_or(0), Ordering::Relaxed);
            Ok(read.load)
        })
        .each_tick(),
        Source::counters("pressure", none, hold::pressure, move |_, faults| pressure.read(faults)).each_tick(),
        Source::new("uptime", none, kept(paths.proc("uptime"), uptime::parse_uptime)).each_tick(),
        Source::counters("network", none, |_, _| {}, move |_, faults| network.read(faults)).each_tick(),
        Source::counters("disk", none, |_, _| {}, move |_, faults| disks.read(faults)).each_tick(),
        Source::new("host", none, move |_, _| host.read()).in_tick().when(Every::Span(FACTS_AGE)),
        Source::counters(
            "process",
            Subjects::PROCESS_DETAILS,
            |_, _| {},
            move |asked, _| {
                // Taken, not looked at: between two ticks nothing tells of arrivals, and the list is read.
                let newest = newest_pid.swap(0, Ordering::Relaxed);
                processes.note_newest_pid((newest != 0).then_some(newest));
                let are_detailed = asked.contains(Subjects::PROCESS_DETAILS);
                if asked.intersects(all) { processes.read_all(are_detailed) } else { processes.read_top() }
            },
        )
        .in_tick()
        .partial(Some(PROCESSES_KEPT)),
    ]
}

/// What may hang or takes its time, each in a lane of its own.
fn lanes(paths: &Paths, cpuinfo: cpuinfo::Reader) -> Vec<Source> {
    let mut clocks = cpufreq::Reader::new(paths, cpuinfo);
    let mut links = link::Reader::new(paths);
    let mut wireless = wireless::Reader::new(paths);
    let mut filesystems = filesystem::Reader::new(paths);
    let mut sockets = socket::Reader::new(paths);
    let mut addresses = address::Reader::new(paths);
    let mut details = process::Details::new(paths);
    [
        Source::new("cpufreq", Subjects::FREQUENCY, move |_, _| clocks.read()),
        Source::new("link", Subjects::INTERFACES, move |_, _| links.read()),
        Source::new("wireless", Subjects::WIRELESS, move |_, faults| wireless.read(faults)),
        Source::new("filesystem", Subjects::FILESYSTEMS, move |_, faults| filesystems.read(faults)),
        Source::new("socket", Subjects::SOCKETS.with(Subjects::TABLES), move |asked, faults| {
            sockets.read(asked.intersects(Subjects::SOCKETS), faults)
        })
        .partial(None),
        Source::counters(
            "process_details",
            Subjects::PROCESS_DETAILS.without(Subjects::ALL_PROCESSES),
            |_, _| {},
            move |_, faults| details.read(faults),
        ),
        Source::new("address", Subjects::ADDRESSES.without(Subjects::INTERFACES), move |_, faults| {
            addresses.read(faults)
        }),
        Source::new("hwmon", Subjects::SENSORS, each_time(paths, |paths, _| hwmon::read(paths))),
        Source::new("thermal", Subjects::SENSORS, each_time(paths, |paths, _| thermal::read(paths))),
        Source::new(
            "power_supply",
            Subjects::TABLES.with(Subjects::SENSORS),
            each_time(paths, |paths, _| power_supply::read(paths)),
        ),
    ]
    .map(Source::may_hang)
    .into()
}

/// What only `/metrics` tells, in one lane beside the tick's.
fn tables(paths: &Paths, os_release: os_release::Reader) -> Vec<Source> {
    let mut cgroup = cgroup::Reader::new(paths);
    let mut clock = clock::Reader::new(paths);
    let mut conntrack = conntrack::Reader::new(paths);
    let mut dmi = dmi::Reader::new(paths);
    let mut netstat = netstat::Reader::new(paths);
    let mut own = own::Reader::default();
    let mut sockstat = sockstat::Reader::new(paths);
    let mut udev = udev::Reader::new(paths);
    let all = Subjects::TABLES;
    vec![
        Source::new("cgroup", Subjects::CONTAINER, move |_, faults| cgroup.read(faults)),
        Source::new("clock", all, move |_, _| clock.read()),
        Source::new("conntrack", all, move |_, faults| conntrack.read(faults)),
        Source::new("dmi", all, move |_, _| dmi.read()),
        Source::new("entropy", all, each_time(paths, |paths, _| entropy::read(paths))),
        Source::new("netstat", all, move |_, faults| netstat.read(faults)),
        Source::new("os_release", all, move |_, _| os_release.read()),
        Source::new("own", all, move |_, _| own.read()),
        Source::new("throttle", all, each_time(paths, |paths, _| throttle::read(paths))),
        Source::counters(
            "schedstat",
            all,
            |told: &Vec<_>, now: &mut Vec<_>| hold::schedstat(told, now),
            kept(paths.proc("schedstat"), schedstat::parse_schedstat),
        ),
        Source::new("selinux", all, each_time(paths, |paths, _| selinux::read(paths))),
        Source::new("sockstat", all, move |_, faults| sockstat.read(faults)),
        Source::new("timex", all, |_, _| timex::read()),
        Source::new("udev", all, move |_, _| udev.read()),
        Source::new("uname", all, each_time(paths, |paths, _| uname::read(paths))),
        Source::counters(
            "softnet",
            all,
            |told: &Vec<_>, now: &mut Vec<_>| hold::softnet(told, now),
            kept(paths.net("softnet_stat"), softnet::parse_softnet),
        ),
        Source::new("arp", all, kept(paths.net("arp"), arp::parse_arp)),
        Source::new("filefd", all, kept(paths.proc("sys/fs/file-nr"), filefd::parse_file_nr)),
    ]
}

/// A reader that keeps nothing: the files are opened each time.
fn each_time<T>(
    paths: &Paths,
    read: fn(&Paths, &mut Faults) -> Reading<T>,
) -> impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send + use<T> {
    let paths = paths.clone();
    move |_, faults| read(&paths, faults)
}

/// A reader of one file whose whole text means something to `parse`: the file is kept open.
fn kept<T>(
    path: PathBuf,
    parse: fn(&Path, &str, &mut Faults) -> Reading<T>,
) -> impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send {
    let mut file = KeptFile::new(path);
    move |_, faults| file.read_text_with(|path, text| parse(path, text, faults))
}
