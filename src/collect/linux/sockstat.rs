//! `/proc/net/sockstat` and `/proc/net/sockstat6`: sockets in use, `TCP: inuse 4 orphan 0 tw 4 alloc 4 mem 93`. The memory
//! of TCP and UDP is in pages there; the same in bytes is added.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::linux::file::KeptFile;
use crate::collect::linux::lines::{Bad, Taken, number, walk};
use crate::model::network::SockstatField;
use crate::model::{Faults, Reading};

/// Keeps both files open.
#[derive(Debug)]
pub struct Reader {
    files: [KeptFile; 2],
    page_bytes: u64,
}

impl Reader {
    /// Opens nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let files = [KeptFile::new(paths.net("sockstat")), KeptFile::new(paths.net("sockstat6"))];
        Self { files, page_bytes: paths.machine.page_bytes }
    }

    /// All fields of both, each for itself; a kernel without IPv4 or IPv6 lacks one of them.
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<SockstatField>> {
        let mut fields = Vec::with_capacity(24);
        let mut failed = Faults::default();
        let page_bytes = self.page_bytes;
        for file in &mut self.files {
            let table = file.read_text_with(|path, text| parse_sockstat(path, text, page_bytes, &mut fields, faults));
            failed.part(table);
        }
        match failed.clone().into_first() {
            Some(error) if fields.is_empty() => Err(error),
            _ => {
                faults.append(failed);
                Ok(fields)
            }
        }
    }
}

fn parse_sockstat(
    path: &Path,
    text: &str,
    page_bytes: u64,
    fields: &mut Vec<SockstatField>,
    faults: &mut Faults,
) -> Reading<()> {
    walk(path, text, faults, |_, line| {
        let bad = Bad::found("a protocol, a colon and pairs of name and number", line);
        let (protocol, rest) = line.split_once(':').ok_or(bad)?;
        let mut words = rest.split_ascii_whitespace();
        let (mut found, mut wrong) = (false, None);
        while let Some(field) = words.next() {
            // Behind a bad number, names and numbers can no longer be told apart.
            let value: u64 = match number(words.next(), "a number") {
                Ok(value) => value,
                Err(bad) => {
                    wrong = Some(bad);
                    break;
                }
            };
            found = true;
            fields.push(SockstatField { protocol: protocol.into(), field: field.into(), value });
            if field == "mem" {
                let value = value.saturating_mul(page_bytes);
                fields.push(SockstatField { protocol: protocol.into(), field: "mem_bytes".into(), value });
            }
        }
        match wrong {
            Some(wrong) if found => Ok(Taken::Part(wrong)),
            Some(wrong) => Err(wrong),
            None => Ok(Taken::Value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::linux::testing::{partial, whole};

    #[test]
    fn pages_are_told_in_bytes_too() {
        let mut fields = Vec::new();
        let text = "sockets: used 22\nUDP: inuse 1 mem 3\n";
        whole(|faults| parse_sockstat(Path::new("s"), text, 4096, &mut fields, faults)).unwrap();
        let flat: Vec<_> = fields.iter().map(|f| (&*f.protocol, &*f.field, f.value)).collect();
        assert_eq!(
            flat,
            [("sockets", "used", 22), ("UDP", "inuse", 1), ("UDP", "mem", 3), ("UDP", "mem_bytes", 12288)]
        );
    }

    #[test]
    fn a_bad_number_costs_what_is_left_of_its_line() {
        let text = "TCP: orphan 3 inuse 4UDP: inuse 7 mem 9\ngarbage\nUDP: inuse 1\n";
        let mut fields = Vec::new();
        let ((), told) = partial(|faults| parse_sockstat(Path::new("s"), text, 4096, &mut fields, faults));
        let flat: Vec<_> = fields.iter().map(|f| (&*f.protocol, &*f.field, f.value)).collect();
        assert_eq!(flat, [("TCP", "orphan", 3), ("UDP", "inuse", 1)]);
        assert!(told.starts_with("s:1: ") && told.ends_with("and 1 more"), "{told}");
        let error = whole(|faults| parse_sockstat(Path::new("s"), "TCP: inuse\n", 4096, &mut Vec::new(), faults));
        assert!(error.unwrap_err().to_string().starts_with("s:1:"));
    }
}
