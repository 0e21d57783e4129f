//! Snapshots of a made-up machine, for the tests of the history.

use crate::model::Snapshot;
use crate::model::cpu::{Core, Cpu, CpuTime, Modes};
use crate::model::hardware::{Sensors, Temperature};
use crate::model::load::Load;
use crate::model::memory::{Memory, Swap};
use crate::model::network::{Interface, Traffic};
use crate::model::pressure::{Pressure, Stall, Stalls};
use crate::model::storage::{Disk, Filesystem, FilesystemUsage};

/// A machine with interfaces alone, each with a rate of `rate` bytes a second either way.
pub(super) fn with_interfaces(names: &[String], rate: f64) -> Snapshot {
    let traffic = Traffic { bytes_per_second: Some(rate), ..Traffic::default() };
    let interface =
        |name: &String| Interface { name: name.as_str().into(), received: traffic, sent: traffic, link: None };
    Snapshot { interfaces: Some(names.iter().map(interface).collect()), ..Snapshot::default() }
}

/// A machine of which only the busy share is known.
pub(super) fn busy(time: f64, busy: f64) -> Snapshot {
    let total = CpuTime { busy_ratio: Some(busy), ..CpuTime::default() };
    Snapshot {
        time_unix_seconds: time,
        interval_seconds: Some(1.0),
        cpu: Some(Cpu { total: Some(total), ..Cpu::default() }),
        ..Snapshot::default()
    }
}

/// A machine with one of everything.
pub(super) fn snapshot(time: f64) -> Snapshot {
    let time_of = |busy| CpuTime {
        busy_ratio: Some(busy),
        ratios: Some(Modes { user: 0.15, system: 0.1, iowait: 0.05, idle: 0.7, ..Modes::default() }),
        seconds: Some(Modes::default()),
    };
    let core = |core, busy| Core { core, time: time_of(busy), ..Core::default() };
    let stall = |ratio| Stall { avg10_ratio: ratio, ..Stall::default() };
    let traffic = |rate| Traffic { bytes_per_second: Some(rate), ..Traffic::default() };
    let disk = |name: &str, whole| Disk {
        name: name.into(),
        whole: Some(whole),
        read_bytes_per_second: Some(512.0),
        written_bytes_per_second: Some(1024.0),
        busy_ratio: Some(0.75),
        ..Disk::default()
    };
    Snapshot {
        time_unix_seconds: time,
        interval_seconds: Some(1.0),
        cpu: Some(Cpu { total: Some(time_of(0.25)), cores: vec![core(0, 0.0), core(1, 0.5)], ..Cpu::default() }),
        memory: Some(Memory {
            used_bytes: Some(3_000_000_000),
            available_bytes: Some(5_000_000_000),
            free_bytes: Some(1_000_000_000),
            ..Memory::default()
        }),
        swap: Some(Swap {
            used_bytes: Some(1 << 20),
            in_bytes_per_second: Some(0.0),
            out_bytes_per_second: Some(4096.0),
            ..Swap::default()
        }),
        load: Some(Load { one: 0.1, five: 0.2, fifteen: 0.3, ..Load::default() }),
        pressure: Some(Pressure {
            cpu: Some(Stalls { some: Some(stall(0.5)), full: None }),
            memory: Some(Stalls { some: Some(stall(0.25)), full: Some(stall(0.0)) }),
            io: Some(Stalls { some: Some(stall(0.25)), full: Some(stall(0.125)) }),
        }),
        interfaces: Some(vec![Interface {
            name: "eth0".into(),
            received: traffic(1000.0),
            sent: traffic(2000.0),
            link: None,
        }]),
        disks: Some(vec![disk("vda", true), disk("vda1", false), disk("loop0", true)]),
        filesystems: Some(vec![Filesystem {
            device: "/dev/vda1".to_owned(),
            mount_point: "/".to_owned(),
            device_backed: true,
            usage: Some(FilesystemUsage { used_ratio: Some(0.5), ..FilesystemUsage::default() }),
            ..Filesystem::default()
        }]),
        sensors: Some(Sensors {
            temperatures: vec![Temperature {
                chip: "coretemp".to_owned(),
                label: "Package id 0".to_owned(),
                celsius: 51.0,
                ..Temperature::default()
            }],
            ..Sensors::default()
        }),
        ..Snapshot::default()
    }
}
