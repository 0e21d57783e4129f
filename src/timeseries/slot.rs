//! A second, or ten, that is being filled: what [`super::host`] makes rows of. In memory, bounded by the number of series.

use super::series::SeriesList;
use super::tier::{Gauge, Row, SAMPLES, SeriesId, single};

/// A slot that is being filled, by place of the series. A place that was given to another series begins anew.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) number: Option<i64>,
    samples: f64,
    gauges: Vec<(SeriesId, Gauge)>,
}

impl Slot {
    /// Goes on with a row that was stored before it was complete.
    pub(super) fn resume(row: &Row, series: &SeriesList) -> Self {
        let weight = f64::from(row.samples());
        let gauge = |id| {
            let mut gauge = Gauge::default();
            let point = row.points.iter().find(|(known, _)| *known == id);
            point.iter().for_each(|(_, point)| gauge.add(*point, weight));
            (id, gauge)
        };
        let gauges = series.all().iter().map(|series| gauge(series.id)).collect();
        Self { number: Some(row.slot), samples: weight, gauges }
    }

    /// Turns to slot `number`; the row of the one before, if it is another.
    pub(super) fn begin(&mut self, number: i64) -> Option<Row> {
        if self.number == Some(number) {
            return None;
        }
        let row = self.row();
        (self.number, self.samples) = (Some(number), 0.0);
        self.gauges.iter_mut().for_each(|(_, gauge)| *gauge = Gauge::default());
        row
    }

    /// Adds the values of the sample that was read last.
    pub(super) fn add(&mut self, series: &SeriesList) {
        self.samples += 1.0;
        self.gauges.resize(series.all().len(), (SAMPLES, Gauge::default()));
        for ((gauge, series), value) in self.gauges.iter_mut().zip(series.all()).zip(series.values()) {
            if gauge.0 != series.id {
                *gauge = (series.id, Gauge::default());
            }
            if let Some(value) = value {
                gauge.1.add(single(*value), 1.0);
            }
        }
    }

    /// What it holds; `None` without a sample.
    pub(super) fn row(&self) -> Option<Row> {
        let slot = self.number.filter(|_| self.samples > 0.0)?;
        let mut points = Vec::with_capacity(self.gauges.len() + 1);
        points.push((SAMPLES, single(self.samples as f32)));
        points.extend(self.gauges.iter().filter_map(|(id, gauge)| Some((*id, gauge.point()?))));
        Some(Row { slot, points })
    }
}
