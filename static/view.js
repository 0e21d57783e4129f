// The dashboard's numbers and charts. app.js hands it every message and says when to paint; it knows no socket.
// Every message is recorded for the charts, also while the tab is hidden; only painting waits until somebody looks.

import { Chart, Record, WINDOW_MS, roundLimit } from "./chart.js";
import { DASH, amount, fixed, number, object, percent, rate, size, text } from "./format.js";
import { InterfaceTable, traffic } from "./interfaces.js";
import { attribute, figure, fill, name, value, write } from "./paint.js";
import { ProcessTable } from "./processes.js";

const RING = 2 * Math.PI * 40;
const MINUTES = `${WINDOW_MS / 60_000} min`;

export class View {
  #at;
  #records = { cpu: new Record(), memory: new Record(), network: new Record() };
  #charts;
  #interfaces;
  #processes;
  #message = null;

  /** `at(id)` finds an element of the page. */
  constructor(at) {
    this.#at = at;
    const share = (key, colour) => ({
      series: [{ key, colour, name: "" }],
      limit: () => 100,
      label: (one) => (number(one) === null ? DASH : `${fixed(one, one === 100 || one === 50 ? 0 : 1)} %`),
    });
    this.#charts = [
      new Chart(at("cpu-chart"), this.#records.cpu, share("usage", "--cpu")),
      new Chart(at("memory-chart"), this.#records.memory, share("percent", "--memory")),
      new Chart(at("network-chart"), this.#records.network, {
        series: [
          { key: "in", colour: "--in", name: "in" },
          { key: "out", colour: "--out", name: "out", dashed: true },
        ],
        limit: roundLimit,
        label: rate,
      }),
    ];
    this.#interfaces = new InterfaceTable(at("interfaces"), at("interfaces-note"), at("interfaces-all"));
    this.#processes = new ProcessTable(at("processes"), at("processes-note"));
  }

  /** Takes a message of the socket. Paints nothing. */
  record(message, time) {
    this.#message = message;
    this.#records.cpu.add(time, { usage: object(message.cpu).usage });
    this.#records.memory.add(time, { percent: object(message.mem).percent });
    this.#records.network.add(time, traffic(object(message.network)));
  }

  /** Takes what was measured before the first message, or while the connection was gone. */
  past({ cpu, memory, network }) {
    this.#records.cpu.fill(cpu);
    this.#records.memory.fill(memory);
    this.#records.network.fill(network);
  }

  /** Size of the memory in GiB, as the last message told it. */
  get memoryGib() {
    return number(object(this.#message?.mem).total);
  }

  /** Breaks the charts' lines: the connection is gone. */
  gap(time) {
    for (const record of Object.values(this.#records)) record.gap(time);
  }

  /** Shows what `GET /system` said about the host. */
  facts(system) {
    const platform = object(system.platform);
    name(this.#at("distro"), text(platform.distro) ?? DASH);
    name(this.#at("kernel"), text(platform.kernel) ?? DASH);
    name(this.#at("user"), text(system.user) ?? DASH);
  }

  /** Paints the latest message and the charts up to `now`. */
  paint(now) {
    const message = this.#message;
    if (message !== null) {
      this.#cpu(object(message.cpu), now);
      this.#memory(object(message.mem), now);
      this.#disk(object(message.disk));
      this.#network(object(message.network), now);
      name(this.#at("uptime"), text(message.uptime) ?? DASH);
      this.#processes.show(message.processes);
      this.#interfaces.show(object(message.network));
    }
    for (const chart of this.#charts) chart.draw(now);
  }

  #cpu(cpu, now) {
    figure(this.#at("cpu-usage"), percent(cpu.usage), "%");
    figure(this.#at("cpu-temp"), fixed(cpu.temp, 1), "\u00b0C");
    figure(this.#at("cpu-freq"), fixed(cpu.freq), "MHz");
    this.#share("cpu", this.#records.cpu.summary("usage", now));
  }

  #memory(memory, now) {
    figure(this.#at("memory-percent"), percent(memory.percent), "%");
    for (const key of ["used", "free", "total"]) figure(this.#at(`memory-${key}`), ...amount(memory[key], "GiB"));
    this.#share("memory", this.#records.memory.summary("percent", now));
  }

  #share(id, summary) {
    const words = (key) => (summary === null ? DASH : `${percent(summary[key])} %`);
    write(this.#at(`${id}-summary`), `${MINUTES}: mean ${words("mean")}, peak ${words("peak")}`);
  }

  #disk(disk) {
    figure(this.#at("disk-percent"), percent(disk.percent), "%");
    for (const key of ["used", "free", "total"]) figure(this.#at(`disk-${key}`), ...amount(disk[key], "GiB"));
    const [total, used, free] = [disk.total, disk.used, disk.free].map(number);
    const rest = total === null || used === null || free === null ? null : Math.max(0, total - used - free);
    figure(this.#at("disk-rest"), ...amount(rest, "GiB"));
    const share = number(disk.percent);
    const filled = share === null ? 0 : (Math.min(100, Math.max(0, share)) / 100) * RING;
    attribute(this.#at("disk-ring"), "stroke-dasharray", `${filled.toFixed(1)} ${RING.toFixed(1)}`);
    fill(this.#at("disk-bar"), share === null ? null : share / 100);
  }

  #network(network, now) {
    const sums = traffic(network);
    for (const way of ["in", "out"]) {
      const [words, unit] = amount(sums[way], "MiB");
      figure(this.#at(`network-${way}`), words, `${unit}/s`);
    }
    const peak = (way) => rate(this.#records.network.summary(way, now)?.peak ?? null);
    write(this.#at("network-summary"), `${MINUTES}: peak in ${peak("in")}, out ${peak("out")}`);
    let received = null;
    let sent = null;
    for (const [key, statistics] of Object.entries(object(network.statistics))) {
      if (key === "lo") continue;
      const one = object(statistics);
      if (number(one.mb_received) !== null) received = (received ?? 0) + one.mb_received;
      if (number(one.mb_sent) !== null) sent = (sent ?? 0) + one.mb_sent;
    }
    value(this.#at("network-received"), size(received, "MiB"));
    value(this.#at("network-sent"), size(sent, "MiB"));
  }
}
