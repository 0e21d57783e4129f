// The dashboard against the real server: live numbers, a restart, and the console's buttons.

import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  assertClean, browser, eventually, logLines, newPage, server, sleep, startServer, state, textOf, untilState,
  useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };
const NUMBER = /^\d+\.\d$/;

useBrowserAndServer();

test("connects by itself and shows numbers that change, from this server only", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const answer = await page.goto(server.url);
  const policy = answer.headers()["content-security-policy"] ?? "";
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]) {
    assert.ok(policy.includes(rule), `the policy has ${rule}: ${policy}`);
  }
  assert.ok(!policy.includes("unsafe"), policy);
  await untilState(page, "live");
  assert.equal(await textOf(page, "state"), "Live");
  await eventually(async () => NUMBER.test(await page.locator("#cpu-usage > :first-child").textContent()), "CPU usage");
  assert.match(await page.locator("#memory-percent > :first-child").textContent(), NUMBER);
  assert.match(await page.locator("#disk-percent > :first-child").textContent(), NUMBER);
  await eventually(async () => (await textOf(page, "distro")) !== "\u2013", "the system's name");
  assert.match(await textOf(page, "kernel"), /^\d+\.\d+/);
  assert.notEqual(await textOf(page, "user"), "\u2013");
  const rows = page.locator("#processes tr:visible");
  assert.ok((await rows.count()) >= 1, "processes");
  assert.match(await rows.first().locator(".value").first().textContent(), /^\d+$/);
  assert.ok((await page.locator("#interfaces tr").count()) >= 1, "interfaces");
  const uptime = await textOf(page, "uptime");
  await eventually(async () => (await textOf(page, "uptime")) !== uptime, "another uptime");
  const usages = new Set();
  await eventually(async () => {
    usages.add(await textOf(page, "cpu-usage"));
    usages.add(await textOf(page, "memory-percent"));
    return usages.size >= 3;
  }, "another CPU usage or memory figure");
  assert.ok((await logLines(page, "received")).includes("connected to monitor, transmitting data..."));
  await assertClean(tab, server.url);
});

test("asks for the last minutes, which the server has", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const told = page.waitForResponse(/\/api\/v1\/history\?/);
  await page.goto(server.url);
  const answer = await told;
  assert.equal(answer.status(), 200);
  const { series, time } = await answer.json();
  assert.equal(time.length, 300);
  for (const name of ["cpu.busy", "memory.used"]) assert.ok(series[name].mean.some((value) => value !== null), name);
  assert.ok(Object.keys(series).some((name) => /^network\..+\.received$/.test(name)), Object.keys(series).join());
  await assertClean(tab, server.url);
});

test("comes back by itself after the server was killed and started again", LIMIT, async (t) => {
  let own = await startServer();
  t.after(() => own.stop("SIGKILL"));
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(own.url);
  await untilState(page, "live");
  await own.stop("SIGKILL");
  await untilState(page, "waiting");
  // It waits again and again, with an attempt in between.
  await eventually(async () => /^Waiting \d+ s$/.test(await textOf(page, "state")), "the wait in words");
  await eventually(async () => /connection was lost|cannot be reached/.test(await textOf(page, "detail")), "the reason");
  // Somebody else's connection may have the port for a moment.
  const { port } = own;
  own = await eventually(() => startServer({ port }).catch(() => null), "a server on the same port");
  await untilState(page, "live");
  const last = await textOf(page, "detail");
  assert.match(last, /^last data \d\d:\d\d:\d\d$/);
  await eventually(async () => (await textOf(page, "detail")) !== last, "numbers after the restart");
  await own.stop("SIGTERM");
  await eventually(async () => (await state(page)) !== "live", "the stop was noticed");
  await eventually(async () => (await logLines(page, "event")).some((line) => line.includes("code 1001")), "close code 1001");
  await assertClean(tab, own.url, { consoleErrors: false });
});

test("the socket closes and opens by button, and by keyboard alone", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  await page.click("#socket-close");
  await untilState(page, "stopped");
  assert.equal(await textOf(page, "state"), "Stopped by you");
  const requests = seen.urls.length;
  await sleep(1500);
  assert.equal(await state(page), "stopped");
  assert.equal(seen.urls.length, requests, "no attempt while stopped");
  assert.ok(await page.isDisabled("#socket-close"));
  await page.click("#socket-open");
  await untilState(page, "live");

  await page.reload();
  await untilState(page, "live");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "socket-close");
  await page.keyboard.press("Enter");
  await untilState(page, "stopped");
  assert.equal(await page.evaluate(() => document.activeElement.id), "socket-open");
  await page.keyboard.press("Enter");
  await untilState(page, "live");
  await assertClean(tab, server.url);
});

test("asks /system and /network by hand and shows the raw JSON", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await page.click("#ask-system");
  await eventually(async () => (await logLines(page, "answer")).length === 1, "the first answer");
  await page.click("#ask-network");
  await eventually(async () => (await logLines(page, "answer")).length === 2, "the second answer");
  const [network, system] = (await logLines(page, "answer")).map((line) => JSON.parse(line));
  for (const key of ["cpu", "mem", "disk", "user", "platform", "processes"]) assert.ok(key in system, key);
  for (const key of ["interfaces", "statistics", "wireless"]) assert.ok(key in network, key);
  await assertClean(tab, server.url);
});

test("sends a text through the socket and shows what came back", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  await page.fill("#send-text", "hello <b>there</b> \u00e4\u{1F427}");
  await page.keyboard.press("Enter");
  const back = "message received hello <b>there</b> \u00e4\u{1F427}";
  await eventually(async () => (await logLines(page, "received")).includes(back), back);
  assert.deepEqual(await logLines(page, "sent"), ["hello <b>there</b> \u00e4\u{1F427}"]);
  await page.click("#socket-close");
  await page.click("#send-form button");
  await eventually(async () => (await logLines(page, "event"))[0].startsWith("not sent"), "the refusal");
  await assertClean(tab, server.url);
});

test("asks for the token, sends it in a header only, and forgets it on demand", LIMIT, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "psmonitor-browser-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "token");
  const token = "correct-horse-battery-staple-0123456789";
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  const own = await startServer({ args: ["--token-file", file] });
  t.after(() => own.stop());
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(own.url);
  await untilState(page, "locked");
  assert.equal(await textOf(page, "state"), "Token needed");
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await eventually(async () => (await textOf(page, "token-note")).includes("did not accept"), "the refusal");
  await page.fill("#token", token);
  await page.click("#token-form button");
  await untilState(page, "live");
  await eventually(async () => (await textOf(page, "distro")) !== "\u2013", "facts, asked for with the token");
  assert.ok(await page.isHidden("#token-panel"));
  assert.ok(!seen.urls.some((url) => url.includes(token)), "no token in a URL");
  assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie]), [0, ""]);
  await page.reload();
  await untilState(page, "live");
  await page.click("#token-forget");
  await untilState(page, "locked");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await assertClean(tab, own.url, { consoleErrors: false });
});

test("goes on after the tab was frozen in the background", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  await sleep(4000);
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await untilState(page, "live");
  const last = await textOf(page, "detail");
  assert.match(last, /^last data \d\d:\d\d:\d\d$/);
  await eventually(async () => (await textOf(page, "detail")) !== last, "numbers after the sleep");
  await assertClean(tab, server.url);
});

test("is drawn: screenshots in dark, light and phone size", { timeout: 420_000 }, async (t) => {
  // PSMONITOR_SCREENSHOT names the file of the dark one; PSMONITOR_SCREENSHOT_SECONDS lets the charts fill before.
  const folder = await mkdtemp(join(tmpdir(), "psmonitor-shots-"));
  t.after(() => rm(folder, { recursive: true }));
  const seconds = Math.min(300, Number(process.env.PSMONITOR_SCREENSHOT_SECONDS ?? 3));
  const shots = [
    ["dark", { colorScheme: "dark", viewport: { width: 1360, height: 860 } }],
    ["light", { colorScheme: "light", viewport: { width: 1360, height: 860 } }],
    ["phone", { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }],
  ];
  const tabs = await Promise.all(shots.map(([, options]) => newPage(t, browser, options)));
  await Promise.all(tabs.map(({ page }) => page.goto(server.url)));
  await Promise.all(tabs.map(({ page }) => untilState(page, "live")));
  await sleep(seconds * 1000);
  for (const [at, [name]] of shots.entries()) {
    const { page } = tabs[at];
    const path = (name === "dark" && process.env.PSMONITOR_SCREENSHOT) || join(folder, `${name}.png`);
    await page.screenshot({ path });
    assert.ok((await stat(path)).size > 15_000, `${name} is not empty`);
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(content <= window, `${name} does not scroll sideways: ${content} in ${window}`);
    const painted = await page.evaluate(() => {
      const canvas = document.getElementById("memory-chart");
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte !== 0);
    });
    assert.ok(painted, `${name}: the memory chart is painted`);
    await assertClean(tabs[at], server.url);
  }
});
