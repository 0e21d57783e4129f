//! `/proc/uptime` (`proc_uptime(5)`): how long the machine has been up.
//!
//! Read at every tick. It does not look at the clock: inside a container the file may tell the container's own uptime, and that
//! is what its owner wants to see.

use std::path::Path;

use super::lines::{fraction, one};
use crate::model::system::RawUptime;
use crate::model::{Faults, Reading};

/// The text of `/proc/uptime`, `350735.47 234388.90`: seconds since boot, time spent in suspend included, and idle seconds
/// summed over the cores, which are not used here.
pub fn parse_uptime(path: &Path, text: &str, _: &mut Faults) -> Reading<RawUptime> {
    let seconds = one(path, text, |line| fraction(line.split_ascii_whitespace().next(), "seconds since boot"))?;
    Ok(RawUptime { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::live;
    use crate::model::ReadError;

    #[test]
    fn a_laptop() {
        let text = include_str!("../../../tests/fixtures/machine/proc/uptime");
        assert_eq!(
            parse_uptime(Path::new("uptime"), text, &mut Faults::default()),
            Ok(RawUptime { seconds: 189_412.37 })
        );
    }

    #[test]
    fn nothing_else_is_an_uptime() {
        for text in ["", "\n", "up 3 days\n", "-1.00 2.00\n", "nan 0\n", "inf 0\n", "1e999 0\n"] {
            let reading = parse_uptime(Path::new("uptime"), text, &mut Faults::default());
            assert!(matches!(reading, Err(ReadError::Parse { line: 1, .. })), "{text:?}: {reading:?}");
        }
    }

    #[test]
    fn this_machine_is_up() {
        let [first, second] = [(); 2].map(|()| live("uptime", parse_uptime).unwrap().seconds);
        assert!(first > 0.0 && second >= first);
    }
}
