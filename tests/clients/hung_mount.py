"""A real mount that hangs: it costs its own numbers, one thread and one question, whoever asks and however often.

Run by `tests/run mount`, and not with the other tests: a container seldom has /dev/fuse. The same is tested everywhere with a
function in the place of statvfs(3), beside `src/collect/linux/statvfs.rs`.
"""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from conftest import running

HUNG = Path(__file__).with_name("hung.py")
SCRAPES = 12


@pytest.fixture(scope="module", autouse=True)
def fuse():
    """What these tests need of the machine. Where it is missing they fail, and say so."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.fail("these tests mount a file system that hangs and need /dev/fuse, readable and writable: modprobe fuse, or run as root")


def wrapped(folder, *further):
    as_root = () if os.getuid() == 0 else ("--user", "--map-root-user")
    # The mount table that is told is that of the machine's first process, which the program itself is here.
    return ("unshare", *as_root, "--mount", "--pid", "--fork", "--mount-proc", sys.executable, str(HUNG), str(folder), *further)


def page(server):
    return requests.get(f"{server.url}/metrics", timeout=20).text


def families(text):
    """Names of the families, but for what the machine has at one moment and not at another."""
    return set(re.findall(r"^# TYPE (\S+)", text, re.M))


def success(text):
    return dict(re.findall(r'^node_scrape_collector_success\{collector="(\w+)"\} (\d)', text, re.M))


def threads(server):
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


def test_it_is_asked_once_by_one_thread_and_all_else_is_told(server, tmp_path):
    folder, trace = tmp_path / "hung", tmp_path / "trace"
    folder.mkdir()
    strace = ("strace", "-D", "-f", "-qq", "-e", "trace=statfs", "-o", str(trace))
    whole = page(server)
    with running("--interval", "500ms", wrapper=wrapped(folder, *strace)) as hung:
        first = page(hung)
        told = threads(hung)
        for _ in range(SCRAPES):
            begin = time.monotonic()
            text = page(hung)
            assert time.monotonic() - begin < 10
            assert families(text) == families(whole) == families(first)
            assert success(text) == success(whole)
            # Its own numbers are unknown, those of the others are there.
            assert f'node_filesystem_device_error{{device="/dev/hung",fstype="fuse",mountpoint="{folder}"}} 1' in text
            sizes = re.findall(r'^node_filesystem_size_bytes\{device="([^"]+)"', text, re.M)
            assert "/dev/hung" not in sizes and sizes == re.findall(r'^node_filesystem_size_bytes\{device="([^"]+)"', whole, re.M)
            time.sleep(0.3)
        rows = requests.get(f"{hung.url}/api/v1/snapshot", timeout=20).json()["filesystems"]
        row = next(row for row in rows if row["mount_point"] == str(folder))
        assert (row["stuck"], row["usage"]) == (True, None)
        assert all(row["usage"] for row in rows if row["mount_point"] == "/")
        hearts = requests.get(f"{hung.url}/api/disk", timeout=20).json()["disk_usage"]
        assert [row["total"] for row in hearts if row["path"] == str(folder)] == [None]
        # Threads of the pool come and go with what is asked at once; a hung question would add one at each scrape.
        assert threads(hung) <= told + 4, f"{told} threads became {threads(hung)}"
        asked = [line for line in trace.read_text().splitlines() if f'statfs("{folder}"' in line]
        print(f"{SCRAPES + 1} scrapes: asked {len(asked)} times; {told} threads after the first, {threads(hung)} at the end")
        assert len(asked) == 1, asked
        assert "unfinished" in asked[0] or not asked[0].rstrip().endswith("= 0")


def test_the_portable_collector_loses_disks_and_file_systems_only(tmp_path):
    """The library asks every mount on the thread of whoever asks it: it has lanes of its own."""
    folder = tmp_path / "hung"
    folder.mkdir()
    with running("--collector", "portable", "--interval", "500ms", wrapper=wrapped(folder)) as hung:
        ticks = hung.ticks()
        for path in ("/system", "/network", "/api/cpu", "/api/memory", "/api/network", "/api/v1/snapshot", "/metrics"):
            answers = []
            one = threading.Thread(target=lambda: answers.append(requests.get(hung.url + path, timeout=20)))
            one.start()
            one.join(10)
            assert answers and answers[0].status_code == 200, path
        text = page(hung)
        # A reader that hangs is told as late, not as gone; what it never told is unknown.
        assert (success(text)["filesystem"], success(text)["diskstats"]) == ("0", "0")
        assert (success(text)["meminfo"], success(text)["netdev"]) == ("1", "1")
        assert "node_filesystem_size_bytes{" not in text and "node_load1 " in text
        system = requests.get(f"{hung.url}/system", timeout=20).json()
        assert system["disk"]["total"] is None and system["mem"]["total"] and system["processes"]
        counts = []
        for _ in range(6):
            page(hung)
            counts.append(threads(hung))
            time.sleep(0.3)
        assert max(counts) <= counts[0] + 4, counts
        assert hung.ticks() > ticks


def test_the_mount_really_hangs(tmp_path):
    """Else the tests above would tell nothing."""
    folder = tmp_path / "hung"
    folder.mkdir()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([*wrapped(folder, "stat", "--file-system", str(folder))], timeout=2, capture_output=True)


def test_the_watchdog_is_fed_all_the_same(tmp_path, monkeypatch):
    """systemd restarts a service whose samples stop, not one on a machine with a dead mount."""
    folder = tmp_path / "hung"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "900000")
        with running("--interval", "500ms", wrapper=wrapped(folder)) as hung:
            assert f'node_filesystem_device_error{{device="/dev/hung",fstype="fuse",mountpoint="{folder}"}} 1' in page(hung)
            begin, fed = time.monotonic(), 0
            while time.monotonic() < begin + 3:
                fed += b"WATCHDOG=1" in manager.recv(4096).split(b"\n")
            assert fed >= 4, f"fed {fed} times in 3 s, and it wants to be every 0.9 s"
