// The wiring: makes the connection, the view and the console, and carries events between them. Loaded by index.html.

import { hasToken, logIn, request, requestTicket, setToken, socketUrl } from "./api.js";
import { Connection } from "./connection.js";
import { Console } from "./console.js";
import { clock, object } from "./format.js";
import { write } from "./paint.js";
import { PATH as PAST, points } from "./past.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id);

const view = new View(at);
const log = new Console(at, {
  open: () => connection.open(),
  close: () => connection.close(),
  ask,
  send: (words) => connection.send(words),
});
const connection = new Connection({
  requestTicket,
  socketUrl,
  makeSocket: (url) => new WebSocket(url),
  now: () => Date.now(),
  random: Math.random,
  setTimeout: (call, delay) => setTimeout(call, delay),
  clearTimeout: (timer) => clearTimeout(timer),
  onState: showState,
  onMessage: receive,
  onEvent: (words) => log.add("event", words),
});

let previous = "";
let spoken = "";
let lastDataAt = null;
let dirty = false;
let ticker = null;
let tokenTried = false;
let pastKnown = false;

function receive(words, data) {
  log.add(data === null ? "received" : "data", words);
  if (data === null) return;
  lastDataAt = Date.now();
  view.record(data, lastDataAt);
  repaint();
  if (!pastKnown) learnPast();
}

/** Paints at the next frame, once however many messages came. A hidden tab has no frames: it paints when it is looked at. */
function repaint() {
  if (dirty) return;
  dirty = true;
  requestAnimationFrame(() => {
    dirty = false;
    showDetail();
    view.paint(Date.now());
  });
}

const STATES = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Waiting",
  stopped: "Stopped by you",
  locked: "Token needed",
};

function showState(state) {
  if (previous === "live" && state.name !== "live") view.gap(Date.now());
  document.body.dataset.state = state.name;
  document.title = `${state.name === "live" ? "" : "(not connected) "}psmonitor \u00b7 ${location.host}`;
  enable(state.name);
  showToken(state);
  if (state.name === "live" && previous !== "live") {
    pastKnown = false;
    learnFacts();
  }
  previous = state.name;
  speak(state);
  showDetail();
  if (ticker === null && state.name !== "live") ticker = setInterval(tick, 500);
  repaint();
}

/** Only the button that would do something can be pressed. The keyboard's focus is not lost with the other. */
function enable(name) {
  const [open, close] = [at("socket-open"), at("socket-close")];
  const focused = document.activeElement;
  open.disabled = name === "live" || name === "connecting";
  close.disabled = name === "stopped" || name === "locked";
  if (focused === close && close.disabled) open.focus();
  if (focused === open && open.disabled) close.focus();
}

/** Twice a second while there are no data: the countdown and the charts move on. */
function tick() {
  if (connection.state.name === "live") {
    clearInterval(ticker);
    ticker = null;
  } else if (!document.hidden) {
    repaint();
  }
}

function showDetail() {
  const { name, reason, until } = connection.state;
  const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  write(at("state"), name === "waiting" ? `Waiting ${seconds} s` : STATES[name]);
  const last = lastDataAt === null ? "no data yet" : `last data ${clock(lastDataAt)}`;
  write(at("detail"), reason === "" ? last : `${reason} \u00b7 ${last}`);
  at("detail").title = reason;
}

/** Says the state to screen readers: each change once, and not every attempt of a long outage. */
function speak({ name, reason }) {
  const words =
    name === "waiting" || (name === "connecting" && reason !== "")
      ? `Not connected: ${reason}. Trying again.`
      : `${STATES[name]}${reason === "" ? "" : `: ${reason}`}.`;
  if (words === spoken) return;
  spoken = words;
  write(at("announcement"), words);
}

function showToken({ name }) {
  const locked = name === "locked";
  if (locked && at("token-panel").hidden) setTimeout(() => at("token").focus(), 0);
  at("token-panel").hidden = !locked;
  if (locked) {
    write(at("token-note"), tokenTried ? "The server did not accept this token." : "This server asks for a token.");
    setToken(null);
  }
  at("token-forget").hidden = locked || !hasToken();
}

/** The host's facts, once for each connection: a restart may have changed the kernel. */
async function learnFacts() {
  try {
    const { body } = await request("GET", "system");
    view.facts(object(JSON.parse(body)));
  } catch (error) {
    log.add("event", `GET /system failed: ${error.message}`);
  }
}

/** What the charts have missed, once for each connection, after the first message: it tells the size of the memory. */
async function learnPast() {
  pastKnown = true;
  try {
    const { body } = await request("GET", PAST);
    view.past(points(JSON.parse(body), Date.now(), view.memoryGib));
    repaint();
  } catch (error) {
    log.add("event", `GET /${PAST} failed: ${error.message}`);
  }
}

async function ask(path) {
  const started = performance.now();
  try {
    const { status, body } = await request("GET", path);
    log.add("event", `GET /${path} answered ${status} after ${Math.round(performance.now() - started)} ms`);
    log.add("answer", body);
  } catch (error) {
    log.add("event", `GET /${path} failed: ${error.message}`);
  }
}

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = at("token").value.trim();
  if (token === "") return;
  at("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(token)) {
    write(at("token-note"), "A token has only plain letters, digits and signs, no spaces.");
    return;
  }
  tokenTried = true;
  setToken(token);
  connection.open();
});
at("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [name, password, button] = [at("login-name").value, at("login-password").value, event.submitter];
  at("login-password").value = "";
  if (button !== null) button.disabled = true;
  try {
    setToken(await logIn(name, password));
    tokenTried = true;
    connection.open();
  } catch (error) {
    write(at("token-note"), `Not logged in: ${error.message}.`);
  } finally {
    if (button !== null) button.disabled = false;
  }
});
at("token-forget").addEventListener("click", () => {
  tokenTried = false;
  setToken(null);
  connection.close();
  connection.open();
});
addEventListener("online", () => connection.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  connection.hurry();
  repaint();
});

write(at("host"), location.host);
view.facts({});
tokenTried = hasToken();
connection.open();
