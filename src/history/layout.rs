//! Where in a snapshot each series' value stands. Used by [`super::series::Catalogue`] alone.
//!
//! The machine's own vitals and its cores have fixed names. Interfaces, disks, file systems and temperatures are groups: each
//! keeps the places of the snapshot before, by position, and asks the catalogue again only where a key differs.

use super::series::{Catalogue, MOST_CORES, Place, Unit};
use crate::model::Snapshot;
use crate::model::hardware::Temperature;
use crate::model::pressure::Stalls;
use crate::model::storage::{Disk, Filesystem};

/// File systems and sensors are read less often than the vitals. In between their last values hold, this long.
const HELD_SECONDS: i64 = 25;

/// How often the catalogue is asked whether it has room by now.
const ASK_AGAIN_SECONDS: u64 = 60;

/// Names and units of what every machine has one of, in the order of [`vitals`].
const VITALS: [(&str, Unit); 25] = [
    ("cpu.busy", Unit::Ratio),
    ("cpu.user", Unit::Ratio),
    ("cpu.nice", Unit::Ratio),
    ("cpu.system", Unit::Ratio),
    ("cpu.idle", Unit::Ratio),
    ("cpu.iowait", Unit::Ratio),
    ("cpu.irq", Unit::Ratio),
    ("cpu.softirq", Unit::Ratio),
    ("cpu.steal", Unit::Ratio),
    ("cpu.guest", Unit::Ratio),
    ("cpu.guest_nice", Unit::Ratio),
    ("memory.used", Unit::Bytes),
    ("memory.available", Unit::Bytes),
    ("swap.used", Unit::Bytes),
    ("swap.in", Unit::BytesPerSecond),
    ("swap.out", Unit::BytesPerSecond),
    ("load.1", Unit::Tasks),
    ("load.5", Unit::Tasks),
    ("load.15", Unit::Tasks),
    ("pressure.cpu.some", Unit::Ratio),
    ("pressure.cpu.full", Unit::Ratio),
    ("pressure.memory.some", Unit::Ratio),
    ("pressure.memory.full", Unit::Ratio),
    ("pressure.io.some", Unit::Ratio),
    ("pressure.io.full", Unit::Ratio),
];

fn vitals(snapshot: &Snapshot) -> [Option<f64>; 25] {
    let cpu = snapshot.cpu.as_ref().and_then(|cpu| cpu.total.as_ref());
    let modes = cpu.and_then(|total| total.ratios.as_ref());
    let (memory, swap, load) = (snapshot.memory.as_ref(), snapshot.swap.as_ref(), snapshot.load.as_ref());
    let stalls = |pick: fn(&crate::model::pressure::Pressure) -> Option<Stalls>| {
        let stalls = snapshot.pressure.as_ref().and_then(pick);
        (stalls.and_then(|s| s.some).map(|s| s.avg10_ratio), stalls.and_then(|s| s.full).map(|s| s.avg10_ratio))
    };
    let (cpu_stalls, memory_stalls, io_stalls) = (stalls(|p| p.cpu), stalls(|p| p.memory), stalls(|p| p.io));
    [
        cpu.and_then(|total| total.busy_ratio),
        modes.map(|m| m.user),
        modes.map(|m| m.nice),
        modes.map(|m| m.system),
        modes.map(|m| m.idle),
        modes.map(|m| m.iowait),
        modes.map(|m| m.irq),
        modes.map(|m| m.softirq),
        modes.map(|m| m.steal),
        modes.map(|m| m.guest),
        modes.map(|m| m.guest_nice),
        memory.and_then(|m| m.used_bytes).map(|bytes| bytes as f64),
        memory.and_then(|m| m.available_bytes).map(|bytes| bytes as f64),
        swap.and_then(|s| s.used_bytes).map(|bytes| bytes as f64),
        swap.and_then(|s| s.in_bytes_per_second),
        swap.and_then(|s| s.out_bytes_per_second),
        load.map(|l| l.one),
        load.map(|l| l.five),
        load.map(|l| l.fifteen),
        cpu_stalls.0,
        cpu_stalls.1,
        memory_stalls.0,
        memory_stalls.1,
        io_stalls.0,
        io_stalls.1,
    ]
}

/// One thing of a group and the places of its series. Most have one key; a temperature has a chip and a label.
#[derive(Debug)]
struct Entry<const N: usize> {
    key: (Box<str>, Box<str>),
    places: [Option<Place>; N],
    /// When the catalogue was asked, unix seconds. It is asked again for those that it had no room for.
    asked_at: i64,
}

/// Things of one kind, as the snapshot before listed them.
#[derive(Debug, Default)]
struct Group<const N: usize> {
    entries: Vec<Entry<N>>,
}

impl<const N: usize> Group<N> {
    /// Calls `each` with the places of every item. `name` gives the first part of the names of an item that was not at
    /// this position before; the second of two items of one name has `.2` added to it.
    fn places<'s, T>(
        &mut self,
        now: i64,
        items: impl Iterator<Item = &'s T>,
        key: impl Fn(&'s T) -> (&'s str, &'s str),
        mut resolve: impl FnMut(&T, &str) -> [Option<Place>; N],
        mut each: impl FnMut(&T, [Option<Place>; N]),
    ) where
        T: 's,
    {
        let mut count = 0;
        for item in items {
            let (first, second) = key(item);
            let is_it = |entry: &Entry<N>| *entry.key.0 == *first && *entry.key.1 == *second;
            let is_known = |entry: &Entry<N>| {
                entry.places.iter().all(Option::is_some) || now.abs_diff(entry.asked_at) < ASK_AGAIN_SECONDS
            };
            let known = self.entries.get(count).filter(|entry| is_it(entry));
            if !known.is_some_and(is_known) {
                let twins = self.entries[..count].iter().filter(|entry| is_it(entry)).count();
                let suffix = if twins > 0 { format!(".{}", twins + 1) } else { String::new() };
                let entry = Entry { key: (first.into(), second.into()), places: resolve(item, &suffix), asked_at: now };
                if known.is_some() {
                    self.entries[count] = entry;
                } else {
                    // What comes after may now be the first of its name.
                    self.entries.truncate(count);
                    self.entries.push(entry);
                }
            }
            each(item, self.entries[count].places);
            count += 1;
        }
        self.entries.truncate(count);
    }
}

/// A group that is not in every snapshot, and what the last one said that had it.
#[derive(Debug, Default)]
struct Slow {
    group: Group<1>,
    values: Vec<(Place, f64)>,
    at: i64,
}

impl Slow {
    /// Takes over what this snapshot says, or lets the last one hold.
    fn read<'s, T>(
        &mut self,
        items: Option<impl Iterator<Item = &'s T>>,
        now: i64,
        key: impl Fn(&'s T) -> (&'s str, &'s str),
        resolve: impl FnMut(&T, &str) -> [Option<Place>; 1],
        value: impl Fn(&T) -> f64,
        set: &mut impl FnMut(Place, f64),
    ) where
        T: 's,
    {
        if let Some(items) = items {
            self.at = now;
            self.values.clear();
            let values = &mut self.values;
            self.group.places(now, items, key, resolve, |item, [place]| {
                values.extend(place.map(|place| (place, value(item))));
            });
        } else if self.at + HELD_SECONDS < now {
            // Forgotten here before the catalogue may give the places to others.
            self.values.clear();
            self.group.entries.clear();
        }
        self.values.iter().for_each(|(place, value)| set(*place, *value));
    }
}

/// The places of the last snapshot.
#[derive(Debug, Default)]
pub(super) struct Layout {
    vitals: [Option<Place>; 25],
    /// By number of the core.
    cores: Vec<Option<Place>>,
    interfaces: Group<2>,
    disks: Group<3>,
    filesystems: Slow,
    temperatures: Slow,
}

/// Loop devices and RAM disks repeat what the disks below them do.
fn is_remembered(disk: &&Disk) -> bool {
    disk.whole && !disk.name.starts_with("loop") && !disk.name.starts_with("ram")
}

/// Unknown is not a number: the series is seen, and has no value.
fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

impl Layout {
    /// Calls `set` with the place and value of everything in the snapshot; what is there but unknown is NaN.
    pub(super) fn read(
        &mut self,
        snapshot: &Snapshot,
        now: i64,
        catalogue: &mut Catalogue,
        mut set: impl FnMut(Place, f64),
    ) {
        for ((value, place), (name, unit)) in vitals(snapshot).into_iter().zip(&mut self.vitals).zip(VITALS) {
            let Some(value) = value else { continue };
            if place.is_none() {
                *place = catalogue.place(name, unit, false, now);
            }
            if let Some(place) = place {
                set(*place, value);
            }
        }
        let mut put = |place: Option<Place>, value: Option<f64>| {
            if let Some(place) = place {
                set(place, or_nan(value));
            }
        };
        for core in snapshot.cpu.iter().flat_map(|cpu| &cpu.cores).filter(|core| core.core < MOST_CORES) {
            let number = core.core as usize;
            if self.cores.len() <= number {
                self.cores.resize(number + 1, None);
            }
            if self.cores[number].is_none() {
                self.cores[number] = catalogue.place(&format!("cpu.core{number}.busy"), Unit::Ratio, false, now);
            }
            put(self.cores[number], core.time.busy_ratio);
        }
        self.interfaces.places(
            now,
            snapshot.interfaces.iter().flatten(),
            |interface| (&*interface.name, ""),
            |interface, _| {
                ["received", "sent"].map(|way| {
                    catalogue.place(&format!("network.{}.{way}", interface.name), Unit::BytesPerSecond, true, now)
                })
            },
            |interface, [received, sent]| {
                put(received, interface.received.bytes_per_second);
                put(sent, interface.sent.bytes_per_second);
            },
        );
        self.disks.places(
            now,
            snapshot.disks.iter().flatten().filter(is_remembered),
            |disk| (&*disk.name, ""),
            |disk, _| {
                let series = [("read", Unit::BytesPerSecond), ("written", Unit::BytesPerSecond), ("busy", Unit::Ratio)];
                series.map(|(what, unit)| catalogue.place(&format!("disk.{}.{what}", disk.name), unit, true, now))
            },
            |disk, [read, written, busy]| {
                put(read, disk.read_bytes_per_second);
                put(written, disk.written_bytes_per_second);
                put(busy, disk.busy_ratio);
            },
        );
        self.filesystems.read(
            snapshot.filesystems.as_ref().map(|list| list.iter().filter(|f| f.device_backed)),
            now,
            |filesystem: &Filesystem| (&filesystem.mount_point, ""),
            |filesystem, twin| {
                let name = format!("filesystem.{}.used{twin}", filesystem.mount_point);
                [catalogue.place(&name, Unit::Ratio, true, now)]
            },
            |filesystem| or_nan(filesystem.usage.as_ref().and_then(|usage| usage.used_ratio)),
            &mut set,
        );
        self.temperatures.read(
            snapshot.sensors.as_ref().map(|sensors| sensors.temperatures.iter()),
            now,
            |temperature: &Temperature| (&temperature.chip, &temperature.label),
            |temperature, twin| {
                let name = format!("temperature.{}.{}{twin}", temperature.chip, temperature.label);
                [catalogue.place(&name, Unit::Celsius, true, now)]
            },
            |temperature| temperature.celsius,
            &mut set,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing;
    use crate::model::hardware::Sensors;

    /// Reads the snapshots one after the other, and gives what the last one left, by name.
    fn read(snapshots: &[(i64, Snapshot)]) -> Vec<(String, Option<f32>)> {
        let mut catalogue = Catalogue::new(Vec::new(), 1);
        let mut values = Vec::new();
        for (now, snapshot) in snapshots {
            catalogue.read(snapshot, *now, &mut values);
        }
        catalogue.all().iter().map(|series| series.name.to_string()).zip(values).collect()
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
            high_celsius: None,
            critical_celsius: None,
        };
        let with = |list: &[f64]| Snapshot {
            sensors: Some(Sensors { temperatures: list.iter().copied().map(temperature).collect(), fans: Vec::new() }),
            ..Snapshot::default()
        };
        let values = read(&[(1, with(&[40.0, 50.0]))]);
        assert_eq!(of(&values, "temperature.nvme.Composite"), Some(40.0));
        assert_eq!(of(&values, "temperature.nvme.Composite.2"), Some(50.0));
    }

    #[test]
    fn an_interface_that_goes_takes_no_other_along() {
        let with = |names: &[&str], rate| {
            testing::with_interfaces(&names.iter().map(ToString::to_string).collect::<Vec<_>>(), rate)
        };
        let values = read(&[(1, with(&["a", "b", "c"], 1.0)), (2, with(&["b", "c"], 2.0))]);
        assert_eq!(of(&values, "network.a.sent"), None);
        assert_eq!(of(&values, "network.b.sent"), Some(2.0));
        assert_eq!(of(&values, "network.c.sent"), Some(2.0));
    }
}
