// Which charts there are, given what is known: a list of specifications for chart.js, in the order of the page. Pure.
// Called by charts.js and fleet.js.

import { nth } from "./chart.js";
import { number, object, objects } from "./format.js";
import { isLoopback } from "./series.js";

/** Mode, colour, and whether it is shown although it never was. */
const MODES = [["user", "--cpu", true], ["nice", "--c4"], ["system", "--memory", true], ["iowait", "--out", true], ["irq", "--c6"], ["softirq", "--c7"], ["steal", "--bad"]];
/** More cores than this are a map of heat and not a bundle of lines. */
const MOST_CORE_LINES = 16;
/** Charts of interfaces and of devices, each. */
const MOST_EACH = 12;

/** Charts of the series of these names. `snapshot` is the latest, or an empty object where there is none. */
export function plotsOf(names, record, snapshot) {
  const known = new Set(names);
  const plots = [];
  const add = (spec) => {
    const series = spec.series.filter(({ name }) => known.has(name));
    if (series.length > 0) plots.push({ ...spec, series });
  };
  const alike = (pattern, label) => {
    const found = names.flatMap((name) => {
      const part = pattern.exec(name)?.[1];
      return part === undefined ? [] : [[name, part]];
    });
    found.sort(([, a], [, b]) => a.localeCompare(b, "en", { numeric: true }));
    return found.map(([name, part], at) => ({ name, label: label(part), colour: nth(at) }));
  };
  const cores = alike(/^cpu\.core(\d+)\.busy$/, (core) => core);
  const coreCount = objects(object(snapshot.cpu).cores).length || cores.length;

  const everBusy = MODES.filter(([mode, , isAlways]) => isAlways || record.summary(`cpu.${mode}`, -Infinity)?.max > 0.0005);
  add({ id: "cpu", title: "CPU", unit: "ratio", stacked: true, top: 1, peak: "cpu.busy",
    series: everBusy.map(([mode, colour]) => ({ name: `cpu.${mode}`, label: mode, colour })) });
  // A system of the fleet reports no modes.
  if (plots.length === 0) add({ id: "cpu", title: "CPU", unit: "ratio", top: 1, series: [{ name: "cpu.busy", label: "busy", colour: "--cpu" }] });
  add({ id: "cores", title: "Cores", unit: "ratio", top: 1, heat: cores.length > MOST_CORE_LINES, series: cores });
  add({ id: "load", title: "Load", unit: "tasks",
    limits: coreCount > 0 ? [{ value: coreCount, label: `${coreCount} ${coreCount === 1 ? "core" : "cores"}` }] : [],
    series: [["1", "--cpu", "1 min"], ["5", "--memory", "5 min"], ["15", "--in", "15 min"]].map(([at, colour, label]) => ({ name: `load.${at}`, label, colour })) });
  add({ id: "pressure", title: "Pressure: time that programs wait", unit: "ratio",
    series: [["cpu.some", "--cpu", "CPU"], ["memory.some", "--memory", "memory"], ["io.some", "--out", "disks"], ["memory.full", "--c5", "memory, all"], ["io.full", "--c6", "disks, all"]]
      .map(([at, colour, label]) => ({ name: `pressure.${at}`, label, colour })) });
  add({ id: "memory", title: "Memory", unit: "bytes", stacked: true, top: () => number(object(snapshot.memory).total_bytes) ?? undefined,
    series: [{ name: "memory.used", label: "used", colour: "--memory" }, { name: "memory.cache", label: "cached", colour: "--in", alpha: 0.4 }, { name: "memory.free", label: "free", colour: "--muted", alpha: 0.16 }] });
  const hasSwap = number(object(snapshot.swap).total_bytes) !== 0;
  if (hasSwap) {
    add({ id: "swap", title: "Swap", unit: "bytes", top: () => number(object(snapshot.swap).total_bytes) ?? undefined,
      series: [{ name: "swap.used", label: "used", colour: "--disk" }] });
    add({ id: "swapping", title: "Swapping", unit: "bytes_per_second",
      series: [{ name: "swap.in", label: "in", colour: "--in" }, { name: "swap.out", label: "out", colour: "--out" }] });
  }
  const moved = (name) => {
    const told = record.summary(name, -Infinity);
    return told === null ? -1 : told.max;
  };
  const each = (pattern, ways, least) => {
    const keys = [...new Set(names.flatMap((name) => pattern.exec(name)?.[1] ?? []))];
    const sized = keys.map((key) => ({ key, size: Math.max(...ways.map((way) => moved(way(key)))) }));
    sized.sort((a, b) => Number(b.size > 0) - Number(a.size > 0) || a.key.localeCompare(b.key, "en", { numeric: true }));
    // What did nothing in all this time is left out, but for one so that the kind is there.
    return sized.filter(({ size }, at) => size > 0 || at < least).slice(0, MOST_EACH).map(({ key }) => key);
  };
  const interfaces = each(/^network\.(.+)\.received$/, [(key) => `network.${key}.received`, (key) => `network.${key}.sent`], 1);
  for (const key of [...interfaces.filter((one) => !isLoopback(one)), ...interfaces.filter(isLoopback)]) {
    add({ id: `network ${key}`, title: `Network ${key}`, unit: "bytes_per_second", filled: true,
      series: [{ name: `network.${key}.received`, label: "in", colour: "--in" }, { name: `network.${key}.sent`, label: "out", colour: "--out" }] });
  }
  for (const key of each(/^disk\.(.+)\.read$/, [(key) => `disk.${key}.read`, (key) => `disk.${key}.written`], 1)) {
    add({ id: `disk ${key}`, title: `Disk ${key}`, unit: "bytes_per_second", filled: true,
      series: [{ name: `disk.${key}.read`, label: "read", colour: "--in" }, { name: `disk.${key}.written`, label: "written", colour: "--out" }] });
  }
  add({ id: "busy", title: "Disks busy", unit: "ratio", top: 1, series: alike(/^disk\.(.+)\.busy$/, (disk) => disk) });
  add({ id: "filesystems", title: "File systems used", unit: "ratio", top: 1, series: alike(/^filesystem\.(.+)\.used$/, (place) => place) });
  const temperatures = alike(/^temperature\.(.+)$/, (sensor) => sensor.replace(".", " "));
  add({ id: "temperatures", title: "Temperatures", unit: "celsius", limits: criticals(snapshot), series: temperatures });
  return plots;
}

/** The lowest temperature that is critical for somebody. */
function criticals(snapshot) {
  const known = objects(object(snapshot.sensors).temperatures).map((one) => number(one.critical_celsius)).filter((value) => value > 0);
  return known.length === 0 ? [] : [{ value: Math.min(...known), label: "critical" }];
}
