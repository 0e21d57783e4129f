//! The local time zone, and `/sys/devices/system/clocksource/clocksourceN/*_clocksource`
//! (Documentation/timers/timekeeping.rst).

use super::attributes::{AttributeDir, numbered_in};
use crate::collect::Paths;
use crate::model::Reading;
use crate::model::kernel::system::{Clock, ClockSources};

/// Zone and clock sources now. The time zone data base is cached by the library that reads it.
pub fn read(paths: &Paths) -> Reading<Clock> {
    let directory = paths.sys("devices/system/clocksource");
    let now = jiff::Timestamp::now();
    let zone = jiff::tz::TimeZone::system();
    let info = zone.to_offset_info(now);
    let mut sources = Vec::new();
    for (number, name) in numbered_in(&directory, "clocksource") {
        let attributes = AttributeDir::open(&directory.join(name))?;
        let available = attributes.text("available_clocksource").unwrap_or_default();
        sources.push(ClockSources {
            device: number.to_string(),
            available: available.split_ascii_whitespace().map(str::to_owned).collect(),
            current: attributes.text("current_clocksource").unwrap_or_default(),
        });
    }
    Ok(Clock { zone: info.abbreviation().to_owned(), zone_offset_seconds: info.offset().seconds().into(), sources })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_listed_by_device() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("devices/system/clocksource/clocksource0");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("available_clocksource"), "kvm-clock tsc \n").unwrap();
        std::fs::write(place.join("current_clocksource"), "tsc\n").unwrap();
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let clock = read(&paths).unwrap();
        let expected = ClockSources {
            device: "0".to_owned(),
            available: vec!["kvm-clock".to_owned(), "tsc".to_owned()],
            current: "tsc".to_owned(),
        };
        assert_eq!(clock.sources, [expected]);
        assert!(clock.zone_offset_seconds.abs() <= 15 * 3600);
    }
}
