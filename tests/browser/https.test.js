// The page behind https: the server's own TLS with a certificate that only its own authority vouches for, and nginx in front.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { assertClean, eventually, folder, launch, logLines, newPage, startServer, tokenArgs, untilState, userArgs } from "./helper.js";
import { certificate, nginx } from "./network.js";

const LIMIT = { timeout: 120_000 };

let browser;
let made;
let tls;

before(async () => {
  made = await mkdtemp(join(tmpdir(), "psmonitor-tls-"));
  tls = await certificate(made);
  browser = await launch([`--ignore-certificate-errors-spki-list=${tls.pin}`]);
}, LIMIT);

after(async () => {
  await browser?.close();
  if (made !== undefined) await rm(made, { recursive: true });
}, LIMIT);

/** Live numbers, the past, and a WebSocket by its ticket: all of it encrypted. */
async function everythingWorks({ page, seen }) {
  await untilState(page, "live");
  assert.ok(await page.evaluate(() => isSecureContext));
  const load = () => page.evaluate(() => document.getElementById("tile-load").textContent + document.querySelector("#tile-memory .sub").textContent);
  const first = await load();
  await eventually(async () => (await load()) !== first, "numbers that change");
  await page.click("nav a[data-view=charts]");
  await eventually(async () => (await page.locator("#view-charts .chart").count()) > 5, "charts");
  await page.click("nav a[data-view=test]");
  await page.click("#socket-open");
  await eventually(async () => (await logLines(page, "received")).some((line) => line.includes("connected to monitor")), "the WebSocket");
  await page.click("#socket-close");
  const inTheClear = seen.urls.filter((url) => !/^(https|wss|data):/.test(url));
  assert.deepEqual(inTheClear, []);
  assert.ok(seen.urls.some((url) => url.startsWith("wss:")), "a WebSocket over TLS");
}

test("the server's own TLS: a user logs in, numbers, past and WebSocket come encrypted", LIMIT, async (t) => {
  const server = await startServer({ args: ["--tls-cert", tls.chain, "--tls-key", tls.key, ...(await userArgs(t))] });
  t.after(() => server.stop());
  assert.match(server.url, /^https:/);
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "locked");
  await page.fill("#login-name", "ann");
  await page.fill("#login-password", "secret");
  await page.keyboard.press("Enter");
  await everythingWorks(tab);
  await page.reload();
  await untilState(page, "live");
  await assertClean(tab, server.url, { consoleErrors: false });
  assert.deepEqual(tab.seen.consoleErrors.filter((words) => !words.includes("status of 401")), []);
});

test("a certificate that nobody vouches for is not talked to", LIMIT, async (t) => {
  const other = await folder(t);
  const { chain, key } = await certificate(other);
  const server = await startServer({ args: ["--tls-cert", chain, "--tls-key", key] });
  t.after(() => server.stop());
  const { page } = await newPage(t, browser);
  await assert.rejects(page.goto(server.url), /ERR_CERT_AUTHORITY_INVALID/);
});

test("behind nginx with TLS and HTTP/2, below a path, as docs/proxy.md says", LIMIT, async (t) => {
  const token = "a-token-behind-a-proxy-0123456789";
  const server = await startServer({ args: ["--base-path", "/monitor", "--trusted-proxy", "127.0.0.1", ...(await tokenArgs(t, token))] });
  t.after(() => server.stop());
  const port = await nginx(t, await folder(t), tls, `http://127.0.0.1:${server.port}`);
  const url = `https://127.0.0.1:${port}/monitor/`;
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(url);
  assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2");
  await untilState(page, "locked");
  await page.fill("#token", token);
  await page.keyboard.press("Enter");
  await everythingWorks(tab);
  const outside = seen.urls.filter((one) => !one.startsWith("data:") && !new URL(one).pathname.startsWith("/monitor/"));
  assert.deepEqual(outside, [], "nothing is asked for above the path");
  assert.ok(!seen.urls.some((one) => one.includes(token)), "no token in a URL");
  await assertClean(tab, url, { consoleErrors: false });
  assert.deepEqual(seen.consoleErrors.filter((words) => !words.includes("status of 401")), []);
});
