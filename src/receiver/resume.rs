//! What the receiver knows again at the start: the systems of its file and those of the configuration, and in history what
//! had not reached the disk when the process before ended.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use redb::Database;

use super::disk::{self, Kept};
use super::report::{self, Sample};
use super::system::System;
use super::{Settings, now};
use crate::database::{self, Failure};
use crate::timeseries::{DISK, Store};

/// What was found at the start.
pub(super) struct Found {
    pub(super) database: Database,
    pub(super) systems: BTreeMap<String, Kept>,
    /// Whether the file is a new one: history may know systems that it does not.
    pub(super) is_new: bool,
}

/// Opens the file, and reads what is in it. A damaged one is set aside for a new one.
pub(super) fn open(path: &Path) -> Result<Found, Failure> {
    let was_there = path.exists();
    let opened = || disk::open(path).and_then(|database| Ok((disk::load(&database)?, database)));
    let ((systems, database), is_anew) = database::open_or_set_aside("receiver", path, opened)?;
    Ok(Found { database, systems, is_new: is_anew || !was_there })
}

/// The systems that there were and those that are named; history gets what it had not on the disk yet.
pub(super) fn resume(
    kept: BTreeMap<String, Kept>,
    is_new: bool,
    settings: &Settings,
    history: &Store,
) -> HashMap<Arc<str>, System> {
    let mut systems: HashMap<Arc<str>, System> = HashMap::new();
    for (name, Kept { mut system, last, moments }) in kept {
        let last = last.and_then(|last| match report::parse(&last) {
            Ok(report::Request::SendStats(report)) => Some(report.vitals),
            _ => None,
        });
        system.vitals = last.map(Arc::new);
        redraw(history, &name, moments);
        systems.insert(name.into(), system);
    }
    let mut number = systems.values().map(|system| system.number).max().unwrap_or(0);
    let mut next = || {
        number += 1;
        number
    };
    for host in history.hosts() {
        match history.stored(&host) {
            _ if systems.contains_key(&host) => {}
            // Its file is lost, its history is not. It goes when nobody has reported under the name for long enough.
            Some((slot, _)) if is_new => {
                let seen = (slot * DISK[0].step) as f64;
                let system = System {
                    number: next(),
                    is_by_configuration: true,
                    last_seen: Some(seen.min(now())),
                    ..System::default()
                };
                systems.insert(host, system);
            }
            _ => {
                let _ = history.remove(&host);
            }
        }
    }
    for name in &settings.systems {
        let new = || System { number: next(), ..System::default() };
        let system = systems.entry(name.as_str().into()).or_insert_with(new);
        (system.is_configured, system.is_by_configuration) = (true, true);
    }
    systems
}

/// Puts into history what it has not on the disk.
fn redraw(history: &Store, name: &str, moments: Vec<(i64, Option<Sample>)>) {
    let mut samples: Vec<(i64, Sample)> =
        moments.into_iter().filter_map(|(epoch, sample)| sample.map(|sample| (sample.moment(epoch), sample))).collect();
    samples.sort_by_key(|(at, _)| *at);
    let stored = history.stored(name);
    let mut left_out = 0.0;
    for (at, sample) in samples {
        let slot = at.div_euclid(DISK[0].step);
        if let Some((newest, count)) = stored {
            // Of the ten seconds that were being filled, the first few are there.
            if slot < newest || slot == newest && left_out < count {
                left_out += if slot == newest { 1.0 } else { 0.0 };
                continue;
            }
        }
        draw(history, name, at, None, &sample);
    }
}

/// Puts the numbers of a report into history, which came `since` seconds after the one before where the clock does not tell.
pub(super) fn draw(history: &Store, name: &str, at: i64, since: Option<f64>, sample: &Sample) {
    if let Err(error) = history.record(name, at as f64, since, |values| sample.put(values)) {
        log::error!("receiver: no history of {name}: {error}");
    }
}
