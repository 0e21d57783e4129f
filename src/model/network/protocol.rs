//! Counters of the network stack and its protocols. Filled by [`crate::collect`]; plain data that only `/metrics` tells.

use crate::model::Named;

/// `/proc/net/arp`: entries by device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArpEntries(pub Vec<Named>);

/// One field of `/proc/net/netstat`, `snmp` or `snmp6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetstatField {
    /// Protocol: `TcpExt`, `Ip6`, ...
    pub protocol: Box<str>,
    /// Field: `ListenDrops`, ...
    pub field: Box<str>,
    /// Its number. Of the fields that are kept none is signed.
    pub value: u64,
}

/// One field of `/proc/net/sockstat` or `sockstat6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SockstatField {
    /// Protocol: `TCP`, `UDP6`, ...; `sockets` for the total of the first line.
    pub protocol: Box<str>,
    /// Field: `inuse`, `mem` (pages), `mem_bytes` (computed from it), ...
    pub field: Box<str>,
    /// Its number.
    pub value: u64,
}

/// One CPU's line of `/proc/net/softnet_stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftnetRow {
    /// The CPU: column 13 since Linux 5.14, else the number of the line.
    pub cpu: u32,
    /// Packets processed.
    pub processed: u32,
    /// Packets dropped because the backlog was full.
    pub dropped: u32,
    /// Times the work was cut short with more to do.
    pub squeezed: u32,
}

/// Bytes queued in the UDP sockets of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpQueue {
    /// `v4` or `v6`.
    pub family: &'static str,
    /// Waiting to be received.
    pub receive_bytes: u64,
    /// Waiting to be sent.
    pub transmit_bytes: u64,
}

/// Connection tracking. Absent when `nf_conntrack` is not loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// Entries now.
    pub entries: u64,
    /// Most entries there may be.
    pub limit: u64,
    /// Columns of `/proc/net/stat/nf_conntrack` summed over the CPUs, by the name of the column.
    pub statistics: Vec<Named>,
}
