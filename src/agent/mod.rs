//! The one room that dials out: reports to another machine (`thread`, which sends what `spool` holds through `client`, with
//! `backoff`), remote write, the checks of a receiver, and System Monitor's own configuration.
//!
//! It talks to the addresses that the configuration names and to nobody else. It reads nothing of the machine and serves
//! nobody: `app` hands it what is to be sent.

pub mod backoff;
pub mod check;
pub mod client;
pub mod foreign_config;
pub mod remote_write;
pub mod spool;
pub mod thread;

use std::time::Duration;

pub use client::Destination;
pub use remote_write::Selection;
pub use spool::Bounds;

/// What the agent is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where reports go.
    pub destination: Destination,
    /// How often there is one.
    pub interval: Duration,
    /// This machine's name there; `None` for one that is made of its machine-id.
    pub system_id: Option<String>,
    /// Whether the reports of others that this server keeps go there, too.
    pub forward: bool,
}

/// What remote write is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWrite {
    /// Where samples go.
    pub destination: Destination,
    /// How often there are some.
    pub interval: Duration,
    /// Collectors, as in `collect[]`; empty is all.
    pub collect: Vec<String>,
    /// Which series, and their labels.
    pub selection: Selection,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] spool::OpenError),
    /// A file that is needed for it.
    #[error(transparent)]
    Client(#[from] client::ClientError),
    /// The thread.
    #[error("no thread could be started: {0}")]
    Thread(#[from] std::io::Error),
    /// Collectors that do not exist.
    #[error(transparent)]
    Collector(#[from] crate::dialect::prometheus::UnknownCollector),
}

/// A new name for a machine, as System Monitor makes them.
pub fn new_system_id() -> String {
    format!("Linux-{}", uuid::Uuid::new_v4().simple())
}

/// The name of this machine where nobody chose one: made of its machine-id, which itself is nobody's business, so that it is
/// the same after a restart without anything being written. `None` where there is no machine-id.
pub fn system_id_of(machine_id: &str) -> Option<String> {
    let id = machine_id.trim();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("psmonitor system {id}").as_bytes());
    Some(digest.as_ref()[..16].iter().fold("Linux-".to_owned(), |name, byte| format!("{name}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_one_name_that_does_not_tell_its_id() {
        let id = "0123456789abcdef0123456789abcdef";
        let name = system_id_of(&format!("{id}\n")).unwrap();
        assert_eq!(Some(&name), system_id_of(id).as_ref());
        assert!(name.len() == 38 && name.starts_with("Linux-") && !name.contains(id), "{name}");
        assert_ne!(Some(name), system_id_of("1123456789abcdef0123456789abcdef"));
        assert_eq!((system_id_of(""), system_id_of("uninitialized")), (None, None));
        assert_eq!(new_system_id().len(), 38);
        assert_ne!(new_system_id(), new_system_id());
    }
}
