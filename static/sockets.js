// The view of sockets: what listens, to whom it is open, who is connected. Asked for while it is shown, since the frames do
// not carry sockets (Heartbeat's /api/network does). app.js tells when it is shown and which processes there are.

import { openTo, place, port } from "./address.js";
import { ask } from "./api.js";
import { DASH, fixed, number, object, objects, text } from "./format.js";
import { Grid } from "./grid.js";
import { at, make, write } from "./paint.js";

const EVERY_MS = 5_000;
const KINDS = { "2 1": "tcp", "2 2": "udp", "10 1": "tcp6", "10 2": "udp6" };

export class SocketsView {
  #grid = new Grid(at("sockets"), {
    label: "Sockets",
    key: (row) => row.key,
    sort: { key: "state", down: false },
    empty: "The server sees no socket.",
    words: (row) => `${row.kind} ${row.state} ${row.local} ${row.remote} ${row.owner} ${row.open}`,
    tone: (row) => (row.open === "everybody" ? "warn" : null),
    columns: [
      { key: "local", label: "Local address", main: true, get: (row) => row.port, show: (row) => row.local || DASH },
      { key: "kind", label: "Kind", width: "5em", get: (row) => row.kind, show: (row) => row.kind },
      { key: "state", label: "State", width: "9em", get: (row) => row.rank, show: (row) => row.state || DASH },
      { key: "open", label: "Open to", width: "10em", get: (row) => row.open, show: (row) => row.open || DASH, low: true },
      { key: "remote", label: "Remote address", get: (row) => row.remote, show: (row) => row.remote || DASH, low: true },
      { key: "owner", label: "Process", width: "16em", get: (row) => row.owner, show: (row) => row.owner || DASH },
    ],
  });
  #names = new Map();
  #timer = null;
  #isShown = false;
  #isAsking = false;

  constructor(onFilter) {
    this.#grid.scroller.classList.add("tall");
    this.input = at("sockets-filter");
    this.input.addEventListener("input", () => {
      this.#grid.filter(this.input.value);
      onFilter(this.input.value);
    });
  }

  setFilter(words) {
    if (this.input.value !== words) this.input.value = words;
    this.#grid.filter(words);
  }

  /** The processes of a frame, for their names. */
  know(processes) {
    for (const one of objects(object(processes).list)) this.#names.set(one.pid, one.name);
    if (this.#names.size > 20_000) this.#names.clear();
  }

  /** Begins and ends asking. */
  become(isShown) {
    if (isShown === this.#isShown) return;
    this.#isShown = isShown;
    clearInterval(this.#timer);
    if (!isShown) return;
    this.#ask();
    this.#timer = setInterval(() => !document.hidden && this.#ask(), EVERY_MS);
  }

  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const { connections } = object(await ask("api/network"));
      this.#show(objects(connections));
    } catch (error) {
      write(at("sockets-note"), error.message);
    } finally {
      this.#isAsking = false;
    }
  }

  #show(connections) {
    const rows = connections.flatMap((one, at) => {
      const kind = KINDS[`${one.family} ${one.type}`];
      if (kind === undefined) return [];
      // A UDP socket without a peer takes what comes: that is its way to listen.
      const said = text(one.status) === "NONE" ? "" : (text(one.status) ?? "");
      const isListening = said === "LISTEN" || (said === "" || said === "CLOSE") && kind.startsWith("udp") && port(one.remoteaddr) === 0;
      const pid = number(one.pid);
      const owner = pid === null || pid === 0 ? "" : `${this.#names.get(pid) ?? ""} ${pid}`.trim();
      return [{
        key: `${kind} ${place(one.localaddr)} ${place(one.remoteaddr)} ${one.fd} ${pid} ${at}`,
        kind, owner, local: place(one.localaddr), port: port(one.localaddr), remote: port(one.remoteaddr) === 0 ? "" : place(one.remoteaddr),
        state: isListening ? "listening" : said.toLowerCase().replaceAll("_", " "), rank: isListening ? "0" : `1 ${said}`,
        open: isListening ? openTo(one.localaddr) : "", isListening,
      }];
    });
    this.#grid.set(rows);
    this.#summary(rows);
  }

  #summary(rows) {
    const listening = rows.filter((row) => row.isListening);
    const established = rows.filter((row) => row.state === "established");
    const wide = listening.filter((row) => row.open === "everybody");
    const ports = [...new Set(wide.map((row) => row.port))].sort((a, b) => a - b);
    const facts = [
      ["Listening", fixed(listening.length)],
      ["Open to everybody", ports.length === 0 ? "none" : `${ports.slice(0, 12).join(", ")}${ports.length > 12 ? " \u2026" : ""}`],
      ["Established", fixed(established.length)],
      ["TCP and UDP in all", fixed(rows.length)],
    ];
    at("sockets-facts").replaceChildren(...facts.map(([name, words]) => make("div", "", make("dt", "", name), make("dd", "", words))));
    write(at("sockets-note"), "");
  }
}
