//! Standard output: what a terminal there can show, and writing to it.
//!
//! Called by the other commands. A reader that has gone, as `head` does, is no error.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

use crate::error::StartupError;

/// Width and height of a terminal that does not tell them.
const USUAL: (u16, u16) = (80, 24);

/// A terminal on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether it understands the sequences that move the cursor.
    pub moves: bool,
    /// Whether it may be given colours.
    pub colours: bool,
}

impl Terminal {
    /// The terminal on standard output as it is now; `None` where there is none.
    pub fn now() -> Option<Self> {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| (size.ws_col, size.ws_row));
        Some(Self::new(size, std::env::var_os("TERM").as_deref(), std::env::var_os("NO_COLOR").as_deref()))
    }

    /// <https://no-color.org>: any text in `NO_COLOR` but the empty one means no.
    fn new(size: Option<(u16, u16)>, term: Option<&OsStr>, no_color: Option<&OsStr>) -> Self {
        let (width, height) = size.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or(USUAL);
        let moves = term.is_some_and(|term| !term.is_empty() && term != "dumb");
        let colours = moves && no_color.is_none_or(OsStr::is_empty);
        Self { width: width.into(), height: height.into(), moves, colours }
    }
}

/// Writes text at once. `false` when nobody reads any more.
///
/// # Errors
/// Whatever else the system says, such as that the disk is full.
pub fn write(text: &str) -> Result<bool, StartupError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(source) => Err(StartupError::Io { what: "cannot write to standard output", source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_understood_and_wanted() {
        let colours = |term: Option<&str>, no_color: Option<&str>| {
            Terminal::new(Some((80, 24)), term.map(OsStr::new), no_color.map(OsStr::new)).colours
        };
        assert!(colours(Some("xterm"), None));
        assert!(colours(Some("xterm"), Some("")), "an empty NO_COLOR says nothing");
        assert!(!colours(Some("xterm"), Some("0")), "whatever stands in NO_COLOR");
        assert!(!colours(Some("dumb"), None));
        assert!(!colours(None, None));
    }

    #[test]
    fn a_terminal_without_a_size_has_the_usual_one() {
        for (size, expected) in [(Some((132, 50)), (132, 50)), (Some((0, 0)), (80, 24)), (None, (80, 24))] {
            let terminal = Terminal::new(size, None, None);
            assert_eq!((terminal.width, terminal.height), expected);
        }
    }
}
