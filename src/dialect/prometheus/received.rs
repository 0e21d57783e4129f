//! The machines that report to this one, each by its `system_id`: whether it is there, and its vitals. No names of
//! `node_exporter`'s, whose dashboards and alerts would take them for this machine's.

use super::writer::{Kind, Writer};
use crate::model::received::{ReceivedSystem, Vitals};

/// The name that `collect[]` may have for these families.
pub const COLLECTOR: &str = "systems";

/// All families. The vitals of a system that is late are of a moment that is over, so they are not told.
pub fn received(writer: &mut Writer, systems: &[ReceivedSystem]) {
    type OfSystem = fn(&ReceivedSystem) -> Option<f64>;
    let of_system: [(&str, &str, OfSystem); 4] = [
        ("last_seen_seconds", "When the last report came, seconds since 1970.", |system| system.last_seen_unix_seconds),
        ("interval_seconds", "How often it says that it reports.", |system| system.interval_seconds),
        ("late", "Whether it has missed three reports.", |system| Some(f64::from(system.is_late))),
        ("clock_offset_seconds", "How far its clock was ahead of this machine's.", |system| {
            system.clock_offset_seconds
        }),
    ];
    for (name, help, pick) in of_system {
        gauge(writer, systems, name, help, pick);
    }
    let mut family = writer.family("psmonitor_system_reports_total", Kind::Counter, "Reports that are stored.");
    for system in systems {
        family.sample(&[("system_id", &system.id)], system.reports);
    }
    type OfVitals = fn(&Vitals) -> Option<f64>;
    let of_vitals: [(&str, &str, OfVitals); 7] = [
        ("cpus", "Logical processors.", |vitals| vitals.cpus),
        ("cpu_busy_ratio", "How busy they were, 0 to 1.", |vitals| vitals.cpu_busy_ratio),
        ("cpu_frequency_hertz", "Clock of the processors.", |vitals| vitals.cpu_frequency_mhz.map(|mhz| mhz * 1e6)),
        ("memory_total_bytes", "Memory.", |vitals| vitals.memory_total_bytes),
        ("memory_available_bytes", "Memory that a program could have.", |vitals| vitals.memory_available_bytes),
        ("memory_used_bytes", "Memory in use, as it counts it.", |vitals| vitals.memory_used_bytes),
        ("processes", "Processes.", |vitals| vitals.processes),
    ];
    for (name, help, pick) in of_vitals {
        gauge(writer, systems, name, help, |system| current(system).and_then(pick));
    }
    filesystems(writer, systems);
    interfaces(writer, systems);
}

fn gauge(
    writer: &mut Writer,
    systems: &[ReceivedSystem],
    name: &str,
    help: &str,
    value: impl Fn(&ReceivedSystem) -> Option<f64>,
) {
    let name = format!("psmonitor_system_{name}");
    let mut family = writer.family(&name, Kind::Gauge, help);
    for system in systems {
        family.maybe(&[("system_id", &system.id)], value(system));
    }
}

/// What is known of a system now.
fn current(system: &ReceivedSystem) -> Option<&Vitals> {
    system.vitals.as_deref().filter(|_| !system.is_late)
}

fn filesystems(writer: &mut Writer, systems: &[ReceivedSystem]) {
    for (number, (name, help)) in [
        ("psmonitor_system_filesystem_size_bytes", "Size of the file system."),
        ("psmonitor_system_filesystem_used_bytes", "What is taken of it."),
        ("psmonitor_system_filesystem_avail_bytes", "What an ordinary user may still take."),
    ]
    .into_iter()
    .enumerate()
    {
        let mut family = writer.family(name, Kind::Gauge, help);
        for system in systems {
            for one in current(system).into_iter().flat_map(|vitals| &vitals.filesystems) {
                let labels = [
                    ("system_id", &*system.id),
                    ("device", &*one.device),
                    ("fstype", &*one.kind),
                    ("mountpoint", &*one.mount_point),
                ];
                family.maybe(&labels, [one.total_bytes, one.used_bytes, one.free_bytes][number]);
            }
        }
    }
}

fn interfaces(writer: &mut Writer, systems: &[ReceivedSystem]) {
    for (number, (name, help)) in [
        ("psmonitor_system_network_receive_bytes_total", "Received since the interface came up."),
        ("psmonitor_system_network_transmit_bytes_total", "Sent since the interface came up."),
    ]
    .into_iter()
    .enumerate()
    {
        let mut family = writer.family(name, Kind::Counter, help);
        for system in systems {
            for one in current(system).into_iter().flat_map(|vitals| &vitals.interfaces) {
                let labels = [("system_id", &*system.id), ("device", &*one.name)];
                family.maybe(&labels, [one.received_bytes, one.sent_bytes][number]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialect::prometheus::text::{Format, Page};
    use crate::model::exclude::Exclusions;
    use crate::model::received::{ReceivedFilesystem, ReceivedInterface};

    fn page(systems: &[ReceivedSystem]) -> String {
        let exclusions = Exclusions::default();
        let mut page = Page::new(Format::Text, &exclusions);
        received(&mut page, systems);
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn each_system_has_its_rows_and_a_late_one_no_vitals() {
        let vitals = Vitals {
            cpu_busy_ratio: Some(0.25),
            filesystems: vec![ReceivedFilesystem {
                device: "/dev/vda".into(),
                mount_point: "/".into(),
                kind: "ext4".into(),
                total_bytes: Some(100.0),
                used_bytes: Some(60.0),
                free_bytes: None,
            }],
            interfaces: vec![ReceivedInterface { name: "lo".into(), sent_bytes: Some(5.0), received_bytes: Some(6.0) }],
            ..Vitals::default()
        };
        let well = ReceivedSystem {
            id: "a\"b".into(),
            last_seen_unix_seconds: Some(1e9),
            reports: 7,
            vitals: Some(Arc::new(vitals)),
            ..ReceivedSystem::default()
        };
        let late = ReceivedSystem { id: "late".into(), is_late: true, ..well.clone() };
        let page = page(&[well, late]);
        for line in [
            "psmonitor_system_cpu_busy_ratio{system_id=\"a\\\"b\"} 0.25",
            "psmonitor_system_late{system_id=\"a\\\"b\"} 0",
            "psmonitor_system_late{system_id=\"late\"} 1",
            "psmonitor_system_reports_total{system_id=\"late\"} 7",
            "psmonitor_system_filesystem_used_bytes{system_id=\"a\\\"b\",device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 60",
            "psmonitor_system_network_receive_bytes_total{system_id=\"a\\\"b\",device=\"lo\"} 6",
        ] {
            assert!(page.contains(&format!("{line}\n")), "{line}\n{page}");
        }
        assert!(!page.contains("cpu_busy_ratio{system_id=\"late\"}"), "{page}");
        assert!(!page.contains("avail_bytes"), "unknown is not told: {page}");
    }

    #[test]
    fn nobody_who_reports_is_nothing() {
        assert_eq!(page(&[]), "");
    }
}
