// Requests to the server that this page came from. No DOM.
// Called by the connection (a ticket for the socket), the facts of the host, and the console.
// Every address is relative to the page, so a reverse proxy may put the server below a path.
// The token is kept for this tab only (memory and sessionStorage) and leaves it in the Authorization header, never in a URL.

const KEY = "psmonitor.token";
const TIMEOUT_MS = 10_000;
const base = new URL("./", location.href);
base.search = "";
base.hash = "";

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

/** What a request met with instead of an answer. `status` is 0 when no answer came at all. */
export class RequestError extends Error {
  constructor(message, status, retryAfterSeconds = null) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** `Retry-After` is a number of seconds or a date. Null when it is neither. */
export function retryAfter(header, now = Date.now()) {
  if (header === null) return null;
  if (/^\s*\d+\s*$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}

/** Sends a request and returns `{status, body}`, the body as text. Throws RequestError for anything but success. */
export async function request(method, path, body = null, signal = null) {
  const headers = { Accept: "application/json" };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== null) headers["Content-Type"] = "application/json";
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  let answer;
  try {
    response = await fetch(new URL(path, base), {
      method,
      headers,
      body,
      cache: "no-store",
      signal: signal === null ? limit : AbortSignal.any([signal, limit]),
    });
    answer = await response.text();
  } catch (error) {
    if (signal?.aborted) throw new RequestError("given up", 0);
    if (limit.aborted) throw new RequestError(`no answer within ${TIMEOUT_MS / 1000} s`, 0);
    throw new RequestError("the server cannot be reached", 0);
  }
  if (!response.ok) {
    const said = reason(answer);
    const words = `the server answered ${response.status}${said === null ? "" : `: ${said}`}`;
    throw new RequestError(words, response.status, retryAfter(response.headers.get("Retry-After")));
  }
  return { status: response.status, body: answer };
}

/** The server's own words about an error, from `{"error": ...}` or `{"status": ...}`. */
function reason(answer) {
  try {
    const said = JSON.parse(answer);
    const words = said?.error ?? said?.status;
    return typeof words === "string" ? words.slice(0, 200) : null;
  } catch {
    return null;
  }
}

/** Logs a user in and returns their token. */
export async function logIn(username, password) {
  const { status, body } = await request("POST", "authenticate", JSON.stringify({ username, password }));
  const given = JSON.parse(body)?.token;
  if (typeof given !== "string") throw new RequestError("the server gave no token", status);
  return given;
}

/** Asks for a worker. Its id is the one-time ticket for the socket, to be used within 3 s. */
export async function requestTicket(signal) {
  const { status, body } = await request("POST", "", '{"connection":"monitor"}', signal);
  let id = null;
  try {
    id = JSON.parse(body)?.id;
  } catch {
    // Not JSON: reported below like any other answer without an id.
  }
  if (typeof id !== "string" && typeof id !== "number") throw new RequestError("the server gave no worker id", status);
  return String(id);
}

/** The socket's address for a ticket. */
export function socketUrl(id) {
  const url = new URL("connect", base);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("id", id);
  return url.href;
}
