// What the page costs whoever leaves it open: memory over time, and pictures of 12 charts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClean, browser, eventually, frame, newPage, playStream, processRow, server, untilState, useBrowserAndServer } from "./helper.js";

const LIMIT = { timeout: 240_000 };
const BUDGET_MS = 1000 / 60;
const PICTURES = 240;

useBrowserAndServer();

const busy = (parts = {}) => {
  const one = frame({ ...parts, processes: { visibility: "all", count: 60, complete: true, list: Array.from({ length: 60 }, (_, at) => processRow(at + 1, { cpu_ratio: Math.random() })) } });
  one.cpu.total.busy_ratio = Math.random();
  for (const core of one.cpu.cores) core.busy_ratio = Math.random();
  return one;
};

/**
 * Runs `act(most, more)` in the page with the trace on: `costs`, what the page's own thread did for each picture (script, style,
 * layout, painting, and what the canvases cost it) in milliseconds of the processor, dearest first; `screen`, what it then took
 * to put the picture together; and how many pictures Chromium dropped.
 */
async function traced(page, most, act, more) {
  const devtools = await browser.newBrowserCDPSession();
  const events = [];
  devtools.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const includedCategories = ["toplevel", "devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline.frame", "blink.user_timing", "viz"];
  await devtools.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories } });
  await page.evaluate(`(async () => {
    performance.mark("begin of the test");
    await (${act})(${most}, ${JSON.stringify(more)});
    performance.mark("end of the test");
  })()`);
  const done = new Promise((resolve) => devtools.once("Tracing.tracingComplete", resolve));
  await devtools.send("Tracing.end");
  await done;
  await devtools.detach();
  const [begin, end] = ["begin", "end"].map((which) => events.find(({ name }) => name === `${which} of the test`));
  const own = events.filter(({ pid, tid, ts }) => pid === begin.pid && tid === begin.tid && ts >= begin.ts && ts <= end.ts);
  const pictures = own.filter(({ name }) => name === "BeginMainThreadFrame").map(({ ts }) => ts).sort((a, b) => a - b);
  const costs = pictures.map(() => 0);
  for (const { name, ph, ts, dur, tdur } of own) {
    if (ph !== "X" || !name.endsWith("RunTask")) continue;
    // A task is of the last picture that began before its end.
    let at = pictures.length - 1;
    while (at > 0 && pictures[at] > ts + dur) at -= 1;
    costs[at] += (tdur ?? dur) / 1000;
  }
  // Chromium's own count: pictures that were wanted and did not come. One in which nothing is to be seen anew is none.
  const reports = events.filter(({ name, pid, ts, args }) => name === "PipelineReporter" && pid === begin.pid && ts >= begin.ts && ts <= end.ts && args.frame_reporter);
  const dropped = reports.length === 0 ? NaN : reports.filter(({ args }) => args.frame_reporter.state === "STATE_DROPPED" && args.frame_reporter.affects_smoothness).length;
  const screen = events.filter(({ name, ph, ts }) => name === "Display::DrawAndSwap" && ph === "X" && ts >= begin.ts && ts <= end.ts).map(({ dur, tdur }) => (tdur ?? dur) / 1000);
  return { costs: costs.sort((a, b) => b - a), screen: screen.sort((a, b) => b - a), dropped };
}

/**
 * What the page holds, after the garbage is gone: bytes of its objects and of its arrays of numbers, elements, listeners. From a
 * picture of the heap and not from its size: what V8 learns of the code and compiles for it stands in the same heap, and that
 * grows for many minutes, the more the busier the machine is.
 */
async function held(devtools) {
  for (let turn = 0; turn < 3; turn += 1) await devtools.send("HeapProfiler.collectGarbage");
  const parts = [];
  const gather = ({ chunk }) => parts.push(chunk);
  devtools.on("HeapProfiler.addHeapSnapshotChunk", gather);
  await devtools.send("HeapProfiler.takeHeapSnapshot");
  devtools.off("HeapProfiler.addHeapSnapshotChunk", gather);
  const { snapshot: { meta: { node_fields: fields, node_types: types } }, nodes, strings } = JSON.parse(parts.join(""));
  const [type, name, size] = ["type", "name", "self_size"].map((field) => fields.indexOf(field));
  const isOwn = new Set(["object", "array", "string", "concatenated string", "sliced string", "number", "closure", "regexp", "symbol", "bigint"]);
  let [objects, arrays] = [0, 0];
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (isOwn.has(types[type][nodes[at + type]])) objects += nodes[at + size];
    else if (strings[nodes[at + name]] === "system / JSArrayBufferData") arrays += nodes[at + size];
  }
  const { nodes: elements, jsEventListeners: listeners } = await devtools.send("Memory.getDOMCounters");
  return { objects, arrays, elements, listeners };
}

test("memory is flat over ten minutes of frames", { timeout: 480_000 }, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await playStream(page);
  await page.goto(`${server.url}?view=charts&range=1m`);
  const isOpen = () => page.evaluate(() => window.streams.length > 0 && window.streams.at(-1).isOpen);
  await eventually(isOpen, "the stream");
  const devtools = await page.context().newCDPSession(page);
  /** A minute of frames, compressed in time: each has its picture before the next comes, or they come at once. */
  const minute = async (isDrawn) => {
    // The page takes a silence of some intervals for an absence, and asks for the past anew: there is none here, however long it
    // takes to look at the heap.
    const frames = Array.from({ length: 60 }, () => `data: ${JSON.stringify(busy({ interval_seconds: 60 }))}\n\n`);
    await page.evaluate(async ([frames, isDrawn]) => {
      for (const one of frames) {
        window.play(one);
        if (isDrawn) await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
      }
    }, [frames, isDrawn]);
  };
  // The windows fill first: five minutes, of which twice as much is kept before the old half goes.
  for (let turn = 0; turn < 11; turn += 1) await minute(false);
  await untilState(page, "live");
  for (const view of ["overview", "processes", "charts"]) {
    await page.click(`nav a[data-view=${view}]`);
    await eventually(isOpen, "the stream of the view");
    await minute(true);
  }
  /** The least of three minutes: something may be under way when one is over. */
  const least = async () => {
    const all = [];
    for (let turn = 0; turn < 3; turn += 1) {
      await minute(true);
      all.push(await held(devtools));
    }
    return Object.fromEntries(Object.keys(all[0]).map((kind) => [kind, Math.min(...all.map((one) => one[kind]))]));
  };
  const before = await least();
  for (let turn = 0; turn < 7; turn += 1) await minute(true);
  const after = await least();
  const grown = Object.fromEntries(Object.keys(before).map((kind) => [kind, after[kind] - before[kind]]));
  t.diagnostic(`in ten minutes ${JSON.stringify(before)} grew by ${JSON.stringify(grown)}`);
  // One object of each frame that is kept would be 250 KB, all of them 7 MB; rows of numbers that are never let go of 600 KB.
  assert.ok(grown.objects < 96 * 1024, `${before.objects} bytes of objects grew by ${grown.objects}`);
  assert.ok(grown.arrays < 64 * 1024, `${before.arrays} bytes of arrays grew by ${grown.arrays}`);
  assert.ok(grown.elements < 200, `${before.elements} elements grew by ${grown.elements}`);
  assert.ok(grown.listeners < 20, `${before.listeners} listeners grew by ${grown.listeners}`);
  await assertClean(tab, server.url);
});

test("12 charts at 60 pictures a second: fewer than 1 in 100 is dropped", LIMIT, async (t) => {
  const tab = await newPage(t, browser, { viewport: { width: 1900, height: 1200 } });
  const { page } = tab;
  const { play } = await playStream(page);
  // A full quarter of an hour, second by second.
  const end = frame().time_unix_seconds;
  const time = Array.from({ length: 900 }, (_, at) => end - 900 + at);
  const column = (unit, scale) => ({ unit, mean: time.map(() => Math.random() * scale), min: [], max: [] });
  const series = { "cpu.user": column("ratio", 0.5), "cpu.system": column("ratio", 0.2), "cpu.iowait": column("ratio", 0.1), "cpu.busy": column("ratio", 1) };
  for (let core = 0; core < 8; core += 1) series[`cpu.core${core}.busy`] = column("ratio", 1);
  for (const name of ["load.1", "load.5", "load.15"]) series[name] = column("tasks", 4);
  for (const name of ["cpu", "memory", "io"]) series[`pressure.${name}.some`] = column("ratio", 0.2);
  for (const name of ["used", "available", "free"]) series[`memory.${name}`] = column("bytes", 2 ** 32);
  for (const name of ["eth0", "wlan0"]) for (const way of ["received", "sent"]) series[`network.${name}.${way}`] = column("bytes_per_second", 1e6);
  for (const way of ["read", "written"]) series[`disk.sda.${way}`] = column("bytes_per_second", 1e7);
  series["disk.sda.busy"] = column("ratio", 1);
  series["swap.used"] = column("bytes", 2 ** 30);
  series["swap.in"] = column("bytes_per_second", 1e4);
  for (const name of ["/", "/home"]) series[`filesystem.${name}.used`] = column("ratio", 1);
  series["temperature.coretemp.Package id 0"] = column("celsius", 60);
  await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { from: end - 900, to: end, step_seconds: 1, age_seconds: 0, time, series } }));
  await page.goto(`${server.url}?view=charts`);
  await play(busy());
  await eventually(async () => (await page.locator("#view-charts .chart").count()) >= 12, "12 charts");
  await play(busy());
  await eventually(async () => /mean/.test((await page.locator('[data-chart="cpu"] canvas').getAttribute("aria-label")) ?? ""), "a picture");
  await page.evaluate(() => {
    window.drawn = new Map();
    const real = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function clearRect(...args) {
      const { chart } = this.canvas.closest("figure").dataset;
      window.drawn.set(chart, (window.drawn.get(chart) ?? 0) + 1);
      return real.apply(this, args);
    };
  });
  const frames = Array.from({ length: 10 }, () => `data: ${JSON.stringify(busy())}\n\n`);
  const empty = await (await browser.newContext()).newPage();
  const results = {
    // What there is without us: a box that moves.
    "an empty page": await traced(empty, PICTURES, async (most) => {
      const box = document.body.appendChild(document.createElement("p"));
      for (let at = 0; at < most; at += 1) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        box.style.paddingLeft = `${at}px`;
      }
    }),
    // What somebody does who looks closely: new numbers come, and the crosshair moves on all charts.
    "the crosshair": await traced(page, PICTURES, async (most, frames) => {
      const plot = document.querySelector('[data-chart="cpu"] .plot');
      const { left, top, width } = plot.getBoundingClientRect();
      for (let at = 0; at < most; at += 1) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (at % 30 === 0) window.play(frames[at / 30]);
        plot.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: left + 55 + ((at * 7) % (width - 60)), clientY: top + 40 }));
      }
    }, frames),
    // And all charts as fast as they can be.
    "drawing all the time": await traced(page, PICTURES, async (most) => {
      for (let at = 0; at < most; at += 1) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
        document.querySelector("#view-charts").dispatchEvent(new Event("redraw"));
      }
    }),
  };
  await empty.context().close();
  const drawn = await page.evaluate(() => [...window.drawn]);
  assert.ok(drawn.length >= 12, `${drawn.length} charts were drawn`);
  assert.ok(drawn.every(([, times]) => times >= 10), `each of them again and again: ${drawn}`);
  // A 60th of a second, and on a machine so slow that an empty page takes a part of that, as many times what it takes here.
  const budget = Math.max(BUDGET_MS, 20 * results["an empty page"].costs[PICTURES >> 1]);
  for (const [what, { costs, screen, dropped }] of Object.entries(results)) {
    const late = costs.filter((cost) => cost > budget).length;
    const at = (share) => costs[Math.floor(costs.length * share)].toFixed(1);
    t.diagnostic(`${what}: ${costs.length} pictures, the page's thread works ${at(0.5)} ms for the median, ${at(0.01)} ms for 1 in 100; ${late} over ${budget.toFixed(1)} ms, the screen ${screen[screen.length >> 1].toFixed(1)} ms; Chromium dropped ${dropped}`);
    assert.ok(costs.length >= PICTURES, `${what}: ${costs.length} pictures`);
    // In time of the processor: a busy machine drops pictures of an empty page as well, but it does not make the page work more. What Chromium dropped is held where somebody says
    // that nothing else runs (CONTRIBUTING.md).
    assert.ok(late / costs.length < 0.01, `${what}: ${late} of ${costs.length} pictures dropped by the page`);
    assert.ok(screen[screen.length >> 1] < budget, `${what}: ${screen[screen.length >> 1]} ms to put a picture together`);
    if (process.env.PSMONITOR_SMOOTH) assert.ok(dropped / PICTURES < 0.01, `${what}: ${dropped} of ${PICTURES} dropped`);
  }
  await assertClean(tab, server.url);
});

test("a picture with the crosshair writes the figures of few charts, and nothing is blurred", LIMIT, async (t) => {
  const tab = await newPage(t, browser, { viewport: { width: 1900, height: 940 } });
  const { page } = tab;
  const { play } = await playStream(page);
  await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { from: 0, to: 1, step_seconds: 1, age_seconds: null, time: [], series: {} } }));
  await page.goto(`${server.url}?view=charts&range=1m`);
  for (let at = 0; at < 40; at += 1) await play(busy());
  await eventually(async () => (await page.locator("#view-charts .chart canvas[aria-label*=mean]").count()) >= 12, "12 charts with figures");
  const { perPicture, moved, when } = await page.evaluate(async () => {
    const picture = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
    const plot = document.querySelector('[data-chart="cpu"] .plot');
    const { left, top, width } = plot.getBoundingClientRect();
    const point = (part) => plot.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: left + 55 + part * (width - 70), clientY: top + 40 }));
    const lines = () => [...document.querySelectorAll("#view-charts .crossed .cross")].map((one) => one.style.transform);
    let written = new Set();
    const observer = new MutationObserver((records) => {
      for (const { target } of records) written.add((target instanceof Element ? target : target.parentElement).closest("figure").dataset.chart);
    });
    for (const one of document.querySelectorAll("#view-charts .legend, #view-charts .when")) observer.observe(one, { subtree: true, childList: true, characterData: true });
    const [perPicture, moved] = [[], []];
    for (let at = 0; at < 60; at += 1) {
      const before = lines();
      point(0.2 + at / 100);
      const after = lines();
      moved.push(after.filter((one, index) => one !== before[index]).length);
      await picture();
      perPicture.push(written.size);
      written = new Set();
    }
    // The pointer stands still: all of them tell the same moment in the end.
    for (let at = 0; at < 60; at += 1) await picture();
    return { perPicture, moved, when: [...document.querySelectorAll("#view-charts .when")].map(({ textContent }) => textContent) };
  });
  assert.ok(Math.min(...moved) >= 12, `the line moves on all charts: ${moved}`);
  // The chart that is looked at, one that has its turn, and one that is drawn because a frame came.
  assert.ok(Math.max(...perPicture) <= 3, `charts written a picture: ${perPicture}`);
  assert.ok(perPicture.filter((count) => count > 1).length > 20, `the others have their turns: ${perPicture}`);
  assert.ok(when.length >= 12 && new Set(when).size === 1 && when[0] !== "", `${when}`);
  // Without a graphics card a blur of what scrolls below costs more than all charts, at each picture, wherever something changed.
  const blurred = await page.evaluate(() => [...document.querySelectorAll("*")].filter((one) => !["none", ""].includes(getComputedStyle(one).backdropFilter)).map(({ className, localName }) => `${localName} ${className}`));
  assert.deepEqual(blurred, []);
  await assertClean(tab, server.url);
});
