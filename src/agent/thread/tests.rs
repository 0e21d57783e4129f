//! Ten simulated minutes of a receiver that dies, hangs, cuts off, answers what it likes, and of an agent that is killed
//! meanwhile: clock and network are the test's, spool and receiver are the real ones on a disk.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use super::*;
use crate::agent::Bounds;
use crate::history::{Parameters, Query};
use crate::receiver::{Receiver, Settings, Taken};

/// The simulated world: seconds since the begin, and what there is of the other side.
struct World {
    begin: Instant,
    /// Unix seconds at the begin.
    unix: i64,
    seconds: Mutex<f64>,
    receiver: Receiver,
    runtime: tokio::runtime::Runtime,
    /// Moments of the reports that were stored, in the order in which they came first.
    stored: Mutex<Vec<i64>>,
    tries: AtomicU64,
    kills: AtomicU64,
}

impl World {
    fn now(&self) -> f64 {
        *self.seconds.lock().unwrap()
    }

    fn pass(&self, seconds: f64) {
        *self.seconds.lock().unwrap() += seconds;
    }

    fn store(&self, body: &[u8]) {
        let before = self.receiver.list().first().map_or(0, |one| one.reports);
        let taken = self.runtime.block_on(self.receiver.take(bytes::Bytes::copy_from_slice(body), None, |_| true));
        assert_eq!(taken, Ok(Taken::Stored));
        if self.receiver.list()[0].reports > before {
            let report: serde_json::Value = serde_json::from_slice(body).unwrap();
            self.stored.lock().unwrap().push(report["epoch"].as_i64().unwrap());
        }
    }
}

fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, String> {
    let retry_after = retry_after.map(Duration::from_secs);
    Ok(Answer { status, retry_after, takes_gzip: false, wants_tls: false, text: String::new() })
}

/// As what `kill -9` ends.
struct Killed;

/// What the receiver does in each of the ten minutes, and at each 13th request the agent is killed as it waits for the answer.
struct Whimsical(Arc<World>);

impl Carrier for Whimsical {
    fn shown(&self) -> String {
        "http://simulated/".to_owned()
    }

    fn read_token(&mut self) -> Result<(), ClientError> {
        Ok(())
    }

    fn post(&self, _: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let world = &self.0;
        let try_number = world.tries.fetch_add(1, Ordering::Relaxed);
        world.pass(0.01);
        let minute = (world.now() / 60.0) as u64;
        // Well for the first ten seconds of each minute, and after the last.
        let is_well = minute >= 10 || world.now() % 60.0 < 10.0;
        let outcome = match minute {
            _ if is_well => {
                world.store(body);
                answer(200, None)
            }
            0 => Err("connection refused".to_owned()),
            1 | 2 => {
                world.pass(10.0);
                if minute == 2 {
                    // It was stored, and the answer came too late.
                    world.store(body);
                }
                Err("timeout".to_owned())
            }
            3 => {
                world.store(body);
                Err("connection reset".to_owned())
            }
            4 => answer(500, None),
            5 => answer(429, Some(7)),
            6 => Err("no HTTP at all".to_owned()),
            7 => answer([401, 408, 302, 503][try_number as usize % 4], None),
            8 => answer(503, Some(100_000)),
            _ => answer(599, None),
        };
        if try_number % 13 == 12 {
            world.kills.fetch_add(1, Ordering::Relaxed);
            resume_unwind(Box::new(Killed));
        }
        outcome
    }
}

fn open(folder: &Path) -> Arc<Spool> {
    let bounds = Bounds { most_bytes: 1 << 30, most_age: Duration::from_secs(1 << 30) };
    Arc::new(Spool::open(Some(&folder.join("spool.redb")), bounds).unwrap())
}

fn receiver(folder: &Path) -> Receiver {
    let settings = Settings {
        data_dir: folder.to_owned(),
        systems: Vec::new(),
        auto_register: true,
        most_systems: 1,
        forget_after: Duration::from_secs(1 << 30),
        reports_per_second: 1_000_000,
        most_bytes: 1 << 20,
    };
    Receiver::open(settings, None).unwrap()
}

#[test]
fn ten_minutes_of_a_receiver_that_does_as_it_likes_lose_nothing_and_bring_nothing_twice() {
    // Two thousand times the disk is waited for; in memory that takes no time.
    let folder = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (here, there) = (folder(), folder());
    let world = Arc::new(World {
        begin: Instant::now(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed() - 10_000,
        seconds: Mutex::new(0.0),
        receiver: receiver(there.path()),
        runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        stored: Mutex::default(),
        tries: AtomicU64::new(0),
        kills: AtomicU64::new(0),
    });
    let clock = || world.begin + Duration::from_secs_f64(world.now());
    let report = |second: i64| {
        format!(
            r#"{{"action":"send_stats","system_id":"a","interval":1,"epoch":{},"stats":{{"cpu":{{"percent_used":5}}}}}}"#,
            world.unix + second
        )
    };
    let is_over = AtomicBool::new(false);
    let mut made = 0;
    let mut lives = 0;
    // One life of the agent after the other; what is left of one is its file.
    while made < 600 || open(here.path()).counts().entries > 0 {
        lives += 1;
        assert!(lives < 1_000 && world.now() < 7_200.0, "it comes to no end: {} s", world.now());
        let life = catch_unwind(AssertUnwindSafe(|| {
            let spool = open(here.path());
            let mut lane =
                Lane::carried_by(Kind::Reports, Arc::clone(&spool), Box::new(Whimsical(Arc::clone(&world))), 1);
            while made < 600 || spool.counts().entries > 0 {
                // A report each second, whatever the lane is busy with.
                while made < 600 && made as f64 <= world.now() {
                    spool.push(&[report(made).as_bytes()]);
                    made += 1;
                }
                if let Some(wait) = lane.step(&clock, &is_over) {
                    world.pass(wait.as_secs_f64().min(1.0));
                }
            }
        }));
        if let Err(why) = life {
            assert!(why.is::<Killed>(), "the agent panicked");
        }
    }
    let expected: Vec<i64> = (0..600).map(|second| world.unix + second).collect();
    assert_eq!(*world.stored.lock().unwrap(), expected, "every report, once, in order");
    let one = &world.receiver.list()[0];
    assert_eq!((one.reports, one.out_of_order), (600, 0));
    assert!(one.repeated > 0 && world.kills.load(Ordering::Relaxed) > 10, "{} again, {lives} lives", one.repeated);
    // And each is drawn.
    let text = |number: i64| Some(number.to_string());
    let parameters = Parameters {
        from: text(world.unix),
        to: text(world.unix + 600),
        series: Some("cpu.busy".into()),
        points: Some("5000".into()),
        range: None,
    };
    let drawn = world.receiver.history("a", &Query::parse(&parameters).unwrap()).unwrap();
    let means = drawn.series["cpu.busy"].mean.iter().filter(|mean| mean.is_some()).count();
    assert!(i64::try_from(means).unwrap() * drawn.step_seconds >= 600, "{means} points of {} s", drawn.step_seconds);
}
