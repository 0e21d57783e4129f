// Numbers over time: one axis of moments and a column for each series. Live frames are appended, a history answer is laid
// under them. Called by app.js (live) and past.js (answers); charts read it. No DOM.

/** Rows that a record has room for at first; it grows by doubling, and `trim` keeps it bounded. */
const FIRST_ROOM = 512;

export class Record {
  /** Moments, unix seconds, ascending; `length` of them are in use. */
  time = new Float64Array(FIRST_ROOM);
  /** How long each row stands for, seconds. */
  step = new Float32Array(FIRST_ROOM);
  length = 0;
  /** name -> {mean, min, max}: arrays like `time`; NaN is unknown. `min` and `max` are null until there is one. */
  columns = new Map();
  /** Units by name, where the history told them. */
  version = 0;

  #room() {
    if (this.length < this.time.length) return;
    const grown = (old, fill) => {
      const larger = new old.constructor(old.length * 2);
      larger.set(old);
      if (fill) larger.fill(NaN, old.length);
      return larger;
    };
    this.time = grown(this.time);
    this.step = grown(this.step);
    for (const column of this.columns.values()) {
      for (const kind of ["mean", "min", "max"]) if (column[kind] !== null) column[kind] = grown(column[kind], true);
    }
  }

  #column(name) {
    let column = this.columns.get(name);
    if (column === undefined) {
      column = { mean: new Float32Array(this.time.length).fill(NaN), min: null, max: null };
      this.columns.set(name, column);
    }
    return column;
  }

  /** Adds a row: `values` is a Map of name to number or null. A moment that is not after the last one replaces nothing. */
  append(time, step, values) {
    if (this.length > 0 && time <= this.time[this.length - 1]) {
      // The clock was set back. What lies after now cannot be told from what comes: it goes.
      if (this.time[this.length - 1] - time > 2 * step) this.#cut(time);
      if (this.length > 0 && time <= this.time[this.length - 1]) return;
    }
    this.#room();
    const row = this.length;
    this.time[row] = time;
    this.step[row] = step;
    for (const column of this.columns.values()) {
      column.mean[row] = NaN;
      if (column.min !== null) column.min[row] = column.max[row] = NaN;
    }
    for (const [name, value] of values) if (value !== null) this.#column(name).mean[row] = value;
    this.length += 1;
    this.version += 1;
  }

  #cut(time) {
    while (this.length > 0 && this.time[this.length - 1] >= time) this.length -= 1;
  }

  /** Forgets what is older than `seconds`, now and then, so that the arrays stay as small as the window. */
  trim(seconds) {
    let first = 0;
    while (first < this.length && this.time[first] < seconds) first += 1;
    if (first < 256 || first * 2 < this.length) return;
    const keep = (array) => array.copyWithin(0, first, this.length);
    keep(this.time);
    keep(this.step);
    for (const [name, column] of this.columns) {
      for (const kind of ["mean", "min", "max"]) if (column[kind] !== null) keep(column[kind]);
      // What is known nowhere any more (an interface that went) has no column.
      if (column.mean.subarray(0, this.length - first).every(Number.isNaN)) this.columns.delete(name);
    }
    this.length -= first;
    this.version += 1;
  }

  /** A record of a history answer. */
  static of(answer) {
    const record = new Record();
    const times = Array.isArray(answer?.time) ? answer.time : [];
    const step = answer?.step_seconds > 0 ? answer.step_seconds : 1;
    const room = Math.max(FIRST_ROOM, times.length);
    record.time = new Float64Array(room);
    record.step = new Float32Array(room).fill(step);
    // A step's value stands for its whole length: it is drawn in the middle.
    times.forEach((begin, row) => (record.time[row] = begin + step / 2));
    record.length = times.length;
    const array = (list) => {
      const numbers = new Float32Array(room).fill(NaN);
      for (let row = 0; row < times.length; row += 1) if (typeof list[row] === "number") numbers[row] = list[row];
      return numbers;
    };
    for (const [name, column] of Object.entries(answer?.series ?? {})) {
      if (!Array.isArray(column?.mean)) continue;
      const hasBand = Array.isArray(column.min) && column.min.some((one) => one !== null);
      record.columns.set(name, {
        mean: array(column.mean),
        min: hasBand ? array(column.min) : null,
        max: hasBand ? array(column.max) : null,
      });
    }
    return record;
  }

  /** The rows of `past` before the first row here, then the rows here: the past laid under what came live. */
  under(past) {
    const begin = this.length > 0 ? this.time[0] : Infinity;
    let rows = past.length;
    while (rows > 0 && past.time[rows - 1] >= begin) rows -= 1;
    const live = this.length;
    const room = Math.max(FIRST_ROOM, rows + live);
    const join = (first, second, array) => {
      if (first !== null && first !== undefined) array.set(first.subarray(0, rows));
      if (second !== null && second !== undefined) array.set(second.subarray(0, live), rows);
      return array;
    };
    const unknown = () => new Float32Array(room).fill(NaN);
    const columns = new Map();
    for (const name of new Set([...past.columns.keys(), ...this.columns.keys()])) {
      const [old, own] = [past.columns.get(name), this.columns.get(name)];
      const hasBand = Boolean(old?.min ?? own?.min);
      columns.set(name, {
        mean: join(old?.mean, own?.mean, unknown()),
        min: hasBand ? join(old?.min, own?.min, unknown()) : null,
        max: hasBand ? join(old?.max, own?.max, unknown()) : null,
      });
    }
    this.time = join(past.time, this.time, new Float64Array(room));
    this.step = join(past.step, this.step, new Float32Array(room));
    this.columns = columns;
    this.length = rows + live;
    this.version += 1;
  }

  /** The row nearest to a moment, or -1 when none is near enough to say something about it. */
  nearest(time) {
    if (this.length === 0) return -1;
    let [low, high] = [0, this.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] < time) low = middle + 1;
      else high = middle;
    }
    const row = low > 0 && time - this.time[low - 1] < this.time[low] - time ? low - 1 : low;
    return Math.abs(this.time[row] - time) <= 1.5 * Math.max(1, this.step[row]) ? row : -1;
  }

  /** Mean, smallest and largest of a series from one moment on, or null. */
  summary(name, from, to = Infinity) {
    const column = this.columns.get(name);
    if (column === undefined) return null;
    let [sum, weight, min, max] = [0, 0, Infinity, -Infinity];
    for (let row = 0; row < this.length; row += 1) {
      const value = column.mean[row];
      if (this.time[row] < from || this.time[row] > to || Number.isNaN(value)) continue;
      sum += value * this.step[row];
      weight += this.step[row];
      min = Math.min(min, column.min === null || Number.isNaN(column.min[row]) ? value : column.min[row]);
      max = Math.max(max, column.max === null || Number.isNaN(column.max[row]) ? value : column.max[row]);
    }
    return weight === 0 ? null : { mean: sum / weight, min, max };
  }
}
