// A table that stays quick with thousands of rows: only those in sight are in the page. Sorts by every column, filters, and
// keeps the rows in their places while somebody reads. The views that list things (processes, sockets, ...) have one each.

import { DASH } from "./format.js";
import { attribute, fill, make, mark, value, write } from "./paint.js";

const ROW_PX = 32;
/** Rows made beyond the edges, so that scrolling finds them there. */
const BEYOND = 8;
/** How long the order holds after the last move of a pointer or key over the rows. */
const HOLD_MS = 8_000;

export class Grid {
  #spec;
  #rows = [];
  #shown = [];
  #pool = [];
  #heldUntil = 0;
  #terms = [];
  #drawn = false;
  #heads = new Map();

  /**
   * `spec`: `label`; `key(row)`; `columns`: `[{key, label, width, get(row), show(row), number, bar(row), low, main}]` where
   * `get` gives what is sorted by, `low` columns give way on a phone, `optional` ones where nothing is known, and the `main` one names the row; `sort`: `{key,
   * down}`; `words(row)`: what the filter looks at; `open(row)` when rows can be opened; `arrange(rows, compare)` to order
   * them otherwise (a tree), which may set `row.depth`; `empty`: what is said when there is none; `tone(row)`.
   */
  constructor(host, spec) {
    this.#spec = spec;
    this.sort = { ...spec.sort };
    this.head = make("tr");
    this.body = make("tbody");
    this.above = make("tr", "space");
    this.below = make("tr", "space");
    for (const space of [this.above, this.below]) {
      space.setAttribute("aria-hidden", "true");
      // One cell alone: one over all columns would keep room for those that are hidden.
      space.append(make("td"));
    }
    this.table = make("table", "grid", make("thead", "", this.head), this.body);
    this.table.setAttribute("aria-label", spec.label);
    this.scroller = make("div", "scroller", this.table);
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "region");
    this.scroller.setAttribute("aria-label", `${spec.label}, scrollable`);
    this.note = make("p", "note", "No data yet.");
    host.append(this.scroller, this.note);
    this.#heading();
    this.body.append(this.above, this.below);
    const hold = () => (this.#heldUntil = performance.now() + HOLD_MS);
    for (const kind of ["pointermove", "keydown", "wheel"]) this.body.addEventListener(kind, hold, { passive: true });
    this.body.addEventListener("focusin", hold);
    this.body.addEventListener("pointerleave", () => (this.#heldUntil = 0));
    this.scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    if (spec.open !== undefined) {
      this.body.addEventListener("click", (event) => {
        const line = event.target.closest("tr");
        const row = line === null ? undefined : this.#shown[Number(line.dataset.at)];
        // Somebody who marks text does not mean to open it.
        if (row !== undefined && String(getSelection()) === "") spec.open(row);
      });
    }
    new ResizeObserver(() => this.#later()).observe(this.scroller);
  }

  #heading() {
    for (const column of this.#spec.columns) {
      const press = make("button", "", column.label);
      press.type = "button";
      press.addEventListener("click", () => {
        // Numbers are wanted largest first, words from A.
        this.sort = { key: column.key, down: this.sort.key === column.key ? !this.sort.down : column.number === true };
        this.#heldUntil = 0;
        this.update();
      });
      const th = make("th", classOf(column), press);
      th.scope = "col";
      th.dataset.column = column.key;
      if (column.title) th.title = column.title;
      if (column.width) th.style.width = column.width;
      this.head.append(th);
      this.#heads.set(column.key, th);
    }
  }

  /** Whether somebody reads, so that the order is held. */
  get isHeld() {
    return performance.now() < this.#heldUntil;
  }

  /** How many rows the filter leaves, of how many. */
  get counts() {
    return [this.#shown.length, this.#rows.length];
  }

  /** Takes the rows. `note` is what is said instead of them when there are none. */
  set(rows, note = null) {
    this.#rows = rows;
    this.emptyNote = note;
    this.update();
  }

  /** Shows the rows that have each word of `text`. */
  filter(text) {
    this.#terms = text.toLowerCase().split(/\s+/).filter((term) => term !== "");
    this.#heldUntil = 0;
    this.update();
  }

  /** Puts the rows in order and shows them. */
  update() {
    const { key, arrange, words } = this.#spec;
    let rows = this.#rows;
    if (this.#terms.length > 0) {
      const fits = (row) => {
        const all = words(row).toLowerCase();
        return this.#terms.every((term) => all.includes(term));
      };
      rows = this.#spec.filterTree?.(rows, fits) ?? rows.filter(fits);
    }
    const column = this.#spec.columns.find((one) => one.key === this.sort.key) ?? this.#spec.columns[0];
    const way = this.sort.down ? -1 : 1;
    const compare = (a, b) => way * order(column.get(a), column.get(b)) || order(key(a), key(b));
    if (this.isHeld && this.#shown.length > 0) {
      const fresh = new Map(rows.map((row) => [key(row), row]));
      const held = [];
      for (const old of this.#shown) {
        const row = fresh.get(key(old));
        if (row !== undefined) {
          fresh.delete(key(old));
          row.depth = old.depth;
          held.push(row);
        } else held.push({ ...old, isGone: true });
      }
      this.#shown = [...held, ...[...fresh.values()].sort(compare)];
    } else this.#shown = arrange?.(rows, compare) ?? [...rows].sort(compare);
    for (const [name, th] of this.#heads) {
      const words = name === column.key ? (this.sort.down ? "descending" : "ascending") : "none";
      attribute(th, "aria-sort", words);
    }
    // A column that nothing is known of takes no room.
    for (const { key: name, optional, get } of this.#spec.columns) {
      if (optional) this.table.classList.toggle(`without-${name}`, this.#rows.every((row) => get(row) === null));
    }
    const isEmpty = this.#shown.length === 0;
    this.scroller.hidden = isEmpty;
    this.note.hidden = !isEmpty;
    if (isEmpty) write(this.note, this.#rows.length > 0 ? "Nothing fits the filter." : (this.emptyNote ?? this.#spec.empty));
    attribute(this.table, "aria-rowcount", String(this.#shown.length + 1));
    this.#later();
  }

  #later() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      this.#draw();
    });
  }

  #draw() {
    if (this.scroller.offsetParent === null) return;
    const count = this.#shown.length;
    const top = Math.max(0, Math.floor(this.scroller.scrollTop / ROW_PX) - BEYOND);
    const first = Math.min(top, Math.max(0, count - 1));
    const room = Math.ceil(this.scroller.clientHeight / ROW_PX) + 2 * BEYOND;
    const last = Math.min(count, first + Math.max(room, 20));
    while (this.#pool.length < last - first) this.#pool.push(this.#line());
    this.#pool.forEach((line, at) => {
      const row = first + at < last ? this.#shown[first + at] : undefined;
      if (row === undefined) {
        if (line.tr.isConnected) line.tr.remove();
        return;
      }
      if (!line.tr.isConnected) this.body.insertBefore(line.tr, this.below);
      this.#fill(line, row, first + at);
    });
    const spaces = [[this.above, first], [this.below, count - last]];
    for (const [space, rows] of spaces) space.firstElementChild.style.height = `${rows * ROW_PX}px`;
    for (const [space, rows] of spaces) space.hidden = rows === 0;
  }

  #line() {
    const cells = this.#spec.columns.map((column) => {
      const place = make(column.main && this.#spec.open ? "button" : "span", "value");
      if (place.tagName === "BUTTON") place.type = "button";
      const td = make(column.main ? "th" : "td", classOf(column), place);
      if (column.main) td.scope = "row";
      td.dataset.column = column.key;
      let bar = null;
      if (column.bar !== undefined) {
        bar = make("span", "bar thin");
        bar.setAttribute("aria-hidden", "true");
        td.append(bar);
      }
      return { td, place, bar };
    });
    return { tr: make("tr", this.#spec.open ? "opens" : "", ...cells.map(({ td }) => td)), cells };
  }

  #fill({ tr, cells }, row, at) {
    attribute(tr, "aria-rowindex", String(at + 2));
    mark(tr, "at", String(at));
    mark(tr, "odd", at % 2 === 1 ? "" : null);
    mark(tr, "gone", row.isGone ? "" : null);
    mark(tr, "tone", this.#spec.tone?.(row) ?? null);
    this.#spec.columns.forEach((column, number) => {
      const { td, place, bar } = cells[number];
      const words = column.show(row);
      if (place.tagName === "BUTTON") write(place, words);
      else value(place, words);
      if (!column.number && words !== DASH && words.length > 8) attribute(place, "title", words);
      else if (words !== DASH && place.title !== "") place.removeAttribute("title");
      if (bar !== null) fill(bar, column.bar(row));
      if (column.main && row.depth !== undefined) td.style.setProperty("--depth", String(Math.min(20, row.depth)));
      if (column.alarm !== undefined) mark(td, "alarm", column.alarm(row) ? "" : null);
    });
  }
}

const classOf = (column) => [column.number ? "number" : "", column.low ? "low" : "", column.main ? "main" : ""].filter(Boolean).join(" ");

/** What is unknown comes last in either direction's beginning: below everything. */
function order(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
