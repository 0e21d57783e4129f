//! Packs one series' points of one block into few bytes, and takes them out again. Pure. Used by [`super::ring`] and
//! [`super::file`]; what stands in files must be read for two years, so the layout below may not change.
//!
//! A value is rounded to 13 significant bits (an error of at most 0.013 %) and mapped to an integer of the same order.
//! The means are stored as their distance from the block's smallest one, minimum and maximum as their distance from the
//! mean, each in as many bits as the largest distance needs. A series that does not move takes 8 bytes a block, a busy
//! one some 4 bytes a slot, and none more than 8 bytes a slot.
//!
//! ```text
//! byte 0     1 if some slots are empty     byte 1, 2, 3  bits of mean, minimum, maximum
//! byte 4-7   smallest mean, little endian  byte 8-22     one bit a slot, set where there is a point; only if byte 0 is 1
//! then       mean, minimum, maximum of each point in turn, lowest bit first
//! ```

use super::tier::{BLOCK_SLOTS, Point};

const SLOTS: usize = BLOCK_SLOTS as usize;
const HEAD_BYTES: usize = 8;
const MASK_BYTES: usize = SLOTS.div_ceil(8);

/// Most bits of a field: no code has more than 20 and a sign.
const MOST_BITS: u8 = 22;

/// Room for the fields of a whole block and the last load.
const BITS_BYTES: usize = (SLOTS * 3 * MOST_BITS as usize).div_ceil(8) + 8;

/// Low bits of a float that are rounded away: 23 - 12.
const DROPPED_BITS: u32 = 11;

/// Values nearer to 0 than this are 0: 2^-20.
const SMALLEST: f32 = 1.0 / 1_048_576.0;

/// Values further from 0 than this are this: 2^80.
const LARGEST: f32 = 1.208_925_8e24;

/// Codes start here, so that [`SMALLEST`] has code 1.
const FIRST_CODE: u32 = (SMALLEST.to_bits() >> DROPPED_BITS) - 1;

/// The points of one block, by slot within the block.
pub(super) type Column = [Option<Point>; SLOTS];

fn code(value: f32) -> i32 {
    let size = value.abs().min(LARGEST);
    if size < SMALLEST {
        return 0;
    }
    let rounded = (size.to_bits() + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS;
    let code = (rounded - FIRST_CODE).cast_signed();
    if value < 0.0 { -code } else { code }
}

fn value(code: i32) -> f32 {
    // Without a branch: an answer has millions of them, and which are 0 cannot be foreseen.
    let size = (code.unsigned_abs() + FIRST_CODE) << DROPPED_BITS;
    let is_some = u32::from(code != 0).wrapping_neg();
    f32::from_bits(size & is_some | code.cast_unsigned() & (1 << 31))
}

fn bits_of(largest: u32) -> u8 {
    (u32::BITS - largest.leading_zeros()) as u8
}

/// A block of one series. Empty when the series has no point in it.
pub(super) fn pack(column: &Column) -> Vec<u8> {
    let mut mask = [0_u8; MASK_BYTES];
    let mut codes: Vec<(i32, u32, u32)> = Vec::with_capacity(SLOTS);
    for (slot, point) in column.iter().enumerate() {
        let Some(point) = point else { continue };
        mask[slot / 8] |= 1 << (slot % 8);
        let mean = code(point.mean);
        codes.push((mean, mean.abs_diff(code(point.min).min(mean)), mean.abs_diff(code(point.max).max(mean))));
    }
    let Some(base) = codes.iter().map(|(mean, _, _)| *mean).min() else { return Vec::new() };
    let width = |pick: fn(&(i32, u32, u32), i32) -> u32| {
        bits_of(codes.iter().map(|code| pick(code, base)).max().unwrap_or_default())
    };
    let widths = [width(|c, base| c.0.abs_diff(base)), width(|c, _| c.1), width(|c, _| c.2)];
    let full = codes.len() == SLOTS;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + MASK_BYTES + SLOTS * 8);
    bytes.push(u8::from(!full));
    bytes.extend(widths);
    bytes.extend(base.to_le_bytes());
    if !full {
        bytes.extend(mask);
    }
    let mut writer = BitWriter { bytes: &mut bytes, pending: 0, count: 0 };
    for (mean, below, above) in codes {
        writer.put(mean.abs_diff(base), widths[0]);
        writer.put(below, widths[1]);
        writer.put(above, widths[2]);
    }
    writer.finish();
    bytes.shrink_to_fit();
    bytes
}

/// Adds every point of a packed block to `points`, with its slot: `first_slot` is that of the block. `None` when the bytes
/// are not a block; nothing is added then.
pub(super) fn unpack(bytes: &[u8], first_slot: i64, points: &mut Vec<(i64, Point)>) -> Option<()> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let base = i32::from_le_bytes(head[4..8].try_into().ok()?);
    let widths = [head[1], head[2], head[3]];
    let (mask, rest) = match head[0] {
        0 => ([0xff; MASK_BYTES], rest),
        1 => {
            let (mask, rest) = rest.split_at_checked(MASK_BYTES)?;
            (mask.try_into().ok()?, rest)
        }
        _ => return None,
    };
    let count = mask.iter().map(|byte: &u8| byte.count_ones() as usize).sum::<usize>();
    let bits = widths.iter().map(|width| usize::from(*width)).sum::<usize>() * count;
    // No code has more than 20 bits and a sign, so a wider field is not ours and its sums could overflow.
    if widths.iter().any(|width| *width > MOST_BITS) || base.unsigned_abs() > 1 << 22 || rest.len() != bits.div_ceil(8)
    {
        return None;
    }
    let mut reader = BitReader::new(rest);
    let mut next = |slot| {
        let (mean, below) = reader.take_two(widths[0], widths[1]);
        let (above, _) = reader.take_two(widths[2], 0);
        let mean = base + mean;
        (first_slot + slot, Point { min: value(mean - below), mean: value(mean), max: value(mean + above) })
    };
    if count == SLOTS {
        points.extend((0..BLOCK_SLOTS).map(next));
    } else {
        let slots = (0..BLOCK_SLOTS).filter(|slot| mask[(slot / 8) as usize] >> (slot % 8) & 1 == 1);
        slots.for_each(|slot| points.push(next(slot)));
    }
    Some(())
}

struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter<'_> {
    fn put(&mut self, bits: u32, width: u8) {
        self.pending |= u64::from(bits) << self.count;
        self.count += u32::from(width);
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(self) {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
    }
}

/// Reads two fields with one load of 8 bytes: they may begin at any of a byte's bits, so they have 57 bits at most. The
/// bytes stand in a buffer of fixed size so that a load needs no end of its own.
struct BitReader {
    bytes: [u8; BITS_BYTES],
    position: usize,
}

impl BitReader {
    /// Over at most a block's worth of bytes; bits past the end are 0.
    fn new(bytes: &[u8]) -> Self {
        let mut buffer = [0; BITS_BYTES];
        let count = bytes.len().min(BITS_BYTES);
        buffer[..count].copy_from_slice(&bytes[..count]);
        Self { bytes: buffer, position: 0 }
    }

    /// The next `first` bits and the `second` after them, [`MOST_BITS`] each at most.
    fn take_two(&mut self, first: u8, second: u8) -> (i32, i32) {
        let at = (self.position / 8).min(BITS_BYTES - 8);
        let word = self.bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) >> (self.position % 8);
        self.position += usize::from(first) + usize::from(second);
        let field = |bits: u64, width: u8| (bits & ((1 << width) - 1)) as i32;
        (field(word, first), field(word >> first, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeseries::tier::single;

    fn column(make: impl Fn(usize) -> Option<Point>) -> Column {
        std::array::from_fn(make)
    }

    fn round_trip(column: &Column) -> Column {
        let mut points = Vec::new();
        unpack(&pack(column), 1_000, &mut points).unwrap();
        assert!(points.is_sorted_by_key(|(slot, _)| *slot));
        let mut back = [None; SLOTS];
        points.into_iter().for_each(|(slot, point)| back[slot as usize - 1_000] = Some(point));
        back
    }

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() <= a.abs() * 0.000_13 || (a.abs() < SMALLEST && b == 0.0)
    }

    #[test]
    fn values_come_back_to_four_digits_and_in_order() {
        let of = |slot: usize| (slot as f32 - 60.0) * 1.37e-5 * 10_f32.powf((slot % 17) as f32);
        let points = column(|slot| {
            let mean = of(slot);
            (slot % 5 != 3).then_some(Point { min: mean - mean.abs(), mean, max: mean * 0.5 + mean.abs() * 1.6 })
        });
        for (before, after) in points.iter().zip(round_trip(&points)) {
            match (before, after) {
                (None, None) => {}
                (Some(before), Some(after)) => {
                    assert!(near(before.mean, after.mean), "{before:?} {after:?}");
                    assert!(near(before.min, after.min) && near(before.max, after.max), "{before:?} {after:?}");
                    assert!(after.min <= after.mean && after.mean <= after.max, "{after:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_series_that_does_not_move_is_eight_bytes() {
        assert_eq!(pack(&column(|_| Some(single(1.5e10)))).len(), HEAD_BYTES);
        assert_eq!(pack(&column(|_| Some(single(0.0)))).len(), HEAD_BYTES);
        assert!(pack(&column(|_| None)).is_empty());
    }

    #[test]
    fn the_wildest_series_takes_no_more_than_eight_bytes_a_slot() {
        let wild = column(|slot| {
            let mean = if slot % 2 == 0 { -3.4e38 } else { 3.4e38 };
            Some(Point { min: -3.4e38, mean, max: 3.4e38 })
        });
        assert!(pack(&wild).len() <= HEAD_BYTES + 8 * SLOTS, "{}", pack(&wild).len());
        assert_eq!(round_trip(&wild)[1].unwrap().min, -LARGEST);
    }

    #[test]
    fn bytes_that_are_no_block_are_refused() {
        let good = pack(&column(|slot| Some(single(slot as f32))));
        let refused = |bytes: &[u8]| {
            let mut points = Vec::new();
            unpack(bytes, 0, &mut points).is_none() && points.is_empty()
        };
        for length in 0..good.len() {
            assert!(refused(&good[..length]), "{length}");
        }
        for byte in 0..4 {
            let mut bad = good.clone();
            bad[byte] = 0xff;
            assert!(refused(&bad), "{byte}");
        }
    }
}
