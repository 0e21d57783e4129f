//! The receiver as a whole, on a disk of its own: what is stored once, what outlives a kill, who may report.

use std::path::Path;

use bytes::Bytes;

use super::*;

fn settings(folder: &Path) -> Settings {
    Settings {
        data_dir: folder.to_owned(),
        systems: Vec::new(),
        auto_register: true,
        most_systems: 3,
        forget_after: Duration::from_secs(30 * 86_400),
        reports_per_second: 1_000_000,
        most_bytes: 1 << 20,
    }
}

fn open(settings: Settings) -> Receiver {
    Receiver::open(settings, None).unwrap()
}

fn report(name: &str, epoch: i64, busy: f64) -> Bytes {
    format!(
        r#"{{"action": "send_stats", "system_id": "{name}", "url": "u", "interval": 10, "epoch": {epoch},
            "stats": {{"cpu": {{"count": 2, "percent_used": {busy}}}, "memory": {{"used": {epoch}}}}}}}"#
    )
    .into()
}

async fn send(receiver: &Receiver, name: &str, epoch: i64) -> Result<Taken, Refused> {
    receiver.take(report(name, epoch, 50.0), None, |_| true).await
}

fn listed(receiver: &Receiver, name: &str) -> Listed {
    receiver.list().into_iter().find(|one| &*one.system_id == name).unwrap()
}

/// The moments of a system's CPU in history.
fn drawn(receiver: &Receiver, name: &str, from: i64, to: i64) -> Vec<i64> {
    let text = |number: i64| Some(number.to_string());
    let parameters = history::Parameters {
        from: text(from),
        to: text(to),
        series: Some("cpu.busy".into()),
        points: Some("5000".into()),
        range: None,
    };
    let Ok(answer) = receiver.history(name, &Query::parse(&parameters).unwrap()) else { return Vec::new() };
    let busy = &answer.series["cpu.busy"];
    // A value that is held over the steps between two samples has no bounds and is not one of its own; at 10 s it is.
    answer.time.iter().zip(&busy.mean).filter(|(_, mean)| mean.is_some()).map(|(time, _)| *time).collect()
}

#[tokio::test]
async fn a_report_is_stored_once_and_told_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(settings(folder.path()));
    assert_eq!(receiver.take(r#"{"action": "check_url"}"#.into(), None, |_| true).await, Ok(Taken::UrlIsRight));
    let check = || receiver.take(r#"{"action": "check_system_id", "system_id": "a"}"#.into(), None, |_| true);
    assert_eq!(check().await, Ok(Taken::Free));
    for epoch in [1_000, 1_010, 1_020, 1_010, 1_020, 1_005, 1_005, 1_030] {
        assert_eq!(send(&receiver, "a", epoch).await, Ok(Taken::Stored));
    }
    assert_eq!(check().await, Ok(Taken::Known));
    let one = listed(&receiver, "a");
    assert_eq!((one.reports, one.repeated, one.out_of_order, one.epoch), (5, 3, 1, Some(1_030)));
    assert!(!one.late && one.clock_wrong == Some(true) && one.last_seen.is_some());
    assert_eq!(receiver.last("a").unwrap().unwrap(), report("a", 1_030, 50.0));
    assert_eq!(receiver.last("b"), Ok(None));
    assert!(matches!(receiver.take("{}".into(), None, |_| true).await, Err(Refused::Malformed(_))));
}

#[tokio::test]
async fn what_was_confirmed_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(settings(folder.path()));
    for n in 0..600 {
        send(&receiver, "a", 10_000 + n * 10).await.unwrap();
    }
    let copy = killed(folder.path());
    let again = open(settings(copy.path()));
    let one = listed(&again, "a");
    assert_eq!((one.reports, one.epoch), (600, Some(15_990)));
    assert_eq!(again.last("a").unwrap().unwrap(), report("a", 15_990, 50.0));
    let expected: Vec<i64> = (0..600).map(|n| 10_000 + n * 10).collect();
    assert_eq!(drawn(&again, "a", 10_000, 16_000), expected);
    // And each is known again.
    for epoch in [15_990, 15_000, 15_980] {
        assert_eq!(send(&again, "a", epoch).await, Ok(Taken::Stored));
    }
    assert_eq!(listed(&again, "a").reports, 600);
    assert_eq!(send(&again, "a", 10_000).await, Err(Refused::TooOld(256)), "too long ago to be known");
}

#[tokio::test]
async fn who_may_report_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let named = Settings { systems: vec!["named".into()], auto_register: false, ..settings(folder.path()) };
    let receiver = open(named.clone());
    assert!(matches!(send(&receiver, "a", 1_000).await, Err(Refused::NotRegistered(_))));
    assert_eq!(send(&receiver, "named", 1_000).await, Ok(Taken::Stored));
    assert!(receiver.knows("named") && !receiver.knows("a"));
    receiver.close_by(Instant::now() + Duration::from_secs(60));
    assert_eq!(send(&receiver, "named", 1_010).await, Err(Refused::Busy), "it ends");
    drop(receiver);
    let receiver = open(Settings { auto_register: true, ..named });
    for name in ["a", "b"] {
        assert_eq!(send(&receiver, name, 1_000).await, Ok(Taken::Stored));
    }
    assert!(matches!(send(&receiver, "c", 1_000).await, Err(Refused::Full(_))));
    assert_eq!(receiver.list().len(), 3);
}

#[tokio::test]
async fn rate_and_room_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(Settings { reports_per_second: 1, most_bytes: 300, ..settings(folder.path()) });
    assert_eq!(send(&receiver, "a", 1_000).await, Ok(Taken::Stored), "the first registers it");
    let answers = [0; 13].map(|_| send(&receiver, "a", 1_000));
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(answers.iter().filter(|answer| **answer == Err(Refused::TooMany(1))).count(), 3, "{answers:?}");
    let large = format!(
        r#"{{"action": "send_stats", "system_id": "b", "epoch": 1, "stats": {{}}, "pad": "{}"}}"#,
        (0..200).map(|n| (n * 7_919).to_string()).collect::<String>()
    );
    assert!(matches!(receiver.take(large.into(), None, |_| true).await, Err(Refused::Full(_))));
    assert!(!receiver.knows("b"), "what could not be stored registers nobody");
}

#[tokio::test]
async fn who_is_silent_is_forgotten_unless_named() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { systems: vec!["named".into()], ..settings(folder.path()) };
    let receiver = open(settings.clone());
    for name in ["named", "a"] {
        for n in 0..100 {
            send(&receiver, name, 1_000 + n * 10).await.unwrap();
        }
    }
    let path = folder.path().join(FILE);
    let mut writer = Writer::new(Arc::clone(&receiver.shared), path, None);
    writer.sweep(now() + 7_200.0);
    assert!(receiver.knows("a") && receiver.shared.read(|all| all.values().all(|one| one.is_resting)));
    writer.sweep(now() + 31.0 * 86_400.0);
    assert!(receiver.knows("named") && !receiver.knows("a"));
    assert_eq!(receiver.last("a"), Ok(None));
    receiver.close_by(Instant::now() + Duration::from_secs(60));
    drop((writer, receiver));
    let receiver = open(settings);
    assert_eq!(receiver.list().len(), 1);
    assert_eq!(drawn(&receiver, "named", 1_000, 2_000).len(), 100);
    assert!(drawn(&receiver, "a", 1_000, 2_000).is_empty());
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_not_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let passed: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (kept, fails) = (Arc::clone(&passed), Arc::new(std::sync::atomic::AtomicBool::new(true)));
    let is_failing = Arc::clone(&fails);
    let forward: Forward = Box::new(move |reports| {
        if is_failing.load(std::sync::atomic::Ordering::Relaxed) {
            return Err("no room".into());
        }
        lock(&kept).extend(reports.iter().map(|report| report.to_vec()));
        Ok(())
    });
    let receiver = Receiver::open(settings(folder.path()), Some(forward)).unwrap();
    assert!(matches!(send(&receiver, "a", 1_000).await, Err(Refused::Disk(_))));
    assert!(!receiver.knows("a"));
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    while send(&receiver, "a", 1_000).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    send(&receiver, "a", 1_000).await.unwrap();
    send(&receiver, "a", 1_010).await.unwrap();
    assert_eq!(*lock(&passed), [report("a", 1_000, 50.0), report("a", 1_010, 50.0)], "each once");
}

/// As a kill leaves it: nothing is closed, history's last batches are not written.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in [FILE, HISTORY_FILE] {
        std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    copy
}

/// Whoever holds one agent's token may report under the name of another. That shows, and costs the other nothing.
#[tokio::test]
async fn moments_that_cannot_be_cost_no_true_report() {
    // In memory, where no report waits for a disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let receiver = open(settings(folder.path()));
    let begin = now() as i64;
    let mut expected = Vec::new();
    for n in 0..12 {
        for lie in 0..20 {
            // Drawn now, and a quarter of an hour ago.
            let epoch = 253_402_300_000 + n * 20 + lie;
            let sent = (lie % 2 == 1).then_some(epoch as f64 + 900.0);
            receiver.take(report("a", epoch, 50.0), sent, |_| true).await.unwrap();
        }
        assert_eq!(listed(&receiver, "a").clock_wrong, Some(true), "it shows");
        // A little ahead, so that each is later than the one before.
        let true_one = begin + 10 + n;
        assert_eq!(receiver.take(report("a", true_one, 80.0), Some(now()), |_| true).await, Ok(Taken::Stored));
        assert_eq!((listed(&receiver, "a").epoch, listed(&receiver, "a").clock_wrong), (Some(true_one), Some(false)));
        assert_eq!(send(&receiver, "a", 253_402_300_000).await, Ok(Taken::Stored), "known again");
        expected.push(true_one);
    }
    let copy = killed(folder.path());
    for receiver in [&receiver, &open(settings(copy.path()))] {
        let found = drawn(receiver, "a", begin - 2_000, begin + 600);
        let near = |moment: &i64| found.iter().any(|one| (one - moment).abs() <= 10);
        assert!(expected.iter().all(near), "{expected:?} in {found:?}");
        assert!(found.iter().all(|one| *one <= expected[11] + 20), "nobody pushes the clock ahead: {found:?}");
        assert!(drawn(receiver, "a", begin + 3_600, 253_402_300_799).is_empty(), "nothing of the future");
        assert_eq!(send(receiver, "a", expected[10]).await, Ok(Taken::Stored), "known again");
        assert_eq!(listed(receiver, "a").reports, 252);
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_is_drawn_when_it_was_true() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(settings(folder.path()));
    let begin = now() as i64;
    // A board without a battery: its clock begins with 1970. What it tells waited for a minute.
    for n in 0..3 {
        receiver.take(report("a", 1_000 + n * 10, 80.0), Some(1_080.0), |_| true).await.unwrap();
    }
    let copy = killed(folder.path());
    for receiver in [&receiver, &open(settings(copy.path()))] {
        let found = drawn(receiver, "a", begin - 200, begin + 100);
        let near = |moment: i64| found.iter().any(|one| (one - moment).abs() <= 10);
        assert!(near(begin - 80) && near(begin - 70) && near(begin - 60), "{found:?} from {begin}");
        assert_eq!(listed(receiver, "a").clock_wrong, Some(true));
    }
}

#[tokio::test]
async fn who_is_refused_by_name_costs_no_write() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(Settings { auto_register: false, systems: vec!["named".into()], ..settings(folder.path()) });
    // Nobody is there who could write.
    receiver.close_by(Instant::now() + Duration::from_secs(60));
    assert!(matches!(send(&receiver, "a", 1_000).await, Err(Refused::NotRegistered(_))));
    assert_eq!(send(&receiver, "named", 1_000).await, Err(Refused::Busy));
}

#[tokio::test]
async fn a_name_that_the_configuration_gave_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let named = Settings { auto_register: false, systems: vec!["a".into()], ..settings(folder.path()) };
    let steps = [
        (Settings { auto_register: true, ..named.clone() }, "b", true),
        (named.clone(), "a", true),
        (Settings { systems: Vec::new(), ..named.clone() }, "a", false),
        // It registered itself while that was allowed.
        (Settings { systems: Vec::new(), ..named.clone() }, "b", true),
        (Settings { systems: Vec::new(), auto_register: true, ..named }, "a", true),
    ];
    for (n, (settings, name, may)) in (0..).zip(steps) {
        let receiver = open(settings);
        assert_eq!(send(&receiver, name, 1_000 + n * 10).await.is_ok(), may, "step {n}");
        receiver.close_by(Instant::now() + Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_damaged_file_costs_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = open(settings(folder.path()));
    for n in 0..100 {
        send(&receiver, "a", 1_000 + n * 10).await.unwrap();
    }
    receiver.close_by(Instant::now() + Duration::from_secs(60));
    drop(receiver);
    std::fs::write(folder.path().join(FILE), b"nonsense").unwrap();
    let receiver = open(settings(folder.path()));
    assert!(folder.path().join(format!("{FILE}.damaged")).exists());
    assert_eq!((listed(&receiver, "a").reports, receiver.last("a")), (0, Ok(None)));
    assert_eq!(drawn(&receiver, "a", 1_000, 2_000).len(), 100);
    send(&receiver, "a", 2_000).await.unwrap();
    assert_eq!(drawn(&receiver, "a", 1_000, 2_010).len(), 101);
}
