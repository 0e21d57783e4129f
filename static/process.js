// One process in a dialog: who it is, its command line where the server shows it, its parents, its own CPU and memory since
// the dialog was opened, and ending it where the server allows that. app.js hands it each frame while it is open.

import { ask, request } from "./api.js";
import { Chart } from "./chart.js";
import { DASH, fixed, moment, number, object, objects, percent, rate, size, span, text } from "./format.js";
import { at, button, make, value, write } from "./paint.js";
import { identity, nameOf, parentsOf, pidOf } from "./processes.js";
import { Record } from "./record.js";

/** What was read or written in all, and how fast now. */
const flow = (p, what) => (number(p[`${what}_bytes`]) === null ? DASH : `${size(p[`${what}_bytes`])}, now ${rate(p[`${what}_bytes_per_second`])}`);
const FACTS = [
  ["PID", pidOf],
  ["User", (p) => text(p.user) ?? (number(p.uid) === null ? DASH : String(p.uid))],
  ["State", (p) => text(p.state) ?? DASH],
  ["CPU", (p) => percent(p.cpu_ratio)],
  ["CPU time", (p) => span(number(p.cpu_user_seconds) === null ? null : p.cpu_user_seconds + (p.cpu_system_seconds ?? 0))],
  ["Memory", (p) => size(object(p.memory).resident_bytes)],
  ["Shared", (p) => size(object(p.memory).shared_bytes)],
  ["Virtual", (p) => size(object(p.memory).virtual_bytes)],
  ["Threads", (p) => fixed(p.threads)],
  ["Nice", (p) => (number(p.nice) === null ? DASH : String(p.nice))],
  ["Started", (p) => moment(p.start_time_unix_seconds, 1)],
  ["Read", (p) => flow(p, "read")],
  ["Written", (p) => flow(p, "written")],
];
const LONGEST_SECONDS = 3600;

export class ProcessDialog {
  #dialog = at("process");
  #process = null;
  #record = null;
  #charts = [];
  #places = new Map();
  #list = [];
  #openedAt = null;
  #mayEnd = false;

  constructor() {
    for (const [label] of FACTS) {
      const place = make("span");
      this.#places.set(label, place);
      at("process-facts").append(make("div", "", make("dt", "", label), make("dd", "", place)));
    }
    this.#dialog.addEventListener("close", () => this.#forget());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    at("process-end").addEventListener("click", () => this.#confirm());
    at("process-signal").addEventListener("change", () => this.#calm());
  }

  open(process, list) {
    this.#forget();
    this.#process = process;
    this.#record = new Record();
    this.#openedAt = null;
    for (const [title, unit, name, colour] of [["CPU of one core", "ratio", "cpu", "--cpu"], ["Memory", "bytes", "memory", "--memory"]]) {
      const chart = new Chart({ id: `process ${name}`, title, unit, series: [{ name, label: "now", colour }] });
      chart.onResize = () => this.#draw();
      at("process-charts").append(chart.root);
      this.#charts.push(chart);
    }
    this.#calm();
    write(at("process-outcome"), "");
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#paint(process, list);
    this.#command(process.pid);
    this.#askLeave();
  }

  #forget() {
    for (const chart of this.#charts) chart.remove();
    this.#charts = [];
    this.#process = null;
    this.#record = null;
  }

  /** Takes the frame's processes. */
  show(time, step, processes) {
    if (this.#process === null || !this.#dialog.open) return;
    const list = objects(object(processes).list);
    if (object(processes).complete !== true) return;
    const own = list.find((one) => identity(one) === identity(this.#process));
    if (own === undefined) {
      write(at("process-outcome"), "This process has ended.");
      at("process-end-form").hidden = true;
      return;
    }
    this.#openedAt ??= time;
    this.#record.append(time, step, new Map([["cpu", number(own.cpu_ratio)], ["memory", number(object(own.memory).resident_bytes)]]));
    this.#record.trim(time - LONGEST_SECONDS);
    this.#process = own;
    this.#paint(own, list);
    this.#draw();
  }

  #draw() {
    if (this.#record === null || this.#openedAt === null) return;
    const to = this.#record.time[this.#record.length - 1];
    const from = Math.min(Math.max(this.#openedAt, to - LONGEST_SECONDS), to - 60);
    for (const chart of this.#charts) {
      chart.draw(this.#record, from, to);
      chart.read(this.#record, null);
    }
  }

  #paint(process, list) {
    write(at("process-title"), nameOf(process));
    for (const [label, words] of FACTS) value(this.#places.get(label), words(process));
    this.#list = list;
    const parents = parentsOf(process, list);
    const children = list.filter((one) => one.parent_pid === process.pid && one.pid !== process.pid);
    const key = [...parents, null, ...children].map((one) => one?.pid).join();
    if (at("process-family").dataset.key === key) return;
    at("process-family").dataset.key = key;
    const link = (one) => button(`${nameOf(one)} ${pidOf(one)}`, () => this.open(one, this.#list), "link");
    at("process-parents").replaceChildren(...(parents.length === 0 ? ["none"] : parents.map(link)));
    at("process-children").replaceChildren(...(children.length === 0 ? ["none"] : children.slice(0, 50).map(link)));
    if (children.length > 50) at("process-children").append(` and ${children.length - 50} more`);
  }

  async #command(pid) {
    const place = at("process-command");
    write(place, "\u2026");
    let words;
    try {
      const { cmdline } = object(await ask(`api/process?pid=${pid}`));
      words = text(cmdline) ?? (cmdline === null ? "The server shows command lines to loopback or with a token only." : "None: a thread of the kernel, or it has taken its command line away.");
    } catch (error) {
      words = `Not known: ${error.message}`;
    }
    if (this.#process?.pid === pid) write(place, words);
  }

  /** Whether this reader may end processes here, and if not, why. */
  async #askLeave() {
    const form = at("process-end-form");
    form.hidden = true;
    try {
      const { allowed, reason } = object(object(await ask("api/v1/about")).kill);
      this.#mayEnd = allowed === true;
      form.hidden = !this.#mayEnd;
      write(at("process-leave"), this.#mayEnd ? "" : (text(reason) ?? ""));
    } catch {
      write(at("process-leave"), "");
    }
  }

  #calm() {
    const press = at("process-end");
    delete press.dataset.asked;
    write(press, `Send ${at("process-signal").value}`);
  }

  async #confirm() {
    const press = at("process-end");
    const { pid } = this.#process;
    const signal = at("process-signal").value;
    if (press.dataset.asked === undefined) {
      press.dataset.asked = "";
      write(press, `Really send ${signal} to ${nameOf(this.#process)} (${pid})?`);
      return;
    }
    this.#calm();
    try {
      await request("POST", "api/v1/kill", { body: JSON.stringify({ pid, signal }) });
      write(at("process-outcome"), `${signal} was sent.`);
    } catch (error) {
      write(at("process-outcome"), error.message);
    }
  }
}
