// Puts steps of values onto a canvas: lines with their bands, stacked areas, limits; and the colours they are drawn with.
// Called by chart.js alone.

const colours = new Map();

/** The value of a CSS variable, read once until `forgetColours`. */
export function colour(name) {
  let found = colours.get(name);
  if (found === undefined) {
    found = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colours.set(name, found);
  }
  return found;
}

/** To be called when light and dark changed. */
export function forgetColours() {
  colours.clear();
}

export function rgb(text) {
  const hex = /^#(..)(..)(..)$/.exec(text);
  return hex === null ? [90, 140, 230] : hex.slice(1).map((part) => parseInt(part, 16));
}

/** The upper edge of each line when they stand on each other; NaN where none is known. */
export function stackOf(lines, buckets) {
  const edges = [];
  let below = new Float32Array(buckets.count);
  for (const { reduced } of lines) {
    const edge = new Float32Array(buckets.count);
    for (let at = 0; at < buckets.count; at += 1) {
      const value = reduced.mean[at];
      edge[at] = value === value ? below[at] + value : below[at];
    }
    edges.push(edge);
    below = edge;
  }
  for (let at = 0; at < buckets.count; at += 1) {
    if (lines.every(({ reduced }) => reduced.mean[at] !== reduced.mean[at])) for (const edge of edges) edge[at] = NaN;
  }
  return edges;
}

export function boundsOf(lines, buckets, stack, peak) {
  let [least, most] = [Infinity, -Infinity];
  const look = (low, high, at) => {
    if (low[at] < least) least = low[at];
    if (high[at] > most) most = high[at];
  };
  for (let at = 0; at < buckets.count; at += 1) {
    if (stack !== null) stack.forEach((edge) => look(edge, edge, at));
    else for (const { reduced } of lines) look(reduced.min, reduced.max, at);
    if (peak !== null) look(peak.mean, peak.max, at);
  }
  return { least, most };
}

/** Calls `run(first, last)` for each stretch of known values without a gap. */
function runs(values, buckets, run) {
  let first = -1;
  for (let at = 0; at <= buckets.count; at += 1) {
    const isKnown = at < buckets.count && values[at] === values[at];
    if (first >= 0 && (!isKnown || buckets.gap[at])) {
      run(first, at);
      first = -1;
    }
    if (isKnown && first < 0) first = at;
  }
}

export function strokeRuns(pen, left, y, values, buckets, stroke, width, alpha = 1) {
  pen.strokeStyle = stroke;
  pen.fillStyle = stroke;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.globalAlpha = alpha;
  pen.beginPath();
  runs(values, buckets, (first, last) => {
    if (last - first === 1) {
      // A value that stands alone is a point.
      pen.fillRect(left + buckets.x[first] - 1, y(values[first]) - 1, 2, 2);
      return;
    }
    pen.moveTo(left + buckets.x[first], y(values[first]));
    for (let at = first + 1; at < last; at += 1) pen.lineTo(left + buckets.x[at], y(values[at]));
  });
  pen.stroke();
  pen.globalAlpha = 1;
}

/** The area between two edges; `below` is an array or a number. */
function fillRuns(pen, left, y, upper, below, buckets, fill, alpha) {
  pen.fillStyle = fill;
  pen.globalAlpha = alpha;
  if (buckets.isDense) {
    fillColumns(pen, left, y, upper, below, buckets);
    pen.globalAlpha = 1;
    return;
  }
  pen.beginPath();
  runs(upper, buckets, (first, last) => {
    pen.moveTo(left + buckets.x[first], y(upper[first]));
    for (let at = first + 1; at < last; at += 1) pen.lineTo(left + buckets.x[at], y(upper[at]));
    for (let at = last - 1; at >= first; at -= 1) pen.lineTo(left + buckets.x[at], y(typeof below === "number" ? below : below[at]));
    pen.closePath();
  });
  pen.fill();
  pen.globalAlpha = 1;
}

/**
 * The same as columns, one a step, each from whole pixel to whole pixel. Where steps are as narrow as pixels that is the same
 * picture, and a jagged outline of a thousand corners is dear to fill without a graphics card.
 */
function fillColumns(pen, left, y, upper, below, buckets) {
  const ratio = pen.getTransform().a;
  const whole = (at) => Math.round(at * ratio) / ratio;
  const { x } = buckets;
  runs(upper, buckets, (first, last) => {
    let begin = whole(left + x[first] - 0.5);
    for (let at = first; at < last; at += 1) {
      const end = whole(left + (at + 1 < last ? (x[at] + x[at + 1]) / 2 : x[at] + 0.5));
      const top = whole(y(upper[at]));
      if (end > begin) pen.fillRect(begin, top, end - begin, whole(y(typeof below === "number" ? below : below[at])) - top);
      begin = end;
    }
  });
}

export function drawStack(pen, left, y, lines, stack, buckets) {
  lines.forEach(({ colour: name, alpha = 0.72 }, at) => {
    const below = at === 0 ? 0 : stack[at - 1];
    fillRuns(pen, left, y, stack[at], below, buckets, colour(name), alpha);
  });
}

export function drawLines(pen, left, y, low, lines, buckets, filled) {
  for (const { reduced, colour: name } of lines) {
    const ink = colour(name);
    if (reduced.hasBand) fillRuns(pen, left, y, reduced.max, reduced.min, buckets, ink, 0.22);
    if (filled) fillRuns(pen, left, y, reduced.mean, low, buckets, ink, 0.14);
  }
  // Many points make a thick line a band of its own, and dear to draw.
  const width = buckets.isDense ? 1 : 1.6;
  for (const { reduced, colour: name } of lines) strokeRuns(pen, left, y, reduced.mean, buckets, colour(name), width);
}

export function drawLimit(pen, inner, at, label) {
  pen.strokeStyle = colour("--bad");
  pen.setLineDash([4, 4]);
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(inner.x, Math.round(at) + 0.5);
  pen.lineTo(inner.x + inner.width, Math.round(at) + 0.5);
  pen.stroke();
  pen.setLineDash([]);
  pen.fillStyle = colour("--bad");
  pen.textAlign = "left";
  pen.fillText(label, inner.x + 4, at - 4);
}
