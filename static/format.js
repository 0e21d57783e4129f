// Numbers and words for people. Pure but for the reader's choice of units: no DOM, no clock.
// Called by every module that paints. A value that is not a finite number comes out as DASH, never as 0, NaN or "undefined".

export const DASH = "\u2013";
const NARROW_SPACE = "\u202f";

/** The reader's choice; settings.js changes it. `bytes`: iec (1024, GiB) or si (1000, GB). `heat`: c or f. */
export const units = { bytes: "iec", heat: "c" };

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

/** The list in `value`, each an object, or an empty one. */
export function objects(value) {
  return Array.isArray(value) ? value.map(object) : [];
}

/** A number with a fixed count of decimals, the thousands set apart by a narrow space. */
export function fixed(value, decimals = 0) {
  const n = number(value);
  if (n === null) return DASH;
  if (Math.abs(n) >= 1e15) return n.toExponential(2);
  const [whole, fraction] = n.toFixed(decimals).split(".");
  const grouped = whole.length < 4 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A ratio as per cent, `[figure, unit]`. */
export function share(ratio) {
  const n = number(ratio);
  return n === null ? [DASH, ""] : [fixed(n * 100, 1), "%"];
}

const NAMES = {
  iec: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
  si: ["B", "kB", "MB", "GB", "TB", "PB", "EB"],
};

/** Bytes in the unit where they read best, three digits or so, as `[figure, unit]`. */
export function amount(value) {
  let n = number(value);
  if (n === null) return [DASH, ""];
  const step = units.bytes === "si" ? 1000 : 1024;
  const names = NAMES[units.bytes] ?? NAMES.iec;
  let at = 0;
  // 999.5 would read as 1000.
  while (Math.abs(n) >= 999.5 && at < names.length - 1) {
    n /= step;
    at += 1;
  }
  const size = Math.abs(n);
  const decimals = at === 0 || size >= 99.95 || n === 0 ? 0 : size >= 9.995 ? 1 : 2;
  return [fixed(n, decimals), names[at]];
}

/** A temperature of so many degrees Celsius, as `[figure, unit]`. */
export function heat(celsius) {
  const n = number(celsius);
  if (n === null) return [DASH, ""];
  return units.heat === "f" ? [fixed(n * 1.8 + 32), "\u00b0F"] : [fixed(n), "\u00b0C"];
}

const join = ([figure, unit]) => (unit === "" ? figure : `${figure}${NARROW_SPACE}${unit}`);

export const percent = (ratio) => join(share(ratio));
export const size = (bytes) => join(amount(bytes));
export const temperature = (celsius) => join(heat(celsius));

/** Bytes a second as `[figure, unit]`. */
export function speed(bytes) {
  const [figure, unit] = amount(bytes);
  return [figure, unit === "" ? "" : `${unit}/s`];
}

export const rate = (bytes) => join(speed(bytes));

/** The speed of a link, which the trade counts in powers of 1000: `1 Gbit/s`. */
export function bits(perSecond) {
  let n = number(perSecond);
  if (n === null || n <= 0) return DASH;
  let at = 0;
  for (; n >= 1000 && at < 4; at += 1) n /= 1000;
  return `${Number(n.toPrecision(3))}${NARROW_SPACE}${["", "k", "M", "G", "T"][at]}bit/s`;
}

/** A value of one of the units that the history knows. */
export function measured(value, unit) {
  switch (unit) {
    case "ratio":
      return percent(value);
    case "bytes":
      return size(value);
    case "bytes_per_second":
      return rate(value);
    case "celsius":
      return temperature(value);
    default:
      return fixed(value, number(value) !== null && Math.abs(value) < 100 ? 2 : 0);
  }
}

const two = (part) => String(part).padStart(2, "0");

/** The time of day in the reader's zone with seconds, always as long: `09:03:07`. */
export function clock(milliseconds) {
  const time = new Date(milliseconds);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Day and time in the reader's zone: `29 Nov 09:03`, with seconds or the year where they matter. */
export function moment(seconds, precision = 60) {
  const n = number(seconds);
  if (n === null) return DASH;
  const time = new Date(n * 1000);
  const day = `${time.getDate()} ${MONTHS[time.getMonth()]}`;
  const year = new Date().getFullYear() === time.getFullYear() ? "" : ` ${time.getFullYear()}`;
  if (precision >= 86400) return `${day}${year}`;
  return `${day}${year} ${two(time.getHours())}:${two(time.getMinutes())}${precision < 60 ? `:${two(time.getSeconds())}` : ""}`;
}

export const monthName = (month) => MONTHS[month];

/** A span in words, two parts at most: `9 s`, `3 min`, `2 h 5 min`, `12 d 3 h`. */
export function span(seconds) {
  const n = number(seconds);
  if (n === null) return DASH;
  const whole = Math.max(0, Math.round(n));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}
