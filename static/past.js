// What the server remembers of the last minutes, as points for the charts. Called by app.js; no DOM.

import { WINDOW_MS } from "./chart.js";
import { number, object } from "./format.js";
import { traffic } from "./interfaces.js";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Where the past is asked for, relative to the page. */
export const PATH = `api/v1/history?range=${WINDOW_MS / 1000}s&points=${WINDOW_MS / 1000}&series=cpu.busy,memory.used,network.*`;

/**
 * `{cpu, memory, network}`, each a list of `{time, values}` with the values that the stream's messages give: per cent, and
 * MiB/s. `now` is this browser's clock when the answer came; the server's may differ. `memoryGib` is the size of the memory.
 */
export function points(answer, now, memoryGib) {
  const { to, time, series } = object(answer);
  const columns = object(series);
  const shift = now - number(to) * 1000;
  const past = { cpu: [], memory: [], network: [] };
  if (number(to) === null || !Array.isArray(time)) return past;
  const mean = (name, index) => number(object(columns[name]).mean?.[index]);
  const total = number(memoryGib) * GIB;
  const interfaces = Object.keys(columns).flatMap((name) => /^network\.(.+)\.received$/.exec(name)?.[1] ?? []);
  time.forEach((second, index) => {
    const at = second * 1000 + shift;
    const busy = mean("cpu.busy", index);
    if (busy !== null) past.cpu.push({ time: at, values: { usage: busy * 100 } });
    const used = mean("memory.used", index);
    if (used !== null && total > 0) past.memory.push({ time: at, values: { percent: (used / total) * 100 } });
    const rate = (name, way) => {
      const bytes = mean(`network.${name}.${way}`, index);
      return bytes === null ? null : bytes / MIB;
    };
    const averages = interfaces.map((name) => [name, { in: rate(name, "received"), out: rate(name, "sent") }]);
    const sums = traffic({ averages: Object.fromEntries(averages) });
    if (sums.in !== null || sums.out !== null) past.network.push({ time: at, values: sums });
  });
  return past;
}
