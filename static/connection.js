// The socket and its back-off: a state machine without a DOM and without imports, so that it is tested outside a browser.
// app.js makes one and gives it its listeners; the console opens and closes it. It never reads a message's meaning, except
// that a JSON object shows that data flow (`live`).
//
//   connecting --first data--> live --closed--> waiting --time is up--> connecting
//   any --close()--> stopped --open()--> connecting          POST / answered 401: locked --open()--> connecting

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 10_000;
const LONGEST_RETRY_AFTER_MS = 600_000;
const OPENING_LIMIT_MS = 15_000;
const WATCH_EVERY_MS = 5_000;
const SILENCE_AT_LEAST_MS = 15_000;
const SILENCE_BEFORE_KNOWN_MS = 60_000;

/** How long to wait before attempt `n` (0 is the first): 0.5 s doubling to 10 s, then shortened by up to half at random. */
export function backOff(n, random) {
  const full = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(n, 16));
  return full * (0.5 + 0.5 * random);
}

/** A close code in words. */
export function explainClose(code, reason) {
  const said = reason ? ` (\u201c${reason}\u201d)` : "";
  switch (code) {
    case 1000:
      return `closed in good order${said}`;
    case 1001:
      return `the server is stopping or restarting${said}`;
    case 1005:
      return "closed without a reason";
    case 1006:
      return "the connection was lost";
    case 1008:
      return /worker/i.test(reason)
        ? `the server did not accept the worker id: it was used or is older than 3 s${said}`
        : `the server refused: against its rules${said}`;
    case 1009:
      return `a message was too large for the server${said}`;
    case 1011:
      return `the server met an error${said}`;
    case 1012:
      return `the server is restarting${said}`;
    case 1013:
      return `the server is full: all its places are taken${said}`;
    default:
      return `closed with code ${code}${said}`;
  }
}

export class Connection {
  #deps;
  #state = { name: "stopped", reason: "", until: 0 };
  #attempt = 0;
  #socket = null;
  #abort = null;
  #timer = null;
  #watch = null;
  #lastMessageAt = 0;
  #lastWatchAt = 0;
  #gapMs = null;
  #asked = false;
  #cause = "";

  /**
   * `deps`: `requestTicket(signal)` gives an id or throws `{message, status, retryAfterSeconds}`; `socketUrl(id)`;
   * `makeSocket(url)`; `now()`, `random()`, `setTimeout`, `clearTimeout`; and the listeners
   * `onState(state)`, `onMessage(text, data)` (`data` is the object of a JSON message or null), `onEvent(words)`.
   */
  constructor(deps) {
    this.#deps = deps;
  }

  /** `{name, reason, until}`: connecting, live, waiting (until that time), stopped, or locked (a token is needed). */
  get state() {
    return this.#state;
  }

  /** Connects, unless that is done or under way. Out of `waiting` it connects at once. */
  open() {
    if (this.#state.name === "connecting" || this.#state.name === "live") return;
    this.#attempt = 0;
    this.#cause = "";
    this.#connect();
  }

  /** Ends the connection, or the attempts at one, until open() is called. */
  close() {
    if (this.#state.name === "stopped") return;
    this.#drop(1000, "closed by the user");
    this.#become("stopped", "");
    this.#deps.onEvent("closed by you");
  }

  /**
   * Tries now instead of at the end of the wait: for when the network is back or the page is looked at again.
   * Not where the server itself asked for the wait.
   */
  hurry() {
    if (this.#state.name === "waiting" && !this.#asked) this.#connect();
  }

  /** Sends a text. False when there is no open socket. */
  send(text) {
    if (this.#socket === null || this.#socket.readyState !== 1) return false;
    this.#socket.send(text);
    return true;
  }

  #become(name, reason, until = 0) {
    this.#state = { name, reason, until };
    this.#deps.onState(this.#state);
  }

  /** Lets go of everything that is under way. What it would still report is not listened to. */
  #drop(code, reason) {
    this.#deps.clearTimeout(this.#timer);
    this.#deps.clearTimeout(this.#watch);
    this.#abort?.abort();
    this.#abort = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(code, reason);
    }
  }

  async #connect() {
    this.#drop(1000, "");
    const abort = new AbortController();
    this.#abort = abort;
    this.#become("connecting", this.#state.name === "waiting" ? this.#state.reason : "");
    let id;
    try {
      id = await this.#deps.requestTicket(abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#deps.onEvent(`POST / failed: ${error.message}`);
      if (error.status === 401) {
        this.#drop(1000, "");
        this.#become("locked", error.message);
      } else {
        const cause = error.status === 0 && this.#cause !== "" ? `${this.#cause}; the server cannot be reached yet` : error.message;
        this.#wait(cause, error.retryAfterSeconds ?? null);
      }
      return;
    }
    if (abort.signal.aborted) return;
    this.#deps.onEvent(`POST / gave the worker ${id}`);
    this.#openSocket(id);
  }

  #openSocket(id) {
    const socket = this.#deps.makeSocket(this.#deps.socketUrl(id));
    this.#socket = socket;
    this.#timer = this.#deps.setTimeout(() => this.#lost("no data came after connecting"), OPENING_LIMIT_MS);
    socket.onopen = () => this.#deps.onEvent("socket open");
    socket.onmessage = (event) => this.#receive(String(event.data));
    socket.onclose = (event) => {
      const words = explainClose(event.code, event.reason);
      this.#deps.onEvent(`socket closed, code ${event.code}: ${words}`);
      this.#lost(words);
    };
  }

  #receive(text) {
    const now = this.#deps.now();
    const data = asObject(text);
    if (data !== null) {
      if (this.#state.name === "live") this.#gapMs = now - this.#lastMessageAt;
      this.#lastMessageAt = now;
      if (this.#state.name === "connecting") {
        this.#deps.clearTimeout(this.#timer);
        this.#attempt = 0;
        this.#cause = "";
        this.#become("live", "");
        this.#lastWatchAt = now;
        this.#watch = this.#deps.setTimeout(() => this.#watchSilence(), WATCH_EVERY_MS);
      }
    }
    this.#deps.onMessage(text, data);
  }

  /** A peer that vanished (cable, sleep) closes nothing: after a long silence the socket is given up. */
  #watchSilence() {
    const now = this.#deps.now();
    // A timer that came late was held back together with the messages (hidden tab, sleep): count from now.
    if (now - this.#lastWatchAt > 2 * WATCH_EVERY_MS) this.#lastMessageAt = now;
    this.#lastWatchAt = now;
    const limit = this.#gapMs === null ? SILENCE_BEFORE_KNOWN_MS : Math.max(SILENCE_AT_LEAST_MS, 4 * this.#gapMs);
    if (now - this.#lastMessageAt > limit) {
      this.#deps.onEvent("silence: the socket is given up");
      this.#lost("nothing was heard from the server");
    } else {
      this.#watch = this.#deps.setTimeout(() => this.#watchSilence(), WATCH_EVERY_MS);
    }
  }

  /** An open socket ended. Its reason stays on show while the server cannot be reached. */
  #lost(reason) {
    this.#cause = reason;
    this.#wait(reason, null);
  }

  #wait(reason, retryAfterSeconds) {
    this.#drop(1000, "");
    this.#asked = retryAfterSeconds !== null;
    let delay = backOff(this.#attempt, this.#deps.random());
    if (this.#asked) {
      const asked = Math.min(LONGEST_RETRY_AFTER_MS, retryAfterSeconds * 1000);
      // What the server asked for, and a little more at random so that not everybody comes back together.
      delay = Math.max(delay, asked + 500 * this.#deps.random());
    }
    this.#attempt += 1;
    this.#timer = this.#deps.setTimeout(() => this.#connect(), delay);
    this.#become("waiting", reason, this.#deps.now() + delay);
  }
}

function asObject(text) {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
