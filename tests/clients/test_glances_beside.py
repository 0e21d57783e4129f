"""Glances itself beside this program, on the same machine at the same moment: the same values, and what an answer costs."""

import os
import signal
import subprocess
import sys
import time

import pytest
import requests
from conftest import assert_none, free_port, meanwhile, running, until
from cost import cpu_seconds

ROUNDS = 40
# Part of Glances' CPU time that one answer may take. A build without optimisation spends most of its time in the web framework.
FRACTION = 50 if "release" in os.environ.get("PSMONITOR_BIN", "") else 5


class Glances:
    """The program from PyPI, as `glances -w`."""

    def __init__(self):
        port = free_port()
        command = [sys.executable, "-m", "glances", "-w", "--disable-webui", "-B", "127.0.0.1", "-p", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid, self.url = self.process.pid, f"http://127.0.0.1:{port}"
        until(self.is_up, 120)

    def is_up(self):
        assert self.process.poll() is None, "Glances does not start"
        try:
            return requests.get(f"{self.url}/api/4/status", timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def glances():
    one = Glances()
    yield one
    one.stop()


def ask(server, path):
    return requests.get(f"{server.url}/api/4/{path}", timeout=60).json()


def both(server, glances, path):
    return [ask(one, path) for one in (server, glances)]


def test_the_same_values(quick, glances):
    wrong = {}

    def same(name, pick, tolerance):
        """Theirs lies between the least and the most of ours."""
        values, other = [pick(reading) for reading in readings], pick(theirs)
        if not min(values) - tolerance <= other <= max(values) + tolerance:
            wrong[name] = f"{min(values)} to {max(values)} is not {other}"

    # Glances renews its numbers when it is asked, every two seconds at most. What moves is compared with all that ours says
    # around its answer.
    both(quick, glances, "all")
    time.sleep(2.2)
    readings, theirs = meanwhile(lambda: ask(quick, "all"), lambda: ask(glances, "all"))
    ours = readings[-1]
    for key in ("total", "available", "used", "free", "active", "inactive", "buffers", "cached", "shared"):
        same(f"mem {key}", lambda one, key=key: one["mem"][key], 64 << 20)
    same("mem total", lambda one: one["mem"]["total"], 0)
    same("mem percent", lambda one: one["mem"]["percent"], 0.5)
    for key in ("total", "used", "free", "sin", "sout"):
        same(f"memswap {key}", lambda one, key=key: one["memswap"][key], 16 << 20)
    for key in ("min1", "min5", "min15"):
        same(key, lambda one, key=key: one["load"][key], 0.1)
    assert ours["load"]["cpucore"] == theirs["load"]["cpucore"]
    places = lambda answer: {row["mnt_point"]: row for row in answer["fs"]}
    if places(ours).keys() != places(theirs).keys():
        wrong["fs"] = f"{places(ours).keys()} are not {places(theirs).keys()}"
    for place in places(ours).keys() & places(theirs).keys():
        one, other = places(ours)[place], places(theirs)[place]
        for key in ("device_name", "fs_type", "options", "key"):
            if one[key] != other[key]:
                wrong[f"fs {place} {key}"] = f"{one[key]} is not {other[key]}"
        for key, tolerance in (("size", 0), ("used", 64 << 20), ("free", 64 << 20), ("percent", 0.2)):
            same(f"fs {place} {key}", lambda one, place=place, key=key: places(one)[place][key], tolerance)
    nets = lambda answer: {row["interface_name"]: row for row in answer["network"]}
    if nets(ours).keys() != nets(theirs).keys():
        wrong["network"] = f"{nets(ours).keys()} are not {nets(theirs).keys()}"
    for name in nets(ours).keys() & nets(theirs).keys():
        for key in ("bytes_recv_gauge", "bytes_sent_gauge", "bytes_all_gauge"):
            same(f"{name} {key}", lambda one, name=name, key=key: nets(one)[name][key], 1 << 20)
    disks = lambda answer: {row["disk_name"] for row in answer["diskio"]}
    if disks(ours) != disks(theirs):
        wrong["diskio"] = f"{disks(ours)} are not {disks(theirs)}"
    for key, tolerance in (("total", 4), ("running", 4), ("sleeping", 6), ("thread", 16), ("pid_max", 0)):
        same(f"processcount {key}", lambda one, key=key: one["processcount"][key], tolerance)
    for key in ("core", "ip", "system"):
        if ours[key] != theirs[key]:
            wrong[key] = f"{ours[key]} is not {theirs[key]}"
    if ours["quicklook"]["cpu_log_core"] != theirs["quicklook"]["cpu_log_core"]:
        wrong["cpu_log_core"] = ours["quicklook"]["cpu_log_core"]
    assert_none(wrong)


def test_an_answer_costs_a_fraction_of_glances(glances):
    """In one run, in turns: what the one and the other spend on answers to the same questions, as they come in bursts."""
    with running() as server:
        sessions = {one.pid: requests.Session() for one in (server, glances)}

        def ask(one):
            begin = cpu_seconds(one.pid)
            for _ in range(ROUNDS):
                assert sessions[one.pid].get(f"{one.url}/api/4/all", timeout=60).ok
            return (cpu_seconds(one.pid) - begin) / ROUNDS

        ask(server), ask(glances)
        ours, theirs = (min(ask(one) for _ in range(5)) for one in (server, glances))
        print(f"one /api/4/all: {ours * 1e6:.0f} us of CPU, Glances {theirs * 1e6:.0f} us: 1/{theirs / ours:.0f}")
        assert ours * FRACTION <= theirs, f"{ours * 1e6:.0f} us against {theirs * 1e6:.0f} us"
