//! Lengths of time as people write them. Used for `--interval` and for every `interval=` in a request.

use std::time::Duration;

/// A number of seconds, or a number with a unit: `60`, `2.5`, `500ms`, `5s`, `1m`, `1h`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("{unit:?} is no unit; use ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "it must be a number of seconds, or as 500ms, 5s, 1m".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| "it is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_carry_a_unit() {
        for (text, milliseconds) in [("60", 60_000), ("500ms", 500), ("5s", 5_000), ("1m", 60_000), ("0.5", 500)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "1d2", "..", "1e3"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
