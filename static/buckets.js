// Gathers the rows of a record into steps of about one pixel, so that a chart draws no more points than it has pixels, and
// loses no peak: each step has the mean, the smallest and the largest. Called by the charts before they draw. No DOM.

/** Steps that are no further apart than so many pixels, and so many of them at least, are dense. */
const DENSE_PX = 2.5;
const DENSE_COUNT = 100;
/** Rows further apart than this many steps have a gap between them. */
const GAP_STEPS = 2.6;

export class Buckets {
  count = 0;
  /** Position of each step, 0 to `width`. */
  x = new Float32Array(0);
  /** The rows of each step: `first` to before `last`. */
  first = new Int32Array(0);
  last = new Int32Array(0);
  /** 1 where a gap lies before the step. */
  gap = new Uint8Array(0);
  /** Whether the steps are about as narrow as pixels: areas are drawn as columns then, and lines thin. */
  isDense = false;

  /** Steps of `record` from one moment to another over `width` pixels. Arrays are kept from one call to the next. */
  fill(record, from, to, width) {
    const { time, step, length } = record;
    const seconds = (to - from) / Math.max(1, width);
    let row = lowerBound(time, length, from);
    // One row before and one after, so that lines reach the edges.
    if (row > 0) row -= 1;
    let end = lowerBound(time, length, to);
    if (end < length) end += 1;
    const room = Math.max(0, end - row);
    if (this.x.length < room) {
      this.x = new Float32Array(room * 2);
      this.first = new Int32Array(room * 2);
      this.last = new Int32Array(room * 2);
      this.gap = new Uint8Array(room * 2);
    }
    let count = 0;
    // Steps begin at multiples of their length, so that a chart that moves on does not flicker.
    for (let before = row - 1; row < end; count += 1) {
      const index = Math.floor(time[row] / seconds);
      const first = row;
      let sum = 0;
      while (row < end && Math.floor(time[row] / seconds) === index) sum += time[row++];
      this.first[count] = first;
      this.last[count] = row;
      this.x[count] = ((sum / (row - first) - from) / (to - from)) * width;
      const apart = count === 0 ? 0 : time[first] - time[before];
      this.gap[count] = apart > GAP_STEPS * Math.max(step[first], step[before] ?? 0, 0.5) ? 1 : 0;
      before = row - 1;
    }
    this.count = count;
    this.isDense = count > DENSE_COUNT && this.x[count - 1] - this.x[0] < DENSE_PX * count;
    return this;
  }
}

function lowerBound(time, length, wanted) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Mean, smallest and largest of a column in each step; NaN where nothing is known. Kept and filled anew at each drawing. */
export class Reduced {
  mean = new Float32Array(0);
  min = new Float32Array(0);
  max = new Float32Array(0);
  /** Whether any step holds more than one value. */
  hasBand = false;

  fill(column, buckets) {
    if (this.mean.length < buckets.count) {
      for (const kind of ["mean", "min", "max"]) this[kind] = new Float32Array(buckets.count * 2);
    }
    this.hasBand = false;
    const { mean, min, max } = column;
    for (let at = 0; at < buckets.count; at += 1) {
      let [sum, known, low, high] = [0, 0, Infinity, -Infinity];
      for (let row = buckets.first[at]; row < buckets.last[at]; row += 1) {
        const value = mean[row];
        if (value !== value) continue;
        sum += value;
        known += 1;
        const [least, most] = min === null || min[row] !== min[row] ? [value, value] : [min[row], max[row]];
        if (least < low) low = least;
        if (most > high) high = most;
      }
      this.mean[at] = known === 0 ? NaN : sum / known;
      this.min[at] = known === 0 ? NaN : low;
      this.max[at] = known === 0 ? NaN : high;
      if (high > low) this.hasBand = true;
    }
    return this;
  }
}
