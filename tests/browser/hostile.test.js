// A real process whose name is markup, among the ten largest: the dashboard shows it as text.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { assertClean, eventually, launch, newPage, startServer, untilState } from "./helper.js";

const NAME = "<img src=x>";
const CHILD = `
  require("node:fs").writeFileSync("/proc/self/comm", ${JSON.stringify(NAME)});
  globalThis.held = Buffer.alloc(Number(process.argv[1]), 1);
  console.log("ready");
  setInterval(() => {}, 1000);
`;
let browser;
let server;
let hostile;

/** Bytes that make a process one of the ten largest: more than the seventh has. */
async function largeSize() {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const kib = await Promise.all(pids.map(async (pid) => {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }));
  return Math.round((kib.sort((a, b) => b - a)[6] ?? 0) * 1024 * 1.25) + 64 * 1024 * 1024;
}

before(async () => {
  // Chromium's processes are large too.
  browser = await launch();
  server = await startServer();
  hostile = spawn(process.execPath, ["-e", CHILD, String(await largeSize())], { stdio: ["ignore", "pipe", "inherit"] });
  await once(hostile.stdout, "data");
}, { timeout: 180_000 });

after(async () => {
  hostile?.kill("SIGKILL");
  await server?.stop();
  await browser?.close();
}, { timeout: 30_000 });

test("a process named like markup is shown as text", { timeout: 180_000 }, async (t) => {
  const tab = await newPage(t, browser);
  const { page } = tab;
  await page.goto(server.url);
  await untilState(page, "live");
  await eventually(async () => (await page.locator("table").allTextContents()).join().includes(NAME), "the name in the table");
  assert.equal(await page.locator("img[src=x], #processes img").count(), 0, "no element came of the name");
  await assertClean(tab, server.url);
});
