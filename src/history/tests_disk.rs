//! The history with a data directory: restarts, tiers, damage, full disks.

use super::tests::{START, ask, known, open, record, record_at, record_snapshot};
use super::*;

pub(super) fn flips(second: u32) -> f64 {
    f64::from(second % 10)
}

/// Names of the files that were set aside.
pub(super) fn set_aside(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != FILE).collect()
}

/// What a file takes, holes left out.
fn bytes_on_disk(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512
}

#[test]
fn a_restart_goes_on_in_the_same_slots() {
    let directory = tempfile::tempdir().unwrap();
    for part in 0..9 {
        let history = open(Some(directory.path()));
        record(&history, part * 437..(part + 1) * 437, flips);
        history.close();
    }
    let history = open(Some(directory.path()));
    let answer = ask(&history, 9 * 437, "2h", "cpu.busy", 5_000);
    assert_eq!(answer.step_seconds, 10);
    let column = &answer.series["cpu.busy"];
    let known = known(&answer);
    assert_eq!(known.len(), 394, "no slot is missing");
    assert_eq!(known[0].0, 0);
    assert!(known[..393].iter().all(|(_, mean)| (*mean - 4.5).abs() < 1e-3), "no sample is missing or doubled");
    assert!(column.max.iter().flatten().count() >= 393);
}

#[test]
fn a_clock_that_stepped_back_over_a_restart_neither_loses_nor_doubles() {
    let directory = tempfile::tempdir().unwrap();
    for begin in [0, 300] {
        let history = open(Some(directory.path()));
        record(&history, begin..begin + 600, flips);
        history.close();
    }
    let slots = tests_process::stored(directory.path());
    assert_eq!(slots.iter().map(|(_, samples)| *samples).sum::<f32>(), 1_200.0);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{slots:?}");
}

#[test]
fn it_can_be_shared_between_the_sampler_and_requests() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let directory = tempfile::tempdir().unwrap();
    let history = Arc::new(open(Some(directory.path())));
    shared(&history);
    let asking = Arc::clone(&history);
    let asker = std::thread::spawn(move || {
        (0..200).map(|_| ask(&asking, 2_000, "1h", "", 600).series.len()).collect::<Vec<_>>()
    });
    record(&history, 0..2_000, flips);
    assert!(asker.join().unwrap().is_sorted(), "what is known stays known");
    assert_eq!(known(&ask(&history, 2_000, "1h", "", 3_600)).len(), 2_000 + 1, "the last one holds to the end");
}

#[test]
fn every_tier_holds_its_time_and_its_space() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    // Straight into the file: 16 days of rows of 10 s, as the writer would put them.
    let (database, loaded) = store::open(&path).unwrap();
    let disk = Arc::new(Disk::new(path.clone(), space::block_bytes(1)));
    let mut writer = Writer::new(disk, &loaded, writer::RETRY);
    let series =
        series::Series { id: 1, name: "cpu.busy".into(), unit: Unit::Ratio, dynamic: false, last_seen: START as i64 };
    let mut batch = Batch { fresh: vec![series], ..Batch::default() };
    let days = 16;
    for second in (0..days * 86_400_u32).step_by(10) {
        let value = tier::single((second / 3_600) as f32);
        let points = vec![(tier::SAMPLES, tier::single(10.0)), (1, value)];
        batch.closed.push(tier::Row { slot: (START as i64 + i64::from(second)) / 10, points });
        if batch.closed.len() == writer::MOST_WAITING_ROWS {
            writer.take(std::mem::take(&mut batch));
            writer.commit(&database).unwrap();
        }
    }
    drop((database, writer));
    let history = open(Some(directory.path()));
    let end = days * 86_400;
    for (range, step, from) in [("20h", 10, end - 72_000), ("13d", 60, end - 13 * 86_400), ("16d", 3_600, 0)] {
        let answer = ask(&history, end, range, "cpu.busy", 5_000);
        assert_eq!(answer.step_seconds % step, 0, "{range}");
        let known = known(&answer);
        assert!(known[0].0 - i64::from(from) <= answer.step_seconds, "{range}: begins at {}", known[0].0);
        // The last slots of a coarse tier are open until the next one begins.
        assert!(i64::from(end) - known[known.len() - 1].0 <= answer.step_seconds + 3_600, "{range}");
        let wrong = known.iter().find(|(time, mean)| (*mean - (time / 3_600) as f32).abs() > 1.01);
        assert_eq!(wrong, None, "{range}");
        let steps = answer.step_seconds;
        assert!(known.windows(2).all(|pair| pair[1].0 - pair[0].0 == steps), "{range}: a gap");
    }
    assert_eq!(ask(&history, end, "20h", "cpu.busy", 5_000).step_seconds, 20);
    assert_eq!(ask(&history, end, "13d", "cpu.busy", 5_000).step_seconds, 240);
    let bytes = bytes_on_disk(&path);
    assert!(bytes < history.space_bytes(), "{bytes}");
    assert!(history.describe().ends_with(&format!("at most {} MiB", history.space_bytes().div_ceil(1 << 20))));
}

#[test]
fn a_busy_series_fits_into_its_share() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    // Evenly spread, bursts with silence between them, and what spans five orders of magnitude; 6 samples a slot.
    let shapes: [fn(f32) -> f32; 3] = [|x| x, |x| if x > 0.9 { x * 1e7 } else { 0.0 }, |x| 10_f32.powf(x * 5.0)];
    for (number, shape) in shapes.into_iter().enumerate() {
        let column: pack::Column = std::array::from_fn(|_| {
            let mut gauge = tier::Gauge::default();
            (0..6).for_each(|_| gauge.add(tier::single(shape(noise())), 1.0));
            gauge.point()
        });
        let bytes = pack::pack(&column).len();
        assert!(bytes <= column.len() * space::BUSY_SLOT_BYTES as usize, "shape {number}: {bytes}");
    }
}

#[test]
fn noise_in_every_series_takes_no_more_than_its_space() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let (database, _) = store::open(&path).unwrap();
    let ids = 1..=tier::SeriesId::from(100_u8);
    let series = |id| series::Series {
        id,
        name: format!("noise{id}").into(),
        unit: Unit::Bytes,
        dynamic: true,
        last_seen: START as i64,
    };
    let write = database.begin_write().unwrap();
    store::put_series(&write, &ids.clone().map(series).collect::<Vec<_>>()).unwrap();
    let block_bytes = 1 << 20;
    for slot in 0..2_000_u32 {
        let noise = |id: u32| {
            let mean = 1.5_f32.powf((slot.wrapping_mul(2_654_435_761).wrapping_add(id * 97) >> 16 & 63) as f32);
            (id, tier::Point { min: mean / 3.0, mean, max: mean * 1.7 })
        };
        store::put_row(
            &write,
            1,
            &tier::Row { slot: slot.into(), points: ids.clone().map(noise).collect() },
            block_bytes,
        )
        .unwrap();
    }
    write.commit().unwrap();
    let mut slots = std::collections::BTreeSet::new();
    store::read(&database, 1, 0, 2_000, &[50], |_, points| slots.extend(points.iter().map(|(slot, _)| *slot))).unwrap();
    let (first, last) = (*slots.first().unwrap(), *slots.last().unwrap());
    assert_eq!((first % tier::BLOCK_SLOTS, last), (0, 1_999), "whole blocks went, the oldest first");
    assert!(first > 0 && slots.len() == (last - first + 1) as usize);
    drop(database);
    let bytes = bytes_on_disk(&path);
    assert!(bytes < space::file_bytes(block_bytes), "{bytes}");
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_one_begins() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("cut short", |bytes| bytes.truncate(bytes.len() / 3)),
        ("no header", |bytes| bytes[..4096].fill(0)),
        ("garbage all over", |bytes| (4096..bytes.len()).step_by(97).for_each(|at| bytes[at] ^= 0x5a)),
        ("another file", |bytes| *bytes = b"once upon a time\n".repeat(1000)),
        ("zeroes", |bytes| bytes.fill(0)),
    ];
    for (what, damage) in damages {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let history = open(Some(directory.path()));
        record(&history, 0..3_000, flips);
        history.close();
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let history = open(Some(directory.path()));
        record(&history, 3_000..3_100, flips);
        history.close();
        assert_eq!(set_aside(directory.path()).len(), 1, "{what}");
        assert!(set_aside(directory.path())[0].starts_with("history.redb.damaged-"), "{what}");
        let history = open(Some(directory.path()));
        let known = known(&ask(&history, 3_100, "5m", "cpu.busy", 600));
        assert!(known.len() >= 10, "{what}: {known:?}");
        assert_eq!(set_aside(directory.path()).len(), 1, "{what}: the new file is sound");
    }
}

#[test]
fn a_server_killed_as_it_made_the_file_leaves_nothing_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("whole");
    store::open(&good).unwrap();
    let good = std::fs::read(directory.path().join("whole")).unwrap();
    // Magic number first, then the header, the tables last: as far as it came.
    for length in [0, 9, 64, 4_096, good.len() / 2, good.len()] {
        let directory = tempfile::tempdir().unwrap();
        let mut half = good.clone();
        half[length..].fill(0);
        std::fs::write(directory.path().join(format!("{FILE}.new")), half).unwrap();
        let history = open(Some(directory.path()));
        record(&history, 0..30, flips);
        history.close();
        assert_eq!(set_aside(directory.path()), [""; 0], "{length}");
        assert_eq!(tests_process::stored(directory.path()).len(), 3, "{length}");
    }
}

#[test]
fn one_bad_byte_anywhere_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let history = open(Some(directory.path()));
    record(&history, 0..3_000, flips);
    history.close();
    let good = std::fs::read(&path).unwrap();
    let length = good.len();
    for part in 0..40 {
        let mut bytes = good.clone();
        bytes[length * part / 40 + part * 13] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        let history = open(Some(directory.path()));
        record(&history, 3_000..3_030, flips);
        ask(&history, 3_030, "1h", "*", 600);
        history.close();
        drop(history);
        let history = open(Some(directory.path()));
        let known = known(&ask(&history, 3_030, "30s", "cpu.busy", 600));
        assert!(known.iter().any(|(time, _)| *time == 3_020), "part {part}: {known:?}");
        drop(history);
    }
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(Some(directory.path()));
    let error = History::open(Some(directory.path()), Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, HistoryError::InUse { .. }));
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = History::open(Some(&file), Duration::from_secs(1)).unwrap_err().to_string();
    assert!(error.contains("--data-dir"), "{error}");
}

#[test]
fn what_is_forgotten_leaves_the_file_and_the_space_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let history = open(Some(directory.path()));
    let mut time = START;
    let mut sizes = Vec::new();
    for round in 0..4_u32 {
        for churn in 0..400 {
            time += 13.0;
            let names = ["lo".to_owned(), format!("veth{round}x{churn}")];
            let snapshot = Snapshot { time_unix_seconds: time, ..testing::with_interfaces(&names, 1.0) };
            record_snapshot(&history, &snapshot);
            record_at(&history, time + 1.0, 1.0);
        }
        sizes.push(bytes_on_disk(&path));
    }
    history.close();
    drop(history);
    let history = open(Some(directory.path()));
    let series = lock(&history.live).catalogue.all().len();
    assert_eq!(series, MOST_DYNAMIC_SERIES + 1, "and cpu.busy");
    assert!(sizes[3] <= sizes[1] * 2, "{sizes:?}");
}
