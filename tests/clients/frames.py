"""The shape of psmonitor's answers: every key that its users' documents name, with its type."""

import json
import re

PART = r"(?:1 {0}|(?:[2-9]|[1-9]\d+) {0}s)"
UPTIME = re.compile(
    r"(?=.)(?:{}(?:, |$))?(?:{}(?:, |$))?(?:{}(?:, |$))?(?:{})?".format(
        *(PART.format(unit) for unit in ("day", "hr", "min", "sec"))
    )
)


def number(value):
    """Whether this is a JSON number (true and false are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value):
    """Whether this is a whole, non-negative JSON number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def decimals(value, most):
    """Whether this is a number with at most so many decimals."""
    return number(value) and round(value, most) == value


def check_cpu(cpu):
    assert cpu.keys() >= {"usage", "temp", "freq"}
    # null until there are two samples.
    assert cpu["usage"] is None or (decimals(cpu["usage"], 2) and 0 <= cpu["usage"] <= 100)
    assert cpu["temp"] is None or number(cpu["temp"])
    assert cpu["freq"] is None or (number(cpu["freq"]) and cpu["freq"] > 0)


def check_space(space):
    assert space.keys() >= {"total", "used", "free", "percent"}
    assert all(decimals(space[key], 2) and space[key] >= 0 for key in ("total", "used", "free"))
    assert decimals(space["percent"], 1) and 0 <= space["percent"] <= 100


def check_uptime(text):
    assert isinstance(text, str)
    assert text == "0 secs" or (UPTIME.fullmatch(text) and not text.endswith(", ")), text


def check_processes(processes):
    assert 1 <= len(processes) <= 10
    for process in processes:
        assert process.keys() >= {"pid", "name", "username", "mem", "memory_info"}
        assert whole(process["pid"]) and process["pid"] > 0
        assert isinstance(process["name"], str)
        assert isinstance(process["username"], str)
        assert decimals(process["mem"], 2)
        info = process["memory_info"]
        assert len(info) == 7 and all(whole(value) for value in info)
        # Two decimals; an exact half may be rounded either way.
        assert abs(process["mem"] - info[0] / 1048576) < 0.00501
    resident = [process["memory_info"][0] for process in processes]
    assert resident == sorted(resident, reverse=True)


def check_network(network):
    names = network["interfaces"]
    assert isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    assert set(network["statistics"]) == set(network["averages"]) == set(names)
    for row in network["statistics"].values():
        assert row.keys() >= {"mb_sent", "mb_received", "pk_sent", "pk_received", "error_in", "error_out", "dropout"}
        assert all(number(row[key]) and row[key] >= 0 for key in ("mb_sent", "mb_received"))
        assert all(whole(row[key]) for key in ("pk_sent", "pk_received", "error_in", "error_out", "dropout"))
    for name, row in network["averages"].items():
        assert row.keys() >= {"interface", "in", "out"} and row["interface"] == name
        # null until there are two samples.
        assert all(row[key] is None or (decimals(row[key], 3) and row[key] >= 0) for key in ("in", "out"))


def check_frame(text):
    """Checks one message of the stream and gives it back parsed."""
    assert isinstance(text, str)
    frame = json.loads(text)
    assert frame.keys() >= {"cpu", "mem", "disk", "uptime", "processes", "network"}
    check_cpu(frame["cpu"])
    check_space(frame["mem"])
    check_space(frame["disk"])
    check_uptime(frame["uptime"])
    check_processes(frame["processes"])
    check_network(frame["network"])
    return frame


def uptime_seconds(text):
    """`1 day, 2 hrs, 1 min, 47 secs` as seconds."""
    units = {"day": 86400, "hr": 3600, "min": 60, "sec": 1}
    return sum(int(count) * units[unit.removesuffix("s")] for count, unit in re.findall(r"(\d+) (\w+)", text))
