//! One bad line of a kernel file costs the values of that line and no other.
//!
//! In every kernel file of the fixture machine a line after the other is spoilt in every way: all answers stay 200, nothing is
//! told that is not so, and what is lost belongs to the line. `tests/golden/it-lines.json` says for each line what that is;
//! `UPDATE_GOLDEN=1` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::busy::turn;
use crate::machine::Machine;
use crate::support::{Server, tests_folder};
use crate::wire::{ticks, wait_until};

/// The answers that tell everything.
const ROUTES: [&str; 4] = ["/api/v1/snapshot", "/api/network", "/api/processes", "/api/cpumodel"];

/// Those that need only be there.
const MORE_ROUTES: [&str; 5] = ["/system", "/network", "/api/memory", "/api/disk", "/api/diskio"];

/// Tables that the fixture machine lacks.
const TABLES: [(&str, &str); 7] = [
    (
        "proc/net/snmp",
        "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: ActiveOpens PassiveOpens InErrs\nTcp: 11 12 13\n\
         Udp: InDatagrams NoPorts\nUdp: 21 22\n",
    ),
    (
        "proc/net/netstat",
        "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 31 32\nIpExt: InOctets OutOctets\nIpExt: 41 42\n",
    ),
    ("proc/net/snmp6", "Ip6InOctets  51\nIcmp6InMsgs  52\nUdp6NoPorts  53\n"),
    ("proc/net/sockstat", "sockets: used 61\nTCP: inuse 62 orphan 63 mem 64\nUDP: inuse 65 mem 66\n"),
    (
        "proc/net/softnet_stat",
        "00000047 00000001 00000002 0 0 0 0 0 0 0 0 0 00000000\n00000048 00000003 00000004 0 0 0 0 0 0 0 0 0 00000001\n",
    ),
    (
        "proc/net/arp",
        "IP address       HW type     Flags       HW address            Mask     Device\n\
         192.168.1.1      0x1         0x2         02:00:00:00:00:01     *        eth0\n\
         172.17.0.2       0x1         0x2         02:00:00:00:00:02     *        docker0\n",
    ),
    ("proc/schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 71 72 73\ndomain0 3 1\ncpu1 0 0 0 0 0 0 81 82 83\n"),
];

/// Files of the fixture machine that have lines.
const FILES: [&str; 17] = [
    "proc/stat",
    "proc/meminfo",
    "proc/vmstat",
    "proc/loadavg",
    "proc/uptime",
    "proc/diskstats",
    "proc/cpuinfo",
    "proc/1/mountinfo",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/net/dev",
    "proc/net/tcp",
    "proc/net/tcp6",
    "proc/net/udp",
    "proc/net/if_inet6",
    "proc/net/wireless",
    "root/etc/passwd",
];

/// Read once when the server starts, or seldom: each of their lines takes a server of its own.
const READ_ONCE: [&str; 2] = ["proc/cpuinfo", "root/etc/passwd"];

/// Lines of a long file are tried up to this one, then some of them.
const FIRST_LINES: usize = 17;

/// Ways to spoil a line. The first loses everything that the line has to tell.
const WAYS: [&str; 6] = ["garbage", "empty", "huge", "negative", "cut", "glued"];

/// The text with one line spoilt; `None` where this way does nothing to it.
fn spoil(file: &str, text: &str, at: usize, way: &str) -> Option<String> {
    // Numbers of models are texts, as good as any other.
    if file == "proc/cpuinfo" && matches!(way, "huge" | "negative") {
        return None;
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = lines[at].clone();
    let numbers = |number: &dyn Fn(&str) -> String| {
        let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        line.split_inclusive(char::is_whitespace)
            .map(|piece| {
                let word = piece.trim_end();
                let blank = &piece[word.len()..];
                if !word.is_empty() && is_number(word) { number(word) + blank } else { piece.to_owned() }
            })
            .collect::<String>()
    };
    lines[at] = match way {
        "garbage" => "\u{fffd}#( ?".to_owned(),
        "empty" => String::new(),
        "huge" => numbers(&|_| "99999999999999999999999".to_owned()),
        "negative" => numbers(&|number| format!("-{number}1")),
        "cut" => line.split_whitespace().next().unwrap_or_default().to_owned(),
        "glued" => {
            let next = (at + 1 < lines.len()).then(|| lines.remove(at + 1))?;
            line.clone() + next.trim_start()
        }
        _ => unreachable!(),
    };
    (lines[at] != line).then(|| lines.join("\n") + "\n")
}

/// Every value by its place. A row of a list stands under its name, or under its whole text where it has none.
fn places(at: &str, value: &Value, all: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                places(&format!("{at}.{key}"), value, all);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let name = |row: &Value| {
                // A process has many connections.
                if row.get("localaddr").is_some() {
                    return None;
                }
                let keys = ["pid", "Id", "name", "mount_point", "core", "cpu", "interface", "label", "ip"];
                let key = keys.iter().find_map(|key| row.get(key))?;
                Some(key.to_string().trim_matches('"').to_owned())
            };
            let is_unique =
                |found: &Option<String>| found.is_some() && list.iter().filter(|row| name(row) == *found).count() == 1;
            for row in list {
                match name(row) {
                    found if is_unique(&found) => places(&format!("{at}[{}]", found.unwrap_or_default()), row, all),
                    _ => drop(all.insert(format!("{at}[{row}]"), json!(true))),
                }
            }
        }
        Value::Array(list) if list.is_empty() => {}
        value => drop(all.insert(at.to_owned(), value.clone())),
    }
}

/// What the server says of the machine now.
fn answers(server: &Server) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for route in ROUTES.iter().chain(&MORE_ROUTES) {
        let response = server.request("GET", route, &[("Accept", "application/json")], b"");
        assert_eq!(response.status, 200, "{route}: {}", response.text());
        let answer = response.json();
        if ROUTES.contains(route) {
            places(route, &answer, &mut all);
        }
    }
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    for line in metrics.text().lines().filter(|line| line.starts_with("node_")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        all.insert(series.to_owned(), json!(value));
    }
    // How the readers fared is no value of the machine, means of minutes follow what they are of, and what a process used of
    // the CPU depends on when it was looked at. An empty text is an unknown one.
    let is_own = |place: &str| {
        [".readers[", ".averages.", "Averages", "node_scrape", "cpu_ratio"].iter().any(|own| place.contains(own))
    };
    all.retain(|place, value| !is_own(place) && !value.is_null() && value != "");
    // How full the real disk is; that it is told counts.
    for (_, value) in
        all.iter_mut().filter(|(place, _)| place.contains(".usage.") || place.starts_with("node_filesystem"))
    {
        *value = json!("#");
    }
    all
}

/// What the server says once three ticks have passed.
fn next_answers(server: &Server) -> BTreeMap<String, Value> {
    let _ = answers(server);
    let begin = ticks(server);
    wait_until("three ticks", || ticks(server) >= begin + 3);
    answers(server)
}

fn machine() -> Machine {
    let machine = Machine::copy();
    for (file, text) in TABLES {
        fs::write(machine.path(file), text).expect("a table");
    }
    machine
}

/// A server that has ten ticks a second.
pub fn start(machine: &Machine) -> Server {
    let mut args = machine.args();
    args.extend(["--interval", "100ms", "--workers", "1"].map(String::from));
    Server::start(&args)
}

/// Writes into the file as it is, which the server holds open.
fn write(machine: &Machine, file: &str, text: &str) {
    let mut open = fs::File::options().write(true).open(machine.path(file)).expect("the file");
    open.write_all(text.as_bytes()).expect("the file is written");
    open.set_len(text.len() as u64).expect("the file has its length");
}

/// One file, one line of it, and what the answers are on the untouched machine.
struct Case<'a> {
    untouched: &'a BTreeMap<String, Value>,
    /// Places of what is another each time.
    moving: &'a BTreeSet<String>,
    file: &'a str,
    text: &'a str,
    at: usize,
}

impl Case<'_> {
    /// What is lost when the line is spoilt in one way. An error for anything that is told and not so.
    fn lost(&self, machine: &Machine, server: Option<&Server>, way: &str) -> Option<Result<BTreeSet<String>, String>> {
        let spoilt = spoil(self.file, self.text, self.at, way)?;
        write(machine, self.file, &spoilt);
        let own;
        let server = match server {
            Some(server) => server,
            None => {
                own = start(machine);
                wait_until("three ticks", || ticks(&own) >= 3);
                &own
            }
        };
        let outcome = self.compare(&next_answers(server));
        write(machine, self.file, self.text);
        Some(outcome)
    }

    fn compare(&self, found: &BTreeMap<String, Value>) -> Result<BTreeSet<String>, String> {
        // Where the place of a device is lost that was told, another one takes its turn.
        let is_turn =
            |place: &str| self.file == "proc/1/mountinfo" && place.starts_with("/api/v1/snapshot.filesystems[");
        let mut wrong = Vec::new();
        for (place, value) in found.iter().filter(|(place, _)| !self.moving.contains(*place) && !is_turn(place)) {
            match self.untouched.get(place) {
                Some(before) if before == value || is_estimate(self.file, place) => {}
                Some(before) => wrong.push(format!("{place} was {before}, is {value}")),
                None => wrong.push(format!("{place} is new: {value}")),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong.join("\n    "));
        }
        Ok(self.untouched.keys().filter(|place| !found.contains_key(*place)).cloned().collect())
    }
}

/// What is estimated where a line of `/proc/meminfo` is bad.
fn is_estimate(file: &str, place: &str) -> bool {
    let places = ["memory.available_bytes", "memory.used_bytes", "memory.used_ratio"];
    file == "proc/meminfo" && places.iter().any(|end| place.ends_with(end))
}

/// Several places of one row are one, with the number of them.
fn short(places: &BTreeSet<String>) -> Value {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for place in places {
        let row = place.rsplit_once(']').map_or(place.as_str(), |(row, _)| row);
        rows.entry(row).or_default().push(place);
    }
    let told = |(row, places): (&str, Vec<&str>)| match places[..] {
        [one] => one.to_owned(),
        _ => format!("{row}] x {}", places.len()),
    };
    rows.into_iter().map(told).collect()
}

/// What the answers are on the untouched machine, without what is another each time, and the places of that.
fn untouched(server: &Server) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let mut all = next_answers(server);
    let mut moving = BTreeSet::new();
    for _ in 0..3 {
        let again = next_answers(server);
        let moves = |(place, value): (&String, &Value), other: &BTreeMap<String, Value>| {
            (other.get(place) != Some(value)).then(|| place.clone())
        };
        moving.extend(all.iter().filter_map(|row| moves(row, &again)));
        moving.extend(again.iter().filter_map(|row| moves(row, &all)));
    }
    all.retain(|place, _| !moving.contains(place));
    (all, moving)
}

type Found = BTreeMap<(String, usize), BTreeMap<&'static str, Result<BTreeSet<String>, String>>>;

#[test]
fn one_bad_line_costs_its_own_values() {
    let _turn = turn();
    let mut jobs = Vec::new();
    for file in FILES.iter().copied().chain(TABLES.iter().map(|(file, _)| *file)) {
        let text = fs::read_to_string(machine().path(file)).expect("the file");
        let count = text.lines().count();
        let is_tried =
            |at: &usize| *at < FIRST_LINES || at.is_multiple_of(16) || text.lines().nth(*at).is_some_and(is_used);
        jobs.extend((0..count).filter(is_tried).map(|at| (file, text.clone(), at)));
    }
    let (jobs, found) = (Mutex::new(jobs), Mutex::new(Found::new()));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let machine = machine();
                let server = start(&machine);
                let (untouched, moving) = untouched(&server);
                while let Some((file, text, at)) = {
                    let mut jobs = jobs.lock().expect("jobs");
                    jobs.pop()
                } {
                    let case = Case { untouched: &untouched, moving: &moving, file, text: &text, at };
                    let server = (!READ_ONCE.contains(&file)).then_some(&server);
                    for way in WAYS {
                        if let Some(lost) = case.lost(&machine, server, way) {
                            let mut found = found.lock().expect("results");
                            found.entry((file.to_owned(), at)).or_default().insert(way, lost);
                        }
                    }
                }
                assert!(!server.log().contains("panicked"), "{}", server.log());
            });
        }
    });
    check(&found.into_inner().expect("results"));
}

/// Lines of `/proc/vmstat` that somebody asks for.
fn is_used(line: &str) -> bool {
    ["pswp", "oom_kill", "pgfault"].iter().any(|start| line.starts_with(start))
}

/// Each way to spoil a line loses no more than garbage in its place does, or in the place of the next where the two have
/// grown together. What garbage loses is written down.
fn check(found: &Found) {
    let (mut failures, mut golden) = (String::new(), BTreeMap::new());
    let nothing = BTreeSet::new();
    for ((file, at), ways) in found {
        let garbage = |at: usize| match found.get(&(file.clone(), at)).and_then(|ways| ways.get("garbage")) {
            Some(Ok(lost)) => lost,
            _ => &nothing,
        };
        for (way, outcome) in ways {
            let name = format!("{file}:{} {way}", at + 1);
            match outcome {
                Err(wrong) => failures.push_str(&format!("{name}: {wrong}\n")),
                Ok(lost) => {
                    let mut more = lost.clone();
                    more.retain(|place| !garbage(*at).contains(place));
                    if *way == "glued" {
                        // What stands in for a line is lost with the two of them.
                        let is_next_tried = found.contains_key(&(file.clone(), at + 1));
                        more.retain(|place| is_next_tried && !garbage(at + 1).contains(place));
                        more.retain(|place| !is_estimate(file, place));
                    }
                    if !more.is_empty() {
                        failures.push_str(&format!("{name} loses {}\n", short(&more)));
                    }
                }
            }
        }
        golden.insert(format!("{file}:{}", at + 1), short(garbage(*at)));
    }
    assert!(failures.is_empty(), "{failures}");
    let path = tests_folder().join("golden/it-lines.json");
    let text = serde_json::to_string_pretty(&golden).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).expect("the golden file is written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    let wanted: BTreeMap<String, Value> = serde_json::from_str(&wanted).unwrap_or_default();
    for name in wanted.keys().chain(golden.keys()) {
        assert_eq!(golden.get(name), wanted.get(name), "{name}");
    }
}
