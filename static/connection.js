// The live stream and its back-off: a state machine without a DOM and without imports, so that it is tested outside a browser.
// app.js makes one and gives it its listeners. It never reads a message's meaning.
//
//   connecting --first frame--> live --ended--> waiting --time is up--> connecting
//   any --close()--> stopped --open()--> connecting          refused with 401: locked --open()--> connecting

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

export class Connection {
  #deps;
  #state = { name: "stopped", reason: "", until: 0, ways: null };
  #attempt = 0;
  #abort = null;
  #timer = null;
  #watch = null;
  #lastAt = 0;
  #lastFrameAt = null;
  #lastWatchAt = 0;
  #gapMs = null;
  #asked = false;
  #cause = "";

  /**
   * `deps`: `stream(signal, {onData, onBeat})` resolves when the stream ended and throws `{message, status,
   * retryAfterSeconds, ways}`; `now()`, `random()`, `setTimeout`, `clearTimeout`; and the listeners `onState(state)` and
   * `onFrame(object, text)`.
   */
  constructor(deps) {
    this.#deps = deps;
  }

  /** `{name, reason, until, ways}`: connecting, live, waiting (until that time), stopped, or locked (a token is needed). */
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

  /** Opens the stream anew, with another address for instance. It stays live meanwhile if it was. */
  reopen() {
    if (this.#state.name === "live" || this.#state.name === "connecting") this.#connect(this.#state.name === "live");
  }

  /** Ends the connection, or the attempts at one, until open() is called. */
  close() {
    if (this.#state.name === "stopped") return;
    this.#drop();
    this.#become("stopped", "");
  }

  /**
   * Tries now instead of at the end of the wait: for when the network is back or the page is looked at again.
   * Not where the server itself asked for the wait.
   */
  hurry() {
    if (this.#state.name === "waiting" && !this.#asked) this.#connect();
  }

  #become(name, reason, until = 0, ways = null) {
    this.#state = { name, reason, until, ways };
    this.#deps.onState(this.#state);
  }

  /** Lets go of everything that is under way. What it would still report is not listened to. */
  #drop() {
    this.#deps.clearTimeout(this.#timer);
    this.#deps.clearTimeout(this.#watch);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #connect(quiet = false) {
    this.#drop();
    const abort = new AbortController();
    this.#abort = abort;
    if (!quiet) this.#become("connecting", this.#state.name === "waiting" ? this.#state.reason : "");
    this.#lastFrameAt = null;
    this.#timer = this.#deps.setTimeout(() => this.#end(abort, "no numbers came after connecting", null), OPENING_LIMIT_MS);
    try {
      await this.#deps.stream(abort.signal, {
        onBeat: () => (this.#lastAt = this.#deps.now()),
        onData: (text) => abort.signal.aborted || this.#receive(text, abort),
      });
      this.#end(abort, "the server ended the stream: it is stopping or restarting", null);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error.status === 401) {
        this.#drop();
        this.#become("locked", error.message, 0, error.ways ?? null);
        return;
      }
      const isAway = error.status === 0 && this.#cause !== "" && error.message !== this.#cause;
      this.#end(abort, isAway ? `${this.#cause}; the server cannot be reached yet` : error.message, error.retryAfterSeconds ?? null);
    }
  }

  #receive(text, abort) {
    const data = asObject(text);
    if (data === null) return;
    const now = this.#deps.now();
    this.#lastAt = now;
    if (this.#lastFrameAt !== null) this.#gapMs = now - this.#lastFrameAt;
    else {
      // The first frame of this stream.
      this.#deps.clearTimeout(this.#timer);
      this.#attempt = 0;
      this.#cause = "";
      if (this.#state.name !== "live") this.#become("live", "");
      this.#lastWatchAt = now;
      this.#watch = this.#deps.setTimeout(() => this.#watchSilence(abort), WATCH_EVERY_MS);
    }
    this.#lastFrameAt = now;
    this.#deps.onFrame(data, text);
  }

  /** A peer that vanished (cable, sleep) closes nothing: after a long silence the stream is given up. */
  #watchSilence(abort) {
    const now = this.#deps.now();
    // A timer that came late was held back together with the stream (hidden tab, sleep): count from now.
    if (now - this.#lastWatchAt > 2 * WATCH_EVERY_MS) this.#lastAt = now;
    this.#lastWatchAt = now;
    const limit = this.#gapMs === null ? SILENCE_BEFORE_KNOWN_MS : Math.max(SILENCE_AT_LEAST_MS, 4 * this.#gapMs);
    if (now - this.#lastAt > limit) this.#end(abort, "nothing was heard from the server", null);
    else this.#watch = this.#deps.setTimeout(() => this.#watchSilence(abort), WATCH_EVERY_MS);
  }

  /** The stream of `abort` ended, or there was none. Its reason stays on show while the server cannot be reached. */
  #end(abort, reason, retryAfterSeconds) {
    if (abort !== this.#abort) return;
    if (this.#lastFrameAt !== null || this.#cause === "") this.#cause = reason;
    this.#drop();
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
  try {
    const data = JSON.parse(text);
    return data !== null && typeof data === "object" && !Array.isArray(data) ? data : null;
  } catch {
    return null;
  }
}
