// The fleet: a real receiver, and real agents that report to it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { assertClean, axeViolations, BINARY, browser, eventually, folder, newPage, server, startServer, untilState, useBrowserAndServer } from "./helper.js";

const LIMIT = { timeout: 180_000 };

useBrowserAndServer();

/** `psmonitor background` under a name. */
function agent(t, url, name) {
  const child = spawn(BINARY, ["background", "--url", `${url}systems`, "--system-id", name, "--interval", "1s"], { stdio: "ignore" });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  t.after(stop);
  return stop;
}

test("each system has a card, one that fell silent is marked, a click opens its history", LIMIT, async (t) => {
  const receiver = await startServer({ args: ["--receive", "--auto-register", "--data-dir", await folder(t)] });
  t.after(() => receiver.stop());
  agent(t, receiver.url, "web <1>");
  const stop = agent(t, receiver.url, "old");
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.clock.install();
  await page.goto(receiver.url);
  await page.click("#nav-fleet");
  const card = (name) => page.locator(".system", { has: page.locator(`button:text-is("${name}")`) });
  for (const name of ["web <1>", "old"]) {
    await eventually(async () => /CPU\d+\.\d.%Memory\d+\.\d.% of [\d.]+.GiBDisk\d+\.\d.% of \/Processes\d+$/.test(await card(name).textContent({ timeout: 20_000 })), `the numbers of ${name}`);
    assert.match(await card(name).locator(".muted").first().textContent(), /^Last report \d+ s ago, every 1 s$/);
  }
  await stop();
  // The page asks every ten seconds, of which each turn passes one.
  await eventually(async () => {
    await page.clock.fastForward(1_000);
    return (await page.locator(".system[data-late]").count()) === 1;
  }, "the silent one is late");
  assert.match(await page.locator(".system").first().textContent(), /^oldLate: last report \d+ s ago/, "and stands first");
  assert.match(await page.locator("#fleet-note").textContent(), /^2 systems, 1 late\.$/);
  assert.deepEqual(await axeViolations(page), []);
  await page.click('.system button:text-is("web <1>")');
  assert.match(page.url(), /\?view=fleet&system=web\+%3C1%3E$/);
  const cpu = page.locator('#fleet-charts [data-chart="cpu"]');
  await eventually(async () => /^busy\d+\.\d.%$/.test(await cpu.locator(".legend").textContent()), "its CPU");
  await eventually(async () => /busy mean \d/.test((await cpu.locator("canvas").getAttribute("aria-label")) ?? ""), "its past");
  assert.ok((await page.locator("#fleet-charts .chart").count()) >= 2, "memory, too");
  assert.equal(await page.locator("main img").count(), 0, "a name is text");
  const other = await newPage(t, browser);
  await other.page.goto(page.url());
  await eventually(async () => (await other.page.locator("#fleet-title").textContent()) === "web <1>", "the address opens the same");
  await page.click("#fleet-back");
  await eventually(async () => page.isVisible("#fleet-list"), "the cards again");
  await assertClean(tab, receiver.url);
});

test("what is full stands out on a card, and numbers of one that fell silent are not bright", LIMIT, async (t) => {
  const receiver = await startServer({ args: ["--receive", "--data-dir", await folder(t)] });
  t.after(() => receiver.stop());
  const tab = await newPage(t, browser);
  const { page } = tab;
  const row = (system_id, late) => ({ system_id, late, last_seen: Date.now() / 1000, interval: 60 });
  await page.route(/\/systems$/, (route) => route.fulfill({ json: { systems: [row("full", false), row("silent", true)] } }));
  const stats = { cpu: { percent_used: 99 }, memory: { percent_used: 95, total: 2 ** 34 }, disks: { sda: { mount_point: "/", used: 98, free: 2 } }, processes: [] };
  await page.route(/\/systems\/\w+$/, (route) => route.fulfill({ json: { stats } }));
  await page.goto(`${receiver.url}?view=fleet`);
  const tones = (system) => page.locator(".system", { hasText: system }).locator(".facts > div").evaluateAll((all) => all.map((one) => one.dataset.tone ?? null));
  await eventually(async () => JSON.stringify(await tones("full")) === '[null,"warn","bad",null]', "memory and disk");
  const colour = (system) => page.locator(".system", { hasText: system }).locator("dd").first().evaluate((one) => getComputedStyle(one).color);
  assert.notEqual(await colour("silent"), await colour("full"));
  assert.deepEqual(await axeViolations(page), []);
  await assertClean(tab, receiver.url);
});

test("a receiver to which nobody has reported says so", LIMIT, async (t) => {
  const receiver = await startServer({ args: ["--receive", "--data-dir", await folder(t)] });
  t.after(() => receiver.stop());
  const tab = await newPage(t, browser);
  await tab.page.goto(`${receiver.url}?view=fleet`);
  await eventually(async () => (await tab.page.locator("#fleet-note").textContent()).startsWith("No system has reported yet."), "the note");
  await assertClean(tab, receiver.url);
});

test("without a receiver there is no fleet", LIMIT, async (t) => {
  const tab = await newPage(t, browser);
  await tab.page.goto(server.url);
  await untilState(tab.page, "live");
  assert.ok(await tab.page.isHidden("#nav-fleet"));
  await assertClean(tab, server.url);
});
