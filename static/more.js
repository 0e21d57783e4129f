// The views that list what a machine has besides processes: file systems and disks, interfaces, sensors. Each is shown from
// the latest frame while it is in sight; app.js calls `show`.

import { DASH, bits, fixed, number, object, objects, percent, rate, size, temperature, text } from "./format.js";
import { Grid } from "./grid.js";
import { at, make, write } from "./paint.js";

const used = (row) => number(object(row.usage).used_ratio);
const usage = (row, key) => number(object(row.usage)[`${key}_bytes`]);

export class StorageView {
  #filesystems = new Grid(at("filesystems"), {
    label: "File systems",
    key: (row) => `${row.mount_point} ${row.device}`,
    sort: { key: "place", down: false },
    empty: "The server sees no file system.",
    words: (row) => `${row.mount_point} ${row.device} ${row.type}`,
    tone: (row) => (row.stuck || used(row) > 0.97 ? "bad" : used(row) > 0.9 ? "warn" : null),
    columns: [
      { key: "place", label: "Mounted at", main: true, get: (row) => row.mount_point, show: (row) => text(row.mount_point) ?? DASH },
      { key: "device", label: "Device", get: (row) => row.device, show: (row) => text(row.device) ?? DASH, low: true },
      { key: "type", label: "Type", width: "6.5em", get: (row) => row.type, show: (row) => (row.stuck ? "stuck" : (text(row.type) ?? DASH)), low: true },
      { key: "used", label: "Used", number: true, width: "7em", get: used, show: (row) => percent(used(row)), bar: used },
      { key: "bytes", label: "In use", number: true, width: "7em", get: (row) => usage(row, "used"), show: (row) => size(usage(row, "used")), low: true },
      { key: "free", label: "Free", number: true, width: "7em", get: (row) => usage(row, "available"), show: (row) => size(usage(row, "available")), title: "What programs may still write; some is kept back for root" },
      { key: "total", label: "Size", number: true, width: "7em", get: (row) => usage(row, "total"), show: (row) => size(usage(row, "total")), low: true },
      { key: "inodes", label: "Inodes", number: true, width: "7em", title: "Files that there may be: share in use", get: (row) => number(object(row.usage).inodes_used_ratio), show: (row) => percent(object(row.usage).inodes_used_ratio), bar: (row) => number(object(row.usage).inodes_used_ratio), low: true },
    ],
  });
  #disks = new Grid(at("disks"), {
    label: "Disks",
    key: (row) => row.name,
    sort: { key: "name", down: false },
    empty: "The server sees no disk.",
    words: (row) => `${row.name} ${row.label ?? ""} ${row.serial ?? ""}`,
    columns: [
      { key: "name", label: "Disk", main: true, get: (row) => row.name, show: (row) => text(row.name) ?? DASH },
      { key: "busy", label: "Busy", number: true, width: "7em", get: (row) => number(row.busy_ratio), show: (row) => percent(row.busy_ratio), bar: (row) => number(row.busy_ratio) },
      { key: "read", label: "Read", number: true, width: "8em", get: (row) => number(row.read_bytes_per_second), show: (row) => rate(row.read_bytes_per_second) },
      { key: "written", label: "Written", number: true, width: "8em", get: (row) => number(row.written_bytes_per_second), show: (row) => rate(row.written_bytes_per_second) },
      { key: "reads", label: "Reads/s", number: true, width: "7em", get: (row) => number(row.reads_per_second), show: (row) => fixed(row.reads_per_second, 1), low: true },
      { key: "writes", label: "Writes/s", number: true, width: "7em", get: (row) => number(row.writes_per_second), show: (row) => fixed(row.writes_per_second, 1), low: true },
      { key: "all read", label: "Read in all", number: true, width: "8em", get: (row) => number(row.read_bytes), show: (row) => size(row.read_bytes), low: true },
      { key: "all written", label: "Written in all", number: true, width: "8.5em", get: (row) => number(row.written_bytes), show: (row) => size(row.written_bytes), low: true },
    ],
  });

  show(snapshot) {
    const none = (list, what) => (list === null || list === undefined ? `The server sent no ${what}.` : null);
    this.#filesystems.set(objects(snapshot.filesystems), none(snapshot.filesystems, "file systems"));
    this.#disks.set(objects(snapshot.disks), none(snapshot.disks, "disks"));
  }
}

/** Addresses as `192.0.2.1/24, ...`, those of IPv4 first. */
export function addressesOf(row) {
  const list = objects(object(row.link).addresses).map((one) => `${one.ip}/${one.prefix_length}`);
  return list.sort((a, b) => Number(a.includes(":")) - Number(b.includes(":"))).join(", ");
}

const way = (row, key, what) => number(object(row[key])[what]);
const sum = (...values) => (values.every((value) => value === null) ? null : values.reduce((all, value) => all + (value ?? 0), 0));
const both = (row, what) => sum(way(row, "received", what), way(row, "sent", what));

export class NetworkView {
  #interfaces = new Grid(at("interfaces"), {
    label: "Interfaces",
    key: (row) => row.name,
    sort: { key: "received", down: true },
    empty: "No network interface.",
    words: (row) => `${row.name} ${addressesOf(row)} ${object(row.link).mac ?? ""}`,
    columns: [
      { key: "name", label: "Interface", main: true, width: "9em", get: (row) => row.name, show: (row) => text(row.name) ?? DASH },
      { key: "state", label: "State", width: "6em", get: (row) => object(row.link).operational_state, show: (row) => text(object(row.link).operational_state) ?? DASH, low: true },
      { key: "addresses", label: "Addresses", get: addressesOf, show: (row) => addressesOf(row) || "none", low: true },
      { key: "speed", label: "Speed", number: true, width: "7em", get: (row) => number(object(row.link).speed_bits_per_second), show: (row) => bits(object(row.link).speed_bits_per_second), low: true },
      { key: "in", label: "In", number: true, width: "7em", get: (row) => way(row, "received", "bytes_per_second"), show: (row) => rate(way(row, "received", "bytes_per_second")) },
      { key: "out", label: "Out", number: true, width: "7em", get: (row) => way(row, "sent", "bytes_per_second"), show: (row) => rate(way(row, "sent", "bytes_per_second")) },
      { key: "received", label: "Received", number: true, width: "7em", get: (row) => way(row, "received", "bytes"), show: (row) => size(way(row, "received", "bytes")), low: true },
      { key: "sent", label: "Sent", number: true, width: "7em", get: (row) => way(row, "sent", "bytes"), show: (row) => size(way(row, "sent", "bytes")), low: true },
      { key: "errors", label: "Errors", number: true, width: "5.5em", get: (row) => both(row, "errors"), show: (row) => fixed(both(row, "errors")), alarm: (row) => both(row, "errors") > 0, low: true },
      { key: "dropped", label: "Dropped", number: true, width: "6em", get: (row) => both(row, "dropped"), show: (row) => fixed(both(row, "dropped")), alarm: (row) => both(row, "dropped") > 0, low: true },
    ],
  });

  show(snapshot) {
    const note = Array.isArray(snapshot.interfaces) ? null : "The server sent no interfaces.";
    this.#interfaces.set(objects(snapshot.interfaces), note);
    const links = objects(snapshot.wireless);
    at("wireless").hidden = links.length === 0;
    const words = links.map((one) => `${one.interface ?? "Wi-Fi"}: ${text(one.name) ?? "hidden name"}, ${number(one.quality_ratio) === null ? "" : `${percent(one.quality_ratio)}, `}${number(one.signal_dbm) === null ? "signal unknown" : `${one.signal_dbm} dBm`}`);
    write(at("wireless"), words.join("; "));
  }
}

const label = (row) => `${row.chip ?? ""} ${row.label ?? ""}`.trim() || DASH;

export class SensorsView {
  #temperatures = new Grid(at("temperatures"), {
    label: "Temperatures",
    key: (row) => `${label(row)} ${row.place}`,
    sort: { key: "name", down: false },
    empty: "This machine tells no temperature. Virtual machines have none.",
    words: label,
    tone: (row) => (row.critical_celsius > 0 && row.celsius >= row.critical_celsius ? "bad" : row.high_celsius > 0 && row.celsius >= row.high_celsius ? "warn" : null),
    columns: [
      { key: "name", label: "Sensor", main: true, get: label, show: label },
      { key: "now", label: "Now", number: true, width: "9em", get: (row) => number(row.celsius), show: (row) => temperature(row.celsius), bar: (row) => row.celsius / (row.critical_celsius || row.high_celsius || 100) },
      { key: "high", label: "Limit", number: true, width: "7em", get: (row) => number(row.high_celsius), show: (row) => temperature(row.high_celsius) },
      { key: "critical", label: "Critical", number: true, width: "7em", get: (row) => number(row.critical_celsius), show: (row) => temperature(row.critical_celsius) },
    ],
  });

  show(snapshot) {
    const sensors = object(snapshot.sensors);
    const note = snapshot.sensors === null || snapshot.sensors === undefined ? "This machine tells no temperature. Virtual machines have none." : null;
    this.#temperatures.set(objects(sensors.temperatures).map((row, place) => ({ ...row, place })), note);
    const fans = objects(sensors.fans);
    const cores = objects(object(snapshot.cpu).cores).filter((core) => number(core.core) !== null);
    const lines = [...fans.map((fan) => [label(fan), number(fan.rpm) === null ? DASH : `${fixed(fan.rpm)} rpm`]), ...cores.map((core) => [`core ${core.core}`, number(core.frequency_mhz) === null ? DASH : `${fixed(core.frequency_mhz)} MHz`])];
    const key = lines.map(([name]) => name).join("\n");
    const host = at("clocks");
    if (host.dataset.key !== key) {
      host.dataset.key = key;
      host.replaceChildren(...lines.map(([name]) => make("div", "", make("dt", "", name), make("dd"))));
    }
    lines.forEach(([, words], place) => write(host.children[place].lastElementChild, words));
  }
}
