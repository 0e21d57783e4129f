//! The history with a data directory and a clock that is days off.

use super::tests::{START, ask, known, open, record};
use super::tests_disk::{flips, set_aside};
use super::*;

/// How many samples the file holds of each ten seconds of `from` to `to` after [`START`].
fn samples_between(directory: &Path, from: i64, to: i64) -> Vec<(i64, f32)> {
    let (database, _) = store::open(&directory.join(FILE)).unwrap();
    let (mut found, start) = (Vec::new(), START as i64 / 10);
    store::read(&database, 0, start + from / 10, start + to / 10, &[tier::SAMPLES], |_, points| {
        found.extend(points.iter().map(|(slot, point)| (slot - start, point.mean)));
    })
    .unwrap();
    found
}

const DAY: u32 = 86_400;

#[test]
fn a_clock_that_is_days_behind_at_the_start_costs_nothing_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(Some(directory.path()));
    record(&history, 40 * DAY..40 * DAY + 600, flips);
    history.close();
    // A board that boots without knowing the time, and is told it after a minute.
    let history = open(Some(directory.path()));
    record(&history, 0..60, flips);
    let answer = ask(&history, 59, "15m", "cpu.busy", 900);
    assert_eq!(known(&answer).len(), 60, "memory goes by the clock as it is");
    record(&history, 40 * DAY + 700..40 * DAY + 1_000, flips);
    assert_eq!(known(&ask(&history, 40 * DAY + 1_000, "15m", "cpu.busy", 900)).first().unwrap().0 / 10, 345_610);
    history.close();
    assert_eq!(set_aside(directory.path()), [""; 0]);
    let begin = i64::from(40 * DAY);
    let samples = |from, to| samples_between(directory.path(), begin + from, begin + to);
    assert_eq!(samples(0, 2_000).iter().map(|(_, samples)| *samples).sum::<f32>(), 900.0);
    assert_eq!(samples(0, 600).len(), 60);
    assert_eq!(samples_between(directory.path(), 0, 100), [], "what had no right time is left out");
}

#[test]
fn points_from_the_future_give_way_after_an_hour_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(Some(directory.path()));
    record(&history, 0..4_000, flips);
    // The clock leaps ahead for two hours and a half, and is put right.
    record(&history, (0..9_000).map(|second| 40 * DAY + second), flips);
    record(&history, 13_000..16_590, flips);
    history.close();
    let ahead = i64::from(40 * DAY);
    assert_eq!(samples_between(directory.path(), ahead, ahead + 20_000).len(), 900, "in doubt nothing is taken out");
    assert_eq!(set_aside(directory.path()), [""; 0]);

    let history = open(Some(directory.path()));
    record(&history, 16_600..22_000, flips);
    let answer = ask(&history, 22_000, "6h", "cpu.busy", 5_000);
    let seconds: Vec<i64> = known(&answer).into_iter().map(|(second, _)| second).collect();
    assert_eq!((seconds[0], answer.step_seconds), (400, 10));
    history.close();
    assert_eq!(samples_between(directory.path(), ahead, ahead + 20_000), []);
    assert_eq!(samples_between(directory.path(), 0, 4_000).len(), 400, "what was there before is there");
    let after = samples_between(directory.path(), 16_600, 22_000);
    assert_eq!(after.iter().map(|(_, samples)| *samples).sum::<f32>(), 5_400.0, "the hour of doubt is not lost");
    let aside = set_aside(directory.path());
    assert!(aside.len() == 1 && aside[0].starts_with("history.redb.ahead-"), "{aside:?}");
    let (copy, _) = store::open(&directory.path().join(&aside[0])).unwrap();
    let mut kept = 0;
    let from = (START as i64 + ahead) / 10;
    store::read(&copy, 0, from, from + 2_000, &[tier::SAMPLES], |_, points| kept += points.len()).unwrap();
    assert_eq!(kept, 900, "and what was taken out is in the copy");
}

#[test]
fn taking_out_the_future_leaves_each_tier_as_it_was_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, disk) = (directory.path().join("a"), |path: &Path| Arc::new(Disk::new(path.into(), 1 << 30)));
    let row = |slot: i64| tier::Row {
        slot,
        points: vec![(tier::SAMPLES, tier::single(10.0)), (1, tier::single((slot % 100) as f32))],
    };
    let series = series::Series { id: 1, name: "x".into(), unit: Unit::Ratio, dynamic: false, last_seen: 0 };
    let fill = |path: &Path, to: i64| {
        let (database, loaded) = store::open(path).unwrap();
        let mut writer = Writer::new(disk(path), &loaded, writer::RETRY);
        writer.take(Batch { fresh: vec![series.clone()], ..Batch::default() });
        for slot in 0..to {
            writer.take(Batch { closed: vec![row(slot)], ..Batch::default() });
            if slot % 300 == 0 || slot == to - 1 {
                writer.commit(&database).unwrap();
            }
        }
        database
    };
    let all = |database: &redb::Database, tier: usize| {
        let mut found = Vec::new();
        store::read(database, tier, 0, 10_000, &[tier::SAMPLES, 1], |id, points| {
            found.extend(points.iter().map(|(slot, point)| (*slot, id, *point)));
        })
        .unwrap();
        found.sort_by_key(|(slot, id, _)| (*slot, *id));
        found
    };
    for last in [0, 119, 120, 1_234, 4_999] {
        let database = fill(&path, 6_000);
        let write = database.begin_write().unwrap();
        let left = store::take_out_after(&write, last * 10).unwrap();
        write.commit().unwrap();
        let kept = all(&database, 0);
        assert_eq!(kept.last().unwrap().0, last);
        assert_eq!(kept.len(), 2 * (last as usize + 1));
        assert!(
            kept.iter()
                .all(|(slot, id, point)| *id == tier::SAMPLES || (point.mean - (slot % 100) as f32).abs() < 0.01)
        );
        assert_eq!(left.hour.map(|row| row.slot), Some(last / 360), "{last}");
        assert_eq!(left.minute, None, "it is in its hour already");
        assert_eq!(all(&database, 1).last().unwrap().0, last / 6);
        drop(database);
        std::fs::remove_file(&path).unwrap();
    }
}
