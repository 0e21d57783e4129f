//! This program about itself: `psmonitor_*`, and `process_*` by the names that every Prometheus client library has.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::own::{OwnProcess, OwnStats, Pushed};

/// All families, whatever the filter: they cost nothing.
pub fn own(writer: &mut Writer, snapshot: &Snapshot, own: &OwnStats) {
    process(writer, snapshot);
    pushed(writer, &own.pushed);
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    writer.family("psmonitor_build_info", Kind::Gauge, "Version of this program, in labels.").sample(&labels, 1_u64);
    let mut family = writer.family("psmonitor_clients", Kind::Gauge, "Streams that are open, by dialect.");
    for (dialect, clients) in &own.clients {
        family.sample(&[("dialect", dialect)], *clients);
    }
    let help = "Frames passed over because a client was slower than the ticks.";
    writer.counter("psmonitor_frames_skipped_total", help, Some(own.frames_skipped));
    writer.counter("psmonitor_frames_sent_total", "Frames sent to streams.", Some(own.frames_sent));
    let help = "How late the last tick began, seconds.";
    writer.gauge("psmonitor_tick_lateness_seconds", help, Some(own.tick_lateness_seconds));
    let help = "Time since the last tick: the age of what is told at once, seconds.";
    writer.gauge("psmonitor_tick_age_seconds", help, own.tick_age_seconds);
    writer.counter("psmonitor_ticks_total", "Ticks of the sampler.", Some(own.ticks));
    let help = "Ticks left out because the one before took too long.";
    writer.counter("psmonitor_ticks_skipped_total", help, Some(own.ticks_skipped));
    writer.counter("psmonitor_workers_created_total", "Workers created.", Some(own.workers_created));
    writer.counter("psmonitor_workers_claimed_total", "Workers that a client claimed.", Some(own.workers_claimed));
    writer.counter("psmonitor_workers_reaped_total", "Workers that nobody claimed in time.", Some(own.workers_reaped));
    let help = "Workers that were refused because too many were waiting.";
    writer.counter("psmonitor_workers_refused_total", help, Some(own.workers_refused));
    writer.gauge("psmonitor_workers_waiting", "Workers that wait for their client.", Some(own.workers_waiting));
}

/// What is sent of our own accord. Nothing where nothing is.
fn pushed(writer: &mut Writer, all: &[Pushed]) {
    let mut family = |name: &str, kind, help, value: fn(&Pushed) -> u64| {
        let mut family = writer.family(name, kind, help);
        for one in all {
            family.sample(&[("to", one.name)], value(one));
        }
    };
    family("psmonitor_push_sent_total", Kind::Counter, "Reports or requests that were confirmed.", |one| one.sent);
    family("psmonitor_push_refused_total", Kind::Counter, "Those that were refused and dropped.", |one| one.refused);
    family("psmonitor_push_failed_tries_total", Kind::Counter, "Tries that failed.", |one| one.failed_tries);
    let help = "Those that were dropped unsent, for age or want of room.";
    family("psmonitor_push_dropped_total", Kind::Counter, help, |one| one.dropped);
    family("psmonitor_push_waiting", Kind::Gauge, "Those that wait to be sent.", |one| one.waiting);
    family("psmonitor_push_waiting_bytes", Kind::Gauge, "Their bytes, packed.", |one| one.waiting_bytes);
}

fn process(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(process) = snapshot.raw::<OwnProcess>() else { return };
    let cpu = Some(process.cpu_seconds);
    let resident = Some(process.resident_bytes);
    let (open, limit) = (process.open_descriptors, process.descriptor_limit);
    writer.counter("process_cpu_seconds_total", "CPU time of this program, seconds.", cpu);
    writer.gauge("process_max_fds", "Descriptors that this program may open.", limit);
    writer.gauge("process_open_fds", "Descriptors that this program has open.", open);
    writer.gauge("process_resident_memory_bytes", "Resident memory of this program.", resident);
    let boot = snapshot.cpu.as_ref().and_then(|cpu| cpu.boot_time_unix_seconds);
    // A start in the future is unknown: in a container the boot time may be the container's (lxcfs).
    let start = boot.map(|boot| boot as f64 + process.start_seconds_after_boot);
    let start = start.filter(|start| *start <= snapshot.time_unix_seconds);
    writer.gauge("process_start_time_seconds", "Start of this program, seconds since 1970.", start);
    writer.gauge("process_virtual_memory_bytes", "Address space of this program.", Some(process.virtual_bytes));
    let help = "Address space that this program may have.";
    let unlimited = process.virtual_limit_bytes.unwrap_or(u64::MAX);
    writer.gauge("process_virtual_memory_max_bytes", help, Some(unlimited));
    writer.counter("psmonitor_cpu_seconds_total", "CPU time of this program, seconds.", cpu);
    writer.gauge("psmonitor_max_fds", "Descriptors that this program may open.", limit);
    writer.gauge("psmonitor_open_fds", "Descriptors that this program has open.", open);
    writer.gauge("psmonitor_resident_memory_bytes", "Resident memory of this program.", resident);
}
