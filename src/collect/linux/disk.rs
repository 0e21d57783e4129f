//! `/proc/diskstats` (Documentation/admin-guide/iostats.rst): counters of the block devices, and what `/sys/block` tells
//! about each.
//!
//! Read at every tick. A reader of our own because sysinfo has no operation counts, no times and no discards. How full file
//! systems are is [`super::filesystem`]'s.

use std::path::Path;
use std::sync::Arc;

use super::Paths;
use super::file::{KeptFile, read_word};
use super::lines::{Bad, Taken, number, walk};
use crate::model::storage::RawDisk;
use crate::model::{Faults, Reading};

/// Keeps `/proc/diskstats` open, and what does not change about each device.
#[derive(Debug)]
pub struct Reader {
    diskstats: KeptFile,
    paths: Paths,
    /// The devices of the last pass in its order. One that is missing from a pass is forgotten with it, so a device that
    /// is plugged in later under the same number is looked at anew.
    known: Vec<Known>,
}

/// What does not change about a device while it is there.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    major_minor: (u32, u32),
    serial: Option<Arc<str>>,
    label: Option<Arc<str>>,
    whole: bool,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self { diskstats: KeptFile::new(paths.proc("diskstats")), paths: paths.clone(), known: Vec::new() }
    }

    /// The counters now, in the kernel's order, without the `ram` and `loop` devices that nobody ever used. A machine without
    /// block devices has an empty file.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<RawDisk>> {
        let (known, paths) = (&mut self.known, &self.paths);
        self.diskstats.read_text_with(|path, text| {
            let mut disks = Vec::with_capacity(known.len());
            if text.trim_ascii().is_empty() {
                known.clear();
                return Ok(disks);
            }
            walk(path, text, faults, |_, line| {
                let line = parse_line(line)?;
                if line.is_unused_placeholder() {
                    return Ok(Taken::Value);
                }
                let row = disks.len();
                let is_this = |known: &Known| known.major_minor == line.major_minor && *known.name == *line.name;
                // The devices up to `row` are those of this pass; what comes after is from the last one.
                match known.get(row..).and_then(|later| later.iter().position(is_this)) {
                    Some(0) => {}
                    Some(skipped) => drop(known.drain(row..row + skipped)),
                    None => known.insert(row, look_up(paths, line.name, line.major_minor)),
                }
                disks.push(line.into_disk(&known[row]));
                Ok(Taken::Value)
            })?;
            known.truncate(disks.len());
            Ok(disks)
        })
    }
}

/// One line of `/proc/diskstats`.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    name: &'a str,
    major_minor: (u32, u32),
    /// The columns after the name, and how many there are.
    columns: [u64; 17],
    count: usize,
}

impl Line<'_> {
    /// The kernel makes 16 `ram` and 8 `loop` devices in case somebody wants one.
    fn is_unused_placeholder(&self) -> bool {
        (self.name.starts_with("loop") || self.name.starts_with("ram"))
            && self.columns.iter().all(|column| *column == 0)
    }

    fn into_disk(self, known: &Known) -> RawDisk {
        let [r0, r1, r2, r3, w0, w1, w2, w3, in_progress, busy, weighted, d0, d1, d2, d3, f0, f1] = self.columns;
        RawDisk {
            name: Arc::clone(&known.name),
            major_minor: self.major_minor,
            reads: [r0, r1, r2, r3],
            writes: [w0, w1, w2, w3],
            in_progress,
            busy_milliseconds: busy,
            weighted_milliseconds: weighted,
            discards: (self.count >= 15).then_some([d0, d1, d2, d3]),
            flushes: (self.count >= 17).then_some([f0, f1]),
            serial: known.serial.clone(),
            label: known.label.clone(),
            whole: known.whole,
            only_sectors: false,
        }
    }
}

/// A line such as ` 259  0 nvme0n1 11771 5591 3946818 9168 4599 34625 9086768 25936 0 5108 35391 3818 45 66376 279 162 6`:
/// device number, name and 11 columns; 4 about discards since Linux 4.18; 2 about flushes since 5.5.
fn parse_line(line: &str) -> Result<Line<'_>, Bad<'_>> {
    let mut words = line.split_ascii_whitespace();
    let major = number(words.next(), "a major device number")?;
    let minor = number(words.next(), "a minor device number")?;
    let name = words.next().ok_or(Bad::missing("the name of the device"))?;
    let mut columns = [0; 17];
    let mut count = 0;
    for (slot, word) in columns.iter_mut().zip(&mut words) {
        *slot = number(Some(word), "a counter")?;
        count += 1;
    }
    if count < 11 {
        return Err(Bad::found("at least 11 counters", line));
    }
    // A later kernel may add counters, but no name: two rows that grew together.
    for word in words {
        number::<u64>(Some(word), "a counter")?;
    }
    Ok(Line { name, major_minor: (major, minor), columns, count })
}

/// What `/sys/block/NAME` tells; a partition has no such directory.
fn look_up(paths: &Paths, name: &str, major_minor: (u32, u32)) -> Known {
    // A slash in the name of a device (cciss/c0d0) is an exclamation mark in sysfs.
    let directory = paths.sys("block").join(name.replace('/', "!"));
    let word = |file| read_word(&directory.join(file)).ok().flatten().map(Arc::from);
    Known {
        name: name.into(),
        major_minor,
        serial: word("serial").or_else(|| word("device/serial")).or_else(|| scsi_serial(&directory)),
        label: word("dm/name"),
        whole: directory.is_dir(),
    }
}

/// The unit serial number page that a SCSI or SATA disk answered with, `device/vpd_pg80`: four bytes of head, then text.
fn scsi_serial(directory: &Path) -> Option<Arc<str>> {
    let page = KeptFile::new(directory.join("device/vpd_pg80")).read_with(|_, page| Ok(page.to_vec())).ok()?;
    let serial = String::from_utf8_lossy(page.get(4..)?);
    let serial = serial.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!serial.is_empty()).then(|| serial.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{laptop, machine_of, partial};
    use crate::model::ReadError;
    use std::fs;

    #[test]
    fn a_laptop() {
        let disks = Reader::new(&laptop()).read(&mut Faults::default()).unwrap();
        let names: Vec<&str> = disks.iter().map(|disk| &*disk.name).collect();
        assert_eq!(names, ["nvme0n1", "nvme0n1p1", "nvme0n1p2", "nvme0n1p3", "dm-0"]);
        let expected = RawDisk {
            name: "nvme0n1".into(),
            major_minor: (259, 0),
            reads: [412_903, 98_211, 24_810_336, 118_204],
            writes: [689_114, 402_557, 38_204_112, 902_316],
            in_progress: 1,
            busy_milliseconds: 512_884,
            weighted_milliseconds: 1_058_420,
            discards: Some([18_204, 0, 91_204_608, 7_912]),
            flushes: Some([64_120, 29_988]),
            serial: Some("S64ANS0T508214K".into()),
            label: None,
            whole: true,
            only_sectors: false,
        };
        assert_eq!(disks[0], expected);
        assert_eq!((disks[1].whole, disks[1].serial.clone()), (false, None));
        assert_eq!((disks[4].whole, disks[4].label.as_deref()), (true, Some("vg0-root")));
    }

    #[test]
    fn an_old_kernel_has_fewer_columns() {
        let known = Known { name: "sda".into(), major_minor: (8, 0), serial: None, label: None, whole: true };
        let disk = parse_line("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11").unwrap().into_disk(&known);
        assert_eq!((disk.reads, disk.writes, disk.in_progress), ([1, 2, 3, 4], [5, 6, 7, 8], 9));
        assert_eq!((disk.busy_milliseconds, disk.weighted_milliseconds), (10, 11));
        assert_eq!((disk.discards, disk.flushes), (None, None));
        let disk = parse_line("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15").unwrap().into_disk(&known);
        assert_eq!((disk.discards, disk.flushes), (Some([12, 13, 14, 15]), None));
    }

    #[test]
    fn a_bad_row_costs_itself() {
        let good = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n";
        let rows = [
            "garbage",
            "8",
            "8 0",
            "8 0 sdb 1 2 3 4 5 6 7 8 9 10",
            "8 0 sdb 1 2 3 4 5 6 7 8 9 10 x",
            "8 -1 sdb 1 2 3 4 5 6 7 8 9 10 11",
            "8 0 sdb 18446744073709551616 2 3 4 5 6 7 8 9 10 11",
            // Partition rows of an old kernel, and a count that went below nothing.
            "   3       1 hda1 35486 38030 38030 38030",
            "8 0 sdb 1 2 3 4 5 6 7 8 -1 10 11",
            "8 0 sdb 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17   8 1 sdb1 1 2 3 4 5 6 7 8 9 10 11",
        ];
        for row in rows {
            let (_dir, paths) =
                machine_of(&[("proc/diskstats", format!("{good}{row}\n8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n"))]);
            let (disks, told) = partial(|faults| Reader::new(&paths).read(faults));
            assert_eq!(disks.iter().map(|disk| &*disk.name).collect::<Vec<_>>(), ["sda", "sda1"], "{row}");
            assert!(told.contains("diskstats:2: "), "{told}");
            let (_dir, paths) = machine_of(&[("proc/diskstats", row)]);
            let reading = Reader::new(&paths).read(&mut Faults::default());
            assert!(matches!(reading, Err(ReadError::Parse { line: 1, .. })), "{row}: {reading:?}");
        }
        let (_dir, paths) = machine_of(&[("proc/diskstats", format!("{good}\n"))]);
        let mut faults = Faults::default();
        assert_eq!(Reader::new(&paths).read(&mut faults).map(|disks| disks.len()), Ok(1));
        assert!(faults.is_empty(), "a blank line is nothing: {faults}");
    }

    #[test]
    fn devices_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { procfs: dir.path().join("proc"), sysfs: dir.path().join("sys"), ..Paths::host() };
        fs::create_dir_all(&paths.procfs).unwrap();
        for (name, serial) in [("sda", "A"), ("sdb", "B"), ("cciss!c0d0", "C")] {
            fs::create_dir_all(paths.sys("block").join(name)).unwrap();
            fs::write(paths.sys("block").join(name).join("serial"), format!(" {serial} \n")).unwrap();
        }
        let mut reader = Reader::new(&paths);
        let mut serials = |rows: &[(u32, &str)]| {
            let line = |(minor, name): &(u32, &str)| format!("8 {minor} {name} 1 2 3 4 5 6 7 8 9 10 11\n");
            fs::write(paths.proc("diskstats"), rows.iter().map(line).collect::<String>()).unwrap();
            let serial = |disk: RawDisk| format!("{}={}", disk.name, disk.serial.as_deref().unwrap_or("?"));
            reader.read(&mut Faults::default()).unwrap().into_iter().map(serial).collect::<Vec<_>>()
        };
        let (sda, sdb, raid) = ((0, "sda"), (16, "sdb"), (32, "cciss/c0d0"));
        assert_eq!(serials(&[sda, raid]), ["sda=A", "cciss/c0d0=C"]);
        assert_eq!(serials(&[sda, sdb, raid]), ["sda=A", "sdb=B", "cciss/c0d0=C"]);
        fs::write(paths.sys("block/sda/serial"), "other\n").unwrap();
        assert_eq!(serials(&[raid, sda]), ["cciss/c0d0=C", "sda=other"], "the order changed: looked at anew");
        fs::write(paths.sys("block/sda/serial"), "new\n").unwrap();
        assert_eq!(serials(&[raid, sda]), ["cciss/c0d0=C", "sda=other"], "nothing changed: not looked at");
        assert_eq!(serials(&[raid]), ["cciss/c0d0=C"]);
        assert_eq!(serials(&[raid, sda]), ["cciss/c0d0=C", "sda=new"], "a device that came back is another device");
        assert!(serials(&[]).is_empty());
    }

    #[test]
    fn a_sata_disk_has_its_serial_on_a_page() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("device")).unwrap();
        assert_eq!(scsi_serial(dir.path()), None);
        fs::write(dir.path().join("device/vpd_pg80"), b"\x00\x80\x00\x0a  WD-1234 \0").unwrap();
        assert_eq!(scsi_serial(dir.path()).as_deref(), Some("WD-1234"));
        fs::write(dir.path().join("device/vpd_pg80"), b"\x00\x80").unwrap();
        assert_eq!(scsi_serial(dir.path()), None);
    }

    #[test]
    fn only_unused_placeholders_are_left_out() {
        let zero = [0; 17];
        let line = |name, columns| Line { name, major_minor: (7, 0), columns, count: 17 };
        assert!(line("loop0", zero).is_unused_placeholder() && line("ram15", zero).is_unused_placeholder());
        assert!(!line("sda", zero).is_unused_placeholder());
        let mut used = zero;
        used[0] = 1;
        assert!(!line("loop0", used).is_unused_placeholder());
    }

    #[test]
    fn this_machine() {
        let mut reader = Reader::new(&Paths::host());
        let (first, second) =
            (reader.read(&mut Faults::default()).unwrap(), reader.read(&mut Faults::default()).unwrap());
        assert_eq!(first.len(), second.len());
        assert!(first.iter().zip(&second).all(|(a, b)| a.name == b.name && Arc::ptr_eq(&a.name, &b.name)));
    }
}
