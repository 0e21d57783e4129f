//! The series of one host: their names, numbers and units, and which of them the values of a sample belong to.
//!
//! [`super::host`] hands [`Values`] to whoever has a sample, who puts its numbers in by name.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::tier::{SAMPLES, SeriesId};

/// Most series of a host at a time that come and go, those that stay not counted. One more takes the place of the one that
/// was not seen for longest; while all are still being seen, it is not remembered.
pub const MOST_DYNAMIC_SERIES: usize = 224;

/// Seconds that a series must be unseen before another one may take its place.
const UNSEEN_SECONDS: i64 = 60;

/// The file is told this often, seconds, when each series was seen last.
const TOLD_SECONDS: i64 = 3_600;

/// Unit of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0 to 1.
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A mean number of tasks.
    Tasks,
    /// Degrees Celsius.
    Celsius,
}

impl Unit {
    const ALL: [Self; 5] = [Self::Ratio, Self::Bytes, Self::BytesPerSecond, Self::Tasks, Self::Celsius];
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its number, in memory and on disk.
    pub id: SeriesId,
    /// Its name.
    pub name: Arc<str>,
    /// Its unit.
    pub unit: Unit,
    /// Whether it may be forgotten for another one.
    pub(super) dynamic: bool,
    /// When it last had a value, unix seconds.
    pub(super) last_seen: i64,
}

impl Series {
    /// Its bytes in the file: unit, whether it may be forgotten, when it was last seen (8 bytes, little endian), name.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.unit as u8, u8::from(self.dynamic)];
        bytes.extend(self.last_seen.to_le_bytes());
        bytes.extend(self.name.bytes());
        bytes
    }

    /// The series in such bytes; `None` when they are none.
    pub(super) fn from_bytes(id: SeriesId, bytes: &[u8]) -> Option<Self> {
        let (head, name) = bytes.split_at_checked(10)?;
        Some(Self {
            id,
            name: std::str::from_utf8(name).ok()?.into(),
            unit: Unit::ALL.into_iter().find(|unit| *unit as u8 == head[0])?,
            dynamic: head[1] != 0,
            last_seen: i64::from_le_bytes(head[2..10].try_into().ok()?),
        })
    }
}

/// All series of a host. The place of one in the list, and so in the values of a sample, stays the same; that of a
/// forgotten series is given to a new one.
#[derive(Debug)]
pub(super) struct SeriesList {
    all: Vec<Series>,
    by_name: HashMap<Arc<str>, usize>,
    next_id: SeriesId,
    /// How many of all are of things that come and go.
    dynamic: usize,
    /// Before this moment, unix seconds, no series can be forgotten for a new one.
    full_until: i64,
    /// Whether the file has to be told, and when it was last.
    changed: bool,
    told_at: i64,
    /// Kept from sample to sample for its memory.
    values: Vec<Option<f32>>,
}

impl SeriesList {
    /// A list that goes on with the series of the file.
    pub(super) fn new(stored: Vec<Series>) -> Self {
        Self {
            by_name: stored.iter().enumerate().map(|(place, series)| (series.name.clone(), place)).collect(),
            next_id: stored.iter().map(|series| series.id).max().unwrap_or(SAMPLES) + 1,
            dynamic: stored.iter().filter(|series| series.dynamic).count(),
            all: stored,
            full_until: i64::MIN,
            changed: false,
            told_at: i64::MIN,
            values: Vec::new(),
        }
    }

    /// All series, by place.
    pub(super) fn all(&self) -> &[Series] {
        &self.all
    }

    /// Reads a sample of `now`, unix seconds, whose values `fill` puts in.
    pub(super) fn read(&mut self, now: i64, fill: impl FnOnce(&mut Values<'_>)) {
        self.values.clear();
        self.values.resize(self.all.len(), None);
        fill(&mut Values { list: self, now });
        self.values.iter_mut().for_each(|value| *value = value.filter(|value| value.is_finite()));
        if now.saturating_sub(self.told_at) >= TOLD_SECONDS {
            (self.told_at, self.changed) = (now, true);
        }
    }

    /// The value of each place in the sample that was read last.
    pub(super) fn values(&self) -> &[Option<f32>] {
        &self.values
    }

    /// The place of a series, made for it if there is none. `None` when there is no room.
    fn place(&mut self, name: &str, unit: Unit, dynamic: bool, now: i64) -> Option<usize> {
        if let Some(place) = self.by_name.get(name).copied() {
            return Some(place);
        }
        let full = dynamic && self.dynamic >= MOST_DYNAMIC_SERIES;
        let place = if full { self.forget_oldest(now)? } else { self.all.len() };
        let series = Series { id: self.next_id, name: name.into(), unit, dynamic, last_seen: now };
        self.next_id += 1;
        self.changed = true;
        self.by_name.insert(series.name.clone(), place);
        if full {
            self.all[place] = series;
        } else {
            self.all.push(series);
            self.values.push(None);
            self.dynamic += usize::from(dynamic);
        }
        Some(place)
    }

    fn forget_oldest(&mut self, now: i64) -> Option<usize> {
        if now < self.full_until {
            return None;
        }
        let dynamic = self.all.iter().enumerate().filter(|(_, series)| series.dynamic);
        let (place, oldest) = dynamic.min_by_key(|(_, series)| series.last_seen)?;
        self.full_until = oldest.last_seen + UNSEEN_SECONDS;
        if now < self.full_until {
            return None;
        }
        log::debug!("history: {} is forgotten for a newer series", oldest.name);
        self.by_name.remove(&oldest.name);
        self.values[place] = None;
        Some(place)
    }

    /// Nothing was seen later than `now`: the clock was wrong. A series last seen then could never be forgotten.
    pub(super) fn forget_later_sightings(&mut self, now: i64) {
        self.all.iter_mut().for_each(|series| series.last_seen = series.last_seen.min(now));
        (self.changed, self.told_at, self.full_until) = (true, now, i64::MIN);
    }

    /// All series, if the file has to be told of them since the last call.
    pub(super) fn take_changed(&mut self) -> Option<Vec<Series>> {
        std::mem::take(&mut self.changed).then(|| self.all.clone())
    }
}

/// Takes in the numbers of one sample by the names of their series.
#[derive(Debug)]
pub struct Values<'a> {
    list: &'a mut SeriesList,
    now: i64,
}

impl Values<'_> {
    /// Time of the sample, unix seconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Puts in a number of a series that every machine has; it is never forgotten. The parts of the name are put together.
    /// `None`: the thing is there, its number is unknown.
    pub fn put(&mut self, name: &[&str], unit: Unit, value: Option<f64>) {
        self.put_as(name, unit, false, value);
    }

    /// The same for a thing that comes and goes, for which there may be no room. A second one of the same name in one
    /// sample has `.2` added to its name, and so on.
    pub fn put_dynamic(&mut self, name: &[&str], unit: Unit, value: Option<f64>) {
        self.put_as(name, unit, true, value);
    }

    fn put_as(&mut self, name: &[&str], unit: Unit, dynamic: bool, value: Option<f64>) {
        let list = &mut *self.list;
        let name = name.concat();
        let Some(mut place) = list.place(&name, unit, dynamic, self.now) else { return };
        let mut twin = 2;
        while list.values[place].is_some() {
            let Some(other) = list.place(&format!("{name}.{twin}"), unit, dynamic, self.now) else { return };
            (place, twin) = (other, twin + 1);
        }
        list.all[place].last_seen = self.now;
        // Unknown is not a number: seen, and without a value.
        list.values[place] = Some(value.unwrap_or(f64::NAN) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &SeriesList) -> Vec<&str> {
        let mut names: Vec<&str> = list.all().iter().map(|series| &*series.name).collect();
        names.sort_unstable();
        names
    }

    /// Puts in a number for each of these things, and gives what the list has by then.
    fn see(list: &mut SeriesList, now: i64, names: &[impl AsRef<str>]) -> Vec<Option<f32>> {
        let put = |values: &mut Values<'_>| {
            for (value, name) in names.iter().enumerate() {
                values.put_dynamic(&["network.", name.as_ref(), ".sent"], Unit::BytesPerSecond, Some(value as f64));
            }
        };
        list.read(now, put);
        list.values().to_vec()
    }

    #[test]
    fn what_comes_and_goes_is_bounded() {
        let mut list = SeriesList::new(Vec::new());
        for round in 0..500 {
            see(&mut list, round * 10, &["lo".to_owned(), format!("veth{round}")]);
        }
        assert_eq!(list.all().len(), MOST_DYNAMIC_SERIES);
        let names = names(&list);
        assert!(names.contains(&"network.lo.sent") && names.contains(&"network.veth499.sent"));
        assert!(!names.contains(&"network.veth3.sent"), "the oldest went");
        assert_eq!(list.all().iter().map(|series| series.id).max(), Some(501), "numbers are not used again");
    }

    #[test]
    fn what_is_still_seen_is_never_forgotten() {
        let mut list = SeriesList::new(Vec::new());
        let many: Vec<String> = (0..300).map(|i| format!("if{i}")).collect();
        for now in 0..200 {
            let values = see(&mut list, now, &many);
            assert_eq!(values.iter().flatten().count(), MOST_DYNAMIC_SERIES);
        }
        assert!(names(&list).contains(&"network.if0.sent"));
        assert!(!names(&list).contains(&"network.if250.sent"));
        // Room is found again as soon as something is unseen for a minute.
        see(&mut list, 258, &["new"]);
        assert!(!names(&list).contains(&"network.new.sent"));
        see(&mut list, 259, &["new"]);
        assert!(names(&list).contains(&"network.new.sent"));
    }

    #[test]
    fn the_series_of_the_file_go_on() {
        let lo =
            Series { id: 9, name: "network.lo.sent".into(), unit: Unit::BytesPerSecond, dynamic: true, last_seen: 0 };
        assert_eq!(Series::from_bytes(9, &lo.bytes()), Some(lo.clone()));
        let mut list = SeriesList::new(vec![lo]);
        see(&mut list, 10, &["lo", "eth0"]);
        let ids: Vec<_> = list.all().iter().map(|series| (series.id, series.last_seen)).collect();
        assert_eq!(ids, [(9, 10), (10, 10)]);
    }

    #[test]
    fn the_file_is_told_of_new_series_at_once_and_of_sightings_every_hour() {
        let mut list = SeriesList::new(Vec::new());
        let told: Vec<i64> = (0..8_000)
            .filter(|now| {
                see(&mut list, *now, if *now < 5_000 { &["lo"][..] } else { &["lo", "eth0"] });
                list.take_changed().is_some()
            })
            .collect();
        assert_eq!(told, [0, 3_600, 5_000, 7_200]);
    }

    #[test]
    fn a_thing_that_goes_takes_no_other_along() {
        let mut list = SeriesList::new(Vec::new());
        see(&mut list, 1, &["a", "b", "c"]);
        assert_eq!(see(&mut list, 2, &["b", "c"]), [None, Some(0.0), Some(1.0)]);
        assert_eq!(see(&mut list, 3, &["c", "a", "b"]), [Some(1.0), Some(2.0), Some(0.0)]);
    }

    #[test]
    fn things_of_one_name_have_a_series_each() {
        let mut list = SeriesList::new(Vec::new());
        for now in 1..4 {
            assert_eq!(see(&mut list, now, &["a", "a", "a"]), [Some(0.0), Some(1.0), Some(2.0)]);
        }
        assert_eq!(names(&list), ["network.a.sent", "network.a.sent.2", "network.a.sent.3"]);
    }

    #[test]
    fn units_keep_their_numbers() {
        assert_eq!(Unit::ALL.map(|unit| unit as u8), [0, 1, 2, 3, 4], "they stand in files");
        assert_eq!(serde_json::to_string(&Unit::BytesPerSecond).unwrap(), "\"bytes_per_second\"");
    }
}
