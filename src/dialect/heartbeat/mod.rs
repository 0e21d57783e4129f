//! Heartbeat: the answers of its `/api/*` routes, with the keys of gopsutil v3 that the original passes on.
//!
//! Called by the server, once a frame and route. Each function returns a view to serialize; the `*_NEEDS` beside it tell
//! what a snapshot must hold for it. What is unknown is `null`; the object of `/api/diskio` is then empty.

mod disk;
mod host;
mod network;
#[cfg(test)]
mod tests;

pub use disk::{DISK_NEEDS, DISKIO_NEEDS, disk, diskio};
pub use host::{CPUMODEL_NEEDS, PLATFORM_NEEDS, UPTIME_NEEDS, cpumodel, platform, uptime};
pub use network::{NETWORK_NEEDS, network};

use serde::Serialize;

use super::number::{percent, whole};
use crate::model::cpu::Cpu;
use crate::model::{Snapshot, Subjects};

/// What `/api/cpu` needs.
pub const CPU_NEEDS: Subjects = Subjects::VITALS;

/// What `/api/memory` needs.
pub const MEMORY_NEEDS: Subjects = Subjects::VITALS;

#[derive(Serialize)]
struct Usage<T> {
    current_usage: Option<T>,
    avg_5min: Option<T>,
    avg_10min: Option<T>,
    avg_15min: Option<T>,
}

/// `/api/cpu`: per cent of all cores together.
pub fn cpu(snapshot: &Snapshot) -> impl Serialize + use<> {
    let averages = snapshot.averages.cpu;
    Usage {
        current_usage: snapshot.cpu.as_ref().and_then(Cpu::busy_ratio).map(percent),
        avg_5min: averages.five.map(percent),
        avg_10min: averages.ten.map(percent),
        avg_15min: averages.fifteen.map(percent),
    }
}

#[derive(Serialize)]
struct MemoryAnswer {
    memory_usage: MemoryUsage,
    averages: Usage<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemoryUsage {
    total: Option<u64>,
    available: Option<u64>,
    used: Option<u64>,
    used_percent: Option<f64>,
    free: Option<u64>,
    active: Option<u64>,
    inactive: Option<u64>,
    /// Memory that macOS never pages out. The original says 0 on Linux.
    wired: u64,
}

/// `/api/memory`: bytes now, and used bytes over the last minutes. Bytes stay whole numbers, as clients parse them.
pub fn memory(snapshot: &Snapshot) -> impl Serialize + use<> {
    let now = snapshot.memory;
    let averages = snapshot.averages.memory;
    let bytes = |mean: f64| whole(mean.round());
    MemoryAnswer {
        memory_usage: MemoryUsage {
            total: now.and_then(|memory| memory.total_bytes),
            available: now.and_then(|memory| memory.available_bytes),
            used: now.and_then(|memory| memory.used_bytes),
            used_percent: now.and_then(|memory| memory.used_ratio).map(percent),
            free: now.and_then(|memory| memory.free_bytes),
            active: now.and_then(|memory| memory.active_bytes),
            inactive: now.and_then(|memory| memory.inactive_bytes),
            wired: 0,
        },
        averages: Usage {
            current_usage: now.and_then(|memory| memory.used_bytes),
            avg_5min: averages.five.and_then(bytes),
            avg_10min: averages.ten.and_then(bytes),
            avg_15min: averages.fifteen.and_then(bytes),
        },
    }
}

#[derive(Serialize)]
struct ProcessAnswer<'a> {
    cmdline: Option<&'a str>,
    name: Option<&'a str>,
    pid: u32,
}

/// `/api/process`. Who may see the command line, and what in it is a secret, is settled before; `None` is what may not be
/// seen or could not be read.
pub fn process<'a>(pid: u32, name: Option<&'a str>, cmdline: Option<&'a str>) -> impl Serialize + use<'a> {
    ProcessAnswer { cmdline, name, pid }
}
