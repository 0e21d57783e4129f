//! Tables of the network stack. Filled by [`crate::collect::kernel`]; plain data, no behaviour.

/// One field of `/proc/net/netstat`, `snmp` or `snmp6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetstatField {
    /// Protocol: `TcpExt`, `Ip6`, ...
    pub protocol: Box<str>,
    /// Field: `ListenDrops`, ...
    pub field: Box<str>,
    /// Its number; a few fields are signed.
    pub value: i64,
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
    pub statistics: Vec<(Box<str>, u64)>,
}

/// `/sys/class/net/NAME/*` (Documentation/ABI/testing/sysfs-class-net). A file that is missing, or that the driver
/// refuses to answer, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetClass {
    /// Name of the interface.
    pub name: Box<str>,
    /// `addr_assign_type`.
    pub address_assign_type: Option<i64>,
    /// `carrier`; refused while the interface is down.
    pub carrier: Option<i64>,
    /// `carrier_changes`.
    pub carrier_changes: Option<i64>,
    /// `carrier_up_count`, since Linux 4.16.
    pub carrier_up: Option<i64>,
    /// `carrier_down_count`, since Linux 4.16.
    pub carrier_down: Option<i64>,
    /// `dev_id`, hexadecimal there.
    pub device_id: Option<i64>,
    /// `dormant`.
    pub dormant: Option<i64>,
    /// `flags`, hexadecimal there.
    pub flags: Option<i64>,
    /// `ifindex`.
    pub index: Option<i64>,
    /// `iflink`.
    pub link: Option<i64>,
    /// `link_mode`.
    pub link_mode: Option<i64>,
    /// `mtu`, bytes.
    pub mtu_bytes: Option<i64>,
    /// `name_assign_type`.
    pub name_assign_type: Option<i64>,
    /// `netdev_group`.
    pub group: Option<i64>,
    /// `speed`, megabits a second; -1 when the driver does not know.
    pub speed_megabits: Option<i64>,
    /// `tx_queue_len`.
    pub transmit_queue_length: Option<i64>,
    /// `type`, the ARPHRD number.
    pub protocol_type: Option<i64>,
    /// `statistics/rx_nohandler`, since Linux 4.6.
    pub received_without_handler: Option<u64>,
    /// `address`.
    pub address: String,
    /// `broadcast`.
    pub broadcast: String,
    /// `duplex`; empty when the driver does not know.
    pub duplex: String,
    /// `ifalias`.
    pub alias: String,
    /// `operstate`.
    pub operational_state: String,
}
