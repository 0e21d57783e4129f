//! Tests of what single requests get, and when.

use super::*;

#[test]
fn lone_requests_share_the_pass_that_the_first_one_caused() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        tokio::time::sleep(SECOND / 2).await;
        script.takes("slow", Duration::from_millis(10));
        let ask = || async { sampler.latest(Subjects::SENSORS).await.unwrap() };
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert_eq!([slow(&first), slow(&second), slow(&third)], [Some(1); 3]);
        assert_eq!((first.tick(), script.count("vital")), (2, 2), "the vitals are those of the last tick");
        // Later, as long as it is at most one interval old, without any pass.
        tokio::time::sleep(Duration::from_millis(950)).await;
        assert_eq!((slow(&*ask().await), script.count("slow")), (Some(1), 1));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!((slow(&*ask().await), script.count("slow")), (Some(2), 2));
        // Vitals are whatever the last tick had.
        let vitals = sampler.latest(Subjects::VITALS).await.unwrap();
        assert_eq!((vital(&vitals), script.count("vital")), (Some(3), 3));
    });
}

#[test]
fn a_hundred_pollers_cost_one_reading_an_interval() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        for poll in 0..1_000 {
            let subjects = if poll % 2 == 0 { Subjects::SENSORS } else { Subjects::ALL_PROCESSES };
            let frame = sampler.latest(subjects).await.unwrap();
            assert!(frame.answers(subjects, Instant::now() - SECOND));
            tokio::time::sleep(SECOND / 100).await;
        }
        for name in ["slow", "process"] {
            assert!((10..=11).contains(&script.count(name)), "{name}: {}", script.count(name));
        }
        let reads = script.reads.lock().unwrap().clone();
        let times: Vec<_> = reads.iter().filter(|(name, ..)| *name == "slow").map(|(_, at, _)| *at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] > SECOND / 2), "{times:?}");
    });
}

#[test]
fn a_stream_and_a_poller_of_the_same_share_the_ticks_reading() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::SENSORS);
        for _ in 0..10 {
            next(&mut watch).await;
            tokio::time::sleep(SECOND / 3).await;
            sampler.latest(Subjects::SENSORS).await.unwrap();
        }
        assert_eq!(script.count("slow"), script.count("vital"));
    });
}

#[test]
fn who_wants_more_of_a_source_gets_it_without_the_others_losing_theirs() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        let mut watch = sampler.watch(Subjects::TOP_PROCESSES);
        next(&mut watch).await;
        tokio::time::sleep(SECOND / 2).await;
        sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
        let asked = || script.reads.lock().unwrap().iter().rfind(|read| read.0 == "process").unwrap().2;
        assert_eq!(asked(), Subjects::ALL_PROCESSES);
        // A poller is expected again: the next tick reads for it too.
        next(&mut watch).await;
        next(&mut watch).await;
        let count = script.count("process");
        assert_eq!(asked(), Subjects::ALL_PROCESSES);
        tokio::time::sleep(SECOND / 2).await;
        sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
        assert_eq!(script.count("process"), count, "read once for both");
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(asked(), Subjects::TOP_PROCESSES, "it went away");
    });
}

#[test]
fn without_its_vitals_there_is_no_tick_and_requests_are_told() {
    on_paused_clock(async {
        let script = Script::default();
        script.takes("tick", 1_000 * SECOND);
        let sampler = script.start(SECOND);
        assert_eq!(sampler.latest(Subjects::VITALS).await.err(), Some(StandsStill));
        assert!(!sampler.is_alive());
        assert_eq!(sampler.punctuality().ticks, 0);
    });
}

/// However long the machine took over it: the reading is older than an interval when it comes.
#[test]
fn what_a_request_caused_is_in_its_frame() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND / 10);
        script.lingers("tick", Duration::from_millis(150));
        for idle in [0, 40, 99, 100, 101, 950, 31_000] {
            tokio::time::sleep(Duration::from_millis(idle)).await;
            let frame = sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
            assert!(processes(&frame).is_some(), "after {idle} ms");
        }
    });
}

/// One subject was fresh enough when the request came, and no more when the other one had been read for it.
#[test]
fn what_was_fresh_when_a_request_came_stays_in_its_frame() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        tokio::time::sleep(SECOND / 2).await;
        sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
        tokio::time::sleep(Duration::from_millis(990)).await;
        script.takes("slow", Duration::from_millis(15));
        let frame = sampler.latest(Subjects::ALL_PROCESSES.with(Subjects::SENSORS)).await.unwrap();
        assert_eq!((processes(&frame), slow(&frame), script.count("process")), (Some(1), Some(1), 1));
    });
}

#[test]
fn a_frame_answers_what_it_holds_and_nothing_else() {
    on_paused_clock(async {
        let script = Script::default();
        let begin = Instant::now();
        let sampler = script.start(SECOND);
        sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
        let mut watch = sampler.watch(Subjects::VITALS);
        let mut held = Vec::new();
        while held.len() < 5 {
            let frame = next(&mut watch).await;
            assert_eq!(frame.answers(Subjects::ALL_PROCESSES, begin), processes(&frame).is_some());
            held.push(processes(&frame).is_some());
        }
        assert!(!held[4], "nobody wants them, so they are not derived for ever");
    });
}

/// Else its vitals would be null.
#[test]
fn nobody_is_told_anything_before_the_first_tick() {
    on_paused_clock(async {
        let script = Script::default();
        script.takes("tick", Duration::from_millis(2_500));
        let sampler = script.start(SECOND / 10);
        let frame = sampler.latest(Subjects::SENSORS).await.unwrap();
        assert_eq!((vital(&frame), slow(&frame).is_some()), (Some(1), true));
    });
}

/// The first one's needs are read at the tick; what the second one needs besides is read right after.
#[test]
fn who_asks_for_more_right_after_another_gets_rates_over_a_whole_interval() {
    on_paused_clock(async {
        let script = Script::default();
        let sampler = script.start(SECOND);
        tokio::time::sleep(Duration::from_millis(700)).await;
        let span = |frame: &Frame| frame.snapshot().readings.pair::<Processes>().unwrap().seconds;
        for round in 0..5 {
            let narrow = sampler.latest(Subjects::TOP_PROCESSES).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            let wide = sampler.latest(Subjects::ALL_PROCESSES).await.unwrap();
            for frame in [&narrow, &wide] {
                assert!(span(frame).is_none_or(|seconds| seconds >= 0.2), "round {round}: {:?}", span(frame));
            }
            assert!(round == 0 || span(&wide) >= Some(0.9), "round {round}: {:?}", span(&wide));
            tokio::time::sleep(4 * SECOND).await;
        }
    });
}
