// The table of network interfaces. Called by view.js with the `network` part of each message.
// The busiest stand first, by their traffic of about the last half minute. The order is looked at only now and then, so rows
// do not dance. Interfaces without traffic for five minutes, and those past the first nine, wait behind "show all".

import { DASH, fixed, number, object, rate, size, text } from "./format.js";
import { attribute, cell, make, name, value, write } from "./paint.js";

const MOST_SHOWN = 9;
const IDLE_AFTER_MS = 5 * 60_000;
const ORDER_EVERY_MS = 5_000;
const MEMORY_MS = 30_000;

export class InterfaceTable {
  #body;
  #note;
  #button;
  #entries = new Map();
  #all = false;
  #orderedAt = -Infinity;
  #latest = null;

  constructor(body, note, button) {
    this.#body = body;
    this.#note = note;
    this.#button = button;
    button.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#order(performance.now());
    });
  }

  /** Shows `network` = `{interfaces, statistics, averages}`, any part of which may be missing. */
  show(network) {
    const now = performance.now();
    this.#latest = network;
    const names = namesOf(network);
    let changed = false;
    for (const [key, entry] of this.#entries) {
      if (names.includes(key)) continue;
      entry.line.remove();
      this.#entries.delete(key);
      changed = true;
    }
    for (const key of names) {
      if (!this.#entries.has(key)) {
        this.#entries.set(key, newEntry(key, now));
        changed = true;
      }
      update(this.#entries.get(key), object(object(network.statistics)[key]), object(object(network.averages)[key]), now);
    }
    if (changed || now - this.#orderedAt > ORDER_EVERY_MS) this.#order(now);
  }

  #order(now) {
    this.#orderedAt = now;
    const sorted = [...this.#entries.values()].sort(
      (a, b) => (b.recent ?? 0) - (a.recent ?? 0) || b.total - a.total || a.key.localeCompare(b.key),
    );
    const busy = sorted.filter((entry) => entry.total > 0 && now - entry.movedAt < IDLE_AFTER_MS).slice(0, MOST_SHOWN);
    const shown = this.#all || busy.length === 0 ? sorted.slice(0, this.#all ? undefined : MOST_SHOWN) : busy;
    const lines = shown.map((entry) => entry.line);
    if (lines.length !== this.#body.children.length || lines.some((line, at) => this.#body.children[at] !== line)) {
      this.#body.replaceChildren(...lines);
    }
    const rest = sorted.length - shown.length;
    this.#button.hidden = rest === 0 && !this.#all;
    write(this.#button, this.#all ? "Show fewer" : `Show all ${sorted.length}`);
    attribute(this.#button, "aria-expanded", String(this.#all));
    this.#note.hidden = shown.length > 0 && rest === 0;
    if (sorted.length === 0) {
      write(this.#note, Array.isArray(this.#latest?.interfaces) ? "No network interface." : "The server sent no interfaces.");
    } else {
      write(this.#note, `${rest} idle or less busy ${rest === 1 ? "interface is" : "interfaces are"} hidden.`);
    }
  }
}

/** Every interface that any part of the message names. */
export function namesOf(network) {
  const listed = Array.isArray(network?.interfaces) ? network.interfaces.filter((key) => text(key) !== null) : [];
  return [...new Set([...listed, ...Object.keys(object(network?.statistics)), ...Object.keys(object(network?.averages))])];
}

/**
 * Traffic of the host in MiB/s: the sum over the interfaces but the loopback, which would count what never left.
 * Null where no rate is known.
 */
export function traffic(network) {
  const sums = { in: null, out: null };
  for (const [key, average] of Object.entries(object(network?.averages))) {
    if (key === "lo") continue;
    for (const way of ["in", "out"]) {
      const speed = number(object(average)[way]);
      if (speed !== null) sums[way] = (sums[way] ?? 0) + speed;
    }
  }
  return sums;
}

function newEntry(key, now) {
  const cells = {
    key: cell("name", "Interface", "rowheader"),
    in: cell("number", "In"),
    out: cell("number", "Out"),
    received: cell("number", "Received"),
    sent: cell("number", "Sent"),
    errors: cell("number", "Errors"),
    dropped: cell("number", "Dropped"),
  };
  const line = make("tr", "", ...Object.values(cells).map(({ td }) => td));
  line.setAttribute("role", "row");
  name(cells.key.place, key);
  return { key, line, cells, recent: null, total: 0, moved: null, movedAt: now, seenAt: now };
}

function update(entry, statistics, average, now) {
  const received = number(statistics.mb_received);
  const sent = number(statistics.mb_sent);
  const incoming = number(average.in);
  const outgoing = number(average.out);
  entry.total = (received ?? 0) + (sent ?? 0);
  const flow = (incoming ?? 0) + (outgoing ?? 0);
  if (flow > 0 || (entry.moved !== null && entry.moved !== entry.total)) entry.movedAt = now;
  entry.moved = entry.total;
  // A mean that forgets with time, however often messages come. The first known rate starts it.
  const keep = entry.recent === null ? 0 : Math.exp(-(now - entry.seenAt) / MEMORY_MS);
  if (incoming !== null || outgoing !== null) entry.recent = (entry.recent ?? 0) * keep + flow * (1 - keep);
  entry.seenAt = now;

  value(entry.cells.in.place, rate(incoming));
  value(entry.cells.out.place, rate(outgoing));
  value(entry.cells.received.place, size(received, "MiB"));
  value(entry.cells.sent.place, size(sent, "MiB"));
  alarm(entry.cells.errors, plus(number(statistics.error_in), number(statistics.error_out)));
  alarm(entry.cells.dropped, number(statistics.dropout));
}

/** Counts that ought to be zero stand out when they are not, by weight as well as by colour. */
function alarm({ td, place }, count) {
  value(place, count === null ? DASH : fixed(count));
  td.classList.toggle("nonzero", count !== null && count > 0);
}

function plus(a, b) {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}
