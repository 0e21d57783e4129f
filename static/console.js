// The console: open and close the socket, ask by hand, send a text, and the log of what happened. app.js wires its actions.
// The log holds the last 200 lines, newest first. While it is paused, lines are kept back and shown afterwards.

import { clock } from "./format.js";
import { make, write } from "./paint.js";

const MOST_LINES = 200;
const SHORT = 300;

export class Console {
  #list;
  #note;
  #pause;
  #held = null;
  #heldCount = 0;

  /**
   * `actions`: `open()`, `close()`, `ask(path)`, `send(text)` (false when the socket is not open).
   * `at(id)` finds an element of the page.
   */
  constructor(at, actions) {
    this.#list = at("log");
    this.#note = at("log-note");
    this.#pause = at("log-pause");
    at("socket-open").addEventListener("click", () => actions.open());
    at("socket-close").addEventListener("click", () => actions.close());
    at("ask-system").addEventListener("click", () => actions.ask("system"));
    at("ask-network").addEventListener("click", () => actions.ask("network"));
    at("send-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = at("send-text");
      if (actions.send(input.value)) {
        this.add("sent", input.value);
        input.select();
      } else {
        this.add("event", "not sent: the socket is not open");
      }
    });
    this.#pause.addEventListener("click", () => this.#togglePause());
    at("log-clear").addEventListener("click", () => {
      this.#list.replaceChildren();
      if (this.#held !== null) this.#held = [];
      this.#heldCount = 0;
      this.#tell();
    });
    at("log-data").addEventListener("change", (event) => {
      this.#list.classList.toggle("no-data", !event.target.checked);
    });
    this.#tell();
  }

  /**
   * Adds a line. `kind` is event, sent, received, data (a message of the socket in JSON) or answer (the body of a GET,
   * shown in full at once).
   */
  add(kind, words) {
    const line = { kind, words, time: Date.now() };
    if (this.#held !== null) {
      this.#held.push(line);
      this.#heldCount += 1;
      if (this.#held.length > MOST_LINES) this.#held.shift();
    } else {
      this.#put(line);
    }
    this.#tell();
  }

  #put({ kind, words, time }) {
    const stamp = make("time", "", clock(time));
    stamp.dateTime = new Date(time).toISOString();
    const item = make("li", kind, stamp, make("span", "kind", kind), body(kind, words));
    this.#list.prepend(item);
    while (this.#list.children.length > MOST_LINES) this.#list.lastElementChild.remove();
  }

  #togglePause() {
    if (this.#held === null) {
      this.#held = [];
    } else {
      const held = this.#held;
      this.#held = null;
      this.#heldCount = 0;
      for (const line of held) this.#put(line);
    }
    this.#pause.setAttribute("aria-pressed", String(this.#held !== null));
    write(this.#pause, this.#held === null ? "Pause" : "Resume");
    this.#tell();
  }

  #tell() {
    const count = `${this.#list.children.length} of at most ${MOST_LINES} lines`;
    write(this.#note, this.#held === null ? count : `${count}, paused: ${this.#heldCount} new`);
  }
}

/** A short text stands as it is. A long one folds; its whole text is made when it is unfolded. */
function body(kind, words) {
  if (words.length <= SHORT) return make("pre", "", words);
  const fold = make("details", "", make("summary", "", `${words.slice(0, SHORT)}\u2026`));
  const unfold = () => {
    if (fold.open && fold.children.length === 1) fold.append(make("pre", "", words));
  };
  fold.addEventListener("toggle", unfold);
  if (kind === "answer") {
    fold.open = true;
    unfold();
  }
  return fold;
}
