// A user logs in with a password instead of a token.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { assertClean, eventually, launch, newPage, startServer, textOf, untilState } from "./helper.js";

const LIMIT = { timeout: 60_000 };

/** bcrypt of "secret". */
const HASH = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

let browser;
before(async () => (browser = await launch()), LIMIT);
after(() => browser?.close(), LIMIT);

test("a user logs in with a password, which stays nowhere", LIMIT, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "psmonitor-login-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "users");
  await writeFile(file, `ann:${HASH}\n`, { mode: 0o600 });
  const server = await startServer({ args: ["--users-file", file] });
  t.after(() => server.stop());
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(server.url);
  await untilState(page, "locked");
  await page.click("#login summary");
  await page.fill("#login-name", "ann");
  await page.fill("#login-password", "wrong");
  await page.keyboard.press("Enter");
  await eventually(async () => (await textOf(page, "token-note")).includes("password is wrong"), "the refusal");
  assert.equal(await page.inputValue("#login-password"), "");
  assert.equal(await page.inputValue("#login-name"), "ann");
  await page.fill("#login-password", "secret");
  await page.click("#login-form button");
  await untilState(page, "live");
  await eventually(async () => /^up /.test(await textOf(page, "uptime")), "facts");
  assert.ok(await page.isHidden("#token-panel"));
  const stored = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
  assert.ok(!stored.includes("secret"), stored);
  assert.ok(!seen.urls.some((url) => url.includes("secret") || url.includes("ann")), "neither stands in a URL");
  await page.reload();
  await untilState(page, "live");
  await page.click("#settings-open");
  await page.click("#token-forget");
  await untilState(page, "locked");
  await assertClean(tab, server.url, { consoleErrors: false });
});

test("without users the page says what to do", LIMIT, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "psmonitor-login-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "token");
  await writeFile(file, "correct-horse-battery-staple-0123456789\n", { mode: 0o600 });
  const server = await startServer({ args: ["--token-file", file] });
  t.after(() => server.stop());
  const { page } = await newPage(t, browser);
  await page.goto(server.url);
  await untilState(page, "locked");
  await page.click("#login summary");
  await page.fill("#login-name", "ann");
  await page.fill("#login-password", "secret");
  await page.keyboard.press("Enter");
  await eventually(async () => (await textOf(page, "token-note")).includes("--users-file"), "the answer");
  await untilState(page, "locked");
});
