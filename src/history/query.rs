//! What is asked of the history: the text of a request, checked and made into a [`Query`]. Pure.
//!
//! The server hands over the parameters as they came; every mistake has an answer that says what would be right.

use std::sync::Arc;

use serde::Deserialize;

use crate::timeseries::DISK;

/// Points of an answer when nothing is said.
pub const DEFAULT_POINTS: u32 = 600;

/// Most points of an answer.
pub const MOST_POINTS: u32 = 5_000;

/// Most values of each kind in an answer, all series together. More series get fewer points each.
pub(super) const MOST_VALUES: usize = 60_000;

/// Range when nothing is said, seconds.
const DEFAULT_RANGE: i64 = 900;

/// Longest range, seconds: what the coarsest tier keeps.
const LONGEST_RANGE: i64 = DISK[2].step * DISK[2].slots;

/// The parameters of a request, as they came.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Parameters {
    /// How far back from now: `15m`.
    pub range: Option<String>,
    /// Begin, unix seconds.
    pub from: Option<String>,
    /// End, unix seconds.
    pub to: Option<String>,
    /// Names or prefixes with `*`, separated by commas.
    pub series: Option<String>,
    /// Most points of the answer.
    pub points: Option<String>,
}

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which time.
    pub span: Span,
    /// Names or prefixes with `*`; `None` is all.
    pub series: Option<Vec<String>>,
    /// Most points of the answer.
    pub points: u32,
}

/// The time that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// This many seconds up to now.
    Last(i64),
    /// From one moment to another (`None`: now), unix seconds.
    Between(i64, Option<i64>),
    /// This many seconds up to that moment, unix seconds.
    Before(i64, i64),
}

/// Why there is no answer. The text is for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The range or the points are wrong.
    #[error("{0}")]
    Bad(String),
    /// No such series.
    #[error("no series {asked:?}; there are: {}", .known.join(", "))]
    UnknownSeries {
        /// What was asked for.
        asked: String,
        /// All series there are.
        known: Vec<Arc<str>>,
    },
}

fn bad(text: impl Into<String>) -> QueryError {
    QueryError::Bad(text.into())
}

impl Query {
    /// Checks the parameters of a request.
    pub fn parse(parameters: &Parameters) -> Result<Self, QueryError> {
        let range = parameters.range.as_deref().map(parse_range).transpose()?;
        let from = parameters.from.as_deref().map(|text| parse_moment("from", text)).transpose()?;
        let to = parameters.to.as_deref().map(|text| parse_moment("to", text)).transpose()?;
        let span = match (range, from, to) {
            (Some(_), Some(_), _) => {
                return Err(bad(format!("give either range or from, not both; to goes with either; {RANGES}")));
            }
            (_, Some(from), Some(to)) if from >= to => {
                return Err(bad(format!("from ({from}) must be before to ({to}); {RANGES}")));
            }
            (_, Some(from), to) => Span::Between(from, to),
            (range, None, Some(to)) => Span::Before(range.unwrap_or(DEFAULT_RANGE), to),
            (range, None, None) => Span::Last(range.unwrap_or(DEFAULT_RANGE)),
        };
        let points = parameters.points.as_deref().map_or(Ok(DEFAULT_POINTS), parse_points)?;
        Ok(Self { span, series: parameters.series.as_deref().and_then(parse_series), points })
    }

    /// Begin and end at `now`, unix seconds.
    pub(super) fn bounds(&self, now: i64) -> Result<(i64, i64), QueryError> {
        let (from, to) = match self.span {
            Span::Last(range) => (now - range, now),
            Span::Between(from, to) => (from, to.unwrap_or(now)),
            Span::Before(range, to) => (to - range, to),
        };
        if from >= to {
            return Err(bad(format!("from ({from}) is not in the past (it is {now} now); {RANGES}")));
        }
        if to - from > LONGEST_RANGE {
            return Err(bad(format!("{} s is too long: {RANGES}", to - from)));
        }
        Ok((from, to))
    }
}

/// What ranges there are, for messages.
const RANGES: &str = "the longest range is 730d. Kept are: every second for 1h; with a data directory also every 10s for \
                      1d, every minute for 14d, every hour for 730d";

fn parse_range(text: &str) -> Result<i64, QueryError> {
    let wrong =
        || bad(format!("range {text:?} is not a number with a unit s, m, h, d or w, as in 15m or 14d; {RANGES}"));
    let text = text.trim();
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse::<u32>().map_err(|_| wrong())?.into();
    match number * seconds {
        0 => Err(wrong()),
        range if range > LONGEST_RANGE => Err(bad(format!("range {text:?} is too long: {RANGES}"))),
        range => Ok(range),
    }
}

fn parse_moment(name: &str, text: &str) -> Result<i64, QueryError> {
    let wrong = || bad(format!("{name} {text:?} is not a time in unix seconds, as in 1767225600; {RANGES}"));
    let seconds: f64 = text.trim().parse().map_err(|_| wrong())?;
    // Year 0 to year 9999: what lies outside is milliseconds or a slip, and would overflow what follows.
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(seconds.floor() as i64)
}

fn parse_points(text: &str) -> Result<u32, QueryError> {
    let points = text.trim().parse().ok().filter(|points| (1..=MOST_POINTS).contains(points));
    points.ok_or_else(|| bad(format!("points {text:?} is not a number from 1 to {MOST_POINTS}")))
}

fn parse_series(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty()).then_some(names)
}

/// The numbers (into `known`) of the series that are asked for, each once, in the order of their names.
pub(super) fn choose(asked: Option<&[String]>, known: &[Arc<str>]) -> Result<Vec<usize>, QueryError> {
    // By place, and not a list that thousands of prefixes could make long.
    let mut is_chosen = vec![asked.is_none(); known.len()];
    for asked in asked.unwrap_or_default() {
        let matches = |name: &str| match asked.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == asked,
        };
        let mut is_known = false;
        for (_, is_chosen) in known.iter().zip(&mut is_chosen).filter(|(name, _)| matches(name)) {
            (is_known, *is_chosen) = (true, true);
        }
        if !is_known {
            let mut known = known.to_vec();
            known.sort_unstable();
            return Err(QueryError::UnknownSeries { asked: asked.clone(), known });
        }
    }
    let mut chosen: Vec<usize> = (0..known.len()).filter(|place| is_chosen[*place]).collect();
    chosen.sort_unstable_by_key(|place| &known[*place]);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Query, QueryError> {
        let mut parameters = Parameters::default();
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let field = match name {
                "range" => &mut parameters.range,
                "from" => &mut parameters.from,
                "to" => &mut parameters.to,
                "series" => &mut parameters.series,
                "points" => &mut parameters.points,
                other => panic!("{other}"),
            };
            *field = Some(value.to_owned());
        }
        Query::parse(&parameters)
    }

    fn bounds(text: &str) -> Result<(i64, i64), QueryError> {
        parse(text)?.bounds(1_000_000_000)
    }

    #[test]
    fn spans() {
        assert_eq!(bounds(""), Ok((999_999_100, 1_000_000_000)));
        assert_eq!(bounds("range=2h"), Ok((999_992_800, 1_000_000_000)));
        assert_eq!(bounds("range=2w&to=900000000"), Ok((898_790_400, 900_000_000)));
        assert_eq!(bounds("from=900000000.7"), Err(bad(format!("100000000 s is too long: {RANGES}"))));
        assert_eq!(bounds("from=999000000.7&to=999000600"), Ok((999_000_000, 999_000_600)));
        assert_eq!(bounds("range=730d").unwrap().0, 1_000_000_000 - LONGEST_RANGE);
    }

    #[test]
    fn every_mistake_says_what_would_be_right() {
        for (text, says) in [
            ("range=", "as in 15m"),
            ("range=15", "unit s, m, h, d or w"),
            ("range=m", "as in 15m"),
            ("range=-5m", "as in 15m"),
            ("range=0s", "as in 15m"),
            ("range=5µ", "as in 15m"),
            ("range=4294967295w", "every hour for 730d"),
            ("range=731d", "every minute for 14d"),
            ("range=1h&from=5", "not both"),
            ("from=10&to=10", "must be before"),
            ("from=yesterday", "unix seconds"),
            ("to=1767225600000", "unix seconds"),
            ("from=NaN", "unix seconds"),
            ("from=2000000000", "not in the past"),
            ("points=0", "1 to 5000"),
            ("points=5001", "1 to 5000"),
            ("points=many", "1 to 5000"),
        ] {
            let error = bounds(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(text.starts_with("points") || error.ends_with(RANGES), "{text}: {error}");
        }
    }

    #[test]
    fn series_are_chosen_by_name_and_by_prefix() {
        let known: Vec<Arc<str>> =
            ["network.lo.sent", "cpu.busy", "network.eth0.sent", "cpu.user"].map(Arc::from).to_vec();
        let choose = |text: &str| choose(parse(&format!("series={text}")).unwrap().series.as_deref(), &known);
        assert_eq!(choose(""), Ok(vec![1, 3, 2, 0]));
        assert_eq!(choose("cpu.user, network.*,cpu.*"), Ok(vec![1, 3, 2, 0]));
        assert_eq!(choose("cpu.user"), Ok(vec![3]));
        assert_eq!(choose(&"cpu.user,cpu.*,".repeat(500)), Ok(vec![1, 3]), "each once, however often it is asked for");
        let error = choose("cpu.user,gpu.*").unwrap_err().to_string();
        assert_eq!(error, "no series \"gpu.*\"; there are: cpu.busy, cpu.user, network.eth0.sent, network.lo.sent");
    }
}
