//! `/proc/net/udp` and `/proc/net/udp6`: bytes that wait in the queues of UDP sockets, the fifth column `tx:rx` in
//! hexadecimal, summed.

use std::path::Path;

use crate::collect::Paths;
use crate::collect::file::KeptFile;
use crate::collect::lines::{Bad, Taken, walk};
use crate::model::network::UdpQueue;
use crate::model::{Faults, ReadError, Reading};

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
    pub fn read(&mut self, faults: &mut Faults) -> Reading<Vec<UdpQueue>> {
        let mut queues = Vec::with_capacity(2);
        let mut failed = Faults::default();
        for (family, file) in &mut self.files {
            if let Some((transmit_bytes, receive_bytes)) = failed.part(file.read_text_with(sum_queues)) {
                queues.push(UdpQueue { family, receive_bytes, transmit_bytes });
            }
        }
        if queues.is_empty() {
            let absent = || ReadError::Unsupported { path: self.files[0].1.path().display().to_string() };
            return Err(failed.into_first().unwrap_or_else(absent));
        }
        faults.append(failed);
        Ok(queues)
    }
}

/// Bytes to send, bytes to receive. They are sums: with one line bad they are unknown.
fn sum_queues(path: &Path, text: &str) -> Reading<(u64, u64)> {
    let (mut transmit, mut receive) = (0_u64, 0_u64);
    let mut faults = Faults::default();
    walk(path, text, &mut faults, |at, line| {
        if at == 1 && line.contains("local_address") {
            return Ok(Taken::Head);
        }
        let pair = line.split_ascii_whitespace().nth(4).and_then(|column| {
            let (tx, rx) = column.split_once(':')?;
            Some((u64::from_str_radix(tx, 16).ok()?, u64::from_str_radix(rx, 16).ok()?))
        });
        let (tx, rx) = pair.ok_or(Bad::found("a fifth column tx:rx", line))?;
        transmit = transmit.saturating_add(tx);
        receive = receive.saturating_add(rx);
        Ok(Taken::Value)
    })?;
    faults.into_first().map_or(Ok((transmit, receive)), Err)
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
