//! The slow readers' lanes: each reads on the blocking pool while the clock goes on.

use std::time::{Duration, Instant};

use futures_util::future::{FutureExt, select_all};
use tokio::task::JoinHandle;

use crate::collect::{Patch, Paths, SlowReader, slow_readers};
use crate::model::{Sample, Subjects};

/// One slow reader: here when it rests, in the job while it reads.
struct Lane {
    subject: Subjects,
    reader: Option<SlowReader>,
    job: Option<JoinHandle<(SlowReader, Patch)>>,
}

/// All slow lanes and what they last brought back.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Holds the slow subjects' latest readings and nothing else.
    pub(super) readings: Sample,
    paths: Paths,
    epoch: Instant,
}

impl Lanes {
    pub(super) fn new(paths: &Paths, epoch: Instant) -> Self {
        let lanes = slow_readers(paths, epoch).into_iter();
        Self {
            lanes: lanes.map(|reader| Lane { subject: reader.subject, reader: Some(reader), job: None }).collect(),
            readings: Sample::empty(Duration::ZERO, 0.0, paths.machine),
            paths: paths.clone(),
            epoch,
        }
    }

    /// Starts every lane of `wanted` that rests. One that is still reading is left alone: its result is young enough.
    pub(super) fn start(&mut self, wanted: Subjects) {
        for lane in self.lanes.iter_mut().filter(|lane| wanted.contains(lane.subject)) {
            if let Some(mut reader) = lane.reader.take() {
                lane.job = Some(tokio::task::spawn_blocking(move || {
                    let patch = reader.read();
                    (reader, patch)
                }));
            }
        }
    }

    /// Waits until one lane has finished and keeps what it brought. Pends for ever while none is reading. May be dropped
    /// at any time without losing anything.
    pub(super) async fn finished(&mut self) {
        let running: Vec<_> = self
            .lanes
            .iter_mut()
            .enumerate()
            .filter_map(|(at, lane)| lane.job.as_mut().map(|job| job.map(move |done| (at, done)).boxed()))
            .collect();
        if running.is_empty() {
            return std::future::pending().await;
        }
        let ((at, done), ..) = select_all(running).await;
        let lane = &mut self.lanes[at];
        lane.job = None;
        match done {
            Ok((reader, patch)) => {
                patch(&mut self.readings);
                lane.reader = Some(reader);
            }
            Err(error) => {
                log::error!("a reader failed and is started anew: {error}");
                lane.reader = slow_readers(&self.paths, self.epoch).into_iter().find(|r| r.subject == lane.subject);
            }
        }
    }

    /// Waits until all lanes rest, at most for `grace`.
    pub(super) async fn settle(&mut self, grace: Duration) {
        let all = async {
            while self.lanes.iter().any(|lane| lane.job.is_some()) {
                self.finished().await;
            }
        };
        let _ = tokio::time::timeout(grace, all).await;
    }
}
