// A page full of charts over one window of time: they share the crosshair, the selection and the way through time.
// app.js makes one for the machine, fleet.js one for a system. The window itself stands in the address (router.js).

import { Chart } from "./chart.js";
import { moment, span } from "./format.js";
import { button, make, mark, write } from "./paint.js";
import { plotsOf } from "./plots.js";
import { RANGES, windowOf } from "./router.js";
import { Turns } from "./turns.js";

/** How far a pointer goes before it selects. */
const DRAG_PX = 5;
const SHORTEST_SECONDS = 5;

export class Charts {
  #router;
  #timeline;
  #charts = new Map();
  #host;
  #hover = null;
  #drag = null;
  #turns = new Turns();
  #readings = new Turns();
  #visible = new Set();
  #seen;
  #plotsKey = "";
  #arranged = {};
  #snapshot = {};
  /** `host` gets the controls and the charts. */
  constructor(host, router, timeline) {
    this.#host = host;
    this.#router = router;
    this.#timeline = timeline;
    timeline.onChange = () => this.redraw();
    this.#controls();
    this.note = make("p", "note");
    this.grid = make("div", "charts");
    host.append(this.note, this.grid);
    this.#seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#visible.add(target.dataset.chart);
        else this.#visible.delete(target.dataset.chart);
      }
      this.redraw();
    }, { rootMargin: "200px" });
    this.#listen();
  }

  #controls() {
    const ranges = make("div", "group ranges");
    ranges.setAttribute("role", "group");
    ranges.setAttribute("aria-label", "Range");
    this.buttons = RANGES.map(([name, words]) => {
      const one = button(words, () => this.#router.go({ range: name, from: null, to: null }));
      one.dataset.range = name;
      ranges.append(one);
      return one;
    });
    const act = (words, label, move) => {
      const one = button(words, move, "icon");
      one.title = label;
      one.setAttribute("aria-label", label);
      return one;
    };
    this.forward = act("\u203a", "Later ( ] )", () => this.move(1));
    this.live = button("Live", () => this.goLive());
    const way = make("div", "group", act("\u2039", "Earlier ( [ )", () => this.move(-1)), this.forward, act("\u2212", "Longer range ( - )", () => this.zoomOut()), this.live);
    this.words = make("p", "window muted");
    this.bar = make("div", "controls chart-controls", ranges, way, this.words);
    this.#host.append(this.bar);
  }

  /** The window that is shown, `[from, to]`. */
  get bounds() {
    return this.#timeline.bounds();
  }

  /** Goes back (-1) or forth (1) by three quarters of the window. */
  move(way) {
    const [from, to] = this.bounds;
    const step = (to - from) * 0.75 * way;
    const now = this.#timeline.now();
    if (way > 0 && to + step >= now) return this.goLive(to - from);
    this.#fix(from + step, to + step);
  }

  zoomOut() {
    const [from, to] = this.bounds;
    const now = this.#timeline.now();
    const longest = RANGES.at(-1)[2];
    const length = Math.min(longest, (to - from) * 2);
    if (this.#router.state.from === null || (from + to) / 2 + length / 2 >= now) return this.goLive(length);
    this.#fix((from + to) / 2 - length / 2, (from + to) / 2 + length / 2);
  }

  /** Back to now, with the range that is nearest to so many seconds. */
  goLive(seconds = null) {
    if (seconds === null) return this.#router.go({ from: null, to: null });
    const range = RANGES.find(([, , length]) => length >= seconds * 0.99) ?? RANGES.at(-1);
    this.#router.go({ range: range[0], from: null, to: null });
  }

  #fix(from, to) {
    const length = Math.min(RANGES.at(-1)[2], Math.max(SHORTEST_SECONDS, to - from));
    const end = Math.ceil(Math.max(from + length, SHORTEST_SECONDS));
    this.#router.go({ from: Math.max(0, Math.floor(end - length)), to: end });
  }

  /** Takes the window of the address. */
  show(state) {
    this.#timeline.set(windowOf(state));
    for (const one of this.buttons) one.setAttribute("aria-pressed", String(state.from === null && one.dataset.range === state.range));
    mark(this.live, "on", state.from === null ? "" : null);
    this.live.setAttribute("aria-pressed", String(state.from === null));
    this.forward.disabled = state.from === null;
    this.redraw();
  }

  /** The latest snapshot: names of what is there, and limits. Draws. */
  frame(snapshot) {
    this.#snapshot = snapshot;
    this.redraw();
  }

  /** Draws what is in sight, one chart a picture. Nothing while nobody can see it. */
  redraw() {
    if (document.hidden || this.#host.hidden || !this.#host.isConnected) return;
    this.#turns.begin(() => {
      if (this.#host.hidden) return;
      this.#arrange();
      this.#tell();
      for (const [id, chart] of this.#charts) if (this.#visible.has(id)) this.#turns.add(chart, () => this.#draw(id, chart));
    });
  }

  /** Makes the charts that the record and the snapshot call for. Only when either is new: it looks through all rows. */
  #arrange() {
    const { record } = this.#timeline;
    const seen = this.#arranged;
    if (seen.record === record && seen.version === record.version && seen.snapshot === this.#snapshot) return;
    this.#arranged = { record, version: record.version, snapshot: this.#snapshot };
    const names = [...record.columns.keys()];
    const plots = plotsOf(names, record, this.#snapshot);
    const key = plots.map(({ id, heat }) => `${id}${heat ? " heat" : ""}`).join("\n");
    if (key !== this.#plotsKey) {
      this.#plotsKey = key;
      const keep = new Set(plots.map(({ id }) => id));
      for (const [id, chart] of this.#charts) {
        if (keep.has(id)) continue;
        this.#seen.unobserve(chart.root);
        chart.remove();
        this.#charts.delete(id);
        this.#visible.delete(id);
      }
      for (const spec of plots) {
        let chart = this.#charts.get(spec.id);
        if (chart === undefined) {
          chart = new Chart(spec);
          chart.onResize = () => this.redraw();
          chart.onToggle = () => this.redraw();
          this.#charts.set(spec.id, chart);
          this.#visible.add(spec.id);
        }
        this.grid.append(chart.root);
        this.#seen.observe(chart.root);
      }
    }
    for (const spec of plots) {
      const chart = this.#charts.get(spec.id);
      chart.spec = spec;
      chart.setSeries(spec.series);
    }
  }

  #draw(id, chart) {
    // It may be gone, or another window's, by the time that its turn comes.
    if (this.#host.hidden || this.#charts.get(id) !== chart) return;
    const { record } = this.#timeline;
    chart.draw(record, ...this.bounds);
    chart.cross(this.#hover);
    chart.read(record, this.#hover);
  }

  #tell() {
    const [from, to] = this.bounds;
    const { record, error } = this.#timeline;
    const precision = to - from > 14 * 86400 ? 3600 : to - from > 3600 ? 60 : 1;
    write(this.words, `${moment(from, precision)} \u2013 ${moment(to, precision)} (${span(to - from)})`);
    this.#note(record, error, from, to);
  }

  #note(record, error, from, to) {
    let words = "";
    if (error !== null) words = `The past is not known: ${error}`;
    else if (record.length === 0) words = "No history yet.";
    else if (record.columns.size > 0) {
      const first = firstKnown(record);
      if (first === null) words = "Nothing is known of this time.";
      else if (to - from > 3600 && first - from > 0.05 * (to - from)) words = `The history begins ${moment(first)}.`;
    }
    write(this.note, words);
    this.note.hidden = words === "";
  }

  /**
   * The crosshair follows on all charts, the figures at once on that which is looked at, `near`: on the others one a picture.
   * Nobody reads a dozen at a time, and text is dear to draw.
   */
  #setHover(time, near) {
    this.#hover = time;
    for (const chart of this.#charts.values()) {
      if (chart.from === undefined) continue;
      chart.cross(time);
      if (chart === near) this.#read(chart);
      else this.#readings.add(chart, () => this.#read(chart));
    }
  }

  #read(chart) {
    chart.read(this.#timeline.record, this.#hover);
  }

  #chartOf(target) {
    const plot = target instanceof Element ? target.closest(".plot") : null;
    return plot === null ? undefined : this.#charts.get(plot.parentElement.dataset.chart);
  }

  #listen() {
    this.#host.addEventListener("redraw", () => this.redraw());
    const timeOf = (chart, event) => chart.timeAt(event.clientX - chart.plot.getBoundingClientRect().left);
    this.grid.addEventListener("pointermove", (event) => {
      const chart = this.#drag?.chart ?? this.#chartOf(event.target);
      if (chart === undefined || chart.from === undefined) {
        if (this.#hover !== null) this.#setHover(null, null);
        return;
      }
      const time = timeOf(chart, event);
      this.#setHover(time, chart);
      const drag = this.#drag;
      if (drag === null || (!drag.isOn && Math.abs(event.clientX - drag.x) < DRAG_PX)) return;
      drag.isOn = true;
      for (const one of this.#charts.values()) if (one.from !== undefined) one.select(Math.min(drag.time, time), Math.max(drag.time, time));
    });
    this.grid.addEventListener("pointerdown", (event) => {
      const chart = this.#chartOf(event.target);
      if (chart === undefined || event.button !== 0 || chart.from === undefined) return;
      // A finger scrolls the page; what it touches is only read.
      if (event.pointerType === "touch") return this.#setHover(timeOf(chart, event), chart);
      this.#drag = { chart, time: timeOf(chart, event), x: event.clientX, isOn: false };
      chart.plot.setPointerCapture(event.pointerId);
    });
    const end = (event, isDone) => {
      const drag = this.#drag;
      this.#drag = null;
      if (drag === null) return;
      for (const chart of this.#charts.values()) chart.select(null, null);
      if (!drag.isOn || !isDone) return;
      const time = timeOf(drag.chart, event);
      this.#fix(Math.min(drag.time, time), Math.max(drag.time, time));
    };
    this.grid.addEventListener("pointerup", (event) => end(event, true));
    this.grid.addEventListener("pointercancel", (event) => end(event, false));
    // A finger that was lifted leaves the crosshair where it read.
    this.grid.addEventListener("pointerleave", (event) => this.#drag === null && event.pointerType !== "touch" && this.#setHover(null, null));
    this.grid.addEventListener("dblclick", (event) => this.#chartOf(event.target) !== undefined && this.zoomOut());
    this.grid.addEventListener("keydown", (event) => {
      const chart = this.#chartOf(event.target);
      if (chart === undefined || event.target !== chart.plot || chart.from === undefined) return;
      const [from, to] = this.bounds;
      const step = (to - from) / 100;
      const at = this.#hover ?? to;
      const next = { ArrowLeft: at - step, ArrowRight: at + step, Home: from, End: to }[event.key];
      if (next !== undefined) {
        event.preventDefault();
        this.#setHover(Math.min(to, Math.max(from, next)), chart);
      } else if (event.key === "Escape") this.#setHover(null, chart);
    });
  }
}

function firstKnown(record) {
  const busy = record.columns.get("cpu.busy") ?? record.columns.values().next().value;
  for (let row = 0; row < record.length; row += 1) if (!Number.isNaN(busy.mean[row])) return record.time[row];
  return null;
}

