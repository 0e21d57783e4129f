// The table of the largest processes. Called by view.js with the list of each message.
// Rows are made once and filled anew, so nothing flickers and a selected text stays.

import { DASH, fixed, number, object, text } from "./format.js";
import { cell, fill, make, name, value, write } from "./paint.js";

export class ProcessTable {
  #body;
  #note;
  #rows = [];

  constructor(body, note) {
    this.#body = body;
    this.#note = note;
  }

  /** Shows `list`, in the order it came: the server sends the largest first. */
  show(list) {
    const processes = Array.isArray(list) ? list.map(object) : [];
    const largest = Math.max(0, ...processes.map((process) => number(process.mem) ?? 0));
    while (this.#rows.length < processes.length) this.#rows.push(this.#addRow());
    this.#rows.forEach((row, at) => {
      row.line.hidden = at >= processes.length;
      if (at < processes.length) fillRow(row, processes[at], largest);
    });
    this.#note.hidden = processes.length > 0;
    write(this.#note, Array.isArray(list) ? "The server sees no process." : "The server sent no processes.");
  }

  #addRow() {
    const pid = cell("number", "PID");
    const command = cell("name", "Name", "rowheader");
    const user = cell("name", "User");
    const memory = cell("number memory", "MiB");
    const bar = make("span", "bar thin");
    bar.setAttribute("aria-hidden", "true");
    memory.td.append(bar);
    const line = make("tr", "", pid.td, command.td, user.td, memory.td);
    line.setAttribute("role", "row");
    this.#body.append(line);
    return { line, pid: pid.place, command: command.place, user: user.place, memory: memory.place, bar };
  }
}

function fillRow(row, process, largest) {
  const pid = number(process.pid);
  const memory = number(process.mem);
  value(row.pid, pid === null ? DASH : String(pid));
  name(row.command, text(process.name) ?? DASH);
  name(row.user, text(process.username) ?? DASH);
  value(row.memory, fixed(memory, 1));
  fill(row.bar, memory === null || largest === 0 ? null : memory / largest);
}
