//! Collectors `netdev` and `netclass`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::network::Interface;
use crate::model::network::NetClass;

/// Counters of the interfaces. Loopback is left out, as `node_exporter` leaves it by default in Debian.
pub fn netdev(writer: &mut Writer, snapshot: &Snapshot) {
    let is_told = |writer: &Writer, name: &str| name != LOOPBACK && !writer.exclusions().has_interface(name);
    let interfaces = snapshot.interfaces.iter().flatten();
    let interfaces: Vec<&Interface> = interfaces.filter(|interface| is_told(writer, &interface.name)).collect();
    type Pick = fn(&Interface) -> u64;
    let families: [(&str, &str, Pick); 16] = [
        ("receive_bytes", "Bytes received.", |i| i.received.bytes),
        ("receive_compressed", "Compressed packets received.", |i| i.received.compressed),
        ("receive_drop", "Received packets that were dropped.", |i| i.received.dropped),
        ("receive_errs", "Errors while receiving.", |i| i.received.errors),
        ("receive_fifo", "FIFO errors while receiving.", |i| i.received.fifo),
        ("receive_frame", "Framing errors while receiving.", |i| i.received.frame_or_collisions),
        ("receive_multicast", "Multicast packets received.", |i| i.received.multicast_or_carrier),
        ("receive_packets", "Packets received.", |i| i.received.packets),
        ("transmit_bytes", "Bytes sent.", |i| i.sent.bytes),
        ("transmit_carrier", "Losses of the carrier while sending.", |i| i.sent.multicast_or_carrier),
        ("transmit_colls", "Collisions while sending.", |i| i.sent.frame_or_collisions),
        ("transmit_compressed", "Compressed packets sent.", |i| i.sent.compressed),
        ("transmit_drop", "Packets dropped instead of sent.", |i| i.sent.dropped),
        ("transmit_errs", "Errors while sending.", |i| i.sent.errors),
        ("transmit_fifo", "FIFO errors while sending.", |i| i.sent.fifo),
        ("transmit_packets", "Packets sent.", |i| i.sent.packets),
    ];
    for (name, help, pick) in families {
        let name = format!("node_network_{name}_total");
        let mut family = writer.family(&name, Kind::Counter, help);
        for interface in &interfaces {
            family.sample(&[("device", &interface.name)], pick(interface));
        }
    }
    let classes = snapshot.raw::<Vec<NetClass>>().into_iter().flatten();
    let classes: Vec<&NetClass> = classes.filter(|class| is_told(writer, &class.name)).collect();
    let name = "node_network_receive_nohandler_total";
    let mut family = writer.family(name, Kind::Counter, "Received packets that no protocol wanted.");
    for class in classes {
        family.maybe(&[("device", &class.name)], class.received_without_handler);
    }
}

const LOOPBACK: &str = "lo";

/// Properties of the interfaces, loopback among them.
pub fn netclass(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(classes) = snapshot.raw::<Vec<NetClass>>() else { return };
    let classes: Vec<&NetClass> =
        classes.iter().filter(|class| !writer.exclusions().has_interface(&class.name)).collect();
    type Pick = fn(&NetClass) -> Option<i64>;
    let families: [(&str, Kind, &str, Pick); 18] = [
        ("address_assign_type", Kind::Gauge, "How the address came to be.", |c| c.address_assign_type),
        ("carrier", Kind::Gauge, "Whether there is a carrier: 1 yes, 0 no.", |c| c.carrier),
        ("carrier_changes_total", Kind::Counter, "Changes of the carrier.", |c| c.carrier_changes),
        ("carrier_down_changes_total", Kind::Counter, "Losses of the carrier.", |c| c.carrier_down),
        ("carrier_up_changes_total", Kind::Counter, "Returns of the carrier.", |c| c.carrier_up),
        ("device_id", Kind::Gauge, "Number of the port of the device.", |c| c.device_id),
        ("dormant", Kind::Gauge, "Whether it waits for something: 1 yes, 0 no.", |c| c.dormant),
        ("flags", Kind::Gauge, "The IFF_* bits.", |c| c.flags),
        ("iface_id", Kind::Gauge, "Index of the interface.", |c| c.index),
        ("iface_link", Kind::Gauge, "Index of the interface below.", |c| c.link),
        ("iface_link_mode", Kind::Gauge, "How the link comes up: 0 default, 1 dormant.", |c| c.link_mode),
        ("mtu_bytes", Kind::Gauge, "Largest packet.", |c| c.mtu_bytes),
        ("name_assign_type", Kind::Gauge, "How the name came to be.", |c| c.name_assign_type),
        ("net_dev_group", Kind::Gauge, "Group of the interface.", |c| c.group),
        ("protocol_type", Kind::Gauge, "Kind of the hardware, an ARPHRD number.", |c| c.protocol_type),
        ("speed_bytes", Kind::Gauge, "Speed, bytes a second; below 0 when unknown.", |c| {
            c.speed_megabits.map(|megabits| megabits.saturating_mul(125_000))
        }),
        ("transmit_queue_length", Kind::Gauge, "Length of the send queue, packets.", |c| c.transmit_queue_length),
        ("up", Kind::Gauge, "Whether the interface is up: 1 yes, 0 no.", |c| {
            Some(i64::from(c.operational_state == "up"))
        }),
    ];
    for (name, kind, help, pick) in families {
        let name = format!("node_network_{name}");
        let mut family = writer.family(&name, kind, help);
        for class in &classes {
            family.maybe(&[("device", &class.name)], pick(class));
        }
    }
    let mut family = writer.family("node_network_info", Kind::Gauge, "Texts of /sys/class/net, in labels.");
    for class in classes {
        family.sample(
            &[
                ("address", &class.address),
                ("broadcast", &class.broadcast),
                ("device", &class.name),
                ("duplex", &class.duplex),
                ("ifalias", &class.alias),
                ("operstate", &class.operational_state),
            ],
            1_u64,
        );
    }
}
