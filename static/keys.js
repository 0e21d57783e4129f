// Keys for those who do not want to reach for the mouse. app.js calls `listenToKeys` once.

import { at, make } from "./paint.js";
import { RANGES, VIEWS } from "./router.js";

const GO_MS = 1500;

/** `acts`: `go(view)`, `filter()`, `move(way)`, `zoomOut()`, `live()`, `range(name)`, `kiosk()`, `isThere(view)`. */
export function listenToKeys(acts) {
  let goneAt = -Infinity;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target, key } = event;
    const isTyping = target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
    if (isTyping) {
      if (key === "Escape" && target.type === "search") {
        target.value = "";
        target.dispatchEvent(new Event("input", { bubbles: true }));
        target.blur();
      }
      return;
    }
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.timeStamp - goneAt < GO_MS) {
      goneAt = -Infinity;
      const view = VIEWS.find(([, letter]) => letter === key);
      if (view !== undefined && acts.isThere(view[0])) {
        event.preventDefault();
        acts.go(view[0]);
      }
      return;
    }
    const range = RANGES[Number(key) - 1];
    const act = {
      g: () => (goneAt = event.timeStamp),
      "/": acts.filter,
      "?": () => at("help").showModal(),
      "[": () => acts.move(-1),
      "]": () => acts.move(1),
      "-": acts.zoomOut,
      l: acts.live,
      k: acts.kiosk,
    }[key] ?? (range === undefined ? undefined : () => acts.range(range[0]));
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
  const rows = [
    ["/", "filter the list; Escape clears the filter"],
    ...VIEWS.map(([, letter, words]) => [`g ${letter}`, words]),
    ...RANGES.map(([, words], at) => [String(at + 1), `charts of the last ${words}`]),
    ["[ ]", "back and forth in time"],
    ["-", "a longer range"],
    ["l", "back to live"],
    ["\u2190 \u2192", "on a chart: read it"],
    ["k", "without controls, for a wall, and back"],
    ["?", "this list"],
  ];
  at("help-keys").replaceChildren(...rows.map(([keys, words]) => make("div", "", make("dt", "", ...keys.split(" ").map((one) => make("kbd", "", one))), make("dd", "", words))));
}
