//! A store with a file: restarts, tiers, space.

use super::*;

/// What a file takes, holes left out.
fn bytes_on_disk(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512
}

#[test]
fn a_restart_goes_on_in_the_same_slots() {
    let directory = tempfile::tempdir().unwrap();
    for part in 0..9 {
        let store = open(Some(directory.path()));
        record(&store, part * 437..(part + 1) * 437, flips);
        store.close();
    }
    let store = open(Some(directory.path()));
    let found = points(&store, THIS_MACHINE, "x", 0, 9 * 437 + 7);
    assert_eq!(found.iter().map(|(time, ..)| *time).collect::<Vec<_>>(), (0..394).map(|n| n * 10).collect::<Vec<_>>());
    assert!(found[..393].iter().all(|(_, _, p)| (p.mean - 4.5).abs() < 1e-3 && p.min == 0.0 && p.max == 9.0));
}

#[test]
fn a_clock_that_stepped_back_over_a_restart_neither_loses_nor_doubles() {
    let directory = tempfile::tempdir().unwrap();
    for begin in [0, 300] {
        let store = open(Some(directory.path()));
        record(&store, begin..begin + 600, flips);
        store.close();
    }
    let slots = stored(directory.path());
    assert_eq!(slots.iter().map(|(_, samples)| *samples).sum::<f32>(), 1_200.0);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{slots:?}");
}

#[test]
fn a_clean_stop_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    record(&store, 0..100, flips);
    store.close();
    drop(store);
    assert_eq!(stored(directory.path()).iter().map(|(_, samples)| *samples).sum::<f32>(), 100.0);
}

#[test]
fn every_tier_holds_its_time_and_its_space() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    // Straight into the file: 16 days of rows of 10 s, as the writer would put them.
    let (database, loaded) = file::open(&path).unwrap();
    let disk = Arc::new(Disk::new(path.clone(), disk_budget::block_bytes(65)));
    let mut writer = Writer::new(disk, &loaded, Duration::from_secs(60));
    let series = Series { id: 1, name: "x".into(), unit: Unit::Ratio, dynamic: false, last_seen: START as i64 };
    let mut batch = Batch { series: Some(vec![series]), ..Batch::default() };
    let end = 16 * 86_400_u32;
    for second in (0..end).step_by(10) {
        let value = single((second / 3_600) as f32);
        let points = vec![(SAMPLES, single(10.0)), (1, value)];
        batch.rows.push(tier::Row { slot: (START as i64 + i64::from(second)) / 10, points });
        if batch.rows.len() == 360 {
            writer.take(THIS_MACHINE.into(), std::mem::take(&mut batch));
            writer.commit(&database).unwrap();
        }
    }
    drop((database, writer));
    let store = open(Some(directory.path()));
    let end = i64::from(end);
    for (from, step) in [(end - 72_000, 10), (end - 13 * 86_400, 60), (0, 3_600)] {
        let found = points(&store, THIS_MACHINE, "x", from, end);
        assert!(found.iter().all(|point| point.1 == step), "{step}");
        assert_eq!(found[0].0, from, "{step}");
        // The last slots of a coarse tier are open until the next one begins.
        assert!(end - found[found.len() - 1].0 <= step + 3_600, "{step}");
        assert!(found.iter().all(|(time, _, p)| (p.mean - (time / 3_600) as f32).abs() < 0.1), "{step}");
        assert!(found.windows(2).all(|pair| pair[1].0 - pair[0].0 == step), "{step}: a gap");
    }
    assert!(points(&store, THIS_MACHINE, "x", end - 2 * 86_400, end)[0].1 == 60, "10 s are kept for a day");
    let bytes = bytes_on_disk(&path);
    assert!(bytes < store.space_bytes() / 3, "{bytes}");
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
            let mut gauge = Gauge::default();
            (0..6).for_each(|_| gauge.add(single(shape(noise())), 1.0));
            gauge.point()
        });
        let bytes = pack::pack(&column).len();
        assert!(bytes <= column.len() * disk_budget::BUSY_SLOT_BYTES as usize, "shape {number}: {bytes}");
    }
}

#[test]
fn noise_in_every_series_takes_no_more_than_its_space() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let (database, _) = file::open(&path).unwrap();
    let ids = 1..=SeriesId::from(100_u8);
    let series = |id| Series { id, name: format!("noise{id}").into(), unit: Unit::Bytes, dynamic: true, last_seen: 0 };
    let write = database.begin_write().unwrap();
    let mut tables = file::Tables::open(&write, THIS_MACHINE).unwrap();
    tables.put_series(&ids.clone().map(series).collect::<Vec<_>>()).unwrap();
    let block_bytes = 1 << 20;
    for slot in 0..2_000_u32 {
        let noise = |id: u32| {
            let mean = 1.5_f32.powf((slot.wrapping_mul(2_654_435_761).wrapping_add(id * 97) >> 16 & 63) as f32);
            (id, Point { min: mean / 3.0, mean, max: mean * 1.7 })
        };
        tables
            .put_row(&tier::Row { slot: slot.into(), points: ids.clone().map(noise).collect() }, block_bytes)
            .unwrap();
    }
    drop(tables);
    write.commit().unwrap();
    let mut slots = std::collections::BTreeSet::new();
    let reader = file_reader::Reader::open(&database, THIS_MACHINE).unwrap().unwrap();
    reader.read(0, 0..2_000, &[50], |_, points| slots.extend(points.iter().map(|(slot, _)| *slot))).unwrap();
    let (first, last) = (*slots.first().unwrap(), *slots.last().unwrap());
    assert_eq!((first % BLOCK_SLOTS, last), (0, 1_999), "whole blocks went, the oldest first");
    assert!(first > 0 && slots.len() == (last - first + 1) as usize);
    drop((reader, database));
    let bytes = bytes_on_disk(&path);
    assert!(bytes < disk_budget::file_bytes(block_bytes), "{bytes}");
}

#[test]
fn what_is_forgotten_leaves_the_file_and_the_space_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let store = open(Some(directory.path()));
    let mut time = START;
    let mut sizes = Vec::new();
    for round in 0..4_u32 {
        for churn in 0..400 {
            time += 13.0;
            record_values(&store, THIS_MACHINE, time, |values| {
                for name in ["lo".to_owned(), format!("veth{round}x{churn}")] {
                    values.put_dynamic(&["network.", &name, ".received"], Unit::BytesPerSecond, Some(1.0));
                    values.put_dynamic(&["network.", &name, ".sent"], Unit::BytesPerSecond, Some(1.0));
                }
            });
            record_at(&store, time + 1.0, 1.0);
        }
        sizes.push(bytes_on_disk(&path));
    }
    store.close();
    drop(store);
    let store = open(Some(directory.path()));
    assert_eq!(store.view(THIS_MACHINE).series.len(), MOST_DYNAMIC_SERIES + 1, "and x");
    assert!(sizes[3] <= sizes[1] * 2, "{sizes:?}");
}
