// Writing values into the page: the one place where text reaches an element, always as textContent, and only when it changed.
// Called by every module that shows something.

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

/** Writes a large figure and the small unit behind it, into an element with a place for each. */
export function figure(element, [words, unit]) {
  value(element.firstElementChild, words);
  write(element.lastElementChild, unit);
}

/** Sets how far a bar is filled, by a share of 0 to 1. Null empties it. */
export function fill(element, ratio) {
  const bounded = ratio === null || !Number.isFinite(ratio) ? 0 : Math.min(1, Math.max(0, ratio));
  const words = bounded.toFixed(3);
  if (element.dataset.share === words) return;
  element.dataset.share = words;
  element.style.setProperty("--share", words);
}

export function attribute(element, key, words) {
  if (element.getAttribute(key) !== words) element.setAttribute(key, words);
}

/** Sets `data-...`, or takes it away when `words` is null. */
export function mark(element, key, words) {
  if (words === null) {
    if (key in element.dataset) delete element.dataset[key];
  } else if (element.dataset[key] !== words) {
    element.dataset[key] = words;
  }
}

/** An element with a class, and children (elements or texts). */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/** A button that says `words` and calls `act`. */
export function button(words, act, className = "") {
  const element = make("button", className, words);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** The element of the page with this id. */
export const at = (id) => document.getElementById(id);
