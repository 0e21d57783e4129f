//! `psmonitor cpu`, `memory`, `processes`, `disks` and `network`: one part of System Monitor's statistics, once or again
//! and again; a table on a terminal, JSON for whoever reads further.
//!
//! Called by `app`, which reads the machine.

use std::time::{Duration, Instant};

use super::output::{self, Terminal};
use super::statistics;
use super::table::{Table, cut};
use crate::cli::Statistics;
use crate::config::{INTERVALS, parse_time};
use crate::dialect::system_monitor;
use crate::error::StartupError;
use crate::model::{Answer, Snapshot, Subjects};

/// How long the use of the CPU is measured without `--watch`; System Monitor measures a second, too.
const MEASURED: Duration = Duration::from_secs(1);

/// Cursor to the first column of the first line.
const HOME: &str = "\x1b[H";
/// Erases the rest of the line, and of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

fn answer(wanted: &Statistics) -> &'static Answer {
    match wanted {
        Statistics::Cpu(_) => &system_monitor::CPU,
        Statistics::Memory(_) => &system_monitor::MEMORY,
        Statistics::Processes(_) => &system_monitor::PROCESSES,
        Statistics::Disks(_) => &system_monitor::DISKS,
        Statistics::Network(_) => &system_monitor::NETWORK,
    }
}

/// What is read: for the JSON, and for what its table shows beside that.
fn needs(wanted: &Statistics) -> Subjects {
    match wanted {
        Statistics::Memory(_) => answer(wanted).needs.with(Subjects::CONTAINER),
        _ => answer(wanted).needs,
    }
}

fn table(wanted: &Statistics, snapshot: &Snapshot) -> Table {
    match wanted {
        Statistics::Cpu(_) => statistics::cpu(snapshot),
        Statistics::Memory(_) => statistics::memory(snapshot),
        Statistics::Processes(_) => statistics::processes(snapshot),
        Statistics::Disks(_) => statistics::disks(snapshot),
        Statistics::Network(_) => statistics::network(snapshot),
    }
}

/// Prints the part that is wanted, until nobody reads any more or, without `--watch`, once. `read` makes a snapshot with what
/// it is asked for; rates are those since its last call.
///
/// # Errors
/// What was typed wrong, and what the system says to the writing.
pub fn show(wanted: &Statistics, mut read: impl FnMut(Subjects) -> Snapshot) -> Result<(), StartupError> {
    let how = wanted.show();
    let every = how.watch.as_deref().map(interval).transpose()?;
    let needs = needs(wanted);
    let mut due = Instant::now();
    if matches!(wanted, Statistics::Cpu(_)) {
        // One reading tells of the time since boot alone.
        read(needs);
        due = wait(due, every.unwrap_or(MEASURED));
    }
    let mut is_first = true;
    loop {
        let snapshot = read(needs);
        let text = match Terminal::now().filter(|_| !how.json) {
            None => (answer(wanted).encode)(&snapshot) + "\n",
            Some(terminal) => {
                let table = table(wanted, &snapshot);
                match every {
                    Some(every) if terminal.moves => in_place(wanted, &table, terminal, every, is_first),
                    _ => lines(&table.lines(terminal.width, usize::MAX, terminal.colours)),
                }
            }
        };
        if !output::write(&text)? {
            return Ok(());
        }
        let Some(every) = every else { return Ok(()) };
        is_first = false;
        due = wait(due, every);
    }
}

/// Sleeps until `every` after `due`, or not at all where that has passed already.
fn wait(due: Instant, every: Duration) -> Instant {
    let next = (due + every).max(Instant::now());
    std::thread::sleep(next.saturating_duration_since(Instant::now()));
    next
}

fn interval(text: &str) -> Result<Duration, StartupError> {
    let complaint = |reason: &str| StartupError::Config(format!("--watch {text}: {reason}"));
    let every = parse_time(text).map_err(|reason| complaint(&reason))?;
    if INTERVALS.contains(&every) { Ok(every) } else { Err(complaint("it must be between 100ms and 1h")) }
}

fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The table over the one before, as much of it as the terminal has lines. The last line is left without an end: one more
/// would move the screen.
fn in_place(wanted: &Statistics, table: &Table, terminal: Terminal, every: Duration, is_first: bool) -> String {
    let title = format!("psmonitor {}, every {every:?}, Ctrl-C ends", answer(wanted).name);
    // The title, the line with the cursor, and the table's own titles.
    let rows = terminal.height.saturating_sub(3);
    let mut lines = vec![cut(&title, terminal.width).to_owned()];
    lines.extend(table.lines(terminal.width, rows, terminal.colours));
    lines.truncate(terminal.height.saturating_sub(1));
    let begin = if is_first { format!("{HOME}{REST_OF_SCREEN}") } else { HOME.to_owned() };
    let body: String = lines.iter().flat_map(|line| [line, REST_OF_LINE, "\n"]).collect();
    begin + &body + REST_OF_SCREEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Show;
    use crate::dialect::testing::snapshot;

    #[test]
    fn a_screen_holds_as_many_lines_as_the_terminal() {
        let wanted = Statistics::Processes(Show::default());
        let table = table(&wanted, &snapshot());
        for height in 1..20 {
            let terminal = Terminal { width: 30, height, moves: true, colours: false };
            let screen = in_place(&wanted, &table, terminal, Duration::from_secs(2), true);
            assert!(screen.matches('\n').count() < height, "{height}: {screen:?}");
        }
        let terminal = Terminal { width: 80, height: 7, moves: true, colours: false };
        let screen = in_place(&wanted, &table, terminal, Duration::from_millis(1500), false);
        let lines: Vec<&str> = screen.split("\x1b[K\n").collect();
        assert_eq!(lines[0], "\x1b[Hpsmonitor processes, every 1.5s, Ctrl-C ends");
        assert_eq!((lines[5], lines[6]), ("and 4 more", "\x1b[J"));
    }

    #[test]
    fn a_wrong_interval_is_told() {
        for text in ["10ms", "2h", "x", ""] {
            let error = interval(text).unwrap_err();
            assert!(error.to_string().starts_with("--watch "), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert_eq!(interval("500ms").unwrap(), Duration::from_millis(500));
    }
}
