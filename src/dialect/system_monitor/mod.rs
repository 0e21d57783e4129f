//! System Monitor: the parts of `stats`, and the report that its agents send.
//!
//! Called by the commands that print one part, and by the agent. Bytes and counters are whole numbers, per cent have one
//! decimal. What is not known is `null`; no key is ever absent.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::json_text;
use super::number::{percent_one_decimal, whole};
use super::rows::{Entries, Rows};
use super::user::User;
use crate::model::network::{Address, Interface};
use crate::model::process::Process;
use crate::model::storage::{Filesystem, by_device};
use crate::model::{Answer, Snapshot, Subjects};

/// `stats.cpu`.
pub static CPU: Answer = Answer::new("cpu", Subjects::FREQUENCY, |snapshot| json_text(&cpu(snapshot)));

/// `stats.memory`.
pub static MEMORY: Answer = Answer::new("memory", Subjects::VITALS, |snapshot| json_text(&memory(snapshot)));

/// `stats.disks`.
pub static DISKS: Answer = Answer::new("disks", Subjects::FILESYSTEMS, |snapshot| json_text(&disks(snapshot)));

/// `stats.processes`.
pub static PROCESSES: Answer =
    Answer::new("processes", Subjects::ALL_PROCESSES, |snapshot| json_text(&processes(snapshot)));

/// `stats.network`.
pub static NETWORK: Answer = Answer::new("network", Subjects::ADDRESSES, |snapshot| json_text(&network(snapshot)));

/// What a snapshot must hold for [`report`].
pub const REPORT_NEEDS: Subjects =
    Subjects::FREQUENCY.with(Subjects::FILESYSTEMS).with(Subjects::ALL_PROCESSES).with(Subjects::ADDRESSES);

/// Who reports, as it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Its own name: `Linux-` and 32 hexadecimal digits unless somebody chose another.
    pub system_id: &'a str,
    /// Where reports go.
    pub url: &'a str,
    /// Time between two reports.
    pub interval: Duration,
}

/// The body of `send_stats`. Its `epoch` is the moment of the snapshot, so that a report that had to wait tells when its
/// numbers were true.
pub fn report(sender: &Sender<'_>, snapshot: &Snapshot) -> String {
    json_text(&object! {
        action: "send_stats",
        system_id: sender.system_id,
        url: sender.url,
        interval: Seconds(sender.interval),
        epoch: whole(snapshot.time_unix_seconds),
        stats: object! {
            cpu: cpu(snapshot),
            memory: memory(snapshot),
            disks: disks(snapshot),
            processes: processes(snapshot),
            network: network(snapshot),
        },
    })
}

/// A whole number where it is one, as the original's configuration has it.
struct Seconds(Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

fn cpu(snapshot: &Snapshot) -> impl Serialize {
    let cpu = snapshot.cpu.as_ref();
    object! {
        // The reader knows the cores by their lines; where it knows none it knows nothing of them.
        count: cpu.map(|cpu| cpu.cores.len()).filter(|count| *count > 0),
        percent_used: cpu.and_then(crate::model::cpu::Cpu::busy_ratio).map(percent_one_decimal),
        // MHz, mean of the cores. A decimal number, though the document says otherwise.
        frequency: snapshot.cpu_frequency_mhz.map(|mhz| (mhz * 1000.0).round() / 1000.0),
    }
}

fn memory(snapshot: &Snapshot) -> impl Serialize {
    let memory = snapshot.memory.unwrap_or_default();
    object! {
        total: memory.total_bytes,
        available: memory.available_bytes,
        percent_used: memory.used_ratio.map(percent_one_decimal),
        used: memory.used_bytes,
        free: memory.free_bytes,
    }
}

/// By device. Of several mounts of one the original tells the last; here it is the one that `df` shows.
fn disks(snapshot: &Snapshot) -> Option<impl Serialize> {
    let mounts = by_device(snapshot.filesystems.as_deref()?);
    Some(Entries(move || mounts.clone().into_iter().map(disk)))
}

fn disk(mount: &Filesystem) -> (&str, impl Serialize) {
    let row = object! {
        total: mount.usage.map(|usage| usage.total_bytes),
        used: mount.usage.map(|usage| usage.used_bytes),
        free: mount.usage.map(|usage| usage.available_bytes),
        file_system: &mount.kind,
        mount_point: &mount.mount_point,
    };
    (&mount.device, row)
}

/// All processes by PID. `null` while not all were gathered.
fn processes(snapshot: &Snapshot) -> Option<impl Serialize> {
    let all = snapshot.processes.as_ref()?.all()?;
    Some(Rows(move || all.iter().map(process)))
}

fn process(process: &Process) -> impl Serialize {
    object! { pid: process.pid, username: User::of(process), name: &process.name }
}

/// By name: the interfaces that have an IPv4 address, with the last of them, and those whose addresses are not known. Where
/// none has one, not even the loopback, only those of IPv6 could be read: another machine's files do not tell the others.
fn network(snapshot: &Snapshot) -> Option<impl Serialize> {
    let interfaces = snapshot.interfaces.as_deref()?;
    let are_known = interfaces.iter().any(|interface| last_ipv4(interface).is_some());
    let is_told = move |interface: &&Interface| {
        let addresses = interface.link.as_ref().and_then(|link| link.addresses.as_ref());
        !are_known || addresses.is_none() || last_ipv4(interface).is_some()
    };
    Some(Entries(move || interfaces.iter().filter(is_told).map(interface)))
}

fn interface(interface: &Interface) -> (&str, impl Serialize) {
    let address = last_ipv4(interface);
    let row = object! {
        ip: address.map(|address| address.ip),
        netmask: address.map(Address::netmask),
        bytes_sent: interface.sent.bytes,
        bytes_recv: interface.received.bytes,
    };
    (&interface.name, row)
}

fn last_ipv4(interface: &Interface) -> Option<&Address> {
    interface.link.as_ref()?.addresses.as_ref()?.iter().rfind(|address| address.ip.is_ipv4())
}
