// The charts: live, every range, back and forth in time, the crosshair, the selection, the address, gaps and bands. Past ones
// come from histories that the program's own code wrote.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertClean, eventually, fillHistory, frame, launch, newPage, playStream, startServer, textOf, untilState } from "./helper.js";

const LIMIT = { timeout: 180_000 };
const DAY = 86_400;

let browser;
let young;
let old;
let made;
let making;

before(async () => {
  browser = await launch();
  young = await startServer();
  made = await mkdtemp(join(tmpdir(), "psmonitor-history-"));
  // Takes a while; the tests that need no past run meanwhile.
  making = fillHistory(made, 730).then(() => startServer({ args: ["--data-dir", made] }));
  making.catch(() => {});
}, { timeout: 60_000 });

after(async () => {
  await young?.stop();
  await (await making?.catch(() => null))?.stop();
  await browser?.close();
  if (made !== undefined) await rm(made, { recursive: true });
}, { timeout: 240_000 });

const chart = (page, id) => page.locator(`[data-chart="${id}"]`);
const label = (page, id) => chart(page, id).locator("canvas").getAttribute("aria-label");
const window_ = (page) => page.locator(".window").first().textContent();

/** Which parts of a chart's width have ink at a height (0 bottom, 1 top): alpha of the pixels there. */
const ink = (page, id, height, parts) =>
  page.evaluate(([id, height, parts]) => {
    const canvas = document.querySelector(`[data-chart="${id}"] canvas`);
    const ratio = canvas.width / canvas.clientWidth;
    const [left, right, top, bottom] = [50, 8, 8, 20].map((one) => one * ratio);
    const y = Math.round(top + (canvas.height - top - bottom) * (1 - height));
    // A copy to read from: the page's own canvas is for drawing.
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, y, canvas.width, 1);
    const alpha = (x) => data[4 * Math.round(x) + 3];
    // Between the lines of the grid: the strongest of neighbours would be one of them.
    return parts.map((part) => Math.min(...[-3, 0, 3].map((beside) => alpha(left + (canvas.width - left - right) * part + beside))));
  }, [id, height, parts]);

/** Charts are drawn one a picture: all of them have been, and can be read. */
const allDrawn = (page) =>
  eventually(async () => {
    const labels = await page.locator("#view-charts .chart canvas").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
    return labels.length >= 12 && labels.every((one) => one.endsWith(".")) && labels.some((one) => one.includes("mean"));
  }, "12 charts that are drawn");

test("live charts of every kind, a row a second, at the right edge", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { from: 0, to: 1, step_seconds: 1, age_seconds: null, time: [], series: {} } }));
  await page.goto(`${young.url}?view=charts&range=1m`);
  for (let at = 0; at < 5; at += 1) await play(frame());
  for (const id of ["cpu", "cores", "load", "pressure", "memory", "swap", "swapping", "network eth0", "disk sda", "busy", "filesystems", "temperatures"]) {
    await eventually(async () => (await chart(page, id).count()) === 1, `the chart ${id}`);
  }
  await allDrawn(page);
  const figures = await chart(page, "cpu").locator(".legend button").allTextContents();
  assert.deepEqual(figures, ["user10.0\u202f%", "system2.0\u202f%", "iowait0.5\u202f%"], "modes that never were are left out");
  assert.match((await chart(page, "memory").locator(".legend").textContent()), /used4\.00.GiBcached8\.00.GiBfree4\.00.GiB/);
  await play(frame({ load: { one: 3.5, five: 1, fifteen: 1 } }));
  await eventually(async () => (await chart(page, "load").locator(".legend").textContent()).startsWith("1 min3.50"), "the next second");
  await assertClean(tab, young.url);
});

test("an empty history says so, a young one says where it begins", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${young.url}?view=charts&range=14d`);
  await untilState(page, "live");
  await eventually(async () => /^The history begins \d+ \w+ \d\d:\d\d/.test(await page.locator("#view-charts > .note").textContent()), "where it begins");
  await page.goto(`${young.url}?view=charts&from=1000000000&to=1000003600`);
  await eventually(async () => (await page.locator("#view-charts > .note").textContent()) === "Nothing is known of this time.", "a word about it");
  await assertClean(tab, young.url);
});

test("many cores are a map of heat, and charts are sharp at any pixel ratio", LIMIT, async (t) => {
  const tab = await newPage(t, browser, { deviceScaleFactor: 2.5 });
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(`${young.url}?view=charts&range=1m`);
  const cores = Array.from({ length: 96 }, (_, core) => ({ core, busy_ratio: core / 95, frequency_mhz: null }));
  for (let at = 0; at < 3; at += 1) await play(frame({ cpu: { total: frame().cpu.total, cores } }));
  await eventually(async () => /96 rows: lowest 0\.0.%, mean 50\.0.%, highest 100\.0.%/.test(await chart(page, "cores").locator(".legend").textContent()), "the summary of 96 cores");
  const [width, shown] = await page.evaluate(() => {
    const canvas = document.querySelector('[data-chart="cores"] canvas');
    return [canvas.width, canvas.clientWidth];
  });
  assert.equal(width, Math.round(shown * 2.5));
  await assertClean(tab, young.url);
});

test("the past is asked for again after a while without frames, and after an error", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  let asked = 0;
  await page.route("**/api/v1/history?*", (route) => {
    asked += 1;
    return asked <= 2 ? route.fulfill({ status: 503, json: { error: "busy now" } }) : route.continue();
  });
  await page.goto(`${young.url}?view=charts`);
  await eventually(async () => (await page.locator("#view-charts > .note").textContent()).includes("busy now"), "the reason");
  await eventually(async () => page.isHidden("#view-charts > .note"), "the past in the end");
  assert.ok((await textOf(page, "state")).length > 0);
  await assertClean(tab, young.url, { consoleErrors: false });
});

test("24 hours, 14 days and two years of history, each with its own axis, gaps and peaks", LIMIT, async (t) => {
  old = await making;
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${old.url}?view=charts&range=24h`);
  await untilState(page, "live");
  await eventually(async () => /user mean \d+.*highest/.test((await label(page, "cpu")) ?? ""), "a past");
  assert.ok(await page.isHidden("#view-charts > .note"), "the history reaches back far enough");
  // Off from six to four hours ago: nothing is drawn there, and no line across.
  const low = await eventually(async () => {
    const found = await ink(page, "memory", 0.02, [0.3, 0.6, 0.79, 0.9]);
    return found[0] > 0 && found[1] > 0 && found[3] > 0 && found;
  }, "memory is drawn");
  assert.equal(low[2], 0, "the gap is a gap");
  for (const [range, words] of [["14 d", /\(14 d\)/], ["2 y", /\(730 d\)/]]) {
    await page.click(`.ranges button:text-is("${range}")`);
    await eventually(async () => words.test(await window_(page)), range);
    await eventually(async () => (await ink(page, "memory", 0.02, [0.5]))[0] > 0, `${range} is drawn`);
  }
  // Two years: off from 40 to 30 days ago. Now and then a sample is at the limit, which the mean hides and the peak shows.
  await eventually(async () => (await ink(page, "memory", 0.02, [1 - 35 / 730]))[0] === 0, "ten days are a gap even in two years");
  const told = await page.evaluate(async () => {
    const answer = await (await fetch("api/v1/history?range=730d&points=600&series=cpu.busy")).json();
    const { mean, max } = answer.series["cpu.busy"];
    return { mean: Math.max(...mean.filter((one) => one !== null)), max: Math.max(...max.filter((one) => one !== null)) };
  });
  assert.ok(told.max > 0.89 && told.mean < 0.75, JSON.stringify(told));
  // No mean is as high as that: what is drawn there is the band.
  const parts = Array.from({ length: 20 }, (_, at) => 0.05 + at * 0.04);
  await eventually(async () => (await ink(page, "cores", 0.72, parts)).filter((alpha) => alpha > 0).length >= 5, "the band between lowest and highest");
  assert.equal(new URL(page.url()).search, "?view=charts&range=2y");
  await page.goBack();
  await eventually(async () => /\(14 d\)/.test(await window_(page)), "the browser's way back");
  await assertClean(tab, old.url);
});

test("a dragged range, back and forth in time, and the address that shows the same to somebody else", LIMIT, async (t) => {
  old = await making;
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${old.url}?view=charts&range=24h`);
  await allDrawn(page);
  const before = await window_(page);
  const plot = chart(page, "load").locator(".plot");
  const box = await plot.boundingBox();
  const x = (part) => box.x + 50 + (box.width - 58) * part;
  await page.mouse.move(x(0.25), box.y + 60);
  await page.mouse.down();
  await page.mouse.move(x(0.4), box.y + 60, { steps: 4 });
  assert.equal(await page.locator("[data-picking]").count(), await page.locator("#view-charts .chart").count(), "selected in all charts");
  await page.mouse.move(x(0.5), box.y + 60, { steps: 4 });
  await page.mouse.up();
  await eventually(() => new URL(page.url()).searchParams.has("from"), "the range in the address");
  const [from, to] = ["from", "to"].map((key) => Number(new URL(page.url()).searchParams.get(key)));
  assert.ok(Math.abs(to - from - DAY / 4) < DAY / 50, `${(to - from) / 3600} h`);
  assert.equal(await page.locator("[data-picking]").count(), 0);
  const shown = await eventually(async () => {
    const words = await window_(page);
    return words !== before && words;
  }, "the range in words");
  const other = await newPage(t, browser);
  await other.page.goto(page.url());
  await eventually(async () => (await window_(other.page)) === shown, "the same window");
  await page.click('button[aria-label^="Earlier"]');
  await eventually(() => Number(new URL(page.url()).searchParams.get("to")) < to - 3600, "earlier");
  await page.click('button[aria-label^="Later"]');
  await page.click('button[aria-label^="Longer"]');
  await eventually(() => {
    const said = new URL(page.url()).searchParams;
    return said.get("to") - said.get("from") > 1.9 * (to - from);
  }, "twice as long");
  await page.keyboard.press("l");
  await eventually(() => new URL(page.url()).search === "?view=charts&range=24h", "live again");
  await page.keyboard.press("2");
  await eventually(() => new URL(page.url()).search === "?view=charts", "the range of a key");
  await assertClean(tab, old.url);
});

test("one crosshair on all charts, by mouse and by keyboard, with the values of that moment", LIMIT, async (t) => {
  old = await making;
  const zone = "Asia/Kathmandu";
  const tab = await newPage(t, browser, { timezoneId: zone });
  const { page } = tab;
  await page.goto(`${old.url}?view=charts&from=${Math.floor(Date.now() / 1000) - 3 * 3600}&to=${Math.floor(Date.now() / 1000) - 3600}`);
  await allDrawn(page);
  const plot = chart(page, "cpu").locator(".plot");
  await plot.scrollIntoViewIfNeeded();
  await plot.hover({ position: { x: 200, y: 60 } });
  const charts = await page.locator("#view-charts .chart").count();
  assert.ok(charts >= 12, `${charts} charts`);
  assert.equal(await page.locator(".crossed").count(), charts);
  const words = await eventually(async () => {
    const times = new Set(await page.locator("#view-charts .when").allTextContents());
    return times.size === 1 && [...times][0];
  }, "the same moment everywhere");
  assert.match(words, /\d\d:\d\d:\d\d$/);
  // The window is from three hours ago to one hour ago, told in the reader's zone and not in the server's.
  const told = [3, 1].map((ago) => new Date(Date.now() - ago * 3_600_000).toLocaleTimeString("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }));
  const minutes = (words) => Number(words.slice(0, 2)) * 60 + Number(words.slice(3, 5));
  const apart = [...(await window_(page)).matchAll(/\d\d:\d\d/g)].map(([words], at) => (minutes(told[at]) - minutes(words) + 1440) % 1440);
  assert.ok(apart.length === 2 && apart.every((one) => one <= 5), `${await window_(page)} and not ${told}`);
  assert.match(await chart(page, "filesystems").locator(".legend").textContent(), /\/55\.0.%\/home72\.0.%/);
  assert.match(await chart(page, "temperatures").locator(".legend").textContent(), /coretemp Core 0\d\d.\u00b0C/);
  await page.mouse.move(5, 5);
  await eventually(async () => (await page.locator(".crossed").count()) === 0, "no crosshair without a pointer");
  await plot.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  const first = await chart(page, "cpu").locator(".when").textContent();
  await page.keyboard.press("ArrowLeft");
  await eventually(async () => (await chart(page, "load").locator(".when").textContent()) < first, "further left");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".crossed").count(), 0);
  await chart(page, "load").locator(".legend button").first().click();
  assert.equal(await chart(page, "load").locator(".legend button").first().getAttribute("aria-pressed"), "false");
  await assertClean(tab, old.url);
});
