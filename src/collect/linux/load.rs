//! `/proc/loadavg` (`proc_loadavg(5)`): load averages and the number of tasks.
//!
//! Read at every tick. A reader of our own because sysinfo tells the averages only.

use std::path::Path;

use super::lines::{Bad, fraction, number, one};
use crate::model::load::Load;
use crate::model::{Faults, Reading};

/// What the file says: for the sample, and for the reader of the processes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loadavg {
    /// Averages and tasks.
    pub load: Load,
    /// The PID that was given out last, in the PID name space of this `/proc`.
    pub newest_pid: Option<u32>,
}

/// The text of `/proc/loadavg`, `0.20 0.18 0.12 1/80 11206`.
pub fn parse_loadavg(path: &Path, text: &str, _: &mut Faults) -> Reading<Loadavg> {
    one(path, text, |line| {
        let mut words = line.split_ascii_whitespace();
        let one = fraction(words.next(), "the load of 1 minute")?;
        let five = fraction(words.next(), "the load of 5 minutes")?;
        let fifteen = fraction(words.next(), "the load of 15 minutes")?;
        let (runnable, total) = words
            .next()
            .and_then(|word| word.split_once('/'))
            .ok_or(Bad::found("runnable and existing tasks as 1/80", line))?;
        let load = Load {
            one,
            five,
            fifteen,
            runnable: Some(number(Some(runnable), "the number of runnable tasks")?),
            total: Some(number(Some(total), "the number of tasks")?),
        };
        Ok(Loadavg { load, newest_pid: words.next().and_then(|word| word.parse().ok()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::live;
    use crate::model::ReadError;

    #[test]
    fn a_laptop() {
        let text = include_str!("../../../tests/fixtures/machine/proc/loadavg");
        let load = Load { one: 0.72, five: 0.58, fifteen: 0.44, runnable: Some(2), total: Some(1187) };
        assert_eq!(
            parse_loadavg(Path::new("loadavg"), text, &mut Faults::default()),
            Ok(Loadavg { load, newest_pid: Some(187_342) })
        );
        let short = "0.1 0.2 0.3 1/80\n";
        assert_eq!(
            parse_loadavg(Path::new("loadavg"), short, &mut Faults::default()).map(|read| read.newest_pid),
            Ok(None)
        );
    }

    #[test]
    fn nothing_else_is_a_load() {
        let texts = [
            "",
            "garbage\n",
            "0.1 0.2\n",
            "0.1 0.2 0.3\n",
            "0.1 0.2 0.3 480 1\n",
            "0.1 0.2 0.3 1/x 1\n",
            "0.1 0.2 0.3 -1/80 1\n",
            "nan 0.2 0.3 1/80 1\n",
            "0.1 0.2 0.3 1/18446744073709551616 1\n",
        ];
        for text in texts {
            let reading = parse_loadavg(Path::new("loadavg"), text, &mut Faults::default());
            assert!(matches!(reading, Err(ReadError::Parse { line: 1, .. })), "{text:?}: {reading:?}");
        }
    }

    #[test]
    fn this_machine_has_at_least_this_task() {
        let load = live("loadavg", parse_loadavg).unwrap().load;
        assert!(load.runnable >= Some(1) && load.total >= load.runnable);
    }
}
