//! The local time zone, and `/sys/devices/system/clocksource/clocksourceN/*_clocksource`
//! (Documentation/timers/timekeeping.rst).

use std::path::{Component, Path, PathBuf};

use jiff::tz::TimeZone;

use super::attributes::{KeptDir, numbered_in};
use super::{Below, Paths};
use crate::model::Reading;
use crate::model::system::{Clock, ClockSources};

/// The files of a device.
const FILES: [&str; 2] = ["available_clocksource", "current_clocksource"];

/// Keeps the files of the clock sources open. They are there from boot to shutdown.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    devices: Vec<(u32, KeptDir)>,
    /// What `TZ` names; `None` where it is not set. Then the machine's own zone counts.
    named: Option<TimeZone>,
    /// `/etc/localtime` below another root. `None` where the root is our own.
    local: Option<Below>,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let named = std::env::var_os("TZ").map(|name| zone(&name.to_string_lossy(), paths));
        let is_own = paths.rootfs == Path::new("/");
        let local = (!is_own).then(|| paths.root("etc/localtime"));
        Self { directory: paths.sys("devices/system/clocksource"), devices: Vec::new(), named, local }
    }

    /// Zone and clock sources now. The time zone data base is cached by the library that reads it.
    pub fn read(&mut self) -> Reading<Clock> {
        if self.devices.is_empty() || !self.devices.iter().all(|(_, files)| files.is_complete()) {
            let open = |(number, name)| Ok((number, KeptDir::open(&self.directory.join(name), &FILES)?));
            self.devices = numbered_in(&self.directory, "clocksource").into_iter().map(open).collect::<Reading<_>>()?;
        }
        let zone = match (&self.named, &self.local) {
            (Some(named), _) => named.clone(),
            (None, Some(local)) => local_zone(local),
            (None, None) => TimeZone::system(),
        };
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

/// The zone of another machine: its `/etc/localtime`, mostly a link to a file of the data base. A machine without the file, or
/// with a bad one, has UTC (tzset(3)).
fn local_zone(file: &Below) -> TimeZone {
    small_file(file).and_then(|bytes| TimeZone::tzif("Local", &bytes).ok()).unwrap_or(TimeZone::UTC)
}

/// Where the zones' files are, below the root (tzset(3)).
const ZONES: [&str; 3] = ["usr/share/zoneinfo", "usr/lib/zoneinfo", "usr/share/lib/zoneinfo"];

/// The zone that a value of `TZ` means: a name or the path of a file of the time zone data base (tzset(3), with or without a
/// colon before it), or else a rule such as `UTC0`. What is none of these is UTC, as everywhere.
///
/// The data base is the watched machine's; a container that has the machine's files elsewhere may only have its own.
fn zone(value: &str, paths: &Paths) -> TimeZone {
    let value = value.strip_prefix(':').unwrap_or(value);
    let file = Path::new(value);
    if value.is_empty() || file.components().any(|part| part == Component::ParentDir) {
        return TimeZone::UTC;
    }
    let both = |file: &Path| [paths.root(file), Below::new(Path::new("/"), file)];
    let places: Vec<Below> = match file.is_absolute() {
        true => both(file).into(),
        false => ZONES.iter().flat_map(|folder| both(&Path::new(folder).join(file))).collect(),
    };
    let read = |place: &Below| TimeZone::tzif(value, &small_file(place)?).ok();
    places.iter().find_map(read).or_else(|| TimeZone::posix(value).ok()).unwrap_or(TimeZone::UTC)
}

/// A file of the data base; these are a few KiB. `None` for whatever else a path may name.
fn small_file(file: &Below) -> Option<Vec<u8>> {
    const MOST_BYTES: u64 = 1 << 20;
    file.metadata().ok()?.is_file().then(|| file.read_bytes(MOST_BYTES).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the data base (RFC 9636) that holds nothing but a rule.
    fn tzif(rule: &str) -> Vec<u8> {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15 + 4 * 4]);
        block.extend([0, 0, 0, 1, 0, 0, 0, 4]);
        block.extend([0; 6]);
        block.extend(b"UTC\0");
        [block.clone(), block, format!("\n{rule}\n").into_bytes()].concat()
    }

    #[test]
    fn a_zone_is_a_name_a_file_or_a_rule() {
        let root = tempfile::tempdir().unwrap();
        let zones = root.path().join("usr/share/zoneinfo");
        std::fs::create_dir_all(zones.join("Test")).unwrap();
        std::fs::write(zones.join("Test/Kathmandu"), tzif("<+0545>-5:45")).unwrap();
        std::fs::write(zones.join("Phoenix"), tzif("MST7")).unwrap();
        std::fs::write(zones.join("broken"), "TZif").unwrap();
        std::fs::write(root.path().join("elsewhere"), tzif("EST5")).unwrap();
        let paths = Paths { rootfs: root.path().into(), ..Paths::host() };
        for (value, name, offset) in [
            ("Test/Kathmandu", "+0545", 20_700),
            (":Test/Kathmandu", "+0545", 20_700),
            (":Phoenix", "MST", -25_200),
            ("/usr/share/zoneinfo/Phoenix", "MST", -25_200),
            (":/elsewhere", "EST", -18_000),
            ("<-03>3", "-03", -10_800),
            ("UTC0", "UTC", 0),
            ("EST5", "EST", -18_000),
            ("", "UTC", 0),
            (":", "UTC", 0),
            ("Test", "UTC", 0),
            ("broken", "UTC", 0),
            ("No/Such", "UTC", 0),
            ("../elsewhere", "UTC", 0),
            ("/dev/zero", "UTC", 0),
        ] {
            let zone = zone(value, &paths);
            let info = zone.to_offset_info(jiff::Timestamp::UNIX_EPOCH);
            assert_eq!((info.abbreviation(), info.offset().seconds()), (name, offset), "{value}");
        }
    }

    #[test]
    fn another_machines_zone_is_what_its_link_leads_to() {
        let root = tempfile::tempdir().unwrap();
        let zones = root.path().join("usr/share/zoneinfo");
        std::fs::create_dir_all(&zones).unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(zones.join("Phoenix"), tzif("MST7")).unwrap();
        std::fs::write(zones.join("New_York"), tzif("EST5")).unwrap();
        let file = Below::new(root.path(), Path::new("etc/localtime"));
        let told = || local_zone(&file).to_offset_info(jiff::Timestamp::UNIX_EPOCH).abbreviation().to_owned();
        assert_eq!(told(), "UTC");
        let link = root.path().join("etc/localtime");
        for (target, name) in [("/usr/share/zoneinfo/Phoenix", "MST"), ("../usr/share/zoneinfo/New_York", "EST")] {
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert_eq!([told(), told()], [name, name]);
            std::fs::remove_file(&link).unwrap();
        }
        std::fs::write(&link, "nonsense").unwrap();
        assert_eq!(told(), "UTC");
        let paths = Paths { rootfs: root.path().into(), ..Paths::host() };
        assert_eq!(Reader::new(&paths).local, Some(paths.root("etc/localtime")));
        assert!(Reader::new(&Paths::host()).local.is_none());
    }

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
