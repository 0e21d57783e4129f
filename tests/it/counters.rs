//! Counters on `/metrics` that the kernel steps back: held where it rounds, told as they are where they were reset.
#![allow(clippy::expect_used, reason = "in a test whatever is not as expected is a failure")]

use crate::machine::Machine;
use crate::support::Server;
use crate::wire::wait_until;

/// The numbers of core 1 on the fixture machine, up to iowait.
const CORE: &str = "cpu1 259876 840 74210 4391004 5302 ";

/// Idle, iowait and user of core 1, and the context switches, as `/metrics` has them.
fn told(server: &Server) -> [String; 4] {
    let page = server.get("/metrics?collect[]=cpu&collect[]=stat").text();
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
        line.trim().to_owned()
    };
    let mode = |mode: &str| value(&format!("node_cpu_seconds_total{{cpu=\"1\",mode=\"{mode}\"}}"));
    [mode("idle"), mode("iowait"), mode("user"), value("node_context_switches_total")]
}

/// Waits for the sample in which user is `user`; every reading of it must then be the one that is expected.
#[track_caller]
fn becomes(server: &Server, expected: [&str; 4]) {
    wait_until("the changed file is read", || told(server)[2] == expected[2]);
    assert_eq!(told(server), expected);
}

#[test]
fn a_step_back_is_held_and_a_reset_is_told() {
    let machine = Machine::copy();
    let mut server = Server::start(&machine.args());
    becomes(&server, ["43910.04", "53.02", "2598.76", "214770912"]);

    let back = "cpu1 259976 840 74210 4391002 5260 ";
    machine.change("proc/stat", CORE, back);
    machine.change("proc/stat", "ctxt 214770912", "ctxt 214770911");
    becomes(&server, ["43910.04", "53.02", "2599.76", "214770912"]);

    let on = "cpu1 260076 840 74210 4391005 5303 ";
    machine.change("proc/stat", "ctxt 214770911", "ctxt 214770913");
    machine.change("proc/stat", back, on);
    becomes(&server, ["43910.05", "53.03", "2600.76", "214770913"]);

    let away = "cpu1 1200 0 7 4390705 2 ";
    machine.change("proc/stat", on, away);
    becomes(&server, ["43907.05", "0.02", "12", "214770913"]);
    server.assert_well();
}
