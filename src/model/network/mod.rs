//! The network: interfaces, Wi-Fi links and the counters of the protocols.
//!
//! Raw values are filled by [`crate::collect`]; the `derive` functions are called by [`super::derive()`].

pub(super) mod interface;
mod protocol;
pub(super) mod wireless;

pub use interface::{Address, Interface, Link, NetClass, RawAddresses, RawInterfaceCounters, Traffic};
pub use protocol::{ArpEntries, Conntrack, NetstatField, SockstatField, SoftnetRow, UdpQueue};
pub use wireless::Wireless;
