//! Glances: the answers of its REST API, version 4, and version 3 as far as its clients still ask for it.
//!
//! Each plugin is a row of [`PLUGINS`] with its text for both versions, with and without command lines; all of them together
//! are [`all`]. Parts of a plugin are picked out of its text by [`pick`]; what the history tells of one is [`traces`]'.
//! Rates are over the time that stands beside them as `time_since_update`, and a row whose rates are not known yet is left
//! out: clients divide by the one and add up the others.

mod cpu;
mod host;
mod memory;
mod network;
mod pick;
mod process;
mod storage;
#[cfg(test)]
mod tests;
mod traces;

use super::json_text;
use crate::model::{Answer, Snapshot, Subjects};

pub use pick::{item, of_key, of_value, top};
pub use traces::{Trace, history_text, traces};

/// The Glances whose words these are.
pub const VERSION: &str = "4.5.8";

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `/api/3`.
    Three,
    /// `/api/4`.
    Four,
}

impl Version {
    /// The version of a path.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "3" => Some(Self::Three),
            "4" => Some(Self::Four),
            _ => None,
        }
    }
}

/// A plugin.
pub struct Plugin {
    /// Its name.
    pub name: &'static str,
    /// By version, and whether command lines are shown.
    answers: [[Answer; 2]; 2],
}

impl Plugin {
    /// The plugin of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PLUGINS.iter().find(|plugin| plugin.name == name)
    }

    /// Its text, for those who may see command lines or may not.
    pub fn answer(&'static self, version: Version, may_see: bool) -> &'static Answer {
        &self.answers[version as usize][usize::from(may_see)]
    }
}

/// `GET /api/{version}/all`, by version, and whether command lines are shown.
static ALL: [[Answer; 2]; 2] = [
    [whole(|snapshot| every(snapshot, Version::Three, false)), whole(|snapshot| every(snapshot, Version::Three, true))],
    [whole(|snapshot| every(snapshot, Version::Four, false)), whole(|snapshot| every(snapshot, Version::Four, true))],
];

/// Every plugin in one object, for those who may see command lines or may not.
pub fn all(version: Version, may_see: bool) -> &'static Answer {
    &ALL[version as usize][usize::from(may_see)]
}

fn every(snapshot: &Snapshot, version: Version, may_see: bool) -> String {
    let mut text = String::from("{");
    for plugin in &PLUGINS {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        text.push_str(plugin.name);
        text.push_str("\":");
        text.push_str(&(plugin.answer(version, may_see).encode)(snapshot));
    }
    text.push('}');
    text
}

/// The names of all plugins, as `pluginslist` has them.
pub fn plugins_list() -> String {
    json_text(&PLUGINS.iter().map(|plugin| plugin.name).collect::<Vec<_>>())
}

/// `{"version": ...}`, as `status` has it.
pub fn status() -> String {
    json_text(&serde_json::json!({ "version": VERSION }))
}

type Encode = fn(&Snapshot) -> String;

/// What [`ALL`] needs: everything that one of the plugins does.
const EVERYTHING: Subjects = Subjects::PROCESS_DETAILS
    .with(Subjects::ADDRESSES)
    .with(Subjects::WIRELESS)
    .with(Subjects::FILESYSTEMS)
    .with(Subjects::SENSORS)
    .with(Subjects::FREQUENCY);

const fn whole(encode: Encode) -> Answer {
    Answer { name: "/api/4/all", needs: EVERYTHING, encode }
}

const fn row(name: &'static str, needs: Subjects, encode: Encode) -> Answer {
    Answer { name, needs, encode }
}

/// A plugin that says the same in both versions and to everybody.
const fn plain(name: &'static str, needs: Subjects, encode: Encode) -> Plugin {
    by_version(name, needs, encode, encode)
}

const fn by_version(name: &'static str, needs: Subjects, three: Encode, four: Encode) -> Plugin {
    let answers =
        [[row(name, needs, three), row(name, needs, three)], [row(name, needs, four), row(name, needs, four)]];
    Plugin { name, answers }
}

/// A plugin of which this program has nothing to tell.
const fn nothing(name: &'static str) -> Plugin {
    plain(name, Subjects::VITALS, |_| "[]".to_owned())
}

/// All plugins, in the order in which Glances lists them.
pub static PLUGINS: [Plugin; 28] = [
    nothing("containers"),
    plain("wifi", Subjects::WIRELESS, |snapshot| json_text(&network::wifi(snapshot))),
    by_version(
        "now",
        Subjects::VITALS,
        |snapshot| json_text(&host::now(snapshot).map(|now| now.custom)),
        |snapshot| json_text(&host::now(snapshot)),
    ),
    plain("load", Subjects::VITALS, |snapshot| json_text(&cpu::load(snapshot))),
    nothing("folders"),
    plain("quicklook", Subjects::FREQUENCY, |snapshot| json_text(&cpu::quicklook(snapshot))),
    plain("ip", Subjects::ADDRESSES, |snapshot| json_text(&network::ip(snapshot))),
    nothing("programlist"),
    nothing("alert"),
    by_version(
        "network",
        Subjects::ADDRESSES,
        |snapshot| json_text(&network::network(snapshot, Version::Three)),
        |snapshot| json_text(&network::network(snapshot, Version::Four)),
    ),
    plain("sensors", Subjects::SENSORS, |snapshot| json_text(&host::sensors(snapshot))),
    plain("fs", Subjects::FILESYSTEMS, |snapshot| json_text(&storage::fs(snapshot))),
    Plugin {
        name: "processlist",
        answers: [
            [
                processes(|snapshot| json_text(&process::list(snapshot, Version::Three, false))),
                processes(|snapshot| json_text(&process::list(snapshot, Version::Three, true))),
            ],
            [
                processes(|snapshot| json_text(&process::list(snapshot, Version::Four, false))),
                processes(|snapshot| json_text(&process::list(snapshot, Version::Four, true))),
            ],
        ],
    },
    plain("mem", Subjects::VITALS, |snapshot| json_text(&memory::mem(snapshot))),
    plain("version", Subjects::VITALS, |_| json_text(&VERSION)),
    plain("cpu", Subjects::VITALS, |snapshot| json_text(&cpu::cpu(snapshot))),
    plain("uptime", Subjects::VITALS, |snapshot| json_text(&host::uptime(snapshot))),
    nothing("gpu"),
    plain("help", Subjects::VITALS, |_| "null".to_owned()),
    plain("system", Subjects::VITALS, |snapshot| json_text(&host::system(snapshot))),
    plain("percpu", Subjects::VITALS, |snapshot| json_text(&cpu::percpu(snapshot))),
    nothing("ports"),
    plain("memswap", Subjects::VITALS, |snapshot| json_text(&memory::memswap(snapshot))),
    plain("processcount", Subjects::ALL_PROCESSES, |snapshot| json_text(&process::count(snapshot))),
    // No psutil stands behind these numbers.
    plain("psutilversion", Subjects::VITALS, |_| json_text(&"")),
    plain("core", Subjects::VITALS, |snapshot| json_text(&cpu::core(snapshot))),
    plain("diskio", Subjects::VITALS, |snapshot| json_text(&storage::diskio(snapshot))),
    nothing("amps"),
];

const fn processes(encode: Encode) -> Answer {
    row("processlist", Subjects::PROCESS_DETAILS, encode)
}

/// What a counter did between two readings, from its rate and the time between them.
fn delta(rate: Option<f64>, seconds: Option<f64>) -> Option<u64> {
    super::number::whole((rate? * seconds?).round())
}

/// A rate as Glances tells it: whole, in a floating point number.
fn whole_rate(rate: Option<f64>) -> Option<f64> {
    rate.map(f64::round)
}

/// Seconds between the two readings of a source; of the vitals, where it is not known of this one. Never 0.
fn span<T: Send + Sync + 'static>(snapshot: &Snapshot) -> Option<f64> {
    let own = snapshot.readings.pair::<T>().and_then(|pair| pair.seconds);
    own.or(snapshot.interval_seconds).filter(|seconds| *seconds > 0.0)
}
