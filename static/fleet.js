// The view of other systems that report to this server, when its receiver is on: a card each, and the history of one.
// The receiver is asked while the view is shown, and once at the start to learn whether it is there at all.

import { ask } from "./api.js";
import { Charts } from "./charts.js";
import { DASH, fixed, number, object, objects, percent, size, span, text } from "./format.js";
import { at, button, fill, make, mark, write } from "./paint.js";
import { Timeline } from "./timeline.js";

const EVERY_MS = 10_000;
/** Systems whose last report is asked for; of more, only the card says that they are there. */
const MOST_REPORTS = 60;

export class FleetView {
  #router;
  #now;
  #cards = new Map();
  #timer = null;
  #system = null;
  #charts = null;
  #timeline = null;
  /** Whether the receiver is on. */
  isThere = false;

  /** `now()` is the server's clock, unix seconds. */
  constructor(router, now) {
    this.#router = router;
    this.#now = now;
    at("fleet-back").addEventListener("click", () => router.go({ system: null }));
  }

  /** Learns whether there is a receiver. */
  async discover() {
    try {
      // Not by asking for the systems: a server without a receiver answers 404, which browsers report as an error.
      this.isThere = object(await ask("api/v1/about")).receiver === true;
    } catch {
      this.isThere = false;
    }
    at("nav-fleet").hidden = !this.isThere;
  }

  become(isShown, state) {
    clearInterval(this.#timer);
    if (!isShown) return;
    this.#choose(state);
    this.#ask();
    this.#timer = setInterval(() => !document.hidden && this.#ask(), EVERY_MS);
  }

  /** About once a second while shown. */
  tick() {
    this.#timeline?.tick();
    this.#charts?.redraw();
  }

  #choose(state) {
    at("fleet-list").hidden = state.system !== null;
    at("fleet-one").hidden = state.system === null;
    if (state.system !== this.#system) {
      this.#system = state.system;
      this.#timeline?.stop();
      this.#timeline = null;
      this.#charts = null;
      at("fleet-charts").replaceChildren();
    }
    if (state.system === null) return;
    write(at("fleet-title"), state.system);
    if (this.#timeline === null) {
      const id = encodeURIComponent(state.system);
      this.#timeline = new Timeline((query, signal) => ask(`systems/${id}/history?${query}`, signal), false);
      this.#charts = new Charts(at("fleet-charts"), this.#router, this.#timeline);
    }
    this.#charts.show(state);
  }

  get charts() {
    return this.#charts;
  }

  async #ask() {
    let systems;
    try {
      systems = objects(object(await ask("systems")).systems).filter((one) => text(one.system_id) !== null);
    } catch (error) {
      write(at("fleet-note"), error.message);
      return;
    }
    systems.sort((a, b) => Number(b.late === true) - Number(a.late === true) || a.system_id.localeCompare(b.system_id));
    const late = systems.filter((one) => one.late === true).length;
    write(at("fleet-note"), systems.length === 0 ? "No system has reported yet." : `${systems.length} ${systems.length === 1 ? "system" : "systems"}${late > 0 ? `, ${late} late` : ""}.`);
    const keep = new Set(systems.map((one) => one.system_id));
    for (const [id, card] of this.#cards) {
      if (keep.has(id)) continue;
      card.root.remove();
      this.#cards.delete(id);
    }
    for (const system of systems) this.#show(system);
    await Promise.all(systems.slice(0, MOST_REPORTS).map(({ system_id: id }) => this.#report(id)));
  }

  #show(system) {
    const id = system.system_id;
    let card = this.#cards.get(id);
    if (card === undefined) {
      card = { root: make("li", "card system"), seen: make("p", "muted"), rows: new Map() };
      card.root.append(button(id, () => this.#router.go({ system: id }), "link"), card.seen);
      const facts = make("dl", "facts");
      for (const name of ["CPU", "Memory", "Disk", "Processes"]) {
        const row = { value: make("dd", "", DASH), bar: make("span", "bar thin") };
        row.bar.setAttribute("aria-hidden", "true");
        row.root = make("div", "", make("dt", "", name), row.value, row.bar);
        card.rows.set(name, row);
        facts.append(row.root);
      }
      card.root.append(facts);
      this.#cards.set(id, card);
    }
    const isLate = system.late === true;
    mark(card.root, "late", isLate ? "" : null);
    const ago = number(system.last_seen) === null ? DASH : span(this.#now() - system.last_seen);
    write(card.seen, `${isLate ? "Late: last" : "Last"} report ${ago} ago${number(system.interval) === null ? "" : `, every ${span(system.interval)}`}`);
    at("fleet-cards").append(card.root);
  }

  /** The last report of a system as it came: what System Monitor's agent says. */
  async #report(id) {
    try {
      const { stats } = object(await ask(`systems/${encodeURIComponent(id)}`));
      const card = this.#cards.get(id);
      if (card === undefined) return;
      const { cpu, memory, disks, processes } = object(stats);
      const share = (percent) => (number(percent) === null ? null : percent / 100);
      const put = (name, words, ratio, isFull = false) => {
        const row = card.rows.get(name);
        write(row.value, words);
        row.bar.hidden = ratio === null;
        fill(row.bar, ratio);
        mark(row.root, "tone", isFull ? (ratio > 0.97 ? "bad" : "warn") : null);
      };
      const busy = share(object(cpu).percent_used);
      put("CPU", percent(busy), busy);
      const used = share(object(memory).percent_used);
      put("Memory", `${percent(used)} of ${size(object(memory).total)}`, used, used > 0.9);
      const all = Object.values(object(disks)).map(object);
      const root = all.find((one) => one.mount_point === "/") ?? all[0];
      const full = root && number(root.used) !== null && root.used + root.free > 0 ? root.used / (root.used + root.free) : null;
      put("Disk", root === undefined ? DASH : `${percent(full)} of ${text(root.mount_point) ?? "/"}`, full, full > 0.9);
      put("Processes", Array.isArray(processes) ? fixed(processes.length) : DASH, null);
    } catch {
      // It went between the two questions, or its report cannot be read: the card keeps its dashes.
    }
  }
}
