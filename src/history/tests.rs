//! The history as a whole, on a made-up clock: what is asked and answered, and files of older versions.

use super::*;
/// A round moment: a multiple of an hour and of every block.
const START: f64 = 1_728_000_000.0;

/// A history in memory whose clock the test makes up.
fn open() -> History {
    History::open(None, Duration::from_secs(1)).unwrap()
}

/// Records `cpu.busy` = `value(i)` at second `i` after `START`.
fn record(history: &History, seconds: impl Iterator<Item = u32>, value: impl Fn(u32) -> f64) {
    seconds.for_each(|second| history.record(&testing::busy(START + f64::from(second), value(second))));
}

/// Asks as a request would, at `now` seconds after `START`.
fn ask(history: &History, now: u32, range: &str, series: &str, points: u32) -> Answer {
    let parameters = Parameters {
        range: Some(range.to_owned()),
        series: Some(series.to_owned()),
        points: Some(points.to_string()),
        ..Parameters::default()
    };
    history.query_at(&Query::parse(&parameters).unwrap(), START + f64::from(now)).unwrap()
}

/// Values of `cpu.busy` that are known, with their time after `START`.
fn known(answer: &Answer) -> Vec<(i64, f32)> {
    let times = answer.time.iter().map(|time| time - START as i64);
    times.zip(&answer.series["cpu.busy"].mean).filter_map(|(time, mean)| Some((time, (*mean)?))).collect()
}

#[test]
fn the_last_minutes_come_from_memory_second_by_second() {
    let history = open();
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
    let history = open();
    record(&history, 0..600, |i| f64::from(i % 10));
    let answer = ask(&history, 599, "10m", "cpu.busy", 60);
    let column = &answer.series["cpu.busy"];
    assert_eq!((answer.step_seconds, answer.time.len()), (10, 60));
    assert!(column.mean.iter().all(|mean| *mean == Some(4.5)));
    assert!(column.min.iter().all(|min| *min == Some(0.0)) && column.max.iter().all(|max| *max == Some(9.0)));
}

#[test]
fn an_interval_of_five_seconds_has_no_gaps_and_a_pause_has_one() {
    let history = open();
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
    let history = open();
    let mut wall = 0.0;
    for second in 0..900 {
        wall += match second {
            300 => 61.0,
            600 => -20.0,
            _ => 1.0,
        };
        history.record(&testing::busy(START + wall, f64::from(second)));
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
    let history = open();
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
    let answer = ask(&open(), 0, "1h", "", 10);
    assert_eq!((answer.series.len(), answer.age_seconds, answer.time.len()), (0, None, 10));
}

#[test]
fn many_series_get_fewer_points() {
    let history = open();
    let names: Vec<String> = (0..100).map(|i| format!("if{i}")).collect();
    history.record(&Snapshot { time_unix_seconds: START, ..testing::with_interfaces(&names, 1.0) });
    let answer = ask(&history, 0, "1h", "*", 5_000);
    assert!(answer.time.len() * answer.series.len() <= query::MOST_VALUES, "{}", answer.time.len());
    assert_eq!(ask(&history, 0, "1h", "network.if7.*", 5_000).time.len(), 3_600);
}

#[test]
fn the_wire_form() {
    let history = open();
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

/// A file that version 0.1.0 of November 2026 wrote in five days and eight hours, and what that version answered from it:
/// all three tiers, packed blocks and open rows, gaps, restarts, an interface that went.
#[test]
fn a_file_of_an_older_version_is_read_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/history");
    let text = std::fs::read_to_string(fixtures.join("2026-11.json")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.len() > 1).map(|line| line.trim_end_matches(',')).collect();
    let expected: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures.join("2026-11.redb"), directory.path().join("history.redb")).unwrap();
    let answers = |history: &History| -> Vec<String> {
        history.store.wait_until_checked();
        let ask = |answer: &serde_json::Value| {
            let text = |name: &str| Some(answer[name].to_string());
            let points = answer["time"].as_array().unwrap().len().to_string();
            let parameters =
                Parameters { from: text("from"), to: text("to"), points: Some(points), ..Parameters::default() };
            let query = Query::parse(&parameters).unwrap();
            serde_json::to_value(history.query_at(&query, 1_728_508_000.0).unwrap()).unwrap().to_string()
        };
        expected.iter().map(ask).collect()
    };
    for _ in 0..2 {
        // Opened twice: reading changes nothing.
        let history = History::open(Some(directory.path()), Duration::from_secs(1)).unwrap();
        for (number, (found, line)) in answers(&history).iter().zip(&lines).enumerate() {
            assert!(found == line, "answer {number}: {found:.3000}");
        }
    }
    // What is recorded next goes on in the same slots and series, and nothing of before changes.
    let history = History::open(Some(directory.path()), Duration::from_secs(1)).unwrap();
    history.store.wait_until_checked();
    record(&history, 508_000..508_060, |_| 0.5);
    history.close();
    drop(history);
    let history = History::open(Some(directory.path()), Duration::from_secs(1)).unwrap();
    for (number, (found, expected)) in answers(&history).iter().zip(&expected).enumerate() {
        let found: serde_json::Value = serde_json::from_str(found).unwrap();
        let until = if number == 4 { 508_000 / 11_280 * 11_280 } else { 508_000 };
        let before = expected["time"].as_array().unwrap().iter().filter(|t| t.as_i64().unwrap() < START as i64 + until);
        let count = before.count() - 1;
        for (name, column) in expected["series"].as_object().unwrap() {
            for kind in ["mean", "min", "max"] {
                let [found, expected] = [&found["series"][name], column].map(|c| &c[kind].as_array().unwrap()[..count]);
                assert_eq!(found, expected, "{name} {kind} of answer {number}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was set aside");
}
