//! Collectors `time` and `timex`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::system::{Clock, Timex};

/// Wall clock, time zone and clock sources.
pub fn time(writer: &mut Writer, snapshot: &Snapshot) {
    if let Some(clock) = snapshot.raw::<Clock>() {
        let name = "node_time_clocksource_available_info";
        let mut family = writer.family(name, Kind::Gauge, "Clock sources that the kernel can use.");
        for sources in &clock.sources {
            for source in &sources.available {
                family.sample(&[("clocksource", source), ("device", &sources.device)], 1_u64);
            }
        }
        let name = "node_time_clocksource_current_info";
        let mut family = writer.family(name, Kind::Gauge, "The clock source that the kernel uses.");
        for sources in &clock.sources {
            family.sample(&[("clocksource", &sources.current), ("device", &sources.device)], 1_u64);
        }
        let name = "node_time_zone_offset_seconds";
        let mut family = writer.family(name, Kind::Gauge, "Seconds by which local time is ahead of UTC.");
        family.sample(&[("time_zone", &clock.zone)], clock.zone_offset_seconds);
    }
    let help = "Wall clock of the sample, seconds since 1970.";
    writer.gauge("node_time_seconds", help, Some(snapshot.time_unix_seconds));
}

/// adjtimex(2) in seconds and ratios.
pub fn timex(writer: &mut Writer, snapshot: &Snapshot) {
    /// Parts per million with 16 bits of fraction.
    const SCALED_PPM: f64 = 65_536.0 * 1e6;
    let Some(timex) = snapshot.raw::<Timex>() else { return };
    let units = timex.units_per_second();
    let gauges = [
        ("estimated_error_seconds", "Estimated error.", timex.estimated_error_microseconds as f64 / 1e6),
        ("frequency_adjustment_ratio", "Correction of the clock's speed.", 1.0 + timex.frequency as f64 / SCALED_PPM),
        ("loop_time_constant", "Time constant of the phase-locked loop.", timex.time_constant as f64),
        ("maxerror_seconds", "Largest error.", timex.maximum_error_microseconds as f64 / 1e6),
        ("offset_seconds", "Distance from the reference clock.", timex.offset as f64 / units),
        ("pps_frequency_hertz", "Frequency of the pulse per second.", timex.pps_frequency as f64 / SCALED_PPM),
        ("pps_jitter_seconds", "Jitter of the pulse per second.", timex.pps_jitter as f64 / units),
        ("pps_shift_seconds", "Interval of the pulse per second.", timex.pps_shift as f64),
        ("pps_stability_hertz", "Mean change of the pulse's frequency.", timex.pps_stability as f64 / SCALED_PPM),
        ("status", "The status bits.", timex.status as f64),
        ("sync_status", "Whether a reliable source sets the clock: 1 yes, 0 no.", f64::from(timex.synchronized)),
        ("tai_offset_seconds", "International Atomic Time less UTC.", timex.tai_offset_seconds as f64),
        ("tick_seconds", "Length of a tick.", timex.tick_microseconds as f64 / 1e6),
    ];
    for (name, help, value) in gauges {
        writer.gauge(&format!("node_timex_{name}"), help, Some(value));
    }
    let counters = [
        ("pps_calibration_total", "Calibration intervals of the pulse per second.", timex.pps_calibrations),
        ("pps_error_total", "Calibration errors of the pulse per second.", timex.pps_errors),
        ("pps_jitter_total", "Times the jitter of the pulse was too large.", timex.pps_jitter_exceeded),
        ("pps_stability_exceeded_total", "Times the pulse was not stable.", timex.pps_stability_exceeded),
    ];
    for (name, help, value) in counters {
        writer.counter(&format!("node_timex_{name}"), help, Some(value));
    }
}
