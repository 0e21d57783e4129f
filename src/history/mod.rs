//! History: what every vital of this machine did, from the last second to two years ago.
//!
//! [`crate::timeseries`] keeps the numbers and says what it promises. Here stands which numbers of a snapshot are remembered,
//! under which names (`catalogue`), what may be asked (`query`), and how an answer is made (`answer`). The sampler calls
//! [`History::record`] once a tick; the server calls [`History::query`].
//!
//! Nothing here reads `/proc`, and nothing here knows HTTP.

mod answer;
mod catalogue;
mod query;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use answer::{Answer, Column};
pub use catalogue::MOST_CORES;
pub use query::{DEFAULT_POINTS, MOST_POINTS, Parameters, Query, QueryError, Span};

pub use crate::timeseries::{MOST_DYNAMIC_SERIES, StoreError as HistoryError, Unit};

use answer::{Columns, Steps};
use catalogue::Catalogue;

use crate::model::Snapshot;
use crate::timeseries::{Bounds, Store, THIS_MACHINE};

/// Series that there is room for when all of them are busy, the cores' not counted.
const BUSY_SERIES: usize = 64;

/// How long [`History::close`] waits for the disk.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// How long after a failed write the next one is tried.
const RETRY: Duration = Duration::from_secs(60);

/// How much is written at once. At one sample a second, each a little early or late, it is always the ninth that ends a batch:
/// with the second that a sync takes, a kill loses nine seconds.
const BATCH: Duration = Duration::from_millis(8_500);

/// The history. Shared between the sampler, which writes, and requests, which read.
#[derive(Debug)]
pub struct History {
    store: Store,
    /// Locked by `record` alone, which nobody calls twice at a time.
    catalogue: Mutex<Catalogue>,
}

impl History {
    /// Opens the history under `directory`, which is made if need be; `None` keeps the last hour in memory and no more.
    /// Samples will come every `interval`, now and then an earlier one.
    ///
    /// A damaged file is set aside and named in the log. A full disk is no error: writing begins once there is room.
    pub fn open(directory: Option<&Path>, interval: Duration) -> Result<Self, HistoryError> {
        // Decides about space alone, so the cores that this process may use are near enough to those that it will see.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let busy_series = BUSY_SERIES + cores.min(MOST_CORES as usize);
        let store = Store::open(directory, Bounds { hosts: 1, busy_series, interval, retry: RETRY, batch: BATCH })?;
        Ok(Self { store, catalogue: Mutex::default() })
    }

    /// Remembers one sample. To be called once a tick, in the order of the samples, off the async threads.
    pub fn record(&self, snapshot: &Snapshot) {
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        let (time, interval) = (snapshot.time_unix_seconds, snapshot.interval_seconds);
        let recorded = self.store.record(THIS_MACHINE, time, interval, |values| catalogue.read(snapshot, values));
        if let Err(error) = recorded {
            log::error!("history: {error}");
        }
    }

    /// The answer to a query. Reads the disk: not for an async thread.
    pub fn query(&self, query: &Query) -> Result<Answer, QueryError> {
        answer_of(&self.store, THIS_MACHINE, query)
    }

    #[cfg(test)]
    fn query_at(&self, query: &Query, wall: f64) -> Result<Answer, QueryError> {
        answer_at(&self.store, THIS_MACHINE, query, wall)
    }

    /// Most bytes that the history takes on disk. Fixed at the start; 0 without a data directory.
    pub fn space_bytes(&self) -> u64 {
        self.store.space_bytes()
    }

    /// One line for the log at the start: what is kept, where, and how much space it may take.
    pub fn describe(&self) -> String {
        match self.store.path() {
            None => {
                "history: every second of the last hour, in memory only: without --data-dir nothing outlives a restart"
                    .to_owned()
            }
            Some(path) => format!(
                "history: every second for 1 h in memory; every 10 s for 1 day, every minute for 14 days, every hour for \
                 2 years in {}, at most {} MiB",
                path.display(),
                self.space_bytes().div_ceil(1 << 20)
            ),
        }
    }

    /// Gives what there is to the writer without waiting, so that it is on its way to the disk while something else ends.
    pub fn flush(&self) {
        self.store.flush();
    }

    /// Writes what is left and closes the file; waits some seconds for it at most. Samples that come later stay in
    /// memory.
    pub fn close(&self) {
        self.close_by(Instant::now() + CLOSE_WAIT);
    }

    /// The same, and waits no longer than until `deadline`.
    pub fn close_by(&self, deadline: Instant) {
        self.store.close_by(deadline);
    }
}

/// The answer to a query about one host of a store. Reads the disk: not for an async thread.
pub fn answer_of(store: &Store, host: &str, query: &Query) -> Result<Answer, QueryError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    answer_at(store, host, query, now)
}

fn answer_at(store: &Store, host: &str, query: &Query, wall: f64) -> Result<Answer, QueryError> {
    let view = store.view(host);
    // The newest point is never in the future of its own history, whatever the wall clock says now.
    let now = view.newest.map_or(wall, |newest| newest.max(wall));
    let (from, to) = query.bounds(now.floor() as i64 + 1)?;
    let names: Vec<Arc<str>> = view.series.iter().map(|series| series.name.clone()).collect();
    let chosen = query::choose(query.series.as_deref(), &names)?;
    let series: Vec<_> = chosen.iter().map(|place| &view.series[*place]).collect();
    let tier = view.tier_from(from);
    let points = (query.points as usize).min(query::MOST_VALUES / series.len().max(1)).max(1);
    let steps = Steps::new(from, to, tier.step, points);
    let mut columns = Columns::new(steps, series.iter().map(|series| series.id));
    let ids = columns.ids();
    view.read(tier, steps.first..steps.end(), &ids, |id, step, points| columns.add(id, step, points));
    let hold = 2.5 * view.interval;
    let series = series.iter().enumerate();
    let series = series.map(|(number, series)| (series.name.clone(), columns.column(number, series.unit, hold)));
    Ok(Answer {
        from,
        to,
        step_seconds: steps.seconds,
        age_seconds: view.newest.map(|newest| (now - newest).max(0.0)),
        time: columns.time(),
        series: series.collect(),
    })
}

impl Drop for History {
    fn drop(&mut self) {
        self.close();
    }
}
