//! Text that others chose, made fit for a terminal. Whatever the program says on stderr goes through [`Stderr`], and the
//! errors that clients are told through [`plain`]: a path, a host name or a process's name may hold anything.
//!
//! Must stay the only way to stderr, so that no place that logs can forget it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a character moves the cursor, changes the terminal's state or turns the direction of writing: the controls C0
/// and C1, DEL, the separators of lines and paragraphs, and the bidirectional controls.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with such characters written as escapes, `\n` or `\u{202e}`. Borrowed where there is none.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) {
            // A String takes everything.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Stderr, a line with each write: what is written is made plain but for the end of the line.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        // In one piece: other threads and processes write there too.
        io::stderr().write_all(format!("{}{end}", plain(text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether stderr is the journal. systemd names the journal's stream in `JOURNAL_STREAM` by device and inode; they differ where
/// a shell between systemd and us has redirected stderr.
#[must_use]
pub fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Says a line on stderr, to the journal as an error. Where nobody listens there is nobody to tell.
pub fn complain(text: &str) {
    let priority = if is_journal() { "<3>" } else { "" };
    let _ = Stderr.write_all(format!("{priority}{text}\n").as_bytes());
}

/// From now on a panic says its line here too: its message may quote what a client sent.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        complain(&panic.to_string());
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            trace.to_string().lines().for_each(complain);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_terminal_is_written_out() {
        for (text, expected) in [
            ("a\x1b[31mb", r"a\u{1b}[31mb"),
            ("a\r\nb\tc\0", r"a\r\nb\tc\u{0}"),
            ("del\u{7f} c1\u{9b}2J", r"del\u{7f} c1\u{9b}2J"),
            ("\u{202e}gpj.exe\u{202c}", r"\u{202e}gpj.exe\u{202c}"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}", r"\u{2066}x\u{2069}\u{200f}\u{61c}"),
            ("line\u{2028}paragraph\u{2029}", r"line\u{2028}paragraph\u{2029}"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn every_other_text_stays() {
        for text in ["", "/system?a=b", "Straße 東京 🐧", "שלום", r"C:\n"] {
            assert!(matches!(plain(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
