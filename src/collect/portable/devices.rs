//! Disks, file systems, interfaces and temperatures, as `sysinfo` tells them.
//!
//! To list file systems may wait for one that does not answer (a dead server), and no thread of ours can be taken back from
//! it: the registry gives these readers lanes of their own, and the disks, which are vitals, too.

use std::net::IpAddr;
use std::path::Path;

use sysinfo::{Components, Disk, DiskRefreshKind, Disks, Networks};

use super::failed;
use crate::model::hardware::{HwmonChip, HwmonSensor, clean_name};
use crate::model::network::{Address, NetClass, RawAddresses, RawInterfaceCounters};
use crate::model::storage::{RawDisk, RawFilesystemUsage, RawMount};
use crate::model::{ReadError, Reading};

/// Bytes of a sector, the unit in which disks are counted.
const SECTOR_BYTES: u64 = 512;

/// What is mounted, with what `kind` names of each.
fn mounted(what: &str, kind: DiskRefreshKind) -> Reading<Disks> {
    Disks::new_with_refreshed_list_specifics(kind).map_err(|error| failed(what, &error))
}

fn is_device(disk: &Disk) -> bool {
    Path::new(disk.name()).is_absolute()
}

/// Bytes read from and written to each device that is mounted. A device that is not is unknown to `sysinfo`.
pub(super) fn disks() -> Reading<Vec<RawDisk>> {
    let mut rows: Vec<RawDisk> = Vec::new();
    for disk in mounted("disk", DiskRefreshKind::nothing().with_io_usage())?.iter().filter(|disk| is_device(disk)) {
        let path = Path::new(disk.name());
        // `/dev/mapper/root` is a link to the device with the kernel's name.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = real.strip_prefix("/dev").unwrap_or(&real).to_string_lossy();
        if rows.iter().any(|known| *known.name == *name) {
            continue;
        }
        let usage = disk.usage();
        rows.push(RawDisk {
            name: name.into(),
            reads: [0, 0, usage.total_read_bytes / SECTOR_BYTES, 0],
            writes: [0, 0, usage.total_written_bytes / SECTOR_BYTES, 0],
            only_sectors: true,
            ..RawDisk::default()
        });
    }
    Ok(rows)
}

/// What is mounted and how full it is. `sysinfo` tells what an unprivileged user may have; what is reserved for root counts
/// as used.
pub(super) fn filesystems() -> Reading<Vec<RawMount>> {
    let all = mounted("filesystem", DiskRefreshKind::nothing().with_storage())?;
    let row = |disk: &Disk| {
        let usage = RawFilesystemUsage {
            block_bytes: 1,
            blocks: disk.total_space(),
            available: disk.available_space(),
            read_only: disk.is_read_only(),
            ..RawFilesystemUsage::default()
        };
        RawMount {
            device: disk.name().to_string_lossy().into_owned(),
            mount_point: disk.mount_point().to_string_lossy().into_owned(),
            kind: disk.file_system().to_string_lossy().into_owned(),
            options: if disk.is_read_only() { "ro" } else { "rw" }.to_owned(),
            major_minor: None,
            device_backed: is_device(disk),
            also_at: Some(Vec::new()),
            // Where it could not be asked, `sysinfo` says 0.
            usage: (disk.total_space() > 0).then_some(Ok(usage)),
        }
    };
    let mut rows: Vec<RawMount> = all.iter().map(row).collect();
    // Each further place of a device stands with the first one, as far as the numbers are the same.
    let mut shown: Vec<RawMount> = Vec::new();
    rows.sort_by_key(|row| row.mount_point.len());
    for row in rows {
        let is_same =
            |known: &&mut RawMount| row.device_backed && known.device == row.device && known.usage == row.usage;
        match shown.iter_mut().find(is_same) {
            Some(known) => known
                .also_at
                .get_or_insert_default()
                .push(crate::model::storage::MountPlace { mount_point: row.mount_point, options: row.options }),
            None => shown.push(row),
        }
    }
    Ok(shown)
}

/// Temperatures, as chips: the first word of a component's label is its chip, the rest its sensor.
pub(super) fn sensors() -> Reading<Vec<HwmonChip>> {
    let components = Components::new_with_refreshed_list().map_err(|error| failed("hwmon", &error))?;
    let told = components.iter().filter_map(|c| Some((c.label(), c.temperature()?, c.critical())));
    let chips = chips(told);
    if chips.is_empty() {
        return Err(ReadError::Unsupported { path: "temperatures".to_owned() });
    }
    Ok(chips)
}

/// Chips of label, temperature and critical temperature, degrees Celsius.
fn chips<'l>(components: impl Iterator<Item = (&'l str, f32, Option<f32>)>) -> Vec<HwmonChip> {
    let mut chips: Vec<HwmonChip> = Vec::new();
    for (label, celsius, critical) in components {
        let (chip, rest) = label.trim().split_once(' ').unwrap_or((label.trim(), ""));
        let at = chips.iter().position(|known| known.plain_name.as_deref() == Some(chip)).unwrap_or_else(|| {
            chips.push(HwmonChip {
                chip: clean_name(chip),
                name: Some(clean_name(chip)).filter(|name| !name.is_empty()),
                plain_name: Some(chip.to_owned()),
                number: u32::try_from(chips.len()).ok(),
                sensors: Vec::new(),
            });
            chips.len() - 1
        });
        let thousandths = |celsius: f32| f64::from((celsius * 1000.0).round());
        let critical = critical.map(|celsius| ("crit".to_owned(), thousandths(celsius)));
        let elements = std::iter::once(("input".to_owned(), thousandths(celsius))).chain(critical).collect();
        let sensors = &mut chips[at].sensors;
        sensors.push(HwmonSensor {
            sensor: format!("temp{}", sensors.len() + 1),
            kind: "temp",
            label: Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty()),
            elements,
        });
    }
    chips
}

/// The interfaces. Kept between readings, as `sysinfo` does not forget what has gone otherwise.
#[derive(Default)]
pub(super) struct Network(Option<Networks>);

impl Network {
    /// The interfaces by name, as they are now.
    fn list(&mut self, what: &str) -> Reading<Vec<(String, &sysinfo::NetworkData)>> {
        if self.0.is_none() {
            self.0 = Some(Networks::new().map_err(|error| failed(what, &error))?);
        }
        let Some(networks) = &mut self.0 else { return Ok(Vec::new()) };
        networks.refresh(true);
        let mut list: Vec<_> =
            networks.iter().map(|(name, data)| (name.to_string_lossy().into_owned(), data)).collect();
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(list)
    }

    /// Bytes, packets and errors.
    pub(super) fn counters(&mut self) -> Reading<Vec<RawInterfaceCounters>> {
        let row = |(name, data): (String, &sysinfo::NetworkData)| {
            let columns = |bytes, packets, errors| [bytes, packets, errors, 0, 0, 0, 0, 0];
            RawInterfaceCounters {
                index: index(&name),
                name: name.into(),
                received: columns(
                    data.total_received(),
                    data.total_packets_received(),
                    data.total_errors_on_received(),
                ),
                sent: columns(
                    data.total_transmitted(),
                    data.total_packets_transmitted(),
                    data.total_errors_on_transmitted(),
                ),
                only_first: true,
            }
        };
        Ok(self.list("network")?.into_iter().map(row).collect())
    }

    /// Properties.
    pub(super) fn links(&mut self) -> Reading<Vec<NetClass>> {
        let row = |(name, data): (String, &sysinfo::NetworkData)| NetClass {
            index: index(&name).map(i64::from),
            name: name.into(),
            mtu_bytes: i64::try_from(data.mtu()).ok().filter(|bytes| *bytes > 0),
            speed_megabits: data.receive_link_speed().and_then(|bits| i64::try_from(bits / 1_000_000).ok()),
            address: data.mac_address().to_string(),
            operational_state: data.operational_state().to_string(),
            ..NetClass::default()
        };
        Ok(self.list("link")?.into_iter().map(row).collect())
    }

    /// Addresses.
    pub(super) fn addresses(&mut self) -> Reading<RawAddresses> {
        let of = |(name, data): (String, &sysinfo::NetworkData)| {
            let mut all: Vec<(IpAddr, u8)> = data.ip_networks().iter().map(|net| (net.addr, net.prefix)).collect();
            all.sort_unstable();
            all.into_iter().map(move |(ip, prefix_length)| (name.clone(), Address { ip, prefix_length }))
        };
        Ok(RawAddresses(self.list("address")?.into_iter().flat_map(of).collect()))
    }
}

/// The system's number of an interface, which `sysinfo` does not tell: with the name it identifies the interface.
fn index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_become_chips_with_their_sensors() {
        let all = [("coretemp Package id 0", 42.5, Some(100.0)), ("nvme", 30.0, None), ("coretemp Core 0", 41.0, None)];
        let chips = chips(all.into_iter());
        let names: Vec<_> = chips.iter().map(|chip| (chip.chip.as_str(), chip.sensors.len())).collect();
        assert_eq!(names, [("coretemp", 2), ("nvme", 1)]);
        let package = &chips[0].sensors[0];
        assert_eq!((package.sensor.as_str(), package.label.as_deref()), ("temp1", Some("Package id 0")));
        assert_eq!(package.elements, [("input".to_owned(), 42_500.0), ("crit".to_owned(), 100_000.0)]);
        assert_eq!((chips[0].sensors[1].sensor.as_str(), chips[1].sensors[0].label.as_deref()), ("temp2", None));
    }

    #[test]
    fn loopback_is_there_with_its_addresses() {
        let mut network = Network::default();
        let links = network.links().unwrap();
        let is_there = |class: &&NetClass| class.index.is_some() && class.mtu_bytes.is_some();
        let of_loopback: Vec<_> =
            network.addresses().unwrap().0.into_iter().filter(|(_, a)| a.ip.is_loopback()).collect();
        for (name, address) in &of_loopback {
            assert!(links.iter().filter(is_there).any(|class| *class.name == **name), "{name} {address:?}");
        }
        assert!(!of_loopback.is_empty());
    }
}
