// What is wrong right now, from one snapshot. Pure; the tests call it outside a browser. The bounds stand at the top.

import { number, object, objects, percent, temperature, text } from "./format.js";

const FULL = 0.9;
const BRIMMING = 0.97;
/** Shares of ten seconds in which somebody waited, from which on it is felt. */
const PRESSURE = { cpu: 0.6, memory: 0.1, io: 0.5 };

/** A list of `{level: "bad" | "warn", what, words, view}`, the worst first. */
export function problemsOf(snapshot) {
  const found = [];
  const add = (level, what, words, view) => found.push({ level, what, words, view });
  const fullness = (ratio) => (ratio > BRIMMING ? "bad" : "warn");

  for (const one of objects(snapshot.filesystems)) {
    const place = text(one.mount_point) ?? "?";
    if (one.stuck === true) add("bad", `stuck ${place}`, `${place} does not answer: the mount is stuck`, "storage");
    const usage = object(one.usage);
    // What cannot be written to is always full.
    if (usage.read_only === true || /(^|,)ro(,|$)/.test(one.options ?? "")) continue;
    const used = number(usage.used_ratio);
    if (used > FULL) add(fullness(used), `full ${place}`, `${place} is ${percent(used)} full`, "storage");
    const inodes = number(usage.inodes_used_ratio);
    if (inodes > FULL) add(fullness(inodes), `inodes ${place}`, `${place} has used ${percent(inodes)} of its inodes`, "storage");
  }
  const memory = number(object(snapshot.memory).used_ratio);
  if (memory > FULL) add(fullness(memory), "memory", `Memory is ${percent(memory)} used`, "charts");
  const swap = number(object(snapshot.swap).used_ratio);
  if (swap > FULL) add("warn", "swap", `Swap is ${percent(swap)} used`, "charts");
  const container = object(snapshot.container);
  const allowed = number(container.memory_used_ratio);
  if (allowed > FULL) add(fullness(allowed), "container memory", `The container uses ${percent(allowed)} of the memory that it may`, "overview");
  const tasks = number(container.tasks) / number(container.task_limit);
  if (tasks > FULL && Number.isFinite(tasks)) add(fullness(tasks), "container tasks", `The container has ${percent(tasks)} of the processes and threads that it may`, "overview");
  const cores = objects(object(snapshot.cpu).cores).length;
  const load = number(object(snapshot.load).one);
  if (cores > 0 && load > cores) {
    add(load > 4 * cores ? "bad" : "warn", "load", `Load ${load.toFixed(1)} on ${cores} ${cores === 1 ? "core" : "cores"}`, "charts");
  }
  for (const [what, bound] of Object.entries(PRESSURE)) {
    const waited = number(object(object(object(snapshot.pressure)[what]).some).avg10_ratio);
    const words = { cpu: "the CPU", memory: "memory", io: "disks" }[what];
    if (waited > bound) add("warn", `pressure ${what}`, `Programs wait for ${words} ${percent(waited)} of the time`, "charts");
  }
  for (const one of objects(object(snapshot.sensors).temperatures)) {
    const celsius = number(one.celsius);
    const [high, critical] = [number(one.high_celsius), number(one.critical_celsius)];
    const label = `${one.chip} ${one.label}`;
    if (critical !== null && critical > 0 && celsius >= critical) add("bad", `hot ${label}`, `${label} is at ${temperature(celsius)}, critical is ${temperature(critical)}`, "sensors");
    else if (high !== null && high > 0 && celsius >= high) add("warn", `hot ${label}`, `${label} is at ${temperature(celsius)}, its limit is ${temperature(high)}`, "sensors");
  }
  for (const one of objects(snapshot.readers)) {
    if (one.success === false) add("warn", `reader ${one.name}`, `Reading ${one.name} fails${text(one.error) === null ? "" : `: ${one.error}`}`, "test");
  }
  return found.sort((a, b) => (a.level === b.level ? 0 : a.level === "bad" ? -1 : 1));
}
