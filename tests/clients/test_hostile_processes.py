"""Processes that try to get something across: a name that is markup, a secret on the command line.

The names come from the kernel and anybody may choose them; the answers must carry them as text, in JSON only, and no
secret at all.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

from conftest import ROOT, size_of_a_large_process

MARKUP = "<img src=x>'\"&a"
SECRET = "hunter2-correct-horse"

# Renames itself, takes so many MiB that it is among the ten largest, and waits to be ended.
CHILD = f"""
import sys
open('/proc/self/comm', 'w').write({MARKUP!r})
held = bytearray(int(sys.argv[1]) << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
print('ready', flush=True)
sys.stdin.read()
"""

ROUTES = [
    "/system",
    "/network",
    "/api/cpu",
    "/api/memory",
    "/api/disk",
    "/api/diskio",
    "/api/network",
    "/api/uptime",
    "/api/platform",
    "/api/cpumodel",
    "/api/v1/snapshot",
    "/api/v1/about",
    "/api/4/all",
    "/api/4/processlist",
    "/api/3/processlist",
    "/api/v1/history?range=1m",
    "/metrics",
]


@pytest.fixture(scope="module")
def hostile():
    """The process; its PID."""
    secrets = [f"--password={SECRET}", "--api-key", SECRET, f"--url=http://me:{SECRET}@h/"]
    arguments = [sys.executable, "-c", CHILD, str(size_of_a_large_process()), *secrets]
    child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        assert Path(f"/proc/{child.pid}/comm").read_text().rstrip("\n") == MARKUP
        yield child.pid
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_the_name_is_text_and_only_in_json(server, hostile):
    # The last sample may be older than the process.
    server.next_sample()
    system = requests.get(server.url + "/system", timeout=20)
    everything = requests.get(server.url + "/api/processes", headers={"Accept": "application/json"}, timeout=20)
    for answer in (system, everything):
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    largest = {process["pid"]: process["name"] for process in system.json()["processes"]}
    # Others may have grown larger since.
    assert largest.get(hostile, MARKUP) == MARKUP
    assert {process["Id"]: process["ProcessName"] for process in everything.json()["Processes"]}[hostile] == MARKUP


def test_no_route_tells_the_secret(server, hostile):
    for route in ROUTES:
        answer = requests.get(server.url + route, timeout=30)
        assert answer.status_code == 200, route
        assert SECRET not in answer.text, route
    with requests.get(server.url + "/api/processes", stream=True, timeout=30) as events:
        assert SECRET not in next(line for line in events.iter_lines(decode_unicode=True) if line.startswith("data:"))
    with server.connect() as stream:
        stream.recv(20)
        assert SECRET not in stream.recv(20)
    with connect(server.ws("/"), open_timeout=20) as psiod:
        for name in ("process.getall", "process.get"):
            psiod.send(json.dumps({"type": "command", "data": {"name": name, "pid": hostile}}))
            assert SECRET not in psiod.recv(20)


def test_the_command_line_shows_stars_in_its_place(server, hostile):
    answer = requests.get(server.url + "/api/process", params={"pid": hostile}, timeout=20).json()
    assert answer["name"] == MARKUP and answer["pid"] == hostile
    assert "--password=***" in answer["cmdline"]
    assert "--api-key ***" in answer["cmdline"]
    assert SECRET not in answer["cmdline"]


def test_nothing_is_logged(server, hostile):
    assert SECRET not in "".join(server.errors)


def test_every_json_route_is_in_the_list():
    """A new route cannot be forgotten here."""
    table = (ROOT / "src/server/routes/mod.rs").read_text()
    known = {route.split("?")[0] for route in ROUTES}
    elsewhere = {"/", "/connect", "/ws", "/api/process", "/api/processes", "/api/v1/stream", "/healthz"}
    # What others report, where this is a receiver; parts of what /api/4/all tells.
    elsewhere |= {"/systems", "/systems/{id}", "/systems/{id}/history"}
    elsewhere |= {path for path in re.findall(r'"(/api/[{]version[}]/[^"]+)"', table)}
    for method, path in re.findall(r'on\(Method::(\w+), "([^"]+)"', table):
        if method == "GET" and "static" not in path and "favicon" not in path and "openapi" not in path:
            assert path in known | elsewhere, f"{path} is not looked at for secrets"
