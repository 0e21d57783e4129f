"""Every number of psmonitor's answers against psutil at the same moment.

The server samples every 200 ms here. psutil is read again and again while we wait for a newer sample and ask the server:
ours must lie between the least and the most of it, or within the tolerance that its unit and the machine's noise require.
"""

import math
import multiprocessing
import os
import pwd
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
import requests
from conftest import assert_between, assert_none, bracket, extreme, is_between, meanwhile, running, size_of_a_large_process
from frames import check_frame, uptime_seconds

GIB = 1024**3
MIB = 1024**2
MEMORY_FIELDS = ("rss", "vms", "shared", "text", "lib", "data", "dirty")


def text_of(name):
    """psutil's text for bytes that may be no text, as we write it."""
    return os.fsencode(name).decode("utf-8", "replace")


def test_memory(quick):
    least, system, most = bracket(quick, "/system", psutil.virtual_memory)
    mem = system["mem"]
    assert mem["total"] == pytest.approx(least.total / GIB, abs=0.0051)
    for key in ("used", "free"):
        # Two decimals, and what came and went between two looks.
        assert_between(mem[key], getattr(least, key) / GIB, getattr(most, key) / GIB, 0.03, key)
    assert_between(mem["percent"], least.percent, most.percent, 0.3, "percent")


def test_disk(quick):
    least, system, most = bracket(quick, "/system", lambda: psutil.disk_usage("/"))
    disk = system["disk"]
    assert disk["total"] == pytest.approx(least.total / GIB, abs=0.0051)
    for key in ("used", "free"):
        assert_between(disk[key], getattr(least, key) / GIB, getattr(most, key) / GIB, 0.03, key)
    assert_between(disk["percent"], least.percent, most.percent, 0.1, "percent")


def test_uptime(quick):
    least, system, most = bracket(quick, "/system", lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    ours = uptime_seconds(system["platform"]["uptime"])
    assert_between(ours, math.floor(least), math.floor(most), 0, "uptime")
    assert_between(ours, least, time.time() - psutil.boot_time(), 3, "uptime")


def test_platform_and_user(quick):
    system = requests.get(f"{quick.url}/system", timeout=20).json()
    with open("/etc/os-release", encoding="utf-8") as file:
        release = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    assert system["platform"]["distro"] == release["PRETTY_NAME"].strip("\"'")
    assert system["platform"]["kernel"] == os.uname().release
    assert system["user"] == psutil.Process(quick.pid).username() == pwd.getpwuid(os.geteuid()).pw_name


def test_frequency(quick):
    def read():
        frequency = psutil.cpu_freq()
        return frequency.current if frequency else None

    least, system, most = bracket(quick, "/system", read)
    ours = system["cpu"]["freq"]
    if least is None:
        assert ours is None
    else:
        # A core's clock follows its load from one millisecond to the next.
        assert_between(ours, least, most, 0.2 * most, "freq")


def test_temperature(quick):
    """Known where psutil sees a CPU's own sensor, and the same within what a sensor moves in half a second."""
    names = ("coretemp", "k10temp", "zenpower", "cpu_thermal")

    def read():
        chips = psutil.sensors_temperatures()
        return [row.current for name in names for row in chips.get(name, [])]

    readings, system = meanwhile(read, lambda: requests.get(f"{quick.url}/system", timeout=20).json())
    ours, theirs = system["cpu"]["temp"], [current for reading in readings for current in reading]
    if not theirs:
        assert ours is None or not psutil.sensors_temperatures().keys().isdisjoint({"acpitz", "x86_pkg_temp"})
    else:
        assert_between(ours, min(theirs), max(theirs), 5, "temp")


def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_cpu_usage_over_the_same_interval():
    """One core busy for a while, then not: the streams' numbers follow psutil's over the same seconds.

    The two are not read at one instant. What lies between them is made up for by the second before or after, so the sums of
    the seconds are compared, which differ by one such piece; and the least and the most with those of the seconds around.
    """
    with running() as server, server.connect() as stream:
        stream.recv(timeout=20)
        check_frame(stream.recv(timeout=20))
        busy = multiprocessing.get_context("spawn").Process(target=burn, args=(3.5,))
        busy.start()
        ours, theirs = [], []
        check_frame(stream.recv(timeout=20))
        psutil.cpu_percent(interval=None)
        for _ in range(6):
            ours.append(check_frame(stream.recv(timeout=20))["cpu"]["usage"])
            theirs.append(psutil.cpu_percent(interval=None))
        busy.join()
    compared = list(zip(ours, theirs, strict=True))
    assert abs(sum(ours) - sum(theirs)) / len(ours) <= 8, compared
    for at, usage in enumerate(ours):
        near = theirs[max(at - 1, 0) : at + 2]
        assert_between(usage, min(near), max(near), 12, compared)
    assert max(ours) >= 100 / os.cpu_count() - 12, compared


BALLAST = """
import sys
block = bytearray(int(sys.argv[1]) * 1048576)
for place in range(0, len(block), 4096):
    block[place] = 1
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ballast():
    """Three large processes that stand still, so that every number of theirs can be compared exactly."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BALLAST, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for size in (size_of_a_large_process() + more for more in (40, 20, 0))
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    yield processes
    for process in processes:
        process.communicate()


def all_processes():
    found = {}
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                found[process.pid] = (text_of(process.name()), process.username(), tuple(process.memory_info()))
        except psutil.NoSuchProcess:
            pass
    return found


def test_processes(quick, ballast):
    def ask():
        quick.next_sample()
        return requests.get(f"{quick.url}/system", timeout=20).json()

    readings, system = meanwhile(all_processes, ask)
    # What came or went meanwhile is in neither of the two.
    least, most = extreme(min, readings), extreme(max, readings)
    ours = {row["pid"]: row for row in system["processes"]}
    assert len(ours) == min(10, len(least))
    # Others may have grown larger since.
    for pid in ours.keys() & {process.pid for process in ballast}:
        for value, low, high in zip(ours[pid]["memory_info"], least[pid][2], most[pid][2], strict=True):
            # The kernel may take pages away where memory is short; else the three are one.
            assert low <= value <= high, (ours[pid], least[pid], most[pid])
    wrong = {}
    for pid, row in ((pid, row) for pid, row in ours.items() if pid in least):
        if (row["name"], row["username"]) not in {reading[pid][:2] for reading in readings}:
            wrong[pid, "name"] = row, least[pid]
        for field, value, low, high in zip(MEMORY_FIELDS, row["memory_info"], least[pid][2], most[pid][2], strict=True):
            # Who moves may have moved as far again between two looks.
            if not is_between(value, low, high, 2 * MIB + 2 * (high - low)):
                wrong[pid, field] = value, low, high
        if abs(row["mem"] - row["memory_info"][0] / MIB) > 0.00501:
            wrong[pid, "mem"] = row
    # Nobody who was clearly larger all the time is missing.
    smallest = min(row["memory_info"][0] for row in ours.values())
    for pid in least.keys() - ours.keys():
        if least[pid][2][0] > smallest + 2 * MIB:
            wrong[pid, "missing"] = least[pid]
    assert_none(wrong)


def test_a_long_process_name_is_whole(quick, tmp_path):
    """The kernel cuts a name after 15 bytes; psutil completes it from the command line, and so do we."""
    path = tmp_path / "a-rather-long-process-name"
    path.symlink_to(sys.executable)
    process = subprocess.Popen([path, "-c", BALLAST, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        quick.next_sample()
        answer = requests.get(f"{quick.url}/api/process?pid={process.pid}", timeout=20).json()
        assert answer["name"] == psutil.Process(process.pid).name() == path.name
    finally:
        process.communicate()


def test_network(quick):
    """Counters only grow, so ours must lie exactly between."""
    least, network, most = bracket(quick, "/network", lambda: psutil.net_io_counters(pernic=True))
    assert set(network["interfaces"]) == set(network["statistics"]) == set(least)
    for name, row in network["statistics"].items():
        pairs = {
            "bytes_sent": row["mb_sent"] * MIB,
            "bytes_recv": row["mb_received"] * MIB,
            "packets_sent": row["pk_sent"],
            "packets_recv": row["pk_received"],
            "errin": row["error_in"],
            "errout": row["error_out"],
            "dropout": row["dropout"],
        }
        for key, ours in pairs.items():
            # MiB are not rounded: half a byte is what a double may lose.
            assert_between(ours, getattr(least[name], key), getattr(most[name], key), 0.5, f"{name} {key}")
    assert network["statistics"]["lo"]["pk_sent"] > 0


def test_network_averages():
    """Something goes over the loopback all the time; the averages of some seconds are what the counter grew by in them."""

    def pour(stop):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM
        ) as sender:
            receiver.bind(("127.0.0.1", 0))
            while not stop.wait(0.01):
                sender.sendto(bytes(50_000), receiver.getsockname())

    stop = threading.Event()
    thread = threading.Thread(target=pour, args=(stop,))
    thread.start()

    try:
        with running() as server, server.connect() as stream:
            stream.recv(timeout=20)
            frames = []
            while len(frames) < 7:
                frames.append((check_frame(stream.recv(timeout=20))["network"], time.monotonic()))
    finally:
        stop.set()
        thread.join()
    # A frame may be late, and all of them together by as much.
    (first, start), *others = frames[1:]
    (last, end) = others[-1]
    for direction, key in (("in", "mb_received"), ("out", "mb_sent")):
        rate = (last["statistics"]["lo"][key] - first["statistics"]["lo"][key]) / (end - start)
        assert rate > 0.5
        averages = [network["averages"]["lo"][direction] for network, _ in others]
        assert sum(averages) / len(averages) == pytest.approx(rate, rel=0.2)
