// What the browser tests share: the real server as a child process, Chromium, and a page that records whatever it does wrong.
// A missing tool fails the tests with a word on how to install it; nothing is skipped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BINARY = process.env.PSMONITOR_BIN ?? fileURLToPath(new URL("../../target/debug/psmonitor", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export { sleep };

/** Starts Chromium from the system's package, with further flags. */
export async function launch(flags = []) {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing. Install it: apt-get install -y chromium (or set CHROMIUM)`);
  let playwright;
  try {
    playwright = await import("playwright-core");
  } catch (error) {
    throw new Error(`playwright-core is missing. Install it: cd tests/browser && npm ci (${error.message})`);
  }
  return playwright.chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags], timeout: 60_000 });
}

/** Starts the server. Resolves with `{url, port, stop(signal)}` once it has said where it listens. */
export async function startServer({ port = 0, args = [] } = {}) {
  assert.ok(existsSync(BINARY), `${BINARY} is missing. Build it: cargo build (or set PSMONITOR_BIN to the program)`);
  const child = spawn(BINARY, ["--listen", `127.0.0.1:${port}`, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let complaints = "";
  child.stderr.on("data", (bytes) => (complaints = (complaints + bytes).slice(-4000)));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const address = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.stdout.on("data", (bytes) => {
      printed = (printed + bytes).slice(-4000);
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(printed);
      if (found !== null) resolve(Number(found[1]));
    });
    ended.then((code) => reject(new Error(`the server ended with ${code}: ${complaints}`)));
  });
  const limit = new AbortController();
  const late = sleep(60_000, null, { signal: limit.signal }).then(
    () => Promise.reject(new Error(`the server printed no address within 60 s: ${printed}${complaints}`)),
    () => {},
  );
  try {
    const bound = await Promise.race([address, late]);
    const stop = async (signal = "SIGTERM") => {
      child.kill(signal);
      const forced = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await ended;
      clearTimeout(forced);
    };
    return { url: `http://127.0.0.1:${bound}/`, port: bound, stop };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    limit.abort();
  }
}

/** The browser and the server of a test file that called `useBrowserAndServer`. */
export let browser;
export let server;

/** One browser and one server for all tests of the file that calls this. */
export function useBrowserAndServer() {
  before(async () => {
    browser = await launch();
    server = await startServer();
  }, { timeout: 180_000 });
  after(async () => {
    await server?.stop();
    await browser?.close();
  }, { timeout: 60_000 });
}

/** A page in a context of its own, closed after the test. `faults()` lists what went wrong so far. */
export async function newPage(t, browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const seen = { consoleErrors: [], pageErrors: [], urls: [] };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") seen.consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => seen.pageErrors.push(String(error)));
  context.on("request", (request) => seen.urls.push(request.url()));
  page.on("websocket", (socket) => seen.urls.push(socket.url()));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return { page, seen };
}

/** Fails unless the page kept to its own server, broke no rule of its content policy, and reported no error. */
export async function assertClean({ page, seen }, url, { consoleErrors = true } = {}) {
  const host = new URL(url).host;
  const elsewhere = seen.urls.filter((one) => !one.startsWith("data:") && new URL(one).host !== host);
  assert.deepEqual(elsewhere, [], "requests to another host");
  assert.ok(seen.urls.length > 3, "requests were recorded");
  assert.deepEqual(await page.evaluate(() => window.violations), [], "violations of the content policy");
  assert.deepEqual(seen.pageErrors, [], "uncaught errors");
  if (consoleErrors) assert.deepEqual(seen.consoleErrors, [], "errors on the browser's console");
}

/** Asks until the answer is truthy, and returns it. */
export async function eventually(ask, what, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) assert.fail(`not within ${limit / 1000} s: ${what}`);
    await sleep(50);
  }
}

export const textOf = (page, id) => page.locator(`#${id}`).textContent();
export const state = (page) => page.evaluate(() => document.body.dataset.state);
export const untilState = (page, name, limit) => eventually(async () => (await state(page)) === name, `state ${name}`, limit);
export const logLines = (page, kind) => page.locator(`#log .${kind} pre:last-child`).allTextContents();

/** Plays the server's part on the socket: `play(socket)` is called for each connection the page makes. */
export function playSocket(page, play) {
  return page.routeWebSocket(/\/connect\?id=/, (socket) => {
    socket.send("connected to monitor, transmitting data...");
    play(socket);
  });
}

/** A message like the server's, with parts replaced. */
export function message(parts = {}) {
  return JSON.stringify({
    cpu: { usage: 12.5, temp: 42, freq: 2000 },
    mem: { total: 23.54, used: 2.15, free: 20.64, percent: 9.1 },
    disk: { total: 251.97, used: 15.54, free: 75.33, percent: 17.1 },
    uptime: "29 mins, 40 secs",
    processes: [{ pid: 310, name: "python", username: "root", mem: 31.6, memory_info: [1, 2, 3, 4, 0, 5, 0] }],
    network: {
      interfaces: ["lo", "eth0"],
      statistics: { eth0: { mb_sent: 3, mb_received: 700, pk_sent: 1, pk_received: 2, error_in: 0, error_out: 0, dropout: 0 } },
      averages: { eth0: { interface: "eth0", in: 1.5, out: 0.25 } },
    },
    ...parts,
  });
}
