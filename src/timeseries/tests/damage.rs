//! Damaged files, half-made files, files in use.

use super::*;

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
        let store = open(Some(directory.path()));
        record(&store, 0..3_000, flips);
        store.close();
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let store = open(Some(directory.path()));
        record(&store, 3_000..3_100, flips);
        store.close();
        assert_eq!(set_aside(directory.path()), ["history.redb.damaged"], "{what}");
        let store = open(Some(directory.path()));
        let known = means(&store, 2_800, 3_100);
        assert!(known.len() >= 10, "{what}: {known:?}");
        assert_eq!(set_aside(directory.path()).len(), 1, "{what}: the new file is sound");
    }
}

#[test]
fn a_server_killed_as_it_made_the_file_leaves_nothing_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("whole");
    file::open(&good).unwrap();
    let good = std::fs::read(directory.path().join("whole")).unwrap();
    // Magic number first, then the header, the tables last: as far as it came.
    for length in [0, 9, 64, 4_096, good.len() / 2, good.len()] {
        let directory = tempfile::tempdir().unwrap();
        let mut half = good.clone();
        half[length..].fill(0);
        std::fs::write(directory.path().join(format!("{FILE}.new")), half).unwrap();
        let store = open(Some(directory.path()));
        record(&store, 0..30, flips);
        store.close();
        assert_eq!(set_aside(directory.path()), [""; 0], "{length}");
        assert_eq!(stored(directory.path()).len(), 3, "{length}");
    }
}

#[test]
fn one_bad_byte_anywhere_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let store = open(Some(directory.path()));
    record(&store, 0..3_000, flips);
    store.close();
    let good = std::fs::read(&path).unwrap();
    let length = good.len();
    for part in 0..40 {
        let mut bytes = good.clone();
        bytes[length * part / 40 + part * 13] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        let store = open(Some(directory.path()));
        record(&store, 3_000..3_030, flips);
        means(&store, 0, 3_030);
        store.close();
        drop(store);
        let store = open(Some(directory.path()));
        let known = means(&store, 3_000, 3_030);
        assert!(known.iter().any(|(time, _)| *time == 3_020), "part {part}: {known:?}");
        drop(store);
    }
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(Some(directory.path()));
    let error = Store::open(Some(directory.path()), bounds(1)).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(Some(&file), bounds(1)).unwrap_err().to_string();
    assert!(error.contains("--data-dir"), "{error}");
}
