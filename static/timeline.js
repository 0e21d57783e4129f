// A window of time and the record that fills it: the past from the history, the live end from the frames. No DOM.
// The charts, the overview and a system of the fleet have one each.

import { mark, since } from "./age.js";
import { Record } from "./record.js";
import { addDerived } from "./series.js";

/** Windows up to this long follow frame by frame; longer ones ask the history again now and then. */
const LIVE_SECONDS = 3600;
const POINTS = 600;
const REFRESH_AT_LEAST_MS = 10_000;
const RETRY_MS = 5_000;

export class Timeline {
  #ask;
  #window = null;
  #pending = null;
  #abort = null;
  #loadedAt = -Infinity;
  #isLoading = false;
  #newest = null;
  record = new Record();
  /** What went wrong with the last question, or null. */
  error = null;
  /** Called when there is something new to draw. */
  onChange = () => {};

  /** `ask(query, signal)` gives the answer of a history route; `follows`: whether frames will come. */
  constructor(ask, follows = true) {
    this.#ask = ask;
    this.follows = follows;
  }

  /** `{seconds}` up to now, or `{from, to}`, unix seconds. */
  set(window) {
    if (JSON.stringify(window) === JSON.stringify(this.#window)) return;
    this.#window = window;
    this.#load();
  }

  get #isShort() {
    return this.follows && this.#window?.seconds <= LIVE_SECONDS;
  }

  /** Asks for everything anew: after a time without frames, which the server may know about. */
  restart() {
    if (this.#window !== null) this.#load();
  }

  /** Takes a frame's numbers. `step` is the sampling interval. */
  frame(time, step, values) {
    this.#newest = { time, at: mark() };
    if (!this.#isShort) return;
    for (const record of [this.record, this.#pending]) {
      record?.append(time, step, values);
      record?.trim(time - this.#window.seconds - 60);
    }
  }

  /** What there is of the first frame until now, and it is time to ask again: to be called about every second. */
  tick() {
    if (this.#window === null || this.#isLoading) return;
    const age = performance.now() - this.#loadedAt;
    if (this.error !== null) {
      if (age > RETRY_MS) this.#load();
    } else if (this.#window.seconds !== undefined && !this.#isShort) {
      const seconds = this.#window.seconds / POINTS;
      if (age > Math.max(REFRESH_AT_LEAST_MS, (seconds * 1000) / 2)) this.#load();
    }
  }

  /** The server's clock now, unix seconds, as far as the frames tell; the browser's before the first one. */
  now() {
    if (this.#newest === null) return Date.now() / 1000;
    return this.#newest.time + Math.max(0, since(this.#newest.at) / 1000 - 0.05);
  }

  /** `[from, to]` to draw. */
  bounds() {
    if (this.#window?.from !== undefined) return [this.#window.from, this.#window.to];
    const seconds = this.#window?.seconds ?? 60;
    // Until the next frame is due, the newest stands at the edge.
    const newest = this.#newest;
    const to = newest === null || since(newest.at) > 2500 ? this.now() : newest.time;
    return [to - seconds, to];
  }

  async #load() {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const window = this.#window;
    this.#pending = this.#isShort ? new Record() : null;
    this.#isLoading = true;
    const span = window.seconds === undefined ? `from=${Math.floor(window.from)}&to=${Math.ceil(window.to)}` : `range=${window.seconds}s`;
    const points = window.seconds <= 900 ? 900 : POINTS;
    try {
      const answer = await this.#ask(`${span}&points=${points}`, abort.signal);
      if (abort.signal.aborted) return;
      addDerived(answer);
      const past = Record.of(answer);
      // Without a step that has begun only just: it would end the line in the middle of nowhere.
      if (this.#pending !== null) {
        this.#pending.under(past);
        this.record = this.#pending;
      } else this.record = past;
      this.error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error.message;
      if (this.#pending !== null && this.record.length === 0) this.record = this.#pending;
    } finally {
      if (this.#abort === abort) {
        this.#isLoading = false;
        this.#pending = null;
        this.#loadedAt = performance.now();
      }
    }
    this.onChange();
  }

  /** Ends what is under way. */
  stop() {
    this.#abort?.abort();
    this.#isLoading = false;
    this.#window = null;
  }
}
