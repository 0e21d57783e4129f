//! Tests of the sampler on a paused clock, with readers that a test scripts: how long each takes, and what it says.

mod request;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Mutex;

use super::*;
use crate::collect::{Answer, Source};
use crate::model::{Pair, ReadError};

const SECOND: Duration = Duration::from_secs(1);

/// Makes a sampler of scripted readers, and tells what they did.
#[derive(Clone, Default)]
struct Script {
    /// How long each lane takes. Shared with the readers, as the rest.
    takes: Arc<Mutex<HashMap<&'static str, Duration>>>,
    /// How long each lane takes to bring what it has read, on a machine that has no time for it.
    lingers: Arc<Mutex<HashMap<&'static str, Duration>>>,
    /// When each reader read, and for whom.
    reads: Arc<Mutex<Vec<Read>>>,
    panics: Arc<Mutex<Vec<&'static str>>>,
}

/// Which reader, when, and for whom.
type Read = (&'static str, Duration, Subjects);

/// What the scripted readers count: one more at each reading.
struct Vital(u64);
struct Slow(u64);
struct Processes(u64);

impl Script {
    fn takes(&self, lane: &'static str, time: Duration) {
        self.takes.lock().unwrap().insert(lane, time);
    }

    fn lingers(&self, lane: &'static str, time: Duration) {
        self.lingers.lock().unwrap().insert(lane, time);
    }

    /// Readings of one reader so far.
    fn count(&self, name: &str) -> usize {
        self.reads.lock().unwrap().iter().filter(|(reader, ..)| *reader == name).count()
    }

    fn source<T: Send + Sync + 'static>(&self, name: &'static str, serves: Subjects, make: fn(u64) -> T) -> Source {
        let (script, begin) = (self.clone(), Instant::now());
        let mut count = 0;
        let read = move |asked, _: &mut crate::model::Faults| {
            script.reads.lock().unwrap().push((name, begin.elapsed(), asked));
            count += 1;
            if script.panics.lock().unwrap().contains(&name) {
                std::panic::panic_any(name);
            }
            Ok(make(count))
        };
        Source::counters(name, serves, |_, _| {}, read)
    }

    /// A reader of vitals, one of sensors that may hang, one of processes that answers no more than was asked.
    fn sources(&self) -> Vec<Source> {
        vec![
            self.source("vital", Subjects::VITALS, Vital).each_tick(),
            self.source("process", Subjects::ALL_PROCESSES, Processes).in_tick().partial(Some(30 * SECOND)),
            self.source("slow", Subjects::SENSORS, Slow).may_hang(),
        ]
    }

    /// Starts the sampler on a local task. Readers take their time in the clock's time, not in real time.
    fn start(&self, interval: Duration) -> Sampler {
        self.start_with(interval, None, Vec::new())
    }

    fn start_with(
        &self,
        interval: Duration,
        background: Option<(Subjects, Duration)>,
        observers: Vec<Observer>,
    ) -> Sampler {
        let (script, times) = (self.clone(), [Arc::clone(&self.takes), Arc::clone(&self.lingers)]);
        let launch: Launch = Box::new(move |(lane, job)| {
            let [takes, lingers] =
                times.each_ref().map(|times| times.lock().unwrap().get(lane).copied().unwrap_or_default());
            tokio::spawn(async move {
                tokio::time::sleep(takes).await;
                let done = job();
                tokio::time::sleep(lingers).await;
                done
            })
        });
        let settings = Settings { interval, paths: Paths::host(), background, observers };
        let (sampler, clock) = Sampler::with_sources(settings, Box::new(move || script.sources()), launch);
        tokio::task::spawn_local(clock);
        sampler
    }
}

/// Runs a test on a paused clock.
fn on_paused_clock(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn number<T: Send + Sync + 'static>(frame: &Frame, pick: fn(&T) -> u64) -> Option<u64> {
    frame.snapshot().raw::<T>().map(pick)
}

fn vital(frame: &Frame) -> Option<u64> {
    number::<Vital>(frame, |vital| vital.0)
}

fn slow(frame: &Frame) -> Option<u64> {
    number::<Slow>(frame, |slow| slow.0)
}

fn processes(frame: &Frame) -> Option<u64> {
    number::<Processes>(frame, |processes| processes.0)
}

fn error(frame: &Frame, name: &str) -> Option<ReadError> {
    frame.snapshot().readers.iter().find(|run| run.reader == name).unwrap().error.clone()
}

async fn next(watch: &mut Watch) -> Arc<Frame> {
    watch.next(Stride::new(0, Duration::ZERO, SECOND)).await.unwrap()
}

#[test]
fn streams_get_every_tick_and_the_second_one_soon() {
    on_paused_clock(async {
        let script = Script::default();
        let begin = Instant::now();
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::SENSORS);
        let mut times = Vec::new();
        for tick in 1..=4 {
            let frame = next(&mut watch).await;
            assert_eq!((frame.tick(), vital(&frame), slow(&frame)), (tick, Some(tick), Some(tick)));
            times.push(begin.elapsed().as_millis());
        }
        assert_eq!(times, [0, 200, 1200, 2200]);
        assert_eq!(script.count("process"), 0, "nobody wants them");
        assert_eq!(
            sampler.punctuality(),
            Punctuality { ticks: 4, skipped: 0, lateness_seconds: 0.0, age_seconds: Some(0.0) }
        );
        drop(watch);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(script.count("slow"), 4, "nobody wants it any more");
    });
}

#[test]
fn intervals_are_from_a_tenth_of_a_second_to_an_hour() {
    for (interval, expected) in [(SECOND / 10, [0, 100, 200, 300]), (3600 * SECOND, [0, 200, 3_600_200, 7_200_200])] {
        on_paused_clock(async move {
            let (script, begin) = (Script::default(), Instant::now());
            let sampler = script.start(interval);
            let mut watch = sampler.watch(Subjects::VITALS);
            let mut times = Vec::new();
            for _ in 0..4 {
                next(&mut watch).await;
                times.push(begin.elapsed().as_millis());
            }
            assert_eq!(times, expected);
            assert!(sampler.is_alive());
        });
    }
}

#[test]
fn a_slow_reader_delays_a_tick_by_the_grace_and_no_more() {
    on_paused_clock(async {
        let (script, begin) = (Script::default(), Instant::now());
        script.takes("slow", Duration::from_millis(15));
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::SENSORS);
        let frame = next(&mut watch).await;
        assert_eq!((slow(&frame), begin.elapsed().as_millis()), (Some(1), 15), "it is waited for");
        script.takes("slow", Duration::from_millis(300));
        next(&mut watch).await;
        let frame = next(&mut watch).await;
        assert_eq!((slow(&frame), begin.elapsed().as_millis()), (Some(2), 1235), "the one before, its own comes late");
        // A request waits for it.
        tokio::time::sleep(3 * SECOND).await;
        drop(watch);
        tokio::time::sleep(2 * SECOND).await;
        let asked = Instant::now();
        let before = slow(&sampler.shared.latest.borrow().clone().unwrap());
        let frame = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert!(slow(&frame) > before && asked.elapsed() >= Duration::from_millis(300), "{:?}", asked.elapsed());
    });
}

#[test]
fn a_reader_that_hangs_costs_its_own_numbers() {
    on_paused_clock(async {
        let (script, begin) = (Script::default(), Instant::now());
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::SENSORS);
        next(&mut watch).await;
        script.takes("slow", 100 * SECOND);
        tokio::time::sleep(SECOND / 2).await;
        // Nobody waits for it beyond its deadline, and only the first one waits at all.
        let late = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert_eq!(slow(&late), Some(1));
        tokio::time::sleep(2 * SECOND).await;
        let asked = Instant::now();
        let frame = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert!(asked.elapsed() < Duration::from_millis(50), "{:?}", asked.elapsed());
        assert!(matches!(error(&frame, "slow"), Some(ReadError::Stuck { .. })));
        assert_eq!((slow(&frame), error(&frame, "vital")), (Some(1), None), "what it said last still holds");
        while begin.elapsed() < 20 * SECOND {
            next(&mut watch).await;
        }
        assert_eq!(sampler.punctuality().skipped, 0);
        let frame = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert_eq!((slow(&frame), vital(&frame).is_some()), (None, true), "it holds for a while and not for ever");
        // It comes back.
        script.takes("slow", Duration::ZERO);
        tokio::time::sleep(100 * SECOND).await;
        let frame = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert!(slow(&frame) > Some(2) && error(&frame, "slow").is_none());
    });
}

#[test]
fn ticks_that_are_missed_are_counted_and_not_caught_up() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::VITALS);
        next(&mut watch).await;
        next(&mut watch).await;
        // The machine is suspended, or the sampler gets no CPU.
        tokio::time::sleep(SECOND / 2).await;
        tokio::time::advance(Duration::from_millis(3_200)).await;
        let frame = next(&mut watch).await;
        let punctuality = sampler.punctuality();
        assert_eq!((frame.tick(), punctuality.skipped), (3, 2));
        assert!((2.6..2.8).contains(&punctuality.lateness_seconds), "{punctuality:?}");
        let before = Instant::now();
        next(&mut watch).await;
        assert!(before.elapsed() <= SECOND && script.count("vital") == 4);
    });
}

#[test]
fn a_reader_that_panics_costs_its_own_numbers_and_starts_anew() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::SENSORS.with(Subjects::ALL_PROCESSES));
        next(&mut watch).await;
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&'static str>().is_none_or(|name| !["process", "slow"].contains(name)) {
                told(info);
            }
        }));
        script.panics.lock().unwrap().extend(["process", "slow"]);
        let frame = next(&mut watch).await;
        assert_eq!((vital(&frame), error(&frame, "vital")), (Some(2), None));
        for name in ["process", "slow"] {
            assert!(matches!(error(&frame, name), Some(ReadError::Io { .. })), "{name}");
        }
        assert_eq!(slow(&frame), None);
        script.panics.lock().unwrap().clear();
        let frame = next(&mut watch).await;
        assert_eq!((vital(&frame), slow(&frame), error(&frame, "process")), (Some(3), Some(1), None));
    });
}

#[test]
fn the_background_is_read_at_its_own_pace_and_observers_see_every_tick() {
    on_paused_clock(async {
        let script = Script::default();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        let observer: Observer = Box::new(move |snapshot| {
            log.borrow_mut().push(snapshot.raw::<Slow>().map(|slow| slow.0));
        });
        let _sampler = script.start_with(SECOND, Some((Subjects::SENSORS, 10 * SECOND)), vec![observer]);
        tokio::time::sleep(Duration::from_millis(31_500)).await;
        assert_eq!(script.count("vital"), 33);
        assert_eq!(script.count("slow"), 4);
        assert_eq!(seen.borrow().len(), 33);
        assert!(seen.borrow().iter().all(Option::is_some), "it holds between two readings");
    });
}

#[test]
fn what_a_frame_has_is_of_the_reading_and_the_one_before_it() {
    let mut source = Source::counters("count", Subjects::VITALS, |told: &u64, now| *now = (*now).max(*told), {
        let mut values = [Ok(5_u64), Ok(3), Err(()), Ok(9), Ok(10)].into_iter();
        move |_, _| values.next().unwrap().map_err(|()| ReadError::Stuck { path: "here".to_owned() })
    });
    let mut read = |seconds: f64| {
        let Answer { reading, error, .. } = source.read(Duration::from_secs_f64(seconds), Subjects::VITALS);
        let mut readings = crate::model::Readings::default();
        readings.put(reading);
        let pair = readings.pair::<u64>();
        (pair.map(|Pair { previous, current, seconds }| (previous.copied(), *current, seconds)), error.is_some())
    };
    assert_eq!(read(1.0), (Some((None, 5, None)), false));
    assert_eq!(read(2.0), (Some((Some(5), 5, Some(1.0))), false), "held");
    assert_eq!(read(3.0), (None, true));
    assert_eq!(read(4.0), (Some((Some(5), 9, Some(2.0))), false), "the last good one");
    assert_eq!(read(4.15), (Some((Some(5), 10, Some(2.15))), false), "9 was a moment ago: no rate comes of that");
}

/// As when one client asks for a part and another one for all of it right after: the machine's own counting shows then.
#[test]
fn a_rate_spans_a_fifth_of_a_second_or_half_an_interval() {
    let spans = |shortest: Option<Duration>, moments: &[u64]| {
        let mut source = Source::counters("count", Subjects::VITALS, |_, _| {}, |_, _| Ok(1_u64));
        shortest.into_iter().for_each(|shortest| source.shortest_span = shortest);
        let told = moments.iter().map(|moment| {
            let Answer { reading, .. } = source.read(Duration::from_millis(*moment), Subjects::VITALS);
            let mut readings = crate::model::Readings::default();
            readings.put(reading);
            readings.pair::<u64>().unwrap().seconds.map(|seconds| (seconds * 1_000.0).round() as u64)
        });
        told.collect::<Vec<_>>()
    };
    let some = |spans: &[u64]| spans.iter().map(|span| Some(*span).filter(|span| *span > 0)).collect::<Vec<_>>();
    assert_eq!(spans(None, &[0, 60, 199, 200, 260, 1_200, 1_260, 2_200]), some(&[0, 0, 0, 200, 200, 940, 1_000, 940]));
    // However many come, those that were first are counted from in time.
    let often: Vec<u64> = (0..100).map(|number| number * 10).collect();
    let told = spans(None, &often);
    assert!(told[20..].iter().all(|span| (200..400).contains(&span.unwrap())), "{told:?}");
    assert_eq!(
        spans(Some(SECOND / 20), &[0, 100, 200, 300]),
        some(&[0, 100, 100, 100]),
        "ticks of a tenth of a second"
    );
}
