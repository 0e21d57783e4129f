// Numbers and words for people. Pure functions: no DOM, no clock.
// Called by every module that paints. A value that is not a finite number comes out as DASH, never as 0, NaN or "undefined".

export const DASH = "\u2013";
const NARROW_SPACE = "\u202f";

/** The finite number in `value`, or null. */
export function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** The text in `value`, or null when it is missing or blank. */
export function text(value) {
  return typeof value === "string" && value.trim() !== "" ? value : null;
}

/** The object in `value`, or an empty one: lets a reader walk a message that lacks keys. */
export function object(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

/** A number with a fixed count of decimals, the thousands set apart by a narrow space. */
export function fixed(value, decimals = 0) {
  const n = number(value);
  if (n === null) return DASH;
  if (Math.abs(n) >= 1e15) return n.toExponential(2);
  const [whole, fraction] = n.toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Percent with one decimal, as `12.3`, without the sign. */
export function percent(value) {
  return fixed(value, 1);
}

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/**
 * An amount in the unit where it reads best, as `[figure, unit]`: three or four digits and one of KiB to EiB.
 * `value` is given in `unit`.
 */
export function amount(value, unit) {
  let n = number(value);
  if (n === null) return [DASH, ""];
  let at = UNITS.indexOf(unit);
  while (Math.abs(n) >= 1000 && at < UNITS.length - 1) {
    n /= 1024;
    at += 1;
  }
  while (n !== 0 && Math.abs(n) < 1 && at > 0) {
    n *= 1024;
    at -= 1;
  }
  if (n === 0) return ["0", UNITS[at]];
  const size = Math.abs(n);
  return [fixed(n, UNITS[at] === "KiB" || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2), UNITS[at]];
}

/** `amount` as one text: `12.5 MiB`. */
export function size(value, unit) {
  const [figure, name] = amount(value, unit);
  return name === "" ? figure : `${figure} ${name}`;
}

/** A rate in MiB/s as one text: `12.5 MiB/s`. */
export function rate(value) {
  const [figure, name] = amount(value, "MiB");
  return name === "" ? figure : `${figure} ${name}/s`;
}

/** The time of day with seconds, always as long: `09:03:07`. */
export function clock(milliseconds) {
  const time = new Date(milliseconds);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A span in words, short: `9 s`, `3 min`, `2 h`. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  return `${Math.round(whole / 3600)} h`;
}
