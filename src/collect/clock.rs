//! The local time zone, and `/sys/devices/system/clocksource/clocksourceN/*_clocksource`
//! (Documentation/timers/timekeeping.rst).

use std::path::PathBuf;

use super::Paths;
use super::attributes::{KeptDir, numbered_in};
use crate::model::Reading;
use crate::model::system::{Clock, ClockSources};

/// The files of a device.
const FILES: [&str; 2] = ["available_clocksource", "current_clocksource"];

/// Keeps the files of the clock sources open. They are there from boot to shutdown.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    devices: Vec<(u32, KeptDir)>,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.sys("devices/system/clocksource"), devices: Vec::new() }
    }

    /// Zone and clock sources now. The time zone data base is cached by the library that reads it.
    pub fn read(&mut self) -> Reading<Clock> {
        if self.devices.is_empty() || !self.devices.iter().all(|(_, files)| files.is_complete()) {
            let open = |(number, name)| Ok((number, KeptDir::open(&self.directory.join(name), &FILES)?));
            self.devices = numbered_in(&self.directory, "clocksource").into_iter().map(open).collect::<Reading<_>>()?;
        }
        let zone = jiff::tz::TimeZone::system();
        let info = zone.to_offset_info(jiff::Timestamp::now());
        let sources = self.devices.iter().map(|(number, files)| {
            let available = files.text(0).unwrap_or_default();
            ClockSources {
                device: number.to_string(),
                available: available.split_ascii_whitespace().map(str::to_owned).collect(),
                current: files.text(1).unwrap_or_default(),
            }
        });
        Ok(Clock {
            zone: info.abbreviation().to_owned(),
            zone_offset_seconds: info.offset().seconds().into(),
            sources: sources.collect(),
        })
    }
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
        let paths = Paths { sysfs: dir.path().into(), ..Paths::host() };
        let mut reader = Reader::new(&paths);
        assert_eq!(reader.read().unwrap().sources[0].current, "");
        for current in ["kvm-clock", "tsc"] {
            std::fs::write(place.join("current_clocksource"), format!("{current}\n")).unwrap();
            assert_eq!(reader.read().unwrap().sources[0].current, current);
        }
        let clock = reader.read().unwrap();
        let expected = ClockSources {
            device: "0".to_owned(),
            available: vec!["kvm-clock".to_owned(), "tsc".to_owned()],
            current: "tsc".to_owned(),
        };
        assert_eq!(clock.sources, [expected]);
        assert!(clock.zone_offset_seconds.abs() <= 15 * 3600);
    }
}
