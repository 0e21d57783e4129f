//! `/proc/net/arp`: entries of the ARP table by device, the sixth column (`proc_net`(5)).

use std::collections::HashMap;
use std::path::Path;

use crate::collect::linux::lines::{Bad, Taken, walk};
use crate::model::network::ArpEntries;
use crate::model::{Faults, Named, Reading};

/// Number of entries by device, in the order in which the devices first appear.
pub fn parse_arp(path: &Path, text: &str, faults: &mut Faults) -> Reading<ArpEntries> {
    let mut devices: Vec<Named> = Vec::new();
    // A host of containers has a device for each of its thousands of entries.
    let mut places: HashMap<&str, usize> = HashMap::new();
    walk(path, text, faults, |at, line| {
        if at == 1 && line.ends_with("Device") {
            return Ok(Taken::Head);
        }
        let bad = Bad::found("six columns", line);
        let mut words = line.split_ascii_whitespace();
        let device = words.nth(5).ok_or(bad)?;
        if words.next().is_some() {
            return Err(bad);
        }
        let place = *places.entry(device).or_insert(devices.len());
        match devices.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => devices.push((device.into(), 1)),
        }
        Ok(Taken::Value)
    })?;
    Ok(ArpEntries(devices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};

    #[test]
    fn entries_are_counted_by_device() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
                    10.0.0.1 0x1 0x2 02:fc:00:00:00:05 * eth0\n\
                    10.0.0.2 0x1 0x2 02:fc:00:00:00:06 * eth0\n\
                    10.1.0.1 0x1 0x2 02:fc:00:00:00:07 * br0\n";
        assert_eq!(
            whole(|faults| parse_arp(Path::new("a"), text, faults)).unwrap().0,
            [("eth0".into(), 2), ("br0".into(), 1)]
        );
        let (devices, told) = partial(|faults| parse_arp(Path::new("a"), &format!("{text}10.0.0.1 0x1\n"), faults));
        assert_eq!(devices.0.len(), 2);
        assert!(told.starts_with("a:5: "), "{told}");
        assert!(whole(|faults| parse_arp(Path::new("a"), "IP\n10.0.0.1 0x1\n", faults)).is_err());
    }
}
