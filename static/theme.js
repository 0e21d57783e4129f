// Before anything is painted: light or dark, as the reader chose or else as their system has it, and the view without controls.
// A plain script in the head, since a module would come after the first paint. settings.js changes the choice later.
(() => {
  const root = document.documentElement;
  let theme = null;
  try {
    theme = localStorage.getItem("psmonitor.theme");
  } catch {
    // Storage is blocked: the system's choice holds.
  }
  if (theme !== "light" && theme !== "dark") theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = theme;
  if (new URLSearchParams(location.search).has("kiosk")) root.dataset.kiosk = "";
})();
