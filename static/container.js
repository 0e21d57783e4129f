// What a container may use, beside the numbers of the machine that it shares with others. Shown on the overview where the
// server says that it sees a container's view; overview.js calls it with each frame.

import { DASH, fixed, number, object, percent, size, text } from "./format.js";
import { at, fill, make, write } from "./paint.js";

/** `used` of `limit` in words; what has no limit, or none that could be read, says so. */
const ofLimit = (used, limit, words) => {
  const most = number(limit) === null ? "no limit known" : words(limit);
  if (number(used) === null) return number(limit) === null ? most : `at most ${most}`;
  return number(limit) === null ? `${words(used)}, ${most}` : `${words(used)} of ${most}`;
};
const share = (used, limit) => (number(used) === null || !(limit > 0) ? null : used / limit);
const cores = (count) => `${Number(count.toFixed(2))} ${count === 1 ? "core" : "cores"}`;

/** Name, words, and how full it is (null: no bar). */
const FACTS = [
  ["Memory", (c) => `${ofLimit(c.memory_used_bytes, c.memory_limit_bytes, size)}${number(c.memory_used_ratio) === null ? "" : ` (${percent(c.memory_used_ratio)})`}`, (c) => number(c.memory_used_ratio)],
  ["CPU", (c) => ofLimit(null, c.cpu_limit_cores, cores), () => null],
  ["Swap", (c) => ofLimit(null, c.swap_limit_bytes, size), () => null],
  ["Processes and threads", (c) => ofLimit(c.tasks, c.task_limit, (count) => fixed(count)), (c) => share(c.tasks, c.task_limit)],
];

/** What keeps the container, or null on a machine. */
export const containerOf = (snapshot) => (snapshot.container === null || snapshot.container === undefined ? null : (text(object(snapshot.container).system) ?? DASH));

export class ContainerCard {
  #rows = FACTS.map(([name]) => {
    const row = { value: make("dd"), bar: make("span", "bar thin") };
    row.bar.setAttribute("aria-hidden", "true");
    at("container-facts").append(make("div", "", make("dt", "", name), row.value, row.bar));
    return row;
  });

  show(snapshot) {
    const system = containerOf(snapshot);
    at("container").hidden = system === null;
    if (system === null) return;
    write(at("container-title"), `Container (${system})`);
    const known = object(snapshot.container);
    FACTS.forEach(([, words, ratio], place) => {
      const { value, bar } = this.#rows[place];
      write(value, words(known));
      bar.hidden = ratio(known) === null;
      fill(bar, ratio(known));
    });
  }
}
