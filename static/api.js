// Requests to the server that this page came from. No DOM but the page's address.
// Called by the connection (the live stream), the views, and the test panel. Every address is relative to the page, so a
// reverse proxy may put the server below a path. The token is kept for this tab only (memory and sessionStorage) and leaves
// it in the Authorization header, never in a URL.

const KEY = "psmonitor.token";
const TIMEOUT_MS = 20_000;
/** Most characters of one event: a frame of many thousand processes has a few million. */
const MOST_EVENT = 64 * 1024 * 1024;

/** The address that all others are relative to. */
export const base = new URL("./", location.href);
base.search = "";
base.hash = "";
// An address with a name and a password in it, for a proxy's own login: `fetch` refuses to use one.
base.username = "";
base.password = "";

let token = recall();

function recall() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Whether a token is held. */
export function hasToken() {
  return token !== null;
}

let refused = () => {};

/** `call()` is called when the server does not take the token any more for a single question, as after the hour that a login lasts. */
export function onRefused(call) {
  refused = call;
}

/** Takes a token, or forgets it when given null. */
export function setToken(value) {
  token = value;
  try {
    if (value === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // Storage is blocked by the browser's settings: memory has it until the page is left.
  }
}

/**
 * What a request met with instead of an answer. `status` is 0 when no answer came at all. `ways` are those that a stranger may
 * prove themselves by ("token", "password"), where the server tells them.
 */
export class RequestError extends Error {
  constructor(message, status, retryAfterSeconds = null, ways = null) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
    this.ways = ways;
  }
}

/** `Retry-After` is a number of seconds or a date. Null when it is neither. */
export function retryAfter(header, now = Date.now()) {
  if (header === null) return null;
  if (/^\s*\d+\s*$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}

function headers(more = {}) {
  return token === null ? more : { ...more, Authorization: `Bearer ${token}` };
}

async function refusal(response) {
  let [said, ways] = [null, null];
  try {
    const answer = JSON.parse(await response.text());
    const words = answer?.error ?? answer?.status;
    if (typeof words === "string") said = words.slice(0, 300);
    if (Array.isArray(answer?.ways)) ways = answer.ways;
  } catch {
    // Not JSON: perhaps a proxy's own page. The status must do.
  }
  const words = `the server answered ${response.status}${said === null ? "" : `: ${said}`}`;
  return new RequestError(words, response.status, retryAfter(response.headers.get("Retry-After")), ways);
}

/** Sends a request and returns `{status, type, body}`, the body as text. Throws RequestError for anything but success. */
export async function request(method, path, { body = null, signal = null, accept = "application/json" } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(new URL(path, base), {
      method,
      headers: headers({ Accept: accept, ...(body === null ? {} : { "Content-Type": "application/json" }) }),
      body,
      cache: "no-store",
      signal: signal === null ? limit : AbortSignal.any([signal, limit]),
    });
    if (response.status === 401 && token !== null) refused();
    if (!response.ok) throw await refusal(response);
    return { status: response.status, type: response.headers.get("Content-Type") ?? "", body: await response.text() };
  } catch (error) {
    if (error instanceof RequestError) throw error;
    if (signal?.aborted) throw new RequestError("given up", 0);
    if (limit.aborted) throw new RequestError(`no answer within ${TIMEOUT_MS / 1000} s`, 0);
    throw new RequestError("the server cannot be reached", 0);
  }
}

/** The JSON of `GET path`. */
export async function ask(path, signal = null) {
  const { status, body } = await request("GET", path, { signal });
  try {
    return JSON.parse(body);
  } catch {
    throw new RequestError(`the answer to ${path} is not JSON; is there a proxy between?`, status);
  }
}

/**
 * Reads an event stream until it ends: `onData(text)` for each event, `onBeat()` for whatever else shows that it lives.
 * Through fetch and not EventSource, which can neither send the token nor tell why it was refused.
 */
export async function readStream(path, signal, { onData, onBeat }) {
  let response;
  try {
    response = await fetch(new URL(path, base), { headers: headers({ Accept: "text/event-stream" }), cache: "no-store", signal });
  } catch {
    throw new RequestError(signal.aborted ? "given up" : "the server cannot be reached", 0);
  }
  if (!response.ok) throw await refusal(response);
  if (!(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
    throw new RequestError("the live stream is no event stream; is there a proxy between?", response.status);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = [];
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBeat();
      let rest = value;
      for (let end = findEnd(held, rest); end !== null; end = findEnd(held, rest)) {
        const event = held.join("") + rest.slice(0, end);
        rest = rest.slice(end).replace(/^\n+/, "");
        held = [];
        length = 0;
        const lines = event.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length > 0) onData(lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n"));
      }
      held.push(rest);
      length += rest.length;
      if (length > MOST_EVENT) throw new RequestError("an event without an end", response.status);
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(signal.aborted ? "given up" : "the connection was lost", 0);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Where the blank line begins that ends an event, within `rest`; what was held before may end with its first half. */
function findEnd(held, rest) {
  if (held.length > 0 && held.at(-1).endsWith("\n") && rest.startsWith("\n")) return 0;
  const found = rest.indexOf("\n\n");
  return found < 0 ? null : found;
}

/** Logs a user in and returns their token. */
export async function logIn(username, password) {
  const { status, body } = await request("POST", "authenticate", { body: JSON.stringify({ username, password }) });
  let given = null;
  try {
    given = JSON.parse(body)?.token;
  } catch {
    // Reported below like any other answer without a token.
  }
  if (typeof given !== "string") throw new RequestError("the server gave no token", status);
  return given;
}

/** Asks for a worker. Its id is the one-time ticket for the WebSocket, to be used within 3 s. */
export async function requestTicket(signal) {
  const { status, body } = await request("POST", "", { body: '{"connection":"monitor"}', signal });
  let id = null;
  try {
    id = JSON.parse(body)?.id;
  } catch {
    // Not JSON: reported below like any other answer without an id.
  }
  if (typeof id !== "string" && typeof id !== "number") throw new RequestError("the server gave no worker id", status);
  return String(id);
}

/** The WebSocket's address for a ticket, and an interval if one is wanted. */
export function socketUrl(id, interval = "") {
  const url = new URL("connect", base);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("id", id);
  if (interval !== "") url.searchParams.set("interval", interval);
  return url.href;
}
