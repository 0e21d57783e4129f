//! The history in a process of its own, which is killed or runs out of room. The test starts its own binary again, with
//! a variable that says which part to play.

use std::io::{BufRead, BufReader, Write};
#[expect(clippy::disallowed_types, reason = "tests start a second process to kill it")]
use std::process::Command;
use std::process::{Child, Stdio};

use super::tests::{START, ask, known, open, patiently, record, record_snapshot};
use super::*;

const DIRECTORY: &str = "PSMONITOR_TEST_HISTORY_DIR";
const SECOND: &str = "PSMONITOR_TEST_HISTORY_SECOND";

/// This binary again, to run the one test `name` with `directory`; `shell` comes before it on the command line.
#[expect(clippy::disallowed_types, reason = "tests start a second process to kill it")]
fn again(name: &str, directory: &Path, second: u32, shell: &str) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("history::tests_process::{name}"), "--nocapture"]);
    command.env(DIRECTORY, directory).env(SECOND, second.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// The directory, in the process that was started by [`again`].
fn part() -> Option<(PathBuf, u32)> {
    let second = std::env::var(SECOND).ok()?.parse().unwrap();
    Some((PathBuf::from(std::env::var_os(DIRECTORY)?), second))
}

/// A machine of some 60 series whose busy share says which second it is.
fn sample(second: u32) -> Snapshot {
    let names: Vec<String> = (0..25).map(|number| format!("if{number}")).collect();
    let rates = testing::with_interfaces(&names, f64::from(second % 97));
    let busy = testing::busy(START + f64::from(second), f64::from(second % 10));
    Snapshot { interfaces: rates.interfaces, ..busy }
}

/// How many samples of each 10 s the file holds.
pub(super) fn stored(directory: &Path) -> Vec<(i64, f32)> {
    let (mut database, _) = patiently(|| match store::open(&directory.join(FILE)) {
        Err(Failure::InUse) => None,
        opened => Some(opened.unwrap()),
    });
    store::check(&mut database).unwrap();
    let mut samples = Vec::new();
    let from = START as i64 / 10;
    store::read(&database, 0, from, from + 10_000, &[tier::SAMPLES], |_, points| {
        samples.extend(points.iter().map(|(slot, point)| (slot - from, point.mean)));
    })
    .unwrap();
    samples
}

/// Records second after second as fast as the disk syncs, and tells what was recorded and what is synced.
fn record_and_tell(directory: &Path, begin: u32) {
    let history = open(Some(directory));
    let mut out = std::io::stdout();
    for second in begin.. {
        writeln!(out, "\nrecorded {second}").unwrap();
        let Some(batch) = lock(&history.live).record(&sample(second)) else { continue };
        history.send(batch).unwrap();
        let database = patiently(|| history.disk.as_ref().unwrap().database());
        let newest = (START as i64 + i64::from(second)) / 10;
        let samples = (second % 10 + 1) as f32;
        while !store::newest(&database, 0)
            .is_ok_and(|row| row.is_some_and(|r| r.slot == newest && r.samples() == samples))
        {
            std::thread::yield_now();
        }
        writeln!(out, "\nsynced {second}").unwrap();
    }
}

#[test]
fn fifty_kills_lose_no_more_than_ten_seconds() {
    if let Some((directory, begin)) = part() {
        return record_and_tell(&directory, begin);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut begin = 0;
    for round in 0..50_u64 {
        let mut child = again("fifty_kills_lose_no_more_than_ten_seconds", directory.path(), begin, "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let last = |lines: &mut dyn Iterator<Item = String>| -> (u32, u32) {
            let (mut recorded, mut synced) = (begin, begin);
            for line in lines {
                match line.split_once(' ') {
                    Some(("recorded", second)) => recorded = second.parse().unwrap(),
                    Some(("synced", second)) => synced = second.parse::<u32>().unwrap() + 1,
                    _ => {}
                }
            }
            (recorded, synced)
        };
        assert!(lines.any(|line| line.starts_with("synced")), "round {round}: it never began");
        // A moment that differs from round to round: in the middle of a commit more often than not.
        std::thread::sleep(Duration::from_micros(500 + round * 7_919 % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let (recorded, synced) = last(&mut lines);
        let samples = stored(directory.path());
        let total = samples.iter().map(|(_, samples)| *samples as u32).sum::<u32>();
        assert!(total >= synced, "round {round}: {synced} were synced, {total} are there");
        assert!(recorded + 1 - total <= 10, "round {round}: {recorded} were recorded, {total} are there");
        let (newest, before) = samples.split_last().unwrap();
        let full: Vec<(i64, f32)> = (0..newest.0).map(|slot| (slot, 10.0)).collect();
        assert_eq!(before, full, "round {round}: a gap");
        begin = total;
    }
    let history = open(Some(directory.path()));
    let known = known(&ask(&history, begin, "1d", "cpu.busy", 5_000));
    let full = &known[..known.len() - 2];
    assert!(full.len() >= 20 && full.iter().all(|(_, mean)| (*mean - 4.5).abs() < 1e-3), "{full:?}");
    let set_aside = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(set_aside, 1, "no file was given up");
}

/// The soft limit of the size of a file: what lies beyond is refused as it is by a full disk.
fn limit_files(bytes: Option<u64>) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, rustix::process::Rlimit { current: bytes, maximum: limit.maximum }).unwrap();
}

fn run_out_of_room(directory: &Path, begin: u32) {
    limit_files((begin > 0).then_some(u64::from(begin)));
    let history = History::open_with(Some(directory), Duration::from_secs(1), Duration::from_millis(20)).unwrap();
    if begin == 0 {
        for second in 0..600 {
            record_snapshot(&history, &sample(second));
        }
        limit_files(Some(std::fs::metadata(directory.join(FILE)).unwrap().len()));
    }
    for second in 600..20_000 {
        record_snapshot(&history, &sample(second));
    }
    let seconds = known(&ask(&history, 19_999, "5m", "cpu.busy", 600));
    assert_eq!(seconds.len(), 300, "memory goes on");
    limit_files(None);
    std::thread::sleep(Duration::from_millis(50));
    for second in 20_000..21_000 {
        record_snapshot(&history, &sample(second));
    }
    history.close();
    assert!(
        !std::fs::read_dir(directory).unwrap().any(|entry| entry.unwrap().file_name() != FILE),
        "nothing set aside"
    );
}

/// Plays [`run_out_of_room`] in a process that survives the signal for files that grow too large, and gives the slots
/// that are on disk afterwards.
fn slots_after_a_full_disk(limit_at_open: u32) -> Vec<i64> {
    let directory = tempfile::tempdir().unwrap();
    let mut child =
        again("a_full_disk_stops_the_writing_and_nothing_else", directory.path(), limit_at_open, "trap '' XFSZ;");
    let mut output = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    stored(directory.path()).into_iter().map(|(slot, _)| slot).collect()
}

#[test]
fn a_full_disk_stops_the_writing_and_nothing_else() {
    if let Some((directory, begin)) = part() {
        return run_out_of_room(&directory, begin);
    }
    let slots = slots_after_a_full_disk(0);
    assert!((0..50).all(|slot| slots.contains(&slot)), "what was there before is still there: {slots:?}");
    assert!((2_000..2_100).all(|slot| slots.contains(&slot)), "what comes after is written: {slots:?}");
    assert!((1_800..2_000).all(|slot| slots.contains(&slot)), "and most of the hour before: {slots:?}");
    assert!(!slots.contains(&1_000), "the disk was full then");
    let slots = slots_after_a_full_disk(4_096);
    assert!(!slots.contains(&1_000), "the disk was full then");
    assert!((1_800..2_100).all(|slot| slots.contains(&slot)), "full from the start: {slots:?}");
}

#[test]
fn a_clean_stop_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(Some(directory.path()));
    record(&history, 0..100, |second| f64::from(second % 10));
    history.close();
    drop(history);
    let samples: f32 = stored(directory.path()).iter().map(|(_, samples)| *samples).sum();
    assert_eq!(samples, 100.0);
}
