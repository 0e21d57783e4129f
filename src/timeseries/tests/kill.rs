//! A store in a process of its own, which is killed or runs out of room. The test starts its own binary again, with
//! a variable that says which part to play.

use std::io::{BufRead, BufReader, Write};
#[expect(clippy::disallowed_types, reason = "tests start a second process to kill it")]
use std::process::Command;
use std::process::{Child, Stdio};

use super::*;

const DIRECTORY: &str = "PSMONITOR_TEST_HISTORY_DIR";
const SECOND: &str = "PSMONITOR_TEST_HISTORY_SECOND";

/// This binary again, to run the one test `name` with `directory`; `shell` comes before it on the command line.
#[expect(clippy::disallowed_types, reason = "tests start a second process to kill it")]
fn again(name: &str, directory: &Path, second: u32, shell: &str) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\"")).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("timeseries::tests::kill::{name}"), "--nocapture"]);
    command.env(DIRECTORY, directory).env(SECOND, second.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// The directory, in the process that was started by [`again`].
fn part() -> Option<(PathBuf, u32)> {
    let second = std::env::var(SECOND).ok()?.parse().unwrap();
    Some((PathBuf::from(std::env::var_os(DIRECTORY)?), second))
}

/// Some 50 series, of which `x` says which second it is.
fn sample(second: u32) -> impl Fn(&mut Values<'_>) {
    move |values| {
        values.put(&["x"], Unit::Ratio, Some(flips(second)));
        for number in 0..50 {
            let name = number.to_string();
            values.put_dynamic(&["rate", &name], Unit::BytesPerSecond, Some(f64::from(second % 97)));
        }
    }
}

/// Records second after second as fast as the disk syncs, and tells what was recorded and what is synced.
fn record_and_tell(directory: &Path, begin: u32) {
    let store = open(Some(directory));
    let mut out = std::io::stdout();
    for second in begin.. {
        writeln!(out, "\nrecorded {second}").unwrap();
        let time = START + f64::from(second);
        let batch = lock(&store.hosts)
            .entry(THIS_MACHINE.into())
            .or_insert_with(|| Host::new(LoadedHost::default(), &store.bounds, true))
            .record(time, Some(1.0), sample(second));
        let Some(batch) = batch else { continue };
        store.send(THIS_MACHINE, batch).unwrap();
        let (newest, samples) = (time as i64 / 10, (second % 10 + 1) as f32);
        patiently(|| {
            let database = store.disk.as_ref()?.database()?;
            let row = file_reader::Reader::open(&database, THIS_MACHINE).ok()??.newest(0).ok()??;
            (row.slot == newest && row.samples() == samples).then_some(())
        });
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
    let known = means(&open(Some(directory.path())), 0, i64::from(begin));
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

/// [`sample`], and in all other series that there is room for, noise: what no packing makes small.
fn noisy_sample(second: u32) -> impl Fn(&mut Values<'_>) {
    move |values| {
        sample(second)(values);
        for number in 50..MOST_DYNAMIC_SERIES as u32 {
            let noise = (second * 1_000 + number).wrapping_mul(2_654_435_761);
            let noise = (noise ^ noise >> 15).wrapping_mul(2_246_822_519) >> 16 & 63;
            values.put_dynamic(
                &["noise", &number.to_string()],
                Unit::BytesPerSecond,
                Some(2_f64.powi(noise.cast_signed())),
            );
        }
    }
}

/// A sample every ten seconds: 600 s that are on the disk, then noise that does not fit into the room that there is, then
/// all the room that is wanted. `limit` is the room from the start; 0 leaves what the first 600 s take.
fn run_out_of_room(directory: &Path, limit: u32) {
    limit_files((limit > 0).then_some(u64::from(limit)));
    let bounds = Bounds { batch: Duration::from_secs(120), retry: Duration::from_millis(200), ..bounds(1) };
    let store = Store::open(Some(directory), bounds).unwrap();
    let record = |second: u32, fill: &dyn Fn(&mut Values<'_>)| {
        record_values(&store, THIS_MACHINE, START + f64::from(second), fill);
    };
    let newest = || store.stored(THIS_MACHINE).map_or(-1, |(slot, _)| slot - START as i64 / 10);
    let give = || {
        patiently(|| {
            store.flush();
            lock(&store.hosts)[THIS_MACHINE].is_sent().then_some(())
        });
    };
    if limit == 0 {
        (0..600).step_by(10).for_each(|second| record(second, &sample(second)));
        // The room is measured once nothing is being written any more.
        give();
        patiently(|| (newest() == 59).then_some(()));
        limit_files(Some(std::fs::metadata(directory.join(FILE)).unwrap().len()));
    }
    (600..20_000).step_by(10).for_each(|second| record(second, &noisy_sample(second)));
    assert_eq!(means(&store, 19_700, 20_000).len(), 30, "memory goes on");
    // What waits is no more than an hour and a half: what came first is lost for good.
    assert!(newest() < 1_400, "there was room for {} slots", newest());
    limit_files(None);
    (20_000..21_000).step_by(10).for_each(|second| record(second, &sample(second)));
    // By the next try, not by what the end writes.
    patiently(|| {
        give();
        (newest() == 2_099).then_some(())
    });
    store.close();
    assert!(set_aside(directory).is_empty(), "nothing set aside");
}

/// Plays [`run_out_of_room`] in a process that survives the signal for files that grow too large, and gives the slots
/// that are on disk afterwards.
fn slots_after_a_full_disk(limit: u32) -> Vec<i64> {
    let directory = tempfile::tempdir().unwrap();
    let mut child = again("a_full_disk_stops_the_writing_and_nothing_else", directory.path(), limit, "trap '' XFSZ;");
    let mut output = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    stored(directory.path()).into_iter().map(|(slot, _)| slot).collect()
}

#[test]
fn a_full_disk_stops_the_writing_and_nothing_else() {
    if let Some((directory, limit)) = part() {
        return run_out_of_room(&directory, limit);
    }
    let slots = slots_after_a_full_disk(0);
    assert!((0..50).all(|slot| slots.contains(&slot)), "what was there before is still there: {slots:?}");
    assert!((2_000..2_100).all(|slot| slots.contains(&slot)), "what comes after is written: {slots:?}");
    assert!((1_800..2_000).all(|slot| slots.contains(&slot)), "and most of the hour before: {slots:?}");
    assert!((60..2_000).any(|slot| !slots.contains(&slot)), "the disk was full then");
    let slots = slots_after_a_full_disk(4_096);
    assert!((60..2_000).any(|slot| !slots.contains(&slot)), "the disk was full then");
    assert!((1_800..2_100).all(|slot| slots.contains(&slot)), "full from the start: {slots:?}");
}
