"""Load on a receiver, longer than the tests may take. Not run by tests/run; needs Python 3 alone.

    python3 tests/load/receiver.py PROGRAM [--agents 1000] [--interval 10] [--seconds 300] [--kills 0]

Agents behave as System Monitor's do: a report each interval, each on a connection of its own, the recorded one with a new
epoch. With --kills the receiver is killed (SIGKILL) so often meanwhile, and started again. At the end it is killed once
more, started again, and asked for every report that it had confirmed with 200: counted by /systems, drawn by
/systems/{id}/history. Prints CPU, memory and disk, in all and for each agent, and ends with 1 if a confirmed report is gone.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "system-monitor" / "send_stats.json"


class Receiver:
    def __init__(self, program, folder):
        self.program, self.folder, self.cpu = program, folder, 0.0
        self.start()

    def start(self):
        arguments = ["--listen", "127.0.0.1:0", "--receive", "--auto-register", "--max-systems", "10000"]
        environment = {"RUST_LOG": "warn", **{k: v for k, v in os.environ.items() if not k.startswith("PSMONITOR_")}}
        self.process = subprocess.Popen(
            [self.program, *arguments, "--data-dir", self.folder], stdout=subprocess.PIPE, text=True, env=environment
        )
        line = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+)/", line)[1])

    def kill(self):
        self.cpu += self.cpu_seconds()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def disk(self):
        return sum(file.stat().st_blocks * 512 for file in Path(self.folder).iterdir())

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.load(answer)


async def post(port, body):
    """The status of the answer; None where there was none."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 10)
        try:
            head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            line = await asyncio.wait_for(reader.readline(), 15)
            return int(line.split()[1])
        finally:
            writer.close()
    except (OSError, asyncio.TimeoutError, IndexError, ValueError):
        return None


async def agent(number, options, receiver, report, confirmed, statuses, end):
    name = f"agent-{number}"
    await asyncio.sleep(options.interval * number / options.agents)
    while time.monotonic() < end:
        begin = time.monotonic()
        epoch = int(time.time())
        body = json.dumps({**report, "system_id": name, "epoch": epoch, "interval": int(options.interval)}).encode()
        status = await post(receiver.port, body)
        statuses[status] = statuses.get(status, 0) + 1
        statuses["slowest"] = max(statuses["slowest"], time.monotonic() - begin)
        if status == 200:
            confirmed.setdefault(name, []).append(epoch)
        await asyncio.sleep(max(0.0, options.interval - (time.monotonic() - begin)))


async def killer(options, receiver, end):
    pause = options.seconds / (options.kills + 1)
    for _ in range(options.kills):
        await asyncio.sleep(max(0.0, min(pause, end - time.monotonic())))
        receiver.kill()
        receiver.start()


async def load(options, receiver):
    report = json.loads(RECORDED.read_text())
    # As many processes as the machine has on which System Monitor's agent was recorded.
    report["stats"]["processes"] = [{"pid": n, "username": "root", "name": f"process-{n}"} for n in range(93)]
    confirmed, statuses = {}, {"slowest": 0.0}
    end = time.monotonic() + options.seconds
    agents = [agent(n, options, receiver, report, confirmed, statuses, end) for n in range(options.agents)]
    await asyncio.gather(killer(options, receiver, end), *agents)
    return confirmed, statuses


def missing(receiver, confirmed):
    """Confirmed reports that are not there."""
    listed = {one["system_id"]: one for one in receiver.get("/systems")["systems"]}
    gone = []
    for name, epochs in confirmed.items():
        distinct = sorted(set(epochs))
        if name not in listed or listed[name]["reports"] < len(distinct) or listed[name]["epoch"] < distinct[-1]:
            gone.append((name, len(distinct), listed.get(name)))
            continue
        query = f"from={distinct[0] // 10 * 10}&to={distinct[-1] + 10}&series=cpu.busy&points=5000"
        history = receiver.get(f"/systems/{name}/history?{query}")
        drawn = dict(zip(history["time"], history["series"]["cpu.busy"]["mean"]))
        step = history["step_seconds"]
        gone += [(name, epoch, "not drawn") for epoch in distinct if drawn.get(epoch // step * step) is None]
    return gone


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(options.program, folder)
        idle = receiver.resident()
        confirmed, statuses = asyncio.run(load(options, receiver))
        resident, disk = receiver.resident(), receiver.disk()
        cpu = receiver.cpu + receiver.cpu_seconds()
        receiver.kill()
        begin = time.monotonic()
        receiver.start()
        receiver.get("/systems")
        back = time.monotonic() - begin
        gone = missing(receiver, confirmed)
        receiver.kill()
    reports = sum(len(epochs) for epochs in confirmed.values())
    print(f"answers: {statuses}")
    print(f"confirmed: {reports} of {len(confirmed)} agents; gone after kill -9: {len(gone)} {gone[:5]}")
    print(f"CPU: {cpu / options.seconds * 100:.2f} % of a core, {cpu / max(reports, 1) * 1e6:.0f} us a report")
    print(f"memory: {resident / 2**20:.1f} MiB ({idle / 2**20:.1f} without agents), {(resident - idle) / options.agents / 1024:.1f} KiB an agent")
    print(f"disk: {disk / 2**20:.1f} MiB, {disk / options.agents / 1024:.1f} KiB an agent; back {back:.2f} s after the kill")
    sys.exit(1 if gone or not reports else 0)


main()
