// Which numbers of a snapshot are drawn, under the names that the history has for them, so that the live end of a chart and
// its past are one line. Called by app.js with each frame. No DOM.

import { number, object, objects } from "./format.js";

/** Loop devices and RAM disks repeat what the disks below them do. */
export const isDrawnDisk = (disk) => disk.whole === true && typeof disk.name === "string" && !/^(loop|ram)/.test(disk.name);

/** Loopback would count what never left. */
export const isLoopback = (interfaceName) => interfaceName === "lo";

/** A `Map` of series name to value, or null where it is unknown now. */
export function valuesOf(snapshot) {
  const values = new Map();
  const put = (name, value) => {
    const known = number(value);
    if (known !== null || values.has(name)) values.set(name, known);
  };
  const { total, cores } = object(snapshot.cpu);
  put("cpu.busy", object(total).busy_ratio);
  for (const [mode, ratio] of Object.entries(object(object(total).ratios))) put(`cpu.${mode}`, ratio);
  for (const core of objects(cores)) put(`cpu.core${core.core}.busy`, core.busy_ratio);
  const memory = object(snapshot.memory);
  put("memory.used", memory.used_bytes);
  put("memory.available", memory.available_bytes);
  put("memory.free", memory.free_bytes);
  // What programs could have at once although it holds something: mostly files that were read.
  const [available, free] = [number(memory.available_bytes), number(memory.free_bytes)];
  put("memory.cache", available === null || free === null ? null : Math.max(0, available - free));
  const swap = object(snapshot.swap);
  put("swap.used", swap.used_bytes);
  put("swap.in", swap.in_bytes_per_second);
  put("swap.out", swap.out_bytes_per_second);
  const load = object(snapshot.load);
  put("load.1", load.one);
  put("load.5", load.five);
  put("load.15", load.fifteen);
  for (const [what, stalls] of Object.entries(object(snapshot.pressure))) {
    put(`pressure.${what}.some`, object(object(stalls).some).avg10_ratio);
    put(`pressure.${what}.full`, object(object(stalls).full).avg10_ratio);
  }
  for (const one of objects(snapshot.interfaces)) {
    put(`network.${one.name}.received`, object(one.received).bytes_per_second);
    put(`network.${one.name}.sent`, object(one.sent).bytes_per_second);
  }
  for (const disk of objects(snapshot.disks).filter(isDrawnDisk)) {
    put(`disk.${disk.name}.read`, disk.read_bytes_per_second);
    put(`disk.${disk.name}.written`, disk.written_bytes_per_second);
    put(`disk.${disk.name}.busy`, disk.busy_ratio);
  }
  for (const one of objects(snapshot.filesystems).filter((one) => one.device_backed === true)) {
    put(`filesystem.${one.mount_point}.used`, object(one.usage).used_ratio);
  }
  for (const one of objects(object(snapshot.sensors).temperatures)) {
    // Two of one name have a series each; the second is called so.
    const name = `temperature.${one.chip}.${one.label}`;
    let free = name;
    for (let at = 2; values.has(free); at += 1) free = `${name}.${at}`;
    put(free, one.celsius);
  }
  const traffic = totals(snapshot);
  for (const [name, value] of Object.entries(traffic)) put(name, value);
  return values;
}

/** Sums over the machine, which the history does not keep: `addDerived` adds up the past. */
export function totals(snapshot) {
  const sums = { "all.received": null, "all.sent": null, "all.read": null, "all.written": null };
  const add = (name, value) => {
    if (number(value) !== null) sums[name] = (sums[name] ?? 0) + value;
  };
  for (const one of objects(snapshot.interfaces)) {
    if (isLoopback(one.name)) continue;
    add("all.received", object(one.received).bytes_per_second);
    add("all.sent", object(one.sent).bytes_per_second);
  }
  for (const disk of objects(snapshot.disks).filter(isRealDisk)) {
    add("all.read", disk.read_bytes_per_second);
    add("all.written", disk.written_bytes_per_second);
  }
  return sums;
}

/** Mapped devices and software RAIDs count once more what their disks do; memory disks write nowhere. */
const isRealDisk = (disk) => isDrawnDisk(disk) && !/^(dm-|md|zram)/.test(disk.name);

const SUMS = [
  ["all.received", /^network\.(?!lo\.).*\.received$/],
  ["all.sent", /^network\.(?!lo\.).*\.sent$/],
  ["all.read", /^disk\.(?!dm-|md|zram).*\.read$/],
  ["all.written", /^disk\.(?!dm-|md|zram).*\.written$/],
];

/** Adds to a history answer what the history does not keep but follows from what it keeps. */
export function addDerived(answer) {
  const { series, time } = object(answer);
  if (typeof series !== "object" || series === null || !Array.isArray(time)) return;
  for (const [name, pattern] of SUMS) {
    const parts = Object.keys(series).filter((key) => pattern.test(key));
    if (parts.length === 0) continue;
    const only = parts.length === 1 ? series[parts[0]] : null;
    const mean = only?.mean ?? time.map((_, at) => {
      const known = parts.map((key) => number(series[key].mean?.[at])).filter((value) => value !== null);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
    });
    series[name] = { unit: "bytes_per_second", mean, min: only?.min, max: only?.max };
  }
  const [available, free] = [series["memory.available"]?.mean, series["memory.free"]?.mean];
  if (Array.isArray(available) && Array.isArray(free)) {
    const mean = available.map((value, at) => (number(value) === null || number(free[at]) === null ? null : Math.max(0, value - free[at])));
    series["memory.cache"] = { unit: "bytes", mean };
  }
}
