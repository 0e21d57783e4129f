"""Statistics without a server: what psmonitor prints to a terminal and to a pipe, beside what psutil reads."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import psutil
import pytest
from conftest import assert_none, extreme, meanwhile, program, running
from test_tls import arguments, make_certificate, openssl

PARTS = ["cpu", "memory", "processes", "disks", "network"]


def printed(part):
    """The JSON that a pipe gets."""
    return json.loads(subprocess.run([program(), part], capture_output=True, text=True, timeout=30, check=True).stdout)


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, *arguments, columns=80, lines=24, **environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
        variables |= {"TERM": "xterm"} | environment

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [program(), *arguments], stdin=slave, stdout=slave, stderr=slave, env=variables, preexec_fn=own_terminal
        )
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read(self, enough=lambda text: False):
        """What it shows, until that is enough or it has ended."""
        text, deadline = "", time.monotonic() + 60
        while not enough(text):
            assert time.monotonic() < deadline, text
            if select.select([self.master], [], [], 1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # the other end is closed
                    break
                text += data.decode()
        return text.replace("\r\n", "\n")


def shown(*arguments, **how):
    """What a terminal shows of a command that ends."""
    with Terminal(*arguments, **how) as terminal:
        text = terminal.read()
        assert terminal.process.wait(30) == 0, text
        return text


def test_numbers_are_those_of_psutil():
    wrong = {}
    readings, found = meanwhile(psutil.virtual_memory, lambda: printed("memory"))
    least, most = extreme(min, readings), extreme(max, readings)
    for key in ("total", "available", "free"):
        if not getattr(least, key) - (32 << 20) <= found[key] <= getattr(most, key) + (32 << 20):
            wrong[f"memory {key}"] = (found[key], least, most)

    def usages():
        return {partition.device: psutil.disk_usage(partition.mountpoint) for partition in psutil.disk_partitions()}

    readings, disks = meanwhile(usages, lambda: printed("disks"))
    least, most = extreme(min, readings), extreme(max, readings)
    for device, low in least.items():
        row, slack = disks.get(device), 64 << 20
        if not row or row["total"] != low.total or not low.free - slack <= row["free"] <= most[device].free + slack:
            wrong[f"disk {device}"] = (row, low, most[device])
    addresses = {}
    for name, all_of_it in psutil.net_if_addrs().items():
        for address in all_of_it:
            if address.family.name == "AF_INET":
                addresses[name] = (address.address, address.netmask)
    found = {name: (row["ip"], row["netmask"]) for name, row in printed("network").items()}
    if found != addresses:
        wrong["addresses"] = (found, addresses)
    mine = psutil.Process()
    row = next((row for row in printed("processes") if row["pid"] == mine.pid), None)
    if row != {"pid": mine.pid, "username": mine.username(), "name": mine.name()}:
        wrong["process"] = row
    assert_none(wrong)
    cpu = printed("cpu")
    assert cpu["count"] == psutil.cpu_count() and 0 <= cpu["percent_used"] <= 100


@pytest.mark.parametrize("part", PARTS)
def test_a_terminal_gets_a_table_within_its_width(part):
    for columns in (120, 40):
        text = shown(part, columns=columns)
        lines = [re.sub(r"\x1b\[\d*m", "", line) for line in text.splitlines()]
        assert len(lines) >= 2 and lines[0].isupper(), text
        assert all(len(line) <= columns for line in lines), text
        assert "\x1b" not in "".join(lines), "nothing but colours"


def test_json_on_a_terminal_where_it_is_wanted():
    assert json.loads(shown("memory", "--json"))["total"] == psutil.virtual_memory().total


def test_colours_where_they_are_wanted():
    assert "\x1b[1m" in shown("memory")
    assert "\x1b" not in shown("memory", NO_COLOR="1")
    assert "\x1b" not in shown("memory", TERM="dumb")
    piped = subprocess.run([program(), "memory"], capture_output=True, check=True, timeout=30).stdout
    assert b"\x1b" not in piped


def test_watching_stays_in_its_place():
    """Each screen goes over the one before and is no higher than the terminal; Ctrl-C ends it."""
    lines = 8
    with Terminal("processes", "--watch", "200ms", lines=lines, NO_COLOR="1") as terminal:
        text = terminal.read(lambda text: text.count("\x1b[H") > 3)
        screens = text.split("\x1b[H")[1:-1]
        assert all(screen.count("\n") == lines - 1 for screen in screens), screens
        assert "more" in screens[0] and "CPU" not in screens[0], "no rate of one reading"
        assert "CPU" in screens[1], "but of two"
        os.write(terminal.master, b"\x03")
        terminal.read()
        assert terminal.process.wait(30) in (-signal.SIGINT, 0)


def test_watching_follows_the_size_of_the_terminal():
    with Terminal("processes", "--watch", "100ms", lines=6, TERM="xterm") as terminal:
        terminal.read(lambda text: text.count("\x1b[H") > 1)
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 30, 0, 0))
        terminal.read(lambda text: any(screen.count("\n") == 11 for screen in text.replace("\r", "").split("\x1b[H")))


def status(*arguments, **environment):
    """The exit code of `psmonitor status`, and all that it says."""
    environment = os.environ | {key: str(value) for key, value in environment.items()}
    result = subprocess.run(
        [program(), "status", *map(str, arguments)], capture_output=True, text=True, timeout=30, env=environment
    )
    return result.returncode, result.stdout + result.stderr


def test_status_over_tls(tmp_path):
    """A certificate that signed itself is believed by whoever names its file, and by nobody else."""
    own, other = make_certificate(tmp_path, "own"), make_certificate(tmp_path, "other")
    with running(*arguments(own)) as server:
        code, text = status(server.url, "--ca-file", own[0])
        assert (code, "its numbers are" in text) == (0, True), text
        code, text = status(server.url)
        assert code == 1 and "certificate" in text, text
        code, text = status(server.url, "--ca-file", other[0])
        assert code == 1 and "certificate" in text, text
        settings = {"PSMONITOR_LISTEN": server.address, "PSMONITOR_TLS_CERT": own[0], "PSMONITOR_TLS_KEY": own[1]}
        code, text = status(**settings)
        assert (code, "its numbers are" in text) == (0, True), text
        code, text = status(**settings | {"PSMONITOR_TLS_CERT": other[0]})
        assert code == 1 and "certificate" in text, text
        code, text = status(f"http://{server.address}")
        assert code == 1 and "is not up" in text, text


def test_status_of_a_certificate_that_an_authority_signed(tmp_path):
    """By its name, and by no other."""
    authority = make_certificate(tmp_path, "authority")
    key, request, cert = tmp_path / "key", tmp_path / "request", tmp_path / "cert"
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", request)
    key.chmod(0o600)
    names = tmp_path / "names"
    names.write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", request, "-CA", authority[0], "-CAkey", authority[1], "-days", "2", "-extfile", names, "-out", cert)
    with running(*arguments((cert, key))) as server:
        code, text = status(f"https://localhost:{server.port}", "--ca-file", authority[0])
        assert code == 0, text
        code, text = status(f"https://127.0.0.1:{server.port}", "--ca-file", authority[0])
        assert code == 1 and "certificate" in text, text
