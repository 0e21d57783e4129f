// Before anything is painted: the reader's choice of light or dark, and the view without controls. A plain script in the
// head, since a module would come after the first paint. settings.js changes the choice later.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("psmonitor.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage is blocked: the system's choice holds.
  }
  if (new URLSearchParams(location.search).has("kiosk")) root.dataset.kiosk = "";
})();
