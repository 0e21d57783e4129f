//! Remote write: what is excluded is not sent, what was confirmed is not sent again after a restart, what ended meanwhile is
//! marked, and what cannot be taken is retried or dropped as its status says.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use std::path::Path;
use std::time::{Duration, Instant};

use prost::Message;

use crate::push::{Double, Mood, WELL};
use crate::support::{PATIENCE, Server};

/// What Prometheus writes where a series ends.
const STALE: u64 = 0x7ff0_0000_0000_0002;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A sample as it was confirmed: its series as `name{label=value,...}`, its moment in milliseconds, its value.
type Sent = (String, i64, f64);

fn sent(double: &Double) -> Vec<Sent> {
    let kept = double.kept.lock().expect("what was kept");
    let mut all = Vec::new();
    for (head, body) in kept.iter() {
        assert!(head.contains("content-encoding: snappy") && head.contains("x-prometheus-remote-write-version: 0.1.0"));
        let plain = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
        for series in WriteRequest::decode(&*plain).expect("a request").timeseries {
            let label = |label: &Label| format!("{}={}", label.name, label.value);
            let name = series.labels.iter().map(label).collect::<Vec<_>>().join(",");
            all.extend(series.samples.iter().map(|sample| (name.clone(), sample.timestamp, sample.value)));
        }
    }
    all
}

fn start(double: &Double, folder: &Path, more: &[&str]) -> Server {
    let (url, folder) = (double.url(), folder.to_str().expect("a path"));
    let mut args = vec!["--remote-write-url", &url, "--remote-write-interval", "1", "--data-dir", folder];
    args.extend(more);
    Server::start(&args)
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A number of the page about what is sent.
fn count(server: &Server, what: &str) -> u64 {
    let page = server.get("/metrics?collect[]=time").text();
    let line = format!("psmonitor_push_{what}{{to=\"remote_write\"}} ");
    page.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or_else(|| panic!("no {what}: {page}"))
}

#[test]
fn what_was_confirmed_is_not_sent_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    double.is(&[Mood::Slow(Duration::from_millis(400))]);
    for round in 0..4 {
        let server = start(&double, folder.path(), &["--remote-write-series", "psmonitor_ticks_total"]);
        let before = double.asked();
        // Told to end while a request is on its way.
        until("a request", || double.asked() > before);
        std::thread::sleep(Duration::from_millis(50 * round));
        server.signal(rustix::process::Signal::TERM);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
    }
    double.is(&[WELL]);
    let server = start(&double, folder.path(), &["--remote-write-series", "psmonitor_ticks_total"]);
    until("what waited", || count(&server, "waiting") == 0 && count(&server, "sent_total") > 0);
    let mut moments: Vec<i64> = sent(&double).into_iter().map(|(_, moment, _)| moment).collect();
    let all = moments.len();
    moments.dedup();
    assert!(moments.is_sorted() && moments.len() == all && all >= 5, "once and in order: {moments:?}");
}

#[test]
fn what_is_excluded_is_not_sent_and_what_ended_while_we_were_down_is_marked() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    let of_lo = |(name, ..): &Sent| name.contains("__name__=node_network_") && name.contains("device=lo,");
    let chosen = ["--remote-write-series", "node_network_*,node_load1", "--remote-write-instance", "i"];
    let server = start(&double, folder.path(), &chosen);
    until("the loopback", || sent(&double).iter().any(of_lo));
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let known: std::collections::BTreeSet<String> =
        sent(&double).into_iter().filter(of_lo).map(|(name, ..)| name).collect();
    let before = sent(&double).iter().map(|(_, moment, _)| *moment).max().expect("a moment");
    // Down, and up again with other settings: whatever was of the loopback has ended.
    let server = start(&double, folder.path(), &[&chosen[..], &["--interfaces-exclude", "^lo$"]].concat());
    until("it goes on", || {
        let moments: std::collections::BTreeSet<i64> = sent(&double).iter().map(|(_, moment, _)| *moment).collect();
        moments.range(before + 1..).count() >= 3
    });
    // What waited when it was killed is sent first, as it was.
    let all = sent(&double);
    let marked: Vec<&Sent> = all.iter().filter(|(_, _, value)| value.to_bits() == STALE).collect();
    let names: std::collections::BTreeSet<String> = marked.iter().map(|(name, ..)| name.clone()).collect();
    assert_eq!(names, known, "each series of the loopback ends, and no other");
    assert_eq!(marked.len(), known.len(), "once");
    let end = marked[0].1;
    assert!(!all.iter().any(|one| of_lo(one) && one.1 > end), "nothing of it comes after its end");
    // And not again with the next start.
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let before = sent(&double).iter().map(|(_, moment, _)| *moment).max().expect("a moment");
    let _server = start(&double, folder.path(), &[&chosen[..], &["--interfaces-exclude", "^lo$"]].concat());
    until("it goes on", || sent(&double).iter().any(|(_, moment, _)| *moment > before));
    assert!(!sent(&double).iter().any(|(_, moment, value)| *moment > before && value.to_bits() == STALE));
}

#[test]
fn what_may_come_again_is_sent_again_and_what_may_not_is_dropped_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let double = Double::start();
    let server = start(&double, folder.path(), &["--remote-write-series", "node_load1"]);
    for (answer, is_kept) in [
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 400 Bad\r\nContent-Length: 4\r\n\r\nnope", false),
        ("HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n", false),
    ] {
        until("all is sent", || count(&server, "waiting") == 0);
        let (refused, failed) = (count(&server, "refused_total"), count(&server, "failed_tries_total"));
        double.is(&[Mood::Answers(answer)]);
        if is_kept {
            until("tries that fail", || count(&server, "failed_tries_total") > failed);
            assert_eq!(count(&server, "refused_total"), refused, "{answer}");
            assert!(count(&server, "waiting") > 0, "{answer}");
        } else {
            until("refusals", || count(&server, "refused_total") > refused);
            assert_eq!(count(&server, "failed_tries_total"), failed, "{answer}");
        }
        double.is(&[WELL]);
    }
    until("all is sent", || count(&server, "waiting") == 0);
    let moments: Vec<i64> = sent(&double).into_iter().map(|(_, moment, _)| moment).collect();
    assert!(moments.windows(2).all(|two| two[0] < two[1]), "once and in order: {moments:?}");
    assert_eq!(count(&server, "dropped_total"), 0);
}
