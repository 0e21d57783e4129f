//! Tests of the page as a whole, on a snapshot of the running machine's tables.

use crate::model::exclude::Exclusions;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::writer::{Head, Labels, Sink, Value};
use super::*;
use crate::collect::{Collector, Paths};
use crate::model::cpu::{Core, Cpu, CpuTime, Modes};
use crate::model::hardware::{HwmonChip, HwmonSensor, PowerSupply};
use crate::model::network::Interface;
use crate::model::storage::Disk;
use crate::model::storage::RawMount;
use crate::model::{Faults, Gathered, Run};

fn snapshot() -> Snapshot {
    let mut readings = Collector::new(&Paths::host()).read(NEEDS).readings;
    fn reading<T>(value: T) -> Gathered<T> {
        Gathered { at: Duration::ZERO, value: Ok(Arc::new(value)), previous: None }
    }
    let stuck = |path: &str| Some(Err(crate::model::ReadError::Stuck { path: path.to_owned() }));
    let mount = |mount_point: &str, usage| RawMount {
        device: "/dev/vda".to_owned(),
        mount_point: mount_point.to_owned(),
        kind: "ext4".to_owned(),
        usage,
        ..RawMount::default()
    };
    readings.put(reading(vec![mount("/", stuck("/")), mount("/bind", stuck("/")), mount("/net", None)]));
    readings.put(reading(vec![HwmonChip {
        chip: "platform_coretemp_0".to_owned(),
        name: Some("coretemp".to_owned()),
        sensors: vec![HwmonSensor {
            sensor: "temp1".to_owned(),
            kind: "temp",
            label: Some("Package \"0\"".to_owned()),
            elements: vec![("input".to_owned(), 42_000.0)],
        }],
        ..HwmonChip::default()
    }]));
    readings.put(reading(vec![PowerSupply {
        name: "BAT0".to_owned(),
        numbers: vec![("energy_now", 12_500_000)],
        texts: vec![("status", "Full".to_owned())],
    }]));
    let time = CpuTime { seconds: Some(Modes::default()), ..CpuTime::default() };
    let core = Core { time, ..Core::default() };
    Snapshot {
        time_unix_seconds: 1.5,
        cpu: Some(Cpu { cores: vec![core], context_switches: Some(7), ..Cpu::default() }),
        disks: Some(vec![Disk { name: "vda".into(), ..Disk::default() }]),
        interfaces: Some(vec![
            Interface { name: "lo".into(), ..Interface::default() },
            Interface { name: "eth7".into(), ..Interface::default() },
        ]),
        readings,
        readers: vec![
            Run { reader: "cpu", seconds: 0.25, error: None, faults: Faults::default() },
            Run {
                reader: "disk",
                seconds: 0.5,
                error: Some(crate::model::ReadError::Unsupported { path: "disk".to_owned() }),
                faults: Faults::default(),
            },
        ],
        ..Snapshot::default()
    }
}

fn page(filter: Option<&[&str]>, format: Format) -> String {
    let own = OwnStats { clients: vec![("psiod", 3)], frames_skipped: 5, ticks: 9, ..OwnStats::default() };
    String::from_utf8(encode(&snapshot(), &own, filter, format, &Exclusions::default()).unwrap()).unwrap()
}

#[test]
fn families_are_whole_and_samples_unique() {
    for format in [Format::Text, Format::OpenMetrics] {
        let page = page(None, format);
        let mut families = HashSet::new();
        let mut samples = HashSet::new();
        let mut current = String::new();
        for line in page.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                current = rest.split(' ').next().unwrap().to_owned();
                assert!(families.insert(current.clone()), "{current} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert_eq!(rest.split(' ').next().unwrap(), current);
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                let stem = if format == Format::OpenMetrics { name.trim_end_matches("_total") } else { name };
                assert!(name == current || stem == current, "{line} stands below {current}");
                let (key, value) = line.rsplit_once(' ').unwrap();
                assert!(samples.insert(key.to_owned()), "{key} twice");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert_eq!(page.ends_with("# EOF\n"), format == Format::OpenMetrics);
        assert!(families.len() > 200, "{}", families.len());
    }
}

#[test]
fn words_of_a_snapshot() {
    let page = page(None, Format::Text);
    for line in [
        "node_time_seconds 1.5",
        "node_context_switches_total 7",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 0",
        "node_network_receive_bytes_total{device=\"eth7\"} 0",
        "node_filesystem_device_error{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 1",
        "node_filesystem_device_error{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/bind\"} 1",
        "node_hwmon_chip_names{chip=\"platform_coretemp_0\",chip_name=\"coretemp\"} 1",
        "node_hwmon_sensor_label{chip=\"platform_coretemp_0\",label=\"Package \\\"0\\\"\",sensor=\"temp1\"} 1",
        "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"} 42",
        "node_power_supply_energy_watthour{power_supply=\"BAT0\"} 12.5",
        "node_power_supply_info{power_supply=\"BAT0\",status=\"Full\"} 1",
        "node_scrape_collector_success{collector=\"stat\"} 1",
        "node_scrape_collector_success{collector=\"diskstats\"} 0",
        "node_scrape_collector_duration_seconds{collector=\"stat\"} 0.25",
        "psmonitor_clients{dialect=\"psiod\"} 3",
        "psmonitor_frames_skipped_total 5",
        "psmonitor_ticks_total 9",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing from\n{page}");
    }
    assert!(!page.contains("node_network_receive_bytes_total{device=\"lo\"}"));
    assert!(!page.contains("mountpoint=\"/net\""), "nobody asked it");
    assert!(!page.contains("node_filesystem_size_bytes{device=\"/dev/vda\""), "its numbers are unknown");
}

#[test]
fn a_filter_leaves_only_what_it_names() {
    let page = page(Some(&["uname", "mdadm"]), Format::Text);
    let names: HashSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("node_"))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let expected = ["node_uname_info", "node_scrape_collector_duration_seconds", "node_scrape_collector_success"];
    assert_eq!(names, HashSet::from(expected));
    assert!(page.contains("node_scrape_collector_success{collector=\"mdadm\"} 0"));
    assert!(page.contains("psmonitor_ticks_total"));
}

#[test]
fn an_unknown_collector_is_an_error_that_lists_the_known() {
    let error = encode(&snapshot(), &OwnStats::default(), Some(&["cpu", "nope"]), Format::Text, &Exclusions::default())
        .unwrap_err();
    assert_eq!(error.name, "nope");
    let text = error.to_string();
    assert!(text.contains("missing collector: nope") && text.contains("cpu, cpufreq, diskstats"), "{text}");
}

#[test]
fn an_empty_snapshot_tells_that_nothing_was_read() {
    let page = encode(&Snapshot::default(), &OwnStats::default(), None, Format::Text, &Exclusions::default()).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert_eq!(page.matches("node_scrape_collector_success{").count(), COLLECTORS.len());
    assert_eq!(page.matches("} 1\n").count(), 1, "only the build info:\n{page}");
    assert!(!page.contains("node_cpu_"));
}

#[test]
fn the_index_is_in_order() {
    assert!(collector_names().is_sorted());
    assert!(NOT_GATHERED.is_sorted());
}

/// Keeps what it is told.
#[derive(Default)]
struct Kept(Vec<KeptFamily>);

struct KeptFamily {
    name: String,
    kind: Kind,
    help: String,
    samples: Vec<(Vec<(String, String)>, Value)>,
}

impl Sink for Kept {
    fn head(&mut self, head: Head<'_>) {
        let Head { name, kind, help } = head;
        self.0.push(KeptFamily { name: name.to_owned(), kind, help: help.to_owned(), samples: Vec::new() });
    }

    fn sample(&mut self, head: Head<'_>, labels: &Labels<'_>, value: Value) {
        let family = self.0.last_mut().expect("a head comes first");
        assert_eq!(family.name, head.name, "a sample belongs to the head before it");
        let labels = labels.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        family.samples.push((labels, value));
    }
}

#[test]
fn the_families_are_all_that_the_page_is_made_of() {
    let (snapshot, own) = (snapshot(), OwnStats { clients: vec![("psiod", 3)], ..OwnStats::default() });
    let mut kept = Kept::default();
    families(&snapshot, &own, None, &mut kept).unwrap();
    assert!(kept.0.len() > 100 && kept.0.iter().all(|family| !family.samples.is_empty()));
    for format in [Format::Text, Format::OpenMetrics] {
        let mut page = Page::new(format, &Exclusions::default());
        let writer: &mut Writer = &mut page;
        for KeptFamily { name, kind, help, samples } in &kept.0 {
            let mut family = writer.family(name, *kind, help);
            for (labels, value) in samples {
                let labels: Vec<_> = labels.iter().map(|(name, text)| (&**name, &**text)).collect();
                family.sample(&labels, *value);
            }
        }
        let (ours, theirs) = (encode(&snapshot, &own, None, format, &Exclusions::default()).unwrap(), page.finish());
        assert!(ours == theirs, "{format:?}");
    }
    let mut nothing = Kept::default();
    assert!(families(&snapshot, &own, Some(&["cpu", "nonsense"]), &mut nothing).is_err());
    assert!(nothing.0.is_empty(), "nothing of a question that makes no sense");
}

#[test]
fn what_no_family_tells_is_not_gathered() {
    let addresses = Subjects::ADDRESSES.without(Subjects::INTERFACES);
    assert!(!NEEDS.intersects(addresses), "of thousands of interfaces the kernel tells addresses slowly");
}
