// JavaScript clients as psmonitor's users write them: the documented fetch, then a WebSocket of the `ws` package.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { start } from "./server.mjs";

const WELCOME = "connected to monitor, transmitting data...";
let server;

before(async () => {
  server = await start();
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

/** The documented request. The body is no text: fetch sends `[object Object]`. */
async function worker() {
  const client = await fetch(`http://${server.address}`, {
    method: "POST",
    body: { connection: "monitor" },
  });
  assert.equal(client.status, 200);
  return client.json();
}

/** Opens a WebSocket and collects its messages until there are `count`, one is `last`, or it is closed. */
function read(path, { count, last }, onOpen = () => {}) {
  return new Promise((resolve, reject) => {
    const connection = new WebSocket(`ws://${server.address}${path}`);
    const messages = [];
    const limit = setTimeout(() => reject(new Error(`only ${messages.length} messages`)), 60_000);
    const done = (closed) => {
      clearTimeout(limit);
      connection.terminate();
      resolve({ messages, ...closed });
    };
    connection.onopen = () => onOpen(connection);
    connection.onerror = (event) => reject(event.error);
    connection.onmessage = (response) => {
      messages.push({ data: response.data, at: performance.now() });
      if (messages.length === count || response.data === last) done({});
    };
    connection.on("close", (code, reason) => done({ code, reason: reason.toString() }));
  });
}

for (const path of ["/connect", "/ws"]) {
  test(`the documented client on ${path}`, async () => {
    await followsTheClient(path);
  });
}

/** What the documents promise a client on this path. */
async function followsTheClient(path) {
  const { id, status } = await worker();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(status, null);
  const { messages } = await read(`${path}?id=${id}`, { count: 7 });
  assert.equal(messages[0].data, WELCOME);
  for (const { data } of messages.slice(1)) {
    const frame = JSON.parse(data);
    for (const key of ["cpu", "mem", "disk", "uptime", "processes", "network"]) assert.ok(key in frame, key);
    assert.equal(typeof frame.mem.total, "number");
    assert.equal(typeof frame.uptime, "string");
    assert.equal(frame.processes[0].memory_info.length, 7);
    assert.deepEqual(Object.keys(frame.network.statistics).sort(), [...frame.network.interfaces].sort());
  }
  // A frame may be late, and four together by as much.
  const seconds = (messages[6].at - messages[2].at) / 1000;
  assert.ok(Math.abs(seconds - 4) < 1.2, `four intervals took ${seconds} s`);
}

test("what a client says is echoed, text or binary", async () => {
  for (const message of ["hello", Buffer.from("hello")]) {
    const { id } = await worker();
    const last = "message received hello";
    const { messages } = await read(`/connect?id=${id}`, { last }, (connection) => connection.send(message));
    assert.equal(messages.at(-1).data, last);
  }
});

test("a used and an unknown id are closed with 1008", async () => {
  const { id } = await worker();
  await read(`/connect?id=${id}`, { count: 1 });
  for (const refused of [id, "00000000-0000-4000-8000-000000000000", "nonsense"]) {
    assert.deepEqual(await read(`/connect?id=${refused}`, { count: 1 }), {
      messages: [],
      code: 1008,
      reason: "Invalid worker id",
    });
  }
});

test("no id is an HTTP error", async () => {
  await assert.rejects(read("/connect", { count: 1 }), /Unexpected server response: 400/);
});

test("a stopping server closes with 1001", async () => {
  const shared = server;
  server = await start();
  try {
    const { id } = await worker();
    let stopped;
    const result = await read(`/connect?id=${id}`, { count: 1000 }, (connection) => {
      connection.once("message", () => (stopped = server.stop()));
    });
    assert.equal(result.code, 1001);
    assert.equal(await stopped, 0);
  } finally {
    server = shared;
  }
});
