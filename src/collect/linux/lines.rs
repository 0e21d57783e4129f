//! Walks the lines of a kernel file: takes what is good and keeps in mind what is not, so that one bad line costs its own
//! value and nothing beside it.
//!
//! Used by every parser of a table in this folder. A parser hands [`walk`] a function that takes one line; what it
//! complains about ends up in the [`Faults`] of the reading, which stays good. A file of which no line is good has failed.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::file::parse_error;
use crate::model::{Faults, Reading};

/// Most letters of a bad line that a complaint quotes.
const QUOTED_LETTERS: usize = 60;

/// What is wrong with one line. Costs nothing to make: the words are put together for the first bad line alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad<'a> {
    expected: &'static str,
    found: Option<&'a str>,
}

impl<'a> Bad<'a> {
    /// Something else was expected than what is there.
    pub const fn found(expected: &'static str, found: &'a str) -> Self {
        Self { expected, found: Some(found) }
    }

    /// Something was expected and there is nothing.
    pub const fn missing(expected: &'static str) -> Self {
        Self { expected, found: None }
    }
}

impl fmt::Display for Bad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(found) = self.found else { return write!(f, "expected {}, which is missing", self.expected) };
        let quoted: String = found.chars().take(QUOTED_LETTERS).collect();
        let rest = if quoted.len() < found.len() { "..." } else { "" };
        write!(f, "expected {}, found {quoted:?}{rest}", self.expected)
    }
}

/// What was taken from a line that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// What it holds.
    Value,
    /// What it holds but for something bad in it.
    Part(Bad<'a>),
    /// Nothing: it tells that this is the right file, which may hold no more.
    Head,
    /// Nothing: it is none of the parser's business.
    Nothing,
}

/// Gives every line of `text` that is not blank to `take`, with its number counted from 1. Fails when nothing was taken and
/// a line was bad or the head missing; else what `take` complained about is added to `faults`.
pub fn walk<'a>(
    path: &Path,
    text: &'a str,
    faults: &mut Faults,
    take: impl FnMut(usize, &'a str) -> Result<Taken<'a>, Bad<'a>>,
) -> Reading<()> {
    // Some files have hundreds of short lines that are of no use: str::lines takes most of the time then.
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    let lines = ends.map(|end| &text[std::mem::replace(&mut start, end + 1)..end]).enumerate();
    let filled = lines.filter(|(_, line)| !line.trim_ascii_start().is_empty());
    walk_each(path, filled.map(|(index, line)| (index + 1, line)), faults, take)
}

/// [`str::split_once`] at an ASCII character, for lines of which there are many.
pub fn split_once(line: &str, at: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(at, line.as_bytes())?;
    Some((&line[..place], &line[place + 1..]))
}

/// [`walk`] for what is no text, or divided otherwise: parts with the number of the line that each stands in.
pub fn walk_each<'a, T>(
    path: &Path,
    parts: impl Iterator<Item = (usize, T)>,
    faults: &mut Faults,
    mut take: impl FnMut(usize, T) -> Result<Taken<'a>, Bad<'a>>,
) -> Reading<()> {
    let (mut has_value, mut has_head, mut bad) = (false, false, Faults::default());
    for (line, part) in parts {
        let wrong = match take(line, part) {
            Ok(Taken::Nothing) => continue,
            Ok(Taken::Head) => {
                has_head = true;
                continue;
            }
            Ok(Taken::Value) => {
                has_value = true;
                continue;
            }
            Ok(Taken::Part(wrong)) => {
                has_value = true;
                wrong
            }
            Err(wrong) => wrong,
        };
        bad.add_with(|| parse_error(path, line, wrong.to_string()));
    }
    if has_value || has_head && bad.is_empty() {
        faults.append(bad);
        return Ok(());
    }
    Err(bad.into_first().unwrap_or_else(|| parse_error(path, 0, "nothing in it that is known")))
}

/// `NAME: NUMBERS` of the tables of interfaces, at the last colon: an alias has one in its name (`eth0:1`).
pub fn named_numbers(line: &str) -> Result<(&str, &str), Bad<'_>> {
    let parts = line.rsplit_once(':').map(|(name, numbers)| (name.trim_ascii(), numbers));
    // A blank in the name: two lines that grew together.
    let sound = parts.filter(|(name, _)| !name.contains(|c: char| c.is_ascii_whitespace()));
    sound.ok_or(Bad::found("a name, a colon and numbers", line))
}

/// A text that holds one value: the first line alone is looked at.
pub fn one<'a, T>(path: &Path, text: &'a str, parse: impl FnOnce(&'a str) -> Result<T, Bad<'a>>) -> Reading<T> {
    parse(text.lines().next().unwrap_or_default()).map_err(|wrong| parse_error(path, 1, wrong.to_string()))
}

/// The number that `word` spells.
pub fn number<'a, T: FromStr>(word: Option<&'a str>, expected: &'static str) -> Result<T, Bad<'a>> {
    let word = word.ok_or(Bad::missing(expected))?;
    word.parse().map_err(|_| Bad::found(expected, word))
}

/// A number with a fraction. Not a number, infinite and negative are refused: no kernel file means them.
pub fn fraction<'a>(word: Option<&'a str>, expected: &'static str) -> Result<f64, Bad<'a>> {
    let value: f64 = number(word, expected)?;
    let is_sound = value.is_finite() && value >= 0.0;
    if is_sound { Ok(value) } else { Err(Bad::found(expected, word.unwrap_or_default())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReadError;

    fn numbers(text: &str, faults: &mut Faults) -> Reading<Vec<u64>> {
        let mut list = Vec::new();
        walk(Path::new("file"), text, faults, |_, line| {
            match line {
                "#" => return Ok(Taken::Nothing),
                "head" => return Ok(Taken::Head),
                _ => list.push(number(line.split('/').next(), "a count")?),
            }
            let rest = line.split('/').nth(1);
            Ok(rest.map_or(Taken::Value, |rest| Taken::Part(Bad::found("no more", rest))))
        })
        .map(|()| list)
    }

    #[test]
    fn a_bad_line_costs_itself_and_is_told_once_with_the_number_of_bad_ones() {
        let mut faults = Faults::default();
        assert_eq!(numbers("1\n\n#\nx\n2\n-3\n18446744073709551616\n4", &mut faults), Ok(vec![1, 2, 4]));
        assert_eq!(faults.to_string(), "file:4: expected a count, found \"x\"; and 2 more");
        let mut faults = Faults::default();
        assert_eq!(numbers("1\n \t\n", &mut faults), Ok(vec![1]));
        assert!(faults.is_empty());
    }

    #[test]
    fn lines_are_those_of_str() {
        for text in ["", "\n", "1", "1\n", "1\n\n2", "é\n 2"] {
            let mut lines = Vec::new();
            let _ = walk(Path::new("file"), text, &mut Faults::default(), |number, line| {
                lines.push((number, line));
                Ok(Taken::Value)
            });
            let expected = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
            assert_eq!(lines, expected.map(|(index, line)| (index + 1, line)).collect::<Vec<_>>(), "{text:?}");
        }
        assert_eq!((split_once("é: 1:", b':'), split_once("x", b':')), (Some(("é", " 1:")), None));
    }

    #[test]
    fn what_is_good_in_a_line_is_taken_and_the_line_told() {
        let mut faults = Faults::default();
        assert_eq!(numbers("1/x\n", &mut faults), Ok(vec![1]));
        assert_eq!(faults.to_string(), "file:1: expected no more, found \"x\"");
    }

    #[test]
    fn a_file_with_nothing_but_its_head_is_empty() {
        let mut faults = Faults::default();
        assert_eq!(numbers("head\n#\n", &mut faults), Ok(vec![]));
        assert!(faults.is_empty());
    }

    #[test]
    fn a_file_without_one_good_value_has_failed() {
        for (text, wrong) in [("", 0), ("\n\n", 0), ("#\n", 0), ("#\nx\ny\n", 2), ("head\nx\n", 2)] {
            let mut faults = Faults::default();
            let reading = numbers(text, &mut faults);
            assert!(matches!(&reading, Err(ReadError::Parse { line, .. }) if *line == wrong), "{text:?}: {reading:?}");
            assert!(faults.is_empty());
        }
    }

    #[test]
    fn complaints_quote_no_more_than_they_must() {
        let long = "é".repeat(5_000);
        let told = Bad::found("a count", &long).to_string();
        assert!(told.len() < 200 && told.ends_with("\"..."), "{told}");
        assert_eq!(Bad::missing("a count").to_string(), "expected a count, which is missing");
    }

    #[test]
    fn numbers_and_fractions() {
        assert_eq!(number(Some("42"), "a count"), Ok(42_u64));
        assert_eq!(number::<u8>(Some("256"), "a count"), Err(Bad::found("a count", "256")));
        assert_eq!(number::<u8>(None, "a count"), Err(Bad::missing("a count")));
        assert_eq!(fraction(Some("0.25"), "a share"), Ok(0.25));
        for word in ["", "x", "-0.5", "nan", "inf", "1e999"] {
            assert_eq!(fraction(Some(word), "a share"), Err(Bad::found("a share", word)));
        }
    }
}
