// The overview and the connection against the real server: live numbers, a restart, a token, what is wrong, being hidden.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertClean, browser, eventually, filesystem, frame, newPage, playStream, server, sleep, startServer, state, textOf, tokenArgs,
  untilState, useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };
const DASH = "\u2013";

useBrowserAndServer();

const figure = (page, id) => page.locator(`#tile-${id} .amount`).first().textContent();

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
  await eventually(async () => /^\d+\.\d%$/.test(await figure(page, "cpu")), "CPU usage");
  assert.match(await figure(page, "memory"), /^\d+\.\d%$/);
  assert.match(await figure(page, "disk"), /^\d+\.\d%$/);
  assert.match(await textOf(page, "facts"), /.+ \u00b7 \d+\.\d+/, "distribution and kernel");
  assert.match(await textOf(page, "uptime"), /^up \d/);
  await eventually(async () => /^\d s ago$/.test(await textOf(page, "age")), "the age of the last frame");
  assert.notEqual(await textOf(page, "host"), "psmonitor");
  assert.ok((await page.locator("#largest .row").count()) >= 1, "processes");
  await eventually(async () => (await page.locator("#busiest .row").count()) >= 1, "busy processes");
  assert.ok((await page.locator("#full .row").count()) >= 1, "file systems");
  const figures = new Set();
  await eventually(async () => {
    for (const id of ["cpu", "memory", "load"]) figures.add(`${id} ${await figure(page, id)}`);
    return figures.size >= 5;
  }, "other figures");
  await assertClean(tab, server.url);
});

test("what is wrong stands out, in the page, the title and the icon", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(server.url);
  await play(frame());
  await untilState(page, "live");
  assert.equal(await page.title(), "played");
  assert.ok(await page.isHidden("#problems"));
  assert.match(await page.getAttribute("#icon", "href"), /favicon\.svg$/);
  await play(frame({ filesystems: [filesystem("/", 0.98)], memory: { total_bytes: 2 ** 34, used_bytes: 2 ** 34 * 0.94, used_ratio: 0.94 } }));
  await eventually(async () => (await page.title()) === "(2) played", "the count in the title");
  assert.match(await page.getAttribute("#icon", "href"), /^data:image\/svg\+xml,.*%3E2%3C/);
  const words = await page.locator("#problems .problem").allTextContents();
  assert.match(words[0], /Severe: \/ is 98\.0.%.full/);
  assert.match(words[1], /Warning: Memory is 94/);
  await page.click("#problems .bad a");
  assert.match(page.url(), /\?view=storage$/);
  await play(frame());
  await eventually(async () => (await page.title()) === "played", "all is well again");
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
  await eventually(async () => /^Waiting \d+ s$/.test(await textOf(page, "state")), "the wait in words");
  await eventually(async () => /connection was lost|cannot be reached/.test(await textOf(page, "banner")), "the reason");
  await eventually(async () => /is \d+ s old/.test(await textOf(page, "banner")), "how old the numbers are");
  assert.ok((await page.title()).startsWith(DASH), "the title does not claim to be live");
  assert.equal(await page.evaluate(() => document.body.dataset.fresh), undefined, "what is old looks old");
  // Somebody else's connection may have the port for a moment.
  const { port } = own;
  own = await eventually(() => startServer({ port }).catch(() => null), "a server on the same port");
  await untilState(page, "live");
  await eventually(async () => page.isHidden("#banner"), "no more talk of the past");
  await own.stop("SIGTERM");
  await eventually(async () => (await state(page)) !== "live", "the stop was noticed");
  await eventually(async () => (await textOf(page, "banner")).includes("stopping or restarting"), "the reason in words");
  await assertClean(tab, own.url, { consoleErrors: false });
});

test("pauses and goes on by button", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  await page.click("#pause");
  await untilState(page, "stopped");
  assert.equal(await textOf(page, "state"), "Paused");
  const requests = seen.urls.filter((url) => url.includes("/stream")).length;
  await sleep(1_200);
  assert.equal(seen.urls.filter((url) => url.includes("/stream")).length, requests, "no attempt while paused");
  await page.click("#pause");
  await untilState(page, "live");
  await assertClean(tab, server.url);
});

test("asks for the token, sends it in a header only, and forgets it on demand", LIMIT, async (t) => {
  const token = "correct-horse-battery-staple-0123456789";
  const own = await startServer({ args: await tokenArgs(t, token) });
  t.after(() => own.stop());
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(own.url);
  await untilState(page, "locked");
  assert.match(await textOf(page, "token-note"), /wants to know who you are/);
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await eventually(async () => (await textOf(page, "token-note")).includes("did not accept"), "the refusal");
  await page.fill("#token", token);
  await page.click("#token-form button");
  await untilState(page, "live");
  await eventually(async () => (await page.locator("#large .empty").first().textContent()) === "", "the past, asked for with the token");
  assert.ok(await page.isHidden("#token-panel"));
  assert.ok(!seen.urls.some((url) => url.includes(token)), "no token in a URL");
  assert.ok(!(await page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie]))).includes(token));
  await page.reload();
  await untilState(page, "live");
  await page.click("#settings-open");
  await page.click("#token-forget");
  await untilState(page, "locked");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await assertClean(tab, own.url, { consoleErrors: false });
});

test("a server that is full says so, and the page waits as long as it asks", LIMIT, async (t) => {
  const own = await startServer({ args: ["--max-connections", "1"] });
  t.after(() => own.stop());
  const [first, second] = [await newPage(t, browser), await newPage(t, browser)];
  await first.page.goto(own.url);
  await untilState(first.page, "live");
  await second.page.goto(own.url);
  await untilState(second.page, "waiting");
  await eventually(async () => /Not connected: the server answered 503: .*(full|capacity|streams|connections)/i.test(await textOf(second.page, "banner")), "why");
  await first.page.close();
  await untilState(second.page, "live");
  await assertClean(second, own.url, { consoleErrors: false });
});

test("goes on after its thread stood still, with the stream that it has", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  const streams = () => seen.urls.filter((url) => url.includes("/stream")).length;
  const before = streams();
  // Held by the debugger: no timer, no frame, no painting, as in a tab that the browser froze. (Chromium freezes hidden tabs alone.)
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Debugger.enable");
  const paused = new Promise((resolve) => devtools.once("Debugger.paused", resolve));
  await devtools.send("Debugger.pause");
  await paused;
  await sleep(3_000);
  await devtools.send("Debugger.resume");
  await devtools.detach();
  await eventually(async () => /^[01] s ago$/.test(await textOf(page, "age")), "the latest frame");
  assert.equal(await state(page), "live");
  assert.equal(streams(), before, "no stream anew");
  await assertClean(tab, server.url);
});

test("while the tab is hidden frames are taken and nothing is drawn", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.addInitScript(() => {
    window.drawn = 0;
    const real = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function clearRect(...args) {
      window.drawn += 1;
      return real.apply(this, args);
    };
    window.isHidden = false;
    Object.defineProperty(document, "hidden", { get: () => window.isHidden });
  });
  const { play } = await playStream(page);
  await page.goto(server.url);
  await play(frame());
  await eventually(() => page.evaluate(() => window.drawn > 5), "the first picture");
  await page.evaluate(() => (window.isHidden = true));
  await sleep(100);
  const before = await page.evaluate(() => window.drawn);
  await play(frame(), frame({ memory: { used_ratio: 0.95 } }));
  await eventually(async () => (await page.title()) === "(1) played", "the title, which is seen");
  await sleep(300);
  assert.equal(await page.evaluate(() => window.drawn), before, "drawings while hidden");
  assert.equal(await figure(page, "memory"), "25.0%");
  await page.evaluate(() => {
    window.isHidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await eventually(async () => (await figure(page, "memory")) === "95.0%", "the latest frame");
  await eventually(async () => (await page.evaluate(() => window.drawn)) > before, "a picture");
  await assertClean(tab, server.url);
});
