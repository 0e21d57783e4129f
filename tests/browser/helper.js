// What the browser tests share: the real server as a child process, Chromium, and a page that records whatever it does wrong.
// A missing tool fails the tests with a word on how to install it; nothing is skipped.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

export const BINARY = process.env.PSMONITOR_BIN ?? fileURLToPath(new URL("../../target/debug/psmonitor", import.meta.url));
const GENERATOR = process.env.PSMONITOR_HISTORY ?? join(dirname(BINARY), "examples", "history");
/** Where this is set, the scripts and styles of that folder stand in for those in the program: work on them needs no building. */
const PAGE = process.env.PSMONITOR_STATIC ?? null;
const STATIC = PAGE ?? fileURLToPath(new URL("../../static", import.meta.url));
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

/** Starts the server. Resolves with `{url, port, signal(name), stop(signal)}` once it has said where it listens. */
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
      const found = /(https?):\/\/127\.0\.0\.1:(\d+)/.exec(printed);
      if (found !== null) resolve([found[1], Number(found[2])]);
    });
    ended.then((code) => reject(new Error(`the server ended with ${code}: ${complaints}`)));
  });
  const limit = new AbortController();
  const late = sleep(60_000, null, { signal: limit.signal }).then(
    () => Promise.reject(new Error(`the server printed no address within 60 s: ${printed}${complaints}`)),
    () => {},
  );
  try {
    const [scheme, bound] = await Promise.race([address, late]);
    const stop = async (signal = "SIGTERM") => {
      child.kill(signal);
      const forced = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await ended;
      clearTimeout(forced);
    };
    return { url: `${scheme}://127.0.0.1:${bound}/`, port: bound, signal: (name) => child.kill(name), stop };
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

/** One browser for all tests of the file that calls this. */
export function useBrowser() {
  before(async () => (browser = await launch()), { timeout: 180_000 });
  after(() => browser?.close(), { timeout: 60_000 });
}

/** One browser and one server for all tests of the file that calls this. */
export function useBrowserAndServer() {
  useBrowser();
  before(async () => (server = await startServer()), { timeout: 180_000 });
  after(() => server?.stop(), { timeout: 60_000 });
}

/** A page in a context of its own, closed after the test. `faults()` lists what went wrong so far. */
export async function newPage(t, browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  t.after(() => context.close());
  if (PAGE !== null) await servePage(context);
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

/**
 * Lets scripts and styles come from the folder PAGE. The page itself stays the program's: Chromium lets one that did not come
 * over the network open no WebSocket to this machine.
 */
const servePage = (context) => context.route(/\/static\/[\w-]+\.\w+$/, (route) => route.fulfill({ path: join(PAGE, basename(new URL(route.request().url()).pathname)) }));

/** What axe finds wrong with the page. Through the debugger, which the content policy does not bind; the page stays as it is. */
export async function axeViolations(page) {
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
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

/**
 * Waits until so many pictures were made, that is until all that a frame calls for is drawn: one chart a picture, and a view has some dozen.
 */
export const pictures = (page, count = 20) =>
  page.evaluate(async (count) => {
    for (let at = 0; at < count; at += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
  }, count);

export const textOf = (page, id) => page.locator(`#${id}`).textContent();
export const state = (page) => page.evaluate(() => document.body.dataset.state);
export const untilState = (page, name, limit) => eventually(async () => (await state(page)) === name, `state ${name}`, limit);
export const logLines = (page, kind) => page.locator(`#log .${kind}`).allTextContents();

/** A folder that is gone after the test. */
export async function folder(t) {
  const made = await mkdtemp(join(tmpdir(), "psmonitor-browser-"));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

const secretFile = async (t, name, line) => {
  const file = join(await folder(t), name);
  await writeFile(file, `${line}\n`, { mode: 0o600 });
  return file;
};

/** The arguments that make a server ask for this token. */
export const tokenArgs = async (t, token) => ["--token-file", await secretFile(t, "token", token)];

/** The arguments that give a server the user "ann" with the password "secret". */
export const userArgs = async (t) => ["--users-file", await secretFile(t, "users", "ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a")];

/** Fills a data directory with so many days of history, by the program's own code (examples/history.rs). */
export async function fillHistory(into, days) {
  assert.ok(existsSync(GENERATOR), `${GENERATOR} is missing. Build it: cargo build --example history (or set PSMONITOR_HISTORY)`);
  await promisify(execFile)(GENERATOR, [into, String(days)], { timeout: 480_000 });
}

/** The page's modules that need no page, for Node: copied beside a package.json that says what they are. */
export async function modules(...names) {
  const made = await mkdtemp(join(tmpdir(), "psmonitor-modules-"));
  await cp(STATIC, made, { recursive: true });
  await writeFile(join(made, "package.json"), '{ "type": "module" }');
  try {
    return await Promise.all(names.map((name) => import(pathToFileURL(join(made, name)).href)));
  } finally {
    await rm(made, { recursive: true });
  }
}

/**
 * Plays the server's part on the live stream: `play(frame, ...)` of what comes back sends frames, `end()` ends the stream,
 * `streams()` tells which there were. Everything else stays the real server's.
 */
export async function playStream(page) {
  await page.addInitScript(() => {
    const real = window.fetch;
    window.streams = [];
    window.fetch = (address, options) => {
      if (!String(address).includes("api/v1/stream")) return real(address, options);
      const stream = { url: String(address), control: null, isOpen: true };
      window.streams.push(stream);
      const body = new ReadableStream({
        start: (control) => (stream.control = control),
        cancel: () => (stream.isOpen = false),
      });
      options.signal.addEventListener("abort", () => {
        if (stream.isOpen) stream.control.error(new DOMException("aborted", "AbortError"));
        stream.isOpen = false;
      });
      return Promise.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    };
    window.play = (text) => {
      const stream = window.streams.at(-1);
      stream.control.enqueue(new TextEncoder().encode(text));
    };
    window.endStream = () => {
      window.streams.at(-1).isOpen = false;
      window.streams.at(-1).control.close();
    };
  });
  const ready = () => eventually(() => page.evaluate(() => window.streams.length > 0 && window.streams.at(-1).isOpen), "an open stream");
  return {
    play: async (...frames) => {
      await ready();
      for (const frame of frames) await page.evaluate((text) => window.play(text), `data: ${JSON.stringify(frame)}\n\n`);
    },
    raw: async (text) => {
      await ready();
      await page.evaluate((text) => window.play(text), text);
    },
    end: () => page.evaluate(() => window.endStream()),
    urls: () => page.evaluate(() => window.streams.map(({ url }) => url)),
  };
}

let clock = Math.floor(Date.now() / 1000);

export const processRow = (pid, parts = {}) => ({
  pid, parent_pid: 1, name: `worker ${pid}`, state: "sleeping", uid: 1000, user: "ann", threads: 3, nice: 0,
  start_time_unix_seconds: 1_700_000_000 + pid, cpu_user_seconds: 12, cpu_system_seconds: 3, cpu_ratio: 0.01,
  memory: { resident_bytes: pid * 1024 * 1024, virtual_bytes: 2 ** 31, shared_bytes: 2 ** 20, text_bytes: 0, library_bytes: 0, data_bytes: 0, dirty_bytes: 0 },
  memory_ratio: 0.01, ...parts,
});

const traffic = (bytes, rate) => ({ bytes, packets: 1000, errors: 0, dropped: 0, fifo: 0, frame_or_collisions: 0, compressed: 0, multicast_or_carrier: 0, bytes_per_second: rate, packets_per_second: 10 });

export const networkInterface = (name, received, sent, parts = {}) => ({
  name, received: traffic(7e9, received), sent: traffic(3e9, sent),
  link: { index: 2, flags: 4163, mtu_bytes: 1500, mac: "02:00:00:00:00:01", operational_state: "up", speed_bits_per_second: 1e9, duplex: "full", addresses: [{ ip: "192.0.2.7", prefix_length: 24 }, { ip: "2001:db8::7", prefix_length: 64 }] },
  ...parts,
});

export const filesystem = (mount_point, used_ratio, parts = {}) => ({
  device: "/dev/sda1", mount_point, type: "ext4", options: "rw,relatime", also_at: [], major: 8, minor: 1, device_backed: true, stuck: false,
  usage: { total_bytes: 1e12, used_bytes: used_ratio * 1e12, available_bytes: (1 - used_ratio) * 1e12, free_bytes: (1 - used_ratio) * 1e12, used_ratio, inodes_total: 1e6, inodes_free: 9e5, inodes_used: 1e5, inodes_used_ratio: 0.1, read_only: false },
  ...parts,
});

/** A frame like the server's, a second after the one before, with parts replaced. */
export function frame(parts = {}) {
  clock += 1;
  const ratios = { user: 0.1, nice: 0, system: 0.02, idle: 0.875, iowait: 0.005, irq: 0, softirq: 0, steal: 0, guest: 0, guest_nice: 0 };
  const stall = { some: { avg10_ratio: 0.01, avg60_ratio: 0, avg300_ratio: 0, total_seconds: 1 }, full: null };
  return {
    time_unix_seconds: clock, interval_seconds: 1,
    host: { hostname: "played", distribution: "Debian GNU/Linux 12 (bookworm)", kernel: "6.1.0", architecture: "x86_64", own_user: "root", cpu_models: [] },
    uptime_seconds: 100_000,
    cpu: { total: { busy_ratio: 0.125, ratios, seconds: ratios }, cores: [0, 1, 2, 3].map((core) => ({ core, busy_ratio: 0.1 * core, ratios, frequency_mhz: 2400 })) },
    cpu_frequency_mhz: 2400, cpu_temperature_celsius: 42,
    memory: { total_bytes: 2 ** 34, available_bytes: 3 * 2 ** 32, used_bytes: 2 ** 32, free_bytes: 2 ** 32, used_ratio: 0.25 },
    swap: { total_bytes: 2 ** 31, used_bytes: 2 ** 28, free_bytes: 2 ** 31 - 2 ** 28, used_ratio: 0.125, in_bytes_per_second: 0, out_bytes_per_second: 0 },
    load: { one: 0.5, five: 0.4, fifteen: 0.3, runnable: 1, total: 100 },
    pressure: { cpu: stall, memory: stall, io: stall },
    averages: {},
    disks: [{ name: "sda", whole: true, read_bytes: 1e9, written_bytes: 2e9, read_bytes_per_second: 4096, written_bytes_per_second: 8192, reads_per_second: 1, writes_per_second: 2, busy_ratio: 0.05 }],
    filesystems: [filesystem("/", 0.4), filesystem("/home", 0.6)],
    interfaces: [networkInterface("lo", 1e9, 1e9, { link: { addresses: [{ ip: "127.0.0.1", prefix_length: 8 }], operational_state: "unknown" } }), networkInterface("eth0", 1.5 * 2 ** 20, 2 ** 18)],
    wireless: [],
    sensors: { temperatures: [{ chip: "coretemp", label: "Package id 0", celsius: 42, high_celsius: 80, critical_celsius: 100 }], fans: [{ chip: "thinkpad", label: "fan1", rpm: 2400 }] },
    processes: { visibility: "all", count: 3, complete: true, list: [processRow(1, { name: "init", parent_pid: 0 }), processRow(20), processRow(30, { parent_pid: 20 })] },
    readers: [{ name: "cpu", duration_seconds: 0.001, success: true, error: null }],
    ...parts,
  };
}
