//! The data of every psiod command, out of a snapshot; numbers rounded where psutil, which the original asks, rounds.
//!
//! Called through [`super`].

use serde::Serialize;

use super::request::{Command, Refusal};
use crate::dialect::json_text;
use crate::dialect::memory::SwapUse;
use crate::dialect::number::percent_one_decimal;
use crate::dialect::rows::Rows;
use crate::dialect::user::User;
use crate::model::cpu::{Core, Cpu};
use crate::model::memory::Memory;
use crate::model::process::{Process, ProcessState};
use crate::model::storage::Filesystem;
use crate::model::{Answer, Snapshot, Subjects};

/// The commands that everybody is answered alike.
pub static ANSWERS: [Answer; 7] = [
    Answer::new("process.getall", Subjects::ALL_PROCESSES, |snapshot| {
        let all = snapshot.processes.as_ref().and_then(|processes| processes.all());
        // Rows made while they are written.
        response(all.map(|all| Rows(move || all.iter().map(process_row))))
    }),
    Answer::new("cpu.getall", Subjects::VITALS, |snapshot| {
        let usage = |ratio: Option<f64>| ratio.map(percent_one_decimal);
        let rows = |cpu: &Cpu| {
            let row = |core: &Core| object! { num: core.core, usage: usage(core.time.busy_ratio) };
            cpu.cores.iter().map(row).collect::<Vec<_>>()
        };
        response(snapshot.cpu.as_ref().map(rows))
    }),
    Answer::new("memory.getall", Subjects::VITALS, |snapshot| {
        let (memory, swap) = (virtual_memory(snapshot.memory), SwapUse::of(snapshot.swap));
        let data = object! { r#virtual: &memory, swap: &swap };
        // The document shows the two parts of the memory beside `type`, the original sends them inside `data`.
        json_text(&object! { r#type: "response", data, r#virtual: &memory, swap: &swap })
    }),
    Answer::new("disk.getall", Subjects::FILESYSTEMS, |snapshot| response(disks(snapshot))),
    Answer::new("disk.root.getstats", Subjects::FILESYSTEMS, |snapshot| response(root(snapshot))),
    Answer::new("network.getstats", Subjects::VITALS, |snapshot| response(traffic(snapshot))),
    Answer::new("host.getstats", Subjects::VITALS, |snapshot| {
        response(object! { hostname: snapshot.host.as_deref().and_then(|host| host.hostname.as_deref()) })
    }),
];

/// What a snapshot must hold for `process.get`.
pub const PROCESS_NEEDS: Subjects = Subjects::ALL_PROCESSES;

fn response(data: impl Serialize) -> String {
    json_text(&object! { r#type: "response", data })
}

/// The answer to `process.get`.
///
/// # Errors
/// A refusal, for a process that does not exist.
pub fn process(pid: i64, snapshot: &Snapshot) -> Result<String, Refusal> {
    Ok(response(one_process(pid, snapshot)?))
}

fn one_process(pid: i64, snapshot: &Snapshot) -> Result<Option<impl Serialize>, Refusal> {
    let Some(processes) = &snapshot.processes else { return Ok(None) };
    match u32::try_from(pid).ok().and_then(|pid| processes.find(pid)) {
        Some(process) => Ok(Some(process_row(process))),
        // A process that is missing among the ten largest may well exist.
        None if !processes.complete && pid > 0 => Ok(None),
        None => Err(Refusal::of(Command::Process { pid }, format!("no process has the pid {pid}"))),
    }
}

fn process_row(process: &Process) -> impl Serialize {
    let resident = process.memory.map(|memory| memory.resident_bytes);
    let address_space = process.memory.map(|memory| memory.virtual_bytes);
    object! {
        pid: process.pid,
        name: &process.name,
        username: User::of(process),
        nice: process.nice,
        status: status(process.state),
        num_threads: process.threads,
        // psutil's own first answer, and what its clients draw, is 0.
        cpu_percent: process.cpu_ratio.map_or(0.0, percent_one_decimal),
        cpu_times: [process.cpu_user_seconds, process.cpu_system_seconds],
        memory_info: [resident, address_space],
        memory_percent: process.memory_ratio.map(|ratio| ratio * 100.0),
        memory_rss: resident,
        memory_vms: address_space,
    }
}

fn status(state: ProcessState) -> Option<&'static str> {
    match state {
        ProcessState::Running => Some("running"),
        ProcessState::Sleeping => Some("sleeping"),
        ProcessState::DiskSleep => Some("disk-sleep"),
        ProcessState::Stopped => Some("stopped"),
        ProcessState::TracingStop => Some("tracing-stop"),
        ProcessState::Zombie => Some("zombie"),
        ProcessState::Dead => Some("dead"),
        ProcessState::Idle => Some("idle"),
        ProcessState::Unknown => None,
    }
}

fn virtual_memory(memory: Option<Memory>) -> impl Serialize {
    let memory = memory.unwrap_or_default();
    object! {
        total: memory.total_bytes,
        available: memory.available_bytes,
        percent: memory.used_ratio.map(percent_one_decimal),
        used: memory.used_bytes,
        free: memory.free_bytes,
        active: memory.active_bytes,
        inactive: memory.inactive_bytes,
        // Linux has no such memory, and psiod says 0; elsewhere it is unknown.
        wired: cfg!(target_os = "linux").then_some(0),
        buffers: memory.buffers_bytes,
        cached: memory.cached_with_slab_bytes(),
        shared: memory.shared_bytes,
        slab: memory.slab_bytes,
    }
}

fn disks(snapshot: &Snapshot) -> Option<Vec<impl Serialize>> {
    let mounts = snapshot.filesystems.as_deref()?.iter();
    Some(mounts.filter(|mount| mount.device_backed).flat_map(disk_rows).collect())
}

/// One row for each place where the device is mounted.
fn disk_rows(mount: &Filesystem) -> impl Iterator<Item = impl Serialize> {
    mount.places().map(|(mountpoint, opts)| object! { device: &mount.device, mountpoint, fstype: &mount.kind, opts })
}

fn root(snapshot: &Snapshot) -> impl Serialize {
    // Of several mounts at `/` the last one covers the others.
    let mount = snapshot.filesystems.iter().flatten().rfind(|mount| mount.mount_point == "/");
    let usage = mount.and_then(|mount| mount.usage);
    object! {
        total: usage.map(|usage| usage.total_bytes),
        used: usage.map(|usage| usage.used_bytes),
        free: usage.map(|usage| usage.available_bytes),
        percent: usage.and_then(|usage| usage.used_ratio).map(percent_one_decimal),
    }
}

fn traffic(snapshot: &Snapshot) -> impl Serialize {
    let sum = |pick: fn(&crate::model::network::Interface) -> u64| {
        snapshot.interfaces.as_ref().map(|list| list.iter().map(pick).fold(0, u64::saturating_add))
    };
    object! {
        bytes_sent: sum(|interface| interface.sent.bytes),
        bytes_received: sum(|interface| interface.received.bytes),
    }
}
