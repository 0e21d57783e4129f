//! `/proc/net/arp`: entries of the ARP table by device, the sixth column (`proc_net`(5)).

use std::path::Path;

use super::Paths;
use super::file::{FileReader, parse_error};
use crate::model::network::ArpEntries;
use crate::model::{Named, Reading};

/// Number of entries by device, in the order in which the devices first appear.
#[must_use]
pub fn reader(paths: &Paths) -> FileReader<ArpEntries> {
    FileReader::new(paths.proc("net/arp"), parse_arp)
}

fn parse_arp(path: &Path, text: &str) -> Reading<ArpEntries> {
    let mut devices: Vec<Named> = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let device = line.split_ascii_whitespace().nth(5);
        let device = device.ok_or_else(|| parse_error(path, index + 1, "expected six columns"))?;
        match devices.iter_mut().find(|(name, _)| &**name == device) {
            Some((_, count)) => *count += 1,
            None => devices.push((device.into(), 1)),
        }
    }
    Ok(ArpEntries(devices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_by_device() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
                    10.0.0.1 0x1 0x2 02:fc:00:00:00:05 * eth0\n\
                    10.0.0.2 0x1 0x2 02:fc:00:00:00:06 * eth0\n\
                    10.1.0.1 0x1 0x2 02:fc:00:00:00:07 * br0\n";
        assert_eq!(parse_arp(Path::new("a"), text).unwrap().0, [("eth0".into(), 2), ("br0".into(), 1)]);
        assert!(parse_arp(Path::new("a"), "IP\n10.0.0.1 0x1\n").is_err());
    }
}
