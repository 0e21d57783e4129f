"""psmonitor 2's login: users with passwords, their tokens, their workers; and tokens that come and go while it runs."""

import asyncio
import base64
import json
import os
import pty
import re
import statistics
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest
import requests
import websockets
from conftest import PASSWORD, TOKEN, TRIES, WELCOME, hash_password, program, running, write
from cost import cpu_seconds
from frames import check_frame
from test_workers import close_of

# Seconds until it has one more.
REFILL = 12


def log_in(server, name="ann", password=PASSWORD):
    return requests.post(f"{server.url}/authenticate", json={"username": name, "password": password}, timeout=30)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def status(server, token):
    return requests.get(f"{server.url}/system", headers=bearer(token), timeout=20).status_code


def test_login_gives_a_token_that_works_everywhere(files):
    with running(*files) as server:
        assert requests.get(f"{server.url}/system", timeout=20).status_code == 401
        response = log_in(server)
        assert response.status_code == 200, response.text
        assert response.headers["Cache-Control"] == "no-store"
        answer = response.json()
        assert answer.keys() == {"token", "user_id"} and answer["user_id"] == "ann"
        claims = answer["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        assert claims["sub"] == "ann"
        assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 5
        for path in ("/system", "/network", "/api/cpu", "/api/memory"):
            assert requests.get(server.url + path, headers=bearer(answer["token"]), timeout=20).status_code == 200
        assert requests.post(server.url, headers=bearer(answer["token"]), timeout=20).status_code == 200
        forged = answer["token"][:-2] + ("AA" if answer["token"][-2:] != "AA" else "BB")
        assert status(server, forged) == 401
        log = "".join(server.errors)
        assert answer["token"] not in log and PASSWORD not in log


def test_a_restart_ends_sessions(files):
    with running(*files) as server:
        token = log_in(server).json()["token"]
        assert status(server, token) == 200
    with running(*files) as server:
        assert status(server, token) == 401


def test_wrong_name_and_wrong_password_answer_the_same(files):
    with running(*files) as server:
        answers = [log_in(server, "ann", "wrong"), log_in(server, "nobody", "wrong"), log_in(server, "nobody")]
        assert [answer.status_code for answer in answers] == [401] * 3
        assert len({answer.text for answer in answers}) == 1
        assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
        assert answers[0].json()["error"]


def test_wrong_name_and_wrong_password_take_as_long(files):
    """The median of several servers' tries; a name that were not hashed for would be some ten times as fast."""
    seconds = {"ann": [], "nobody": []}
    for _ in range(4):
        with running(*files) as server:
            log_in(server)
            for name in ("ann", "nobody", "ann", "nobody"):
                # What the server computes, whoever else does meanwhile.
                start = cpu_seconds(server.pid)
                assert log_in(server, name, "wrong").status_code == 401
                seconds[name].append(cpu_seconds(server.pid) - start)
    known, unknown = (statistics.median(seconds[name]) for name in ("ann", "nobody"))
    assert 0.5 < unknown / known < 2, seconds


def test_logins_leave_no_memory_behind(files):
    """Each takes 19 MiB for a moment. Two at once, and nothing stays."""
    with running(*files) as server:

        def kib(field):
            return int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1])

        assert log_in(server).status_code == 200
        before = kib("VmRSS")
        threads = [threading.Thread(target=lambda: [log_in(server) for _ in range(4)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert kib("VmRSS") - before < 16 * 1024
        assert kib("VmHWM") - before < 64 * 1024


def test_logins_are_limited(files):
    with running(*files) as server:
        start, tries = time.monotonic(), 0
        while (response := log_in(server, password="wrong")).status_code == 401:
            tries += 1
        assert response.status_code == 429
        assert TRIES <= tries <= TRIES + (time.monotonic() - start) / REFILL
        assert 1 <= int(response.headers["Retry-After"]) <= 13
        assert response.json()["error"]
        # Who has a token is not affected.
        assert status(server, TOKEN) == 200
        other = requests.Session()
        other.mount("http://", from_address("127.0.0.9"))
        response = other.post(
            f"{server.url}/authenticate", json={"username": "ann", "password": PASSWORD}, timeout=30
        )
        assert response.status_code == 200


def from_address(address):
    """A requests adapter whose connections come from this address."""

    class From(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments, **options):
            super().init_poolmanager(*arguments, source_address=(address, 0), **options)

    return From()


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'{"username": "ann"}', b'{"username": 1, "password": 2}'])
def test_malformed_logins(files, body):
    with running(*files) as server:
        response = requests.post(f"{server.url}/authenticate", data=body, timeout=20)
        assert response.status_code == 400
        assert "username" in response.json()["error"]


def test_without_users_the_login_says_how_to_have_them(server):
    response = log_in(server)
    assert response.status_code == 404
    assert "--users-file" in response.json()["error"]
    # Workers need no login where nobody is asked.
    answer = requests.post(f"{server.url}/worker", timeout=20).json()
    assert answer["url"] == f"ws://{server.address}/connect?id={answer['id']}"


def test_psmonitor_2_client(files):
    """From the login to the stream, as its clients do it."""
    with running(*files) as server:

        async def client():
            session = log_in(server).json()
            response = requests.post(f"{server.url}/worker", headers=bearer(session["token"]), timeout=20)
            assert response.status_code == 200
            worker = response.json()
            assert worker.keys() == {"id", "url", "message"} and isinstance(worker["message"], str)
            address = server.ws(f"/connect?id={worker['id']}&subscriber={session['user_id']}")
            assert worker["url"] == address
            async with websockets.connect(address) as socket:
                assert await socket.recv() == WELCOME
                for _ in range(2):
                    check_frame(await asyncio.wait_for(socket.recv(), 5))

        asyncio.run(client())


@pytest.mark.parametrize("query", ["&subscriber=bob", "&subscriber=", "", "&subscriber=ann%20"])
def test_only_the_subscriber_gets_the_stream(files, query):
    with running(*files) as server:
        token = log_in(server).json()["token"]
        worker = requests.post(f"{server.url}/worker", headers=bearer(token), timeout=20).json()["id"]
        with server.connect(worker, query=query) as socket:
            texts, code, reason = close_of(socket)
        assert (texts, code) == ([], 1008)
        assert reason.startswith("Invalid worker id")


def test_worker_needs_a_login_and_takes_a_token(files):
    with running(*files) as server:
        assert requests.post(f"{server.url}/worker", timeout=20).status_code == 401
        assert requests.post(f"{server.url}/worker", headers=bearer("wrong" * 8), timeout=20).status_code == 401
        worker = requests.post(f"{server.url}/worker", headers=bearer(TOKEN), timeout=20).json()
        assert "subscriber" not in worker["url"]
        with server.connect(worker["id"]) as socket:
            assert socket.recv(timeout=20) == WELCOME


def test_reload_of_tokens_and_users(files, tmp_path, hashed):
    with running(*files) as server:
        ann = log_in(server).json()["token"]
        bob = log_in(server, "bob").json()["token"]

        def stream_of(name, token):
            worker = requests.post(f"{server.url}/worker", headers=bearer(token), timeout=20).json()["id"]
            return server.connect(worker, query=f"&subscriber={name}")

        def check_end(stream):
            with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
                for _ in range(20):
                    stream.recv(timeout=20)
            assert closed.value.rcvd.code == 1008

        with stream_of("ann", ann) as of_ann, stream_of("bob", bob) as of_bob:
            assert [stream.recv(timeout=20) for stream in (of_ann, of_bob)] == [WELCOME, WELCOME]
            new = "fedcba9876543210fedcba9876543210"
            write(tmp_path / "tokens", new)
            write(tmp_path / "users", f"ann:{hash_password('another')}\nbob:{hashed}\n")
            server.reload("--token-file", "--users-file")
            check_end(of_ann)
            assert [status(server, token) for token in (TOKEN, new, ann, bob)] == [401, 200, 401, 200]
            assert log_in(server).status_code == 401
            assert log_in(server, password="another").status_code == 200

            write(tmp_path / "tokens", "short\n")
            write(tmp_path / "users", f"bob:{hashed}\ncarl:nonsense\n")
            server.reload("the old tokens stay", "the old users stay")
            assert [status(server, token) for token in (new, bob)] == [200, 200]
            assert log_in(server, password="another").status_code == 200
            for _ in range(2):
                check_frame(of_bob.recv(timeout=20))

            (tmp_path / "tokens").unlink()
            write(tmp_path / "users", "")
            server.reload("the old tokens stay", "0 users")
            assert [status(server, token) for token in (new, bob)] == [200, 401]
            check_end(of_bob)


def test_sighup_without_files(server):
    server.reload("no file to read again")
    assert requests.get(f"{server.url}/system", timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("line", "text"), [("ann", "NAME:HASH"), ("a b:x", "a name has"), ("ann:x", "hash-password")]
)
def test_a_wrong_users_file(tmp_path, line, text):
    write(tmp_path / "users", f"# users\n{line}\n")
    result = subprocess.run(
        [program(), "--port", "0", "--users-file", str(tmp_path / "users")],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 2
    assert "line 2" in result.stderr and text in result.stderr


def test_a_users_file_that_others_can_read(files, tmp_path):
    (tmp_path / "users").chmod(0o644)
    with running(*files) as server:
        server.wait_for_log("users can be read by others")


def test_a_wide_address_is_refused_without_users_or_tokens(tmp_path, files):
    command = [program(), "--listen", "0.0.0.0:0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert result.returncode == 2
    for way in ("--token-file", "--users-file", "--no-auth"):
        assert way in result.stderr
    with running("--listen", "0.0.0.0:0", *files[:2]) as server:
        assert log_in(server).status_code == 200
    with running("--listen", "0.0.0.0:0", "--no-auth") as server:
        server.wait_for_log("--no-auth")
        assert any("WARN" in line and "--no-auth" in line for line in server.errors)
        assert requests.get(f"{server.url}/system", timeout=20).status_code == 200


def test_hash_password_is_not_given_in_the_open():
    result = subprocess.run([program(), "hash-password", PASSWORD], capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout) == (2, "")
    result = subprocess.run([program(), "hash-password"], input="", capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout) == (2, "")
    assert "empty" in result.stderr


def at_terminal(*answers):
    """Runs hash-password at a terminal: what was shown, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(program(), [program(), "hash-password"])
    shown = b""
    answers = list(answers)
    while True:
        try:
            piece = os.read(terminal, 1000)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if shown.endswith(b": ") and answers:
            # A human is slower than the program; a test must wait until nothing is shown any more.
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                time.sleep(0.01)
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_hash_password_at_a_terminal(tmp_path):
    shown, code = at_terminal("hidden word", "hidden word")
    assert code == 0 and "hidden word" not in shown
    assert shown.split()[-1].startswith("$argon2id$")
    write(tmp_path / "users", f"ann:{shown.split()[-1]}\n")
    with running("--users-file", str(tmp_path / "users")) as server:
        assert log_in(server, password="hidden word").status_code == 200
    shown, code = at_terminal("one", "other")
    assert code == 2 and "differ" in shown and "$argon2id$" not in shown
