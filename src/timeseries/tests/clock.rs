//! A store with a file, and a clock that is days off.

use super::*;

const DAY: u32 = 86_400;

/// How many samples the file holds of each ten seconds of `from` to `to` after [`START`].
fn samples_between(directory: &Path, from: i64, to: i64) -> Vec<(i64, f32)> {
    stored(directory).into_iter().filter(|(slot, _)| (from / 10..to / 10).contains(slot)).collect()
}

#[test]
fn a_clock_that_is_days_behind_at_the_start_costs_nothing_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    record(&store, 40 * DAY..40 * DAY + 600, flips);
    store.close();
    // A board that boots without knowing the time, and is told it after a minute.
    let store = open(Some(directory.path()));
    record(&store, 0..60, flips);
    assert_eq!(means(&store, -840, 60).len(), 60, "memory goes by the clock as it is");
    record(&store, 40 * DAY + 700..40 * DAY + 1_000, flips);
    let begin = i64::from(40 * DAY);
    assert_eq!(means(&store, begin + 100, begin + 1_000)[0].0 / 10, 345_610);
    store.close();
    assert_eq!(set_aside(directory.path()), [""; 0]);
    let samples = |from, to| samples_between(directory.path(), begin + from, begin + to);
    assert_eq!(samples(0, 2_000).iter().map(|(_, samples)| *samples).sum::<f32>(), 900.0);
    assert_eq!(samples(0, 600).len(), 60);
    assert_eq!(samples_between(directory.path(), 0, 100), [], "what had no right time is left out");
}

#[test]
fn points_from_the_future_give_way_after_an_hour_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    record(&store, 0..4_000, flips);
    // The clock leaps ahead for two hours and a half, and is put right.
    record(&store, (0..9_000).map(|second| 40 * DAY + second), flips);
    record(&store, 13_000..16_590, flips);
    store.close();
    let ahead = i64::from(40 * DAY);
    assert_eq!(samples_between(directory.path(), ahead, ahead + 20_000).len(), 900, "in doubt nothing is taken out");
    assert_eq!(set_aside(directory.path()), [""; 0]);

    let store = open(Some(directory.path()));
    record(&store, 16_600..22_000, flips);
    let found = points(&store, THIS_MACHINE, "x", 400, 22_000);
    assert_eq!((found[0].0, found[0].1), (400, 10));
    store.close();
    assert_eq!(samples_between(directory.path(), ahead, ahead + 20_000), []);
    assert_eq!(samples_between(directory.path(), 0, 4_000).len(), 400, "what was there before is there");
    let after = samples_between(directory.path(), 16_600, 22_000);
    assert_eq!(after.iter().map(|(_, samples)| *samples).sum::<f32>(), 5_400.0, "the hour of doubt is not lost");
    let aside = set_aside(directory.path());
    assert!(aside.len() == 1 && aside[0] == "history.redb.ahead", "{aside:?}");
    let copy = tempfile::tempdir().unwrap();
    std::fs::rename(directory.path().join(&aside[0]), copy.path().join(FILE)).unwrap();
    let kept = samples_between(copy.path(), ahead, ahead + 20_000).len();
    assert_eq!(kept, 900, "and what was taken out is in the copy");
}

#[test]
fn taking_out_the_future_leaves_each_tier_as_it_was_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let row = |slot: i64| tier::Row { slot, points: vec![(SAMPLES, single(10.0)), (1, single((slot % 100) as f32))] };
    let series = Series { id: 1, name: "x".into(), unit: Unit::Ratio, dynamic: false, last_seen: 0 };
    let fill = |slots: std::ops::Range<i64>| {
        let (database, _) = file::open(&path).unwrap();
        let write = database.begin_write().unwrap();
        let mut tables = file::Tables::open(&write, THIS_MACHINE).unwrap();
        tables.put_series(std::slice::from_ref(&series)).unwrap();
        slots.for_each(|slot| tables.put_row(&row(slot), 1 << 30).unwrap());
        drop(tables);
        write.commit().unwrap();
        database
    };
    let all = |database: &redb::Database| {
        let reader = file_reader::Reader::open(database, THIS_MACHINE).unwrap().unwrap();
        [0, 1, 2].map(|tier| {
            let mut found = Vec::new();
            let each = |id, points: &[(i64, Point)]| found.extend(points.iter().map(|(slot, p)| (*slot, id, *p)));
            reader.read(tier, 0..10_000, &[SAMPLES, 1], each).unwrap();
            found.sort_by_key(|(slot, id, _)| (*slot, *id));
            found
        })
    };
    for last in [0, 119, 120, 1_234, 4_999] {
        let database = fill(0..6_000);
        let write = database.begin_write().unwrap();
        let mut tables = file::Tables::open(&write, THIS_MACHINE).unwrap();
        tables.take_out_after(last * 10).unwrap();
        drop(tables);
        write.commit().unwrap();
        let kept = all(&database);
        assert_eq!(kept[0].len(), 2 * (last as usize + 1));
        assert!(kept[0].iter().all(|(slot, id, p)| *id == SAMPLES || (p.mean - (slot % 100) as f32).abs() < 0.01));
        assert_eq!([0, 1, 2].map(|tier| kept[tier].last().unwrap().0), [last, last / 6, last / 360]);
        // What comes next goes on in the minute and in the hour that were cut short.
        drop(database);
        let database = fill(last + 1..6_000);
        let again = all(&database);
        drop(database);
        std::fs::remove_file(&path).unwrap();
        let straight = all(&fill(0..6_000));
        std::fs::remove_file(&path).unwrap();
        for (again, straight) in again.iter().zip(&straight) {
            assert_eq!(again.len(), straight.len());
            let near = |a: f32, b: f32| (a - b).abs() <= 3e-4 * b.abs();
            assert!(again.iter().zip(straight).all(|(a, b)| a.0 == b.0 && near(a.2.mean, b.2.mean)), "{last}");
        }
    }
}
