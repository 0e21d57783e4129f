// The other views: disks, network, sensors, sockets, the fleet, and the test panel.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  assertClean, browser, eventually, filesystem, frame, logLines, networkInterface, newPage, playStream, server, startServer, textOf, untilState,
  useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };
const DASH = "\u2013";
const MACHINE = fileURLToPath(new URL("../fixtures/machine", import.meta.url));

useBrowserAndServer();

const cells = (page, id, row) => page.locator(`#${id} tbody tr:not(.space)`).nth(row).locator(".value").allTextContents();

async function played(t, view, ...frames) {
  const tab = await newPage(t, browser);
  const { play } = await playStream(tab.page);
  await tab.page.goto(`${server.url}?view=${view}`);
  await play(...frames);
  await untilState(tab.page, "live");
  return tab;
}

test("file systems with inodes, a full one and a stuck one standing out, and disks", LIMIT, async (t) => {
  const tab = await played(t, "storage", frame({ filesystems: [filesystem("/", 0.4), filesystem("/full", 0.99), filesystem("/nfs", 0, { stuck: true, usage: null })] }));
  const { page } = tab;
  await eventually(async () => (await page.locator("#filesystems tbody tr:not(.space)").count()) === 3, "three file systems");
  assert.deepEqual(await cells(page, "filesystems", 0), ["/", "/dev/sda1", "ext4", "40.0\u202f%", "373\u202fGiB", "559\u202fGiB", "931\u202fGiB", "10.0\u202f%"]);
  assert.deepEqual((await cells(page, "filesystems", 2)).slice(2), ["stuck", DASH, DASH, DASH, DASH, DASH]);
  assert.deepEqual(await page.locator("#filesystems tbody tr:not(.space)").evaluateAll((all) => all.map((one) => one.dataset.tone ?? "")), ["", "bad", "bad"]);
  assert.deepEqual((await cells(page, "disks", 0)).slice(0, 4), ["sda", "5.0\u202f%", "4.00\u202fKiB/s", "8.00\u202fKiB/s"]);
  await assertClean(tab, server.url);
});

test("interfaces with addresses, speed, errors and drops", LIMIT, async (t) => {
  const bad = networkInterface("eth1", 0, 0);
  bad.received.errors = 7;
  const tab = await played(t, "network", frame({ interfaces: [networkInterface("eth0", 1024, 2048), bad, networkInterface("<b>", null, null, { link: null })] }));
  const { page } = tab;
  const rows = () => page.locator("#interfaces tbody tr:not(.space)");
  await eventually(async () => (await rows().count()) === 3, "three interfaces");
  const of = (name) => rows().filter({ has: page.locator(`.main .value:text-is("${name}")`) });
  assert.deepEqual(await of("eth0").locator(".value").allTextContents(), ["eth0", "up", "192.0.2.7/24, 2001:db8::7/64", "1\u202fGbit/s", "1.00\u202fKiB/s", "2.00\u202fKiB/s", "6.52\u202fGiB", "2.79\u202fGiB", "0", "0"]);
  assert.equal(await of("eth1").locator("[data-alarm]").textContent(), "7");
  assert.equal((await of("<b>").locator(".value").allTextContents())[4], DASH, "unknown is a dash");
  await assertClean(tab, server.url);
});

test("sensors of the recorded machine, in both units", LIMIT, async (t) => {
  const own = await startServer({ args: ["proc", "sys", "root"].map((name) => `--${name}fs=${MACHINE}/${name}`) });
  t.after(() => own.stop());
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${own.url}?view=sensors`);
  await eventually(async () => (await page.locator("#temperatures tbody tr:not(.space)").count()) >= 5, "temperatures");
  const now = page.locator("#temperatures tbody tr", { hasText: "Package id 0" }).locator("[data-column=now] .value");
  const celsius = Number(/^(\d\d).\u00b0C$/.exec(await now.textContent())[1]);
  assert.match(await textOf(page, "clocks"), /rpm|MHz/);
  await page.click("#settings-open");
  await page.check('input[name="heat"][value="f"]');
  await page.keyboard.press("Escape");
  const fahrenheit = await eventually(async () => /^(\d\d\d).\u00b0F$/.exec(await now.textContent())?.[1], "in Fahrenheit");
  assert.ok(Math.abs(Number(fahrenheit) - (celsius * 1.8 + 32)) <= 1, `${celsius} \u00b0C are not ${fahrenheit} \u00b0F`);
  await assertClean(tab, own.url);
});

test("a machine without sensors says so", LIMIT, async (t) => {
  const tab = await played(t, "sensors", frame({ sensors: null }));
  await eventually(async () => /tells no temperature/.test(await tab.page.locator("#temperatures .note").textContent()), "the note");
  await assertClean(tab, server.url);
});

test("sockets: listening ports first, open to whom, whose, and searchable", LIMIT, async (t) => {
  const [local, open] = [createServer(), createServer()];
  await new Promise((resolve) => local.listen(0, "127.0.0.1", resolve));
  await new Promise((resolve) => open.listen(0, "0.0.0.0", resolve));
  t.after(() => (local.close(), open.close()));
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${server.url}?view=sockets`);
  await untilState(page, "live");
  const row = (port) => page.locator(`#sockets tbody tr:has(.main .value:text-matches(":${port}$"))`);
  for (const [one, whom] of [[local, "this machine"], [open, "everybody"]]) {
    const { port } = one.address();
    await page.fill("#sockets-filter", `${port} listening`);
    await eventually(async () => (await row(port).count()) === 1, `port ${port}`);
    const words = await row(port).locator(".value").allTextContents();
    assert.deepEqual(words.slice(1, 5), ["tcp", "listening", whom, DASH]);
    await eventually(async () => (await row(port).locator(".value").last().textContent()).endsWith(String(process.pid)), "whose it is");
  }
  assert.match(page.url(), /filter=/);
  await page.fill("#sockets-filter", "");
  await eventually(async () => (await page.locator("#sockets tbody tr:not(.space) [data-column=state] .value").first().textContent()) === "listening", "listening first");
  assert.match(await textOf(page, "sockets-facts"), /Listening\d+Open to everybody.*Established\d+/);
  await assertClean(tab, server.url);
});

test("a container's view is called so, its limits stand beside the machine's numbers, and what is short is wrong", LIMIT, async (t) => {
  const container = { system: "docker", cgroup_version: 2, memory_limit_bytes: 2 ** 29, memory_used_bytes: 2 ** 29 * 0.95, memory_used_ratio: 0.95, swap_limit_bytes: null, cpu_limit_cores: 1.5, task_limit: 100, tasks: 12 };
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(server.url);
  await play(frame());
  await untilState(page, "live");
  assert.ok(await page.isHidden("#container"), "a machine is none");
  assert.doesNotMatch(await textOf(page, "facts"), /container/);
  await play(frame({ container }));
  await eventually(async () => page.isVisible("#container"), "the card");
  assert.match(await textOf(page, "facts"), /in a container \(docker\)$/);
  assert.equal(await textOf(page, "container-title"), "Container (docker)");
  assert.deepEqual(await page.locator("#container-facts dd").allTextContents(), ["486\u202fMiB of 512\u202fMiB (95.0\u202f%)", "at most 1.5 cores", "no limit known", "12 of 100"]);
  assert.match(await page.locator("#tile-memory .sub").textContent(), /of 16\.0.GiB$/, "the machine's memory is still the machine's");
  assert.deepEqual(await page.locator("#problems .problem").allTextContents(), ["Warning: The container uses 95.0\u202f% of the memory that it may"]);
  await play(frame({ container: { system: "lxc" } }));
  await eventually(async () => (await page.locator("#container-facts dd").allTextContents()).join() === "no limit known,no limit known,no limit known,no limit known", "what is unknown is not nothing");
  await assertClean(tab, server.url);
});

test("the test panel asks any route, and copies the request in three languages", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto(`${server.url}?view=test`);
  await eventually(async () => (await page.locator("#route option").count()) >= 15, "the routes of the document");
  const { paths } = await (await fetch(`${server.url}api/v1/openapi.json`)).json();
  const routes = Object.keys(paths).filter((path) => paths[path].get && !["/connect", "/ws"].includes(path));
  assert.deepEqual(await page.locator("#route option").allTextContents(), routes);
  for (const path of ["/system", "/api/cpu", "/metrics"]) {
    await page.selectOption("#route", { label: path });
    await page.click("#ask-form button[type=submit]");
    await eventually(async () => (await logLines(page, "answer"))[0]?.includes(`GET ${path.slice(1)}: 200`), path);
    assert.match((await logLines(page, "answer"))[0], /\d.(B|KiB|MiB), GET .* ms/, "size and time");
  }
  // Whatever a path has in braces is filled in by an example.
  for (const path of routes) {
    await page.selectOption("#route", { label: path });
    assert.doesNotMatch(await page.inputValue("#route-path"), /[{}]/, path);
  }
  for (const [path, filled] of [["/api/{version}/{plugin}", "api/4/mem"], ["/api/{version}/{plugin}/{item}", "api/4/mem/percent"], ["/static/{name}", "static/style.css"]]) {
    await page.selectOption("#route", { label: path });
    await page.click("#ask-form button[type=submit]");
    await eventually(async () => (await logLines(page, "answer"))[0]?.includes(`GET ${filled}: 200`), filled);
  }
  await page.fill("#route-path", "api/v1/history?range=soon");
  await page.click("#ask-form button[type=submit]");
  await eventually(async () => (await logLines(page, "event"))[0]?.includes("400"), "the server's own words");
  await page.fill("#route-path", "https://elsewhere.test/x");
  await page.click("#ask-form button[type=submit]");
  await eventually(async () => (await logLines(page, "event"))[0]?.includes("another server"), "no other host");
  await page.selectOption("#route", { label: "/api/v1/snapshot" });
  for (const [id, words] of [["copy-curl", `curl '${server.url}api/v1/snapshot'`], ["copy-python", "requests.get("], ["copy-js", "await fetch("]]) {
    await page.click(`#${id}`);
    const copied = await eventually(async () => {
      const text = await page.evaluate(() => navigator.clipboard.readText());
      return text.includes(words) && text;
    }, id);
    // What was copied works where it is pasted; Python's needs a library that this test does not.
    const [program, ...args] = { "copy-curl": ["sh", "-c"], "copy-js": [process.execPath, "--input-type=module", "-e"] }[id] ?? [];
    if (program === undefined) continue;
    const { stdout } = await promisify(execFile)(program, [...args, copied], { maxBuffer: 64 * 2 ** 20 });
    assert.ok(JSON.parse(stdout).time_unix_seconds > 0, id);
  }
  await page.fill("#route-path", "http://[");
  await page.click("#copy-curl");
  await eventually(async () => (await logLines(page, "event"))[0]?.includes("that is no address"), "nothing to copy");
  await assertClean(tab, server.url, { consoleErrors: false });
  assert.deepEqual(tab.seen.consoleErrors.filter((words) => !words.includes("status of 400")), []);
});

test("the test panel's WebSocket: worker id, interval, send, close, raw frames", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${server.url}?view=test`);
  await page.fill("#socket-interval", "2s");
  await page.click("#socket-open");
  await eventually(async () => (await logLines(page, "received")).some((line) => line.includes("connected to monitor, transmitting data...")), "the greeting");
  assert.ok(tab.seen.urls.some((url) => /\/connect\?id=[^&]+&interval=2s$/.test(url)), "the interval was asked for");
  await eventually(async () => (await page.locator("#log .received details").count()) >= 2, "raw frames");
  await page.locator("#log .received summary").first().click();
  await eventually(async () => /"mem": \{/.test(await page.locator("#log .received details pre").first().textContent()), "the whole frame");
  await page.fill("#send-text", "hello <b>there</b> \u00e4\u{1F427}");
  await page.keyboard.press("Enter");
  await eventually(async () => (await logLines(page, "received")).some((line) => line.includes("message received hello <b>there</b> \u00e4\u{1F427}")), "the answer");
  await page.click("#socket-close");
  await eventually(async () => (await logLines(page, "event")).some((line) => line.includes("code 1000")), "closed");
  await page.click("#send-form button").catch(() => {});
  await page.fill("#worker-id", "00000000-0000-4000-8000-000000000000");
  await page.click("#socket-open");
  await eventually(async () => (await logLines(page, "event"))[0].includes("code 1008: the server did not accept the worker id"), "a used id in words");
  await page.click("#log-clear");
  assert.equal(await page.locator("#log li").count(), 0);
  await page.check("#log-frames");
  await eventually(async () => (await page.locator("#log .frame").count()) >= 2, "frames of the page");
  await page.click("#log-pause");
  const held = await page.locator("#log li").count();
  await eventually(async () => /paused: \d+ new/.test(await textOf(page, "log-note")), "held lines are counted");
  assert.equal(await page.locator("#log li").count(), held);
  await assertClean(tab, server.url);
});

test("unknown values are dashes, missing keys and wrong types do no harm, in every view", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  const { play } = await playStream(page);
  await page.goto(server.url);
  const time = { time_unix_seconds: frame().time_unix_seconds };
  const strange = [
    time,
    { ...time, cpu: null, memory: [], swap: 5, load: "x", disks: "full", filesystems: {}, interfaces: 7, sensors: [], processes: { list: 3 }, readers: null, host: [] },
    { ...time, cpu: { total: null, cores: [null, 3, {}] }, memory: { used_bytes: "5" }, filesystems: [null, {}], interfaces: [{}, { name: 4 }], disks: [{ name: null, whole: true }], sensors: { temperatures: [{}, null], fans: [null] }, processes: { count: null, list: [null, {}, { pid: "x", name: {}, memory: 4 }] }, readers: [null, {}] },
  ];
  for (const view of ["overview", "charts", "processes", "storage", "network", "sensors", "sockets", "test"]) {
    await page.click(`nav a[data-view=${view}]`);
    for (const one of strange) await play({ ...one, time_unix_seconds: frame().time_unix_seconds });
    await page.waitForTimeout(60);
    const words = await page.evaluate(() => document.querySelector("main").innerText);
    assert.doesNotMatch(words, /NaN|undefined|Infinity|\[object/, view);
  }
  await page.click("nav a[data-view=overview]");
  for (const id of ["cpu", "memory", "load", "disk", "network"]) {
    const place = page.locator(`#tile-${id} .amount > :first-child`).first();
    assert.equal(await place.textContent(), DASH, id);
    assert.equal(await place.getAttribute("aria-label"), "unknown", id);
  }
  await play(frame());
  await eventually(async () => (await page.locator("#tile-cpu .amount > :first-child").getAttribute("aria-label")) === null, "known again");
  await assertClean(tab, server.url);
});
