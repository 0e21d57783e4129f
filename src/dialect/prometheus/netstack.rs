//! Collectors `arp`, `conntrack`, `netstat`, `sockstat`, `softnet` and `udp_queues`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::network::{ArpEntries, Conntrack, NetstatField, SockstatField, SoftnetRow};
use crate::model::socket::RawSocketTables;

/// ARP entries by device.
pub fn arp(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(ArpEntries(devices)) = snapshot.raw() else { return };
    let mut family = writer.family("node_arp_entries", Kind::Gauge, "Entries of the ARP table by device.");
    for (device, entries) in devices {
        family.sample(&[("device", device)], *entries);
    }
}

/// Connection tracking. The columns are counters, yet gauges by `node_exporter`'s word. One that this kernel does not have
/// is left out.
pub fn conntrack(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(conntrack) = snapshot.raw::<Conntrack>() else { return };
    writer.gauge("node_nf_conntrack_entries", "Connections that are tracked.", Some(conntrack.entries));
    writer.gauge("node_nf_conntrack_entries_limit", "Connections that may be tracked.", Some(conntrack.limit));
    let columns = [
        ("drop", "Packets dropped because they could not be tracked."),
        ("early_drop", "Entries dropped to make room for others."),
        ("found", "Searches that found an entry."),
        ("ignore", "Packets of connections that were tracked already."),
        ("insert", "Entries inserted."),
        ("insert_failed", "Entries that could not be inserted."),
        ("invalid", "Packets that can not be tracked."),
        ("search_restart", "Searches begun again because the table was resized."),
    ];
    for (column, help) in columns {
        let sum = conntrack.statistics.iter().find(|(name, _)| &**name == column).map(|(_, sum)| *sum);
        writer.gauge(&format!("node_nf_conntrack_stat_{column}"), help, sum);
    }
}

/// Protocol counters.
pub fn netstat(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(fields) = snapshot.raw::<Vec<NetstatField>>() else { return };
    for field in fields {
        let name = format!("node_netstat_{}_{}", field.protocol, field.field);
        let help = format!("The counter {} of {}.", field.field, field.protocol);
        writer.family(&name, Kind::Untyped, &help).sample(&[], field.value);
    }
}

/// Sockets in use.
pub fn sockstat(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(fields) = snapshot.raw::<Vec<SockstatField>>() else { return };
    for field in fields {
        let name = format!("node_sockstat_{}_{}", field.protocol, field.field);
        let help = format!("The field {} of {} in /proc/net/sockstat.", field.field, field.protocol);
        writer.gauge(&name, &help, Some(field.value));
    }
}

/// The packet backlog of each CPU.
pub fn softnet(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(rows) = snapshot.raw::<Vec<SoftnetRow>>() else { return };
    type Pick = fn(&SoftnetRow) -> u32;
    let families: [(&str, &str, Pick); 3] = [
        ("node_softnet_dropped_total", "Packets dropped because the backlog was full.", |row| row.dropped),
        ("node_softnet_processed_total", "Packets processed.", |row| row.processed),
        ("node_softnet_times_squeezed_total", "Times the work was cut short with more to do.", |row| row.squeezed),
    ];
    for (name, help, pick) in families {
        let mut family = writer.family(name, Kind::Counter, help);
        for row in rows {
            family.sample(&[("cpu", &row.cpu.to_string())], pick(row));
        }
    }
}

/// Bytes that wait in UDP sockets.
pub fn udp_queues(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(RawSocketTables { udp_queues: queues, .. }) = snapshot.raw() else { return };
    let mut family = writer.family("node_udp_queues", Kind::Gauge, "Bytes that wait in the queues of UDP sockets.");
    for queue in queues {
        family.sample(&[("ip", queue.family), ("queue", "rx")], queue.receive_bytes);
        family.sample(&[("ip", queue.family), ("queue", "tx")], queue.transmit_bytes);
    }
}
