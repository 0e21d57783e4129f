"""Every number of Heartbeat's and psiod's answers against psutil at the same moment.

As in test_values: psutil is read again and again while a newer sample is awaited and the server is asked. Ours must lie
between the least and the most of it, or within what its unit and the machine's noise require.
"""

import contextlib
import ipaddress
import json
import multiprocessing
import os
import socket
import time

import psutil
import pytest
import requests
from conftest import assert_between, assert_none, bracket, extreme, is_between, meanwhile, running, until
from test_values import burn, text_of
from websockets.sync.client import connect

MIB = 1024**2
FLAG_WORDS = {"up", "broadcast", "loopback", "pointtopoint", "multicast"}


def command(server, name, **data):
    """psiod's answer to one command."""
    with connect(server.ws("/"), open_timeout=20, close_timeout=2, max_size=None) as client:
        client.send(json.dumps({"type": "command", "data": {"name": name, **data}}))
        answer = json.loads(client.recv(timeout=20))
    assert answer["type"] == "response", answer
    return answer


def around(server, name, read):
    """The least that psutil said around psiod's answer, the answer, and the most."""
    readings, answer = around_all(server, name, read)
    return extreme(min, readings), answer, extreme(max, readings)


def around_all(server, name, read):
    """All that psutil said around psiod's answer, and the answer, which is of a new sample."""

    def ask():
        server.next_sample()
        return command(server, name)["data"]

    return meanwhile(read, ask)


def nearly(kind, least, most, ours, keys, slack):
    for key in keys:
        assert_between(ours[key], getattr(least, key), getattr(most, key), slack, f"{kind} {key}")


# Heartbeat


def test_heartbeat_memory(quick):
    before, answer, after = bracket(quick, "/api/memory", psutil.virtual_memory)
    memory = answer["memory_usage"]
    assert memory["total"] == before.total
    nearly("memory", before, after, memory, ("available", "used", "free", "active", "inactive"), 32 * MIB)
    assert_between(memory["usedPercent"], before.percent, after.percent, 0.35, "usedPercent")
    assert memory["usedPercent"] == pytest.approx(memory["used"] / memory["total"] * 100, abs=1e-6)
    assert answer["averages"]["current_usage"] == memory["used"]


def test_heartbeat_disks(quick):
    def read():
        return {row.mountpoint: psutil.disk_usage(row.mountpoint) for row in psutil.disk_partitions()}

    before, answer, after = bracket(quick, "/api/disk", read)
    rows = answer["disk_usage"]
    devices = {os.stat(row["path"]).st_dev for row in rows}
    assert len(devices) == len(rows), "a device has two rows"
    assert devices == {os.stat(path).st_dev for path in before}
    for row in rows:
        path = row["path"]
        assert row["total"] == before[path].total
        nearly(path, before[path], after[path], row, ("used", "free"), 32 * MIB)
        assert_between(row["usedPercent"], before[path].percent, after[path].percent, 0.15, path)
        inodes = os.statvfs(path)
        assert row["inodesTotal"] == inodes.f_files == row["inodesUsed"] + row["inodesFree"]
        assert row["inodesFree"] == pytest.approx(inodes.f_ffree, abs=2000)


def test_heartbeat_disk_counters(quick):
    names = {
        "readCount": "read_count",
        "writeCount": "write_count",
        "readBytes": "read_bytes",
        "writeBytes": "write_bytes",
        "readTime": "read_time",
        "writeTime": "write_time",
        "mergedReadCount": "read_merged_count",
        "mergedWriteCount": "write_merged_count",
        "ioTime": "busy_time",
    }

    def read():
        return psutil.disk_io_counters(perdisk=True, nowrap=False)

    before, answer, after = bracket(quick, "/api/diskio", read)
    assert answer, "no disk at all"
    assert {name for name, counters in before.items() if any(counters)} <= answer.keys() <= after.keys()
    for name, row in answer.items():
        assert row["name"] == name
        for ours, theirs in names.items():
            # The kernel counts a running request's time only now and then.
            slack = 20 if ours.endswith("Time") else 0
            both = getattr(before[name], theirs), getattr(after[name], theirs)
            assert_between(row[ours], *both, slack, f"{name} {ours}")


def test_heartbeat_network_counters(quick):
    names = {
        "bytesSent": "bytes_sent",
        "bytesRecv": "bytes_recv",
        "packetsSent": "packets_sent",
        "packetsRecv": "packets_recv",
        "errin": "errin",
        "errout": "errout",
        "dropin": "dropin",
        "dropout": "dropout",
    }

    def read():
        return psutil.net_io_counters(pernic=True, nowrap=False)

    before, answer, after = bracket(quick, "/api/network", read)
    rows = {row["name"]: row for row in answer["io_usage"]}
    assert rows.keys() == before.keys()
    for name, row in rows.items():
        for ours, theirs in names.items():
            assert_between(row[ours], getattr(before[name], theirs), getattr(after[name], theirs), 0, f"{name} {ours}")


def test_heartbeat_interfaces(quick):
    rows = {row["name"]: row for row in requests.get(f"{quick.url}/api/network", timeout=20).json()["interfaces"]}
    assert [row["index"] for row in rows.values()] == [socket.if_nametoindex(name) for name in rows]
    stats, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
    assert rows.keys() == stats.keys()
    for name, row in rows.items():
        assert row["mtu"] == stats[name].mtu
        flags = {"pointtopoint" if word == "pointopoint" else word for word in stats[name].flags.split(",")}
        assert set(row["flags"]) == flags & FLAG_WORDS, name
        wanted = set()
        mac = ""
        for address in addresses.get(name, []):
            if address.family == socket.AF_INET:
                wanted.add(str(ipaddress.ip_interface(f"{address.address}/{address.netmask}")))
            elif address.family == socket.AF_INET6:
                bits = bin(int(ipaddress.ip_address(address.netmask))).count("1")
                wanted.add(f"{address.address.split('%')[0]}/{bits}")
            elif address.family == socket.AF_PACKET and set(address.address) != {"0", ":"}:
                mac = address.address
        assert {row["addr"] for row in row["addrs"]} == wanted, name
        assert row["hardwareaddr"] == mac, name


def test_heartbeat_connections(quick, tmp_path):
    """Of this very process, which has some of every kind."""

    def end(address):
        if isinstance(address, str):
            return address, 0
        return (address.ip, address.port) if address else None

    def theirs():
        rows = set()
        for row in psutil.Process().net_connections(kind="all"):
            nobody = ("", 0) if row.family == socket.AF_UNIX else (("::" if row.family == socket.AF_INET6 else "0.0.0.0"), 0)
            rows.add((row.fd, int(row.family), int(row.type), end(row.laddr) or nobody, end(row.raddr) or nobody, row.status))
        return rows

    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        tcp6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        for listener in (tcp, tcp6):
            stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
            stack.enter_context(listener.accept()[0])
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)).bind((address, 0))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # psutil loses a path with a space in it.
        unix.bind(str(tmp_path / "socket"))
        unix.listen()

        wanted = {row for row in theirs() if quick.port not in (row[3][1], row[4][1]) and row[1] != socket.AF_UNIX}
        assert len(wanted) >= 8
        quick.next_sample()
        answer = requests.get(f"{quick.url}/api/network", timeout=20).json()
        # A row for each type of UNIX sockets, whoever holds them.
        kinds = [row["type"] for row in answer["connections"] if row["family"] == socket.AF_UNIX]
        assert socket.SOCK_STREAM in kinds and len(kinds) == len(set(kinds))
        own = [row for row in answer["connections"] if row["pid"] == os.getpid() and row["family"] != socket.AF_UNIX]
        found = {
            (
                row["fd"],
                row["family"],
                row["type"],
                (row["localaddr"]["ip"], row["localaddr"]["port"]),
                (row["remoteaddr"]["ip"], row["remoteaddr"]["port"]),
                row["status"],
            )
            for row in own
            if quick.port not in (row["localaddr"]["port"], row["remoteaddr"]["port"])
        }
        assert found == wanted
        assert all(row["uids"] == [os.getuid()] * 4 for row in own)


# psiod


def test_psiod_processes(quick):
    def read():
        rows = {}
        fields = ["create_time", "name", "username", "nice", "status", "num_threads", "cpu_times", "memory_info"]
        for process in psutil.process_iter([*fields, "memory_percent"]):
            rows[process.pid] = {**process.info, "name": text_of(process.info["name"])}
        return rows

    readings, answer = around_all(quick, "process.getall", read)
    rows = {row["pid"]: row for row in answer}
    assert len(rows) == len(answer)
    first, last = readings[0], readings[-1]
    steady = {pid for pid in first.keys() & last.keys() if first[pid]["create_time"] == last[pid]["create_time"]}
    # The client that asks has threads of its own while it does.
    steady.discard(os.getpid())
    assert len(steady) > 3
    wrong = {(pid, "missing"): first[pid] for pid in steady - rows.keys()}
    for pid in steady & rows.keys():
        row, theirs = rows[pid], [reading[pid] for reading in readings if pid in reading]
        for key in ("name", "username", "nice"):
            if row[key] not in {one[key] for one in theirs}:
                wrong[pid, key] = row[key], theirs
        # Who runs in one moment may sleep in the next.
        awake, states = {"running", "sleeping", "disk-sleep", "idle"}, {one["status"] for one in theirs}
        if row["status"] not in states | (awake if states & awake else set()):
            wrong[pid, "status"] = row["status"], states
        least, most = extreme(min, theirs), extreme(max, theirs)
        if not is_between(row["num_threads"], least["num_threads"], most["num_threads"], 0):
            wrong[pid, "num_threads"] = row["num_threads"], least, most
        for index, key in enumerate(("user", "system")):
            times = getattr(least["cpu_times"], key), getattr(most["cpu_times"], key)
            if not is_between(row["cpu_times"][index], *times, 0.011):
                wrong[pid, key] = row["cpu_times"], times
        for index, key in enumerate(("rss", "vms")):
            low, high = getattr(least["memory_info"], key), getattr(most["memory_info"], key)
            # Who moves may have moved as far again between two looks.
            if not is_between(row["memory_info"][index], low, high, MIB + 2 * (high - low)):
                wrong[pid, key] = row["memory_info"], low, high
            assert row[f"memory_{key}"] == row["memory_info"][index]
        low, high = least["memory_percent"], most["memory_percent"]
        if not is_between(row["memory_percent"], low, high, 0.01 + 2 * (high - low)):
            wrong[pid, "percent"] = row["memory_percent"], low, high
    assert_none(wrong)


def test_psiod_cpu_of_a_busy_process_and_core():
    """A child that burns one core: as much of it as psutil says, and the core that it is bound to is busy."""
    with running("--interval", "500ms") as server:
        core = min(os.sched_getaffinity(0))
        child = multiprocessing.Process(target=burn_on, args=(core, 120))
        child.start()
        try:
            until(lambda: sum(psutil.Process(child.pid).cpu_times()[:2]) > 0.2)
            shares, cores = [], []
            command(server, "process.getall")
            started, used = time.monotonic(), psutil.Process(child.pid).cpu_times()
            for _ in range(6):
                server.next_sample()
                shares.append(command(server, "process.get", pid=child.pid)["data"]["cpu_percent"])
                cores.append({row["num"]: row["usage"] for row in command(server, "cpu.getall")["data"]})
            # The others on this machine take their share of the core.
            share = sum(psutil.Process(child.pid).cpu_times()[:2]) - sum(used[:2])
            share = share / (time.monotonic() - started) * 100
            shares = shares[1:]
            assert sum(shares) / len(shares) == pytest.approx(share, rel=0.35), (shares, share)
            assert all(len(usages) == psutil.cpu_count() for usages in cores)
            assert sorted(usages[core] for usages in cores)[len(cores) // 2] > 80, cores
        finally:
            child.kill()
            child.join()


def burn_on(core, seconds):
    os.sched_setaffinity(0, {core})
    burn(seconds)


def test_psiod_memory(quick):
    before, answer, after = around(quick, "memory.getall", lambda: (psutil.virtual_memory(), psutil.swap_memory()))
    virtual, swap = answer["virtual"], answer["swap"]
    assert virtual["total"] == before[0].total
    keys = ("available", "used", "free", "active", "inactive", "buffers", "cached", "shared", "slab")
    nearly("virtual", before[0], after[0], virtual, keys, 32 * MIB)
    assert_between(virtual["percent"], before[0].percent, after[0].percent, 0.35, "percent")
    assert swap["total"] == before[1].total
    nearly("swap", before[1], after[1], swap, ("used", "free"), 4 * MIB)
    nearly("swap", before[1], after[1], swap, ("percent", "sin", "sout"), 0.1)
    both = command(quick, "memory.getall")
    assert (both["virtual"], both["swap"]) == (both["data"]["virtual"], both["data"]["swap"])


def test_psiod_disks(quick):
    rows = command(quick, "disk.getall")["data"]
    theirs = {row.mountpoint: row for row in psutil.disk_partitions()}
    assert rows
    for row in rows:
        wanted = theirs[row["mountpoint"]]
        assert row["fstype"] == wanted.fstype
        assert set(row["opts"].split(",")) == set(wanted.opts.split(","))
        if not wanted.device.startswith("/dev/root"):
            assert row["device"] == wanted.device
    assert {os.stat(row["mountpoint"]).st_dev for row in rows} == {os.stat(path).st_dev for path in theirs}


def test_psiod_root_disk(quick):
    before, root, after = around(quick, "disk.root.getstats", lambda: psutil.disk_usage("/"))
    assert root["total"] == before.total
    nearly("/", before, after, root, ("used", "free"), 32 * MIB)
    assert_between(root["percent"], before.percent, after.percent, 0.1, "percent")


def test_psiod_network_and_host(quick):
    before, answer, after = around(quick, "network.getstats", lambda: psutil.net_io_counters(nowrap=False))
    assert_between(answer["bytes_sent"], before.bytes_sent, after.bytes_sent, 0, "bytes_sent")
    assert_between(answer["bytes_received"], before.bytes_recv, after.bytes_recv, 0, "bytes_received")
    assert command(quick, "host.getstats")["data"] == {"hostname": socket.gethostname()}
