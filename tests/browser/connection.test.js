// The modules without a page: the connection's state machine in played time, numbers, the address, problems, axes, records.

import assert from "node:assert/strict";
import { test } from "node:test";

import { frame, filesystem, modules } from "./helper.js";

const [{ Connection, backOff }, { amount, fixed, heat, percent, rate, size, span, units }, router, { problemsOf }, scale, { Record }, { Buckets, Reduced }, { valuesOf, addDerived }, { openTo }] =
  await modules("connection.js", "format.js", "router.js", "problems.js", "scale.js", "record.js", "buckets.js", "series.js", "address.js");
const LIMIT = { timeout: 60_000 };

/** A connection in a played world: `advance(ms)` moves its clock; each attempt makes a stream that the test feeds or ends. */
function world({ random = 1 } = {}) {
  const timers = new Map();
  const played = { now: 0, streams: [], answers: [], states: [], frames: [] };
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
    stream: (signal, listeners) =>
      new Promise((resolve, reject) => {
        const stream = { signal, ...listeners, end: resolve, fail: reject };
        played.streams.push(stream);
        const answer = played.answers.shift();
        if (answer !== undefined) reject(answer);
      }),
    now: () => played.now,
    random: () => random,
    setTimeout: (call, delay) => {
      timers.set(next, { call, at: played.now + delay });
      return next++;
    },
    clearTimeout: (timer) => timers.delete(timer),
    onState: ({ name }) => played.states.push(name),
    onFrame: (data) => played.frames.push(data),
  });
  played.stream = () => played.streams.at(-1);
  played.live = async () => {
    played.connection.open();
    await played.advance(0);
    played.stream().onData("{}");
  };
  return played;
}

const error = (status, words = "the server cannot be reached", retryAfterSeconds = null) => Object.assign(new Error(words), { status, retryAfterSeconds });

test("the wait doubles from half a second to ten, and chance halves it at most", LIMIT, () => {
  const full = [0, 1, 2, 3, 4, 5, 6, 100, 5000].map((n) => backOff(n, 1));
  assert.deepEqual(full, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
  assert.equal(backOff(0, 0), 250);
  assert.equal(backOff(9, 0), 5000);
});

test("the first JSON object makes it live; what is no object is nothing", LIMIT, async () => {
  const played = world();
  played.connection.open();
  await played.advance(0);
  for (const words of ["", "hello", "[1]", "null", "7", "{"]) played.stream().onData(words);
  assert.equal(played.connection.state.name, "connecting");
  played.stream().onData('{"cpu":{}}');
  assert.deepEqual(played.states, ["connecting", "live"]);
  assert.deepEqual(played.frames, [{ cpu: {} }]);
});

test("attempts follow the back-off while the server is down, and start over after a success", LIMIT, async () => {
  const played = world();
  played.answers = [error(0), error(0), error(0)];
  played.connection.open();
  await played.advance(0);
  for (const [delay, attempts] of [[499, 1], [1, 2], [999, 2], [1, 3], [1999, 3], [1, 4]]) {
    await played.advance(delay);
    assert.equal(played.streams.length, attempts);
  }
  played.stream().onData("{}");
  played.stream().fail(error(0, "the connection was lost"));
  await played.advance(0);
  assert.equal(played.connection.state.until - played.now, 500);
  assert.equal(played.connection.state.reason, "the connection was lost");
});

test("a server that ends each stream at once is not asked faster and faster: only frames reset the back-off", LIMIT, async () => {
  const played = world();
  const waits = [];
  played.connection.open();
  for (let turn = 0; turn < 4; turn += 1) {
    await played.advance(0);
    played.stream().end();
    await played.advance(0);
    waits.push(played.connection.state.until - played.now);
    await played.advance(waits.at(-1));
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
});

test("Retry-After is waited for, and looking at the page does not shorten it", LIMIT, async () => {
  const played = world();
  played.answers = [error(503, "full", 30)];
  played.connection.open();
  await played.advance(0);
  assert.equal(played.connection.state.until, 30_500);
  played.connection.hurry();
  await played.advance(30_499);
  assert.equal(played.streams.length, 1);
  await played.advance(1);
  assert.equal(played.streams.length, 2);
});

test("hurry() ends a wait that is the page's own, and does nothing else", LIMIT, async () => {
  const played = world();
  await played.live();
  played.connection.hurry();
  assert.equal(played.streams.length, 1);
  played.stream().fail(error(0));
  await played.advance(0);
  played.connection.hurry();
  await played.advance(0);
  assert.equal(played.streams.length, 2);
  await played.advance(10_000);
  assert.equal(played.streams.length, 2, "the old wait is gone");
});

test("closing stops everything: no timer, no late event, no attempt", LIMIT, async () => {
  const played = world();
  await played.live();
  played.connection.close();
  assert.ok(played.stream().signal.aborted);
  assert.equal(played.timers.size, 0);
  played.stream().onData('{"late":1}');
  assert.equal(played.frames.length, 1);
  await played.advance(100_000);
  assert.deepEqual(played.states, ["connecting", "live", "stopped"]);
});

test("another view's stream takes the place of the old one without a word", LIMIT, async () => {
  const played = world();
  await played.live();
  const before = played.stream();
  played.connection.reopen();
  await played.advance(0);
  assert.ok(before.signal.aborted);
  before.fail(error(0, "given up"));
  played.stream().onData('{"new":1}');
  await played.advance(0);
  assert.deepEqual(played.states, ["connecting", "live"]);
  assert.deepEqual(played.frames.at(-1), { new: 1 });
  assert.equal(played.connection.state.name, "live");
});

test("401 waits for a token instead of trying again", LIMIT, async () => {
  const played = world();
  played.answers = [error(401, "a token is needed")];
  played.connection.open();
  await played.advance(100_000);
  assert.deepEqual(played.states, ["connecting", "locked"]);
  assert.equal(played.streams.length, 1);
  played.connection.open();
  await played.advance(0);
  assert.equal(played.streams.length, 2);
});

test("a peer that fell silent is given up, a slow interval is not", LIMIT, async () => {
  const played = world();
  await played.live();
  for (let turn = 0; turn < 5; turn += 1) {
    await played.advance(1000);
    played.stream().onData("{}");
  }
  await played.advance(14_000);
  assert.equal(played.connection.state.name, "live");
  await played.advance(8_000);
  assert.notEqual(played.connection.state.name, "live");
  const slow = world();
  await slow.live();
  for (let turn = 0; turn < 6; turn += 1) {
    await slow.advance(30_000);
    slow.stream().onData("{}");
  }
  assert.equal(slow.streams.length, 1);
});

test("a stream that opens and says nothing is given up", LIMIT, async () => {
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
  played.answers = [error(0)];
  played.stream().end();
  await played.advance(500);
  assert.match(played.connection.state.reason, /^the server ended the stream.*cannot be reached yet$/);
});

test("numbers: unknown is a dash, units follow the size and the reader's choice", LIMIT, () => {
  const narrow = "\u202f";
  for (const unknown of [null, undefined, NaN, Infinity, "5", {}]) {
    for (const words of [percent(unknown), rate(unknown), size(unknown), span(unknown), fixed(unknown)]) assert.equal(words, "\u2013");
    assert.deepEqual(amount(unknown), ["\u2013", ""]);
  }
  assert.equal(percent(0.1234), `12.3${narrow}%`);
  assert.equal(rate(0), `0${narrow}B/s`);
  assert.equal(rate(1.5 * 2 ** 20), `1.50${narrow}MiB/s`);
  assert.equal(size(1023), `1.00${narrow}KiB`);
  assert.equal(size(251.97 * 2 ** 30), `252${narrow}GiB`);
  assert.equal(fixed(1234567.89, 1), `1${narrow}234${narrow}567.9`);
  assert.equal(span(93_784), "1 d 2 h");
  assert.deepEqual(heat(100), ["100", "\u00b0C"]);
  Object.assign(units, { bytes: "si", heat: "f" });
  assert.equal(size(1e9), `1.00${narrow}GB`);
  assert.deepEqual(heat(100), ["212", "\u00b0F"]);
  Object.assign(units, { bytes: "iec", heat: "c" });
});

test("the address says what is shown, and nothing else", LIMIT, () => {
  const { parse, format } = router;
  assert.equal(format(parse("")), "");
  for (const query of ["?view=charts&range=24h", "?view=charts&from=1700000000&to=1700003600", "?kiosk", "?kiosk&view=charts", "?view=processes&filter=nginx+worker", "?view=fleet&system=a%2Fb"]) {
    assert.equal(format(parse(query)), query);
  }
  for (const wrong of ["?view=no", "?range=9y", "?from=5&to=5", "?from=9&to=8", "?from=x&to=7", "?to=99", "?from=-5&to=1e99"]) assert.equal(format(parse(wrong)), "", wrong);
});

test("what is wrong is told, the worst first, and what is well is not", LIMIT, () => {
  assert.deepEqual(problemsOf(frame()), []);
  assert.deepEqual(problemsOf({}), []);
  const stuck = filesystem("/nfs", 0.1, { stuck: true, usage: null });
  const inodes = filesystem("/mail", 0.2);
  inodes.usage.inodes_used_ratio = 0.93;
  const medium = filesystem("/cdrom", 1);
  medium.usage.read_only = true;
  const hot = { chip: "coretemp", label: "Core 0", celsius: 101, high_celsius: 80, critical_celsius: 100 };
  const warm = { chip: "nvme", label: "Composite", celsius: 85, high_celsius: 80, critical_celsius: null };
  const pressure = { ...frame().pressure, memory: { some: { avg10_ratio: 0.4 }, full: null } };
  const found = problemsOf(frame({
    filesystems: [filesystem("/", 0.92), filesystem("/home", 0.89), filesystem("/var", 0.98), stuck, inodes, medium],
    memory: { used_ratio: 0.95 }, load: { one: 4.5 }, pressure, sensors: { temperatures: [hot, warm] },
    readers: [{ name: "disks", success: false, error: "permission denied" }, { name: "cpu", success: true }],
  }));
  assert.deepEqual(found.filter(({ level }) => level === "bad").map(({ what }) => what), ["full /var", "stuck /nfs", "hot coretemp Core 0"]);
  assert.deepEqual(found.filter(({ level }) => level === "warn").map(({ what }) => what), ["full /", "inodes /mail", "memory", "load", "pressure memory", "hot nvme Composite", "reader disks"]);
  assert.match(found.at(-1).words, /disks fails: permission denied/);
});

test("axes begin at zero, have few marks, and round numbers in the reader's units", LIMIT, () => {
  const marks = (...args) => scale.valueAxis(...args).marks.map(({ label }) => label.replace("\u202f", " "));
  assert.deepEqual(marks("ratio", 0, 0.3, 1, 3), ["0%", "50%", "100%"]);
  assert.deepEqual(marks("bytes_per_second", 0, 5 * 2 ** 20, undefined, 4), ["0", "2 MiB/s", "4 MiB/s", "6 MiB/s"]);
  assert.deepEqual(marks("tasks", 0, 3.2, undefined, 4), ["0", "1", "2", "3", "4"]);
  assert.equal(scale.valueAxis("celsius", 45, 52, undefined, 4).low, 0, "no axis that begins where the values do");
  assert.ok(scale.valueAxis("celsius", -12, 20, undefined, 4).low <= -12);
  units.heat = "f";
  for (const { label } of scale.valueAxis("celsius", 20, 60, undefined, 4).marks) assert.match(label, /^-?\d*0\D/, "round in \u00b0F");
  units.heat = "c";
  for (const range of [60, 900, 3600, 86_400, 14 * 86_400, 730 * 86_400, 7 * 3600]) {
    const found = scale.timeMarks(1_700_000_000, 1_700_000_000 + range, 6);
    assert.ok(found.length >= 1 && found.length <= 8, `${range}: ${found.length}`);
    assert.equal(new Set(found.map(({ label }) => label)).size, found.length, `${range}: ${found.map(({ label }) => label)}`);
  }
});

test("a record joins the past and the live end, bounds itself, and knows its gaps", LIMIT, () => {
  const record = new Record();
  for (let time = 1000; time < 1010; time += 1) record.append(time, 1, new Map([["a", time], ["b", null]]));
  assert.ok(!record.columns.has("b"), "what was never known has no column");
  record.append(1009, 1, new Map([["a", 0]]));
  assert.equal(record.length, 10, "no moment twice");
  const past = Record.of({ step_seconds: 10, time: [970, 980, 990, 1000, 1010], series: { a: { mean: [1, null, 3, 4, 5], min: [0, null, null, null, null], max: [9, null, null, null, null] } } });
  record.under(past);
  assert.equal(record.length, 13);
  assert.deepEqual([...record.time.subarray(0, 4)], [975, 985, 995, 1000]);
  assert.deepEqual([...record.columns.get("a").max.subarray(0, 2)], [9, NaN]);
  assert.deepEqual(record.summary("a", 0, 999), { mean: 2, min: 0, max: 9 });
  assert.equal(record.nearest(1003.4), 6);
  assert.equal(record.nearest(2000), -1);
  const buckets = new Buckets().fill(record, 970, 1010, 400);
  const reduced = new Reduced().fill(record.columns.get("a"), buckets);
  assert.ok([...reduced.mean.subarray(0, buckets.count)].some(Number.isNaN), "the step that is unknown is a hole");
  record.append(1100, 1, new Map([["a", 7]]));
  const later = new Buckets().fill(record, 970, 1110, 140);
  assert.equal(later.gap[later.count - 1], 1, "90 s without a sample are a gap");
  for (let time = 1101; time < 9000; time += 1) {
    record.append(time, 1, new Map([["a", time]]));
    record.trim(time - 600);
  }
  assert.ok(record.time.length <= 4096, `${record.time.length} places for 600 rows`);
  record.append(5000, 1, new Map([["a", 1]]));
  assert.equal(record.time[record.length - 1], 5000, "a clock that was set back cuts off what lies after it");
});

test("a pixel's step has the mean and loses no peak", LIMIT, () => {
  const record = new Record();
  for (let time = 0; time < 1000; time += 1) record.append(time + 1, 1, new Map([["a", time === 500 ? 1 : 0]]));
  const buckets = new Buckets().fill(record, 1, 1001, 100);
  const reduced = new Reduced().fill(record.columns.get("a"), buckets);
  assert.ok(buckets.count <= 102);
  assert.equal(Math.max(...reduced.max.subarray(0, buckets.count)), 1);
  assert.ok(Math.abs(Math.max(...reduced.mean.subarray(0, buckets.count)) - 0.1) < 0.02);
});

test("live values have the history's names, and sums leave loopback out", LIMIT, () => {
  const values = valuesOf(frame());
  for (const name of ["cpu.busy", "cpu.core3.busy", "memory.free", "swap.in", "load.15", "pressure.io.some", "network.eth0.sent", "disk.sda.busy", "filesystem./home.used", "temperature.coretemp.Package id 0"]) {
    assert.equal(typeof values.get(name), "number", name);
  }
  assert.equal(values.get("all.received"), 1.5 * 2 ** 20);
  assert.equal(values.get("memory.cache"), 2 * 2 ** 32);
  const answer = { time: [1, 2], series: { "network.lo.sent": { mean: [9, 9] }, "network.a.sent": { mean: [1, null] }, "network.b.sent": { mean: [2, null] } } };
  addDerived(answer);
  assert.deepEqual(answer.series["all.sent"].mean, [3, null]);
  assert.equal(valuesOf({}).size, 0, "what is unknown has no value");
});

test("to whom a listening address is open", LIMIT, () => {
  const of = (ip) => openTo({ ip, port: 80 });
  assert.deepEqual(["0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.1.5", "203.0.113.9"].map(of), ["everybody", "everybody", "this machine", "this machine", "this machine", "the local network", "its network"]);
});
