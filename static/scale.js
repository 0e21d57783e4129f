// Where the lines of a chart's axes stand and what they say. Pure but for the reader's units and zone.
// Called by chart.js.

import { fixed, measured, monthName, units } from "./format.js";

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
const DAYS = [1, 2, 3, 7, 14];
const MONTHS = [1, 2, 3, 6, 12];
const two = (part) => String(part).padStart(2, "0");

/** Marks of the time axis, `[{time, label}]`, at most `most` of them; whole hours and days are those of the reader's zone. */
export function timeMarks(from, to, most) {
  const range = to - from;
  const short = SECONDS.find((step) => range / step <= most);
  const marks = [];
  if (short !== undefined) {
    const start = new Date(from * 1000);
    start.setHours(0, 0, 0, 0);
    const midnight = start.getTime() / 1000;
    for (let at = midnight + Math.ceil((from - midnight) / short) * short; at <= to; at += short) {
      const time = new Date(at * 1000);
      const isMidnight = time.getHours() + time.getMinutes() + time.getSeconds() === 0;
      const day = `${time.getDate()} ${monthName(time.getMonth())}`;
      const words = `${two(time.getHours())}:${two(time.getMinutes())}${short < 60 ? `:${two(time.getSeconds())}` : ""}`;
      marks.push({ time: at, label: isMidnight && range > 7200 ? day : words });
    }
    return marks;
  }
  const days = DAYS.find((step) => range / 86400 / step <= most);
  const months = days === undefined ? (MONTHS.find((step) => range / 2_629_800 / step <= most) ?? 24) : 0;
  const at = new Date(from * 1000);
  at.setHours(0, 0, 0, 0);
  if (months > 0) {
    at.setMonth(Math.floor(at.getMonth() / Math.min(months, 12)) * Math.min(months, 12), 1);
    // By the calendar, so that a mark stands on the first of the month whatever the months' lengths and the clock change.
    for (; at.getTime() / 1000 <= to; at.setMonth(at.getMonth() + months)) {
      const year = months >= 6 || at.getMonth() === 0 || marks.length === 0 ? ` ${at.getFullYear()}` : "";
      marks.push({ time: at.getTime() / 1000, label: monthName(at.getMonth()) + year });
    }
  } else {
    for (let count = 0; at.getTime() / 1000 <= to; at.setDate(at.getDate() + 1), count += 1) {
      if (count % days === 0) marks.push({ time: at.getTime() / 1000, label: `${at.getDate()} ${monthName(at.getMonth())}` });
    }
  }
  return marks.filter((mark) => mark.time >= from);
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `least`. */
function decimalStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999999) ?? 10 * power;
}

/** The same for amounts that are counted in powers of 1024: 1, 2, 4 ... 512 of a unit. */
const binaryStep = (least) => 2 ** Math.ceil(Math.log2(least) - 1e-9);

/**
 * The value axis from the values' bounds: `{low, high, marks: [{value, label}]}`. It begins at zero, or below where a value
 * is; `top` fixes its end. `lines` is how many marks there is room for.
 */
export function valueAxis(unit, least, most, top, lines) {
  // °F has its round numbers elsewhere.
  const warm = unit === "celsius" && units.heat === "f";
  const out = (value) => (warm ? value * 1.8 + 32 : value);
  const back = (value) => (warm ? (value - 32) / 1.8 : value);
  const isBytes = unit === "bytes" || unit === "bytes_per_second";
  const highest = top ?? Math.max(most, { ratio: 0.01, bytes: 1024, bytes_per_second: 1024, tasks: 1, celsius: 50 }[unit] ?? 1);
  const lowest = Math.min(0, least);
  const [begin, end] = [out(lowest), out(highest)];
  const room = (end - Math.min(0, begin)) / Math.max(1, lines);
  const step = isBytes && units.bytes !== "si" ? binaryStep(room) : decimalStep(room);
  const low = Math.floor(Math.min(0, begin) / step) * step;
  const high = top === null || top === undefined ? Math.ceil(end / step - 1e-9) * step : end;
  const marks = [];
  for (let at = low; at <= high * (1 + 1e-9); at += step) marks.push({ value: back(at), label: axisLabel(back(at), unit, step) });
  return { low: back(low), high: back(high), marks };
}

/** A mark's words, no longer than the step needs. */
function axisLabel(value, unit, step) {
  if (unit === "ratio") return `${fixed(value * 100, step < 0.0099 ? 1 : 0)}%`;
  if (unit === "tasks") return fixed(value, step < 0.99 ? 1 : 0);
  if (value === 0 && unit !== "celsius") return "0";
  return measured(value, unit).replace(/([.]\d*?)0+(?=\D|$)/, "$1").replace(/[.](?=\D)/, "");
}
