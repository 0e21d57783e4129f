// What a page of somebody else gets out of the server: nothing. The same page under a loopback name is the control, so
// that an empty hand means the server's refusal and not a page that never tried.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch, newPage, startServer } from "./helper.js";

let browser;
let server;
let site;

before(async () => {
  // evil.test is this machine, as after a DNS rebinding.
  browser = await launch(["--host-resolver-rules=MAP evil.test 127.0.0.1"]);
  server = await startServer();
  site = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<title>page</title>"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
});

after(async () => {
  await server?.stop();
  await browser?.close();
  site?.close();
});

/** Tries every way in from within the page, and reports how many bytes each brought. */
function collect(base) {
  const socketBase = base.replace(/^http/, "ws");
  const limit = (promise) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 30_000, 0))]);
  const fetched = async (path, options) => {
    try {
      return (await (await fetch(base + path, options)).text()).length;
    } catch {
      return 0;
    }
  };
  const socket = (path, say) =>
    limit(
      new Promise((resolve) => {
        const one = new WebSocket(socketBase + path);
        one.onopen = () => say && one.send(say);
        one.onmessage = (event) => resolve(event.data.length);
        one.onclose = () => resolve(0);
      }),
    );
  const events = (path) =>
    limit(
      new Promise((resolve) => {
        const one = new EventSource(base + path);
        one.onmessage = (event) => (one.close(), resolve(event.data.length));
        one.onerror = () => (one.close(), resolve(0));
      }),
    );
  const worker = async () => {
    try {
      return (await (await fetch(base, { method: "POST" })).json()).id;
    } catch {
      return "none";
    }
  };
  return (async () => ({
    system: await fetched("system"),
    opaque: await fetched("system", { mode: "no-cors" }),
    processes: await fetched("api/processes", { headers: { Accept: "application/json" } }),
    post: await fetched("", { method: "POST" }),
    stream: await socket(`connect?id=${await worker()}`),
    psiod: await socket("", '{"type":"command","data":{"name":"host.getstats"}}'),
    events: await events("api/processes"),
    native: await events("api/v1/stream"),
  }))();
}

const pageOf = async (t, name, port) => {
  const { page } = await newPage(t, browser);
  await page.goto(`http://${name}:${port}/`);
  return page;
};

test("a page on a foreign name gets no byte", { timeout: 180_000 }, async (t) => {
  const page = await pageOf(t, "evil.test", site.address().port);
  const got = await page.evaluate(collect, server.url);
  assert.deepEqual(got, { system: 0, opaque: 0, processes: 0, post: 0, stream: 0, psiod: 0, events: 0, native: 0 });
});

test("the same page on a loopback name gets all of it", { timeout: 180_000 }, async (t) => {
  const page = await pageOf(t, "localhost", site.address().port);
  const { opaque, ...got } = await page.evaluate(collect, server.url);
  assert.equal(opaque, 0, "an opaque answer has no bytes, whoever asks");
  for (const [way, bytes] of Object.entries(got)) assert.ok(bytes > 10, `${way}: ${bytes} bytes`);
});

test("a rebound name is refused although the browser calls it the same origin", { timeout: 180_000 }, async (t) => {
  const page = await pageOf(t, "evil.test", server.port);
  const got = await page.evaluate(async () => {
    const system = await fetch("/system");
    return { status: system.status, text: await system.text() };
  });
  assert.equal(got.status, 421);
  assert.match(got.text, /--allow-host/);
  assert.doesNotMatch(got.text, /cpu|processes/);
  const refused = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/`);
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
      }),
  );
  assert.equal(refused, "refused");
});
