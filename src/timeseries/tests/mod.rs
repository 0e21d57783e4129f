//! The store as a whole, on a made-up clock: hosts apart from each other here, the rest in the files below.

mod clock;
mod damage;
mod disk;
mod kill;
mod silent;

use super::*;

/// A round moment: a multiple of an hour and of every block.
const START: f64 = 1_728_000_000.0;

/// With samples a second apart, and a batch every ninth.
pub(super) fn bounds(hosts: usize) -> Bounds {
    let (interval, batch) = (Duration::from_secs(1), Duration::from_secs_f64(8.5));
    Bounds { hosts, busy_series: 64, interval, retry: Duration::from_millis(20), batch }
}

/// Opens a store whose clock the test makes up. One that is in use may have been closed while its disk was slow.
fn open(directory: Option<&Path>) -> Store {
    let store = patiently(|| match Store::open(directory, bounds(3)) {
        Err(StoreError::InUse { .. }) => None,
        opened => Some(opened.unwrap()),
    });
    store.wait_until_checked();
    store
}

/// Tries until there is an answer, for at most a minute.
fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "not within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Store {
    /// Waits until the file was read through, for at most a minute.
    pub(crate) fn wait_until_checked(&self) {
        let Some(disk) = &self.disk else { return };
        patiently(|| disk.is_checked().then_some(()));
    }

    /// Writes what is left and closes the file.
    fn close(&self) {
        self.close_by(Instant::now() + Duration::from_secs(60));
    }
}

fn flips(second: u32) -> f64 {
    f64::from(second % 10)
}

/// Records the values of `fill`, and waits for the writer when it is behind: a made-up clock is faster than any disk.
fn record_values(store: &Store, host: &str, time: f64, fill: impl FnOnce(&mut Values<'_>)) {
    store.record(host, time, Some(1.0), fill).unwrap();
    patiently(|| {
        let mut hosts = lock(&store.hosts);
        let state = hosts.get_mut(host)?;
        if !state.is_sent()
            && let Some(batch) = state.take_batch()
            && let Err(batch) = store.send(host, batch)
        {
            state.put_back(batch);
            return None;
        }
        Some(())
    });
}

/// Records the series `x` of this machine at a moment.
fn record_at(store: &Store, time: f64, value: f64) {
    record_values(store, THIS_MACHINE, time, |values| values.put(&["x"], Unit::Ratio, Some(value)));
}

/// Records `x` = `value(i)` at second `i` after `START`.
fn record(store: &Store, seconds: impl Iterator<Item = u32>, value: impl Fn(u32) -> f64) {
    seconds.for_each(|second| record_at(store, START + f64::from(second), value(second)));
}

/// The points of a host's series in `from` to `to` seconds after `START`, with the begin and length of their slots.
fn points(store: &Store, host: &str, name: &str, from: i64, to: i64) -> Vec<(i64, i64, Point)> {
    let (view, start) = (store.view(host), START as i64);
    let Some(series) = view.series.iter().find(|series| &*series.name == name) else { return Vec::new() };
    let mut found = Vec::new();
    view.read(view.tier_from(start + from), start + from..start + to, &[series.id], |id, step, points| {
        if id == series.id {
            found.extend(points.iter().map(|(slot, point)| (slot * step - start, step, *point)));
        }
    });
    found
}

/// Times and means of `x` of this machine.
fn means(store: &Store, from: i64, to: i64) -> Vec<(i64, f32)> {
    points(store, THIS_MACHINE, "x", from, to).into_iter().map(|(time, _, point)| (time, point.mean)).collect()
}

/// How many samples the file holds of each 10 s, numbered from `START`.
fn stored(directory: &Path) -> Vec<(i64, f32)> {
    let (mut database, _) = patiently(|| match file::open(&directory.join(FILE)) {
        Err(Failure::InUse) => None,
        opened => Some(opened.unwrap()),
    });
    file::check(&mut database).unwrap();
    let (mut samples, start) = (Vec::new(), START as i64 / 10);
    let reader = file_reader::Reader::open(&database, THIS_MACHINE).unwrap().unwrap();
    let each = |_, points: &[(i64, Point)]| samples.extend(points.iter().map(|(slot, p)| (slot - start, p.mean)));
    reader.read(0, 0..i64::MAX, &[SAMPLES], each).unwrap();
    samples
}

/// Names of the files beside the store's.
fn set_aside(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != FILE).collect()
}

#[test]
fn hosts_have_series_clocks_and_gaps_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    let put = |value: u32| move |values: &mut Values<'_>| values.put(&["x"], Unit::Ratio, Some(f64::from(value)));
    for second in 0..5_000 {
        record_values(&store, "", START + f64::from(second), put(1));
        // This one reports what happened a day ago, as an agent does that was cut off.
        record_values(&store, "web1", START - 86_400.0 + f64::from(second), put(2));
        if second % 2 == 0 {
            record_values(&store, "web2", START + f64::from(second), |values| {
                values.put_dynamic(&["y"], Unit::Bytes, Some(3.0));
            });
        }
    }
    let check = |store: &Store| {
        let of = |host, name| points(store, host, name, -86_400, 5_000);
        assert!(of("", "x").iter().all(|(time, _, point)| *time >= 0 && point.mean == 1.0));
        let web1 = of("web1", "x");
        assert!(web1.iter().all(|(time, _, point)| *time < -80_000 && point.mean == 2.0));
        assert!(web1.len() >= 500, "{}", web1.len());
        assert!(of("web2", "y").iter().all(|(_, _, point)| point.mean == 3.0) && of("web2", "x").is_empty());
        assert!(of("web3", "x").is_empty() && store.view("web3").newest.is_none());
        assert_eq!(store.view("web2").series.iter().map(|s| (&*s.name, s.id)).collect::<Vec<_>>(), [("y", 1)]);
    };
    check(&store);
    assert_eq!(store.record("web3", START, None, put(4)), Err(TooManyHosts(3)));
    store.close();
    drop(store);
    check(&open(Some(directory.path())));
}

#[test]
fn a_thousand_hosts_are_found_by_name_and_one_is_read_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(Some(directory.path()), bounds(1_001)).unwrap();
    let name = |number: usize| format!("host{number}");
    for second in 0..30 {
        for number in 0..1_000 {
            let fill = |values: &mut Values<'_>| values.put(&["x"], Unit::Ratio, Some(number as f64));
            store.record(&name(number), START + f64::from(second), Some(1.0), fill).unwrap();
        }
    }
    store.close();
    drop(store);
    let store = patiently(|| Store::open(Some(directory.path()), bounds(1_001)).ok());
    store.wait_until_checked();
    for number in [0, 499, 999] {
        let found = points(&store, &name(number), "x", 0, 30);
        assert_eq!(
            found.iter().map(|(time, _, point)| (*time, point.mean)).collect::<Vec<_>>(),
            [0, 10, 20].map(|t| (t, number as f32))
        );
    }
}

#[test]
fn it_can_be_shared_between_who_records_and_who_reads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(Some(directory.path())));
    shared(&store);
    let asking = Arc::clone(&store);
    let asker = std::thread::spawn(move || {
        (0..200).map(|_| points(&asking, THIS_MACHINE, "x", 0, 2_000).len()).collect::<Vec<_>>()
    });
    record(&store, 0..2_000, flips);
    assert!(asker.join().unwrap().is_sorted(), "what is known stays known");
    assert_eq!(means(&store, 0, 2_000).len(), 2_000);
}
