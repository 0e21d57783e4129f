//! psmonitor: a headless system monitor server.
//!
//! One small program that knows the machine it runs on and tells it to whoever is allowed to ask. The way of the data:
//!
//! ```text
//! /proc /sys statvfs   one reader per source, raw counters only          collect
//!         |  Reading   raw, with its moment and the reading before it, or why there is none
//!      sampler         the one clock; keeps the newest reading of each source, reads once for everybody
//!         |  Sample    the readings that hold now
//!      derive          pure: percentages, rates, top lists               model
//!         |  Snapshot  immutable
//!         |  Frame     Snapshot + every encoding made of it, once each   sampler
//!      dialects        pure: Snapshot -> one system's words              dialect
//!         |
//!      server         carries bytes; decides nothing about numbers      server
//! ```
//!
//! [`app`] puts the parts together and is the only one that sees them all. Beside that way stand [`history`], which
//! remembers every snapshot in [`timeseries`]; [`receiver`], which keeps what other machines report about themselves;
//! [`agent`], which reports to others; [`command`], what is printed without a server; [`auth`], who somebody is; [`worker`],
//! who waits for a stream; [`cli`] and [`config`], what was typed and what it means; [`database`], how a file of ours is
//! opened and what can go wrong with it; [`limits`], what is bounded; [`logging`], the lines on stderr; [`origin`], host
//! names and origins as text; [`error`], what goes wrong at start. [`agent`] alone dials out, but for `psmonitor status` of
//! [`command`].
//!
//! Imports run one way: `server -> dialect -> model`, `sampler -> collect -> model` and `server -> history -> model,
//! timeseries`. Only [`collect`] reads the machine; only [`server`] serves HTTP, and it reads nothing but what [`app`] hands
//! it; a dialect has no clock and does no I/O. A test below holds the code to it.

pub mod agent;
pub mod app;
pub mod auth;
pub mod cli;
pub mod collect;
pub mod command;
pub mod config;
pub mod database;
pub mod dialect;
pub mod error;
pub mod history;
pub mod limits;
pub mod logging;
pub mod model;
pub mod origin;
pub mod receiver;
pub mod sampler;
pub mod server;
pub mod terminal;
pub mod timeseries;
pub mod worker;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// Each room of the house and the rooms that it may import from, which stand above it. What a test imports does not
    /// count: it may build its input with whatever makes it.
    const ROOMS: [(&str, &[&str]); 21] = [
        ("model", &[]),
        ("origin", &[]),
        ("cli", &[]),
        ("limits", &[]),
        ("database", &[]),
        ("terminal", &[]),
        ("logging", &["terminal"]),
        ("collect", &["model"]),
        ("timeseries", &["database"]),
        ("history", &["model", "timeseries"]),
        ("dialect", &["model"]),
        ("receiver", &["database", "history", "model", "timeseries"]),
        ("agent", &["database", "dialect", "model"]),
        ("sampler", &["collect", "model"]),
        ("error", &["agent", "history", "model", "receiver"]),
        ("auth", &["error", "limits"]),
        ("worker", &["auth"]),
        ("config", &["agent", "auth", "cli", "collect", "error", "limits", "model", "origin", "receiver"]),
        (
            "server",
            &[
                "auth", "config", "dialect", "error", "history", "limits", "model", "origin", "receiver", "sampler",
                "terminal", "worker",
            ],
        ),
        ("command", &["auth", "cli", "config", "dialect", "error", "model", "terminal"]),
        (
            "app",
            &[
                "agent", "cli", "collect", "command", "config", "dialect", "error", "history", "model", "receiver",
                "sampler", "server", "terminal",
            ],
        ),
    ];

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// The rooms that a source imports from, by the lines of its code; tests and comments are left out.
    fn imports(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let places = lines.flat_map(|line| line.split("crate::").skip(1));
        places.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn imports_run_one_way() {
        for (index, (room, allowed)) in ROOMS.iter().enumerate() {
            let above = |name: &&str| ROOMS[..index].iter().any(|(room, _)| room == name);
            assert!(allowed.iter().all(above), "{room} may import from a room below it");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        sources(&root, &mut files);
        let mut seen = 0;
        for path in files {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let is_test = path.file_stem().unwrap().to_str().unwrap().starts_with("test");
            if is_test || ["lib.rs", "main.rs"].contains(&name) {
                continue;
            }
            let room = name.split('/').next().unwrap().trim_end_matches(".rs");
            let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
                panic!("{name}: the room {room} is not in the table");
            };
            for import in imports(&std::fs::read_to_string(&path).unwrap()) {
                assert!(import == room || allowed.contains(&import.as_str()), "{name} imports from crate::{import}");
                seen += 1;
            }
        }
        assert!(seen > 200, "only {seen} imports were seen");
    }
}
