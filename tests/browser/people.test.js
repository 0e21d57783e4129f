// For people: light, dark, phone, wall; keyboard and screen reader; units; reduced motion; below a path of a proxy.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { test } from "node:test";
import {
  assertClean, axeViolations as violations, browser, eventually, filesystem, frame, newPage, pictures, playStream, processRow, server, textOf, untilState, useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };
const VIEWS = ["overview", "charts", "processes", "storage", "network", "sensors", "sockets", "test"];
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

useBrowserAndServer();

/** What the content takes, and what there is: not the page's `innerWidth`, which grows with the content on a phone. */
const widths = async (page) => [await page.evaluate(() => document.documentElement.scrollWidth), page.viewportSize().width];

const full = (parts = {}) => frame({ filesystems: [filesystem("/", 0.98), filesystem("/home", 0.92)], processes: { visibility: "all", count: 40, complete: true, list: Array.from({ length: 40 }, (_, at) => processRow(at + 1, { cpu_ratio: at / 20, state: ["sleeping", "zombie", "disk-sleep"][at % 3] })) }, ...parts });

for (const [name, options] of [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }], ["phone", { colorScheme: "dark", ...PHONE }]]) {
  test(`axe finds no violation, nothing scrolls sideways: ${name}`, LIMIT, async (t) => {
    const tab = await newPage(t, browser, options);
    const { page } = tab;
    const { play } = await playStream(page);
    await page.goto(server.url);
    for (const view of VIEWS) {
      await page.evaluate((view) => document.querySelector(`nav a[data-view=${view}]`).click(), view);
      await play(full(), full());
      await untilState(page, "live");
      await pictures(page);
      assert.deepEqual(await violations(page), [], `${name}, ${view}`);
      const [content, width] = await widths(page);
      assert.ok(content <= width, `${view} scrolls sideways: ${content} in ${width}`);
    }
    for (const open of ["settings", "help"]) {
      await page.evaluate((open) => document.getElementById(open).showModal(), open);
      assert.deepEqual(await violations(page), [], `${name}, ${open}`);
      await page.keyboard.press("Escape");
    }
    await page.evaluate(() => document.querySelector("nav a[data-view=processes]").click());
    await play(full());
    await page.locator("#processes tbody button").first().click();
    await play(full());
    assert.deepEqual(await violations(page), [], `${name}, a process`);
    await page.keyboard.press("Escape");
    await page.evaluate(() => window.endStream());
    await untilState(page, "waiting");
    assert.deepEqual(await violations(page), [], `${name}, not connected`);
    await assertClean(tab, server.url);
  });
}

test("light and dark by the system and by a switch, which is remembered", LIMIT, async (t) => {
  const tab = await newPage(t, browser, { colorScheme: "dark" });
  const { page } = tab;
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(server.url);
  await untilState(page, "live");
  const dark = await back();
  await page.emulateMedia({ colorScheme: "light" });
  const light = await eventually(async () => (await back()) !== dark && back(), "the system's light");
  await page.click("#theme-switch");
  assert.equal(await back(), dark);
  await page.reload();
  assert.equal(await back(), dark, "remembered, before anything is painted");
  await page.click("#settings-open");
  await page.check('input[name="theme"][value="system"]');
  assert.equal(await back(), light);
  assert.equal(await page.evaluate(() => localStorage.length), 0, "the system's choice needs no memory");
  await assertClean(tab, server.url);
});

test("units are the reader's choice and remembered", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(server.url);
  await play(frame());
  const [memory, heat] = [page.locator("#tile-memory .sub"), page.locator("#tile-temperature .amount")];
  await eventually(async () => (await memory.textContent()) === "4.00\u202fGiB of 16.0\u202fGiB", "GiB");
  assert.equal(await heat.textContent(), "42\u00b0C");
  await page.click("#settings-open");
  await page.check('input[name="bytes"][value="si"]');
  await page.check('input[name="heat"][value="f"]');
  await eventually(async () => (await memory.textContent()) === "4.29\u202fGB of 17.2\u202fGB", "GB at once");
  assert.equal(await heat.textContent(), "108\u00b0F");
  await page.reload();
  await play(frame());
  await eventually(async () => (await memory.textContent()) === "4.29\u202fGB of 17.2\u202fGB", "GB after a reload");
  await assertClean(tab, server.url);
});

test("by keyboard alone: skip link, views, filter, list of keys, kiosk", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  for (const [letter, view] of [["c", "charts"], ["p", "processes"], ["d", "storage"], ["n", "network"], ["s", "sensors"], ["k", "sockets"], ["t", "test"], ["o", "overview"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(letter);
    assert.equal(await page.evaluate(() => document.body.dataset.view), view);
    assert.equal(await page.locator("nav [aria-current=page]").getAttribute("data-view"), view);
  }
  await page.keyboard.press("g");
  await page.keyboard.press("f");
  assert.equal(await page.evaluate(() => document.body.dataset.view), "overview", "no fleet, no way there");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "processes-filter");
  await page.keyboard.type("g");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  assert.ok(await page.locator("#help").evaluate((one) => one.open));
  assert.ok((await page.locator("#help kbd").count()) > 20);
  await page.keyboard.press("Escape");
  await page.keyboard.press("k");
  assert.match(page.url(), /\?kiosk&view=processes$/);
  await page.keyboard.press("k");
  await eventually(async () => page.isVisible("nav"), "controls again");
  await page.locator("#processes tbody button").first().focus();
  await page.keyboard.press("Enter");
  await eventually(async () => page.locator("#process").evaluate((one) => one.open), "a process by keyboard");
  await assertClean(tab, server.url);
});

test("a wall: ?kiosk has no controls, and fits", LIMIT, async (t) => {
  const tab = await newPage(t, browser, { viewport: { width: 1920, height: 1080 } });
  const { page } = tab;
  await page.goto(`${server.url}?kiosk`);
  await untilState(page, "live");
  await eventually(async () => (await page.locator("#busiest .row").count()) > 0, "a frame");
  for (const hidden of ["nav", ".tools", ".chart-controls"]) assert.ok(await page.locator(hidden).first().isHidden(), hidden);
  const [height, room] = await page.evaluate(() => [document.documentElement.scrollHeight, window.innerHeight]);
  assert.ok(height <= room, `the overview fits on the wall: ${height} of ${room}`);
  await page.setViewportSize({ width: 1600, height: 900 });
  const [lower, less] = await page.evaluate(() => [document.documentElement.scrollHeight, window.innerHeight]);
  assert.ok(lower <= less, `and on a smaller one: ${lower} of ${less}`);
  await page.goto(`${server.url}?kiosk&view=charts&range=1h`);
  await eventually(async () => (await page.locator("#view-charts .chart").count()) > 5, "charts on the wall");
  await assertClean(tab, server.url);
  // All tiles side by side, with long figures in them.
  const wide = await newPage(t, browser, { viewport: { width: 1920, height: 1080 } });
  const { play } = await playStream(wide.page);
  await wide.page.goto(`${server.url}?kiosk`);
  const rate = 99.9 * 2 ** 20;
  const traffic = { bytes: 1e12, bytes_per_second: rate };
  const parts = { filesystems: ["/", "/home", "/srv", "/boot", "/var"].map((place) => filesystem(place, 0.95)), interfaces: ["eth0", "eth1", "wg0"].map((name) => ({ name, received: traffic, sent: traffic, link: null })), disks: [{ name: "sda", whole: true, read_bytes_per_second: rate, written_bytes_per_second: rate, busy_ratio: 0.1 }] };
  for (const [width, height] of [[1920, 1080], [1600, 900]]) {
    await wide.page.setViewportSize({ width, height });
    await play(full(parts));
    await eventually(async () => (await wide.page.locator("#tile-network .amount").last().textContent()) === "300MiB/s", "the figures");
    assert.equal(await wide.page.locator(".tile:visible").count(), 8);
    await eventually(async () => (await wide.page.evaluate(() => document.documentElement.scrollHeight)) <= height, `eight tiles fit on ${width} by ${height}`, 10_000);
    const cut = await wide.page.evaluate(() => [...document.querySelectorAll(".tile .amount")].filter((one) => one.getBoundingClientRect().right > one.closest(".tile").getBoundingClientRect().right - 4).map((one) => one.textContent));
    assert.deepEqual(cut, [], `figures that are cut off at a width of ${width}`);
  }
});

test("a phone: no sideways scrolling, touch reads the charts, everything within reach", LIMIT, async (t) => {
  const tab = await newPage(t, browser, PHONE);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(`${server.url}?view=charts&range=1m`);
  await play(full(), full(), full());
  await eventually(async () => (await page.locator("#view-charts .chart").count()) >= 10, "charts");
  const plot = page.locator('[data-chart="cpu"] .plot');
  const box = await plot.boundingBox();
  await page.touchscreen.tap(box.x + box.width - 12, box.y + 60);
  await eventually(async () => (await page.locator(".crossed").count()) > 0, "the crosshair where it was touched");
  const small = await page.evaluate(() => [...document.querySelectorAll(".chart-controls button, .tools button, nav a")].filter((one) => one.offsetParent !== null && one.offsetHeight < 32).map((one) => one.outerHTML));
  assert.deepEqual(small, [], "what is touched is large enough");
  await page.click("nav a[data-view=processes]");
  await play(full());
  assert.ok(await page.locator("#processes tbody [data-column=cpu]").first().isVisible());
  assert.ok(await page.locator("#processes tbody [data-column=threads]").first().isHidden(), "less urgent columns give way");
  await assertClean(tab, server.url);
});

test("nothing moves for those who asked for that", LIMIT, async (t) => {
  // While it connects something turns, for others.
  const moving = (page) => page.evaluate(() => {
    document.body.dataset.state = "connecting";
    return [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).animationName !== "none").length;
  });
  const other = await newPage(t, browser, { reducedMotion: "no-preference" });
  await other.page.goto(server.url);
  assert.ok((await moving(other.page)) > 0, "the sign of connecting turns");
  const tab = await newPage(t, browser, { reducedMotion: "reduce" });
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  assert.equal(await moving(page), 0);
  await assertClean(tab, server.url);
});

test("a change of state is spoken, numbers are not", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play, end } = await playStream(page);
  await page.goto(server.url);
  await play(frame());
  await eventually(async () => (await textOf(page, "announcement")) === "Live", "live");
  await end();
  await eventually(async () => (await textOf(page, "announcement")) === "The connection is lost", "lost");
  const live = await page.locator("[aria-live]:not([aria-live=off]), [role=status], [role=alert]").evaluateAll((all) => all.map((one) => one.id).sort());
  assert.deepEqual(live, ["announcement", "process-outcome", "token-note"]);
  await assertClean(tab, server.url);
});

test("below a path of a reverse proxy everything works, and the page asks for nothing above it", LIMIT, async (t) => {
  const outside = [];
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith("/deep/monitor/")) {
      outside.push(incoming.url);
      return outgoing.writeHead(404).end();
    }
    const passed = request({ port: server.port, host: "127.0.0.1", method: incoming.method, path: incoming.url.slice("/deep/monitor".length), headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  proxy.on("upgrade", (incoming, socket) => {
    const passed = request({ port: server.port, host: "127.0.0.1", path: incoming.url.slice("/deep/monitor".length), headers: incoming.headers });
    passed.on("upgrade", (answer, upstream, head) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(answer.headers).map(([key, value]) => `${key}: ${value}\r\n`).join("")}\r\n`);
      socket.write(head);
      upstream.pipe(socket);
      socket.pipe(upstream);
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    passed.end();
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() => (proxy.closeAllConnections(), proxy.close()));
  const url = `http://127.0.0.1:${proxy.address().port}/deep/monitor/`;
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${url}?view=charts`);
  await untilState(page, "live");
  await eventually(async () => (await page.locator("#view-charts .chart").count()) > 5, "charts");
  for (const view of VIEWS) {
    await page.click(`nav a[data-view=${view}]`);
    assert.ok(page.url().startsWith(url), page.url());
  }
  await page.click("#socket-open");
  await eventually(async () => (await page.locator("#log .received").count()) >= 2, "the WebSocket");
  await page.reload();
  await untilState(page, "live");
  assert.deepEqual(outside, []);
  await assertClean(tab, url);
});

test("nothing jumps when numbers grow from nothing to enormous", LIMIT, async (t) => {
  for (const options of [{}, PHONE]) {
    const tab = await newPage(t, browser, options);
    const { page } = tab;
    const { play } = await playStream(page);
    // A past with other series than the frames would make a longer legend, whenever it comes.
    await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { from: 0, to: 1, step_seconds: 1, age_seconds: null, time: [], series: {} } }));
    await page.goto(server.url);
    const boxes = () => page.evaluate(() => [...document.querySelectorAll(".tile, .lists .card, #large .plot, nav, .tools")].map((one) => {
      const { x, y, width, height } = one.getBoundingClientRect();
      return [one.id || one.className, ...[x + scrollX, y + scrollY, width, height].map(Math.round)].join(" ");
    }));
    const list = (cpu, memory) => ({ visibility: "all", count: 20, complete: true, list: Array.from({ length: 20 }, (_, at) => processRow(at + 1, { name: "name".repeat(cpu > 1 ? 60 : 1), cpu_ratio: cpu, memory: { resident_bytes: memory } })) });
    const traffic = (rate) => [{ name: "eth0", received: { bytes: rate * 1000, bytes_per_second: rate }, sent: { bytes: rate * 1000, bytes_per_second: rate }, link: null }];
    const disks = (rate) => [{ name: "sda", whole: true, read_bytes_per_second: rate, written_bytes_per_second: rate, busy_ratio: 0 }];
    await play(frame({ processes: list(0, 0), interfaces: traffic(0), disks: disks(0), load: { one: 0, five: 0, fifteen: 0 } }));
    await untilState(page, "live");
    await pictures(page);
    const small = await boxes();
    assert.ok(small.length >= 12);
    await play(frame({ processes: list(640, 2 ** 60), interfaces: traffic(8e17), disks: disks(8e17), load: { one: 3.9, five: 99999, fifteen: 99999 }, cpu: { total: { ...frame().cpu.total, busy_ratio: 1 }, cores: frame().cpu.cores } }));
    await eventually(async () => (await page.locator("#tile-cpu .amount").textContent()) === "100.0%", "the large ones");
    await pictures(page);
    assert.deepEqual(await boxes(), small, `at a width of ${(await page.viewportSize()).width}`);
    const [content, width] = await widths(page);
    assert.ok(content <= width, `scrolls sideways: ${content} in ${width}`);
    await assertClean(tab, server.url);
  }
});
