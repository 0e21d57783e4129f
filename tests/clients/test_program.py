"""The program itself: how it starts, what it refuses, how it stops, and what it leaves alone."""

import asyncio
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import requests
import websockets
from conftest import ROOT, STOP_SECONDS, WELCOME, Server, program, running, until


def run(*arguments):
    """Runs the program to its end."""
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def flags():
    """What --help says of each flag: its variable and its default."""
    # A flag stands in the column of flags; one that the text of another mentions does not.
    parts = re.split(r"^(?:  -\w, |      )(--[a-z][a-z-]*)", run("--help").stdout, flags=re.M)[1:]
    found = {}
    for flag, text in zip(parts[::2], parts[1::2], strict=True):
        text = " ".join(text.split())
        variable = re.search(r"\[env: (\w+)=", text)
        default = re.search(r"\[default: ([^]]*)\]", text)
        found[flag] = (variable and variable[1], default and default[1])
    return found


def test_bad_flag():
    result = run("--no-such-flag")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--no-such-flag" in result.stderr


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--interval", "soon"), ("--listen", "nowhere")])
def test_bad_value(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert arguments[0] in result.stderr or arguments[1] in result.stderr


def test_a_wide_address_wants_a_token():
    result = run("--listen", "0.0.0.0:0")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--token-file" in result.stderr and "--no-auth" in result.stderr


def test_with_tokens_only_their_holders_get_in(tmp_path):
    """The worker of a holder is the ticket for the stream."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a-secret-of-the-test\n")
    tokens.chmod(0o600)
    with running("--token-file", str(tokens)) as server:
        holder = {"Authorization": "Bearer a-secret-of-the-test"}
        for method, path in [("POST", "/"), ("GET", "/system"), ("GET", "/network"), ("GET", "/no/such/route")]:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                refused = requests.request(method, server.url + path, headers=headers, timeout=20)
                assert refused.status_code == 401, (method, path)
                assert refused.json()["error"]
        assert requests.get(f"{server.url}/healthz", timeout=20).status_code == 200
        assert requests.get(f"{server.url}/system", headers=holder, timeout=20).status_code == 200
        worker = requests.post(server.url, headers=holder, timeout=20).json()["id"]
        with server.connect(worker) as stream:
            assert stream.recv(timeout=20) == WELCOME
        code, _ = server.stop()
        assert code == 0 and "a-secret" not in "".join(server.errors)


def test_port_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        result = run("--listen", address)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert address in result.stderr


def test_version():
    result = run("--version")
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert (result.returncode, result.stdout) == (0, f"psmonitor {version}\n")


def test_several_listeners_serve_the_same():
    with running("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0") as server:
        listening = [
            connection.laddr
            for connection in psutil.Process(server.pid).net_connections("tcp")
            if connection.status == "LISTEN"
        ]
        assert len(listening) == 2
        for address in listening:
            assert requests.get(f"http://{address.ip}:{address.port}/system", timeout=20).status_code == 200


def test_stops_cleanly_with_200_streams():
    """SIGTERM: every stream gets close 1001, and the program is gone within 5 s with exit code 0."""

    async def streams(server):
        loop = asyncio.get_running_loop()
        sockets = [await websockets.connect(server.ws(f"/connect?id={server.worker()}")) for _ in range(200)]
        assert [await one.recv() for one in sockets] == [WELCOME] * 200
        stopped = loop.run_in_executor(None, server.stop)
        await asyncio.wait_for(asyncio.gather(*(one.wait_closed() for one in sockets)), 20)
        return [one.close_code for one in sockets], await stopped

    with running() as server:
        codes, (exit_code, seconds) = asyncio.run(streams(server))
        assert codes == [1001] * 200
        assert exit_code == 0 and seconds < STOP_SECONDS


def test_stops_cleanly_on_sigint():
    with running() as server:
        os.kill(server.pid, 2)
        assert server.process.wait(STOP_SECONDS) == 0


def test_a_half_sent_request_does_not_delay_the_stop():
    with running() as server, socket.create_connection((server.host, server.port)) as stuck:
        stuck.sendall(b"GET /system HTTP/1.1\r\nHost: ")
        code, seconds = server.stop()
        assert code == 0 and seconds < STOP_SECONDS


def test_descriptors_are_flat_after_200_streams():
    with running() as server:
        folder = Path(f"/proc/{server.pid}/fd")

        def others():
            # Without the descriptors of watched processes, whose number is the machine's affair.
            links = [entry for entry in folder.iterdir() if entry.is_symlink()]
            return sum(1 for link in links if os.path.realpath(link).rsplit("/", 1)[1].startswith("socket:"))

        for socket in [server.connect() for _ in range(5)]:
            socket.close_socket()
        time.sleep(2)
        before = others()
        for socket in [server.connect() for _ in range(200)]:
            socket.close_socket()
        until(lambda: others() <= before)


def test_starts_no_program_and_calls_nobody_who_is_not_named(tmp_path):
    """Watched from its start, under load: one execve (its own), and no connection over the network, as long as the
    configuration names nobody. tests/it/push.rs watches one that does."""
    trace = tmp_path / "trace"
    wrapper = ("strace", "-f", "-qq", "-o", str(trace), "-e", "trace=execve,connect")
    with running(wrapper=wrapper) as server:
        for path in ("/system", "/network", "/"):
            assert requests.get(server.url + path, timeout=30).status_code == 200
        with server.connect() as stream:
            assert stream.recv(timeout=30) == WELCOME
            stream.recv(timeout=30)
    calls = trace.read_text()
    assert len(re.findall(r"execve\(", calls)) == 1
    assert not re.search(r"connect\(.*AF_INET", calls), calls


def test_the_table_names_every_flag_and_no_other():
    """docs/settings.md: a row for each flag, with its variable and its default."""
    page = (ROOT / "docs" / "settings.md").read_text().replace("\\|", "\0")
    rows = re.findall(r"^\| `(--[a-z-]+)[^`]*` \| `(\w+)` \| (.*?) ?\| ", page, re.M)
    rows = [tuple(cell.replace("\0", "|") for cell in row) for row in rows]
    table = {flag: (variable, default) for flag, variable, default in rows}
    known = {flag: row for flag, row in flags().items() if flag not in ("--help", "--version")}
    assert len(table) == len(rows)
    assert table.keys() == known.keys()
    for flag, (variable, default) in known.items():
        assert variable == "PSMONITOR_" + flag[2:].upper().replace("-", "_")
        assert table[flag][0] == variable
        if default is None:
            assert not table[flag][1].startswith("`"), flag
        else:
            assert table[flag][1] == f"`{default}`", flag


def test_environment_sets_a_flag():
    """As the README says: a variable stands for its flag."""
    environment = {**os.environ, "PSMONITOR_LISTEN": "nowhere"}
    result = subprocess.run([program()], capture_output=True, text=True, timeout=30, env=environment)
    assert result.returncode == 2 and "nowhere" in result.stderr


def test_server_class_refuses_silence():
    """The helper itself: a program that ends without an address is an error, not a hang."""
    with pytest.raises(AssertionError, match="did not say where it listens"):
        Server("--no-such-flag")
