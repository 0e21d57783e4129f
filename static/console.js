// The test panel: a WebSocket opened by hand, any GET route of the server's own document, and a log of what went and came with
// sizes and times. Of this page it uses the live stream's frames alone, and only while the panel is shown.

import { ask, base, hasToken, request, requestTicket, socketUrl } from "./api.js";
import { clock, fixed, object, size, text } from "./format.js";
import { at, make, write } from "./paint.js";

const MOST_LINES = 200;
/** Characters of a line that are shown before it is opened, and most that are kept of one. */
const EXCERPT = 160;
const MOST_KEPT = 200_000;

export class Console {
  #socket = null;
  #openedAt = 0;
  #lastAt = 0;
  #lastFrameAt = null;
  #isPaused = false;
  #held = 0;
  #routes = [];
  #isPrepared = false;
  isShown = false;

  constructor() {
    at("socket-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#open();
    });
    at("socket-close").addEventListener("click", () => this.#socket?.close(1000, "closed by the user"));
    at("send-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const words = at("send-text").value;
      if (this.#socket?.readyState !== WebSocket.OPEN) return this.#log("event", "not sent: no WebSocket is open");
      this.#socket.send(words);
      this.#log("sent", words);
      at("send-text").value = "";
    });
    at("route").addEventListener("change", () => this.#choose());
    at("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#get();
    });
    for (const [id, make] of [["copy-curl", asCurl], ["copy-python", asPython], ["copy-js", asJavaScript]]) {
      at(id).addEventListener("click", (event) => this.#copy(make, event.currentTarget));
    }
    at("log-pause").addEventListener("click", (event) => {
      this.#isPaused = !this.#isPaused;
      event.currentTarget.setAttribute("aria-pressed", String(this.#isPaused));
      if (!this.#isPaused) this.#held = 0;
      this.#note();
    });
    at("log-clear").addEventListener("click", () => {
      at("log").replaceChildren();
      this.#note();
    });
  }

  /** The panel is shown: what there is to ask is learnt once. */
  async become(isShown) {
    this.isShown = isShown;
    if (!isShown || this.#isPrepared) return;
    this.#isPrepared = true;
    try {
      const { paths, components } = object(await ask("api/v1/openapi.json"));
      const shared = object(object(components).parameters);
      const parameter = (one) => object(typeof object(one).$ref === "string" ? shared[one.$ref.split("/").at(-1)] : one);
      this.#routes = Object.entries(object(paths)).flatMap(([path, methods]) => {
        const { get } = object(methods);
        return get === undefined ? [] : [{ path, words: text(object(get).summary) ?? "", parameters: Array.isArray(object(get).parameters) ? get.parameters.map(parameter) : [] }];
      });
      this.#routes = this.#routes.filter(({ path }) => !["/connect", "/ws"].includes(path));
    } catch (error) {
      this.#isPrepared = false;
      this.#routes = [{ path: "/system", words: "", parameters: [] }];
      this.#log("event", `the list of routes is not known: ${error.message}`);
    }
    at("route").replaceChildren(...this.#routes.map(({ path }, number) => {
      const option = make("option", "", path);
      option.value = String(number);
      return option;
    }));
    const snapshot = this.#routes.findIndex(({ path }) => path === "/api/v1/snapshot");
    at("route").value = String(Math.max(0, snapshot));
    this.#choose();
  }

  #choose() {
    const route = this.#routes[Number(at("route").value)];
    if (route === undefined) return;
    const example = (one) => one.example ?? object(one.schema).example ?? object(one.schema).default ?? "";
    const examples = route.parameters.filter((one) => one.in === "query").map((one) => `${one.name}=${example(one)}`);
    const filled = (whole, name) => {
      const found = route.parameters.find((one) => one.in === "path" && one.name === name);
      return found === undefined ? whole : encodeURIComponent(example(found)) || whole;
    };
    // Relative: the server may stand below a path. What stands for something is an example, to be asked as it is or changed.
    at("route-path").value = route.path.replace(/^\//, "").replace(/\{(\w+)\}/g, filled) || ".";
    write(at("route-words"), `${route.words}${examples.length > 0 ? `${route.words === "" ? "" : " "}Takes ?${examples.join("&")}` : ""}`);
  }

  async #open() {
    if (this.#socket !== null) this.#socket.close(1000, "opened anew");
    let id = at("worker-id").value.trim();
    try {
      if (id === "") {
        id = await requestTicket(null);
        this.#log("event", `POST / gave the worker ${id}`);
      }
    } catch (error) {
      return this.#log("event", `POST / failed: ${error.message}`);
    }
    const socket = new WebSocket(socketUrl(id, at("socket-interval").value.trim()));
    this.#socket = socket;
    this.#openedAt = this.#lastAt = performance.now();
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#log("event", `WebSocket open after ${this.#since(this.#openedAt)}`);
      this.#buttons();
    };
    socket.onmessage = ({ data }) => {
      const words = typeof data === "string" ? data : new TextDecoder().decode(data);
      this.#log("received", words, `${this.#since(this.#lastAt)} later`);
      this.#lastAt = performance.now();
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.#socket = null;
      this.#log("event", `WebSocket closed, code ${code}: ${explainClose(code, reason)}`);
      this.#buttons();
    };
    this.#buttons();
  }

  #buttons() {
    at("socket-close").disabled = this.#socket === null;
  }

  async #get() {
    const path = at("route-path").value.trim();
    const from = performance.now();
    try {
      if (new URL(path, base).origin !== base.origin) throw new Error("that is another server");
      if (/api\/(v1\/stream|processes)/.test(path)) this.#log("event", "this one never ends in an event stream; Accept: application/json asks for an answer with an end");
      const { status, body, type } = await request("GET", path, { accept: "application/json, text/plain;q=0.9, */*;q=0.8" });
      this.#log("answer", body, `GET ${path}: ${status} ${type.split(";")[0]}, ${this.#since(from)}`);
    } catch (error) {
      this.#log("event", `GET ${path}: ${error.message}, ${this.#since(from)}`);
    }
  }

  async #copy(make, press) {
    let url;
    try {
      url = new URL(at("route-path").value.trim(), base).href;
    } catch {
      return this.#log("event", "not copied: that is no address");
    }
    const words = make(url, hasToken());
    press.dataset.label ??= press.textContent;
    try {
      await navigator.clipboard.writeText(words);
      write(press, "Copied");
    } catch {
      // Without https a browser has no clipboard for pages; the words can be marked in the log.
      write(press, "In the log");
    }
    this.#log("event", words);
    setTimeout(() => write(press, press.dataset.label), 1500);
  }

  /** A frame of the live stream. */
  frame(words) {
    if (!this.isShown) return;
    const now = performance.now();
    const later = this.#lastFrameAt === null ? "first" : `${fixed(now - this.#lastFrameAt)} ms later`;
    this.#lastFrameAt = now;
    if (at("log-frames").checked) this.#log("frame", words, later);
  }

  #since(from) {
    return `${fixed(performance.now() - from, 1)} ms`;
  }

  #log(kind, words, about = "") {
    if (this.#isPaused) {
      this.#held += 1;
      return this.#note();
    }
    const bytes = kind === "event" ? "" : size(new Blob([words]).size);
    const head = make("p", "line-head", make("time", "", clock(Date.now())), make("span", "kind", kind), make("span", "", [bytes, about].filter((one) => one !== "").join(", ")));
    const item = make("li", kind, head);
    if (words.length <= EXCERPT) item.append(make("pre", "", words));
    else {
      const kept = words.slice(0, MOST_KEPT);
      const whole = make("pre");
      const details = make("details", "", make("summary", "", `${words.slice(0, EXCERPT)}\u2026`), whole);
      // Long texts are laid out when somebody wants to see them.
      details.addEventListener("toggle", () => write(whole, details.open ? pretty(kept) + (words.length > MOST_KEPT ? "\n\u2026" : "") : ""));
      item.append(details);
    }
    const log = at("log");
    log.prepend(item);
    while (log.childElementCount > MOST_LINES) log.lastElementChild.remove();
    this.#note();
  }

  #note() {
    const count = at("log").childElementCount;
    const held = this.#isPaused ? `; paused: ${this.#held} new` : "";
    write(at("log-note"), `${count === 0 ? "empty" : `${count} ${count === 1 ? "line" : "lines"}`}${held}`);
  }
}

function pretty(words) {
  try {
    return JSON.stringify(JSON.parse(words), null, 2);
  } catch {
    return words;
  }
}

const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;

/** The request as a command line. A token never goes to the clipboard: its place is named. */
export function asCurl(url, needsToken) {
  return `curl ${needsToken ? '-H "Authorization: Bearer $TOKEN" ' : ""}${quoted(url)}`;
}

export function asPython(url, needsToken) {
  const headers = needsToken ? ', headers={"Authorization": f"Bearer {token}"}' : "";
  return `import requests\n\nanswer = requests.get(${JSON.stringify(url)}${headers}, timeout=10)\nanswer.raise_for_status()\nprint(answer.text)`;
}

export function asJavaScript(url, needsToken) {
  const headers = needsToken ? ", { headers: { Authorization: `Bearer ${token}` } }" : "";
  return `const answer = await fetch(${JSON.stringify(url)}${headers});\nif (!answer.ok) throw new Error(\`status \${answer.status}\`);\nconsole.log(await answer.text());`;
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
      return "the connection was lost or refused";
    case 1008:
      return /worker/i.test(reason) ? `the server did not accept the worker id: it was used or is older than 3 s${said}` : `the server refused: against its rules${said}`;
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

