// The view of all processes: a table or a tree of them, filtered as one types. app.js hands it each frame while it is shown.

import { DASH, fixed, number, object, objects, percent, size, rate, text } from "./format.js";
import { Grid } from "./grid.js";
import { ask } from "./api.js";
import { at, write } from "./paint.js";

/** How old the command lines and the read and written bytes may be. */
const MORE_AGE_MS = 5_000;

/** The PID in words. */
export const pidOf = (row) => (number(row.pid) === null ? DASH : String(row.pid));
/** The name, or the PID of a process without one. */
export const nameOf = (row) => text(row.name) ?? `PID ${pidOf(row)}`;
const resident = (row) => number(object(row.memory).resident_bytes);
const flow = (row, what) => number(row[`${what}_bytes_per_second`]);
/** A process for good: its PID may be another's later. */
export const identity = (row) => `${row.pid} ${row.start_time_unix_seconds}`;

export class ProcessView {
  #grid;
  #isTree = false;
  /** By PID: command line, and what was read and written. */
  #more = new Map();
  #moreAt = -Infinity;
  /** Whether the server has a list that tells more; null until that is known. */
  #hasMore = null;
  #filter = "";
  #list = [];

  /** `open(process)` shows one; `onFilter(text)` keeps the filter in the address. */
  constructor(open, onFilter) {
    this.#grid = new Grid(at("processes"), {
      label: "Processes",
      key: identity,
      sort: { key: "cpu", down: true },
      empty: "The server sees no process.",
      words: (row) => `${row.name ?? ""} ${row.user ?? ""} ${row.pid} ${this.#more.get(row.pid)?.command ?? ""}`,
      open,
      arrange: (rows, compare) => (this.#isTree ? asTree(rows, compare) : flat(rows).sort(compare)),
      filterTree: (rows, fits) => (this.#isTree ? withAncestors(rows, fits) : rows.filter(fits)),
      tone: (row) => ({ zombie: "bad", "disk-sleep": "warn", dead: "bad" })[row.state] ?? null,
      columns: [
        { key: "pid", label: "PID", number: true, width: "5.5em", get: (row) => row.pid, show: pidOf, low: true },
        { key: "name", label: "Name", main: true, get: (row) => row.name, show: nameOf },
        { key: "user", label: "User", width: "9em", get: (row) => row.user ?? row.uid, show: (row) => text(row.user) ?? (number(row.uid) === null ? DASH : String(row.uid)), low: true },
        { key: "cpu", label: "CPU", number: true, width: "7em", title: "Of one core: 100 % is one core busy", get: (row) => number(row.cpu_ratio), show: (row) => percent(row.cpu_ratio), bar: (row) => row.cpu_ratio },
        { key: "memory", label: "Memory", number: true, width: "7.5em", title: "Resident set", get: resident, show: (row) => size(resident(row)), bar: (row) => row.memory_ratio },
        { key: "state", label: "State", width: "7em", get: (row) => row.state, show: (row) => text(row.state) ?? DASH, low: true },
        { key: "threads", label: "Threads", number: true, width: "5.5em", get: (row) => number(row.threads), show: (row) => fixed(row.threads), low: true },
        { key: "read", label: "Read", number: true, width: "7em", get: (row) => flow(row, "read"), show: (row) => rate(flow(row, "read")), low: true, optional: true },
        { key: "written", label: "Written", number: true, width: "7em", get: (row) => flow(row, "written"), show: (row) => rate(flow(row, "written")), low: true, optional: true },
      ],
    });
    this.#grid.scroller.classList.add("tall");
    this.input = at("processes-filter");
    this.input.addEventListener("input", () => {
      this.setFilter(this.input.value);
      onFilter(this.input.value);
    });
    at("processes-tree").addEventListener("click", (event) => {
      this.#isTree = !this.#isTree;
      event.currentTarget.setAttribute("aria-pressed", String(this.#isTree));
      this.#grid.filter(this.#filter);
    });
  }

  setFilter(words) {
    this.#filter = words;
    if (this.input.value !== words) this.input.value = words;
    this.#grid.filter(words);
    this.#tell();
  }

  /** The processes that the latest frame told. */
  get list() {
    return this.#list;
  }

  show(processes) {
    const known = object(processes);
    this.#list = objects(known.list);
    this.#askMore();
    this.enrich(this.#list);
    const note = processes === null || processes === undefined ? "The server sent no processes." : null;
    this.#grid.set(this.#list, note);
    this.#tell(known);
  }

  #tell(known = this.#known) {
    this.#known = known;
    const [shown, all] = this.#grid.counts;
    const count = shown === all ? `${fixed(known?.count ?? all)} processes` : `${fixed(shown)} of ${fixed(known?.count ?? all)} processes`;
    const limited = known?.visibility === "limited" ? "; the kernel hides those of other users" : "";
    const held = this.#grid.isHeld ? "; order held while you read" : "";
    write(at("processes-note"), `${count}${limited}${held}`);
  }

  #known = {};

  /**
   * Command lines, and what a process read and wrote, are no part of a frame. Glances' list has them, where this reader may
   * see them; it is asked while the view is shown.
   */
  async #askMore() {
    if (performance.now() - this.#moreAt < MORE_AGE_MS) return;
    this.#moreAt = performance.now();
    try {
      // A question for a route that is not there would be an error on the browser's console.
      this.#hasMore ??= Object.keys(object(object(await ask("api/v1/openapi.json")).paths)).some((path) => /^\/api\/4\/(processlist|\{plugin\})$/.test(path));
      if (!this.#hasMore) return;
      const list = objects(await ask("api/4/processlist"));
      this.#more = new Map(list.map((one) => [one.pid, moreOf(one)]));
      this.enrich(this.#list);
      this.#grid.update();
    } catch {
      // The server does not tell more: the table has the rest.
      this.#moreAt = performance.now() + MORE_AGE_MS;
    }
  }

  /** Adds to the processes of a frame what is known of them beside. */
  enrich(list) {
    for (const row of list) {
      const more = this.#more.get(row.pid);
      if (more === undefined) continue;
      for (const [key, value] of Object.entries(more.flow)) row[key] ??= value;
    }
  }
}

/** Of Glances: `io_counters` are bytes read and written in all, and the same at the time before. */
function moreOf(one) {
  const [read, written, before, writtenBefore] = Array.isArray(one.io_counters) ? one.io_counters.map(number) : [];
  const seconds = number(one.time_since_update);
  const rate = (now, then) => (number(now) === null || number(then) === null || !(seconds > 0) || now < then || then === 0 ? null : (now - then) / seconds);
  return {
    command: Array.isArray(one.cmdline) ? one.cmdline.join(" ") : "",
    flow: { read_bytes: read ?? null, written_bytes: written ?? null, read_bytes_per_second: rate(read, before), written_bytes_per_second: rate(written, writtenBefore) },
  };
}

function flat(rows) {
  for (const row of rows) row.depth = undefined;
  return [...rows];
}

/** Children below their parents, each level in the order of `compare`. A parent that is not there has its children at the top. */
function asTree(rows, compare) {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const children = new Map();
  const roots = [];
  for (const row of rows) {
    const parent = byPid.get(row.parent_pid);
    if (parent === undefined || parent === row) roots.push(row);
    else children.get(row.parent_pid)?.push(row) ?? children.set(row.parent_pid, [row]);
  }
  const ordered = [];
  // Without recursion: a chain may be thousands long. What is in a circle by a lie of the list is found at the end.
  const stack = roots.sort(compare).reverse().map((row) => [row, 0]);
  const seen = new Set();
  while (stack.length > 0) {
    const [row, depth] = stack.pop();
    if (seen.has(row)) continue;
    seen.add(row);
    row.depth = depth;
    ordered.push(row);
    for (const child of (children.get(row.pid) ?? []).sort(compare).reverse()) stack.push([child, depth + 1]);
  }
  for (const row of rows) if (!seen.has(row)) ordered.push(Object.assign(row, { depth: 0 }));
  return ordered;
}

/** The rows that fit, and whatever stands above them in the tree. */
function withAncestors(rows, fits) {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const kept = new Set();
  for (const row of rows.filter(fits)) {
    for (let one = row; one !== undefined && !kept.has(one); one = byPid.get(one.parent_pid)) kept.add(one);
  }
  return rows.filter((row) => kept.has(row));
}

/** The parents of a process, the nearest first. */
export function parentsOf(process, list) {
  const byPid = new Map(list.map((row) => [row.pid, row]));
  const parents = [];
  for (let one = byPid.get(process.parent_pid); one !== undefined && !parents.includes(one) && one.pid !== process.pid; one = byPid.get(one.parent_pid)) parents.push(one);
  return parents;
}

