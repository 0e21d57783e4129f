// Starts the real program for the JavaScript client tests, and stops it. PSMONITOR_BIN names it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A server on a free port: its `address`, and `stop()`, which gives its exit code. */
export async function start(...flags) {
  const program = process.env.PSMONITOR_BIN;
  if (!program) throw new Error("PSMONITOR_BIN is not set; start these tests with tests/run js");
  const child = spawn(program, ["--listen", "127.0.0.1:0", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, RUST_LOG: "warn" },
  });
  const ended = once(child, "exit");
  // A test that fails must not leave it running.
  process.once("exit", () => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  const found = (async () => {
    for await (const line of lines) {
      const match = line.match(/http:\/\/([^\s/]+:\d+)/);
      if (match) return match[1];
    }
    throw new Error("the server ended without saying where it listens");
  })();
  const address = await found;
  child.stdout.resume();
  return {
    address,
    async stop() {
      child.kill("SIGTERM");
      return (await ended)[0];
    },
  };
}
