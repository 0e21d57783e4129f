//! Tests of the spool: order, bounds, what survives.

use super::*;

const BOUNDS: Bounds = Bounds { most_bytes: 1 << 20, most_age: Duration::from_secs(3_600) };

fn bodies(spool: &Spool) -> Vec<String> {
    spool.oldest(1_000).into_iter().map(|entry| String::from_utf8(entry.body).unwrap()).collect()
}

#[test]
fn what_was_pushed_outlives_the_process_in_order_and_what_is_done_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/spool.redb");
    let spool = Spool::open(Some(&path), BOUNDS).unwrap();
    spool.push(&[b"a", b"b"]);
    spool.push_durably(&[b"c"]).unwrap();
    let first = spool.oldest(1);
    assert_eq!(first, [Entry { number: 0, body: b"a".to_vec() }]);
    spool.done(&[0]);
    // As a kill leaves it.
    let copy = folder.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let again = Spool::open(Some(&copy), BOUNDS).unwrap();
    assert_eq!(bodies(&again), ["b", "c"]);
    again.push(&[b"d"]);
    assert_eq!(bodies(&again), ["b", "c", "d"]);
    assert_eq!(again.counts().entries, 3);
    again.done(&[1, 2, 3]);
    assert_eq!((again.counts(), bodies(&again).len()), (Counts::default(), 0));
    let error = Spool::open(Some(&path), BOUNDS).unwrap_err().to_string();
    assert!(error.contains("no other process"), "{error}");
}

#[test]
fn the_oldest_goes_when_there_is_no_room_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    for path in [None, Some(folder.path().join("spool.redb"))] {
        let spool = Spool::open(path.as_deref(), Bounds { most_bytes: 100, ..BOUNDS }).unwrap();
        for number in 0..10 {
            spool.push(&[format!("entry {number}").as_bytes()]);
        }
        assert_eq!(bodies(&spool), ["entry 5", "entry 6", "entry 7", "entry 8", "entry 9"], "{path:?}");
        assert_eq!((spool.counts().entries, spool.counts().dropped), (5, 5));
        assert!(spool.counts().bytes <= 100);
    }
}

#[test]
fn what_is_too_old_goes() {
    let spool = Spool::open(None, Bounds { most_age: Duration::from_secs(60), ..BOUNDS }).unwrap();
    spool.push(&[b"old", b"new"]);
    spool.lock().in_memory[0].0.came -= 61;
    assert_eq!(bodies(&spool), ["new"]);
    assert_eq!(spool.counts().dropped, 1);
}

#[test]
fn a_disk_that_takes_nothing_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.redb");
    let spool = Spool::open(Some(&path), BOUNDS).unwrap();
    spool.push(&[b"a"]);
    spool.lock().failed_at = Some(Instant::now());
    spool.push(&[b"b"]);
    assert!(spool.push_durably(&[b"never"]).is_err());
    let lengths = |spool: &Spool| {
        let state = spool.lock();
        (state.on_disk.len(), state.in_memory.len(), state.gone.len())
    };
    assert_eq!(lengths(&spool), (1, 1, 0));
    spool.done(&[0]);
    assert_eq!(bodies(&spool), ["b"]);
    assert_eq!(lengths(&spool), (1, 1, 1), "sent, and not given out again");
    assert_eq!(spool.counts().entries, 1);
    spool.lock().failed_at = None;
    spool.push(&[b"c"]);
    assert_eq!(bodies(&spool), ["b", "c"]);
    assert_eq!(lengths(&spool), (2, 0, 0));
}

#[test]
fn a_note_is_there_with_what_it_came_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.redb");
    let spool = Spool::open(Some(&path), BOUNDS).unwrap();
    assert_eq!(spool.note(), None);
    spool.push_noted(&[b"a"], Some(b"one".to_vec()));
    spool.push(&[b"b"]);
    spool.lock().failed_at = Some(Instant::now());
    spool.push_noted(&[b"c"], Some(b"two".to_vec()));
    assert_eq!(spool.note(), Some(b"two".to_vec()));
    let copy = folder.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let again = Spool::open(Some(&copy), BOUNDS).unwrap();
    assert_eq!((again.note(), bodies(&again).len()), (Some(b"one".to_vec()), 2), "neither the entry nor its note");
    spool.lock().failed_at = None;
    spool.done(&[0]);
    drop(spool);
    let again = Spool::open(Some(&path), BOUNDS).unwrap();
    assert_eq!((again.note(), bodies(&again)), (Some(b"two".to_vec()), vec!["b".to_owned(), "c".to_owned()]));
}

#[test]
fn a_damaged_file_is_set_aside_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.redb");
    std::fs::write(&path, b"nonsense").unwrap();
    let spool = Spool::open(Some(&path), BOUNDS).unwrap();
    assert_eq!(std::fs::read(folder.path().join("spool.redb.damaged")).unwrap(), b"nonsense");
    spool.push_noted(&[b"a"], Some(b"note".to_vec()));
    // Damaged while it is open, as a page that somebody overwrote: what it held is lost and counted, and all goes on.
    spool.lock().database = None;
    std::fs::write(&path, b"nonsense again").unwrap();
    spool.push(&[b"b"]);
    assert_eq!((bodies(&spool), spool.counts().dropped), (vec!["b".to_owned()], 1));
    drop(spool);
    let again = Spool::open(Some(&path), BOUNDS).unwrap();
    assert_eq!((bodies(&again), again.note()), (vec!["b".to_owned()], Some(b"note".to_vec())));
}

/// Bytes that nothing makes smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn the_file_takes_no_more_of_the_disk_than_may_wait() {
    const MOST: u64 = 4 << 20;
    // Of each size enough to fill it twice: one that just does not fit into a power of two, small ones, and all sizes mixed.
    for name in ["33 KiB", "700 bytes", "mixed"] {
        let size = |number: usize| match name {
            "33 KiB" => 33 << 10,
            "700 bytes" => 700,
            _ => 100 + number * 7_919 % 60_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.redb");
        let spool = Spool::open(Some(&path), Bounds { most_bytes: MOST, ..BOUNDS }).unwrap();
        let (mut pushed, mut bytes, mut largest) = (0, 0, 0);
        while bytes < 2 * MOST as usize {
            let together = if name == "700 bytes" { 200 } else { 4 };
            let bodies: Vec<Vec<u8>> = (pushed..pushed + together).map(|n| noise(n as u64, size(n))).collect();
            spool.push(&bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
            pushed += together;
            bytes += bodies.iter().map(Vec::len).sum::<usize>();
            largest = largest.max(file::bytes_on_disk(&path));
        }
        let counts = spool.counts();
        assert!(largest <= MOST, "{name}: {largest} bytes for {counts:?}");
        assert_eq!(counts.entries + counts.dropped, pushed as u64, "{name}");
        assert!(counts.bytes >= MOST / 4, "{name}: no more than is needed goes: {counts:?}");
        let newest = spool.oldest(pushed).pop().unwrap();
        assert!(newest.body == noise(pushed as u64 - 1, size(pushed - 1)), "{name}: the newest stays");
        // Sent after all: the room is there again, without anything else going.
        let numbers: Vec<u64> = spool.oldest(pushed).iter().map(|entry| entry.number).collect();
        spool.done(&numbers);
        for number in 0..20 {
            spool.push(&[&noise(number, 30_000)]);
        }
        assert_eq!((spool.counts().entries, spool.counts().dropped), (20, counts.dropped), "{name}");
        assert!(file::bytes_on_disk(&path) <= MOST, "{name}");
    }
}
