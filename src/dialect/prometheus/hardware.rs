//! Collectors `dmi` and `thermal_zone`.

use super::writer::{Kind, Writer};
use crate::model::Snapshot;
use crate::model::hardware::{Dmi, Thermal};

/// Maker, model and firmware.
pub fn dmi(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(dmi) = snapshot.raw::<Dmi>() else { return };
    if dmi.fields.is_empty() {
        return;
    }
    let labels: Vec<(&str, &str)> = dmi.fields.iter().map(|(label, text)| (*label, text.as_str())).collect();
    writer.family("node_dmi_info", Kind::Gauge, "What the board tells about itself, in labels.").sample(&labels, 1_u64);
}

/// Thermal zones and cooling devices.
pub fn thermal_zone(writer: &mut Writer, snapshot: &Snapshot) {
    let Some(thermal) = snapshot.raw::<Thermal>() else { return };
    let help = "Throttle state of the cooling device now.";
    let mut family = writer.family("node_cooling_device_cur_state", Kind::Gauge, help);
    for (name, kind, current, _) in &thermal.cooling_devices {
        family.sample(&[("name", name), ("type", kind)], *current);
    }
    let help = "Highest throttle state of the cooling device.";
    let mut family = writer.family("node_cooling_device_max_state", Kind::Gauge, help);
    for (name, kind, _, maximum) in &thermal.cooling_devices {
        family.sample(&[("name", name), ("type", kind)], *maximum);
    }
    let help = "Temperature of the zone, degrees Celsius.";
    let mut family = writer.family("node_thermal_zone_temp", Kind::Gauge, help);
    for (zone, kind, temperature) in &thermal.zones {
        family.sample(&[("type", kind), ("zone", zone)], *temperature as f64 / 1000.0);
    }
}
