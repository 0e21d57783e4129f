//! The process reader against the fixture machine, changing plain folders, and real children.

#![expect(clippy::disallowed_types, reason = "the readers start no programs, their tests need some to look at")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::collect::linux::file::KeptFile;
use crate::collect::linux::load;
use crate::model::{Faults, Machine};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/machine");

fn under(root: &Path) -> Paths {
    Paths {
        procfs: root.join("proc"),
        sysfs: root.join("sys"),
        rootfs: root.join("rootfs"),
        machine: Machine { page_bytes: 4096, ticks_per_second: 100 },
        ..Paths::host()
    }
}

fn find(processes: &RawProcesses, pid: u32) -> Option<&RawProcess> {
    processes.list.iter().find(|process| process.pid == pid)
}

fn name(processes: &RawProcesses, pid: u32) -> Option<&str> {
    find(processes, pid)?.stat.as_ref().map(|stat| &*stat.name)
}

/// Writes the four files of a process.
fn put(root: &Path, pid: u32, comm: &[u8], start: u64, uid: u32, resident: u64) {
    let folder = root.join("proc").join(pid.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let head = format!("{pid} (");
    let rest = format!(") S 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {start} 0 0\n");
    std::fs::write(folder.join("stat"), [head.as_bytes(), comm, rest.as_bytes()].concat()).unwrap();
    std::fs::write(folder.join("statm"), format!("9 {resident} 1 1 0 1 0\n")).unwrap();
    std::fs::write(folder.join("status"), format!("Name:\tx\nUid:\t{uid}\t0\t0\t0\n")).unwrap();
    std::fs::write(folder.join("cmdline"), b"").unwrap();
}

#[test]
fn the_fixture_machine_is_read_in_full() {
    let all = Reader::new(&under(Path::new(FIXTURE))).read_all(false).unwrap();
    assert!(all.complete && all.all_visible);
    assert_eq!(all.list.len(), 18);
    assert!(all.list.is_sorted_by_key(|process| process.pid));
    let names = [1, 11, 412, 1402, 1450, 1477, 1500].map(|pid| name(&all, pid).unwrap());
    let expected = [
        "systemd",
        "kworker/0:1-events",
        "systemd-journald",
        "gnome-terminal-server",
        "firefox-developer-edition",
        "Web Content",
        "tab) R 1 (2 of 3",
    ];
    assert_eq!(names, expected);
    let python = find(&all, 1310).unwrap();
    assert_eq!(python.memory_pages, Some([201_233, 48_712, 7_104, 684, 0, 141_034, 0]));
    assert_eq!(python.uid, Some(1000));
    let stat = python.stat.as_ref().unwrap();
    assert_eq!((stat.state, stat.parent, stat.nice, stat.threads), ('R', 1201, 5, 4));
    assert_eq!((stat.user_ticks, stat.system_ticks, stat.start_ticks), (182_340, 2_207, 90_455));
    assert_eq!(find(&all, 38).unwrap().stat.as_ref().unwrap().nice, -20);
}

#[test]
fn the_top_holds_memory_of_all_and_the_rest_of_ten() {
    let mut reader = Reader::new(&under(Path::new(FIXTURE)));
    let (all, top) = (reader.read_all(false).unwrap(), reader.read_top().unwrap());
    assert!(!top.complete);
    let memory = |processes: &RawProcesses| processes.list.iter().map(|p| (p.pid, p.memory_pages)).collect::<Vec<_>>();
    assert_eq!(memory(&all), memory(&top));
    let described: Vec<_> = top.list.iter().filter(|process| process.stat.is_some()).collect();
    let mut expected: Vec<_> = all.list.iter().collect();
    expected.sort_by_key(|process| (Reverse(process.memory_pages.unwrap()[1]), process.pid));
    expected.truncate(TOP);
    expected.sort_by_key(|process| process.pid);
    assert_eq!(described, expected);
}

#[test]
fn equal_sizes_go_by_pid() {
    let root = tempfile::tempdir().unwrap();
    for pid in 100..140 {
        put(root.path(), pid, b"same", 1, 0, 50);
    }
    let top = Reader::new(&under(root.path())).read_top().unwrap();
    let described: Vec<_> = top.list.iter().filter(|p| p.stat.is_some()).map(|p| p.pid).collect();
    assert_eq!(described, (100..110).collect::<Vec<_>>());
}

#[test]
fn a_reused_pid_is_another_process() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), 7, b"old\xff", 100, 33, 5);
    put(root.path(), 9, b"x", 100, 0, 5);
    let mut reader = Reader::new(&under(root.path()));
    for _ in 0..3 {
        let all = reader.read_all(false).unwrap();
        assert_eq!((name(&all, 7), find(&all, 7).unwrap().uid), (Some("old\u{fffd}"), Some(33)));
    }
    // The same name, so that only the start time tells.
    put(root.path(), 7, b"old\xff", 101, 1000, 6);
    let all = reader.read_all(false).unwrap();
    assert_eq!(find(&all, 7).unwrap().uid, Some(1000));
    assert_eq!(find(&all, 7).unwrap().stat.as_ref().unwrap().start_ticks, 101);
    std::fs::remove_dir_all(root.path().join("proc/7")).unwrap();
    assert_eq!(find(&reader.read_top().unwrap(), 7), None);
}

#[test]
fn one_bad_file_costs_one_field() {
    let root = tempfile::tempdir().unwrap();
    for pid in 1..5 {
        put(root.path(), pid, b"x", 1, 1000, 5);
    }
    let file = |pid: u32, file: &str| root.path().join(format!("proc/{pid}/{file}"));
    std::fs::remove_file(file(1, "statm")).unwrap();
    std::fs::write(file(2, "stat"), "garbage").unwrap();
    std::fs::write(file(3, "status"), "").unwrap();
    let mut reader = Reader::new(&under(root.path()));
    let all = reader.read_all(false).unwrap();
    let seen: Vec<_> = all.list.iter().map(|p| (p.memory_pages.is_some(), p.stat.is_some(), p.uid)).collect();
    let whole = (true, true, Some(1000));
    assert_eq!(seen, [(false, true, Some(1000)), (true, false, Some(1000)), (true, true, None), whole]);
    for pid in 1..5 {
        std::fs::write(file(pid, "stat"), "").unwrap();
    }
    let path = file(1, "stat").display().to_string();
    let error = ReadError::Parse { path, line: 1, reason: "no name in parentheses".into() };
    assert_eq!(reader.read_all(false), Err(error));
    assert!(matches!(Reader::new(&under(Path::new("/nowhere"))).read_all(false), Err(ReadError::Unsupported { .. })));
}

/// A child that is killed and waited for when the test ends.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads until `done`, for at most a minute, listing `/proc` only where a process was started since.
fn wait_for(reader: &mut Reader, done: impl Fn(&RawProcesses) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut loadavg = KeptFile::new(Paths::host().proc("loadavg"));
    let mut pass = || {
        reader.note_newest_pid(
            loadavg
                .read_text_with(|path, text| load::parse_loadavg(path, text, &mut Faults::default()))
                .unwrap()
                .newest_pid,
        );
        reader.read_all(false).unwrap()
    };
    while !done(&pass()) {
        assert!(Instant::now() < end, "not seen in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_child_is_seen_to_start_to_change_and_to_end() {
    for budget in [0, 300] {
        let mut reader = Reader::with_budget(&Paths::host(), budget);
        reader.read_all(false).unwrap();
        let child = Command::new("sh").args(["-c", "read x; exec sleep 60"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut child = Kept(child);
        let pid = child.0.id();
        wait_for(&mut reader, |all| matches!(name(all, pid), Some("sh" | "dash" | "bash")));
        let all = reader.read_all(false).unwrap();
        let found = find(&all, pid).unwrap();
        assert_eq!(found.stat.as_ref().unwrap().parent, std::process::id());
        assert_eq!(found.uid, Some(rustix::process::getuid().as_raw()));
        assert!(found.memory_pages.unwrap()[1] > 0);
        child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        wait_for(&mut reader, |all| name(all, pid) == Some("sleep"));
        drop(child);
        let all = reader.read_all(false).unwrap();
        assert_eq!(find(&all, pid), None);
    }
}

#[test]
fn a_long_name_is_known_in_full() {
    let root = tempfile::tempdir().unwrap();
    let program = root.path().join("a-name-past-fifteen-bytes");
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let child = Kept(Command::new(&program).arg("60").spawn().unwrap());
    let mut reader = Reader::new(&Paths::host());
    wait_for(&mut reader, |all| name(all, child.0.id()) == Some("a-name-past-fifteen-bytes"));
}

#[test]
fn any_budget_tells_the_same() {
    let [mut none, mut few, mut plenty] = [0, 7, 300].map(|budget| Reader::with_budget(&Paths::host(), budget));
    let children: Vec<_> = (0..8).map(|_| Kept(Command::new("sleep").arg("60").spawn().unwrap())).collect();
    // Before it sleeps its files still change.
    for child in &children {
        let sleeps = |stat: &RawProcessStat| &*stat.name == "sleep" && stat.state == 'S';
        wait_for(&mut plenty, |all| find(all, child.0.id()).and_then(|p| p.stat.as_ref()).is_some_and(sleeps));
    }
    let starts = |all: &RawProcesses| -> BTreeMap<u32, u64> {
        all.list.iter().filter_map(|p| p.stat.as_ref().map(|stat| (p.pid, stat.start_ticks))).collect()
    };
    let mut compared = 0;
    for _ in 0..20 {
        let before = plenty.read_all(false).unwrap();
        let others = [none.read_all(false).unwrap(), few.read_all(false).unwrap()];
        let after = plenty.read_all(false).unwrap();
        // The kernel may take memory from a child at any time.
        let stands_still = |child: &Kept| find(&before, child.0.id()) == find(&after, child.0.id());
        let still: Vec<u32> = children.iter().filter(|child| stands_still(child)).map(|child| child.0.id()).collect();
        compared += still.len();
        let mut after = starts(&after);
        // Other tests start and end children meanwhile: only what was there all the time is compared.
        let first = starts(&before);
        after.retain(|pid, start| first.get(pid) == Some(start));
        assert!(after.len() > children.len() && after.contains_key(&1));
        for other in others {
            let seen = starts(&other);
            assert!(after.iter().all(|(pid, start)| seen.get(pid) == Some(start)));
            // Other processes may execute another program between two passes; these sleep.
            for pid in &still {
                assert_eq!(find(&other, *pid), find(&before, *pid));
            }
        }
    }
    assert!(compared > children.len(), "{compared} children stood still");
}

/// Runs the rest of the test `name` in a process of its own, whose descriptors no other test touches. True in there.
fn alone(name: &str) -> bool {
    const KEY: &str = "PSMONITOR_TEST_ALONE";
    if std::env::var_os(KEY).is_some() {
        return true;
    }
    let test = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", &test]).env(KEY, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    false
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn descriptors_are_flat_after_many_passes() {
    if !alone("descriptors_are_flat_after_many_passes") {
        return;
    }
    let before = open_descriptors();
    let budget = 40;
    let mut reader = Reader::with_budget(&Paths::host(), budget);
    for pass in 0..200 {
        if pass % 10 == 0 {
            drop(Kept(Command::new("sleep").arg("60").spawn().unwrap()));
        }
        reader.read_all(false).unwrap();
        reader.read_top().unwrap();
        // One more is the folder itself.
        assert!(open_descriptors() <= before + budget + 1);
    }
    assert!(reader.table.kept() > 2);
    reader.release();
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_pass_survives_that_descriptors_run_out() {
    if !alone("a_pass_survives_that_descriptors_run_out") {
        return;
    }
    let children: Vec<_> = (0..40).map(|_| Kept(Command::new("sleep").arg("60").spawn().unwrap())).collect();
    let mut reader = Reader::with_budget(&Paths::host(), 10_000);
    reader.read_all(false).unwrap();
    let few = rustix::process::Rlimit { current: Some(32), maximum: None };
    let old = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let few = rustix::process::Rlimit { maximum: old.maximum, ..few };
    reader.release();
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    for _ in 0..3 {
        let all = reader.read_all(false).unwrap();
        for child in &children {
            let found = find(&all, child.0.id()).unwrap();
            assert!(found.stat.is_some() && found.memory_pages.is_some() && found.uid.is_some());
        }
        // One of the largest may have ended between two of its files.
        let mut top = || reader.read_top().unwrap().list.iter().filter(|process| process.stat.is_some()).count();
        assert!((0..20).any(|_| top() == TOP));
    }
    assert!(reader.table.kept() < 32);
}
