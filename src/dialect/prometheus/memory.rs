//! Collectors `meminfo`, `vmstat` and `pressure`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::memory::{RawMeminfo, RawVmstat};
use crate::model::pressure::Stalls;

/// Every line of `/proc/meminfo`.
pub fn meminfo(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(RawMeminfo { lines, .. }) = snapshot.raw() else { return };
    let (mut name, mut help) = (String::with_capacity(64), String::with_capacity(64));
    for line in lines {
        name.clear();
        name.push_str("node_memory_");
        // `Active(anon)` becomes `Active_anon`.
        name.extend(line.name.chars().filter(|c| *c != ')').map(|c| if c == '(' { '_' } else { c }));
        help.clear();
        help.push_str("The line ");
        help.push_str(&line.name);
        if line.is_bytes {
            name.push_str("_bytes");
            help.push_str(" of /proc/meminfo, bytes.");
        } else {
            help.push_str(" of /proc/meminfo.");
        }
        writer.gauge(&name, &help, Some(line.value));
    }
}

/// The chosen lines of `/proc/vmstat`.
pub fn vmstat(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(RawVmstat { fields, .. }) = snapshot.raw() else { return };
    for (field, value) in fields {
        let (name, help) = (format!("node_vmstat_{field}"), format!("The line {field} of /proc/vmstat."));
        writer.family(&name, Kind::Untyped, &help).sample(&[], *value);
    }
}

/// Stall times.
pub fn pressure(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(pressure) = &snapshot.pressure else { return };
    let some = |stalls: Option<Stalls>| Some(stalls?.some?.total_seconds);
    let full = |stalls: Option<Stalls>| Some(stalls?.full?.total_seconds);
    let rows = [
        ("node_pressure_cpu_waiting_seconds_total", "Seconds in which tasks waited for a CPU.", some(pressure.cpu)),
        ("node_pressure_io_stalled_seconds_total", "Seconds in which all tasks waited for I/O.", full(pressure.io)),
        ("node_pressure_io_waiting_seconds_total", "Seconds in which tasks waited for I/O.", some(pressure.io)),
        (
            "node_pressure_memory_stalled_seconds_total",
            "Seconds in which all tasks waited for memory.",
            full(pressure.memory),
        ),
        (
            "node_pressure_memory_waiting_seconds_total",
            "Seconds in which tasks waited for memory.",
            some(pressure.memory),
        ),
    ];
    for (name, help, seconds) in rows {
        writer.counter(name, help, seconds);
    }
}
