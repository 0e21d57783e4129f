// The dashboard fed with messages made for the test: unknown values, hostile names, missing keys, refusals, many interfaces.
// The page and the worker id come from the real server; only the socket (or one answer) is played.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertClean, browser, eventually, logLines, message, newPage, playSocket, server, textOf, untilState,
  useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };
const DASH = "\u2013";

useBrowserAndServer();

/** A live page whose socket was sent these messages. */
async function fed(t, ...messages) {
  const tab = await newPage(t, browser);
  await playSocket(tab.page, (socket) => messages.forEach((one) => socket.send(one)));
  await tab.page.goto(server.url);
  await untilState(tab.page, "live");
  return tab;
}

async function assertNoNonsense(page) {
  const shown = await page.evaluate(() => {
    const copy = document.body.cloneNode(true);
    copy.querySelector("#log").remove();
    return copy.textContent;
  });
  assert.doesNotMatch(shown, /NaN|undefined|null|Infinity|\[object/);
}

test("an unknown value is a dash titled unknown, never a zero", LIMIT, async (t) => {
  const nothing = { total: null, used: null, free: null, percent: null };
  const tab = await fed(t, message({
    cpu: { usage: null, temp: null, freq: null },
    mem: nothing,
    disk: nothing,
    uptime: null,
    processes: [{ pid: 7, name: null, username: null, mem: null, memory_info: null }],
    network: {
      interfaces: ["eth0"],
      statistics: { eth0: { mb_sent: null, mb_received: null, error_in: null, error_out: null, dropout: null } },
      averages: { eth0: { interface: "eth0", in: null, out: null } },
    },
  }));
  const { page } = tab;
  await page.locator("#processes tr").first().waitFor();
  const places = [
    "cpu-usage", "cpu-temp", "cpu-freq", "memory-percent", "memory-used", "memory-free", "memory-total", "network-in",
    "network-out", "disk-percent", "disk-used", "disk-free", "disk-rest", "disk-total",
  ];
  for (const id of places) {
    const place = page.locator(`#${id} > :first-child`);
    assert.equal(await textOf(page, id), DASH, id);
    assert.equal(await place.getAttribute("title"), "unknown", id);
    assert.equal(await place.getAttribute("aria-label"), "unknown", id);
  }
  for (const id of ["uptime", "network-received", "network-sent"]) {
    assert.equal(await textOf(page, id), DASH, id);
    assert.equal(await page.locator(`#${id}`).getAttribute("title"), "unknown", id);
  }
  assert.deepEqual(await page.locator("#processes .value").allTextContents(), ["7", DASH, DASH, DASH]);
  assert.deepEqual(await page.locator("#interfaces .value").allTextContents(), ["eth0", DASH, DASH, DASH, DASH, DASH, DASH]);
  await assertNoNonsense(page);
  await assertClean(tab, server.url);
});

test("a known value takes the dash's title away again", LIMIT, async (t) => {
  const tab = await fed(t, message({ cpu: { usage: null, temp: null, freq: null } }), message());
  const place = tab.page.locator("#cpu-usage > :first-child");
  await eventually(async () => (await place.textContent()) === "12.5", "the usage");
  assert.equal(await place.getAttribute("title"), null);
  assert.equal(await textOf(tab.page, "cpu-usage"), "12.5%");
});

test("a name made of markup stays text", LIMIT, async (t) => {
  const name = "<img src=x onerror=window.pwned=1>";
  const tab = await fed(t, message({
    uptime: name,
    processes: [{ pid: 1, name, username: name, mem: 1, memory_info: [] }],
    network: { interfaces: [name], statistics: {}, averages: { [name]: { interface: name, in: 1, out: 1 } } },
  }));
  const { page } = tab;
  await page.locator("#processes tr").first().waitFor();
  await page.locator("#log details").first().click();
  assert.deepEqual((await page.locator("#processes .value").allTextContents()).slice(1, 3), [name, name]);
  assert.equal(await page.locator("#interfaces .value").first().textContent(), name);
  assert.equal(await textOf(page, "uptime"), name);
  assert.equal(await page.locator("main img").count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await assertClean(tab, server.url);
});

test("an interface list that is null is not an empty one", LIMIT, async (t) => {
  const tab = await fed(t, message({ processes: null, network: { interfaces: null, statistics: null, averages: null } }));
  const { page } = tab;
  await eventually(async () => (await textOf(page, "interfaces-note")) === "The server sent no interfaces.", "the note");
  assert.equal(await textOf(page, "processes-note"), "The server sent no processes.");
  await assertClean(tab, server.url);
});

test("no interfaces, no processes", LIMIT, async (t) => {
  const tab = await fed(t, message({ processes: [], network: { interfaces: [], statistics: {}, averages: {} } }));
  const { page } = tab;
  await eventually(async () => (await textOf(page, "interfaces-note")) === "No network interface.", "the note");
  assert.equal(await textOf(page, "processes-note"), "The server sees no process.");
  assert.equal(await textOf(page, "network-in"), DASH);
  assert.ok(await page.isHidden("#interfaces-all"));
  await assertNoNonsense(page);
  await assertClean(tab, server.url);
});

test("missing keys and wrong types do no harm", LIMIT, async (t) => {
  const strange = [
    "{}",
    '{"cpu":null,"mem":[],"disk":"full","uptime":5,"processes":{"a":1},"network":7}',
    '{"cpu":{"usage":"12"},"processes":[null,3,{"pid":"x","name":{},"mem":"1"}],"network":{"interfaces":[null,4,"eth0"],"statistics":null,"averages":{"eth0":null}}}',
    "[1,2]",
    "{broken",
    "",
    message({ network: undefined }),
  ];
  const tab = await fed(t, ...strange);
  const { page } = tab;
  await eventually(async () => (await textOf(page, "cpu-usage")) === "12.5%", "the last message");
  assert.equal(await textOf(page, "network-in"), DASH);
  assert.equal(await textOf(page, "interfaces-note"), "The server sent no interfaces.");
  await assertNoNonsense(page);
  await assertClean(tab, server.url);
});

test("the busiest of 64 interfaces stand first, the rest behind a button", LIMIT, async (t) => {
  const names = Array.from({ length: 64 }, (_, at) => `veth${String(at).padStart(2, "0")}-with-a-name-that-is-much-too-long`);
  const statistics = {};
  const averages = {};
  names.forEach((key, at) => {
    const traffic = at >= 40 ? at : 0;
    statistics[key] = { mb_sent: traffic, mb_received: traffic, error_in: 0, error_out: 0, dropout: 0 };
    averages[key] = { interface: key, in: traffic, out: traffic };
  });
  const tab = await fed(t, message({ network: { interfaces: names, statistics, averages } }));
  const { page } = tab;
  const rows = page.locator("#interfaces tr");
  await eventually(async () => (await rows.count()) === 9, "nine rows");
  const shown = await page.locator("#interfaces th .value").allTextContents();
  assert.deepEqual(shown, names.slice(55).reverse());
  assert.equal(await textOf(page, "interfaces-note"), "55 idle or less busy interfaces are hidden.");
  assert.equal(await page.locator("#interfaces th .value").first().getAttribute("title"), names[63]);
  await page.click("#interfaces-all");
  assert.equal(await rows.count(), 64);
  assert.equal(await page.locator("#interfaces-all").getAttribute("aria-expanded"), "true");
  await page.click("#interfaces-all");
  assert.equal(await rows.count(), 9);
  await assertClean(tab, server.url);
});

// A page must hold whatever fonts are installed, and a machine has only its own: the letters are drawn narrower and wider
// than any of them. A constructed style sheet, because the page's policy forbids inline styles.
const LETTERS = [["-0.08em", "narrow letters"], ["0", "letters as installed"], ["0.3em", "wide letters"]];
const VIEWPORTS = [
  { width: 1680, height: 900 }, { width: 1360, height: 900 }, { width: 1181, height: 900 }, { width: 760, height: 900 },
  { width: 360, height: 740 },
];
const HUGE = { total: 1.7e308, used: 9.9e12, free: 1e9, percent: 100 };
const HUGE_MESSAGE = {
  cpu: { usage: 100, temp: 123456.7, freq: 1e12 },
  mem: HUGE,
  disk: HUGE,
  uptime: "99999 days, 23 hrs, 59 mins, 59 secs",
  processes: [{ pid: 4194304, name: "x".repeat(4000), username: "u".repeat(300), mem: 1e15, memory_info: [] }],
  network: {
    interfaces: ["lo", "eth0"],
    statistics: { eth0: { mb_sent: 1e18, mb_received: 1e300, error_in: 2 ** 53, error_out: 1, dropout: 2 ** 53 } },
    averages: { eth0: { interface: "eth0", in: 1e15, out: 1e300 } },
  },
};

/**
 * Where every box of the page stands, a line each. Left out are the texts themselves, whose boxes are as wide as they are:
 * what is inline, a large figure's parts, a value beside its name, the head's two sides; and the lines of the log.
 */
function boxes() {
  const texts = ".figure > span:not(.way), .figure > span > span, dd, .brand, .status, #detail";
  const isText = (one) => getComputedStyle(one).display === "inline" || one.matches(texts);
  const all = [...document.querySelectorAll("body *")].filter((one) => !isText(one) && !one.closest("#log > *, svg *"));
  return all.map((one) => {
    const box = one.getBoundingClientRect();
    const name = `${one.closest("[id]")?.id ?? ""} ${one.tagName}`;
    return `${name} ${[box.x + scrollX, box.y + scrollY, box.width, box.height].map((part) => part.toFixed(1)).join(" ")}`;
  });
}

for (const [spacing, letters] of LETTERS) {
  test(`nothing moves when numbers grow from nothing to enormous: ${letters}`, LIMIT, async (t) => {
    for (const viewport of VIEWPORTS) {
      const tab = await newPage(t, browser, { viewport });
      const { page } = tab;
      let socket;
      await playSocket(page, (one) => {
        socket = one;
        one.send(message());
      });
      const platform = { distro: "Debian GNU/Linux 12 (bookworm)", kernel: "6.12.41-amd64", uptime: "1 min" };
      await page.route("**/system", (route) => route.fulfill({ json: { user: "root", platform } }));
      await page.goto(server.url);
      await page.evaluate((spacing) => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(`* { letter-spacing: ${spacing} !important; }`);
        document.adoptedStyleSheets = [sheet];
      }, spacing);
      await untilState(page, "live");
      await eventually(async () => (await textOf(page, "cpu-usage")) === "12.5%", "the first message");
      await eventually(async () => (await textOf(page, "distro")) !== DASH, "the facts");
      const small = await page.evaluate(boxes);
      assert.ok(small.length > 100, `${small.length} boxes`);
      socket.send(message(HUGE_MESSAGE));
      await eventually(async () => (await textOf(page, "cpu-usage")) === "100.0%", "the second message");
      assert.deepEqual(await page.evaluate(boxes), small, `at a width of ${viewport.width}`);
      const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      assert.ok(content <= window, `no sideways scrolling at ${viewport.width}: ${content}`);
      await assertNoNonsense(page);
      await assertClean(tab, server.url);
    }
  });
}

const CODES = [
  [1001, "", "the server is stopping or restarting"],
  [1008, "Invalid worker id", "the server did not accept the worker id"],
  [1013, "", "the server is full"],
];
for (const [code, reason, words] of CODES) {
  test(`close code ${code} is put into words`, LIMIT, async (t) => {
    const tab = await newPage(t, browser);
    const { page } = tab;
    let turns = 0;
    await playSocket(page, (socket) => {
      turns += 1;
      if (turns === 1) socket.close({ code, reason });
      else socket.send(message());
    });
    await page.goto(server.url);
    await eventually(async () => (await logLines(page, "event")).some((line) => line.includes(`code ${code}: ${words}`)), words);
    await untilState(page, "live");
    assert.equal(turns, 2);
    await assertClean(tab, server.url);
  });
}

test("Retry-After of a refused worker is honoured", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const asked = [];
  await page.route(server.url, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    asked.push(Date.now());
    if (asked.length > 1) return route.continue();
    const body = '{"id": null, "status": "too many unclaimed workers"}';
    return route.fulfill({ status: 503, headers: { "Retry-After": "3" }, contentType: "application/json", body });
  });
  await page.goto(server.url);
  await untilState(page, "waiting");
  assert.match(await textOf(page, "detail"), /answered 503: too many unclaimed workers/);
  assert.match(await textOf(page, "state"), /^Waiting \d s$/);
  await untilState(page, "live");
  assert.equal(asked.length, 2);
  const waited = asked[1] - asked[0];
  assert.ok(waited >= 3000 && waited < 10_000, `${waited} ms`);
  await assertClean(tab, server.url, { consoleErrors: false });
});

test("the log holds 200 lines, newest first, and pauses and clears", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  let socket;
  await playSocket(page, (one) => {
    socket = one;
    one.send(message());
  });
  await page.goto(server.url);
  await untilState(page, "live");
  for (let at = 0; at < 300; at += 1) socket.send(`line ${at}`);
  await eventually(async () => (await logLines(page, "received"))[0] === "line 299", "the last line on top");
  assert.equal(await page.locator("#log li").count(), 200);
  assert.equal((await logLines(page, "received")).at(-1), "line 100");
  await page.click("#log-pause");
  socket.send("while paused");
  await eventually(async () => (await textOf(page, "log-note")).endsWith("paused: 1 new"), "the count of held lines");
  assert.equal((await logLines(page, "received"))[0], "line 299");
  await page.click("#log-pause");
  assert.equal((await logLines(page, "received"))[0], "while paused");
  await page.click("#log-clear");
  assert.equal(await page.locator("#log li").count(), 0);
  socket.send(message());
  await page.locator("#log .data").waitFor();
  await page.uncheck("#log-data");
  assert.ok(await page.locator("#log .data").isHidden());
  await assertClean(tab, server.url);
});

test("Retry-After as a date, and nonsense", LIMIT, async (t) => {
  const { page } = await newPage(t, browser);
  await page.goto(server.url);
  const got = await page.evaluate(async () => {
    const { retryAfter } = await import("/static/api.js");
    const now = Date.UTC(2026, 0, 1, 0, 0, 0);
    return ["Thu, 01 Jan 2026 00:00:30 GMT", "Thu, 01 Jan 2025 00:00:00 GMT", "7", "soon", null].map((one) => retryAfter(one, now));
  });
  assert.deepEqual(got, [30, 0, 7, null, null]);
});

test("the charts begin with what the server remembers", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  // A server whose clock is a day ahead, and that was not running for a minute.
  const to = Math.floor(Date.now() / 1000) + 86_400;
  const time = Array.from({ length: 300 }, (_, index) => to - 300 + index);
  const known = (value) => time.map((_, index) => (index >= 100 && index < 160 ? null : value));
  const bytes = (value) => ({ unit: "bytes_per_second", mean: known(value) });
  const series = {
    "cpu.busy": { unit: "ratio", mean: time.map((_, index) => (index === 20 ? 1 : known(0.4)[index])) },
    "memory.used": { unit: "bytes", mean: known(23.54 * 1024 ** 3 * 0.7) },
    "network.eth0.received": bytes(3 * 1024 ** 2),
    "network.eth0.sent": bytes(512 * 1024),
    "network.wlan0.received": bytes(4 * 1024 ** 2),
    "network.wlan0.sent": bytes(null),
    "network.lo.received": bytes(900 * 1024 ** 2),
    "network.lo.sent": bytes(900 * 1024 ** 2),
  };
  const body = JSON.stringify({ from: to - 300, to, step_seconds: 1, age_seconds: 0.5, time, series });
  let asked = 0;
  await page.route("**/api/v1/history?*", (route) => {
    asked += 1;
    return route.fulfill({ contentType: "application/json", body });
  });
  let send = null;
  await playSocket(page, (socket) => {
    send = (usage) => socket.send(message({ cpu: { usage, temp: 42, freq: 2000 } }));
    send(12.5);
  });
  await page.goto(server.url);
  await untilState(page, "live");
  await eventually(async () => (await textOf(page, "cpu-summary")).includes("peak 100.0 %"), "the peak");
  assert.match(await textOf(page, "cpu-summary"), /mean 40\.[12] %/);
  assert.match(await textOf(page, "memory-summary"), /mean 69\.\d %, peak 70\.0 %/);
  assert.equal(await textOf(page, "network-summary"), "5 min: peak in 7.00 MiB/s, out 512 KiB/s");
  // The line is broken where nothing was known: column by column, the filled area under memory's 70 %.
  const filled = () => page.evaluate(() => {
    const canvas = document.getElementById("memory-chart");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const row = Math.round(canvas.height * 0.6);
    return [0.1, 0.25, 0.42, 0.6, 0.9].map((share) => data[4 * (row * canvas.width + Math.round(canvas.width * share)) + 3] > 0);
  });
  assert.deepEqual(await filled(), [true, true, false, true, true]);
  send(50);
  await eventually(async () => (await textOf(page, "cpu-usage")) === "50.0%", "the second message");
  assert.equal(asked, 1, "the past is asked for once");
  await assertClean(tab, server.url);
});
