// What the address bar says: which view, which time, and whether without controls. An address can be sent to somebody, who
// then sees the same. Called by app.js; the views change it through `go`.

/** The ranges that have a button: name in the address, words, seconds. */
export const RANGES = [
  ["1m", "1 m", 60],
  ["15m", "15 m", 900],
  ["1h", "1 h", 3600],
  ["24h", "24 h", 86_400],
  ["14d", "14 d", 1_209_600],
  ["2y", "2 y", 63_072_000],
];

/** The views: name in the address, letter after `g`, words. */
export const VIEWS = [
  ["overview", "o", "Overview"],
  ["charts", "c", "Charts"],
  ["processes", "p", "Processes"],
  ["storage", "d", "Disks"],
  ["network", "n", "Network"],
  ["sensors", "s", "Sensors"],
  ["sockets", "k", "Sockets"],
  ["fleet", "f", "Fleet"],
  ["test", "t", "Test"],
];

const DEFAULT_RANGE = "15m";
const EARLIEST = 0;
const LATEST = 253_402_300_800;

/** What an address's query says; whatever it does not say or says wrongly is the default. */
export function parse(query) {
  const said = new URLSearchParams(query);
  const moment = (key) => {
    const text = said.get(key);
    const seconds = text === null || text.trim() === "" ? NaN : Number(text);
    return seconds >= EARLIEST && seconds < LATEST ? Math.floor(seconds) : null;
  };
  const [from, to] = [moment("from"), moment("to")];
  const isFixed = from !== null && to !== null && to > from;
  return {
    view: VIEWS.some(([name]) => name === said.get("view")) ? said.get("view") : "overview",
    range: RANGES.some(([name]) => name === said.get("range")) ? said.get("range") : DEFAULT_RANGE,
    from: isFixed ? from : null,
    to: isFixed ? to : null,
    kiosk: said.has("kiosk"),
    system: said.get("system"),
    filter: said.get("filter") ?? "",
  };
}

/** The query of a state, as short as it can be. */
export function format(state) {
  const said = new URLSearchParams();
  if (state.view !== "overview") said.set("view", state.view);
  if (state.system) said.set("system", state.system);
  if (state.from !== null) {
    said.set("from", String(state.from));
    said.set("to", String(state.to));
  } else if (state.range !== DEFAULT_RANGE) said.set("range", state.range);
  if (state.filter) said.set("filter", state.filter);
  const words = said.toString();
  if (!state.kiosk) return words === "" ? "" : `?${words}`;
  return words === "" ? "?kiosk" : `?kiosk&${words}`;
}

/** The window of time of a state, for a timeline. */
export function windowOf(state) {
  if (state.from !== null) return { from: state.from, to: state.to };
  return { seconds: RANGES.find(([name]) => name === state.range)[2] };
}

export class Router {
  #listener;

  /** `listener(state, before)` is called with each change. */
  constructor(listener) {
    this.#listener = listener;
    this.state = parse(location.search);
    addEventListener("popstate", () => this.#become(parse(location.search)));
  }

  #become(state) {
    const before = this.state;
    this.state = state;
    this.#listener(state, before);
  }

  /** Changes part of the state and the address with it. `quiet` replaces the address instead of adding to the way back. */
  go(part, quiet = false) {
    const next = { ...this.state, ...part };
    if (part.view !== undefined && part.view !== this.state.view) {
      if (part.filter === undefined) next.filter = "";
      if (part.system === undefined) next.system = null;
    }
    const query = format(next);
    if (query === format(this.state)) return;
    // A relative address, and "." where nothing is to be said: the page may stand below a path.
    history[quiet ? "replaceState" : "pushState"](null, "", query === "" ? location.pathname : query);
    this.#become(next);
  }
}
