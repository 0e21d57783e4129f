//! Readers that may take their time: each runs in a lane of its own, so that one that hangs holds up nobody.
//!
//! What belongs here is whatever the kernel may make wait: `scaling_cur_freq` (asks the core), hwmon (asks a bus), the link
//! speed (takes the network lock), file systems (ask a server), sockets (many of them), Wi-Fi, and the
//! kernel tables, which hold several of these.

use std::time::Instant;

use super::{Paths, Runner, filesystem, frequency, kernel, link, sensor, socket, wireless};
use crate::model::{Sample, Subjects};

/// What a slow reader brings back: it lays its reading over a sample.
pub type Patch = Box<dyn FnOnce(&mut Sample) + Send>;

/// One slow reader.
pub struct SlowReader {
    /// The subject that it reads.
    pub subject: Subjects,
    read: Box<dyn FnMut() -> Patch + Send>,
}

impl SlowReader {
    /// Reads now, on the calling thread.
    pub fn read(&mut self) -> Patch {
        (self.read)()
    }
}

/// Makes the closure of one lane: run the reader, report on it, put the result where it belongs.
macro_rules! lane {
    ($epoch:ident, $subject:expr, $name:literal, $reader:expr, $field:ident) => {{
        let mut reader = $reader;
        let read = move || -> Patch {
            let mut run = Runner { epoch: $epoch, runs: Vec::with_capacity(1) };
            let gathered = run.one($name, |faults| reader.read(faults).map(Into::into));
            Box::new(move |sample: &mut Sample| {
                sample.$field = gathered;
                sample.add_runs(run.runs);
            })
        };
        SlowReader { subject: $subject, read: Box::new(read) }
    }};
}

/// All slow readers under `paths`. Opens nothing yet. Moments are counted from `epoch`.
#[must_use]
pub fn slow_readers(paths: &Paths, epoch: Instant) -> Vec<SlowReader> {
    vec![
        lane!(epoch, Subjects::FREQUENCY, "frequency", frequency::Reader::new(paths), frequency),
        lane!(epoch, Subjects::INTERFACES, "link", link::Reader::new(paths), links),
        lane!(epoch, Subjects::WIRELESS, "wireless", wireless::Reader::new(paths), wireless),
        lane!(epoch, Subjects::FILESYSTEMS, "filesystem", filesystem::Reader::new(paths), filesystems),
        lane!(epoch, Subjects::SENSORS, "sensor", sensor::Reader::new(paths), sensors),
        lane!(epoch, Subjects::SOCKETS, "socket", socket::Reader::new(paths), sockets),
        lane!(epoch, Subjects::KERNEL, "kernel", kernel::Reader::new(paths), kernel),
    ]
}
