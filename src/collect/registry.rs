//! The table of readers: one row for each source of the machine, with how often it is read, in which lane, and for whom.
//!
//! Called by [`crate::sampler`], which runs the rows on the blocking pool, and by [`super::Collector`], which runs them one
//! after the other. Readers open nothing before they are asked. A new source is one file beside this one and one row here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{
    Paths, address, arp, cgroup, clock, conntrack, cpu, cpufreq, disk, dmi, entropy, filefd, filesystem, host, hwmon,
    link, load, memory, netstat, network, os_release, own, power_supply, pressure, process, schedstat, selinux, socket,
    sockstat, softnet, thermal, throttle, timex, udev, uname, uptime, vmstat, wireless,
};
use crate::model::hold;
use crate::model::system::RawUptime;
use crate::model::{AnyReading, Faults, Gathered, ReadError, Reading, Subjects};

/// How often facts that do not change are looked at again (a renamed host, an upgraded distribution).
const FACTS_AGE: Duration = Duration::from_secs(300);

/// How long the processes' files stay open after nobody wants them any more: a page that is reloaded finds them open, an
/// idle server holds no descriptors.
const PROCESSES_KEPT: Duration = Duration::from_secs(30);

/// How long whoever waits for a reader that may hang goes on waiting. Its numbers come late, or are null.
const PATIENCE: Duration = Duration::from_secs(1);

/// Readings closer to each other than this make no rate: one tick of the kernel's clock would be a fifth of it.
const SHORTEST_SPAN: Duration = Duration::from_millis(50);

/// A row of the table.
pub struct Source {
    /// Name of the reader, as logs and the native JSON have it.
    pub name: &'static str,
    /// Who wants it besides the vitals.
    pub serves: Subjects,
    /// How often it is read.
    pub every: Every,
    /// Where it is read: rows of one lane one after the other, lanes beside each other.
    pub lane: &'static str,
    /// How long anybody waits for the lane. `None`: plain files of the kernel, which do not block.
    pub deadline: Option<Duration>,
    /// Whether a reading answers no more than was asked for: less costs less.
    pub partial: bool,
    /// The reader is dropped, with what it keeps open, when nobody wanted it for so long.
    pub rests_after: Option<Duration>,
    read: Box<dyn FnMut(Duration, Subjects) -> Answer + Send>,
}

/// When a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At every tick.
    Tick,
    /// At a tick when the last reading is older than this.
    Span(Duration),
    /// When somebody wants it.
    Asked,
}

/// What a source said.
pub struct Answer {
    /// The reading, good or not.
    pub reading: AnyReading,
    /// Why it is not good.
    pub error: Option<ReadError>,
    /// What was wrong with a good one.
    pub faults: Faults,
}

impl Source {
    /// A source of which every reading stands for itself. `read` is told which of the subjects that it serves are wanted.
    pub fn new<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        mut read: impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send + 'static,
    ) -> Self {
        Self::made(name, serves, move |at, asked, faults| Gathered {
            at,
            value: read(asked, faults).map(Arc::new),
            previous: None,
        })
    }

    /// A source of counters: each reading carries the last good one before it, and is held by `hold` to what that told.
    pub fn counters<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        hold: impl Fn(&T, &mut T) + Send + 'static,
        mut read: impl FnMut(Subjects, &mut Faults) -> Reading<T> + Send + 'static,
    ) -> Self {
        let mut last: Option<(Duration, Arc<T>)> = None;
        let mut before: Option<(Duration, Arc<T>)> = None;
        Self::made(name, serves, move |at, asked, faults| {
            let value = read(asked, faults).map(|mut now| {
                if let Some((_, told)) = &last {
                    hold(told, &mut now);
                }
                Arc::new(now)
            });
            if let Ok(now) = &value {
                let earlier = last.replace((at, Arc::clone(now)));
                before = earlier.filter(|(then, _)| at.saturating_sub(*then) >= SHORTEST_SPAN).or(before.take());
            }
            Gathered { at, value, previous: before.clone() }
        })
    }

    fn made<T: Send + Sync + 'static>(
        name: &'static str,
        serves: Subjects,
        mut read: impl FnMut(Duration, Subjects, &mut Faults) -> Gathered<T> + Send + 'static,
    ) -> Self {
        let read = move |at, asked| {
            let mut faults = Faults::default();
            let gathered = read(at, asked, &mut faults);
            let error = gathered.value.as_ref().err().cloned();
            Answer { reading: gathered.into(), error, faults }
        };
        let (every, lane) = (Every::Asked, "tables");
        let deadline = Some(PATIENCE);
        Self { name, serves, every, lane, deadline, partial: false, rests_after: None, read: Box::new(read) }
    }

    /// Read at every tick, in the lane that makes the tick.
    #[must_use]
    pub fn each_tick(self) -> Self {
        Self { every: Every::Tick, ..self.in_tick() }
    }

    /// Read in the lane that makes the tick.
    #[must_use]
    pub fn in_tick(self) -> Self {
        Self { lane: "tick", deadline: None, ..self }
    }

    /// A reading answers no more than was asked for, and the reader is dropped when nobody wanted it for so long.
    #[must_use]
    pub fn partial(self, rests_after: Option<Duration>) -> Self {
        Self { partial: true, rests_after, ..self }
    }

    /// The kernel may make it wait (a bus, a server, a lock): it has a lane of its own.
    #[must_use]
    pub fn may_hang(self) -> Self {
        Self { lane: self.name, ..self }
    }

    /// Reads now, on the calling thread. `at` is the moment, counted from the start of the program.
    pub fn read(&mut self, at: Duration, asked: Subjects) -> Answer {
        (self.read)(at, asked)
    }
}

/// Makes the table, again whenever a reader has to start anew.
#[derive(Clone, Debug)]
pub struct Registry {
    paths: Paths,
    /// The PID given out last, or 0. Written by the reader of the load, read by that of the processes right after it.
    newest_pid: Arc<AtomicU32>,
}

impl Registry {
    /// Readers under `paths`.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), newest_pid: Arc::default() }
    }

    /// Every row. Opens nothing yet.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let mut sources = self.ticks();
        sources.extend(lanes(&self.paths));
        sources.extend(tables(&self.paths));
        sources
    }

    /// What makes the tick: the vitals, and in the same lane the processes and facts that do not change.
    fn ticks(&self) -> Vec<Source> {
        let paths = &self.paths;
        let none = Subjects::VITALS;
        let hertz = paths.machine.ticks_per_second;
        let mut cpu = cpu::Reader::new(paths);
        let mut memory = memory::reader(paths);
        let mut vmstat = vmstat::reader(paths);
        let mut load = load::reader(paths);
        let mut pressure = pressure::Reader::new(paths);
        let mut uptime = uptime::reader(paths);
        let mut network = network::Reader::new(paths);
        let mut disks = disk::Reader::new(paths);
        let mut host = host::Reader::new(paths);
        let mut processes = process::Reader::new(paths);
        let (newest, newest_pid) = (Arc::clone(&self.newest_pid), Arc::clone(&self.newest_pid));
        let all = Subjects::ALL_PROCESSES.without(Subjects::TOP_PROCESSES);
        vec![
            Source::counters(
                "cpu",
                none,
                move |told, now| hold::cpu(told, now, hertz),
                move |_, faults| cpu.read(faults),
            )
            .each_tick(),
            Source::new("memory", none, move |_, faults| memory.read(faults)).each_tick(),
            Source::counters("vmstat", none, hold::vmstat, move |_, faults| vmstat.read(faults)).each_tick(),
            Source::new("load", none, move |_, faults| {
                let read = load.read(faults)?;
                newest.store(read.newest_pid.unwrap_or(0), Ordering::Relaxed);
                Ok(read.load)
            })
            .each_tick(),
            Source::counters("pressure", none, hold::pressure, move |_, faults| pressure.read(faults)).each_tick(),
            Source::new("uptime", none, move |_, faults| Ok(RawUptime { seconds: uptime.read(faults)? })).each_tick(),
            Source::counters("network", none, |_, _| {}, move |_, faults| network.read(faults)).each_tick(),
            Source::counters("disk", none, |_, _| {}, move |_, faults| disks.read(faults)).each_tick(),
            Source { every: Every::Span(FACTS_AGE), ..Source::new("host", none, move |_, _| host.read()).in_tick() },
            Source::counters(
                "process",
                Subjects::ALL_PROCESSES,
                |_, _| {},
                move |asked, _| {
                    // Taken, not looked at: between two ticks nothing tells of arrivals, and the list is read.
                    let newest = newest_pid.swap(0, Ordering::Relaxed);
                    processes.note_newest_pid((newest != 0).then_some(newest));
                    if asked.intersects(all) { processes.read_all() } else { processes.read_top() }
                },
            )
            .in_tick()
            .partial(Some(PROCESSES_KEPT)),
        ]
    }
}

/// What may hang or takes its time, each in a lane of its own.
fn lanes(paths: &Paths) -> Vec<Source> {
    let mut clocks = cpufreq::Reader::new(paths);
    let mut links = link::Reader::new(paths);
    let mut wireless = wireless::Reader::new(paths);
    let mut filesystems = filesystem::Reader::new(paths);
    let mut sockets = socket::Reader::new(paths);
    let [of_address, of_hwmon, of_thermal, of_power] = [paths.clone(), paths.clone(), paths.clone(), paths.clone()];
    [
        Source::new("cpufreq", Subjects::FREQUENCY, move |_, _| clocks.read()),
        Source::new("link", Subjects::INTERFACES, move |_, _| links.read()),
        Source::new("wireless", Subjects::WIRELESS, move |_, faults| wireless.read(faults)),
        Source::new("filesystem", Subjects::FILESYSTEMS, move |_, faults| filesystems.read(faults)),
        Source::new("socket", Subjects::SOCKETS.with(Subjects::TABLES), move |asked, faults| {
            sockets.read(asked.intersects(Subjects::SOCKETS), faults)
        })
        .partial(None),
        Source::new("address", Subjects::INTERFACES, move |_, faults| address::read(&of_address, faults)),
        Source::new("hwmon", Subjects::SENSORS, move |_, _| hwmon::read(&of_hwmon)),
        Source::new("thermal", Subjects::SENSORS, move |_, _| thermal::read(&of_thermal)),
        Source::new("power_supply", Subjects::TABLES, move |_, _| power_supply::read(&of_power)),
    ]
    .map(Source::may_hang)
    .into()
}

/// What only `/metrics` tells, in one lane beside the tick's.
fn tables(paths: &Paths) -> Vec<Source> {
    let mut cgroup = cgroup::Reader::new(paths);
    let mut clock = clock::Reader::new(paths);
    let mut conntrack = conntrack::Reader::new(paths);
    let mut dmi = dmi::Reader::new(paths);
    let mut entropy = entropy::Reader::new(paths);
    let mut netstat = netstat::Reader::new(paths);
    let mut os_release = os_release::Reader::new(paths);
    let mut own = own::Reader::new();
    let of_throttle = paths.clone();
    let mut schedstat = schedstat::Reader::new(paths);
    let mut selinux = selinux::Reader::new(paths);
    let mut sockstat = sockstat::Reader::new(paths);
    let mut timex = timex::Reader::default();
    let mut udev = udev::Reader::new(paths);
    let mut uname = uname::Reader::new(paths);
    let mut softnet = softnet::reader(paths);
    let mut arp = arp::reader(paths);
    let mut filefd = filefd::reader(paths);
    let all = Subjects::TABLES;
    vec![
        Source::new("cgroup", Subjects::CONTAINER, move |_, faults| cgroup.read(faults)),
        Source::new("clock", all, move |_, _| clock.read()),
        Source::new("conntrack", all, move |_, faults| conntrack.read(faults)),
        Source::new("dmi", all, move |_, _| dmi.read()),
        Source::new("entropy", all, move |_, _| entropy.read()),
        Source::new("netstat", all, move |_, faults| netstat.read(faults)),
        Source::new("os_release", all, move |_, _| os_release.read()),
        Source::new("own", all, move |_, _| own.read()),
        Source::new("throttle", all, move |_, _| throttle::read(&of_throttle)),
        Source::counters(
            "schedstat",
            all,
            |told: &Vec<_>, now: &mut Vec<_>| hold::schedstat(told, now),
            move |_, faults| schedstat.read(faults),
        ),
        Source::new("selinux", all, move |_, _| selinux.read()),
        Source::new("sockstat", all, move |_, faults| sockstat.read(faults)),
        Source::new("timex", all, move |_, _| timex.read()),
        Source::new("udev", all, move |_, _| udev.read()),
        Source::new("uname", all, move |_, _| uname.read()),
        Source::counters(
            "softnet",
            all,
            |told: &Vec<_>, now: &mut Vec<_>| hold::softnet(told, now),
            move |_, faults| softnet.read(faults),
        ),
        Source::new("arp", all, move |_, faults| arp.read(faults)),
        Source::new("filefd", all, move |_, faults| filefd.read(faults)),
    ]
}
