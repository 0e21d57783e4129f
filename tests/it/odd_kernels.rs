//! What users met on odd kernels and in containers: a line that tells nonsense costs its own values, and the rest is told.

use std::fs;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::spoilt::start;
use crate::support::Server;
use crate::wire::{ticks, wait_until};

/// A copy of the fixture machine with one text in a file replaced, and a server that has seen it for some ticks.
fn server_of(file: &str, from: &str, to: &str) -> (Machine, Server) {
    let machine = Machine::copy();
    machine.change(file, from, to);
    let server = start(&machine);
    wait_until("three ticks", || ticks(&server) >= 3);
    (machine, server)
}

#[test]
fn a_container_with_more_swap_free_than_can_be() {
    let swap = "SwapTotal:       8388604 kB\nSwapFree:        8126460 kB";
    let (_machine, server) =
        server_of("proc/meminfo", swap, "SwapTotal:             0 kB\nSwapFree:       18446744073709346016 kB");
    assert_eq!(server.json("/system")["mem"], json!({"total": 15.47, "used": 6.06, "free": 2.97, "percent": 39.1}));
    let snapshot = server.json("/api/v1/snapshot");
    assert_eq!(snapshot["swap"]["total_bytes"], 0);
    for unknown in ["free_bytes", "used_bytes", "used_ratio"] {
        assert_eq!(snapshot["swap"][unknown], Value::Null, "{unknown}");
    }
    let memory = snapshot["readers"].as_array().expect("readers").iter().find(|reader| reader["name"] == "memory");
    let memory = memory.expect("the reader of memory");
    assert_eq!(memory["success"], true);
    let told = memory["error"].as_str().expect("what is wrong");
    assert!(told.contains("meminfo:16: ") && told.contains("18446744073709346016"), "{told}");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("\nnode_memory_MemTotal_bytes 16613015552\n"), "{metrics}");
    assert!(!metrics.contains("node_memory_SwapFree_bytes"), "{metrics}");
    assert_eq!(server.log().matches("18446744073709346016").count(), 1, "told once:\n{}", server.log());
}

#[test]
fn a_machine_that_has_forked_too_often_for_its_kernel() {
    let (machine, server) = server_of("proc/stat", "processes 187342", "processes -2049562273");
    let snapshot = server.json("/api/v1/snapshot");
    assert_eq!(snapshot["cpu"]["forks"], Value::Null);
    assert_eq!(snapshot["cpu"]["boot_time_unix_seconds"], 1_767_225_600);
    assert_eq!(snapshot["cpu"]["cores"].as_array().map(Vec::len), Some(4));
    let metrics = server.get("/metrics").text();
    assert!(!metrics.contains("node_forks_total"), "{metrics}");
    assert!(metrics.contains("\nnode_boot_time_seconds 1767225600\n"), "{metrics}");
    assert!(metrics.contains("node_scrape_collector_success{collector=\"stat\"} 1"), "{metrics}");
    let row = &server.request("GET", "/api/processes", &[("Accept", "application/json")], b"").json()["Processes"][0];
    assert_ne!(row, &Value::Null);
    machine.change("proc/stat", "cpu  1052880 3312 301456 17560204", "cpu  1052980 3312 301456 17560504");
    wait_until("a usage", || server.json("/api/v1/snapshot")["cpu"]["total"]["busy_ratio"] == 0.25);
}

#[test]
fn a_kernel_that_says_that_nothing_is_available() {
    let (_machine, server) = server_of("proc/meminfo", "MemAvailable:    9874512 kB", "MemAvailable:          0 kB");
    // Free, buffers and cached of the 16223648 kB are 10049488.
    let memory = &server.json("/api/v1/snapshot")["memory"];
    assert_eq!(memory["available_bytes"], 10_049_488_u64 * 1024);
    assert_eq!(memory["used_bytes"], 6_174_160_u64 * 1024);
    assert_eq!(server.json("/system")["mem"]["percent"], 38.1);
}

#[test]
fn a_row_of_diskstats_that_cannot_be_read() {
    let last = "dm-0 508019 0 24693636 171204 1102188 0 38197397 2108440 1 ";
    let rows = fs::read_to_string(Machine::original().path("proc/diskstats")).expect("the file");
    let in_flight = rows.replace("nvme0n1p1 412 1204 18220 92 3 0 3 1 0 ", "nvme0n1p1 412 1204 18220 92 3 0 3 1 -1 ");
    assert!(rows.contains(last) && in_flight != rows);
    let odd = [(rows.clone() + "   3       1 hda1 35486 38030 38030 38030\n", 5), (rows + "\n", 5), (in_flight, 4)];
    for (text, count) in odd {
        let machine = Machine::copy();
        fs::write(machine.path("proc/diskstats"), text).expect("the file");
        let server = start(&machine);
        let disks = server.json("/api/v1/snapshot")["disks"].as_array().expect("disks").len();
        assert_eq!(disks, count);
        let metrics = server.get("/metrics").text();
        assert!(metrics.contains("node_disk_reads_completed_total{device=\"nvme0n1\"} 412903\n"), "{metrics}");
        assert_eq!(server.json("/api/diskio")["nvme0n1"]["readCount"], 412_903);
    }
}

#[test]
fn without_proc_stat_the_rest_is_told() {
    let machine = Machine::copy();
    fs::remove_file(machine.path("proc/stat")).expect("the file is removed");
    let server = start(&machine);
    wait_until("three ticks", || ticks(&server) >= 3);
    let system = server.json("/system");
    assert_eq!((&system["cpu"]["usage"], &system["mem"]["total"]), (&Value::Null, &json!(15.47)));
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("node_scrape_collector_success{collector=\"cpu\"} 0"), "{metrics}");
}
