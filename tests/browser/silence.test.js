// What the page says when nothing comes any more and nobody tells why: a server that stands still, a cable that swallows all, a
// laptop that slept. Timers run in the page's own clock (Playwright's), so that a minute takes no minute.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, browser, eventually, frame, newPage, playStream, server, startServer, state, textOf, untilState, useBrowserAndServer } from "./helper.js";
import { cable } from "./network.js";

const LIMIT = { timeout: 120_000 };
const isFresh = (page) => page.evaluate(() => document.body.dataset.fresh !== undefined);
/** Lets so many seconds pass for the page, in steps in which each timer is called once and little is drawn. */
const pass = async (page, seconds, step = 1) => {
  for (let turn = 0; turn < seconds; turn += step) await page.clock.fastForward(step * 1_000);
};
/** Sits out the page's waits. An attempt that is under way has the time that it needs, unless nothing comes of it. */
const untilLive = async (page) => {
  let tries = 0;
  await eventually(async () => {
    if ((await state(page)) !== "connecting") await pass(page, 4, 4);
    else if ((tries += 1) % 40 === 0) await pass(page, 16, 16);
    return (await state(page)) === "live";
  }, "live by itself");
};
const streams = ({ urls }) => urls.filter((url) => url.includes("api/v1/stream")).length;

useBrowserAndServer();

/** A page whose clock the test may turn on. */
async function clocked(t, url) {
  const tab = await newPage(t, browser);
  await tab.page.clock.install();
  await tab.page.goto(url);
  await untilState(tab.page, "live");
  return tab;
}

/** The machine slept: its clock is `seconds` ahead, its timers stood still. */
const sleepFor = (page, seconds) =>
  page.evaluate((ms) => {
    const now = Date.now;
    Date.now = () => now() + ms;
  }, seconds * 1000);

test("a server that stands still is not live, is given up, and is asked again with back-off until it goes on", LIMIT, async (t) => {
  const own = await startServer();
  t.after(() => own.signal("SIGCONT") && own.stop("SIGKILL"));
  const tab = await clocked(t, own.url);
  const { page, seen } = tab;
  own.signal("SIGSTOP");
  await pass(page, 7);
  assert.equal(await state(page), "stale");
  assert.ok(!(await isFresh(page)), "old numbers look old");
  assert.ok((await page.title()).startsWith("\u2013"), "the title does not claim to be live");
  assert.match(await textOf(page, "banner"), /Nothing new from the server.*is \d+ s old/);
  // Where only one frame came yet, the page gives an unknown interval a minute.
  await pass(page, 64, 4);
  await eventually(async () => /nothing was heard|no numbers came|cannot be reached/.test(await textOf(page, "banner")), "the reason");
  assert.ok(!(await isFresh(page)));
  const before = streams(seen);
  // Each attempt may take 15 s, and a wait follows it: a few in a minute and a half, not a storm and not none.
  await pass(page, 88, 4);
  const attempts = streams(seen) - before;
  assert.ok(attempts >= 3 && attempts <= 8, `${attempts} attempts`);
  assert.match(await textOf(page, "banner"), /is 2 min( \d+ s)? old/, "how old the numbers are");
  own.signal("SIGCONT");
  await untilLive(page);
  assert.ok(await isFresh(page));
  assert.ok(await page.isHidden("#banner"));
  await assertClean(tab, own.url, { consoleErrors: false });
});

test("after the laptop slept nothing old is live, and a new connection takes the place of the dead one", LIMIT, async (t) => {
  const wire = await cable(t, server.port);
  const tab = await clocked(t, wire.url);
  const { page, seen } = tab;
  const before = streams(seen);
  wire.silence();
  await sleepFor(page, 2 * 3600);
  await pass(page, 1);
  assert.notEqual(await state(page), "live");
  assert.ok(!(await isFresh(page)), "numbers of before the sleep look old at once");
  assert.match(await textOf(page, "age"), /^last numbers 2 h( \d+ (s|min))? ago$/);
  assert.ok(streams(seen) > before, "a new stream is asked for at once");
  // The browser may try a connection that it kept; that one is dead as well.
  await untilLive(page);
  assert.ok(await isFresh(page));
  assert.match(await textOf(page, "age"), /^\d+ s ago$/);
  await assertClean(tab, wire.url, { consoleErrors: false });
});

test("what is too old when the tab is looked at again is not live for a moment", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play, urls } = await playStream(page);
  await page.addInitScript(() => {
    window.isHidden = false;
    Object.defineProperty(document, "hidden", { get: () => window.isHidden });
  });
  await page.clock.install();
  await page.goto(server.url);
  await play(frame());
  await untilState(page, "live");
  await page.evaluate(() => (window.isHidden = true));
  await sleepFor(page, 3600);
  const asked = (await urls()).length;
  const shown = await page.evaluate(() => {
    window.isHidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
    return [document.body.dataset.state, document.body.dataset.fresh, document.title];
  });
  assert.deepEqual(shown, ["stale", undefined, "\u2013 played"], "as soon as it is seen");
  assert.ok((await urls()).length > asked, "a new stream");
  await play(frame());
  await untilState(page, "live");
  await assertClean(tab, server.url);
});

test("numbers that stop coming are not shown as live", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.clock.install();
  await page.goto(server.url);
  await play(frame());
  await untilState(page, "live");
  await pass(page, 3);
  assert.equal(await state(page), "live", "a frame may be late");
  await pass(page, 4);
  assert.equal(await state(page), "stale");
  assert.equal(await textOf(page, "state"), "No news");
  assert.match(await textOf(page, "age"), /^last numbers \d+ s ago$/);
  await play(frame());
  await untilState(page, "live");
  await assertClean(tab, server.url);
});
