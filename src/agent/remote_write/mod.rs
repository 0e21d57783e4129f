//! Prometheus' remote write 1.0: the families of `/metrics` as requests, with the labels of this machine, and a stale marker
//! where a series ends. Pure; what it makes goes into a spool.

mod message;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;

use self::message::{Label, Sample, TimeSeries, WriteRequest};
use crate::dialect::prometheus::writer::{Head, Labels, Sink, Value, Writer};

/// Series of one request. Prometheus itself sends up to 2,000.
const MOST_SERIES: usize = 2_000;

/// What says that a series ends: Prometheus' own bits of "not a number".
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Which series are sent, and what all of them carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Patterns of names, `*` for anything; empty is all.
    pub names: Vec<String>,
    /// Labels that each series gets which does not have them already.
    pub labels: BTreeMap<String, String>,
}

/// One series: its labels, sorted.
type Key = Vec<(String, String)>;

/// Makes requests, one set for each moment.
#[derive(Debug)]
pub struct Batcher {
    selection: Arc<Selection>,
    /// The series of the moment before.
    before: Vec<Key>,
    /// That moment, milliseconds.
    last: i64,
}

/// The families of one moment, as a collector of the dialect's.
#[derive(Debug)]
struct Gathered {
    selection: Arc<Selection>,
    is_wanted: bool,
    series: Vec<(Key, f64)>,
}

impl Batcher {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self { selection: Arc::new(selection), before: Vec::new(), last: i64::MIN }
    }

    /// The requests of a moment, unix seconds, whose families `write` tells: packed, ready to be sent. None where the clock
    /// has not gone on since the last ones: nobody takes samples that go back.
    pub fn requests(&mut self, time: f64, write: impl FnOnce(&mut Writer)) -> Vec<Vec<u8>> {
        let timestamp = (time * 1_000.0) as i64;
        if timestamp <= self.last {
            return Vec::new();
        }
        let mut gathered = Gathered { selection: Arc::clone(&self.selection), is_wanted: false, series: Vec::new() };
        write(&mut gathered);
        let mut series = gathered.series;
        series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        series.dedup_by(|(a, _), (b, _)| a == b);
        let ended = self.before.iter().filter(|key| series.binary_search_by(|(one, _)| one.cmp(key)).is_err());
        let ended: Vec<(Key, f64)> = ended.map(|key| (key.clone(), f64::from_bits(STALE))).collect();
        let all: Vec<_> = series.iter().chain(&ended).collect();
        let requests = all.chunks(MOST_SERIES).map(|part| encode(part, timestamp)).collect();
        self.last = timestamp;
        self.before = series.into_iter().map(|(key, _)| key).collect();
        requests
    }
}

fn encode(series: &[&(Key, f64)], timestamp: i64) -> Vec<u8> {
    let label = |(name, value): &(String, String)| Label { name: name.clone(), value: value.clone() };
    let one = |(key, value): &(Key, f64)| TimeSeries {
        labels: key.iter().map(label).collect(),
        samples: vec![Sample { value: *value, timestamp }],
    };
    let request = WriteRequest { timeseries: series.iter().map(|entry| one(entry)).collect() };
    // It fails beyond 4 GiB only, which no request has.
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap_or_default()
}

impl Sink for Gathered {
    fn head(&mut self, head: Head<'_>) {
        let names = &self.selection.names;
        self.is_wanted = names.is_empty() || names.iter().any(|pattern| fits(pattern, head.name));
    }

    fn sample(&mut self, head: Head<'_>, labels: &Labels<'_>, value: Value) {
        if !self.is_wanted {
            return;
        }
        let own = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut key: Key = std::iter::once(("__name__".to_owned(), head.name.to_owned())).chain(own).collect();
        for (name, value) in &self.selection.labels {
            if !labels.iter().any(|(own, _)| own == name) {
                key.push((name.clone(), value.clone()));
            }
        }
        key.sort_unstable();
        let value = match value {
            Value::Unsigned(number) => number as f64,
            Value::Signed(number) => number as f64,
            Value::Float(number) => number,
        };
        self.series.push((key, value));
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(begin) else { return false };
    rest.is_empty() || name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::prometheus::writer::Kind;

    fn decode(request: &[u8]) -> Vec<TimeSeries> {
        let bytes = snap::raw::Decoder::new().decompress_vec(request).unwrap();
        WriteRequest::decode(&*bytes).unwrap().timeseries
    }

    /// Each series as text, with its one sample.
    fn sent(requests: &[Vec<u8>]) -> Vec<(String, u64, i64)> {
        let text = |series: &TimeSeries| {
            series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect::<Vec<_>>().join(",")
        };
        let all = requests.iter().flat_map(|request| decode(request));
        all.map(|series| (text(&series), series.samples[0].value.to_bits(), series.samples[0].timestamp)).collect()
    }

    fn selection(names: &[&str]) -> Selection {
        let labels = [("job", "node"), ("instance", "web1"), ("device", "never")];
        Selection {
            names: names.iter().map(ToString::to_string).collect(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_request_has_sorted_labels_and_each_series_once() {
        let mut batcher = Batcher::new(selection(&[]));
        let requests = batcher.requests(1_000.5, |sink| {
            let writer: &mut Writer = sink;
            let mut family = writer.family("node_x_total", Kind::Counter, "X");
            family.sample(&[("mode", "idle"), ("device", "sda")], 1_u64);
            family.sample(&[("device", "sda"), ("mode", "idle")], 2_u64);
            writer.gauge("node_a", "A", Some(-0.5));
        });
        let expected = [
            ("__name__=node_a,device=never,instance=web1,job=node".to_owned(), (-0.5_f64).to_bits(), 1_000_500),
            (
                "__name__=node_x_total,device=sda,instance=web1,job=node,mode=idle".to_owned(),
                1_f64.to_bits(),
                1_000_500,
            ),
        ];
        assert_eq!(sent(&requests).len(), 2);
        assert_eq!(sent(&requests)[0], expected[0]);
        assert_eq!(sent(&requests)[1].0, expected[1].0);
    }

    #[test]
    fn a_series_that_ends_is_marked_once() {
        let mut batcher = Batcher::new(Selection::default());
        let mut at = |time: f64, names: &[&str]| {
            let requests = batcher.requests(time, |sink| {
                let writer: &mut Writer = sink;
                names.iter().for_each(|name| writer.gauge(name, "", Some(1.0)));
            });
            sent(&requests).into_iter().map(|(name, bits, _)| (name, bits)).collect::<Vec<_>>()
        };
        let one = |name: &str| (format!("__name__={name}"), 1_f64.to_bits());
        assert_eq!(at(1.0, &["a", "b"]), [one("a"), one("b")]);
        assert_eq!(at(2.0, &["a"]), [one("a"), ("__name__=b".to_owned(), STALE)]);
        assert_eq!(at(3.0, &["a"]), [one("a")]);
        assert!(at(3.0, &["a"]).is_empty() && at(2.9, &["a"]).is_empty(), "time does not go back");
        assert_eq!(at(4.0, &["a", "b"]), [one("a"), one("b")]);
    }

    #[test]
    fn names_are_chosen_by_patterns_and_requests_are_bounded() {
        for (pattern, name, expected) in [
            ("node_cpu_*", "node_cpu_seconds_total", true),
            ("node_cpu_*", "node_memory_x", false),
            ("*_total", "node_cpu_seconds_total", true),
            ("node_*_bytes", "node_memory_free_bytes", true),
            ("node_*_bytes", "node_memory_free_bytes_total", false),
            ("*", "anything", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        let mut batcher = Batcher::new(selection(&["wanted*"]));
        let requests = batcher.requests(1.0, |sink| {
            let writer: &mut Writer = sink;
            writer.gauge("other", "", Some(1.0));
            let mut family = writer.family("wanted_x", Kind::Gauge, "");
            (0..4_500).for_each(|n| family.sample(&[("n", &n.to_string())], 1.0));
        });
        let sizes: Vec<_> = requests.iter().map(|request| decode(request).len()).collect();
        assert_eq!(sizes, [2_000, 2_000, 500]);
    }
}
