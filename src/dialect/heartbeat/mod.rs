//! Heartbeat: the answers of its `/api/*` routes, with the keys of gopsutil v3 that the original passes on.
//!
//! The rows below are what the server carries, each encoded once a frame at most; the functions return views to serialize.
//! `/api/process` is no row: it is about one process, and not the same for everybody. What is unknown is `null`; while the disks
//! are, the object of `/api/diskio` is empty.

mod disk;
mod host;
mod network;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::json_text;
use super::number::{percent, whole};
use crate::model::cpu::Cpu;
use crate::model::{Answer, Snapshot, Subjects};
use disk::{disk, diskio};
use host::{cpumodel, platform, uptime};
use network::network;

/// `GET /api/cpu`.
pub static CPU: Answer = Answer::new("/api/cpu", Subjects::VITALS, |snapshot| json_text(&cpu(snapshot)));

/// `GET /api/memory`.
pub static MEMORY: Answer = Answer::new("/api/memory", Subjects::VITALS, |snapshot| json_text(&memory(snapshot)));

/// `GET /api/disk`.
pub static DISK: Answer = Answer::new("/api/disk", Subjects::FILESYSTEMS, |snapshot| json_text(&disk(snapshot)));

/// `GET /api/diskio`.
pub static DISKIO: Answer = Answer::new("/api/diskio", Subjects::VITALS, |snapshot| json_text(&diskio(snapshot)));

/// `GET /api/network`.
pub static NETWORK: Answer =
    Answer::new("/api/network", Subjects::SOCKETS.with(Subjects::ADDRESSES), |snapshot| json_text(&network(snapshot)));

/// `GET /api/uptime`.
pub static UPTIME: Answer = Answer::new("/api/uptime", Subjects::VITALS, |snapshot| json_text(&uptime(snapshot)));

/// `GET /api/platform`: it counts the processes.
pub static PLATFORM: Answer =
    Answer::new("/api/platform", Subjects::TOP_PROCESSES, |snapshot| json_text(&platform(snapshot)));

/// `GET /api/cpumodel`.
pub static CPUMODEL: Answer = Answer::new("/api/cpumodel", Subjects::VITALS, |snapshot| json_text(&cpumodel(snapshot)));

/// `/api/cpu`: per cent of all cores together.
fn cpu(snapshot: &Snapshot) -> impl Serialize + use<> {
    let averages = snapshot.averages.cpu;
    object! {
        current_usage: snapshot.cpu.as_ref().and_then(Cpu::busy_ratio).map(percent),
        avg_5min: averages.five.map(percent),
        avg_10min: averages.ten.map(percent),
        avg_15min: averages.fifteen.map(percent),
    }
}

/// `/api/memory`: bytes now, and used bytes over the last minutes. Bytes stay whole numbers, as clients parse them.
fn memory(snapshot: &Snapshot) -> impl Serialize + use<> {
    let now = snapshot.memory.unwrap_or_default();
    let averages = snapshot.averages.memory;
    let bytes = |mean: f64| whole(mean.round());
    object! {
        memory_usage: object!(#[serde(rename_all = "camelCase")] {
            total: now.total_bytes,
            available: now.available_bytes,
            used: now.used_bytes,
            used_percent: now.used_ratio.map(percent),
            free: now.free_bytes,
            active: now.active_bytes,
            inactive: now.inactive_bytes,
            // Memory that macOS never pages out. The original says 0 on Linux; elsewhere it is unknown.
            wired: cfg!(target_os = "linux").then_some(0),
        }),
        averages: object! {
            current_usage: now.used_bytes,
            avg_5min: averages.five.and_then(bytes),
            avg_10min: averages.ten.and_then(bytes),
            avg_15min: averages.fifteen.and_then(bytes),
        },
    }
}

/// `/api/process`. Who may see the command line, and what in it is a secret, is settled before; `None` is what may not be
/// seen or could not be read.
pub fn process<'a>(pid: u32, name: Option<&'a str>, cmdline: Option<&'a str>) -> impl Serialize + use<'a> {
    object! { cmdline, name, pid }
}
