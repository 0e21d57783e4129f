// The connection's state machine and the number formats, without a browser: played time, played sockets, played answers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

// Read as a data URL, so that Node takes the file for a module wherever the nearest package.json is.
const load = async (name) => {
  const source = await readFile(new URL(`../../static/${name}`, import.meta.url), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
};
const { Connection, backOff, explainClose } = await load("connection.js");
const { amount, fixed, percent, rate, size } = await load("format.js");
const LIMIT = { timeout: 60_000 };

/** A connection in a played world: `advance(ms)` moves its clock, `answers` are what POST / gives next. */
function world({ random = 1 } = {}) {
  const timers = new Map();
  const played = { now: 0, sockets: [], tickets: 0, answers: [], states: [], events: [], messages: [] };
  let next = 1;
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  played.advance = async (span) => {
    const end = played.now + span;
    for (;;) {
      await settle();
      const due = [...timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      timers.delete(due[0]);
      played.now = due[1].at;
      due[1].call();
    }
    played.now = end;
    await settle();
  };
  played.timers = timers;
  played.connection = new Connection({
    requestTicket: async (signal) => {
      played.tickets += 1;
      played.signal = signal;
      const answer = played.answers.shift() ?? "id";
      if (typeof answer === "string") return answer;
      throw answer;
    },
    socketUrl: (id) => `ws://host/connect?id=${id}`,
    makeSocket: (url) => {
      const socket = { url, readyState: 1, sent: [], closed: null, send: (words) => socket.sent.push(words) };
      socket.close = (code) => (socket.closed = code);
      played.sockets.push(socket);
      return socket;
    },
    now: () => played.now,
    random: () => random,
    setTimeout: (call, delay) => {
      timers.set(next, { call, at: played.now + delay });
      return next++;
    },
    clearTimeout: (timer) => timers.delete(timer),
    onState: ({ name }) => played.states.push(name),
    onMessage: (words, data) => played.messages.push([words, data]),
    onEvent: (words) => played.events.push(words),
  });
  played.socket = () => played.sockets.at(-1);
  played.live = async () => {
    played.connection.open();
    await played.advance(0);
    played.socket().onmessage({ data: "{}" });
  };
  return played;
}

const down = () => Object.assign(new Error("the server cannot be reached"), { status: 0, retryAfterSeconds: null });

test("the wait doubles from half a second to ten, and chance halves it at most", LIMIT, () => {
  const full = [0, 1, 2, 3, 4, 5, 6, 100, 5000].map((n) => backOff(n, 1));
  assert.deepEqual(full, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
  assert.equal(backOff(0, 0), 250);
  assert.equal(backOff(9, 0), 5000);
});

test("the greeting is a message, the first JSON object makes it live", LIMIT, async () => {
  const played = world();
  played.connection.open();
  await played.advance(0);
  assert.equal(played.socket().url, "ws://host/connect?id=id");
  played.socket().onmessage({ data: "connected to monitor, transmitting data..." });
  assert.equal(played.connection.state.name, "connecting");
  played.socket().onmessage({ data: '{"cpu":{}}' });
  assert.deepEqual(played.states, ["connecting", "live"]);
  assert.deepEqual(played.messages.map(([, data]) => data), [null, { cpu: {} }]);
});

test("attempts follow the back-off while the server is down, and start over after a success", LIMIT, async () => {
  const played = world();
  played.answers = [down(), down(), down()];
  played.connection.open();
  await played.advance(0);
  for (const [delay, tickets] of [[499, 1], [1, 2], [999, 2], [1, 3], [1999, 3], [1, 4]]) {
    await played.advance(delay);
    assert.equal(played.tickets, tickets);
  }
  played.socket().onmessage({ data: "{}" });
  played.socket().onclose({ code: 1006, reason: "" });
  assert.equal(played.connection.state.until - played.now, 500);
  assert.equal(played.connection.state.reason, "the connection was lost");
});

test("a full server is not asked faster and faster: only data reset the back-off", LIMIT, async () => {
  const played = world();
  const waits = [];
  played.connection.open();
  for (let turn = 0; turn < 4; turn += 1) {
    await played.advance(0);
    played.socket().onmessage({ data: "Server is at full capacity. Please try again later." });
    played.socket().onclose({ code: 1013, reason: "" });
    waits.push(played.connection.state.until - played.now);
    await played.advance(waits.at(-1));
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
});

test("Retry-After is waited for, and looking at the page does not shorten it", LIMIT, async () => {
  const played = world();
  played.answers = [Object.assign(new Error("full"), { status: 503, retryAfterSeconds: 30 })];
  played.connection.open();
  await played.advance(0);
  assert.equal(played.connection.state.until, 30_500);
  played.connection.hurry();
  await played.advance(30_499);
  assert.equal(played.tickets, 1);
  await played.advance(1);
  assert.equal(played.tickets, 2);
});

test("hurry() ends a wait that is the page's own, and does nothing else", LIMIT, async () => {
  const played = world();
  await played.live();
  played.connection.hurry();
  assert.equal(played.tickets, 1);
  played.socket().onclose({ code: 1006, reason: "" });
  played.connection.hurry();
  await played.advance(0);
  assert.equal(played.tickets, 2);
  await played.advance(10_000);
  assert.equal(played.tickets, 2, "the old wait is gone");
});

test("closing stops everything: no timer, no late event, no attempt", LIMIT, async () => {
  const played = world();
  await played.live();
  const socket = played.socket();
  played.connection.close();
  assert.equal(socket.closed, 1000);
  assert.equal(socket.onmessage, null);
  assert.equal(played.timers.size, 0);
  assert.equal(played.connection.send("x"), false);
  await played.advance(100_000);
  assert.deepEqual(played.states, ["connecting", "live", "stopped"]);

  played.connection.open();
  played.connection.close();
  await played.advance(100_000);
  assert.ok(played.signal.aborted);
  assert.equal(played.sockets.length, 1, "the ticket that came too late is not used");
  assert.equal(played.connection.state.name, "stopped");
});

test("401 waits for a token instead of trying again", LIMIT, async () => {
  const played = world();
  played.answers = [Object.assign(new Error("a token is needed"), { status: 401, retryAfterSeconds: null })];
  played.connection.open();
  await played.advance(100_000);
  assert.deepEqual(played.states, ["connecting", "locked"]);
  assert.equal(played.tickets, 1);
  played.connection.open();
  await played.advance(0);
  assert.equal(played.tickets, 2);
});

test("a peer that fell silent is given up, a slow interval is not", LIMIT, async () => {
  const played = world();
  await played.live();
  for (let turn = 0; turn < 5; turn += 1) {
    await played.advance(1000);
    played.socket().onmessage({ data: "{}" });
  }
  await played.advance(14_000);
  assert.equal(played.connection.state.name, "live");
  await played.advance(8_000);
  assert.notEqual(played.connection.state.name, "live");
  assert.ok(played.events.some((words) => words.startsWith("silence")));

  const slow = world();
  await slow.live();
  for (let turn = 0; turn < 6; turn += 1) {
    await slow.advance(30_000);
    slow.socket().onmessage({ data: "{}" });
  }
  assert.equal(slow.sockets.length, 1);
});

test("a socket that opens and says nothing is given up", LIMIT, async () => {
  const played = world();
  played.connection.open();
  await played.advance(14_999);
  assert.equal(played.connection.state.name, "connecting");
  await played.advance(1);
  assert.equal(played.connection.state.name, "waiting");
});

test("why the connection ended stays on show while the server is down", LIMIT, async () => {
  const played = world();
  await played.live();
  played.answers = [down()];
  played.socket().onclose({ code: 1001, reason: "" });
  await played.advance(500);
  assert.match(played.connection.state.reason, /^the server is stopping or restarting; .*cannot be reached yet$/);
});

test("every close code has words", LIMIT, () => {
  const codes = [1000, 1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013, 4000];
  const words = codes.map((code) => explainClose(code, ""));
  assert.equal(new Set(words).size, codes.length);
  assert.match(explainClose(1008, "Invalid worker id"), /worker id.*Invalid worker id/);
  assert.match(explainClose(4000, "x"), /4000.*x/);
});

test("numbers: unknown is a dash, units follow the size", LIMIT, () => {
  for (const unknown of [null, undefined, NaN, Infinity, "5", {}]) {
    assert.equal(percent(unknown), "\u2013");
    assert.deepEqual(amount(unknown, "GiB"), ["\u2013", ""]);
    assert.equal(rate(unknown), "\u2013");
  }
  assert.equal(percent(0), "0.0");
  assert.equal(rate(0), "0 MiB/s");
  assert.equal(rate(0.012), "12 KiB/s");
  assert.equal(rate(1.5), "1.50 MiB/s");
  assert.equal(size(23.54, "GiB"), "23.5 GiB");
  assert.equal(size(251.97, "GiB"), "252 GiB");
  assert.equal(size(1024, "GiB"), "1.00 TiB");
  assert.equal(size(0.5, "GiB"), "512 MiB");
  assert.equal(size(1e300, "MiB"), "9.09e+287 EiB");
  assert.equal(fixed(1234567.89, 1), "1\u202f234\u202f567.9");
  assert.equal(fixed(-1234, 0), "-1\u202f234");
});
