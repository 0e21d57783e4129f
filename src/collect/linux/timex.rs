//! adjtimex(2): how the kernel's clock is disciplined. Asked read-only; it needs no right. There is no file in `/proc` for it:
//! it is always that of the running kernel, which a container shares with its host.

use rtime_clock::adjtime::{Timex as Query, adjtimex};

use crate::model::system::Timex;
use crate::model::{ReadError, Reading};

/// What adjtimex(2) returns for a clock that follows no source (`TIME_ERROR` of linux/timex.h).
const TIME_ERROR: i32 = 5;

/// The clock's state now.
pub fn read() -> Reading<Timex> {
    let mut query = Query::new();
    let state = adjtimex(&mut query)
        .map_err(|error| ReadError::Io { path: "adjtimex(2)".to_owned(), reason: error.to_string() })?;
    let raw = query.0;
    Ok(Timex {
        synchronized: state != TIME_ERROR,
        offset: raw.offset,
        frequency: raw.freq,
        maximum_error_microseconds: raw.maxerror,
        estimated_error_microseconds: raw.esterror,
        status: raw.status.into(),
        time_constant: raw.constant,
        tick_microseconds: raw.tick,
        pps_frequency: raw.ppsfreq,
        pps_jitter: raw.jitter,
        pps_shift: raw.shift.into(),
        pps_stability: raw.stabil,
        pps_jitter_exceeded: raw.jitcnt,
        pps_calibrations: raw.calcnt,
        pps_errors: raw.errcnt,
        pps_stability_exceeded: raw.stbcnt,
        tai_offset_seconds: raw.tai.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_ticks() {
        let timex = read().unwrap();
        // 10,000 us nominal; adjtimex(2) allows a tenth either way.
        assert!((9_000..=11_000).contains(&timex.tick_microseconds), "{timex:?}");
    }
}
