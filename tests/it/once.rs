//! Clients of every kind at once, and each source of the machine read once: by one reader, at most once a tick. A source
//! that hangs costs its own numbers.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]
#![allow(clippy::print_stdout, reason = "what was counted is shown with a failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::busy::Over;
use crate::load::next_frame;
use crate::machine::Machine;
use crate::support::Server;
use crate::wire::{Raw, ticks, wait_until};

/// How often each file of `/proc` and `/sys` was opened, and how often read from its beginning, by strace's account. What
/// belongs to a process is left out, but for the tables of the network.
fn counts(trace: &Path) -> BTreeMap<String, (usize, usize)> {
    let mut counts = BTreeMap::<String, (usize, usize)>::new();
    // A long file is read in pieces up to its end: that is one reading.
    let mut is_begun = BTreeSet::<String>::new();
    for file in std::fs::read_dir(trace).expect("the trace") {
        let text = std::fs::read_to_string(file.expect("a file of a thread").path()).expect("text");
        for line in text.lines() {
            // `openat(AT_FDCWD</>, "/proc/stat", O_RDONLY) = 5</proc/stat>`, `pread64(5</proc/stat>, "cpu  1"..., 4096, 0) = 1203`
            let Some((call, rest)) = line.split_once('(') else { continue };
            let is_opened = call == "openat";
            let place = if is_opened { rest.rsplit_once('<') } else { rest.split_once('<') };
            let Some((path, _)) = place.and_then(|(_, path)| path.split_once('>')) else { continue };
            let has_some = !rest.ends_with("= 0") && !rest.ends_with("= -1");
            let read = match call {
                "read" if has_some => usize::from(is_begun.insert(path.to_owned())),
                "pread64" => usize::from(has_some && rest.contains(", 0) = ")),
                _ => {
                    is_begun.remove(path);
                    0
                }
            };
            let of_process = |path: &str| path[6..].starts_with(|first: char| first.is_ascii_digit());
            let is_of_kernel = path.starts_with("/sys/")
                || path.starts_with("/proc/") && (!of_process(path) || path.contains("/net/"));
            if is_of_kernel {
                let count = counts.entry(path.to_owned()).or_default();
                *count = (count.0 + usize::from(is_opened), count.1 + read);
            }
        }
    }
    counts
}

#[test]
fn every_source_is_read_once_a_tick_whoever_asks() {
    const TICKS: usize = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::traced::<&str>(folder.path(), &["openat", "read", "pread64"], &[]);
    let is_over = AtomicBool::new(false);
    let every_second = |path: &str, at: Duration| {
        std::thread::sleep(at);
        while !is_over.load(Ordering::SeqCst) {
            let begin = Instant::now();
            assert_eq!(server.get(path).status, 200, "{path}");
            std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
        }
    };
    let (before, after, seconds) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = Raw::psmonitor(&server);
            while !is_over.load(Ordering::SeqCst) {
                next_frame(&mut stream);
            }
        });
        scope.spawn(|| {
            let mut events = server.events("/api/v1/stream", &[]);
            while !is_over.load(Ordering::SeqCst) {
                assert!(events.next().is_some(), "the stream goes on");
            }
        });
        for (at, path) in ["/metrics", "/api/network", "/api/disk", "/api/cpu", "/api/4/all"].into_iter().enumerate() {
            let every_second = &every_second;
            scope.spawn(move || every_second(path, Duration::from_millis(170 * at as u64)));
        }
        // Facts that do not change are read at the first tick, and whatever is kept is opened.
        let _over = Over(&is_over);
        let begin = ticks(&server);
        wait_until("all is open", || ticks(&server) >= begin + 3);
        let (before, since) = (counts(folder.path()), Instant::now());
        let begin = ticks(&server);
        wait_until("some ticks", || ticks(&server) >= begin + TICKS);
        let after = counts(folder.path());
        (before, after, since.elapsed().as_secs() as usize)
    });
    let during = |path: &str| {
        let ((opened_after, read_after), (opened, read)) =
            (after.get(path).copied().unwrap_or_default(), before.get(path).copied().unwrap_or_default());
        (opened_after - opened, read_after - read)
    };
    let ticks = during("/proc/stat").1;
    assert!((TICKS - 1..=TICKS * 2).contains(&ticks), "{ticks} readings in {TICKS} ticks");
    for path in after.keys() {
        let (opened, read) = during(path);
        println!("{read:3} read {opened:3} opened in {ticks} ticks: {path}");
        // The trace may be looked at in the middle of a tick at either end. On a busy machine ticks are left out, and who asks
        // meanwhile has the source read all the same.
        let most = ticks.max(seconds) + 1;
        assert!(opened <= most && read <= most, "{path}: {opened} opened, {read} read in {ticks} ticks, {seconds} s");
    }
    // Both were asked for all along; under strace an answer takes its time.
    for source in ["/proc/meminfo", "/proc/vmstat"] {
        assert!(during(source).1 + 1 >= ticks, "{source} is read at every tick");
    }
    let udp = during(&format!("/proc/{}/net/udp", server.pid())).1;
    assert!(udp >= ticks / 3, "sockets were asked for at every second: {udp} readings");
}

#[test]
fn a_chip_that_hangs_costs_hwmon_and_no_other_table() {
    let machine = Machine::copy();
    let page = |server: &Server| server.get("/metrics").text();
    /// Names of the families of a page, but for those of the chips.
    fn families(page: &str) -> Vec<&str> {
        let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        families.filter(|line| !line.starts_with("node_hwmon_")).collect()
    }
    let whole = page(&Server::start(&machine.args()));
    assert!(whole.contains("node_hwmon_temp_celsius{") && whole.contains("success{collector=\"hwmon\"} 1"));
    // Whoever opens a pipe that nobody writes to waits for ever.
    let pipe = machine.path("sys/class/hwmon/hwmon1/temp1_input");
    std::fs::remove_file(&pipe).expect("a file");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
    let mut server = Server::start(&machine.args());
    for _ in 0..3 {
        let begin = Instant::now();
        let part = page(&server);
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        assert_eq!(families(&part), families(&whole));
        assert!(!part.contains("node_hwmon_"), "its chips are unknown");
        let fates = |page: &str| {
            let fates = page.lines().filter(|line| line.starts_with("node_scrape_collector_success{"));
            fates.map(str::to_owned).collect::<Vec<_>>()
        };
        let changed: Vec<_> = fates(&part).into_iter().filter(|fate| !fates(&whole).contains(fate)).collect();
        assert_eq!(changed, ["node_scrape_collector_success{collector=\"hwmon\"} 0"]);
    }
    server.assert_well();
}
