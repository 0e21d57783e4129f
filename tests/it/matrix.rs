//! Every file of the fixture machine missing, empty and garbage, one at a time. Every route still answers 200, and every
//! command of psiod is answered, with all keys. What changes is null, and `tests/golden/it-matrix.json` says for the main
//! files what that is, field by field; a field that is not named there is as on the untouched machine. `UPDATE_GOLDEN=1`
//! rewrites it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::busy::turn;
use crate::fixtures::ask;
use crate::machine::Machine;
use crate::support::{Server, tests_folder};
use crate::wire::{ticks, wait_until};

const ROUTES: [&str; 12] = [
    "/system",
    "/network",
    "/api/cpu",
    "/api/memory",
    "/api/disk",
    "/api/diskio",
    "/api/network",
    "/api/uptime",
    "/api/platform",
    "/api/cpumodel",
    "/api/processes",
    "/api/4/all",
];

/// psiod's commands.
const COMMANDS: [&str; 7] = [
    "process.getall",
    "cpu.getall",
    "memory.getall",
    "disk.getall",
    "disk.root.getstats",
    "network.getstats",
    "host.getstats",
];

/// Objects whose keys are names of things, which may be gone.
const BY_NAME: [&str; 4] = ["/network.statistics", "/network.averages", "/network.wireless", "/api/diskio"];

/// Files whose effect is written down field by field.
const MAIN_FILES: [&str; 24] = [
    "proc/stat",
    "proc/meminfo",
    "proc/vmstat",
    "proc/loadavg",
    "proc/uptime",
    "proc/diskstats",
    "proc/cpuinfo",
    "proc/1/mountinfo",
    "proc/net/dev",
    "proc/net/tcp",
    "proc/net/udp6",
    "proc/net/unix",
    "proc/net/if_inet6",
    "proc/1310/stat",
    "proc/1310/statm",
    "proc/1310/status",
    "proc/1450/cmdline",
    "proc/sys/kernel/hostname",
    "root/etc/os-release",
    "root/etc/passwd",
    "sys/class/hwmon/hwmon0/temp1_input",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/net/eth0/flags",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    Missing,
    Empty,
    Garbage,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Garbage => "garbage",
        }
    }

    fn apply(self, path: &Path) {
        fs::remove_file(path).expect("the file is removed");
        match self {
            Self::Missing => {}
            Self::Empty => fs::write(path, "").expect("the file is written"),
            Self::Garbage => fs::write(path, b"\xff\xfe garbage -1 99999999999999999999999 NaN\n\0(((\n  : = ,\n")
                .expect("the file is written"),
        }
    }
}

/// Whether every reader has answered, well or not, and so has the disk. One that others keep waiting for too long is given up for
/// a while, and its numbers are null; what it has read once is told for seconds.
fn has_read_all(server: &Server) -> bool {
    let snapshot = server.json("/api/v1/snapshot");
    let readers = snapshot["readers"].as_array().expect("the readers");
    let is_stuck = |reader: &Value| reader["error"].as_str().is_some_and(|error| error.ends_with("no answer yet"));
    let disks = snapshot["filesystems"].as_array();
    let root = disks.and_then(|disks| disks.iter().find(|disk| disk["mount_point"] == "/"));
    !readers.is_empty() && !readers.iter().any(is_stuck) && root.is_none_or(|root| !root["usage"].is_null())
}

/// All answers after three ticks, under their routes.
fn answers(machine: &Machine) -> Value {
    let mut args = machine.args();
    args.extend(["--interval", "100ms", "--workers", "1"].map(String::from));
    let mut server = Server::start(&args);
    wait_until("three ticks", || ticks(&server) >= 3);
    wait_until("all is read", || has_read_all(&server));
    let mut all = Map::new();
    for route in ROUTES {
        let response = server.request("GET", route, &[("Accept", "application/json")], b"");
        assert_eq!(response.status, 200, "{route}: {}", response.text());
        let mut answer = response.json();
        assert!(answer.is_object(), "{route}: {answer}");
        hide_what_moves(route, &mut answer);
        all.insert(route.to_owned(), answer);
    }
    let mut socket = server.socket("/");
    for command in COMMANDS {
        let mut answer = ask(&mut socket, json!({"name": command}));
        assert_eq!(answer["type"], "response", "{command}: {answer}");
        hide_what_moves(command, &mut answer["data"]);
        all.insert(command.to_owned(), answer);
    }
    server.assert_well();
    Value::Object(all)
}

/// The real disk's numbers are `#`, whatever they are, and so is who runs the tests.
fn hide_what_moves(route: &str, answer: &mut Value) {
    if let Some(user) = answer.get_mut("user") {
        *user = json!("#");
    }
    if route == "/api/4/all" {
        hide_times(answer);
        for row in answer["fs"].as_array_mut().into_iter().flatten() {
            ["size", "used", "free", "percent"].into_iter().for_each(|key| row[key] = json!("#"));
        }
    }
    let object = match route {
        "/system" => answer.get_mut("disk"),
        "disk.root.getstats" => Some(answer),
        "/api/disk" => answer.pointer_mut("/disk_usage/0").filter(|row| row["path"] == "/"),
        _ => None,
    };
    for number in object.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).filter(|v| v.is_number())
    {
        *number = json!("#");
    }
}

/// When it was and how much time went by between two readings.
fn hide_times(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match key.as_str() {
                    "time_since_update" | "iso" | "custom" if !value.is_null() => *value = json!("#"),
                    _ => hide_times(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide_times),
        _ => {}
    }
}

/// The key that tells one row of a list from the others.
fn identity(row: &Value) -> Option<String> {
    const KEYS: [&str; 13] = [
        "pid",
        "Id",
        "name",
        "path",
        "mountpoint",
        "cpu",
        "num",
        "addr",
        "interface_name",
        "disk_name",
        "mnt_point",
        "cpu_number",
        "label",
    ];
    let key = KEYS.iter().find_map(|key| row.get(key))?;
    Some(key.to_string().trim_matches('"').to_owned())
}

/// What differs, by the place; `<gone>` and `<new>` for rows and names. Panics when a key of the answer's form is absent or
/// has another type.
fn compare(at: &str, untouched: &Value, found: &Value, changes: &mut BTreeMap<String, Value>) {
    if untouched == found {
        return;
    }
    match (untouched, found) {
        (Value::Object(untouched), Value::Object(found)) => {
            for (key, value) in untouched {
                match found.get(key) {
                    Some(found) => compare(&format!("{at}.{key}"), value, found, changes),
                    None => {
                        assert!(BY_NAME.contains(&at), "{at} has no key {key}");
                        changes.insert(format!("{at}.{key}"), json!("<gone>"));
                    }
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !untouched.contains_key(*key)) {
                changes.insert(format!("{at}.{key}"), json!({"<new>": value}));
            }
        }
        (Value::Array(untouched), Value::Array(found)) => compare_lists(at, untouched, found, changes),
        (_, found) => {
            let same_type = std::mem::discriminant(untouched) == std::mem::discriminant(found);
            assert!(same_type || untouched.is_null() || found.is_null(), "{at} was {untouched}, is {found}");
            changes.insert(at.to_owned(), found.clone());
        }
    }
}

fn compare_lists(at: &str, untouched: &[Value], found: &[Value], changes: &mut BTreeMap<String, Value>) {
    let identities = |list: &[Value]| list.iter().map(identity).collect::<Option<Vec<_>>>();
    let is_set = |list: &[String]| list.iter().enumerate().all(|(at, name)| !list[..at].contains(name));
    match (identities(untouched), identities(found)) {
        (Some(before), Some(now)) if is_set(&before) && is_set(&now) => {
            for (name, row) in before.iter().zip(untouched) {
                match now.iter().position(|other| other == name) {
                    Some(index) => compare(&format!("{at}[{name}]"), row, &found[index], changes),
                    None => drop(changes.insert(format!("{at}[{name}]"), json!("<gone>"))),
                }
            }
            for name in now.iter().filter(|name| !before.contains(name)) {
                changes.insert(format!("{at}[{name}]"), json!("<new>"));
            }
        }
        _ if untouched.len() == found.len() => {
            for (index, (before, now)) in untouched.iter().zip(found).enumerate() {
                compare(&format!("{at}[{index}]"), before, now, changes);
            }
        }
        _ => drop(changes.insert(at.to_owned(), json!(format!("<{} rows, were {}>", found.len(), untouched.len())))),
    }
}

/// One field's change for all rows of a list is one line.
fn fold(changes: BTreeMap<String, Value>) -> Map<String, Value> {
    let mut folded: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (place, value) in changes {
        let (pattern, row) = match place.rsplit_once('[').and_then(|(list, rest)| Some((list, rest.rsplit_once(']')?)))
        {
            Some((list, (row, field))) => (format!("{list}[*]{field}"), row.to_owned()),
            None => (place, String::new()),
        };
        folded.entry((pattern, value.to_string())).or_default().push(row);
    }
    let mut map = Map::new();
    for ((pattern, value), rows) in folded {
        let value: Value = serde_json::from_str(&value).expect("JSON");
        if rows.len() > 2 {
            map.insert(format!("{} and {} more", pattern.replace('*', &rows[0]), rows.len() - 1), value);
        } else {
            for row in rows {
                map.insert(pattern.replace('*', &row), value.clone());
            }
        }
    }
    map
}

#[test]
fn every_file_missing_empty_and_garbage() {
    let _turn = turn();
    let original = Machine::original();
    let untouched = answers(&original);
    assert_eq!(untouched, answers(&original), "what moves by itself is hidden");
    let mut jobs: Vec<(PathBuf, Variant)> = Vec::new();
    for file in original.files() {
        jobs.push((file.clone(), Variant::Missing));
        if !original.path(&file).is_symlink() {
            jobs.extend([(file.clone(), Variant::Empty), (file, Variant::Garbage)]);
        }
    }
    assert!(jobs.len() > 600, "only {} jobs", jobs.len());
    let (jobs, results) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    // Most of a server's time here is waiting for ticks.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let machine = Machine::copy();
                while let Some((file, variant)) = {
                    let mut jobs = jobs.lock().expect("jobs");
                    jobs.pop()
                } {
                    let outcome = std::panic::catch_unwind(|| one(&machine, &original, &untouched, &file, variant));
                    let outcome = outcome.map_err(|panic| {
                        panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned())
                    });
                    results.lock().expect("results").push((file, variant, outcome));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("results");
    results.sort_by(|a, b| (&a.0, a.1.name()).cmp(&(&b.0, b.1.name())));
    let mut failures = String::new();
    let mut golden = Map::new();
    for (file, variant, outcome) in results {
        let name = format!("{} {}", file.display(), variant.name());
        match outcome {
            Ok(changes) => {
                if MAIN_FILES.iter().any(|main| Path::new(main) == file) {
                    golden.insert(name, Value::Object(changes));
                }
            }
            Err(failure) => failures.push_str(&format!("{name}: {failure}\n")),
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert_eq!(golden.len(), MAIN_FILES.len() * 3);
    check_golden(&Value::Object(golden));
}

/// What one bad file changes.
fn one(machine: &Machine, original: &Machine, untouched: &Value, file: &Path, variant: Variant) -> Map<String, Value> {
    let path = machine.path(file);
    let target = fs::read_link(&path);
    variant.apply(&path);
    let outcome = std::panic::catch_unwind(|| {
        let found = answers(machine);
        let mut changes = BTreeMap::new();
        for route in ROUTES.iter().chain(&COMMANDS) {
            compare(route, &untouched[*route], &found[*route], &mut changes);
        }
        fold(changes)
    });
    match target {
        Ok(target) => std::os::unix::fs::symlink(target, &path).expect("the link is back"),
        Err(_) => drop(fs::copy(original.path(file), &path).expect("the file is back")),
    }
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

const GOLDEN: &str = "golden/it-matrix.json";

fn golden() -> Value {
    let text = fs::read_to_string(tests_folder().join(GOLDEN)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn check_golden(found: &Value) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(found).expect("JSON") + "\n";
        fs::write(tests_folder().join(GOLDEN), text).expect("the golden file is written");
    }
    let wanted = golden();
    let empty = Map::new();
    let mut differences = String::new();
    let (wanted, found) = (wanted.as_object().unwrap_or(&empty), found.as_object().unwrap_or(&empty));
    for name in wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name))) {
        if wanted.get(name) != found.get(name) {
            let show = |value: Option<&Value>| value.map(ToString::to_string).unwrap_or_default();
            differences.push_str(&format!(
                "{name}\n  found  {}\n  wanted {}\n",
                show(found.get(name)),
                show(wanted.get(name))
            ));
        }
    }
    assert!(differences.is_empty(), "{GOLDEN} differs\n{differences}");
}
