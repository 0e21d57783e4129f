//! The bytes of a series and of an unpacked row in the file.

use super::series::{Series, Unit};
use super::tier::{Point, Row, SeriesId};

/// Unit, whether it may be forgotten, when it was last seen (8 bytes, little endian), name.
pub(super) fn series_bytes(series: &Series) -> Vec<u8> {
    let mut bytes = vec![series.unit.number(), u8::from(series.dynamic)];
    bytes.extend(series.last_seen.to_le_bytes());
    bytes.extend(series.name.bytes());
    bytes
}

/// The series in such bytes; `None` when they are none.
pub(super) fn series_from(id: SeriesId, bytes: &[u8]) -> Option<Series> {
    let (head, name) = bytes.split_at_checked(10)?;
    Some(Series {
        id,
        name: std::str::from_utf8(name).ok()?.into(),
        unit: Unit::from_number(head[0])?,
        dynamic: head[1] != 0,
        last_seen: i64::from_le_bytes(head[2..10].try_into().ok()?),
    })
}

/// 16 bytes a point: series, minimum, mean, maximum, little endian.
pub(super) fn points_bytes(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.points.len() * 16);
    for (id, point) in &row.points {
        bytes.extend(id.to_le_bytes());
        [point.min, point.mean, point.max].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
    bytes
}

/// The points in such bytes.
pub(super) fn points_from(bytes: &[u8]) -> Vec<(SeriesId, Point)> {
    let (points, _) = bytes.as_chunks::<16>();
    let word = |point: &[u8; 16], at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| point[at * 4 + byte]));
    let value = |point, at| f32::from_bits(word(point, at));
    points.iter().map(|p| (word(p, 0), Point { min: value(p, 1), mean: value(p, 2), max: value(p, 3) })).collect()
}
