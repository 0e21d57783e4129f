"""Every number of psmonitor's answers against psutil at the same moment.

The server samples every 200 ms here. psutil is read, then we wait until a newer sample must be there, ask the server,
and read psutil again: ours must lie between the two readings, or within the tolerance that its unit and the machine's
noise require. What moves in both directions is tried a few times; a wrong number fails every time.
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
from conftest import agree, eventually, running, size_of_a_large_process
from frames import check_frame, uptime_seconds

GIB = 1024**3
MIB = 1024**2
MEMORY_FIELDS = ("rss", "vms", "shared", "text", "lib", "data", "dirty")


def bracket(server, path, read):
    """psutil before, ours, psutil after. The sample behind ours was taken between the two."""
    before = read()
    server.next_sample()
    ours = requests.get(server.url + path, timeout=20).json()
    return before, ours, read()


def is_between(ours, before, after, slack):
    return ours is not None and min(before, after) - slack <= ours <= max(before, after) + slack


def assert_between(ours, before, after, slack, what):
    assert is_between(ours, before, after, slack), f"{what}: ours {ours}, psutil {before} and {after}"


def text_of(name):
    """psutil's text for bytes that may be no text, as we write it."""
    return os.fsencode(name).decode("utf-8", "replace")


def test_memory(quick):
    def check():
        before, system, after = bracket(quick, "/system", psutil.virtual_memory)
        mem = system["mem"]
        assert mem["total"] == pytest.approx(before.total / GIB, abs=0.0051)
        for key in ("used", "free"):
            # Two decimals, and what the rest of the machine moved meanwhile.
            assert_between(mem[key], getattr(before, key) / GIB, getattr(after, key) / GIB, 0.02, key)
        assert_between(mem["percent"], before.percent, after.percent, 0.1, "percent")

    eventually(check)


def test_disk(quick):
    def check():
        before, system, after = bracket(quick, "/system", lambda: psutil.disk_usage("/"))
        disk = system["disk"]
        assert disk["total"] == pytest.approx(before.total / GIB, abs=0.0051)
        for key in ("used", "free"):
            assert_between(disk[key], getattr(before, key) / GIB, getattr(after, key) / GIB, 0.011, key)
        assert_between(disk["percent"], before.percent, after.percent, 0.1, "percent")

    eventually(check)


def test_uptime(quick):
    def read():
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def check():
        before, system, after = bracket(quick, "/system", read)
        ours = uptime_seconds(system["platform"]["uptime"])
        assert_between(ours, math.floor(before), math.floor(after), 0, "uptime")
        assert ours == pytest.approx(time.time() - psutil.boot_time(), abs=3)

    eventually(check)


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

    def check():
        before, system, after = bracket(quick, "/system", read)
        ours = system["cpu"]["freq"]
        if before is None:
            assert ours is None
        else:
            # A core's clock follows its load from one millisecond to the next.
            assert_between(ours, before, after, 0.1 * before, "freq")

    eventually(check)


def test_temperature(quick):
    """Known where psutil sees a CPU's own sensor, and the same within what a sensor moves in half a second."""
    names = ("coretemp", "k10temp", "zenpower", "cpu_thermal")

    def read():
        chips = psutil.sensors_temperatures()
        return [row.current for name in names for row in chips.get(name, [])]

    def check():
        before, system, after = bracket(quick, "/system", read)
        ours = system["cpu"]["temp"]
        if not before:
            assert ours is None or not psutil.sensors_temperatures().keys().isdisjoint({"acpitz", "x86_pkg_temp"})
        else:
            assert_between(ours, min(before + after), max(before + after), 5, "temp")

    eventually(check)


def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_cpu_usage_over_the_same_interval():
    """One core busy for a while, then not: the streams' numbers follow psutil's over the same seconds."""
    def check():
        with running() as server, server.connect() as stream:
            stream.recv(timeout=20)
            check_frame(stream.recv(timeout=20))
            busy = multiprocessing.get_context("spawn").Process(target=burn, args=(3.5,))
            busy.start()
            compared = []
            check_frame(stream.recv(timeout=20))
            psutil.cpu_percent(interval=None)
            for _ in range(5):
                ours = check_frame(stream.recv(timeout=20))["cpu"]["usage"]
                compared.append((ours, psutil.cpu_percent(interval=None)))
            busy.join()
        # /proc/stat counts in hundredths of a second and the two are not read at one instant.
        assert all(abs(ours - theirs) <= 6 for ours, theirs in compared), compared
        assert max(ours for ours, _ in compared) >= 100 / os.cpu_count() - 6, compared

    eventually(check)


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
    def check():
        before, system, after = bracket(quick, "/system", all_processes)
        ours = {row["pid"]: row for row in system["processes"]}
        assert len(ours) == min(10, len(before))
        # Others may have grown larger since.
        for pid in ours.keys() & {process.pid for process in ballast}:
            assert tuple(ours[pid]["memory_info"]) == before[pid][2] == after[pid][2]
        return before, ours, after

    def differences():
        before, ours, after = eventually(check)
        wrong = {}
        # What came or went between the two is not looked at.
        for pid, row in ((pid, row) for pid, row in ours.items() if pid in before and pid in after):
            if (row["name"], row["username"]) not in (before[pid][:2], after[pid][:2]):
                wrong[pid, "name"] = row, before[pid], after[pid]
            fields = zip(MEMORY_FIELDS, row["memory_info"], before[pid][2], after[pid][2], strict=True)
            slack = {field: 2 * MIB for field in MEMORY_FIELDS}
            values = {field: three for field, *three in fields}
            values["mem"], slack["mem"] = (row["mem"], before[pid][2][0] / MIB, after[pid][2][0] / MIB), 2
            wrong.update({(pid, key): three for key, three in values.items() if not is_between(*three, slack[key])})
        # Nobody who was clearly larger all the time is missing.
        smallest = min(row["memory_info"][0] for row in ours.values())
        for pid in before.keys() & after.keys() - ours.keys():
            if min(before[pid][2][0], after[pid][2][0]) > smallest + 2 * MIB:
                wrong[pid, "missing"] = before[pid]
        return wrong

    agree(differences)


def test_a_long_process_name_is_whole(quick, tmp_path):
    """The kernel cuts a name after 15 bytes; psutil completes it from the command line, and so do we."""
    path = tmp_path / "a-rather-long-process-name"
    path.symlink_to(sys.executable)
    process = subprocess.Popen([path, "-c", BALLAST, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"

        def check():
            _, answer, _ = bracket(quick, f"/api/process?pid={process.pid}", lambda: None)
            assert answer["name"] == psutil.Process(process.pid).name() == path.name

        eventually(check)
    finally:
        process.communicate()


def test_network(quick):
    """Counters only grow, so ours must lie exactly between."""
    def check():
        before, network, after = bracket(quick, "/network", lambda: psutil.net_io_counters(pernic=True))
        assert set(network["interfaces"]) == set(network["statistics"]) == set(before)
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
                assert_between(ours, getattr(before[name], key), getattr(after[name], key), 0.5, f"{name} {key}")
        assert network["statistics"]["lo"]["pk_sent"] > 0

    eventually(check)


def test_network_averages():
    """A known amount goes over the loopback; the averages times the seconds are what the counter grew by."""

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

    def check():
        with running() as server, server.connect() as stream:
            stream.recv(timeout=20)
            frames = []
            while len(frames) < 5:
                frames.append((check_frame(stream.recv(timeout=20))["network"], time.monotonic()))
        for (earlier, start), (later, end) in list(zip(frames, frames[1:], strict=False))[1:]:
            for direction, key in (("in", "mb_received"), ("out", "mb_sent")):
                rate = (later["statistics"]["lo"][key] - earlier["statistics"]["lo"][key]) / (end - start)
                assert rate > 0.5
                assert later["averages"]["lo"][direction] == pytest.approx(rate, rel=0.1)

    try:
        eventually(check)
    finally:
        stop.set()
        thread.join()
