// The view of all processes: a table or a tree of them, filtered as one types. app.js hands it each frame while it is shown.

import { DASH, fixed, number, object, objects, percent, size, rate, text } from "./format.js";
import { Grid } from "./grid.js";
import { ask } from "./api.js";
import { at, write } from "./paint.js";

/** How often the details are asked for: command lines, read and written bytes. */
const MORE_EVERY_MS = 5_000;
/** How long what was read and written is shown: until the next answer but one. */
const FLOWS_AGE_MS = 2.5 * MORE_EVERY_MS;

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
  /** Command lines by PID, in lower case: the filter looks at them. */
  #commands = new Map();
  #askedAt = -Infinity;
  /** What each process read and wrote, from the last frame that told it. */
  #flows = new Map();
  #flowsAt = -Infinity;
  #filter = "";
  #list = [];

  /** `open(process)` shows one; `onFilter(text)` keeps the filter in the address. */
  constructor(open, onFilter) {
    this.#grid = new Grid(at("processes"), {
      label: "Processes",
      key: identity,
      sort: { key: "cpu", down: true },
      empty: "The server sees no process.",
      words: (row) => `${row.name ?? ""} ${row.user ?? ""} ${row.pid} ${this.#commands.get(row.pid) ?? ""}`,
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
   * Asks for what no frame has by itself, while somebody looks: the command lines, which Glances' list tells to whoever may
   * see them. Since the server then reads what processes read and wrote as well, the frame of that moment tells it.
   */
  async askMore() {
    if (performance.now() - this.#askedAt < MORE_EVERY_MS) return;
    this.#askedAt = performance.now();
    try {
      const list = objects(await ask("api/4/processlist"));
      this.#commands = new Map(list.map((one) => [one.pid, Array.isArray(one.cmdline) ? one.cmdline.join(" ") : ""]));
      if (this.#filter !== "") this.#grid.update();
    } catch {
      // The table does without; asked again later.
      this.#askedAt = performance.now() + MORE_EVERY_MS;
    }
  }

  /** Takes a frame's processes, and adds what an earlier frame told of them. */
  enrich(list) {
    const told = list.filter((row) => object(row.io) === row.io);
    if (told.length > 0) {
      this.#flows = new Map(told.map((row) => [identity(row), row.io]));
      this.#flowsAt = performance.now();
    } else if (performance.now() - this.#flowsAt > FLOWS_AGE_MS) this.#flows.clear();
    for (const row of list) Object.assign(row, this.#flows.get(identity(row)));
  }
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

