// A server that asks who one is: the ways in that it has, and no other.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, axeViolations, browser, eventually, newPage, startServer, textOf, tokenArgs, untilState, useBrowser, userArgs } from "./helper.js";

const LIMIT = { timeout: 60_000 };
const TOKEN = "correct-horse-battery-staple-0123456789";

useBrowser();

const focused = (page) => page.evaluate(() => document.activeElement.id);

test("a user logs in with a password, which stays nowhere", LIMIT, async (t) => {
  const server = await startServer({ args: await userArgs(t) });
  t.after(() => server.stop());
  const tab = await newPage(t, browser);
  const { page, seen } = tab;
  await page.goto(server.url);
  await untilState(page, "locked");
  assert.ok(await page.isVisible("#login-form"), "the only way in is open");
  assert.ok(await page.isHidden("#token-form"), "there is no token to give");
  assert.equal(await focused(page), "login-name");
  assert.deepEqual(await axeViolations(page), []);
  await page.keyboard.type("ann");
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

test("where there is only a token no password is asked for, and what was said stays said", LIMIT, async (t) => {
  const server = await startServer({ args: await tokenArgs(t, TOKEN) });
  t.after(() => server.stop());
  const { page } = await newPage(t, browser);
  await page.addInitScript(() => sessionStorage.setItem("psmonitor.token", "one-that-was-taken-back"));
  await page.clock.install();
  await page.goto(server.url);
  await untilState(page, "locked");
  assert.ok(await page.isHidden("#login"));
  assert.equal(await focused(page), "token");
  assert.match(await textOf(page, "token-note"), /did not accept/);
  await page.focus("#theme-switch");
  await page.clock.runFor(3_000);
  assert.match(await textOf(page, "token-note"), /did not accept/, "the reason stays");
  assert.equal(await focused(page), "theme-switch", "nobody is called back");
  await page.fill("#token", "not ascii \u00e4");
  await page.keyboard.press("Enter");
  assert.match(await textOf(page, "token-note"), /no spaces and no letters beyond ASCII/);
});

test("where there are both, the password's form is folded and works", LIMIT, async (t) => {
  const server = await startServer({ args: [...(await tokenArgs(t, TOKEN)), ...(await userArgs(t))] });
  t.after(() => server.stop());
  const { page } = await newPage(t, browser);
  await page.goto(server.url);
  await untilState(page, "locked");
  assert.ok(await page.isVisible("#token-form"));
  assert.ok(await page.isHidden("#login-form"));
  await page.click("#login summary");
  await page.fill("#login-name", "ann");
  await page.fill("#login-password", "secret");
  await page.keyboard.press("Enter");
  await untilState(page, "live");
});

test("a login that has run out is asked for again, with the reason, and the view stays", LIMIT, async (t) => {
  const server = await startServer({ args: await userArgs(t) });
  t.after(() => server.stop());
  const tab = await newPage(t, browser);
  const { page } = tab;
  // What the server says when the hour is over. The stream that is open goes on.
  let isOver = false;
  await page.route("**/api/v1/**", (route) => (isOver ? route.fulfill({ status: 401, json: { error: "this needs a login", ways: ["password"] } }) : route.continue()));
  const logIn = async () => {
    await page.fill("#login-name", "ann");
    await page.fill("#login-password", "secret");
    await page.keyboard.press("Enter");
    await untilState(page, "live");
  };
  await page.goto(`${server.url}?view=charts&range=1h`);
  await untilState(page, "locked");
  await logIn();
  await eventually(async () => (await page.locator("#view-charts .chart").count()) > 0, "charts");
  isOver = true;
  await page.click('.ranges button:text-is("24 h")');
  await untilState(page, "locked");
  assert.equal(await textOf(page, "token-note"), "The server did not accept the token: it is wrong, was taken back, or is a login that has run out.");
  assert.equal(await focused(page), "login-name");
  assert.equal(new URL(page.url()).search, "?view=charts&range=24h");
  isOver = false;
  await logIn();
  assert.equal(new URL(page.url()).search, "?view=charts&range=24h");
  await eventually(async () => /^The history begins|^$/.test(await page.locator("#view-charts > .note").textContent()), "the past is known again");
  // A stream that is opened anew is refused as well.
  isOver = true;
  await page.click("#pause");
  await untilState(page, "stopped");
  await page.click("#pause");
  await untilState(page, "locked");
  isOver = false;
  await logIn();
  assert.equal(new URL(page.url()).search, "?view=charts&range=24h");
  await assertClean(tab, server.url, { consoleErrors: false });
});
