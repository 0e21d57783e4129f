//! The catalogue: which series there are, and where in a snapshot each one's value stands.
//!
//! `History::record` calls [`Catalogue::read`] once a tick. Names are only made and looked up when the machine changes (an
//! interface or a disk comes or goes); otherwise the layout of the last snapshot says at which place each value goes.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::layout::Layout;
use super::tier::{SAMPLES, SeriesId};
use crate::model::Snapshot;

/// Most series that are remembered at a time, those of the machine as a whole and of its cores not counted. One more
/// takes the place of the one that was not seen for longest; while all are still being seen, it is not remembered.
pub const MOST_DYNAMIC_SERIES: usize = 224;

/// Cores beyond this number have no series of their own.
pub const MOST_CORES: u32 = 128;

/// Seconds that a series must be unseen before another one may take its place.
const UNSEEN_SECONDS: i64 = 60;

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

    /// Its number in the file.
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    /// The unit with that number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.number() == number)
    }
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Its number, in memory and on disk.
    pub(super) id: SeriesId,
    /// Its name.
    pub(super) name: Arc<str>,
    /// Its unit.
    pub(super) unit: Unit,
    /// Whether it may be forgotten for another one.
    pub(super) dynamic: bool,
    /// When it last had a value, unix seconds.
    pub(super) last_seen: i64,
}

/// Place of a series in the catalogue and in the values of a tick. A forgotten series' place is given to a new one.
pub(super) type Place = usize;

/// All series.
#[derive(Debug)]
pub(super) struct Catalogue {
    series: Vec<Series>,
    by_name: HashMap<Arc<str>, Place>,
    next_id: SeriesId,
    layout: Layout,
    fresh: Vec<Series>,
    forgotten: Vec<Place>,
    forgotten_ids: Vec<SeriesId>,
}

impl Catalogue {
    /// A catalogue that knows the series of the file. Numbers below `next_id` are never given out again.
    pub(super) fn new(stored: Vec<Series>, next_id: SeriesId) -> Self {
        let by_name = stored.iter().enumerate().map(|(place, series)| (series.name.clone(), place)).collect();
        let highest = stored.iter().map(|series| series.id + 1).max().unwrap_or(SAMPLES + 1);
        Self {
            series: stored,
            by_name,
            next_id: next_id.max(highest),
            layout: Layout::default(),
            fresh: Vec::new(),
            forgotten: Vec::new(),
            forgotten_ids: Vec::new(),
        }
    }

    /// All series, by place.
    pub(super) fn all(&self) -> &[Series] {
        &self.series
    }

    /// The value of each place at `now`, unix seconds.
    pub(super) fn read(&mut self, snapshot: &Snapshot, now: i64, values: &mut Vec<Option<f32>>) {
        values.clear();
        values.resize(self.series.len(), None);
        let mut layout = std::mem::take(&mut self.layout);
        layout.read(snapshot, now, self, |place, value| {
            if values.len() <= place {
                values.resize(place + 1, None);
            }
            values[place] = Some(value as f32);
        });
        self.layout = layout;
        values.resize(self.series.len(), None);
        for (series, value) in self.series.iter_mut().zip(values) {
            if value.is_some() {
                series.last_seen = now;
            }
            *value = value.filter(|value| value.is_finite());
        }
    }

    /// The place of a series, made for it if there is none. `None` when there is no room.
    pub(super) fn place(&mut self, name: &str, unit: Unit, dynamic: bool, now: i64) -> Option<Place> {
        if let Some(place) = self.by_name.get(name).copied() {
            // Seen from now on, so that nothing that comes later in the same pass takes its place.
            self.series[place].last_seen = self.series[place].last_seen.max(now);
            return Some(place);
        }
        let full = dynamic && self.series.iter().filter(|series| series.dynamic).count() >= MOST_DYNAMIC_SERIES;
        let place = if full { self.forget_oldest(now)? } else { self.series.len() };
        let series = Series { id: self.next_id, name: name.into(), unit, dynamic, last_seen: now };
        self.next_id += 1;
        self.fresh.push(series.clone());
        self.by_name.insert(series.name.clone(), place);
        if full {
            self.series[place] = series;
        } else {
            self.series.push(series);
        }
        Some(place)
    }

    fn forget_oldest(&mut self, now: i64) -> Option<Place> {
        let dynamic = self.series.iter().enumerate().filter(|(_, series)| series.dynamic);
        let (place, oldest) = dynamic.min_by_key(|(_, series)| series.last_seen)?;
        if oldest.last_seen + UNSEEN_SECONDS > now {
            return None;
        }
        let (id, name) = (oldest.id, oldest.name.clone());
        log::debug!("history: {name} is forgotten for a newer series");
        self.by_name.remove(&name);
        self.forgotten.push(place);
        match self.fresh.iter().position(|series| series.id == id) {
            // The file never hears of it.
            Some(fresh) => drop(self.fresh.swap_remove(fresh)),
            None => self.forgotten_ids.push(id),
        }
        Some(place)
    }

    /// Nothing was seen later than `now`: the clock was wrong. Whoever was last seen then could never be forgotten.
    pub(super) fn forget_later_sightings(&mut self, now: i64) {
        for series in self.series.iter_mut().filter(|series| series.last_seen > now) {
            series.last_seen = now;
            self.fresh.retain(|fresh| fresh.id != series.id);
            self.fresh.push(series.clone());
        }
    }

    /// Places whose series was forgotten since the last call.
    pub(super) fn take_forgotten_places(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.forgotten)
    }

    /// New and forgotten series since the last call, for the file.
    pub(super) fn take_changes(&mut self) -> (Vec<Series>, Vec<SeriesId>) {
        (std::mem::take(&mut self.fresh), std::mem::take(&mut self.forgotten_ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing;

    fn names(catalogue: &Catalogue) -> Vec<&str> {
        let mut names: Vec<&str> = catalogue.all().iter().map(|series| &*series.name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn interfaces_that_come_and_go_are_bounded() {
        let mut catalogue = Catalogue::new(Vec::new(), 1);
        let mut values = Vec::new();
        for round in 0..500 {
            let interfaces = ["lo".to_owned(), format!("veth{round}")];
            catalogue.read(&testing::with_interfaces(&interfaces, 5.0), round * 10, &mut values);
        }
        assert_eq!(catalogue.all().len(), MOST_DYNAMIC_SERIES);
        let names = names(&catalogue);
        assert!(names.contains(&"network.lo.received") && names.contains(&"network.veth499.sent"));
        assert!(!names.contains(&"network.veth3.sent"), "the oldest went");
        let (fresh, forgotten) = catalogue.take_changes();
        assert_eq!((fresh.len(), forgotten.len()), (MOST_DYNAMIC_SERIES, 0), "what came and went is not told");
        assert_eq!(catalogue.all().iter().map(|series| series.id).max(), Some(1_002), "numbers are not used again");
    }

    #[test]
    fn what_is_still_seen_is_never_forgotten() {
        let mut catalogue = Catalogue::new(Vec::new(), 1);
        let mut values = Vec::new();
        let many: Vec<String> = (0..300).map(|i| format!("if{i}")).collect();
        for now in 0..200 {
            catalogue.read(&testing::with_interfaces(&many, 5.0), now, &mut values);
        }
        assert_eq!(catalogue.all().len(), MOST_DYNAMIC_SERIES);
        assert!(names(&catalogue).contains(&"network.if0.received"));
        assert!(catalogue.take_changes().1.is_empty());
        assert_eq!(values.iter().flatten().count(), MOST_DYNAMIC_SERIES);
    }

    #[test]
    fn the_catalogue_of_the_file_goes_on() {
        let lo =
            Series { id: 9, name: "network.lo.sent".into(), unit: Unit::BytesPerSecond, dynamic: true, last_seen: 0 };
        let mut catalogue = Catalogue::new(vec![lo], 4);
        let mut values = Vec::new();
        catalogue.read(&testing::with_interfaces(&["lo".to_owned()], 5.0), 10, &mut values);
        let ids: Vec<_> = catalogue.all().iter().map(|series| (series.id, series.last_seen)).collect();
        assert_eq!(ids, [(9, 10), (10, 10)]);
        assert_eq!(catalogue.take_changes().0.len(), 1);
    }

    #[test]
    fn units_keep_their_numbers() {
        let numbers: Vec<u8> = Unit::ALL.into_iter().map(Unit::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4], "they stand in files");
        assert_eq!(Unit::from_number(5), None);
        assert_eq!(serde_json::to_string(&Unit::BytesPerSecond).unwrap(), "\"bytes_per_second\"");
    }
}
