"""Starts the real program for the client tests, and stops it.

The program is the one that PSMONITOR_BIN names. Every server that a test starts must end with exit code 0 on SIGTERM.
"""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
WELCOME = "connected to monitor, transmitting data..."
# What is promised of a stop, and how long a stop may take that is no test's subject.
STOP_SECONDS, STOP_PATIENCE = 5, 20
# Of the users and the token in the files that a fixture makes; and how many wrong logins an address has before it must wait.
PASSWORD = "correct horse"
TOKEN = "0123456789abcdef0123456789abcdef"
TRIES = 5
# Seconds between two readings of another source that is read all the time.
READING_PAUSE = 0.01


def meanwhile(read, ask):
    """What another source says from before a question until after its answer, read again and again; and the answer.

    Numbers that others move all the time are compared with these: ours lies between the least and the most of them.
    """
    readings, failures, is_over = [read()], [], threading.Event()

    def go_on():
        try:
            while not is_over.wait(READING_PAUSE):
                readings.append(read())
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=go_on)
    reader.start()
    try:
        answer = ask()
    finally:
        is_over.set()
        reader.join()
    if failures:
        raise failures[0]
    readings.append(read())
    return readings, answer


def extreme(pick, readings):
    """The least or the most of every number in the readings; of tables, what stands in all of them."""
    first = readings[0]
    if isinstance(first, dict):
        keys = [key for key in first if all(key in reading for reading in readings)]
        return {key: extreme(pick, [reading[key] for reading in readings]) for key in keys}
    if isinstance(first, tuple):
        parts = [extreme(pick, column) for column in zip(*readings, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    return pick(readings) if isinstance(first, int | float) else first


def bracket(server, path, read):
    """The least that the other source said around our sample, our answer, and the most. The sample is a new one."""

    def ask():
        server.next_sample()
        return requests.get(server.url + path, timeout=20).json()

    readings, ours = meanwhile(read, ask)
    return extreme(min, readings), ours, extreme(max, readings)


def is_between(ours, least, most, slack):
    return ours is not None and least - slack <= ours <= most + slack


def assert_between(ours, least, most, slack, what):
    assert is_between(ours, least, most, slack), f"{what}: ours {ours}, theirs {least} to {most}"


def assert_none(wrong):
    assert not wrong, "\n".join(f"{key}: {what}" for key, what in wrong.items())


def until(holds, seconds=60):
    """Waits until it holds; what it said then."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def free_port():
    """A port that nobody has. None of those that the kernel gives to whoever connects: it might be gone before it is used."""
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    last = given if given > 20_000 else 65_535
    while True:
        port = random.randrange(last - 10_000, last)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port


def size_of_a_large_process():
    """MiB that make a process one of the ten largest for as long as a test takes, where memory allows for three of them."""
    resident = [0] * 7
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            resident.append(process.memory_info().rss >> 20)
    sizes = [mib * 5 // 4 + 64 for mib in sorted(resident, reverse=True)[2:7]]
    return next((size for size in sizes if size < psutil.virtual_memory().available >> 24), sizes[-1])


def program():
    """The program under test."""
    path = os.environ.get("PSMONITOR_BIN")
    if not path or not os.access(path, os.X_OK):
        pytest.exit(f"PSMONITOR_BIN={path!r} is not a program; start these tests with tests/run python", returncode=2)
    return path


def hash_password(password):
    result = subprocess.run(
        [program(), "hash-password"], input=password + "\n", capture_output=True, text=True, timeout=30, check=True
    )
    return result.stdout.strip()


def write(path, text):
    """A file that is its owner's alone."""
    path.write_text(text)
    path.chmod(0o600)


class Server:
    """One running psmonitor."""

    def __init__(self, *arguments, wrapper=(), listen=True):
        if listen and "--listen" not in arguments and "--port" not in arguments:
            arguments = ("--listen", "127.0.0.1:0", *arguments)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PSMONITOR_")}
        # Whatever this machine has in /etc is not the tests'.
        environment["PSMONITOR_CONFIG"] = "/dev/null"
        self.process = subprocess.Popen(
            [*wrapper, program(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.errors = []
        self._stderr = threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True)
        self._stderr.start()
        self.address = self._address()
        self.url = f"{self.scheme}://{self.address}"
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)
        # Whatever else is said on stdout must not fill the pipe.
        self._stdout = threading.Thread(target=self._drain, args=(self.process.stdout,), daemon=True)
        self._stdout.start()

    def _address(self):
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                found = re.search(r"(https?)://([^\s/]+:\d+)", line)
                if found:
                    self.scheme = found[1]
                    return found[2]
        finally:
            watchdog.cancel()
        self.kill()
        raise AssertionError("the server did not say where it listens: " + "".join(self.errors))

    def _drain(self, pipe):
        with pipe:
            for line in pipe:
                if pipe is self.process.stderr:
                    self.errors.append(line)

    @property
    def pid(self):
        """Its PID, also under a wrapper."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def reload(self, *lines):
        """SIGHUP; back when the log has a new line with each of these texts."""
        known = len(self.errors)
        os.kill(self.pid, signal.SIGHUP)
        self.wait_for_log(*lines, known=known)

    def wait_for_log(self, *lines, known=0):
        """Back when the log has a line with each of these texts, not counting its first `known` ones."""
        deadline = time.monotonic() + 60
        while not all(any(text in line for line in self.errors[known:]) for text in lines):
            assert time.monotonic() < deadline, "".join(self.errors[known:])
            time.sleep(0.01)

    def counter(self, name, username=None, password=None):
        """A number that it tells of itself, without labels."""
        login = username and (username, password)
        page = requests.get(f"{self.url}/metrics?collect[]=loadavg", auth=login, timeout=20).text
        return int(re.search(rf"^{name} (\d+)$", page, re.M)[1])

    def ticks(self, **login):
        """Ticks of its sampler so far."""
        return self.counter("psmonitor_ticks_total", **login)

    def next_sample(self, **login):
        """Back when there is a sample that was begun after this call."""
        known = self.ticks(**login)
        until(lambda: self.ticks(**login) >= known + 2)

    def worker(self):
        """The id of a new worker."""
        answer = requests.post(self.url, json={"connection": "monitor"}, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def ws(self, path):
        """The address of a WebSocket."""
        return f"ws{self.scheme[4:]}://{self.address}{path}"

    def connect(self, worker=None, path="/connect", query="", **options):
        """A WebSocket for a worker, a new one unless it is given."""
        address = self.ws(f"{path}?id={worker or self.worker()}{query}")
        return connect(address, open_timeout=20, close_timeout=2, legacy=True, **options)

    def stop(self):
        """SIGTERM; the exit code and how long it took."""
        start = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        try:
            code, took = self.process.wait(STOP_PATIENCE), time.monotonic() - start
            self._stderr.join(STOP_PATIENCE)
            return code, took
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server still ran {STOP_PATIENCE} s after SIGTERM: {''.join(self.errors)}") from None

    def kill(self):
        """Ends it at once, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._stderr.join(STOP_PATIENCE)
        self.process.stdout.close()


@contextlib.contextmanager
def running(*arguments, **options):
    """A server for the length of a block."""
    server = Server(*arguments, **options)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    if server.process.poll() is None:
        code, _ = server.stop()
        assert code == 0, f"exit code {code}: {''.join(server.errors)}"


@pytest.fixture(scope="session")
def server():
    """The server that most tests share."""
    with running() as shared:
        yield shared


@pytest.fixture(scope="session")
def hashed():
    """What a users file holds of PASSWORD."""
    return hash_password(PASSWORD)


@pytest.fixture
def files(tmp_path, hashed):
    """Arguments for a users file with ann and bob, and a token file."""
    write(tmp_path / "users", f"# who may come in\nann:{hashed}\nbob:{hashed}\n")
    write(tmp_path / "tokens", TOKEN + "\n")
    return "--users-file", str(tmp_path / "users"), "--token-file", str(tmp_path / "tokens")


@pytest.fixture(scope="session")
def quick():
    """A server that samples five times a second, for comparisons with another source at the same moment."""
    with running("--interval", "200ms") as shared:
        yield shared


def pytest_collection_modifyitems(items):
    """Prometheus scrapes for more than a minute before its answers are compared. That begins first and ends last, so that the
    other tests are run meanwhile."""

    def place(item):
        if "scraped" not in getattr(item, "fixturenames", ()):
            return 1
        return 2 if "pair" in item.fixturenames else 0

    items.sort(key=place)
