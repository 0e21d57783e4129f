//! psmonitor's words: `/system`, `/network` and the frames of `/connect`.
//!
//! "GB" and "MB" of psmonitor are GiB and MiB. A number that is not known is `null`; no key is ever absent.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::json_text;
use super::rows::Entries;
use super::user::User;
use crate::model::cpu::Cpu;
use crate::model::network::{Interface, Traffic};
use crate::model::process::Process;
use crate::model::storage::FilesystemUsage;
use crate::model::{Answer, Snapshot, Subjects};

/// `GET /system`.
pub static SYSTEM: Answer = Answer { name: "/system", needs: SYSTEM_NEEDS, encode: system };

/// `GET /network`.
pub static NETWORK: Answer = Answer { name: "/network", needs: Subjects::WIRELESS, encode: network };

/// One message of a stream.
pub static FRAME: Answer = Answer { name: "/connect", needs: SYSTEM_NEEDS, encode: frame };

const SYSTEM_NEEDS: Subjects =
    Subjects::TOP_PROCESSES.with(Subjects::FILESYSTEMS).with(Subjects::SENSORS).with(Subjects::FREQUENCY);

/// First text of every stream.
pub const GREETING: &str = "connected to monitor, transmitting data...";

/// Text that a client gets when there is no room for it.
pub const AT_CAPACITY: &str = "Server is at full capacity. Please try again later.";

/// Answer to whatever a client says on its stream.
pub fn received(text: &str) -> String {
    format!("message received {text}")
}

/// Body of `GET /system`.
fn system(snapshot: &Snapshot) -> String {
    let host = snapshot.host.as_deref();
    json_text(&object! {
        cpu: cpu(snapshot),
        mem: memory(snapshot),
        disk: root_disk(snapshot),
        user: host.and_then(|host| host.own_user.as_deref()),
        platform: object! {
            distro: host.and_then(|host| host.distribution.as_deref()),
            kernel: host.and_then(|host| host.kernel.as_deref()),
            uptime: snapshot.uptime_seconds.map(uptime),
        },
        processes: processes(snapshot),
    })
}

/// Body of `GET /network`.
fn network(snapshot: &Snapshot) -> String {
    json_text(&object! {
        interfaces: names(snapshot),
        wireless: Wireless(snapshot),
        statistics: statistics(snapshot),
        averages: averages(snapshot),
    })
}

/// One message of a stream.
fn frame(snapshot: &Snapshot) -> String {
    json_text(&object! {
        cpu: cpu(snapshot),
        mem: memory(snapshot),
        disk: root_disk(snapshot),
        uptime: snapshot.uptime_seconds.map(uptime),
        processes: processes(snapshot),
        network: object! {
            interfaces: names(snapshot),
            statistics: statistics(snapshot),
            averages: averages(snapshot),
        },
    })
}

fn cpu(snapshot: &Snapshot) -> impl Serialize + use<> {
    object! {
        usage: snapshot.cpu.as_ref().and_then(Cpu::busy_ratio).map(|ratio| round(ratio * 100.0, 2)),
        temp: snapshot.cpu_temperature_celsius.map(|celsius| round(celsius, 1)),
        freq: snapshot.cpu_frequency_mhz.map(|mhz| round(mhz, 2)),
    }
}

/// `mem` and `disk`: GiB with 2 decimals, per cent with one. Always an object; `null` numbers where they are unknown.
fn space(total: Option<u64>, used: Option<u64>, free: Option<u64>, used_ratio: Option<f64>) -> impl Serialize {
    object! {
        total: total.map(gibibytes),
        used: used.map(gibibytes),
        free: free.map(gibibytes),
        percent: used_ratio.map(|ratio| round(ratio * 100.0, 1)),
    }
}

fn memory(snapshot: &Snapshot) -> impl Serialize + use<> {
    let memory = snapshot.memory.unwrap_or_default();
    space(memory.total_bytes, memory.used_bytes, memory.free_bytes, memory.used_ratio)
}

/// The file system at `/`.
fn root_disk(snapshot: &Snapshot) -> impl Serialize + use<> {
    let root = snapshot.filesystems.iter().flatten().find(|f| f.mount_point == "/");
    let usage = root.and_then(|root| root.usage);
    let bytes = |pick: fn(&FilesystemUsage) -> u64| usage.as_ref().map(pick);
    space(
        bytes(|u| u.total_bytes),
        bytes(|u| u.used_bytes),
        bytes(|u| u.available_bytes),
        usage.and_then(|u| u.used_ratio),
    )
}

/// The ten largest by resident memory, largest first.
fn processes(snapshot: &Snapshot) -> Option<Vec<impl Serialize>> {
    Some(snapshot.processes.as_ref()?.largest().into_iter().map(process).collect())
}

fn process(process: &Process) -> impl Serialize {
    object! {
        pid: process.pid,
        name: &process.name,
        username: User::of(process),
        mem: process.memory.map(|m| round(mebibytes(m.resident_bytes), 2)),
        // rss, vms, shared, text, lib, data, dirty; bytes.
        memory_info: process.memory.map(|m| {
            [
                Some(m.resident_bytes),
                Some(m.virtual_bytes),
                m.shared_bytes,
                m.text_bytes,
                m.library_bytes,
                m.data_bytes,
                m.dirty_bytes,
            ]
        }),
    }
}

fn names(snapshot: &Snapshot) -> Option<Vec<&str>> {
    Some(snapshot.interfaces.as_ref()?.iter().map(|interface| &*interface.name).collect())
}

/// `{}` without Wi-Fi and as long as nothing is known, since clients list its keys; else the first link that is connected.
struct Wireless<'a>(&'a Snapshot);

impl Serialize for Wireless<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let links = self.0.wireless.as_deref().unwrap_or_default();
        let connected = links.iter().find(|link| link.ssid.is_some()).or_else(|| links.first());
        let Some(link) = connected else { return serializer.serialize_map(Some(0))?.end() };
        let row = object! {
            name: &link.ssid,
            quality: link.quality_ratio.map(|ratio| format!("{:.0}", ratio * 100.0)),
            channel: link.channel,
            encryption: &link.encryption,
            address: &link.bssid,
            signal: link.signal_dbm,
        };
        row.serialize(serializer)
    }
}

/// By interface: totals since it came up.
fn statistics(snapshot: &Snapshot) -> Option<impl Serialize> {
    fn row(interface: &Interface) -> (&str, impl Serialize) {
        let Interface { name, received, sent, .. } = interface;
        let row = object! {
            mb_sent: mebibytes(sent.bytes),
            mb_received: mebibytes(received.bytes),
            pk_sent: sent.packets,
            pk_received: received.packets,
            error_in: received.errors,
            error_out: sent.errors,
            dropout: sent.dropped,
        };
        (name, row)
    }
    let interfaces = snapshot.interfaces.as_deref()?;
    Some(Entries(move || interfaces.iter().map(row)))
}

/// By interface: MiB a second over the last interval, 3 decimals.
fn averages(snapshot: &Snapshot) -> Option<impl Serialize> {
    fn row(interface: &Interface) -> (&str, impl Serialize) {
        let rate = |traffic: &Traffic| traffic.bytes_per_second.map(|bytes| round(bytes / MEBIBYTE, 3));
        let name = &*interface.name;
        (name, object! { interface: name, r#in: rate(&interface.received), out: rate(&interface.sent) })
    }
    let interfaces = snapshot.interfaces.as_deref()?;
    Some(Entries(move || interfaces.iter().map(row)))
}

const MEBIBYTE: f64 = 1_048_576.0;

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

fn gibibytes(bytes: u64) -> f64 {
    round(bytes as f64 / (MEBIBYTE * 1024.0), 2)
}

fn round(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (number * scale).round() / scale
}

/// `1 day, 2 hrs, 1 min, 47 secs`: a part that is zero is left out, singular at exactly 1. Less than a second is `0 secs`.
fn uptime(seconds: f64) -> String {
    let total = seconds.max(0.0) as u64;
    let parts = [
        (total / 86_400, "day", "days"),
        (total / 3_600 % 24, "hr", "hrs"),
        (total / 60 % 60, "min", "mins"),
        (total % 60, "sec", "secs"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    if words.is_empty() { "0 secs".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network;
    use serde_json::{Value, json};

    #[test]
    fn uptime_reads_like_a_sentence() {
        assert_eq!(uptime(93_707.9), "1 day, 2 hrs, 1 min, 47 secs");
        assert_eq!(uptime(61.0), "1 min, 1 sec");
        assert_eq!(uptime(2.0 * 86_400.0), "2 days");
        assert_eq!(uptime(0.4), "0 secs");
    }

    #[test]
    fn nothing_known_is_null_and_no_key_is_absent() {
        let empty = Snapshot::default();
        let space = json!({"total": null, "used": null, "free": null, "percent": null});
        let system: Value = serde_json::from_str(&system(&empty)).unwrap();
        assert_eq!(
            system,
            json!({
                "cpu": {"usage": null, "temp": null, "freq": null},
                "mem": space,
                "disk": space,
                "user": null,
                "platform": {"distro": null, "kernel": null, "uptime": null},
                "processes": null,
            })
        );
        let network: Value = serde_json::from_str(&network(&empty)).unwrap();
        assert_eq!(network, json!({"interfaces": null, "wireless": {}, "statistics": null, "averages": null}));
    }

    #[test]
    fn wireless_is_empty_without_wifi_and_text_where_the_original_has_text() {
        let mut snapshot = Snapshot { wireless: Some(Vec::new()), ..Snapshot::default() };
        assert_eq!(serde_json::to_value(Wireless(&snapshot)).unwrap(), json!({}));
        snapshot.wireless = Some(vec![network::Wireless {
            interface: "wlan0".into(),
            ssid: Some("home".into()),
            bssid: Some("02:00:00:00:00:01".into()),
            channel: Some(36),
            frequency_mhz: Some(5180),
            signal_dbm: Some(-54),
            quality_ratio: Some(0.8),
            encryption: Some("WPA2".into()),
        }]);
        assert_eq!(
            serde_json::to_value(Wireless(&snapshot)).unwrap(),
            json!({"name": "home", "quality": "80", "channel": 36, "encryption": "WPA2",
                   "address": "02:00:00:00:00:01", "signal": -54})
        );
    }

    #[test]
    fn a_user_without_a_name_is_shown_by_number() {
        let row = Process { uid: Some(4242), user: None, memory: None, ..crate::dialect::testing::process(7, "a") };
        let value = serde_json::to_value(process(&row)).unwrap();
        assert_eq!(value, json!({"pid": 7, "name": "a", "username": "4242", "mem": null, "memory_info": null}));
    }
}
