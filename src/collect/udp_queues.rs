//! `/proc/net/udp` and `/proc/net/udp6`: bytes that wait in the queues of UDP sockets, the fifth column `tx:rx` in
//! hexadecimal, summed.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::{KeptFile, optional, parse_error};
use crate::model::network::UdpQueue;
use crate::model::{ReadError, Reading};

/// Keeps both files open.
#[derive(Debug)]
pub struct Reader {
    files: [(&'static str, KeptFile); 2],
}

impl Reader {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self { files: [("v4", KeptFile::new(paths.proc("net/udp"))), ("v6", KeptFile::new(paths.proc("net/udp6")))] }
    }

    /// The sums of each family that this kernel has.
    pub fn read(&mut self) -> Reading<Vec<UdpQueue>> {
        let mut queues = Vec::with_capacity(2);
        for (family, file) in &mut self.files {
            if let Some((transmit_bytes, receive_bytes)) = optional(file.read_text_with(sum_queues))? {
                queues.push(UdpQueue { family, receive_bytes, transmit_bytes });
            }
        }
        if queues.is_empty() {
            return Err(ReadError::Unsupported { path: self.files[0].1.path().display().to_string() });
        }
        Ok(queues)
    }
}

/// Bytes to send, bytes to receive.
fn sum_queues(path: &Path, text: &str) -> Reading<(u64, u64)> {
    let (mut transmit, mut receive) = (0_u64, 0_u64);
    for (index, line) in text.lines().enumerate().skip(1) {
        let pair = line.split_ascii_whitespace().nth(4).and_then(|column| {
            let (tx, rx) = column.split_once(':')?;
            Some((u64::from_str_radix(tx, 16).ok()?, u64::from_str_radix(rx, 16).ok()?))
        });
        let (tx, rx) = pair.ok_or_else(|| parse_error(path, index + 1, "expected a fifth column tx:rx"))?;
        transmit = transmit.saturating_add(tx);
        receive = receive.saturating_add(rx);
    }
    Ok((transmit, receive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_summed() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
                    1: 0100007F:0035 00000000:0000 07 00000001:0000000A 00:0 0 0\n\
                    2: 0100007F:0036 00000000:0000 07 00000002:00000010 00:0 0 0\n";
        assert_eq!(sum_queues(Path::new("u"), text).unwrap(), (3, 26));
        assert!(sum_queues(Path::new("u"), "head\n1: a b c\n").is_err());
    }
}
