//! `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`: counters of the protocols, those of `node_exporter`'s
//! default selection.
//!
//! The first two come in pairs of lines, `TcpExt: SyncookiesSent ...` above `TcpExt: 0 ...`; the third has one field a
//! line, `Ip6InReceives  12`.

use std::path::Path;

use super::Paths;
use super::file::{KeptFile, optional, parse_error};
use crate::model::Reading;
use crate::model::network::NetstatField;

/// Keeps the three files open.
#[derive(Debug)]
pub struct Reader {
    paired: [KeptFile; 2],
    snmp6: KeptFile,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            paired: [KeptFile::new(paths.proc("net/netstat")), KeptFile::new(paths.proc("net/snmp"))],
            snmp6: KeptFile::new(paths.proc("net/snmp6")),
        }
    }

    /// The kept fields of all three; `snmp6` is missing on a kernel without IPv6.
    pub fn read(&mut self) -> Reading<Vec<NetstatField>> {
        let mut fields = Vec::with_capacity(48);
        for file in &mut self.paired {
            file.read_text_with(|path, text| parse_pairs(path, text, &mut fields))?;
        }
        optional(self.snmp6.read_text_with(|path, text| parse_snmp6(path, text, &mut fields)))?;
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

fn parse_pairs(path: &Path, text: &str, fields: &mut Vec<NetstatField>) -> Reading<()> {
    let mut lines = text.lines().enumerate();
    while let Some((index, names)) = lines.next() {
        let wrong = |reason: &str| parse_error(path, index + 2, reason);
        let (protocol, names) = names.split_once(':').ok_or_else(|| wrong("expected a protocol and a colon"))?;
        let (_, values) = lines.next().ok_or_else(|| wrong("names without a line of numbers"))?;
        let values = values
            .strip_prefix(protocol)
            .and_then(|rest| rest.strip_prefix(':'))
            .ok_or_else(|| wrong("the line of numbers is of another protocol"))?;
        let mut values = values.split_ascii_whitespace();
        for field in names.split_ascii_whitespace() {
            let value = values.next().ok_or_else(|| wrong("fewer numbers than names"))?;
            if is_kept(protocol, field) {
                let value = value.parse().map_err(|_| wrong("expected a number"))?;
                fields.push(NetstatField { protocol: protocol.into(), field: field.into(), value });
            }
        }
    }
    Ok(())
}

fn parse_snmp6(path: &Path, text: &str, fields: &mut Vec<NetstatField>) -> Reading<()> {
    for (index, line) in text.lines().enumerate() {
        let Some((protocol, field)) = line.find('6').and_then(|six| {
            let name = line.split_ascii_whitespace().next()?;
            name.split_at_checked(six + 1)
        }) else {
            continue;
        };
        if is_kept(protocol, field) {
            let value = line.split_ascii_whitespace().nth(1).and_then(|value| value.parse().ok());
            let value = value.ok_or_else(|| parse_error(path, index + 1, "expected a name and a number"))?;
            fields.push(NetstatField { protocol: protocol.into(), field: field.into(), value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(protocol: &str, field: &str, value: i64) -> NetstatField {
        NetstatField { protocol: protocol.into(), field: field.into(), value }
    }

    #[test]
    fn pairs_are_matched_and_selected() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: MaxConn InSegs InErrs\nTcp: -1 7 0\n";
        let mut fields = Vec::new();
        parse_pairs(Path::new("n"), text, &mut fields).unwrap();
        assert_eq!(fields, [field("Ip", "Forwarding", 2), field("Tcp", "InSegs", 7), field("Tcp", "InErrs", 0)]);
    }

    #[test]
    fn snmp6_splits_at_the_six() {
        let text = "Ip6InReceives   1\nIp6InOctets  \t72\nUdpLite6InErrors  4\nIcmp6InType134 5\n";
        let mut fields = Vec::new();
        parse_snmp6(Path::new("s"), text, &mut fields).unwrap();
        assert_eq!(fields, [field("Ip6", "InOctets", 72), field("UdpLite6", "InErrors", 4)]);
    }

    #[test]
    fn lines_that_do_not_match_are_an_error() {
        for text in ["Ip: Forwarding\n", "Ip: Forwarding\nTcp: 1\n", "Ip: Forwarding A\nIp: 1\n", "Ip\nIp\n"] {
            assert!(parse_pairs(Path::new("n"), text, &mut Vec::new()).is_err(), "{text:?}");
        }
    }
}
