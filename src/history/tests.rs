//! The history as a whole, on a made-up clock, in memory and across restarts.

use super::*;
use std::path::Path;

/// A round moment: a multiple of an hour and of every block.
pub(super) const START: f64 = 1_728_000_000.0;

/// Opens a history whose clock the test makes up. One that is in use may have been closed while its disk was slow.
pub(super) fn open(directory: Option<&Path>) -> History {
    patiently(|| match History::open(directory, Duration::from_secs(1)) {
        Err(HistoryError::InUse { .. }) => None,
        opened => Some(opened.unwrap()),
    })
}

/// Tries until there is an answer, for at most a minute.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Records `cpu.busy` = `value(i)` at second `i` after `START`.
pub(super) fn record(history: &History, seconds: impl Iterator<Item = u32>, value: impl Fn(u32) -> f64) {
    for second in seconds {
        record_at(history, START + f64::from(second), value(second));
    }
}

/// Records `cpu.busy` at a moment.
pub(super) fn record_at(history: &History, time: f64, value: f64) {
    record_snapshot(history, &testing::busy(time, value));
}

/// Records a snapshot, and waits for the writer when it is behind: a made-up clock is faster than any disk.
pub(super) fn record_snapshot(history: &History, snapshot: &Snapshot) {
    let batch = lock(&history.live).record(snapshot);
    let mut waiting = batch;
    while let Some(batch) = waiting.take() {
        waiting = history.send(batch).err();
        std::thread::yield_now();
    }
}

/// Asks as a request would, at `now` seconds after `START`, but waits longer for a file that is being checked.
pub(super) fn ask(history: &History, now: u32, range: &str, series: &str, points: u32) -> Answer {
    let checked = |disk: &Arc<Disk>| (0..30).any(|_| disk.database().is_some());
    let _ = history.disk.as_ref().map(checked);
    let parameters = Parameters {
        range: Some(range.to_owned()),
        series: Some(series.to_owned()),
        points: Some(points.to_string()),
        ..Parameters::default()
    };
    history.query_at(&Query::parse(&parameters).unwrap(), START + f64::from(now)).unwrap()
}

/// Values of `cpu.busy` that are known, with their time after `START`.
pub(super) fn known(answer: &Answer) -> Vec<(i64, f32)> {
    let times = answer.time.iter().map(|time| time - START as i64);
    times.zip(&answer.series["cpu.busy"].mean).filter_map(|(time, mean)| Some((time, (*mean)?))).collect()
}

#[test]
fn the_last_minutes_come_from_memory_second_by_second() {
    let history = open(None);
    record(&history, 0..300, f64::from);
    let answer = ask(&history, 299, "1m", "cpu.busy", 600);
    assert_eq!((answer.step_seconds, answer.time.len(), answer.age_seconds), (1, 60, Some(0.0)));
    assert_eq!(known(&answer), (240..300_i16).map(|i| (i.into(), i.into())).collect::<Vec<_>>());
    let column = &answer.series["cpu.busy"];
    assert_eq!((column.unit, column.min.len(), column.max.len()), (Unit::Ratio, 60, 60));
    assert!(column.min.iter().chain(&column.max).all(Option::is_none), "one sample a step");
    assert_eq!(ask(&history, 309, "1m", "*", 600).age_seconds, Some(10.0));
}

#[test]
fn steps_take_in_what_lies_in_them() {
    let history = open(None);
    record(&history, 0..600, |i| f64::from(i % 10));
    let answer = ask(&history, 599, "10m", "cpu.busy", 60);
    let column = &answer.series["cpu.busy"];
    assert_eq!((answer.step_seconds, answer.time.len()), (10, 60));
    assert!(column.mean.iter().all(|mean| *mean == Some(4.5)));
    assert!(column.min.iter().all(|min| *min == Some(0.0)) && column.max.iter().all(|max| *max == Some(9.0)));
}

#[test]
fn an_interval_of_five_seconds_has_no_gaps_and_a_pause_has_one() {
    let history = open(None);
    let at = |second| {
        let mut snapshot = testing::busy(START + f64::from(second), 1.0);
        snapshot.interval_seconds = Some(5.0);
        history.record(&snapshot);
    };
    (0..100).filter(|i| i % 5 == 0).for_each(at);
    (200..300).filter(|i| i % 5 == 0).for_each(at);
    let answer = ask(&history, 295, "5m", "cpu.busy", 600);
    let known: Vec<i64> = known(&answer).into_iter().map(|(time, _)| time).collect();
    assert_eq!(known, (0..=107).chain(200..=295).collect::<Vec<i64>>(), "held for two and a half intervals");
}

#[test]
fn a_step_forward_is_a_gap_and_a_step_back_is_not() {
    let history = open(None);
    let mut wall = 0.0;
    for second in 0..900 {
        wall += match second {
            300 => 61.0,
            600 => -20.0,
            _ => 1.0,
        };
        record_at(&history, START + wall, f64::from(second));
    }
    let answer = ask(&history, wall as u32, "20m", "cpu.busy", 1_200);
    let known = known(&answer);
    let times: Vec<i64> = known.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, (1..=302).chain(361..=939).collect::<Vec<i64>>());
    assert!(known.windows(2).all(|pair| pair[0].1 <= pair[1].1), "in the order in which it happened");
    // Every sample stands for itself: 579 steps hold the 600 of them.
    let after: f32 = answer.series["cpu.busy"].min.iter().flatten().count() as f32;
    assert!((19.0..=42.0).contains(&after), "{after} steps with two samples");
}

#[test]
fn an_unknown_series_is_told_what_exists() {
    let history = open(None);
    history.record(&testing::snapshot(START));
    let query = Query { span: Span::Last(60), series: Some(vec!["cpu.bussy".to_owned()]), points: 10 };
    let text = history.query_at(&query, START).unwrap_err().to_string();
    assert!(
        text.contains("cpu.bussy") && text.contains("cpu.busy, cpu.core0.busy") && text.contains("load.1"),
        "{text}"
    );
}

#[test]
fn an_empty_history_answers_with_no_series_and_no_age() {
    let answer = ask(&open(None), 0, "1h", "", 10);
    assert_eq!((answer.series.len(), answer.age_seconds, answer.time.len()), (0, None, 10));
}

#[test]
fn many_series_get_fewer_points() {
    let history = open(None);
    let names: Vec<String> = (0..100).map(|i| format!("if{i}")).collect();
    history.record(&Snapshot { time_unix_seconds: START, ..testing::with_interfaces(&names, 1.0) });
    let answer = ask(&history, 0, "1h", "*", 5_000);
    assert!(answer.time.len() * answer.series.len() <= query::MOST_VALUES, "{}", answer.time.len());
    assert_eq!(ask(&history, 0, "1h", "network.if7.*", 5_000).time.len(), 3_600);
}

#[test]
fn the_wire_form() {
    let history = open(None);
    record(&history, 0..3, |i| f64::from(i) / 4.0);
    let json = serde_json::to_value(ask(&history, 3, "4s", "cpu.busy", 10)).unwrap();
    let time: Vec<i64> = (0..4).map(|i| START as i64 + i).collect();
    assert_eq!(
        json,
        serde_json::json!({
            "from": time[0], "to": time[3] + 1, "step_seconds": 1, "age_seconds": 1.0, "time": time,
            "series": {"cpu.busy": {
                "unit": "ratio", "mean": [0.0, 0.25, 0.5, 0.5], "min": [null, null, null, null], "max": [null, null, null, null],
            }},
        })
    );
}

#[test]
fn the_finest_tier_that_reaches_back_is_taken() {
    let hour = 3_600;
    let all = [Some(100 * hour), Some(77 * hour), Some(10 * hour), Some(-500 * hour)];
    assert_eq!([101, 100, 99, 77, 76, 10, 9, -900].map(|at| choose_tier(at * hour, &all)), [0, 0, 1, 1, 2, 2, 3, 3]);
    // All began at the same moment; only their slots begin earlier.
    assert_eq!(choose_tier(0, &[Some(7_205), Some(7_200), Some(7_200), Some(7_200)]), 0);
    assert_eq!(choose_tier(0, &[None, Some(7_200), None, None]), 1);
    assert_eq!(choose_tier(0, &[Some(5)]), 0);
}
