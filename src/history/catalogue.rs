//! Which numbers of a snapshot are remembered, under which names and in which units.
//!
//! [`super::History::record`] calls [`Catalogue::read`] once a tick. The names are what clients ask for and what stands in
//! files, so they may not change.

use crate::model::Snapshot;
use crate::model::pressure::Stalls;
use crate::model::storage::Disk;
use crate::timeseries::{Unit, Values};

/// Cores beyond this number have no series of their own.
pub const MOST_CORES: u32 = 128;

/// File systems and sensors are read less often than the vitals. In between their last values hold, this long.
const HELD_SECONDS: i64 = 25;

/// What is to be known of the snapshots before.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    filesystems: Held,
    temperatures: Held,
}

/// Numbers that are not in every snapshot, by the names of their series, and when they were.
#[derive(Debug, Default)]
struct Held {
    values: Vec<(String, Option<f64>)>,
    at: i64,
}

impl Held {
    /// Takes over what this snapshot says, if anything, and puts in what holds.
    fn put(&mut self, new: Option<impl Iterator<Item = (String, Option<f64>)>>, unit: Unit, values: &mut Values<'_>) {
        if let Some(new) = new {
            self.values.clear();
            self.values.extend(new);
            self.at = values.now();
        }
        if values.now() <= self.at + HELD_SECONDS {
            self.values.iter().for_each(|(name, value)| values.put_dynamic(&[name], unit, *value));
        }
    }
}

/// Loop devices and RAM disks repeat what the disks below them do, partitions what their disk does.
fn is_remembered(disk: &&Disk) -> bool {
    disk.whole != Some(false) && !disk.name.starts_with("loop") && !disk.name.starts_with("ram")
}

impl Catalogue {
    /// Puts in every number of the snapshot that is remembered.
    pub(super) fn read(&mut self, snapshot: &Snapshot, values: &mut Values<'_>) {
        read_vitals(snapshot, values);
        for core in snapshot.cpu.iter().flat_map(|cpu| &cpu.cores).filter(|core| core.core < MOST_CORES) {
            let number = core.core.to_string();
            values.put(&["cpu.core", &number, ".busy"], Unit::Ratio, core.time.busy_ratio);
        }
        for interface in snapshot.interfaces.iter().flatten() {
            for (way, traffic) in [(".received", &interface.received), (".sent", &interface.sent)] {
                values.put_dynamic(&["network.", &interface.name, way], Unit::BytesPerSecond, traffic.bytes_per_second);
            }
        }
        for disk in snapshot.disks.iter().flatten().filter(is_remembered) {
            let mut put = |what, unit, value| values.put_dynamic(&["disk.", &disk.name, what], unit, value);
            put(".read", Unit::BytesPerSecond, disk.read_bytes_per_second);
            put(".written", Unit::BytesPerSecond, disk.written_bytes_per_second);
            put(".busy", Unit::Ratio, disk.busy_ratio);
        }
        let filesystems = snapshot.filesystems.as_ref().map(|all| {
            all.iter().filter(|filesystem| filesystem.device_backed).map(|filesystem| {
                let used = filesystem.usage.as_ref().and_then(|usage| usage.used_ratio);
                (format!("filesystem.{}.used", filesystem.mount_point), used)
            })
        });
        self.filesystems.put(filesystems, Unit::Ratio, values);
        let temperatures = snapshot.sensors.as_ref().map(|sensors| {
            let temperatures = sensors.temperatures.iter();
            temperatures.map(|t| (format!("temperature.{}.{}", t.chip, t.label), Some(t.celsius)))
        });
        self.temperatures.put(temperatures, Unit::Celsius, values);
    }
}

/// What every machine has one of.
fn read_vitals(snapshot: &Snapshot, values: &mut Values<'_>) {
    let mut put = |name: &str, unit, value: Option<f64>| {
        // What a kernel does not tell has no series.
        if value.is_some() {
            values.put(&[name], unit, value);
        }
    };
    let total = snapshot.cpu.as_ref().and_then(|cpu| cpu.total.as_ref());
    put("cpu.busy", Unit::Ratio, total.and_then(|total| total.busy_ratio));
    if let Some(modes) = total.and_then(|total| total.ratios.as_ref()) {
        put("cpu.user", Unit::Ratio, Some(modes.user));
        put("cpu.nice", Unit::Ratio, Some(modes.nice));
        put("cpu.system", Unit::Ratio, Some(modes.system));
        put("cpu.idle", Unit::Ratio, Some(modes.idle));
        put("cpu.iowait", Unit::Ratio, Some(modes.iowait));
        put("cpu.irq", Unit::Ratio, Some(modes.irq));
        put("cpu.softirq", Unit::Ratio, Some(modes.softirq));
        put("cpu.steal", Unit::Ratio, Some(modes.steal));
        put("cpu.guest", Unit::Ratio, Some(modes.guest));
        put("cpu.guest_nice", Unit::Ratio, Some(modes.guest_nice));
    }
    if let Some(memory) = &snapshot.memory {
        put("memory.used", Unit::Bytes, memory.used_bytes.map(|bytes| bytes as f64));
        put("memory.available", Unit::Bytes, memory.available_bytes.map(|bytes| bytes as f64));
        put("memory.free", Unit::Bytes, memory.free_bytes.map(|bytes| bytes as f64));
    }
    if let Some(swap) = &snapshot.swap {
        put("swap.used", Unit::Bytes, swap.used_bytes.map(|bytes| bytes as f64));
        put("swap.in", Unit::BytesPerSecond, swap.in_bytes_per_second);
        put("swap.out", Unit::BytesPerSecond, swap.out_bytes_per_second);
    }
    if let Some(load) = &snapshot.load {
        put("load.1", Unit::Tasks, Some(load.one));
        put("load.5", Unit::Tasks, Some(load.five));
        put("load.15", Unit::Tasks, Some(load.fifteen));
    }
    if let Some(pressure) = &snapshot.pressure {
        let mut stalls = |some, full, stalls: Option<Stalls>| {
            put(some, Unit::Ratio, stalls.and_then(|stalls| stalls.some).map(|stall| stall.avg10_ratio));
            put(full, Unit::Ratio, stalls.and_then(|stalls| stalls.full).map(|stall| stall.avg10_ratio));
        };
        stalls("pressure.cpu.some", "pressure.cpu.full", pressure.cpu);
        stalls("pressure.memory.some", "pressure.memory.full", pressure.memory);
        stalls("pressure.io.some", "pressure.io.full", pressure.io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::history::testing;
    use crate::model::hardware::{Sensors, Temperature};
    use crate::timeseries::{Bounds, Store, THIS_MACHINE};

    /// Reads the snapshots one after the other, and gives what the last one left, by name.
    fn read(snapshots: &[(i64, Snapshot)]) -> Vec<(String, Option<f32>)> {
        let second = Duration::from_secs(1);
        let bounds = Bounds { hosts: 1, busy_series: 1, interval: second, retry: second, batch: second };
        let (store, mut catalogue) = (Store::open(None, bounds).unwrap(), Catalogue::default());
        for (now, snapshot) in snapshots {
            store.record(THIS_MACHINE, *now as f64, None, |values| catalogue.read(snapshot, values)).unwrap();
        }
        let (view, now) = (store.view(THIS_MACHINE), snapshots.last().unwrap().0);
        let value = |id| {
            let mut value = None;
            view.read(view.tier_from(now), now..now + 1, &[id], |_, _, points| value = Some(points[0].1.mean));
            value
        };
        view.series.iter().map(|series| (series.name.to_string(), value(series.id))).collect()
    }

    fn of(values: &[(String, Option<f32>)], name: &str) -> Option<f32> {
        values.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {values:?}")).1
    }

    #[test]
    fn every_vital_has_its_series() {
        let values = read(&[(10, testing::snapshot(10.0))]);
        assert_eq!(of(&values, "cpu.busy"), Some(0.25));
        assert_eq!(of(&values, "cpu.iowait"), Some(0.05));
        assert_eq!(of(&values, "cpu.core1.busy"), Some(0.5));
        assert_eq!(of(&values, "memory.used"), Some(3e9));
        assert_eq!(of(&values, "memory.free"), Some(1e9));
        assert_eq!(of(&values, "swap.out"), Some(4096.0));
        assert_eq!(of(&values, "load.15"), Some(0.3));
        assert_eq!(of(&values, "pressure.io.full"), Some(0.125));
        assert_eq!(of(&values, "network.eth0.sent"), Some(2000.0));
        assert_eq!(of(&values, "disk.vda.busy"), Some(0.75));
        assert_eq!(of(&values, "filesystem./.used"), Some(0.5));
        assert_eq!(of(&values, "temperature.coretemp.Package id 0"), Some(51.0));
        let names: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert!(!names.contains(&"pressure.cpu.full"), "this kernel has none");
        assert!(!names.iter().any(|name| name.starts_with("disk.vda1") || name.starts_with("disk.loop0")), "{names:?}");
    }

    #[test]
    fn an_unknown_value_is_not_zero() {
        let mut later = testing::snapshot(11.0);
        later.cpu = None;
        later.disks.as_mut().unwrap()[0].busy_ratio = None;
        let values = read(&[(10, testing::snapshot(10.0)), (11, later)]);
        assert_eq!(of(&values, "cpu.busy"), None);
        assert_eq!(of(&values, "cpu.core0.busy"), None);
        assert_eq!(of(&values, "disk.vda.busy"), None);
        assert_eq!(of(&values, "memory.used"), Some(3e9));
    }

    #[test]
    fn file_systems_and_sensors_hold_between_their_readings_and_not_for_ever() {
        let bare = Snapshot { filesystems: None, sensors: None, ..testing::snapshot(0.0) };
        let values = read(&[(10, testing::snapshot(10.0)), (35, bare.clone())]);
        assert_eq!(of(&values, "filesystem./.used"), Some(0.5));
        let values = read(&[(10, testing::snapshot(10.0)), (36, bare)]);
        assert_eq!(of(&values, "filesystem./.used"), None);
        assert_eq!(of(&values, "temperature.coretemp.Package id 0"), None);
    }

    #[test]
    fn two_of_one_name_have_a_series_each() {
        let temperature = |celsius| Temperature {
            chip: "nvme".to_owned(),
            label: "Composite".to_owned(),
            celsius,
            ..Temperature::default()
        };
        let with = |list: &[f64]| Snapshot {
            sensors: Some(Sensors {
                temperatures: list.iter().copied().map(temperature).collect(),
                ..Sensors::default()
            }),
            ..Snapshot::default()
        };
        let values = read(&[(1, with(&[40.0, 50.0]))]);
        assert_eq!(of(&values, "temperature.nvme.Composite"), Some(40.0));
        assert_eq!(of(&values, "temperature.nvme.Composite.2"), Some(50.0));
    }
}
