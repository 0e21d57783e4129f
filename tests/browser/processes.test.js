// The process table, its tree and its dialog: sorting, filtering, holding still, thousands of rows, hostile names, ending one.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  assertClean, BINARY, browser, eventually, folder, frame, newPage, playStream, processRow, server, sleep, startServer, textOf, tokenArgs, untilState,
  useBrowserAndServer,
} from "./helper.js";

const LIMIT = { timeout: 180_000 };

useBrowserAndServer();

const rows = (page) => page.locator("#processes tbody tr:not(.space)");
const column = (page, name) => page.locator(`#processes tbody [data-column="${name}"] .value`).allTextContents();
const table = (list) => frame({ processes: { visibility: "all", count: list.length, complete: true, list } });

async function played(t, query, list) {
  const tab = await newPage(t, browser);
  const stream = await playStream(tab.page);
  // The played processes have the PIDs of real ones: no command lines of those.
  await tab.page.route("**/api/4/processlist", (route) => route.fulfill({ json: [] }));
  await tab.page.goto(`${server.url}${query}`);
  await stream.play(table(list));
  await eventually(async () => (await rows(tab.page).count()) > 0, "rows");
  return { ...tab, ...stream };
}

const few = () => [
  processRow(1, { name: "init", parent_pid: 0, user: "root", cpu_ratio: 0, state: "sleeping" }),
  processRow(20, { name: "sshd", user: "root", cpu_ratio: 0.2 }),
  processRow(30, { name: "bash", parent_pid: 20, user: "ann", cpu_ratio: 1.5, state: "running" }),
  processRow(40, { name: "vim", parent_pid: 30, user: "ann", cpu_ratio: null, threads: null, memory: null, memory_ratio: null }),
  processRow(50, { name: "cron", user: null, uid: 77, cpu_ratio: 0.1, state: "zombie" }),
];

test("the whole table, sortable by every column", LIMIT, async (t) => {
  const { page, urls, play, ...tab } = await played(t, "?view=processes", few());
  assert.match((await urls()).at(-1), /processes=all$/);
  assert.deepEqual(await column(page, "name"), ["bash", "sshd", "cron", "init", "vim"]);
  assert.deepEqual(await column(page, "cpu"), ["150.0\u202f%", "20.0\u202f%", "10.0\u202f%", "0.0\u202f%", "\u2013"]);
  assert.deepEqual(await column(page, "user"), ["ann", "root", "77", "root", "ann"]);
  assert.equal(await page.locator('#processes th[aria-sort="descending"]').textContent(), "CPU");
  for (const [head, first] of [["Name", "bash"], ["PID", "cron"], ["User", "cron"], ["Memory", "cron"], ["Threads", "cron"], ["State", "bash"]]) {
    await page.click(`#processes th button:text-is("${head}")`);
    const before = await eventually(async () => (await column(page, "name")).length === 5 && column(page, "name"), head);
    if (["Name", "PID", "User", "Memory", "State"].includes(head)) assert.equal(before[0], first, head);
    await page.click(`#processes th button:text-is("${head}")`);
    await eventually(async () => (await page.locator("#processes th[aria-sort=ascending], #processes th[aria-sort=descending]").textContent()) === head, `${head} the other way`);
  }
  assert.ok(await page.locator('#processes th[data-column="read"]').isHidden(), "a column of which nothing is known");
  const io = (one) => ({ read_bytes: 4096, written_bytes: 8192, read_bytes_per_second: 2048, written_bytes_per_second: one.pid });
  await play(table(few().map((one) => ({ ...one, io: io(one) }))));
  await page.click('#processes th button:text-is("Written")');
  await eventually(async () => (await column(page, "name"))[0] === "cron", "by what is written");
  assert.equal((await column(page, "read"))[0], "2.00\u202fKiB/s");
  await play(table(few()));
  assert.equal((await column(page, "read"))[0], "2.00\u202fKiB/s", "the frames until the next that tells it");
  await assertClean({ page, ...tab }, server.url);
});

test("filters as one types, by name, user and PID, and keeps the filter in the address", LIMIT, async (t) => {
  const { page, play, ...tab } = await played(t, "?view=processes", few());
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "processes-filter");
  await page.keyboard.type("ann ba");
  await eventually(async () => (await column(page, "name")).join() === "bash", "both words");
  assert.equal(await textOf(page, "processes-note"), "1 of 5 processes");
  assert.match(page.url(), /filter=ann\+ba$/);
  await play(table(few()));
  assert.deepEqual(await column(page, "name"), ["bash"], "the next frame is filtered too");
  await page.fill("#processes-filter", "50");
  await eventually(async () => (await column(page, "name")).join() === "cron", "a PID");
  await page.fill("#processes-filter", "nothing like it");
  await eventually(async () => (await page.locator("#processes .note").textContent()) === "Nothing fits the filter.", "the note");
  await page.keyboard.press("Escape");
  await eventually(async () => (await rows(page).count()) === 5, "all again");
  const other = await played(t, "?view=processes&filter=vim", few());
  await eventually(async () => (await column(other.page, "name")).join() === "vim", "the filter of the address");
  await assertClean({ page, ...tab }, server.url);
});

test("a real process is found by its command line, and what it writes is told as it is", LIMIT, async (t) => {
  // Beside the program, where there is a disk: what is written to memory alone counts for nothing.
  const file = join(dirname(BINARY), `written-by-a-test-${process.pid}`);
  t.after(() => rm(file, { force: true }));
  const writer = `const fs = require("fs"); const file = fs.openSync(process.argv[1], "w"); const bytes = Buffer.alloc(1 << 20); setInterval(() => (fs.writeSync(file, bytes, 0, bytes.length, 0), fs.fsyncSync(file)), 100);`;
  const child = spawn(process.execPath, ["-e", writer, file, "--", "--marker-of-the-test"], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${server.url}?view=processes&filter=marker-of-the-test`);
  await eventually(async () => (await column(page, "pid")).join() === String(child.pid), "found by an argument");
  const written = async () => Number(/write_bytes: (\d+)/.exec(await readFile(`/proc/${child.pid}/io`, "utf8"))[1]);
  const cell = page.locator("#processes tbody [data-column=written] .value");
  const told = async () => {
    const found = /^([\d.]+).([KM]?)i?B\/s$/.exec(await cell.textContent());
    return found !== null && Number(found[1]) * { M: 1, K: 2 ** -10, "": 2 ** -20 }[found[2]];
  };
  await eventually(told, "how fast it writes");
  // A busy disk writes unevenly: what the kernel counts over some seconds lies between the least and the most that is told meanwhile.
  const [before, begin, all] = [await written(), performance.now(), []];
  await eventually(async () => all.push(await told()) && performance.now() - begin > 5_000, "some seconds");
  const truth = (await written() - before) / 2 ** 20 / ((performance.now() - begin) / 1000);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  assert.ok(least / 1.5 < truth && truth < most * 1.5, `told ${least} to ${most} MiB/s, the kernel counts ${truth.toFixed(2)}`);
  assert.ok(await page.isVisible('#processes th[data-column="read"]'), "and what it reads");
  await page.locator("#processes tbody button").first().click();
  await eventually(async () => /Written[\d.]+.[KMG]iB, now [\d.]+.[KM]iB\/s/.test(await textOf(page, "process-facts")), "in the dialog, too");
  await assertClean(tab, server.url);
});

test("as a tree: children below their parents, and what fits with its parents", LIMIT, async (t) => {
  const { page, ...tab } = await played(t, "?view=processes", few());
  await page.click("#processes-tree");
  await eventually(async () => (await column(page, "name")).join() === "init,sshd,bash,vim,cron", "the order of the tree");
  const depths = await page.locator("#processes tbody .main").evaluateAll((all) => all.map((one) => one.style.getPropertyValue("--depth")));
  assert.deepEqual(depths, ["0", "1", "2", "3", "1"]);
  await page.fill("#processes-filter", "vim");
  await eventually(async () => (await column(page, "name")).join() === "init,sshd,bash,vim", "with its parents");
  await assertClean({ page, ...tab }, server.url);
});

test("rows keep their place while somebody reads", LIMIT, async (t) => {
  const { page, play, ...tab } = await played(t, "?view=processes", few());
  await rows(page).nth(1).hover();
  await page.mouse.move(500, 220);
  const moved = few().filter(({ name }) => name !== "cron");
  moved[1].cpu_ratio = 3;
  moved.push(processRow(60, { name: "late", cpu_ratio: 9 }));
  await play(table(moved));
  await eventually(async () => (await column(page, "name")).join() === "bash,sshd,cron,init,vim,late", "the order is held, the newcomer at the end");
  assert.equal((await column(page, "cpu"))[1], "300.0\u202f%", "the figures are new");
  assert.equal(await page.locator("#processes tr[data-gone]").count(), 1, "what ended is marked");
  assert.match(await textOf(page, "processes-note"), /order held while you read/);
  await page.mouse.move(5, 5);
  await play(table(moved));
  await eventually(async () => (await column(page, "name")).join() === "late,sshd,bash,init,vim", "in order again");
  await assertClean({ page, ...tab }, server.url);
});

test("5,000 processes: few rows in the page, all of them to be reached", LIMIT, async (t) => {
  const list = Array.from({ length: 5000 }, (_, at) => processRow(at + 1, { name: `process-${at + 1}`, cpu_ratio: (5000 - at) / 1000, parent_pid: at % 100 }));
  const { page, play, ...tab } = await played(t, "?view=processes", list);
  assert.ok((await rows(page).count()) < 120, `${await rows(page).count()} rows in the page`);
  const [last, edge] = await page.evaluate(() => {
    const seen = [...document.querySelectorAll("#processes thead th")].filter((one) => one.offsetParent !== null);
    return [seen.at(-1), document.querySelector("#processes .scroller")].map((one) => Math.round(one.getBoundingClientRect().right));
  });
  // A bar to scroll with may stand between them.
  assert.ok(edge - last < 24, `the table fills its place without the columns of which nothing is known: it ends at ${last} of ${edge}`);
  await page.locator("#processes .scroller").evaluate((one) => one.scrollTo(0, one.scrollHeight));
  await eventually(async () => (await column(page, "name")).at(-1) === "process-5000", "the last one");
  // A frame of 5,000, from its text to the rows: in time of the main thread, which a busy machine does not stretch.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
  const text = `data: ${JSON.stringify(table(list))}\n\n`;
  await page.evaluate((text) => (window.held = text), text);
  await page.evaluate(() => window.play(window.held));
  await sleep(500);
  const begin = await busy();
  for (let turn = 0; turn < 10; turn += 1) {
    await page.evaluate(() => window.play(window.held));
    await sleep(120);
  }
  const each = ((await busy()) - begin) / 10;
  t.diagnostic(`${(each * 1000).toFixed(1)} ms of the main thread for a frame of 5,000 processes (${(text.length / 1e6).toFixed(1)} MB)`);
  assert.ok(each < 0.1, `${each} s`);
  await page.click("#processes-tree");
  await page.fill("#processes-filter", "process-4999");
  await eventually(async () => (await column(page, "name")).includes("process-4999"), "filtered in a tree");
  await assertClean({ page, ...tab }, server.url);
});

test("a click shows one process: its command line, parents, and its CPU and memory since", LIMIT, async (t) => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "--", "--password=open-sesame", "marker"], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${server.url}?view=processes&filter=${child.pid}`);
  await eventually(async () => (await column(page, "pid")).includes(String(child.pid)), "the process");
  await page.locator(`#processes tr:has([data-column=pid] .value:text-is("${child.pid}")) button`).click();
  await eventually(async () => (await textOf(page, "process-command")).includes("marker"), "the command line");
  assert.match(await textOf(page, "process-command"), /--password=\*\*\*/);
  assert.match(await textOf(page, "process-parents"), new RegExp(`node ${process.pid}(?!\\d)`), "its parent is this test");
  await eventually(async () => /now mean/.test((await page.locator('[data-chart="process memory"] canvas').getAttribute("aria-label")) ?? ""), "its memory as a chart");
  assert.match(await textOf(page, "process-leave"), /--allow-kill/);
  assert.ok(await page.isHidden("#process-end-form"), "nothing to end it with where the server does not allow it");
  child.kill("SIGKILL");
  await eventually(async () => (await textOf(page, "process-outcome")) === "This process has ended.", "its end");
  await page.keyboard.press("Escape");
  await eventually(async () => !(await page.locator("#process").evaluate((one) => one.open)), "closed");
  await assertClean(tab, server.url);
});

test("a process is ended where the server allows it, with the token, and asked twice", LIMIT, async (t) => {
  const token = "a-token-that-may-end-processes-0123";
  const own = await startServer({ args: [...(await tokenArgs(t, token)), "--allow-kill"] });
  t.after(() => own.stop());
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.addInitScript((token) => sessionStorage.setItem("psmonitor.token", token), token);
  await page.goto(`${own.url}?view=processes&filter=${child.pid}`);
  await untilState(page, "live");
  await page.locator(`#processes tr:has([data-column=pid] .value:text-is("${child.pid}")) button`).click();
  await page.locator("#process-end").waitFor();
  await page.click("#process-end");
  assert.match(await textOf(page, "process-end"), new RegExp(`^Really send TERM to .*${child.pid}`));
  await sleep(300);
  assert.equal(child.exitCode ?? child.signalCode, null, "the first click asks");
  await page.click("#process-end");
  const [, signal] = await ended;
  assert.equal(signal, "SIGTERM");
  await eventually(async () => /was sent|has ended/.test(await textOf(page, "process-outcome")), "the outcome");
  await assertClean(tab, own.url);
});

test("a real process that is named like markup is text everywhere", LIMIT, async (t) => {
  const name = "<img src=x onerror=window.pwned=1>";
  const place = join(await folder(t), name);
  await symlink(process.execPath, place);
  const child = spawn(place, ["-e", "globalThis.held = Buffer.alloc(96 << 20, 1); let n = 0; setInterval(() => { for (let i = 0; i < 4e6; i += 1) n += i; }, 20)", name], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(`${server.url}?view=processes&filter=${child.pid}`);
  const row = page.locator(`#processes tr:has([data-column=pid] .value:text-is("${child.pid}"))`);
  await eventually(async () => (await row.count()) === 1, "the process");
  assert.match(await row.locator(".main").textContent(), /^<img src=x oner|^<img/);
  await row.locator("button").click();
  await eventually(async () => (await textOf(page, "process-command")).includes(name), "the command line");
  assert.match(await textOf(page, "process-title"), /^<img/);
  await page.keyboard.press("Escape");
  await page.click("nav a[data-view=overview]");
  await eventually(async () => (await page.locator("#busiest, #largest").allTextContents()).join().includes("<img"), "in the lists");
  assert.equal(await page.locator("main img, dialog img").count(), 0, "no element came of the name");
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await assertClean(tab, server.url);
});
