//! Each part of System Monitor's statistics as a table.
//!
//! Called by [`super::show`]. What is not known is a dash.

use crate::command::table::{Cell, Side, Table, Tint};
use crate::model::Snapshot;
use crate::model::cpu::{Cpu, CpuTime};
use crate::model::network::Interface;
use crate::model::process::Process;
use crate::model::storage::by_device;

use Side::{Left, Right};

/// All cores together, then each.
pub fn cpu(snapshot: &Snapshot) -> Table {
    let titles = ["USED", "USER", "SYSTEM", "IOWAIT", "STEAL", "CLOCK"].map(|title| (title, Right));
    let mut table = Table::new(&[&[("CPU", Left)][..], &titles].concat());
    let mut row = |name: &str, time: Option<&CpuTime>, mhz: Option<f64>| {
        let modes = time.and_then(|time| time.ratios.as_ref());
        let busy = time.and_then(|time| time.busy_ratio);
        table.push(vec![
            Cell::new(Some(name)),
            percent(busy).tinted(Tint::of(busy)),
            percent(modes.map(|m| m.user + m.nice + m.guest + m.guest_nice)),
            percent(modes.map(|m| m.system + m.irq + m.softirq)),
            percent(modes.map(|m| m.iowait)),
            percent(modes.map(|m| m.steal)),
            Cell::new(mhz.map(|mhz| format!("{mhz:.0} MHz"))),
        ]);
    };
    let cores = snapshot.cpu.as_ref().map(|cpu: &Cpu| &cpu.cores[..]).unwrap_or_default();
    row("all", snapshot.cpu.as_ref().and_then(|cpu| cpu.total.as_ref()), snapshot.cpu_frequency_mhz);
    for core in cores {
        row(&core.core.to_string(), Some(&core.time), core.frequency_mhz);
    }
    table
}

/// Memory and swap, and what a container may use of both.
pub fn memory(snapshot: &Snapshot) -> Table {
    let titles = ["TOTAL", "USED", "USED%", "AVAILABLE", "FREE", "CACHED"].map(|title| (title, Right));
    let mut table = Table::new(&[&[("", Left)][..], &titles].concat());
    let memory = snapshot.memory.as_ref();
    let ratio = memory.and_then(|memory| memory.used_ratio);
    table.push(vec![
        Cell::new(Some("memory")),
        bytes(memory.and_then(|memory| memory.total_bytes)),
        bytes(memory.and_then(|memory| memory.used_bytes)),
        percent(ratio).tinted(Tint::of(ratio)),
        bytes(memory.and_then(|memory| memory.available_bytes)),
        bytes(memory.and_then(|memory| memory.free_bytes)),
        bytes(memory.and_then(|memory| memory.cached_bytes)),
    ]);
    let swap = snapshot.swap.as_ref();
    let ratio = swap.and_then(|swap| swap.used_ratio);
    table.push(vec![
        Cell::new(Some("swap")),
        bytes(swap.and_then(|swap| swap.total_bytes)),
        bytes(swap.and_then(|swap| swap.used_bytes)),
        percent(ratio).tinted(Tint::of(ratio)),
        Cell::new(None::<&str>),
        bytes(swap.and_then(|swap| swap.free_bytes)),
        Cell::new(None::<&str>),
    ]);
    if let Some(container) = &snapshot.container {
        let none = || Cell::new(None::<&str>);
        table.push(vec![
            Cell::new(Some("container")),
            bytes(container.memory_limit_bytes),
            bytes(container.memory_used_bytes),
            percent(container.memory_used_ratio).tinted(Tint::of(container.memory_used_ratio)),
            none(),
            none(),
            none(),
        ]);
    }
    table
}

/// The devices with their file systems.
pub fn disks(snapshot: &Snapshot) -> Table {
    let titles = [
        ("DEVICE", Left),
        ("TYPE", Left),
        ("SIZE", Right),
        ("USED", Right),
        ("FREE", Right),
        ("USED%", Right),
        ("MOUNTED ON", Left),
    ];
    let mut table = Table::new(&titles);
    for mount in by_device(snapshot.filesystems.as_deref().unwrap_or_default()) {
        let ratio = mount.usage.and_then(|usage| usage.used_ratio);
        table.push(vec![
            Cell::new(Some(&mount.device)),
            Cell::new(Some(&mount.kind)),
            bytes(mount.usage.map(|usage| usage.total_bytes)),
            bytes(mount.usage.map(|usage| usage.used_bytes)),
            bytes(mount.usage.map(|usage| usage.available_bytes)),
            percent(ratio).tinted(Tint::of(ratio)),
            Cell::new(Some(&mount.mount_point)),
        ]);
    }
    table
}

/// All processes: those that use most of the CPU first where that is known, then those with most memory.
pub fn processes(snapshot: &Snapshot) -> Table {
    let processes = snapshot.processes.as_ref();
    let mut list: Vec<&Process> = processes.map(|processes| processes.list.iter().collect()).unwrap_or_default();
    let resident = |process: &Process| process.memory.map_or(0, |memory| memory.resident_bytes);
    list.sort_by(|a, b| {
        let by_cpu = b.cpu_ratio.unwrap_or(0.0).total_cmp(&a.cpu_ratio.unwrap_or(0.0));
        by_cpu.then(resident(b).cmp(&resident(a))).then(a.pid.cmp(&b.pid))
    });
    let measured = list.iter().any(|process| process.cpu_ratio.is_some());
    let mut titles = vec![("PID", Right), ("USER", Left), ("MEMORY", Right), ("NAME", Left)];
    if measured {
        titles.insert(2, ("CPU", Right));
    }
    let mut table = Table::new(&titles);
    for process in list {
        let user = process.user.as_deref().map(str::to_owned).or_else(|| process.uid.map(|uid| uid.to_string()));
        let mut row = vec![
            Cell::new(Some(process.pid.to_string())),
            Cell::new(user),
            bytes(process.memory.map(|memory| memory.resident_bytes)),
            Cell::new(Some(&process.name)),
        ];
        if measured {
            row.insert(2, percent(process.cpu_ratio).tinted(Tint::of(process.cpu_ratio)));
        }
        table.push(row);
    }
    table
}

/// All interfaces, those without an address too.
pub fn network(snapshot: &Snapshot) -> Table {
    let interfaces = snapshot.interfaces.as_deref().unwrap_or_default();
    let measured = interfaces.iter().any(|interface| interface.received.bytes_per_second.is_some());
    let mut titles = vec![("INTERFACE", Left), ("RECEIVED", Right), ("SENT", Right), ("ADDRESSES", Left)];
    if measured {
        titles.splice(1..1, [("IN", Right), ("OUT", Right)]);
    }
    let mut table = Table::new(&titles);
    for interface in interfaces {
        let mut row = vec![
            Cell::new(Some(&interface.name)),
            bytes(Some(interface.received.bytes)),
            bytes(Some(interface.sent.bytes)),
            Cell::new(addresses(interface)),
        ];
        if measured {
            let rate = |rate: Option<f64>| Cell::new(rate.map(|rate| format!("{}/s", sized(rate))));
            row.splice(1..1, [rate(interface.received.bytes_per_second), rate(interface.sent.bytes_per_second)]);
        }
        table.push(row);
    }
    table
}

/// With their prefixes; IPv4 before IPv6, link-local ones last.
fn addresses(interface: &Interface) -> Option<String> {
    let mut list = interface.link.as_ref()?.addresses.clone()?;
    list.sort_by_key(|address| match address.ip {
        std::net::IpAddr::V4(_) => 0,
        std::net::IpAddr::V6(ip) => 1 + u8::from(ip.is_unicast_link_local()),
    });
    let words: Vec<String> = list.iter().map(|a| format!("{}/{}", a.ip, a.prefix_length)).collect();
    Some(words.join(" ")).filter(|words| !words.is_empty())
}

fn percent(ratio: Option<f64>) -> Cell {
    Cell::new(ratio.map(|ratio| format!("{:.1}%", ratio * 100.0)))
}

fn bytes(bytes: Option<u64>) -> Cell {
    Cell::new(bytes.map(|bytes| sized(bytes as f64)))
}

/// `512 B`, `1.5 KiB`, `23.5 GiB`.
fn sized(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1023.5 {
        return format!("{bytes:.0} B");
    }
    let (mut number, mut unit) = (bytes / 1024.0, 0);
    // 1023.95 would be written as 1024.0.
    while number >= 1023.95 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{number:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::snapshot;
    use crate::model::container::Container;

    fn lines(table: &Table) -> Vec<String> {
        table.lines(100, 99, false)
    }

    #[test]
    fn every_part_of_a_small_server() {
        let snapshot = snapshot();
        assert_eq!(
            lines(&cpu(&snapshot)),
            [
                "CPU   USED   USER  SYSTEM  IOWAIT  STEAL     CLOCK",
                "all  19.4%  14.5%    4.8%    0.0%   0.0%  2000 MHz",
                "0    42.0%  31.5%   10.5%    0.0%   0.0%  2000 MHz",
                "1     8.4%   6.3%    2.1%    0.0%   0.0%  2000 MHz",
            ]
        );
        assert_eq!(
            lines(&memory(&snapshot)),
            [
                "           TOTAL       USED  USED%  AVAILABLE       FREE     CACHED",
                "memory  23.5 GiB  453.3 MiB   1.9%   23.1 GiB   22.7 GiB  600.0 MiB",
                "swap     3.0 GiB    2.0 GiB  67.5%          -  999.8 MiB          -",
            ]
        );
        assert_eq!(
            lines(&disks(&snapshot)),
            [
                "DEVICE     TYPE       SIZE      USED      FREE  USED%  MOUNTED ON",
                "/dev/vda1  ext4  252.0 GiB  15.5 GiB  75.3 GiB  17.1%  /",
                "/dev/vdb1  xfs           -         -         -      -  /srv/a \"b\"",
            ]
        );
        assert_eq!(
            lines(&network(&snapshot)),
            [
                "INTERFACE         IN        OUT   RECEIVED     SENT  ADDRESSES",
                "lo         2.0 MiB/s  2.0 MiB/s    2.1 GiB  2.1 GiB  127.0.0.1/8 ::1/128",
                "eth0       2.0 MiB/s  2.0 MiB/s  767.2 MiB  3.0 MiB  192.0.2.2/24 fd00::2/64 fe80::fc:ff:fe00:1/64",
            ]
        );
        let found = lines(&processes(&snapshot));
        assert_eq!(found[0], "  PID  USER         CPU     MEMORY  NAME");
        assert_eq!(found[1], "   42  root      185.7%  168.0 KiB  worker \"a\"\\n");
        assert_eq!(found[2], "40002  root        1.2%  156.3 MiB  naïve-\u{fffd}", "then by memory");
        assert_eq!(found.last().map(String::as_str), Some("40001  -              -  156.3 MiB  nginx"));
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn a_container_has_a_row_of_its_own() {
        let container = Container {
            memory_limit_bytes: Some(512 << 20),
            memory_used_bytes: Some(480 << 20),
            memory_used_ratio: Some(0.9375),
            ..Container::default()
        };
        let found = lines(&memory(&Snapshot { container: Some(container), ..snapshot() }));
        assert_eq!(found[3], "container  512.0 MiB  480.0 MiB  93.8%          -          -          -");
    }

    #[test]
    fn rates_have_a_column_once_they_are_known() {
        let mut first = snapshot();
        for process in first.processes.iter_mut().flat_map(|processes| &mut processes.list) {
            process.cpu_ratio = None;
        }
        for interface in first.interfaces.iter_mut().flatten() {
            interface.received.bytes_per_second = None;
        }
        assert_eq!(lines(&processes(&first))[0], "  PID  USER         MEMORY  NAME");
        assert_eq!(lines(&network(&first))[0], "INTERFACE   RECEIVED     SENT  ADDRESSES");
    }

    #[test]
    fn nothing_known_is_a_dash_or_an_empty_table() {
        let nothing = Snapshot::default();
        assert_eq!(lines(&cpu(&nothing))[1], "all     -     -       -       -      -      -");
        assert_eq!(lines(&memory(&nothing))[1], "memory      -     -      -          -     -       -");
        for table in [disks(&nothing), processes(&nothing), network(&nothing)] {
            assert_eq!(lines(&table).len(), 1);
        }
    }

    #[test]
    fn sizes_have_three_or_four_digits() {
        for (bytes, expected) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1023.6, "1.0 KiB"),
            (1_536.0, "1.5 KiB"),
            (1_048_575.0, "1.0 MiB"),
            (1_048_576.0, "1.0 MiB"),
            (25_276_502_016.0, "23.5 GiB"),
            (u64::MAX as f64, "16.0 EiB"),
        ] {
            assert_eq!(sized(bytes), expected);
        }
    }
}
