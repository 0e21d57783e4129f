// One chart: a canvas with axes, a legend that tells the values under the crosshair, and the marks of a selection. It draws
// what it is given and decides nothing about time; charts.js and overview.js own charts and hand them a record.

import { Buckets, Reduced } from "./buckets.js";
import { boundsOf, colour, drawLimit, drawLines, drawStack, forgetColours, rgb, stackOf, strokeRuns } from "./draw.js";
import { DASH, measured, moment } from "./format.js";
import { attribute, button, make, mark, write } from "./paint.js";
import { timeMarks, valueAxis } from "./scale.js";

const MARGIN = { left: 50, right: 8, top: 8, bottom: 20 };
const SMALL = { left: 0, right: 0, top: 3, bottom: 1 };
/** How often the words for a screen reader change at most. */
const WORDS_EVERY_MS = 10_000;
const MOST_IN_LEGEND = 12;
const PALETTE = 10;

export { forgetColours };

/** The colour variable of the n-th of a list of alike things. */
export const nth = (at) => `--c${at % PALETTE}`;

export class Chart {
  /**
   * `spec`: `id`, `title`, `unit`, `series` (`[{name, label, colour}]`), and where wanted `stacked`, `heat` (one row a
   * series, for many cores), `peak` (the series whose highest values a stacked chart marks), `top` (end of the value axis,
   * or a function of the record), `limits` (`[{value, label}]`), `small` (no axes, no legend), `note`.
   */
  constructor(spec) {
    this.spec = spec;
    this.hidden = new Set();
    this.#buckets = new Buckets();
    this.canvas = make("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", spec.title);
    this.line = make("div", "cross");
    this.pick = make("div", "pick");
    this.plot = make("div", "plot", this.canvas, this.line, this.pick);
    this.root = make("figure", spec.small ? "chart small" : "chart");
    this.root.dataset.chart = spec.id;
    if (!spec.small) {
      this.title = make("h2", "", spec.title);
      this.when = make("span", "when");
      this.legend = make("ul", "legend");
      this.empty = make("p", "empty", "");
      this.plot.tabIndex = 0;
      this.plot.setAttribute("role", "group");
      this.plot.setAttribute("aria-label", `${spec.title}: arrow keys read it`);
      this.plot.append(this.empty);
      this.root.append(make("figcaption", "", this.title, this.when), this.plot, this.legend);
    } else this.root.append(this.plot);
    this.#observer = new ResizeObserver(([entry]) => {
      this.width = Math.round(entry.contentRect.width);
      this.height = Math.round(entry.contentRect.height);
      this.onResize?.();
    });
    this.#observer.observe(this.plot);
    this.setSeries(spec.series);
  }

  #buckets;
  #observer;
  #reduced = new Map();
  #wordsAt = 0;
  #items = [];
  width = 0;
  height = 0;
  /** Called when the chart got another size and must be drawn again. */
  onResize = null;
  /** Called when a series was shown or hidden. */
  onToggle = null;

  get margin() {
    return this.spec.small ? SMALL : MARGIN;
  }

  /** Gives back what the browser holds for it. */
  remove() {
    this.#observer.disconnect();
    this.root.remove();
  }

  /** Takes the list of series; the legend is made anew only if it is another list. */
  setSeries(series) {
    const key = series.map(({ name }) => name).join("\n");
    if (key === this.#seriesKey) return;
    this.#seriesKey = key;
    this.series = series;
    for (const name of this.#reduced.keys()) if (!series.some((one) => one.name === name)) this.#reduced.delete(name);
    if (this.spec.small) return;
    const shown = this.spec.heat ? [] : series.slice(0, MOST_IN_LEGEND);
    this.#items = shown.map((one) => {
      const swatch = make("span", "swatch");
      swatch.style.setProperty("--swatch", `var(${one.colour})`);
      const figure = make("span", "figure", DASH);
      const toggle = button("", () => this.#toggle(one.name, toggle));
      toggle.append(swatch, make("span", "label", one.label), figure);
      toggle.setAttribute("aria-pressed", String(!this.hidden.has(one.name)));
      return { name: one.name, figure, item: make("li", "", toggle) };
    });
    this.legend.replaceChildren(...this.#items.map(({ item }) => item));
    if (series.length > shown.length && !this.spec.heat) this.legend.append(make("li", "more", `and ${series.length - shown.length} more`));
    this.heatWords = this.spec.heat ? make("li", "more", "") : null;
    if (this.heatWords !== null) this.legend.append(this.heatWords);
  }

  #seriesKey = null;

  #toggle(name, toggle) {
    if (this.hidden.has(name)) this.hidden.delete(name);
    else this.hidden.add(name);
    toggle.setAttribute("aria-pressed", String(!this.hidden.has(name)));
    this.onToggle?.();
  }

  /** The moment under a position within the plot, pixels from its left. */
  timeAt(x) {
    const { left, right } = this.margin;
    const inner = Math.max(1, this.width - left - right);
    return this.from + (Math.min(inner, Math.max(0, x - left)) / inner) * (this.to - this.from);
  }

  #xOf(time) {
    const { left, right } = this.margin;
    return left + ((time - this.from) / (this.to - this.from)) * (this.width - left - right);
  }

  #isIn(time) {
    return time !== null && time >= this.from && time <= this.to;
  }

  /** Shows the crosshair at a moment, or takes it away (null). Cheap enough for a dozen charts in one picture. */
  cross(time) {
    const isIn = this.#isIn(time);
    this.root.classList.toggle("crossed", isIn);
    if (isIn) this.line.style.transform = `translateX(${this.#xOf(time).toFixed(1)}px)`;
  }

  /** Writes the values at a moment, or the latest (null). */
  read(record, time) {
    if (this.spec.small) return;
    const isIn = this.#isIn(time);
    let row = isIn ? record.nearest(time) : -1;
    write(this.when, time === null ? "" : moment(row < 0 ? time : record.time[row], 1));
    if (!isIn) for (row = record.length - 1; row >= 0 && record.time[row] > this.to; row -= 1);
    // The latest that is known, unless it is long ago.
    const value = (name) => {
      const column = record.columns.get(name);
      if (column === undefined || row < 0) return NaN;
      if (isIn) return column.mean[row];
      for (let back = row; back >= 0 && back > row - 3; back -= 1) if (!Number.isNaN(column.mean[back])) return column.mean[back];
      return NaN;
    };
    for (const { name, figure } of this.#items) write(figure, measured(value(name), this.spec.unit));
    if (this.heatWords !== null) {
      const known = this.series.map(({ name }) => value(name)).filter((one) => !Number.isNaN(one));
      const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
      const words = (one) => measured(one, this.spec.unit);
      write(this.heatWords, `${this.series.length} rows: lowest ${words(Math.min(...known))}, mean ${words(mean)}, highest ${words(Math.max(...known))}`);
    }
  }

  /** Shows which part is being selected, or none (null). */
  select(from, to) {
    mark(this.root, "picking", from === null ? null : "");
    if (from === null) return;
    const [left, right] = [this.#xOf(Math.max(this.from, from)), this.#xOf(Math.min(this.to, to))];
    this.pick.style.setProperty("--left", `${left.toFixed(1)}px`);
    this.pick.style.setProperty("--width", `${Math.max(0, right - left).toFixed(1)}px`);
  }

  /** Draws the record from one moment to another. */
  draw(record, from, to) {
    this.from = from;
    this.to = to;
    if (this.width < 10 || this.height < 10) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const margin = this.margin;
    const inner = { x: margin.left, y: margin.top, width: this.width - margin.left - margin.right, height: this.height - margin.top - margin.bottom };
    const buckets = this.#buckets.fill(record, from, to, inner.width);
    const lines = [];
    for (const one of this.series) {
      const column = record.columns.get(one.name);
      if (column === undefined || this.hidden.has(one.name)) continue;
      let reduced = this.#reduced.get(one.name);
      if (reduced === undefined) this.#reduced.set(one.name, (reduced = new Reduced()));
      lines.push({ ...one, reduced: reduced.fill(column, buckets) });
    }
    let peak = null;
    if (this.spec.peak && record.columns.has(this.spec.peak)) {
      this.#peak ??= new Reduced();
      peak = this.#peak.fill(record.columns.get(this.spec.peak), buckets);
      if (!peak.hasBand) peak = null;
    }
    const stack = this.spec.stacked ? stackOf(lines, buckets) : null;
    const bounds = boundsOf(lines, buckets, stack, peak);
    const isEmpty = bounds.most === -Infinity;
    const limits = (this.spec.limits ?? []).filter(({ value }) => value !== null);
    let top = typeof this.spec.top === "function" ? this.spec.top(record) : this.spec.top;
    if (top === undefined && isEmpty) top = null;
    // A limit that is near is in the picture; one that is far does not press the line flat.
    let most = isEmpty ? 0 : bounds.most;
    for (const { value } of limits) if (value > most && value < most * 1.6) most = value * 1.02;
    const axis = valueAxis(this.spec.unit, isEmpty ? 0 : bounds.least, most, top, this.spec.small ? 2 : Math.max(2, Math.floor(inner.height / 34)));
    const y = (value) => inner.y + inner.height * (1 - (value - axis.low) / (axis.high - axis.low));
    if (this.spec.heat) {
      this.#axes(pen, inner, { marks: [] }, y, from, to);
      this.#heat(pen, inner, buckets, lines);
    } else {
      if (!this.spec.small) this.#axes(pen, inner, axis, y, from, to);
      pen.save();
      pen.beginPath();
      pen.rect(inner.x, 0, inner.width, this.height);
      pen.clip();
      if (stack !== null) drawStack(pen, inner.x, y, lines, stack, buckets);
      else drawLines(pen, inner.x, y, axis.low, lines, buckets, this.spec.small || this.spec.filled || lines.length === 1);
      if (peak !== null) strokeRuns(pen, inner.x, y, peak.max, buckets, colour("--ink"), 1, 0.45);
      for (const limit of limits) if (limit.value <= axis.high) drawLimit(pen, inner, y(limit.value), limit.label);
      pen.restore();
    }
    if (!this.spec.small) {
      write(this.empty, isEmpty ? "Nothing known of this time." : "");
      this.#tell(record, from, to);
    }
  }

  #peak = null;

  #axes(pen, inner, axis, y, from, to) {
    pen.lineWidth = 1;
    pen.font = `11px ${colour("--font") || "system-ui, sans-serif"}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const { value, label } of axis.marks) {
      const at = Math.round(y(value)) + 0.5;
      pen.strokeStyle = colour("--grid");
      pen.beginPath();
      pen.moveTo(inner.x, at);
      pen.lineTo(inner.x + inner.width, at);
      pen.stroke();
      pen.fillStyle = colour("--muted");
      pen.fillText(label, inner.x - 7, at, inner.x - 8);
    }
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    for (const { time, label } of timeMarks(from, to, Math.max(2, Math.floor(inner.width / 74)))) {
      const at = Math.round(inner.x + ((time - from) / (to - from)) * inner.width) + 0.5;
      pen.strokeStyle = colour("--grid");
      pen.beginPath();
      pen.moveTo(at, inner.y);
      pen.lineTo(at, inner.y + inner.height);
      pen.stroke();
      pen.fillStyle = colour("--muted");
      const half = pen.measureText(label).width / 2;
      // A label stays within the canvas, wherever its mark is.
      pen.fillText(label, Math.min(this.width - half - 1, Math.max(inner.x - 8 + half, at)), this.height - 5);
    }
  }

  /** One row a series, the stronger the higher. */
  #heat(pen, inner, buckets, lines) {
    if (buckets.count === 0 || lines.length === 0) return;
    this.#sheet ??= document.createElement("canvas");
    const sheet = this.#sheet;
    sheet.width = Math.max(1, Math.round(inner.width));
    sheet.height = lines.length;
    const brush = sheet.getContext("2d");
    const image = brush.createImageData(sheet.width, sheet.height);
    const [red, green, blue] = rgb(colour("--cpu"));
    lines.forEach(({ reduced }, row) => {
      for (let at = 0; at < buckets.count; at += 1) {
        const value = reduced.mean[at];
        if (value !== value) continue;
        const begin = Math.max(0, Math.round(at > 0 && !buckets.gap[at] ? (buckets.x[at] + buckets.x[at - 1]) / 2 : buckets.x[at]));
        const end = Math.min(sheet.width, at + 1 < buckets.count && !buckets.gap[at + 1] ? Math.round((buckets.x[at] + buckets.x[at + 1]) / 2) : Math.ceil(buckets.x[at]) + 1);
        for (let x = begin; x < end; x += 1) image.data.set([red, green, blue, Math.round(20 + 235 * Math.min(1, value))], 4 * (row * sheet.width + x));
      }
    });
    brush.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, inner.x, inner.y, inner.width, inner.height);
    pen.fillStyle = colour("--muted");
    pen.textAlign = "right";
    pen.fillText(lines[0].label, inner.x - 7, inner.y + 9);
    pen.fillText(lines.at(-1).label, inner.x - 7, inner.y + inner.height - 2);
  }

  #sheet = null;

  /** What a screen reader says about the picture, changed now and then. */
  #tell(record, from, to) {
    const now = performance.now();
    if (now - this.#wordsAt < WORDS_EVERY_MS && this.#wordsAt > 0) return;
    this.#wordsAt = now;
    const parts = this.series.slice(0, MOST_IN_LEGEND).flatMap(({ name, label }) => {
      const told = record.summary(name, from, to);
      return told === null ? [] : [`${label} mean ${measured(told.mean, this.spec.unit)}, highest ${measured(told.max, this.spec.unit)}`];
    });
    attribute(this.canvas, "aria-label", `${this.spec.title}. ${parts.join("; ") || "Nothing known of this time"}.`);
  }
}
