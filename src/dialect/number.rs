//! Turns the model's ratios and seconds into the percentages and whole numbers that older systems speak.
//!
//! Called by the dialects. Numbers only: no key and no unit of a particular system is known here.

/// Per cent, unrounded.
pub(super) fn percent(ratio: f64) -> f64 {
    ratio * 100.0
}

/// Per cent with one decimal, as psutil prints it.
pub(super) fn percent_one_decimal(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 10.0
}

/// Whole seconds, cut; `None` for what is no point in time.
pub(super) fn whole(value: f64) -> Option<u64> {
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}

/// Whole milliseconds of a counter that the kernel keeps in milliseconds.
pub(super) fn milliseconds(seconds: f64) -> Option<u64> {
    whole((seconds * 1000.0).round())
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, percent_one_decimal, whole};

    #[test]
    fn one_decimal_is_rounded_not_cut() {
        assert_eq!(percent_one_decimal(0.123_46), 12.3);
        assert_eq!(percent_one_decimal(0.123_56), 12.4);
        assert_eq!(percent_one_decimal(2.5), 250.0);
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(whole(value), None);
        }
        assert_eq!(whole(1781.99), Some(1781));
    }

    #[test]
    fn milliseconds_come_back_as_the_kernel_counted_them() {
        for counted in [0, 1, 15_506, 64_427, 4_294_967_295, 9_007_199_254_741] {
            assert_eq!(milliseconds(counted as f64 / 1000.0), Some(counted));
        }
    }
}
