// Puts the page together: connection, address, views. Nothing else knows them all.
// Every frame is recorded, also while the tab is hidden; only painting waits until somebody looks.

import { mark as moment, since } from "./age.js";
import { ask, hasToken, onRefused, readStream } from "./api.js";
import { forgetColours } from "./chart.js";
import { Charts } from "./charts.js";
import { Connection } from "./connection.js";
import { Console } from "./console.js";
import { containerOf } from "./container.js";
import { FleetView } from "./fleet.js";
import { number, object, objects, span, text } from "./format.js";
import { listenToKeys } from "./keys.js";
import { Login } from "./login.js";
import { NetworkView, SensorsView, StorageView } from "./more.js";
import { Overview } from "./overview.js";
import { at, attribute, mark, write } from "./paint.js";
import { problemsOf } from "./problems.js";
import { ProcessDialog } from "./process.js";
import { ProcessView } from "./processes.js";
import { Router, VIEWS } from "./router.js";
import { prepareSettings } from "./settings.js";
import { SocketsView } from "./sockets.js";
import { Timeline } from "./timeline.js";
import { valuesOf } from "./series.js";

const GLANCE_SECONDS = 300;
/** A frame that is later than this many intervals, and at least so many seconds, is no longer live. */
const STALE_INTERVALS = 3;
const STALE_AT_LEAST_MS = 5_000;
const SLEPT_MS = 15_000;

const history = (query, signal) => ask(`api/v1/history?${query}`, signal);
const now = () => performance.now();

let snapshot = null;
let frameAt = null;
let interval = 1;
let problems = [];
let isPaused = false;
let hasBegun = false;

const router = new Router(show);
prepareSettings(() => {
  forgetColours();
  paint();
});
const glance = new Timeline(history);
const machine = new Timeline(history);
const charts = new Charts(at("view-charts"), router, machine);
const dialog = new ProcessDialog();
const openProcess = (process) => {
  dialog.open(process, processes.list.length > 0 ? processes.list : (object(snapshot?.processes).list ?? []));
  follow();
};
const overview = new Overview(glance, { go: (view) => router.go({ view }), openProcess });
const processes = new ProcessView(openProcess, (filter) => router.go({ filter }, true));
const sockets = new SocketsView((filter) => router.go({ filter }, true));
const [storage, network, sensors] = [new StorageView(), new NetworkView(), new SensorsView()];
const fleet = new FleetView(router, () => glance.now());
const panel = new Console();

/** How many processes the frames must carry for what is shown. */
let carried = null;
function wantedProcesses() {
  if (["processes", "sockets"].includes(router.state.view) || at("process").open) return "all";
  return router.state.view === "overview" ? "top" : "none";
}

/** Asks for other frames when another view needs them. */
function follow() {
  if (carried !== null && wantedProcesses() !== carried) connection.reopen();
}
at("process").addEventListener("close", follow);

const connection = new Connection({
  stream: (signal, listeners) => {
    carried = wantedProcesses();
    return readStream(`api/v1/stream?processes=${carried}`, signal, listeners);
  },
  now,
  random: Math.random,
  setTimeout: (call, delay) => setTimeout(call, delay),
  clearTimeout: (timer) => clearTimeout(timer),
  onState: become,
  onFrame: take,
});

const login = new Login({
  enter: () => {
    connection.open();
    begin();
  },
  leave: () => {
    at("settings").close();
    connection.close();
    connection.open();
  },
});

// A stream that is open outlives the login it was opened with. Opened anew it tells why nothing else is answered.
onRefused(() => connection.reopen());

function take(data, words) {
  const time = number(data.time_unix_seconds);
  if (time === null) return;
  const gap = frameAt === null ? 0 : since(frameAt);
  interval = number(data.interval_seconds) ?? interval;
  frameAt = moment();
  snapshot = data;
  const values = valuesOf(data);
  // Somewhere in between there was nothing from the server, which may remember.
  const wasAway = gap > STALE_INTERVALS * interval * 1000 + 2000;
  for (const timeline of [glance, machine]) {
    if (wasAway) timeline.restart();
    timeline.frame(time, interval, values);
  }
  problems = problemsOf(data);
  panel.frame(words);
  processes.enrich(objects(object(data.processes).list));
  if (!document.hidden && (router.state.view === "processes" || at("process").open)) processes.askMore();
  dialog.show(time, interval, data.processes);
  titles();
  if (!document.hidden && !isPaused) paint();
  if (document.body.dataset.state !== "live") become(connection.state);
}

/** Title and icon: they are seen while the tab is not. */
function titles() {
  const host = text(object(snapshot?.host).hostname) ?? "psmonitor";
  const count = isLive() ? problems.length : 0;
  const words = isLive() ? `${count > 0 ? `(${count}) ` : ""}${host}` : `\u2013 ${host}`;
  if (document.title !== words) document.title = words;
  const level = count === 0 ? null : problems[0].level;
  const key = `${count} ${level}`;
  const icon = at("icon");
  if (icon.dataset.key === key) return;
  icon.dataset.key = key;
  if (count === 0) {
    icon.type = "image/svg+xml";
    icon.href = "static/favicon.svg";
    return;
  }
  const colour = level === "bad" ? "#c62828" : "#b26a00";
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${colour}"/><text x="16" y="23" font-family="sans-serif" font-weight="700" font-size="20" text-anchor="middle" fill="#fff">${count > 9 ? "9+" : count}</text></svg>`;
  icon.href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
}

const isStale = () => frameAt !== null && since(frameAt) > Math.max(STALE_AT_LEAST_MS, STALE_INTERVALS * interval * 1000);
const isLive = () => connection.state.name === "live" && !isStale();

const STATES = { connecting: "Connecting", live: "Live", waiting: "Waiting", stopped: "Paused", locked: "Access" };

function become(state) {
  const before = document.body.dataset.state;
  const name = state.name === "live" && isStale() ? "stale" : state.name;
  mark(document.body, "state", name);
  mark(document.body, "fresh", isLive() ? "" : null);
  login.follow(state);
  if (before !== name) write(at("announcement"), { live: "Live", stale: "The numbers are old", waiting: "The connection is lost", locked: "The server asks for access", stopped: "Paused" }[name] ?? "");
  status();
  titles();
}

/** The machine slept, or somebody looks again: what is old is not called live, and no wait is sat out. */
function wake() {
  // A laptop that slept has a connection that is dead and does not know it.
  if (isStale()) connection.reopen();
  connection.hurry();
  become(connection.state);
}

/** State, age and reason, about once a second. */
function status() {
  const { name, reason, until } = connection.state;
  const stale = name === "live" && isStale();
  const seconds = Math.max(0, Math.ceil((until - now()) / 1000));
  write(at("state"), stale ? "No news" : name === "waiting" ? `Waiting ${seconds} s` : STATES[name]);
  const age = frameAt === null ? null : since(frameAt) / 1000;
  write(at("age"), age === null ? "" : isLive() ? `${Math.floor(age)} s ago` : `last numbers ${span(age)} ago`);
  const banner = at("banner");
  const words = { waiting: `Not connected: ${reason}.`, stopped: "Paused by you." }[name] ?? (stale ? "Nothing new from the server." : "");
  const isShown = words !== "" && !(name === "waiting" && seconds === 0 && banner.hidden);
  banner.hidden = !isShown;
  if (isShown) write(banner, age === null ? words : `${words} What you see is ${span(age)} old.`);
}

function facts() {
  const host = object(snapshot.host);
  write(at("host"), text(host.hostname) ?? "psmonitor");
  write(at("uptime"), number(snapshot.uptime_seconds) === null ? "" : `up ${span(Math.floor(snapshot.uptime_seconds / 60) * 60)}`);
  const container = containerOf(snapshot);
  const parts = [text(host.distribution), text(host.kernel), container === null ? null : `in a container (${container})`];
  const words = parts.filter((part) => part !== null).join(" \u00b7 ");
  write(at("facts"), words);
  attribute(at("facts"), "title", [words, text(host.architecture), text(object(Array.isArray(host.cpu_models) ? host.cpu_models[0] : null).model_name), text(host.own_user) === null ? null : `the server runs as ${host.own_user}`].filter(Boolean).join("\n"));
}

/** Shows the latest frame in the view that is in sight. */
function paint() {
  if (snapshot === null) return;
  facts();
  switch (router.state.view) {
    case "overview":
      overview.show(snapshot, problems);
      break;
    case "charts":
      charts.frame(snapshot);
      break;
    case "processes":
      if (object(snapshot.processes).complete !== false || carried === "all") processes.show(snapshot.processes);
      break;
    case "storage":
      storage.show(snapshot);
      break;
    case "network":
      network.show(snapshot);
      break;
    case "sensors":
      sensors.show(snapshot);
      break;
    case "sockets":
      sockets.know(snapshot.processes);
      break;
    default:
  }
}

/** The address changed, or the page has come. */
function show(state, before = null) {
  for (const [name] of VIEWS) at(`view-${name}`).hidden = name !== state.view;
  for (const link of document.querySelectorAll(".views a")) {
    if (link.dataset.view === state.view) attribute(link, "aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  mark(document.body, "view", state.view);
  mark(document.documentElement, "kiosk", state.kiosk ? "" : null);
  if (state.view === "charts") charts.show(state);
  if (state.view === "processes") processes.setFilter(state.filter);
  if (state.view === "sockets") sockets.setFilter(state.filter);
  sockets.become(state.view === "sockets");
  fleet.become(state.view === "fleet", state);
  panel.become(state.view === "test");
  const query = new URLSearchParams(location.search);
  query.set("kiosk", "");
  attribute(at("kiosk-link"), "href", `?${query.toString().replace("kiosk=", "kiosk")}`);
  if (before !== null && before.view !== state.view) scrollTo(0, 0);
  follow();
  paint();
}

/** What is asked for once there is somebody who may ask. */
function begin() {
  glance.set({ seconds: GLANCE_SECONDS });
  // After a login what was refused before is asked for again.
  if (hasBegun) for (const timeline of [glance, machine]) timeline.restart();
  hasBegun = true;
  fleet.discover();
}

document.querySelector(".views").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  router.go({ view: link.dataset.view });
});
at("settings-open").addEventListener("click", () => at("settings").showModal());
at("help-open").addEventListener("click", () => at("help").showModal());
at("pause").addEventListener("click", (event) => {
  isPaused = !isPaused;
  event.currentTarget.setAttribute("aria-pressed", String(isPaused));
  if (isPaused) connection.close();
  else connection.open();
});
at("kiosk-link").addEventListener("click", (event) => {
  event.preventDefault();
  at("settings").close();
  router.go({ kiosk: true });
});
const shownCharts = () => (router.state.view === "fleet" ? fleet.charts : charts);
listenToKeys({
  isThere: (view) => view !== "fleet" || fleet.isThere,
  go: (view) => router.go({ view }),
  filter: () => {
    const input = { processes: "processes-filter", sockets: "sockets-filter" }[router.state.view];
    if (input === undefined) router.go({ view: "processes" });
    at(input ?? "processes-filter").focus();
  },
  move: (way) => ["charts", "fleet"].includes(router.state.view) && shownCharts()?.move(way),
  zoomOut: () => ["charts", "fleet"].includes(router.state.view) && shownCharts()?.zoomOut(),
  live: () => router.go({ from: null, to: null }),
  range: (range) => router.go({ view: router.state.view === "fleet" ? "fleet" : "charts", system: router.state.system, range, from: null, to: null }),
  kiosk: () => router.go({ kiosk: !router.state.kiosk }),
});

// About once a second: the age, the charts' way through time while no frame comes, and whether the machine slept.
let tickedAt = moment();
setInterval(() => {
  const away = since(tickedAt);
  tickedAt = moment();
  if (away > SLEPT_MS && !document.hidden) wake();
  else become(connection.state);
  if (document.hidden) return;
  if (router.state.view === "charts") machine.tick();
  if (router.state.view === "overview") glance.tick();
  if (router.state.view === "fleet") fleet.tick();
  if (!isLive()) {
    if (router.state.view === "charts") charts.redraw();
    if (router.state.view === "overview") overview.redraw();
  }
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  wake();
  paint();
});
addEventListener("online", () => connection.hurry());
addEventListener("pageshow", (event) => event.persisted && connection.reopen());

connection.open();
show(router.state);
begin();
if (hasToken()) at("token-forget").hidden = false;
