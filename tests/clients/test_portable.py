"""The portable collector: every route of the four older systems answers with values, and the same as the one of Linux does.

That each answer has its keys and types is told by test_openapi.py. Here are the values: what the sysinfo library knows is
never null, what it does not know is never 0, and what does not move is equal in both servers.
"""

import json

import pytest
import requests
from conftest import WELCOME, program, running, until
from frames import check_cpu, check_space, check_uptime
from websockets.sync.client import connect

MIB = 1 << 20


@pytest.fixture(scope="module")
def portable():
    """A server with the portable collector that has its second sample."""
    with running("--collector", "portable", "--interval", "500ms") as one:
        until(lambda: one.ticks() >= 3)
        yield one


def get(server, path, **options):
    response = requests.get(server.url + path, timeout=20, **options)
    assert response.status_code == 200, (path, response.text)
    return response.json()


def both(server, portable, path):
    return get(server, path), get(portable, path)


def near(ours, theirs, slack):
    return abs(ours - theirs) <= slack


def test_psmonitor(server, portable):
    linux, ours = both(server, portable, "/system")
    check_cpu(ours["cpu"])
    check_space(ours["mem"])
    check_uptime(ours["platform"]["uptime"])
    assert ours["cpu"]["usage"] is not None
    assert (ours["user"], ours["mem"]["total"]) == (linux["user"], linux["mem"]["total"])
    assert ours["platform"]["kernel"] == linux["platform"]["kernel"]
    if linux["disk"]["total"] is not None:
        check_space(ours["disk"])
        assert ours["disk"]["total"] == linux["disk"]["total"] and near(ours["disk"]["free"], linux["disk"]["free"], 4)
    assert len(ours["processes"]) == 10 or len(ours["processes"]) == len(linux["processes"])
    for process in ours["processes"]:
        assert process["name"] is not None and process["username"] and process["mem"] > 0
        assert process["memory_info"][:2] > [0, 0] and process["memory_info"][2:] == [None] * 5
    linux, ours = both(server, portable, "/network")
    assert sorted(ours["interfaces"]) == sorted(linux["interfaces"]) and ours["wireless"] == {}
    for name, row in ours["statistics"].items():
        assert row["dropout"] is None and near(row["mb_received"], linux["statistics"][name]["mb_received"], 4096)
        assert ours["averages"][name]["in"] is not None


@pytest.mark.parametrize("path", ["/connect", "/ws"])
def test_psmonitors_stream(portable, path):
    with portable.connect(path=path) as socket:
        assert socket.recv(timeout=20) == WELCOME
        for _ in range(3):
            frame = json.loads(socket.recv(timeout=20))
            check_cpu(frame["cpu"])
            check_space(frame["mem"])
            assert frame["cpu"]["usage"] is not None and frame["processes"] and frame["network"]["statistics"]


def test_heartbeat(server, portable):
    linux, ours = both(server, portable, "/api/cpu")
    assert all(0 <= ours[key] <= 100 for key in linux)
    linux, ours = both(server, portable, "/api/memory")
    assert ours["memory_usage"]["total"] == linux["memory_usage"]["total"]
    # Both looked within a second or two, in which other tests may take or give back hundreds of MiB.
    assert near(ours["memory_usage"]["used"], linux["memory_usage"]["used"], linux["memory_usage"]["total"] / 4)
    assert ours["memory_usage"]["active"] is None and ours["memory_usage"]["wired"] == 0
    assert all(ours["averages"].values())
    linux, ours = both(server, portable, "/api/disk")
    totals = {row["path"]: row["total"] for row in linux["disk_usage"]}
    for row in ours["disk_usage"]:
        assert totals[row["path"]] == row["total"] and row["inodesTotal"] is None and row["usedPercent"] is not None
    linux, ours = both(server, portable, "/api/diskio")
    for name, row in ours.items():
        assert near(row["readBytes"], linux[name]["readBytes"], 2048 * MIB) and row["readCount"] is None
    linux, ours = both(server, portable, "/api/network")
    assert ours["connections"] is None
    facts = {row["name"]: [row[key] for key in ("index", "mtu", "hardwareaddr")] for row in linux["interfaces"]}
    assert {row["name"]: [row[key] for key in ("index", "mtu", "hardwareaddr")] for row in ours["interfaces"]} == facts
    addresses = {row["name"]: sorted(one["addr"] for one in row["addrs"]) for row in linux["interfaces"]}
    assert {row["name"]: sorted(one["addr"] for one in row["addrs"]) for row in ours["interfaces"]} == addresses
    linux, ours = both(server, portable, "/api/uptime")
    assert near(ours["uptime"], linux["uptime"], 3) and ours["boot_time"] == linux["boot_time"]
    linux, ours = both(server, portable, "/api/platform")
    for key in ("hostname", "os", "platform", "platformFamily", "kernelVersion", "kernelArch"):
        assert ours[key] == linux[key], key
    assert near(ours["procs"], linux["procs"], 80)
    linux, ours = both(server, portable, "/api/cpumodel")
    rows = [[(row["cpu"], row["vendorId"], row["modelName"]) for row in one["cpu_model"]] for one in (linux, ours)]
    assert rows[0] == rows[1]


def test_heartbeat_about_one_process(server, portable):
    for pid in (server.pid, portable.pid):
        linux, ours = both(server, portable, f"/api/process?pid={pid}")
        assert ours == linux and program() in ours["cmdline"]
    for wrong, status in (("", 400), ("?pid=x", 400), ("?pid=4294967295", 404), ("?pid=0", 404)):
        answers = [requests.get(f"{one.url}/api/process{wrong}", timeout=20) for one in (server, portable)]
        assert [answer.status_code for answer in answers] == [status] * 2, wrong


def test_process_monitor(server, portable):
    asked = {"headers": {"Accept": "application/json"}}
    ours = get(portable, "/api/processes", **asked)["Processes"]
    linux = {row["Id"]: row for row in get(server, "/api/processes", **asked)["Processes"]}
    assert [row["ProcessName"] for row in ours] == sorted((row["ProcessName"] for row in ours), key=str.encode)
    assert near(len(ours), len(linux), 80)
    for row in ours:
        assert row["TotalProcessorTime"] is not None and row["PhysicalMemoryUsage"] is not None
        assert (row["UserProcessorTime"], row["PrivilegedProcessorTime"], row["ThreadsCount"]) == (None, None, None)
    own = next(row for row in ours if row["Id"] == portable.pid)
    assert own["ProcessName"] == linux[portable.pid]["ProcessName"]
    assert near(own["TotalProcessorTime"], linux[portable.pid]["TotalProcessorTime"], 3000)
    with requests.get(f"{portable.url}/api/processes", stream=True, timeout=20) as stream:
        line = next(line for line in stream.iter_lines(decode_unicode=True) if line)
        assert json.loads(line.removeprefix("data: "))["Processes"]


def ask(server, **data):
    with connect(server.ws("/"), open_timeout=20) as socket:
        socket.send(json.dumps({"type": "command", "data": data}))
        answer = json.loads(socket.recv(timeout=20))
    assert answer["type"] == "response", answer
    return answer["data"]


def test_psiod(server, portable):
    usage = ask(portable, name="cpu.getall")
    assert [row["num"] for row in usage] == [row["num"] for row in ask(server, name="cpu.getall")]
    assert all(0 <= row["usage"] <= 100 for row in usage)
    linux, ours = (ask(one, name="memory.getall") for one in (server, portable))
    assert ours["virtual"]["total"] == linux["virtual"]["total"] and ours["swap"]["total"] == linux["swap"]["total"]
    assert ours["virtual"]["buffers"] is None and ours["swap"]["sin"] is None and ours["virtual"]["available"] > 0
    linux, ours = (ask(one, name="disk.getall") for one in (server, portable))
    places = {(row["device"], row["mountpoint"], row["fstype"]) for row in linux}
    assert {(row["device"], row["mountpoint"], row["fstype"]) for row in ours} <= places
    linux, ours = (ask(one, name="disk.root.getstats") for one in (server, portable))
    assert ours["total"] == linux["total"] and (linux["total"] is None or near(ours["free"], linux["free"], 4096 * MIB))
    linux, ours = (ask(one, name="network.getstats") for one in (server, portable))
    assert all(near(ours[key], linux[key], 4096 * MIB) for key in ("bytes_sent", "bytes_received"))
    assert ask(portable, name="host.getstats") == ask(server, name="host.getstats")
    linux, ours = (ask(one, name="process.get", pid=portable.pid) for one in (server, portable))
    for key in ("pid", "name", "username"):
        assert ours[key] == linux[key]
    assert (ours["nice"], ours["num_threads"], ours["cpu_times"]) == (None, None, [None, None])
    assert near(ours["memory_rss"], linux["memory_rss"], 32 * MIB)
    listed = ask(portable, name="process.getall")
    assert any(row["pid"] == portable.pid and row["cpu_percent"] >= 0 for row in listed)


def test_nothing_is_held_open_and_nothing_is_complained_of(portable):
    assert not [line for line in portable.errors if "WARN" in line or "ERROR" in line]
