// Small line charts on a canvas, and the record of samples behind them. Called by view.js.
// Nothing moves by itself: a chart is drawn when data came, when its size or the colour scheme changed, or under the pointer.

import { clock, number } from "./format.js";

export const WINDOW_MS = 5 * 60_000;
const MOST_POINTS = 6_000;
const LABEL_FONT = '10.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** The samples of the last minutes, oldest first: `{time, values}`. A point whose values are null breaks the lines. */
export class Record {
  #points = [];

  add(time, values) {
    this.#points.push({ time, values });
    const oldest = time - WINDOW_MS - 10_000;
    let gone = 0;
    while (gone < this.#points.length && (this.#points[gone].time < oldest || this.#points.length - gone > MOST_POINTS)) {
      gone += 1;
    }
    if (gone > 0) this.#points.splice(0, gone);
  }

  /** Marks that nothing is known from now until the next sample. */
  gap(time) {
    const last = this.#points.at(-1);
    if (last !== undefined && last.values !== null) this.#points.push({ time: Math.max(time, last.time), values: null });
  }

  /**
   * Takes in what was measured before, or while no connection was there. `past`: points, oldest first. Where neither
   * source has a point for more than three times the usual distance, the lines stay broken.
   */
  fill(past) {
    if (past.length === 0) return;
    const distances = past.slice(1).map(({ time }, index) => time - past[index].time);
    const usual = distances.length === 0 ? 1_000 : Math.max(1_000, Math.min(...distances));
    const known = this.#points.filter(({ values }) => values !== null);
    const isNew = ({ time }) => !known.some((point) => Math.abs(point.time - time) < 0.9 * usual);
    const all = [...known, ...past.filter(isNew)].sort((one, other) => one.time - other.time);
    const wasBroken = this.#points.at(-1)?.values === null;
    this.#points = [];
    for (const point of all) {
      const last = this.#points.at(-1);
      if (last !== undefined && point.time - last.time > 3.5 * usual) this.gap(last.time);
      this.add(point.time, point.values);
    }
    if (wasBroken) this.gap(all.at(-1).time);
  }

  get points() {
    return this.#points;
  }

  /** `{mean, peak}` of one value over the window that ends at `now`, or null without any sample. */
  summary(key, now) {
    let sum = 0;
    let count = 0;
    let peak = -Infinity;
    for (const { time, values } of this.#points) {
      const value = values === null || time < now - WINDOW_MS ? null : number(values[key]);
      if (value === null) continue;
      sum += value;
      count += 1;
      peak = Math.max(peak, value);
    }
    return count === 0 ? null : { mean: sum / count, peak };
  }
}

/** The next round limit at or above `value` MiB/s, in steps that stay round in KiB, MiB, GiB... */
export function roundLimit(value) {
  let unit = 1 / 1024;
  for (;;) {
    for (const step of [10, 20, 50, 100, 200, 500]) {
      if (value <= step * unit) return step * unit;
    }
    if (value <= 1024 * unit || unit > 1e12) return 1024 * unit;
    unit *= 1024;
    for (const step of [1, 2, 5]) {
      if (value <= step * unit) return step * unit;
    }
  }
}

export class Chart {
  #canvas;
  #record;
  #series;
  #limit;
  #label;
  #width = 0;
  #height = 0;
  #now = Date.now();
  #pointer = null;

  /**
   * `series`: `[{key, colour, dashed, name}]`, the colour as a CSS custom property. `limit(peak)` gives the top of the scale,
   * `label(value)` the text of a value.
   */
  constructor(canvas, record, { series, limit, label }) {
    this.#canvas = canvas;
    this.#record = record;
    this.#series = series;
    this.#limit = limit;
    this.#label = label;
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.#height = entry.contentRect.height;
      this.draw(this.#now);
    }).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.#now));
    canvas.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.#point(null));
  }

  #point(x) {
    this.#pointer = x;
    this.draw(this.#now);
  }

  /** Draws the window that ends at `now`. */
  draw(now) {
    this.#now = now;
    const width = this.#width;
    const height = this.#height;
    if (width < 20 || height < 20) return;
    const scale = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * scale) || this.#canvas.height !== Math.round(height * scale)) {
      this.#canvas.width = Math.round(width * scale);
      this.#canvas.height = Math.round(height * scale);
    }
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(name).trim();

    const points = this.#record.points;
    let peak = 0;
    for (const { time, values } of points) {
      if (values === null || time < now - WINDOW_MS) continue;
      for (const { key } of this.#series) peak = Math.max(peak, number(values[key]) ?? 0);
    }
    const frame = { left: 0.5, right: width - 4.5, top: 14.5, bottom: height - 16.5 };
    const top = this.#limit(peak);
    const x = (time) => frame.right - ((now - time) / WINDOW_MS) * (frame.right - frame.left);
    const y = (value) => frame.bottom - (Math.min(Math.max(value, 0), top) / top) * (frame.bottom - frame.top);

    this.#grid(pen, frame, top, colour);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, 0, width, height);
    pen.clip();
    for (const series of this.#series) this.#line(pen, series, points, x, y, frame, colour(series.colour));
    pen.restore();
    if (this.#pointer !== null) this.#readout(pen, points, x, y, frame, colour);
  }

  #grid(pen, frame, top, colour) {
    pen.font = LABEL_FONT;
    pen.lineWidth = 1;
    pen.strokeStyle = colour("--grid");
    pen.fillStyle = colour("--muted");
    pen.textAlign = "left";
    for (const share of [0, 0.5, 1]) {
      const line = Math.round(frame.bottom - share * (frame.bottom - frame.top)) + 0.5;
      pen.beginPath();
      pen.moveTo(frame.left, line);
      pen.lineTo(frame.right, line);
      pen.stroke();
      if (share > 0) {
        pen.textBaseline = "bottom";
        pen.fillText(withoutZeros(this.#label(top * share)), frame.left, line - 2);
      }
    }
    pen.textBaseline = "top";
    pen.fillText(`${WINDOW_MS / 60_000} min ago`, frame.left, frame.bottom + 4);
    pen.textAlign = "right";
    pen.fillText("now", frame.right, frame.bottom + 4);
  }

  #line(pen, { key, dashed }, points, x, y, frame, colour) {
    pen.strokeStyle = colour;
    pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    for (const run of runs(points, key)) {
      const first = run[0];
      const last = run[run.length - 1];
      pen.beginPath();
      for (const { time, value } of run) pen.lineTo(x(time), y(value));
      pen.setLineDash(dashed ? [4, 3] : []);
      pen.stroke();
      pen.setLineDash([]);
      if (!dashed) {
        pen.lineTo(x(last.time), frame.bottom);
        pen.lineTo(x(first.time), frame.bottom);
        pen.globalAlpha = 0.14;
        pen.fill();
        pen.globalAlpha = 1;
      }
      if (run.length === 1 || last.time === points.at(-1).time) {
        pen.beginPath();
        pen.arc(x(last.time), y(last.value), 2.6, 0, 2 * Math.PI);
        pen.fill();
      }
    }
  }

  /** What the sample nearest to the pointer says, on the free line above the plot. */
  #readout(pen, points, x, y, frame, colour) {
    let nearest = null;
    for (const point of points) {
      if (point.values === null) continue;
      const distance = Math.abs(x(point.time) - this.#pointer);
      if (nearest === null || distance < nearest.distance) nearest = { point, distance };
    }
    if (nearest === null || nearest.distance > 24) return;
    const { time, values } = nearest.point;
    pen.strokeStyle = colour("--muted");
    pen.beginPath();
    pen.moveTo(x(time), frame.top);
    pen.lineTo(x(time), frame.bottom);
    pen.stroke();
    const parts = this.#series.map(({ key, name }) => `${name === "" ? "" : `${name} `}${this.#label(values[key])}`);
    for (const { key, colour: name } of this.#series) {
      const value = number(values[key]);
      if (value === null) continue;
      pen.fillStyle = colour(name);
      pen.beginPath();
      pen.arc(x(time), y(value), 3, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.fillStyle = colour("--ink");
    pen.textAlign = "right";
    pen.textBaseline = "bottom";
    pen.fillText(`${clock(time)}  ${parts.join("  ")}`, frame.right, frame.top - 2);
  }
}

/** `2.50 MiB/s` as `2.5 MiB/s`: a scale needs no more decimals than it has. */
function withoutZeros(words) {
  return words.replace(/(\.\d*?)0+(?= )/, "$1").replace(/\.(?= )/, "");
}

/** The stretches of neighbouring samples in which a value is known. */
function runs(points, key) {
  const all = [];
  let run = [];
  for (const { time, values } of points) {
    const value = values === null ? null : number(values[key]);
    if (value !== null) {
      run.push({ time, value });
    } else if (run.length > 0) {
      all.push(run);
      run = [];
    }
  }
  if (run.length > 0) all.push(run);
  return all;
}
