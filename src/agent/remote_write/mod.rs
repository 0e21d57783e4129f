//! Prometheus' remote write 1.0: the families of `/metrics` as requests, with the labels of this machine, and a stale marker
//! where a series ends, also where it ended while nobody looked. Pure; what it makes goes into a spool.

mod message;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;

use self::message::{Label, Sample, TimeSeries, WriteRequest};
use crate::dialect::prometheus::writer::{Head, Labels, Sink, Value, Writer};
use crate::model::exclude::Exclusions;

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
    exclusions: Arc<Exclusions>,
    /// The series of the moment before, sorted; at the start those that the process before sent last.
    before: Vec<Key>,
    /// That moment, milliseconds.
    last: i64,
}

/// What is to be sent of one moment.
#[derive(Debug, Default)]
pub struct Requests {
    /// Packed, ready to be sent.
    pub bodies: Vec<Vec<u8>>,
    /// The series that there are now, where these are others than before: for the [`Batcher`] after a restart. To be kept
    /// together with the bodies.
    pub series: Option<Vec<u8>>,
}

/// The families of one moment, as a collector of the dialect's.
#[derive(Debug)]
struct Gathered {
    selection: Arc<Selection>,
    exclusions: Arc<Exclusions>,
    is_wanted: bool,
    series: Vec<(Key, f64)>,
}

impl Batcher {
    /// One that leaves out what `/metrics` leaves out, and goes on after one that left `series` behind.
    pub fn new(selection: Selection, exclusions: Exclusions, series: Option<&[u8]>) -> Self {
        let known = series.and_then(|series| WriteRequest::decode(series).ok()).unwrap_or_default();
        let pair = |label: Label| (label.name, label.value);
        let key = |series: TimeSeries| series.labels.into_iter().map(pair).collect();
        Self {
            selection: Arc::new(selection),
            exclusions: Arc::new(exclusions),
            before: known.timeseries.into_iter().map(key).collect(),
            last: i64::MIN,
        }
    }

    /// The requests of a moment, unix seconds, whose families `write` tells. None where the clock has not gone on since the
    /// last ones: nobody takes samples that go back.
    pub fn requests(&mut self, time: f64, write: impl FnOnce(&mut Writer)) -> Requests {
        let timestamp = (time * 1_000.0) as i64;
        if timestamp <= self.last {
            return Requests::default();
        }
        let mut gathered = Gathered {
            selection: Arc::clone(&self.selection),
            exclusions: Arc::clone(&self.exclusions),
            is_wanted: false,
            series: Vec::new(),
        };
        write(&mut gathered);
        let mut series = gathered.series;
        series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        series.dedup_by(|(a, _), (b, _)| a == b);
        let ended = self.before.iter().filter(|key| series.binary_search_by(|(one, _)| one.cmp(key)).is_err());
        let ended: Vec<(Key, f64)> = ended.map(|key| (key.clone(), f64::from_bits(STALE))).collect();
        let all: Vec<_> = series.iter().chain(&ended).collect();
        let bodies = all.chunks(MOST_SERIES).map(|part| encode(part, timestamp)).collect();
        self.last = timestamp;
        let before = std::mem::replace(&mut self.before, series.into_iter().map(|(key, _)| key).collect());
        let names = |key: &Key| TimeSeries { labels: labels(key), samples: Vec::new() };
        let changed = (before != self.before)
            .then(|| WriteRequest { timeseries: self.before.iter().map(names).collect() }.encode_to_vec());
        Requests { bodies, series: changed }
    }
}

fn labels(key: &Key) -> Vec<Label> {
    key.iter().map(|(name, value)| Label { name: name.clone(), value: value.clone() }).collect()
}

fn encode(series: &[&(Key, f64)], timestamp: i64) -> Vec<u8> {
    let one = |(key, value): &(Key, f64)| TimeSeries {
        labels: labels(key),
        samples: vec![Sample { value: *value, timestamp }],
    };
    let request = WriteRequest { timeseries: series.iter().map(|entry| one(entry)).collect() };
    // It fails beyond 4 GiB only, which no request has.
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap_or_default()
}

impl Sink for Gathered {
    fn exclusions(&self) -> &Exclusions {
        &self.exclusions
    }

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
        let mut batcher = Batcher::new(selection(&[]), Exclusions::default(), None);
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
        assert_eq!(sent(&requests.bodies).len(), 2);
        assert_eq!(sent(&requests.bodies)[0], expected[0]);
        assert_eq!(sent(&requests.bodies)[1].0, expected[1].0);
    }

    #[test]
    fn a_series_that_ends_is_marked_once() {
        let mut batcher = Batcher::new(Selection::default(), Exclusions::default(), None);
        let mut at = |time: f64, names: &[&str]| {
            let requests = batcher.requests(time, |sink| {
                let writer: &mut Writer = sink;
                names.iter().for_each(|name| writer.gauge(name, "", Some(1.0)));
            });
            sent(&requests.bodies).into_iter().map(|(name, bits, _)| (name, bits)).collect::<Vec<_>>()
        };
        let one = |name: &str| (format!("__name__={name}"), 1_f64.to_bits());
        assert_eq!(at(1.0, &["a", "b"]), [one("a"), one("b")]);
        assert_eq!(at(2.0, &["a"]), [one("a"), ("__name__=b".to_owned(), STALE)]);
        assert_eq!(at(3.0, &["a"]), [one("a")]);
        assert!(at(3.0, &["a"]).is_empty() && at(2.9, &["a"]).is_empty(), "time does not go back");
        assert_eq!(at(4.0, &["a", "b"]), [one("a"), one("b")]);
    }

    #[test]
    fn a_series_that_ended_while_nobody_looked_is_marked_at_the_next_start() {
        let tell = |batcher: &mut Batcher, time: f64, names: &[&str]| {
            batcher.requests(time, |sink| {
                let writer: &mut Writer = sink;
                names.iter().for_each(|name| writer.gauge(name, "", Some(1.0)));
            })
        };
        let new = |series: Option<&[u8]>| Batcher::new(selection(&[]), Exclusions::default(), series);
        let mut first = new(None);
        let kept = tell(&mut first, 1.0, &["a", "b"]).series;
        assert!(kept.is_some());
        assert_eq!(tell(&mut first, 2.0, &["a", "b"]).series, None, "kept once, not with each moment");
        let mut second = new(kept.as_deref());
        let requests = tell(&mut second, 9.0, &["a", "c"]);
        let marked: Vec<_> = sent(&requests.bodies).into_iter().filter(|(_, bits, _)| *bits == STALE).collect();
        let name = "__name__=b,device=never,instance=web1,job=node".to_owned();
        assert_eq!(marked, [(name, STALE, 9_000)]);
        assert_eq!(tell(&mut new(requests.series.as_deref()), 10.0, &["a", "c"]).series, None, "nothing has changed");
        assert!(new(Some(b"nonsense")).before.is_empty());
    }

    #[test]
    fn what_metrics_leaves_out_is_not_sent() {
        let exclusions = Exclusions::default().with_interfaces("^veth").unwrap();
        let mut batcher = Batcher::new(Selection::default(), exclusions, None);
        let requests = batcher.requests(1.0, |sink| {
            let writer: &mut Writer = sink;
            for name in ["eth0", "veth1"] {
                if !writer.exclusions().has_interface(name) {
                    writer.family("node_network_up", Kind::Gauge, "").sample(&[("device", name)], 1.0);
                }
            }
        });
        let names: Vec<_> = sent(&requests.bodies).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["__name__=node_network_up,device=eth0"]);
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
        let mut batcher = Batcher::new(selection(&["wanted*"]), Exclusions::default(), None);
        let requests = batcher.requests(1.0, |sink| {
            let writer: &mut Writer = sink;
            writer.gauge("other", "", Some(1.0));
            let mut family = writer.family("wanted_x", Kind::Gauge, "");
            (0..4_500).for_each(|n| family.sample(&[("n", &n.to_string())], 1.0));
        });
        let sizes: Vec<_> = requests.bodies.iter().map(|request| decode(request).len()).collect();
        assert_eq!(sizes, [2_000, 2_000, 500]);
    }
}
