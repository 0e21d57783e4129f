//! `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`: counters of the protocols, those of `node_exporter`'s
//! default selection.
//!
//! The first two come in pairs of lines, `TcpExt: SyncookiesSent ...` above `TcpExt: 0 ...`; the third has one field a
//! line, `Ip6InReceives  12`.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::linux::file::KeptFile;
use crate::collect::linux::lines::{Bad, Taken, number, walk, walk_each};
use crate::model::network::NetstatField;
use crate::model::{Faults, ReadError, Reading};

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader {
    paired: [KeptFile; 2],
    snmp6: KeptFile,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paired: [KeptFile::new(paths.net("netstat")), KeptFile::new(paths.net("snmp"))],
            snmp6: KeptFile::new(paths.net("snmp6")),
        }
    }

    /// The kept fields of all three, each for itself; `snmp6` is missing on a kernel without IPv6.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<NetstatField>> {
        let mut fields = Vec::with_capacity(48);
        let mut failed = Faults::default();
        let mut is_there = false;
        for file in &mut self.paired {
            let table = file.read_text_with(|path, text| parse_pairs(path, text, &mut fields, faults));
            is_there |= failed.part(table).is_some();
        }
        let table = self.snmp6.read_text_with(|path, text| parse_snmp6(path, text, &mut fields, faults));
        is_there |= failed.part(table).is_some();
        if !is_there {
            let absent = || ReadError::Unsupported { path: self.paired[0].path().display().to_string() };
            return Err(failed.into_first().unwrap_or_else(absent));
        }
        faults.append(failed);
        Ok(fields)
    }
}

fn is_kept(protocol: &str, field: &str) -> bool {
    if matches!(field, "InErrors" | "InErrs") {
        return true;
    }
    match protocol {
        "Ip" => field == "Forwarding",
        "Ip6" | "IpExt" => matches!(field, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(field, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            field.starts_with("Listen")
                || field.starts_with("Syncookies")
                || matches!(field, "TCPSynRetrans" | "TCPTimeouts")
        }
        "Tcp" => matches!(
            field,
            "ActiveOpens" | "InSegs" | "OutSegs" | "OutRsts" | "PassiveOpens" | "RetransSegs" | "CurrEstab"
        ),
        "Udp" | "Udp6" => {
            matches!(field, "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors")
        }
        _ => false,
    }
}

/// The names of a protocol and the numbers below them belong together, whatever the lines around them are.
fn parse_pairs(path: &Path, text: &str, fields: &mut Vec<NetstatField>, faults: &mut Faults) -> Reading<()> {
    let mut lines = text.lines().enumerate().peekable();
    let pairs = std::iter::from_fn(|| {
        let (index, names) = lines.next()?;
        let protocol = names.split_once(':').map(|(protocol, _)| protocol);
        let values = lines.next_if(|(_, line)| protocol.is_some() && line.split(':').next() == protocol);
        Some((index + 1 + usize::from(values.is_some()), (names, values.map(|(_, line)| line))))
    });
    walk_each(path, pairs, faults, |_, (names, values)| {
        let pair = Bad::found("a line of names and a line of numbers of one protocol", names);
        let (protocol, names) = names.split_once(':').ok_or(pair)?;
        let (_, numbers) = values.and_then(|line| line.split_once(':')).ok_or(pair)?;
        let (mut names, mut words) = (names.split_ascii_whitespace(), numbers.split_ascii_whitespace());
        if names.clone().count() != words.clone().count() {
            return Err(Bad::found("as many numbers as names", numbers));
        }
        let (before, mut wrong) = (fields.len(), None);
        while let (Some(field), Some(word)) = (names.next(), words.next()) {
            if !is_kept(protocol, field) {
                continue;
            }
            match number(Some(word), "a number") {
                Ok(value) => fields.push(NetstatField { protocol: protocol.into(), field: field.into(), value }),
                Err(bad) => wrong = wrong.or(Some(bad)),
            }
        }
        match wrong {
            Some(wrong) if fields.len() > before => Ok(Taken::Part(wrong)),
            Some(wrong) => Err(wrong),
            None => Ok(Taken::Value),
        }
    })
}

/// An empty file has no field: a kernel that was started without IPv6.
fn parse_snmp6(path: &Path, text: &str, fields: &mut Vec<NetstatField>, faults: &mut Faults) -> Reading<()> {
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    walk(path, text, faults, |_, line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let Some((protocol, field)) = name.find('6').and_then(|six| name.split_at_checked(six + 1)) else {
            return Err(Bad::found("a field of a protocol that ends with 6", line));
        };
        if is_kept(protocol, field) {
            let value = number(words.next(), "a number")?;
            fields.push(NetstatField { protocol: protocol.into(), field: field.into(), value });
        }
        Ok(Taken::Value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};

    fn field(protocol: &str, field: &str, value: u64) -> NetstatField {
        NetstatField { protocol: protocol.into(), field: field.into(), value }
    }

    #[test]
    fn pairs_are_matched_and_selected() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: MaxConn InSegs InErrs\nTcp: -1 7 0\n";
        let mut fields = Vec::new();
        whole(|faults| parse_pairs(Path::new("n"), text, &mut fields, faults)).unwrap();
        assert_eq!(fields, [field("Ip", "Forwarding", 2), field("Tcp", "InSegs", 7), field("Tcp", "InErrs", 0)]);
    }

    #[test]
    fn snmp6_splits_at_the_six() {
        let text = "Ip6InReceives   1\nIp6InOctets  \t72\nUdpLite6InErrors  4\nIcmp6InType134 5\n";
        let mut fields = Vec::new();
        whole(|faults| parse_snmp6(Path::new("s"), text, &mut fields, faults)).unwrap();
        assert_eq!(fields, [field("Ip6", "InOctets", 72), field("UdpLite6", "InErrors", 4)]);
    }

    #[test]
    fn a_bad_line_costs_its_own_protocol() {
        let bad = ["Ip: Forwarding A\nIp: 1", "Ip: Forwarding", "Ip: 2", "Ip", "", "Ip: Forwarding\nIp: x", "x\ny"];
        for bad in bad {
            let (text, mut fields) = (format!("Udp: NoPorts\nUdp: 3\n{bad}\nTcp: InSegs\nTcp: 7\n"), Vec::new());
            let mut faults = Faults::default();
            parse_pairs(Path::new("n"), &text, &mut fields, &mut faults).unwrap();
            assert_eq!(fields, [field("Udp", "NoPorts", 3), field("Tcp", "InSegs", 7)], "{bad:?}");
            assert!(faults.to_string().starts_with(if bad.contains('\n') { "n:" } else { "n:3: " }), "{bad}: {faults}");
            let alone = whole(|faults| parse_pairs(Path::new("n"), bad, &mut Vec::new(), faults));
            assert!(alone.is_err(), "{bad:?}");
        }
        let mut fields = Vec::new();
        let parse = |faults: &mut Faults| {
            parse_pairs(Path::new("n"), "Tcp: InSegs OutSegs InErrs\nTcp: 7 x 9\n", &mut fields, faults)
        };
        let ((), told) = partial(parse);
        assert!(told.starts_with("n:2: "), "{told}");
        assert_eq!(fields, [field("Tcp", "InSegs", 7), field("Tcp", "InErrs", 9)]);
        let (text, mut fields) = ("Ip6InOctets x\nUdp6NoPorts 4\n", Vec::new());
        let ((), told) = partial(|faults| parse_snmp6(Path::new("s"), text, &mut fields, faults));
        assert_eq!(fields, [field("Udp6", "NoPorts", 4)]);
        assert!(told.starts_with("s:1: "), "{told}");
    }
}
