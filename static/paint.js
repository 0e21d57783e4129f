// Writing a value into the page: the one place where text reaches an element, always as textContent, and only when it changed.
// Called by view.js, interfaces.js, processes.js and app.js.

import { DASH } from "./format.js";

/** Sets an element's text, unless it says that already. */
export function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** Writes a value. A dash gets the title and the spoken name "unknown". */
export function value(element, words, unknown = "unknown") {
  write(element, words);
  if (words === DASH) {
    attribute(element, "title", unknown);
    attribute(element, "role", "img");
    attribute(element, "aria-label", unknown);
  } else if (element.hasAttribute("aria-label")) {
    for (const name of ["title", "role", "aria-label"]) element.removeAttribute(name);
  }
}

/** Writes a name that may be longer than its place: what is cut off there is in the title. */
export function name(element, words) {
  value(element, words);
  if (words !== DASH) attribute(element, "title", words);
}

/** Writes a large figure and the small unit behind it. */
export function figure(element, words, unit) {
  value(element.firstElementChild, words);
  write(element.lastElementChild, words === DASH ? "" : unit);
}

/** Sets how far a bar is filled, by a share of 0 to 1. Null empties it. */
export function fill(element, share) {
  const bounded = share === null ? 0 : Math.min(1, Math.max(0, share));
  element.style.setProperty("--share", bounded.toFixed(4));
}

export function attribute(element, key, words) {
  if (element.getAttribute(key) !== words) element.setAttribute(key, words);
}

/** An element with a class, and children (elements or texts). */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** A table cell with a place for a value inside it. */
export function cell(className, label, role = "cell") {
  const place = make("span", "value");
  const td = make(role === "rowheader" ? "th" : "td", className, place);
  td.setAttribute("role", role);
  if (role === "rowheader") td.scope = "row";
  td.dataset.label = label;
  return { td, place };
}
