//! `/proc/net/sockstat` and `/proc/net/sockstat6`: sockets in use, `TCP: inuse 4 orphan 0 tw 4 alloc 4 mem 93`. The memory
//! of TCP and UDP is in pages there; the same in bytes is added.

use std::path::Path;

use super::Paths;
use super::file::{KeptFile, optional, parse_error};
use crate::model::Reading;
use crate::model::network::SockstatField;

/// Keeps both files open.
#[derive(Debug)]
pub struct Reader {
    files: [KeptFile; 2],
    page_bytes: u64,
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        let files = [KeptFile::new(paths.proc("net/sockstat")), KeptFile::new(paths.proc("net/sockstat6"))];
        Self { files, page_bytes: paths.machine.page_bytes }
    }

    /// All fields of both; a kernel without IPv4 or IPv6 lacks one of them.
    pub fn read(&mut self) -> Reading<Vec<SockstatField>> {
        let mut fields = Vec::with_capacity(24);
        for file in &mut self.files {
            optional(file.read_text_with(|path, text| parse_sockstat(path, text, self.page_bytes, &mut fields)))?;
        }
        Ok(fields)
    }
}

fn parse_sockstat(path: &Path, text: &str, page_bytes: u64, fields: &mut Vec<SockstatField>) -> Reading<()> {
    for (index, line) in text.lines().enumerate() {
        let wrong = || parse_error(path, index + 1, "expected a protocol, a colon and pairs of name and number");
        let (protocol, rest) = line.split_once(':').ok_or_else(wrong)?;
        let mut words = rest.split_ascii_whitespace();
        while let Some(field) = words.next() {
            let value: u64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
            fields.push(SockstatField { protocol: protocol.into(), field: field.into(), value });
            if field == "mem" {
                let value = value.saturating_mul(page_bytes);
                fields.push(SockstatField { protocol: protocol.into(), field: "mem_bytes".into(), value });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_in_bytes_too() {
        let mut fields = Vec::new();
        parse_sockstat(Path::new("s"), "sockets: used 22\nUDP: inuse 1 mem 3\n", 4096, &mut fields).unwrap();
        let flat: Vec<_> = fields.iter().map(|f| (&*f.protocol, &*f.field, f.value)).collect();
        assert_eq!(
            flat,
            [("sockets", "used", 22), ("UDP", "inuse", 1), ("UDP", "mem", 3), ("UDP", "mem_bytes", 12288)]
        );
    }

    #[test]
    fn a_name_without_a_number_is_an_error() {
        let error = parse_sockstat(Path::new("s"), "TCP: inuse\n", 4096, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("s:1:"), "{error}");
    }
}
