// The view at a glance: one tile for each vital with a small chart, what is wrong, the busiest and the largest processes,
// file systems and interfaces. app.js hands it each frame while it is shown.

import { Chart } from "./chart.js";
import { ContainerCard } from "./container.js";
import { DASH, fixed, heat, number, object, objects, percent, rate, share, size, speed, temperature, text } from "./format.js";
import { addressesOf } from "./more.js";
import { at, attribute, figure, fill, make, mark, name, write } from "./paint.js";
import { nameOf, pidOf } from "./processes.js";
import { plotsOf } from "./plots.js";
import { isLoopback, totals } from "./series.js";
import { Turns } from "./turns.js";

const ROWS = 8;
const part = (ratio, words) => (number(ratio) === null ? [] : [`${words} ${fixed(ratio * 100)}\u202f%`]);

/** The hottest sensor, or null. */
function hottest(snapshot) {
  const all = objects(object(snapshot.sensors).temperatures).filter((one) => number(one.celsius) !== null);
  return all.length === 0 ? null : all.reduce((a, b) => (b.celsius > a.celsius ? b : a));
}

const rootOf = (snapshot) => objects(snapshot.filesystems).find((one) => one.mount_point === "/") ?? {};

/** `figures(snapshot)` gives `[[figure, unit], ...]`; `words(snapshot)` the line below; `series` the small chart. */
const TILES = [
  {
    id: "cpu", title: "CPU", unit: "ratio", top: 1, series: [["cpu.busy", "--cpu"]],
    figures: (s) => [share(object(object(s.cpu).total).busy_ratio)],
    words: (s) => {
      const ratios = object(object(object(s.cpu).total).ratios);
      return [...part(ratios.user, "user"), ...part(ratios.system, "system"), ...(ratios.iowait >= 0.005 ? part(ratios.iowait, "wait") : [])].join(" \u00b7 ");
    },
  },
  {
    id: "memory", title: "Memory", unit: "bytes", top: (s) => number(object(s.memory).total_bytes), series: [["memory.used", "--memory"]],
    figures: (s) => [share(object(s.memory).used_ratio)],
    words: (s) => `${size(object(s.memory).used_bytes)} of ${size(object(s.memory).total_bytes)}`,
  },
  {
    id: "swap", title: "Swap", unit: "bytes", top: (s) => number(object(s.swap).total_bytes), series: [["swap.used", "--disk"]],
    figures: (s) => [share(object(s.swap).used_ratio)],
    words: (s) => `${size(object(s.swap).used_bytes)} of ${size(object(s.swap).total_bytes)}`,
    isMissing: (s) => number(object(s.swap).total_bytes) === 0,
  },
  {
    id: "load", title: "Load", unit: "tasks", series: [["load.1", "--c4"]],
    figures: (s) => [[fixed(object(s.load).one, 2), ""]],
    words: (s) => {
      const cores = objects(object(s.cpu).cores).length;
      return `${cores > 0 ? `${cores} ${cores === 1 ? "core" : "cores"} \u00b7 ` : ""}5 min ${fixed(object(s.load).five, 2)} \u00b7 15 min ${fixed(object(s.load).fifteen, 2)}`;
    },
  },
  {
    id: "disk", title: "Disk /", unit: "ratio", top: 1, series: [["filesystem./.used", "--disk"]],
    figures: (s) => [share(object(rootOf(s).usage).used_ratio)],
    words: (s) => `${size(object(rootOf(s).usage).available_bytes)} free of ${size(object(rootOf(s).usage).total_bytes)}`,
  },
  {
    id: "io", title: "Disk I/O", unit: "bytes_per_second", series: [["all.read", "--in"], ["all.written", "--out"]], pair: ["read", "written"],
    figures: (s) => [speed(totals(s)["all.read"]), speed(totals(s)["all.written"])],
    words: (s) => {
      const busy = objects(s.disks).filter((disk) => disk.whole === true && number(disk.busy_ratio) !== null);
      return busy.length === 0 ? "" : `busiest ${percent(Math.max(...busy.map((disk) => disk.busy_ratio)))} busy`;
    },
  },
  {
    id: "network", title: "Network", unit: "bytes_per_second", series: [["all.received", "--in"], ["all.sent", "--out"]], pair: ["in", "out"],
    figures: (s) => [speed(totals(s)["all.received"]), speed(totals(s)["all.sent"])],
    words: (s) => {
      const real = objects(s.interfaces).filter((one) => !isLoopback(one.name));
      const sum = (way) => real.reduce((all, one) => all + (number(object(one[way]).bytes) ?? 0), 0);
      return real.length === 0 ? "no interface" : `${size(sum("received"))} in, ${size(sum("sent"))} out in all`;
    },
  },
  {
    id: "temperature", title: "Temperature", unit: "celsius", series: (names, s) => {
      const hot = hottest(s);
      const wanted = hot === null ? undefined : `temperature.${hot.chip}.${hot.label}`;
      const known = names.has(wanted) ? wanted : [...names.keys()].find((one) => one.startsWith("temperature."));
      return known === undefined ? [] : [[known, "--out"]];
    },
    figures: (s) => [heat(s.cpu_temperature_celsius ?? hottest(s)?.celsius)],
    words: (s) => {
      const hot = hottest(s);
      return hot === null ? "" : `hottest: ${hot.chip} ${hot.label} ${temperature(hot.celsius)}`;
    },
    isMissing: (s) => number(s.cpu_temperature_celsius) === null && hottest(s) === null,
  },
];

/** The charts below the lists. `plot` is the one of the charts' page that it shows. */
const LARGE = [
  { id: "large cpu", plot: "cpu", title: "CPU, last 5 minutes", unit: "ratio", stacked: true, top: 1, series: [] },
  { id: "large memory", plot: "memory", title: "Memory, last 5 minutes", unit: "bytes", stacked: true, series: [] },
  { id: "large network", title: "Network, last 5 minutes", unit: "bytes_per_second", filled: true, series: [{ name: "all.received", label: "in", colour: "--in" }, { name: "all.sent", label: "out", colour: "--out" }] },
];

export class Overview {
  #tiles;
  #timeline;
  #go;
  #turns = new Turns();
  #lists = {};
  #container = new ContainerCard();
  #large = [];
  #snapshot = {};

  /** `go(view)` opens another view, `openProcess(process)` one process. */
  constructor(timeline, { go, openProcess }) {
    this.#timeline = timeline;
    this.#go = go;
    timeline.onChange = () => this.redraw();
    this.#tiles = TILES.map((tile) => {
      const figures = (tile.pair ?? [""]).map((words) => {
        const place = make("span", "amount", make("span"), make("span", "unit"));
        const way = words === "" ? [] : [make("span", `way ${words}`, words)];
        return { place, root: make("p", "figure", ...way, place) };
      });
      const sub = make("p", "sub");
      const chart = new Chart({ id: `tile ${tile.id}`, title: tile.title, unit: tile.unit, small: true, series: [] });
      chart.canvas.setAttribute("aria-hidden", "true");
      chart.canvas.removeAttribute("role");
      chart.onResize = () => this.redraw();
      const title = make("h2", "", tile.title);
      title.id = `tile-${tile.id}-title`;
      const root = make("section", "card tile", title, make("div", tile.pair ? "figures pair" : "figures", ...figures.map(({ root }) => root)), sub, chart.root);
      root.id = `tile-${tile.id}`;
      root.setAttribute("aria-labelledby", title.id);
      at("tiles").append(root);
      return { ...tile, root, places: figures.map(({ place }) => place), sub, chart };
    });
    // As many columns as there is room for, and the rows as even as can be.
    new ResizeObserver(() => this.#columns()).observe(at("tiles"));
    for (const spec of LARGE) {
      const chart = new Chart(spec);
      chart.onResize = chart.onToggle = () => this.redraw();
      at("large").append(chart.root);
      this.#large.push(chart);
    }
    for (const [id, act] of [["busiest", openProcess], ["largest", openProcess]]) this.#lists[id] = new List(at(id), act);
    this.#lists.full = new List(at("full"), () => go("storage"));
    this.#lists.links = new List(at("links"), () => go("network"));
  }

  show(snapshot, problems) {
    this.#snapshot = snapshot;
    for (const tile of this.#tiles) {
      const isMissing = tile.isMissing?.(snapshot) === true;
      tile.root.hidden = isMissing;
      if (isMissing) continue;
      tile.figures(snapshot).forEach((words, place) => figure(tile.places[place], words));
      const words = tile.words(snapshot);
      write(tile.sub, words || "\u00a0");
      attribute(tile.sub, "title", words);
    }
    this.#columns();
    this.#problems(problems);
    this.#container.show(snapshot);
    const { list, count } = object(snapshot.processes);
    const known = objects(list);
    const top = (measure) => known.filter((one) => measure(one) !== null).sort((a, b) => measure(b) - measure(a) || a.pid - b.pid).slice(0, ROWS);
    const resident = (one) => number(object(one.memory).resident_bytes);
    const who = (one) => `${pidOf(one)} \u00b7 ${text(one.user) ?? number(one.uid) ?? DASH}`;
    const none = Array.isArray(list) ? "The server sees no process." : "The server sent no processes.";
    this.#lists.busiest.show(top((one) => number(one.cpu_ratio)).map((one) => ({ key: one, name: nameOf(one), more: who(one), words: percent(one.cpu_ratio), ratio: one.cpu_ratio })), known.length > 0 ? "Not known yet." : none);
    this.#lists.largest.show(top(resident).map((one) => ({ key: one, name: nameOf(one), more: who(one), words: size(resident(one)), ratio: one.memory_ratio })), none);
    write(at("process-count"), number(count) === null ? "" : `${fixed(count)} in all`);
    const filesystems = objects(snapshot.filesystems).map((one) => {
      const { used_ratio: used, available_bytes: free } = object(one.usage);
      return { key: one, name: text(one.mount_point) ?? DASH, more: one.stuck === true ? "does not answer" : `${size(free)} free`, words: percent(used), ratio: used, tone: one.stuck === true || used > 0.97 ? "bad" : used > 0.9 ? "warn" : null };
    });
    filesystems.sort((a, b) => (b.ratio ?? 2) - (a.ratio ?? 2));
    this.#lists.full.show(filesystems.slice(0, ROWS), Array.isArray(snapshot.filesystems) ? "No file system." : "The server sent no file systems.");
    const links = objects(snapshot.interfaces).filter((one) => !isLoopback(one.name)).map((one) => {
      const [received, sent] = [number(object(one.received).bytes_per_second), number(object(one.sent).bytes_per_second)];
      const moved = (number(object(one.received).bytes) ?? 0) + (number(object(one.sent).bytes) ?? 0);
      return { key: one, name: one.name, more: addressesOf(one) || (text(object(one.link).operational_state) ?? ""), words: `\u2193 ${rate(received)}  \u2191 ${rate(sent)}`, moved };
    });
    links.sort((a, b) => b.moved - a.moved);
    this.#lists.links.show(links.slice(0, ROWS), Array.isArray(snapshot.interfaces) ? "No network interface." : "The server sent no interfaces.");
    this.redraw();
  }

  #columns() {
    const count = this.#tiles.filter(({ root }) => !root.hidden).length;
    const width = at("tiles").clientWidth;
    // On a wall all of them stand in one row, as far as it is wide enough.
    const least = width < 700 ? 160 : "kiosk" in document.documentElement.dataset ? 192 : 206;
    const most = Math.max(1, Math.floor((width + 14) / least));
    const rows = Math.max(1, Math.ceil(count / most));
    at("tiles").style.setProperty("--columns", String(Math.max(1, Math.ceil(count / rows))));
  }

  #problems(problems) {
    const host = at("problems");
    const key = JSON.stringify(problems);
    if (host.dataset.key === key) return;
    host.dataset.key = key;
    host.hidden = problems.length === 0;
    host.replaceChildren(...problems.map(({ level, words, view }) => {
      const link = make("a", "", words);
      link.href = `?view=${view}`;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.#go(view);
      });
      const item = make("li", `problem ${level}`, make("span", "spoken", level === "bad" ? "Severe: " : "Warning: "), link);
      return item;
    }));
  }

  redraw() {
    if (document.hidden) return;
    const whereShown = (draw) => () => at("view-overview").hidden || draw();
    this.#turns.add(this, whereShown(() => this.#small()));
    for (const chart of this.#large) this.#turns.add(chart, whereShown(() => this.#one(chart)));
  }

  #small() {
    const { record } = this.#timeline;
    const [from, to] = this.#timeline.bounds();
    for (const { chart, series, top, root } of this.#tiles) {
      if (root.hidden) continue;
      const list = typeof series === "function" ? series(record.columns, this.#snapshot) : series;
      chart.setSeries(list.map(([name, colour]) => ({ name, label: "", colour })));
      chart.spec.top = (typeof top === "function" ? top(this.#snapshot) : top) ?? undefined;
      chart.draw(record, from, to);
    }
    const plots = plotsOf([...record.columns.keys()], record, this.#snapshot);
    for (const chart of this.#large) {
      const plot = plots.find(({ id }) => id === chart.spec.plot);
      if (plot === undefined) continue;
      chart.spec = { ...chart.spec, series: plot.series, top: plot.top };
      chart.setSeries(plot.series);
    }
  }

  #one(chart) {
    const { record } = this.#timeline;
    chart.draw(record, ...this.#timeline.bounds());
    chart.read(record, null);
  }
}

/** A short list of names with a figure and a bar each. Rows are made once and filled anew, so nothing flickers. */
class List {
  #host;
  #act;
  #rows = [];

  constructor(host, act) {
    this.#host = host;
    this.#act = act;
    this.note = make("li", "note");
  }

  show(items, empty) {
    while (this.#rows.length < items.length) this.#rows.push(this.#row());
    this.#rows.forEach((row, place) => {
      const item = items[place];
      if (item === undefined) {
        row.root.remove();
        return;
      }
      row.item = item;
      if (!row.root.isConnected) this.#host.append(row.root);
      name(row.name, item.name);
      write(row.more, item.more);
      write(row.words, item.words);
      mark(row.root, "tone", item.tone ?? null);
      row.bar.hidden = item.ratio === undefined;
      fill(row.bar, number(item.ratio));
    });
    if (items.length > 0) this.note.remove();
    else {
      write(this.note, empty);
      this.#host.append(this.note);
    }
  }

  #row() {
    const row = { name: make("button", "name"), more: make("span", "more"), words: make("span", "words"), bar: make("span", "bar thin") };
    row.name.type = "button";
    row.bar.setAttribute("aria-hidden", "true");
    row.root = make("li", "row", row.name, row.more, row.words, row.bar);
    row.root.addEventListener("click", () => this.#act(row.item.key));
    return row;
  }
}

