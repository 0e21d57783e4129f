"""Glances' clients: Home Assistant's library against the real program, and what Homepage, Homarr and Dashy read of it.

What is compared with psutil is compared with all that psutil says meanwhile: a number that others move too lies between.
"""

import asyncio
import json
import math
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
import requests
from conftest import PASSWORD, TOKEN, assert_none, extreme, meanwhile, running, until, write
from glances_api import Glances, exceptions

RECORDED = json.loads((Path(__file__).parent / "recordings" / "glances-all.json").read_text())
GIB, MIB = 1024**3, 1024**2


def get(server, path, version=4, **options):
    response = requests.get(f"{server.url}/api/{version}/{path}", timeout=30, **options)
    assert response.status_code == 200, (path, response.status_code, response.text[:300])
    return response.json()


def home_assistant(server, version, **login):
    client = Glances(host=server.host, port=server.port, version=version, **login)
    return asyncio.run(client.get_ha_sensor_data())


def near(found, expected, tolerance):
    return abs(found - expected) <= tolerance


def psutils_numbers():
    """What the library tells, as psutil has it."""
    memory, swap, load = psutil.virtual_memory(), psutil.swap_memory(), psutil.getloadavg()
    infos = [process.info for process in psutil.process_iter(["status", "num_threads"])]
    states = [info["status"] for info in infos]
    mounts = {mount.mountpoint for mount in psutil.disk_partitions()} | {"/"}
    shown = {m for m in mounts if not m.startswith("/boot") and "/snap" not in m}
    return {
        "memory_use": memory.used / MIB,
        "memory_free": memory.free / MIB,
        "memory_use_percent": memory.percent,
        "swap_use": round(swap.used / GIB, 1),
        "swap_free": round(swap.free / GIB, 1),
        "swap_use_percent": swap.percent,
        "load": dict(zip(("processor_load_1m", "processor_load_5m", "processor_load"), load, strict=True)),
        "process_total": len(states),
        "process_sleeping": states.count("sleeping"),
        "process_running": states.count("running"),
        "process_thread": sum(info["num_threads"] or 0 for info in infos),
        "fs": {place: psutil.disk_usage(place) for place in shown},
        "uptime": time.time() - psutil.boot_time(),
    }


def differences_from_psutil(server, version, **login):
    """What the library tells and psutil does not say from before the question until after the answer."""

    def ask():
        server.next_sample(**login)
        return home_assistant(server, version, **login)

    readings, data = meanwhile(psutils_numbers, ask)
    least, most = extreme(min, readings), extreme(max, readings)
    wrong = {}

    def same(name, found, low, high, tolerance):
        if not isinstance(found, (int, float)) or not low - tolerance <= found <= high + tolerance:
            wrong[name] = f"{found} is not {low} to {high} (within {tolerance})"

    for part, name, tolerance in (
        ("mem", "memory_use", 32), ("mem", "memory_free", 48), ("mem", "memory_use_percent", 0.35),
        ("memswap", "swap_use", 0.1), ("memswap", "swap_free", 0.1), ("memswap", "swap_use_percent", 0.3),
        ("processcount", "process_total", 4), ("processcount", "process_sleeping", 6),
        ("processcount", "process_running", 6), ("processcount", "process_thread", 12),
    ):  # fmt: skip
        same(name, data[part][name], least[name], most[name], tolerance)
    for name in least["load"]:
        same(name, data["load"][name], least["load"][name], most["load"][name], 0.05)
    if data["fs"].keys() != least["fs"].keys():
        wrong["fs"] = f"{data['fs'].keys()} are not {least['fs'].keys()}"
    for place in data["fs"].keys() & least["fs"].keys():
        use, low, high = data["fs"][place], least["fs"][place], most["fs"][place]
        same(f"{place} use", use["disk_use"], low.used / GIB, high.used / GIB, 0.11)
        same(f"{place} free", use["disk_free"], low.free / GIB, high.free / GIB, 0.11)
        same(f"{place} percent", use["disk_use_percent"], low.percent, high.percent, 0.2)
    days, _, clock = data["uptime"].rpartition(", ")
    hours, minutes, seconds = map(int, clock.split(":"))
    told = int(days.split()[0] if days else 0) * 86_400 + hours * 3_600 + minutes * 60 + seconds
    same("uptime", told, least["uptime"], most["uptime"], 2.5)
    if data["percpu"].keys() != {str(core) for core in range(psutil.cpu_count())}:
        wrong["percpu"] = f"{data['percpu'].keys()}"
    return wrong


@pytest.mark.parametrize("version", [4, 3])
def test_home_assistant_is_told_what_psutil_tells(quick, version):
    assert_none(differences_from_psutil(quick, version))


@pytest.mark.parametrize("version", [4, 3])
def test_home_assistants_rates_are_those_of_psutil(version):
    """Shares of the CPU and rates of whole intervals, each of which lies in the seconds around it that psutil saw."""
    with running("--interval", "2s") as server:
        home_assistant(server, version)
        first, disks, nets = psutil.cpu_times(), psutil.disk_io_counters(perdisk=True), psutil.net_io_counters(pernic=True)
        # The last of three ticks: its interval began after these readings.
        begin = server.ticks()
        until(lambda: server.ticks() >= begin + 3)
        data = home_assistant(server, version)
    after, wrong = psutil.disk_io_counters(perdisk=True), {}
    # Whatever of the whole time was busy, its last two seconds can neither have had more of it nor have been idle for longer.
    busy, idle = (seconds / psutil.cpu_count() for seconds in busy_and_idle(first, psutil.cpu_times()))
    if not 100 - 50 * idle - 5 <= data["cpu"]["cpu_use_percent"] <= 50 * busy + 5:
        wrong["cpu"] = f"{data['cpu']} in two seconds of {busy} busy and {idle} idle ones"
    known = {name for name in disks if not name.startswith(("loop", "ram"))}
    if data.get("diskio", {}).keys() != known:
        wrong["diskio"] = f"{data.get('diskio')} has not {known}"
    for name, rates in data.get("diskio", {}).items():
        for way, key in (("read", "read_bytes"), ("write", "write_bytes")):
            moved = getattr(after[name], key) - getattr(disks[name], key)
            # What was never moved cannot have had a rate; nor can more have gone in two seconds than in all of them.
            if not 0 <= rates[way] <= moved / 2 * 1.5 + 1:
                wrong[f"{name} {way}"] = f"{rates[way]} where {moved} bytes were moved"
    for name, rates in data.get("network", {}).items():
        if name not in nets or rates["rx"] < 0 or rates["tx"] < 0:
            wrong[name] = f"{rates}"
    assert_none(wrong)


def busy_and_idle(before, now):
    """Seconds between two readings that the CPUs together were busy, and idle."""
    spent = type(now)(*(b - a for a, b in zip(before, now, strict=True)))
    idle = spent.idle + spent.iowait
    return sum(spent) - spent.guest - spent.guest_nice - idle, idle


@pytest.mark.parametrize("version", [4, 3])
def test_home_assistant_with_a_password(files, version):
    with running(*files, "--interval", "200ms") as server:
        for login in ({"username": "glances", "password": TOKEN}, {"username": "ann", "password": PASSWORD}):
            assert_none(differences_from_psutil(server, version, **login))
        with pytest.raises(exceptions.GlancesApiAuthorizationError):
            home_assistant(server, version, username="ann", password="wrong")
        with pytest.raises(exceptions.GlancesApiAuthorizationError):
            home_assistant(server, version)


def kind(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def missing_keys(path, recorded, found):
    """Recorded keys that are not there with the recorded type. What was recorded as nothing may be something here."""
    if recorded is None:
        return []
    if kind(recorded) != kind(found):
        return [f"{path}: {found!r} is no {kind(recorded)}"]
    if isinstance(recorded, dict):
        wrong = [f"{path} has no {key}" for key in recorded.keys() - found.keys()]
        return wrong + [
            line for key in recorded.keys() & found.keys() for line in missing_keys(f"{path}.{key}", recorded[key], found[key])
        ]
    if isinstance(recorded, list) and recorded and found:
        if isinstance(recorded[0], dict):
            return [line for row in found for line in missing_keys(f"{path}[]", recorded[0], row)]
        return missing_keys(f"{path}[]", recorded[0], found[0])
    return []


def with_command_lines(rows):
    """The processes without those whose command line could not be read: they began or ended while the table was."""
    known = [row for row in rows if row["cmdline"] is not None]
    assert len(known) >= len(rows) / 2
    return known


def test_every_recorded_key_is_there_with_its_type():
    with running() as server:
        first = get(server, "all")
        assert first.keys() >= RECORDED.keys()
        first["processlist"] = with_command_lines(first["processlist"])
        wrong = [line for name in RECORDED for line in missing_keys(name, RECORDED[name], first[name])]
        assert not wrong, wrong[:10]
        for name in ("percpu", "fs", "processlist", "network", "diskio"):
            assert first[name], f"{name}: an empty list shows nothing"
        names = get(server, "pluginslist")
        assert set(names) == RECORDED.keys()
        for name in names:
            alone = get(server, name)
            if name == "processlist":
                alone = with_command_lines(alone)
            assert kind(alone) == kind(first[name]), name
            assert not missing_keys(name, RECORDED[name], alone)
        assert get(server, "status") == {"version": "4.5.8"} and get(server, "version") == "4.5.8"


# What the clients read, and the file that it is read in. Every one is a number, after one request to a server that has just
# started.
HOMEPAGE_4 = {
    # src/components/widgets/glances/glances.jsx
    "all": ["cpu.total", "load.min15", "mem.free", "mem.total", "mem.percent", "fs[].free", "fs[].size", "fs[].percent"],
    # src/widgets/glances/metrics/cpu.jsx
    "cpu": ["total"],
    # src/widgets/glances/metrics/disk.jsx
    "diskio": ["[].read_bytes", "[].write_bytes", "[].time_since_update"],
    # src/widgets/glances/metrics/fs.jsx
    "fs": ["[].size", "[].free", "[].used"],
    # src/widgets/glances/metrics/info.jsx
    "quicklook": ["cpu", "mem", "swap", "percpu[].total"],
    # src/widgets/glances/metrics/memory.jsx
    "mem": ["used", "free", "total"],
    # src/widgets/glances/metrics/net.jsx
    "network": ["[].bytes_recv", "[].bytes_sent", "[].time_since_update"],
    # src/widgets/glances/metrics/process.jsx
    "processlist": ["[].pid", "[].cpu_percent", "[].memory_info.data"],
    # src/widgets/glances/metrics/sensor.jsx: there may be none
    "sensors": ["[].value"],
}
# The same files, where `version` is left out.
HOMEPAGE_3 = {
    **HOMEPAGE_4,
    "network": ["[].rx", "[].tx", "[].time_since_update"],
    "processlist": ["[].pid", "[].cpu_percent", "[].memory_info.0"],
}
# packages/integrations/src/glances/glances-integration.ts
HOMARR = {
    "all": [
        "cpu.total", "mem.total", "mem.used", "mem.free", "network[].bytes_sent_rate_per_sec",
        "network[].bytes_recv_rate_per_sec", "fs[].used", "fs[].free", "fs[].percent",
    ],
    "sensors": ["[].value"],
}  # fmt: skip
# src/components/Widgets/Gl*.vue
DASHY = {
    "cpu": ["total"],  # GlCpuGauge, GlCpuSpeedometer
    "mem": ["percent", "total", "used", "free"],  # GlMemGauge
    "load": ["min1", "min5", "min15", "cpucore"],  # GlSystemLoad
    "fs": ["[].percent", "[].used", "[].size"],  # GlDiskSpace
    "diskio": ["[].read_bytes", "[].read_count", "[].write_bytes", "[].write_count"],  # GlDiskIo
    # GlNetworkInterfaces
    "network": ["[].speed", "[].bytes_recv", "[].bytes_sent", "[].bytes_recv_gauge", "[].bytes_sent_gauge"],
    "quicklook": ["percpu[].total", "percpu[].idle"],  # GlCpuCores
}


def at(value, path):
    """The values at a path: `fs[].free`."""
    if not path:
        return [value]
    head, _, rest = path.partition(".")
    if head.endswith("[]"):
        rows = value[head[:-2]] if head != "[]" else value
        return [found for row in rows for found in at(row, rest)]
    return at(value[int(head)] if isinstance(value, list) else value[head], rest)


@pytest.mark.parametrize(
    ("client", "version"), [(HOMEPAGE_4, 4), (HOMEPAGE_3, 3), (HOMARR, 4), (DASHY, 4), (DASHY, 3)],
    ids=["homepage-4", "homepage-3", "homarr", "dashy-4", "dashy-3"],
)  # fmt: skip
def test_what_clients_read_are_numbers_at_the_first_request(client, version):
    for plugin, paths in client.items():
        # A server for each, so that each is the first that is asked.
        with running() as server:
            answer = get(server, plugin, version)
            for path in paths:
                values = at(answer, path)
                assert values or plugin == "sensors", (plugin, path)
                for value in values:
                    assert kind(value) == "number" and math.isfinite(value) and value >= 0, (plugin, path, value)


def test_homarrs_and_dashys_other_demands(quick):
    answer = get(quick, "all")
    assert 0 <= answer["cpu"]["total"] <= 100 and all(0 <= row["percent"] <= 100 for row in answer["fs"])
    assert isinstance(answer["quicklook"]["cpu_name"], str) and answer["quicklook"]["cpu_name"]
    assert all(isinstance(row["device_name"], str) for row in answer["fs"])
    assert re.fullmatch(r"(?:\d+ days?, )?\d+:\d\d:\d\d", answer["uptime"])
    # GlCpuGauge calls toFixed of whatever is in it.
    assert all(kind(value) == "number" for value in answer["cpu"].values())
    assert all({type(limit) for limit in (row["warning"], row["critical"])} <= {int, type(None)} for row in answer["sensors"])
    # Homarr asks for the SMART values; 400 is taken as that there are none.
    assert requests.get(f"{quick.url}/api/4/smart", timeout=20).status_code == 400


def test_counters_are_difference_sum_and_rate_and_the_time_is_true(quick):
    for _ in range(5):
        answer = get(quick, "all")
        for name, counters in (
            ("network", ("bytes_recv", "bytes_sent", "bytes_all")),
            ("diskio", ("read_count", "write_count", "read_bytes", "write_bytes", "read_time", "write_time")),
            ("cpu", ("ctx_switches", "interrupts", "soft_interrupts")),
        ):
            rows = answer[name] if isinstance(answer[name], list) else [answer[name]]
            assert rows
            for row in rows:
                seconds = row["time_since_update"]
                # 200 ms between two samples, and whatever a busy machine adds.
                assert 0.05 < seconds < 20, (name, seconds)
                for key in counters:
                    assert row[f"{key}_gauge"] >= row[key] >= 0, (name, key, row)
                    assert near(row[f"{key}_rate_per_sec"], row[key] / seconds, 0.5 + 0.5 / seconds), (name, key, row)
        assert answer["memswap"]["time_since_update"] > 0
        assert all(row["time_since_update"] > 0 for row in answer["processlist"])
        time.sleep(0.3)


def test_the_first_request_waits_for_the_second_sample():
    with running("--interval", "30s") as server:
        begin = time.monotonic()
        answer = get(server, "cpu")
        assert answer["total"] is not None and answer["time_since_update"] > 0
        assert time.monotonic() - begin < 20
        assert server.ticks() >= 2


def test_processes_are_sorted_and_their_command_lines_are_masked(quick):
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    secret = subprocess.Popen(["python3", "-c", "import time; time.sleep(600)", "--password", "hunter2"])
    try:
        def is_first():
            rows = get(quick, "processlist")
            shares = [row["cpu_percent"] for row in rows]
            assert shares == sorted(shares, reverse=True)
            # A process that started a moment ago is not in the last sample yet.
            row = next((row for row in rows if row["pid"] == busy.pid), None)
            return row and row["cpu_percent"] > 10 and row["cmdline"] is not None and row

        row = until(is_first)
        assert row["cmdline"] == ["sh", "-c", "while :; do :; done"] and row["status"] in "RS"
        assert row["gids"]["real"] == psutil.Process(busy.pid).gids().real
        io, told = psutil.Process(busy.pid).io_counters(), row["io_counters"]
        assert len(told) == 5 and told[:2] == [io.read_bytes, io.write_bytes]
        masked = get(quick, f"processlist/pid/value/{secret.pid}")[str(secret.pid)]
        assert masked[0]["cmdline"][-2:] == ["--password", "***"]
        assert "hunter2" not in requests.get(f"{quick.url}/api/4/all", timeout=20).text
        assert all(len(row["memory_info"]) == 7 and row["memory_info"]["rss"] is not None for row in get(quick, "processlist"))
    finally:
        for process in (busy, secret):
            process.kill()
            process.wait()


def test_parts_of_plugins(quick):
    assert get(quick, "mem/percent").keys() == {"percent"}
    assert get(quick, "percpu/cpu_number")["cpu_number"] == list(range(psutil.cpu_count()))
    core = get(quick, "percpu/total/0")
    assert core.keys() == {"total"} and kind(core["total"]) == "number"
    rows = get(quick, "percpu/cpu_number/1" if psutil.cpu_count() > 1 else "percpu/cpu_number/0")
    assert any(isinstance(value, list) and value[0]["key"] == "cpu_number" for value in rows.values())
    assert get(quick, "fs/percent/%2F").keys() == {"percent"}
    assert get(quick, "fs/mnt_point/value/%2F")["/"][0]["mnt_point"] == "/"
    assert len(get(quick, "processlist/top/3")) == 3 and get(quick, "mem/top/1").keys() >= {"percent"}
    for path in ("mem/limits", "mem/views", "all/limits", "all/views"):
        assert get(quick, path) == {}
    for path, status in (
        ("nosuch", 400), ("nosuch/limits", 400), ("nosuch/history", 400), ("nosuch/top/1", 400), ("nosuch/x", 400),
        ("mem/nosuch", 404), ("percpu/total/77", 404), ("processlist/top/many", 400), ("mem/nosuch/history", 404),
    ):  # fmt: skip
        response = requests.get(f"{quick.url}/api/4/{path}", timeout=20)
        assert response.status_code == status and response.json()["error"], path
    unknown = requests.get(f"{quick.url}/api/4/nosuch", timeout=20).json()
    assert unknown["detail"].startswith("Unknown plugin nosuch (available plugins: ")
    assert requests.get(f"{quick.url}/api/5/mem", timeout=20).status_code == 404
    assert requests.delete(f"{quick.url}/api/4/mem", timeout=20).status_code == 405


def test_history_is_that_of_the_server():
    with running("--interval", "1s") as server:
        until(lambda: server.ticks() >= 6)
        for version in (4, 3):
            for plugin, items in (
                ("cpu", {"user", "system"}),  # GlCpuHistory
                ("mem", {"percent"}),  # GlMemHistory
                ("load", {"min1", "min5", "min15"}),  # GlLoadHistory
                ("memswap", {"percent"} if psutil.swap_memory().total else set()),
            ):
                found = get(server, f"{plugin}/history/3", version)
                assert found.keys() >= items
                for points in found.values():
                    assert 1 <= len(points) <= 3, (plugin, points)
                    times = [datetime.fromisoformat(moment) for moment, _ in points]
                    assert times == sorted(times) and all(moment.tzinfo for moment in times)
                    assert abs(times[-1].timestamp() - time.time()) < 15
                    assert all(kind(value) == "number" for _, value in points)
            # GlNetworkTraffic looks for these ends.
            names = get(server, "network/history/2", version)
            assert any("_recv" in name for name in names) and any("_sent" in name for name in names)
            if version == 3:
                assert any(name.endswith("_rx") for name in names)
            assert get(server, "mem/percent/history/2", version).keys() == {"percent"}
            assert get(server, "uptime/history", version) == {}
        percent = get(server, "mem/history")["percent"]
        assert len(percent) >= 4 and near(percent[-1][1], psutil.virtual_memory().percent, 5)


def test_what_homepage_sends_along_is_no_matter(tmp_path):
    """`Accept-Encoding: application/json` means none; `undefined:undefined` is what its proxy sends without a login."""
    with running() as server:
        headers = {"Accept-Encoding": "application/json"}
        response = requests.get(f"{server.url}/api/4/quicklook", headers=headers, auth=("undefined", "undefined"), timeout=20)
        assert response.status_code == 200 and "Content-Encoding" not in response.headers and response.json()["cpu_name"]
    write(tmp_path / "tokens", TOKEN + "\n")
    with running("--token-file", str(tmp_path / "tokens")) as server:
        assert requests.get(f"{server.url}/api/4/status", timeout=20).status_code == 200
        for path in ("all", "version", "pluginslist", "nosuch", "mem/percent", "mem/history/1"):
            assert requests.get(f"{server.url}/api/4/{path}", timeout=20).status_code == 401
            good = requests.get(f"{server.url}/api/4/{path}", auth=("glances", TOKEN), timeout=20)
            assert good.status_code == (400 if path == "nosuch" else 200)
