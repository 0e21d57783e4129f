//! A table of text: columns that are as wide as what stands in them, cut to the width of the terminal.
//!
//! Called by [`super::show`] with what [`super::statistics`] puts into it. Knows no statistics.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal;

/// Between two columns.
const GAP: &str = "  ";

const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// How much attention a cell asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tint {
    /// None.
    #[default]
    Plain,
    /// Some.
    High,
    /// All.
    Full,
}

/// One field of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tint: Tint,
}

impl Cell {
    /// What is known, made fit for a terminal: a name may hold anything.
    pub fn new(text: Option<impl AsRef<str>>) -> Self {
        let text = text.map_or_else(|| "-".to_owned(), |text| terminal::plain(text.as_ref()).into_owned());
        Self { text, tint: Tint::Plain }
    }

    /// The same with another tint.
    pub fn tinted(self, tint: Tint) -> Self {
        Self { tint, ..self }
    }
}

/// Titles with their sides, and the rows below them.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A further row; one cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The lines, titles first, none wider than `width`. Of more than `most` rows the first are shown and the others counted.
    pub fn lines(&self, width: usize, most: usize, colours: bool) -> Vec<String> {
        let shown = if self.rows.len() > most { most.saturating_sub(1) } else { self.rows.len() };
        let rows = &self.rows[..shown];
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width());
                cells.chain([self.columns[at].0.width()]).max().unwrap_or(0)
            })
            .collect();
        let titles: Vec<(&str, &str)> = self.columns.iter().map(|(title, _)| (*title, BOLD)).collect();
        let mut lines = vec![self.line(&titles, &widths, width, colours)];
        for row in rows {
            let cells: Vec<(&str, &str)> = row.iter().map(|cell| (&*cell.text, cell.tint.sequence())).collect();
            lines.push(self.line(&cells, &widths, width, colours));
        }
        if shown < self.rows.len() {
            lines.push(cut(&format!("and {} more", self.rows.len() - shown), width).to_owned());
        }
        lines
    }

    fn line(&self, cells: &[(&str, &str)], widths: &[usize], width: usize, colours: bool) -> String {
        let (mut line, mut room) = (String::new(), width);
        for (at, ((text, sequence), (_, side))) in cells.iter().zip(&self.columns).enumerate() {
            let gap = if at > 0 { GAP } else { "" };
            let blanks = widths[at].saturating_sub(text.width());
            // No blanks at the end of a line.
            let before = if *side == Side::Right { blanks } else { 0 };
            let after = if *side == Side::Left && at + 1 < cells.len() { blanks } else { 0 };
            if room <= gap.len() + before {
                break;
            }
            room -= gap.len() + before;
            let text = cut(text, room);
            // A String takes everything.
            let _ = write!(line, "{gap}{:before$}", "");
            if colours && !sequence.is_empty() && !text.is_empty() {
                let _ = write!(line, "{sequence}{text}{RESET}");
            } else {
                line.push_str(text);
            }
            room -= text.width();
            let after = after.min(room);
            let _ = write!(line, "{:after$}", "");
            room -= after;
        }
        line
    }
}

impl Tint {
    /// Of a share that is in use.
    pub fn of(ratio: Option<f64>) -> Self {
        match ratio {
            Some(ratio) if ratio >= 0.9 => Self::Full,
            Some(ratio) if ratio >= 0.75 => Self::High,
            _ => Self::Plain,
        }
    }

    fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::High => YELLOW,
            Self::Full => RED,
        }
    }
}

/// The beginning of a text that fits into so many columns.
pub fn cut(text: &str, width: usize) -> &str {
    let mut room = width;
    for (at, c) in text.char_indices() {
        match room.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => room = rest,
            None => return &text[..at],
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str, &str)]) -> Table {
        let mut table = Table::new(&[("USER", Side::Left), ("MEMORY", Side::Right), ("NAME", Side::Left)]);
        for (user, memory, name) in rows {
            table.push([user, memory, name].map(|text| Cell::new(Some(text))).into());
        }
        table
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let table = table(&[("root", "1.0 MiB", "init"), ("www-data", "2 B", "a b")]);
        let expected = ["USER       MEMORY  NAME", "root      1.0 MiB  init", "www-data      2 B  a b"];
        assert_eq!(table.lines(80, 9, false), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let table = table(&[("root", "1.0 MiB", "東京東京"), ("naïve", "999.9 GiB", &"x".repeat(300))]);
        for width in 0..100 {
            for line in table.lines(width, 9, false) {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
        }
        assert!(table.lines(25, 9, false)[1].ends_with("  東京東"), "half a character is none");
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let rows: Vec<_> = (0..7).map(|_| ("a", "b", "c")).collect();
        let table = table(&rows);
        assert_eq!(table.lines(80, 7, false).len(), 8);
        let lines = table.lines(80, 4, false);
        assert_eq!((lines.len(), lines[4].as_str()), (5, "and 4 more"));
        assert_eq!(table.lines(80, 0, false).len(), 2);
    }

    #[test]
    fn colours_stand_around_the_text_alone() {
        let mut table = Table::new(&[("USED", Side::Right), ("AT", Side::Left)]);
        for (ratio, text) in [(0.5, "50.0%"), (0.75, "75.0%"), (0.9, "90.0%")] {
            table.push(vec![Cell::new(Some(text)).tinted(Tint::of(Some(ratio))), Cell::new(None::<&str>)]);
        }
        let expected =
            [" \x1b[1mUSED\x1b[0m  \x1b[1mAT\x1b[0m", "50.0%  -", "\x1b[33m75.0%\x1b[0m  -", "\x1b[31m90.0%\x1b[0m  -"];
        assert_eq!(table.lines(80, 9, true), expected);
        let plain = table.lines(80, 9, false);
        assert!(plain.iter().all(|line| !line.contains('\x1b')));
    }

    #[test]
    fn a_name_moves_no_terminal() {
        let lines = table(&[("a\x1b[2J", "1", "b\nc\u{202e}")]).lines(80, 9, true);
        assert_eq!(lines[1], r"a\u{1b}[2J       1  b\nc\u{202e}");
    }
}
