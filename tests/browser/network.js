// What stands between the browser and the server in some tests: certificates, nginx as docs/proxy.md has it, and a cable that can
// fall silent.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A certificate for 127.0.0.1 from an authority of its own, in a folder: `{chain, key, pin}`. `pin` is what
 * `--ignore-certificate-errors-spki-list` of Chromium takes, so that it trusts this one and no other.
 */
export async function certificate(folder) {
  const at = (name) => join(folder, name);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await writeFile(at("leaf.cnf"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  await run("openssl", ["req", "-x509", ...curve, "-days", "2", "-subj", "/CN=test authority", "-keyout", at("ca.key"), "-out", at("ca.pem")]);
  await run("openssl", ["req", ...curve, "-subj", "/CN=127.0.0.1", "-keyout", at("leaf.key"), "-out", at("leaf.csr")]);
  await run("openssl", ["x509", "-req", "-in", at("leaf.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("leaf.cnf"), "-out", at("leaf.pem")]);
  const leaf = await readFile(at("leaf.pem"));
  await writeFile(at("chain.pem"), Buffer.concat([leaf, await readFile(at("ca.pem"))]));
  const pin = createHash("sha256").update(new X509Certificate(leaf).publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return { chain: at("chain.pem"), key: at("leaf.key"), pin };
}

/** A port of 127.0.0.1 that was free a moment ago. */
async function freePort() {
  const listener = createServer();
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

/** nginx with TLS, HTTP/2 and the example of docs/proxy.md, in front of the server at `upstream`. Gives its port. */
export async function nginx(t, folder, { chain, key }, upstream) {
  const page = await readFile(new URL("../../docs/proxy.md", import.meta.url), "utf8");
  const example = (name) => new RegExp(`<!-- run: ${name} -->\\s*\`\`\`nginx\\n([^]*?)\`\`\``).exec(page)[1];
  const location = example("nginx").replace("http://unix:/run/psmonitor/psmonitor.sock", upstream);
  assert.ok(location.includes(upstream), "the example names the server");
  for (let attempt = 0; ; attempt += 1) {
    const port = await freePort();
    const conf = join(folder, "nginx.conf");
    await writeFile(conf, `
      ${process.getuid() === 0 ? "user root;" : ""} daemon off; pid ${folder}/nginx.pid; error_log stderr; worker_processes 1;
      events { worker_connections 64; }
      http {
        access_log off;
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        ${example("nginx-http")}
        server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${chain}; ssl_certificate_key ${key}; ${location} }
      }
    `);
    const child = spawn("nginx", ["-c", conf], {
      stdio: ["ignore", "ignore", "pipe"],
      // Debian's stands where not everybody looks.
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    let said = "";
    child.stderr.on("data", (bytes) => (said = (said + bytes).slice(-2000)));
    const ended = new Promise((resolve) => child.once("close", () => resolve("ended")).once("error", (error) => resolve(String(error))));
    const isUp = await Promise.race([ended, reached(port)]);
    if (isUp === true) {
      t.after(async () => {
        child.kill();
        await ended;
      });
      return port;
    }
    child.kill();
    assert.ok(attempt < 4, `nginx does not start (apt-get install nginx-light): ${isUp} ${said}`);
  }
}

async function reached(port) {
  for (let turn = 0; turn < 300; turn += 1) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true) || socket.destroy()).on("error", () => resolve(false));
    });
    if (isOpen) return true;
    await sleep(100);
  }
  return "not reached within 30 s";
}

/**
 * A cable to the server at `port`: `{url, silence(), made()}`. After `silence()` nothing passes on what was open until then, and
 * nobody is told; what is opened later is well. `made()` counts what was ever opened.
 */
export async function cable(t, port) {
  let count = 0;
  const open = new Set();
  const proxy = createServer((near) => {
    count += 1;
    const far = connect(port, "127.0.0.1");
    const pair = [near, far];
    open.add(pair);
    for (const [one, other] of [pair, [far, near]]) {
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        if (!open.has(pair)) return;
        open.delete(pair);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const silent = [];
  t.after(() => {
    proxy.close();
    for (const one of [...open, ...silent].flat()) one.destroy();
  });
  const silence = () => {
    for (const pair of open) {
      for (const one of pair) {
        one.unpipe();
        // Read and thrown away: whoever sends sees no difference.
        one.resume();
      }
      silent.push(pair);
    }
    open.clear();
  };
  return { url: `http://127.0.0.1:${proxy.address().port}/`, silence, made: () => count };
}
