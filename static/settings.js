// The reader's choices: light or dark, units. Kept in this browser; nothing of it goes to the server.
// app.js calls `prepareSettings` once.

import { units } from "./format.js";
import { at } from "./paint.js";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const CHOICES = { theme: ["system", "light", "dark"], bytes: ["iec", "si"], heat: ["c", "f"] };

function recall(key) {
  try {
    const kept = localStorage.getItem(`psmonitor.${key}`);
    return CHOICES[key].includes(kept) ? kept : CHOICES[key][0];
  } catch {
    return CHOICES[key][0];
  }
}

function keep(key, choice) {
  try {
    if (choice === CHOICES[key][0]) localStorage.removeItem(`psmonitor.${key}`);
    else localStorage.setItem(`psmonitor.${key}`, choice);
  } catch {
    // Storage is blocked: the choice holds until the page is left.
  }
}

function apply(key, choice) {
  if (key !== "theme") units[key] = choice;
  else document.documentElement.dataset.theme = choice === "system" ? (systemIsDark.matches ? "dark" : "light") : choice;
}

/** Fills the form of choices and listens to it; `changed()` is called after each change, also of the system's theme. */
export function prepareSettings(changed) {
  const form = at("settings-form");
  for (const key of Object.keys(CHOICES)) {
    const choice = recall(key);
    apply(key, choice);
    for (const input of form.elements[key]) input.checked = input.value === choice;
  }
  form.addEventListener("change", (event) => {
    const { name, value } = event.target;
    if (!(name in CHOICES)) return;
    keep(name, value);
    apply(name, value);
    changed();
  });
  at("theme-switch").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    keep("theme", next);
    apply("theme", next);
    for (const input of form.elements.theme) input.checked = input.value === next;
    changed();
  });
  systemIsDark.addEventListener("change", () => {
    if (form.elements.theme.value !== "system") return;
    apply("theme", "system");
    changed();
  });
}
