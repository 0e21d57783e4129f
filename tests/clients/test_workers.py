"""Workers: claimed exactly once, gone after 3 seconds, bounded in number; and how a stream is refused or paced."""

import contextlib
import http.client
import itertools
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import WELCOME, running, until
from frames import check_frame
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

LIMIT = 100
LIFETIME = 3.0


def close_of(socket):
    """Reads until the server closes: the texts before, the code and the reason."""
    texts = []
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            texts.append(socket.recv(timeout=20))
    return texts, closed.value.rcvd.code, closed.value.rcvd.reason


def assert_refused(server, worker):
    with server.connect(worker) as socket:
        assert close_of(socket) == ([], 1008, "Invalid worker id")


def test_worker_id_is_a_random_uuid(server):
    ids = {server.worker() for _ in range(20)}
    assert len(ids) == 20
    assert all(uuid.UUID(worker).version == 4 for worker in ids)


NOBODYS = "8b0c1c0e-6c6f-4c5e-9d5b-3f6a5e1f7a42"


@pytest.mark.parametrize("worker", [NOBODYS, "140077863837840", "nonsense", "%00", "a" * 500])
def test_unknown_worker(server, worker):
    assert_refused(server, worker)


@pytest.mark.parametrize("path", ["/connect", "/ws"])
def test_no_worker_is_an_http_error(server, path):
    with pytest.raises(InvalidStatus) as refused, connect(server.ws(path)):
        pass
    response = refused.value.response
    assert response.status_code == 400
    assert json.loads(response.body)["error"]


def test_worker_is_used_once(server):
    worker = server.worker()
    with server.connect(worker) as socket:
        assert socket.recv(timeout=20) == WELCOME
        assert_refused(server, worker)
        check_frame(socket.recv(timeout=20))
    assert_refused(server, worker)


def test_worker_lives_three_seconds(server):
    begin = time.monotonic()
    early = server.worker()
    late = server.worker()
    time.sleep(max(0, begin + LIFETIME / 2 - time.monotonic()))
    with server.connect(early) as socket:
        assert socket.recv(timeout=20) == WELCOME
    # The kernel's clock and ours are the same; nobody else asks for workers meanwhile.
    until(lambda: server.counter("psmonitor_workers_waiting") == 0)
    assert LIFETIME <= time.monotonic() - begin
    assert_refused(server, late)


def test_two_clients_race_for_one_worker(server):
    """Fifty workers, two clients for each: one of them is served, the other refused."""

    def race(worker, barrier, outcomes):
        barrier.wait()
        with server.connect(worker) as socket:
            try:
                outcomes.append(socket.recv(timeout=30))
            except ConnectionClosed as closed:
                outcomes.append(closed.rcvd.code)

    # Few at a time: each worker is claimed long before its three seconds are over.
    for _ in range(25):
        races = [(server.worker(), threading.Barrier(2), []) for _ in range(2)]
        threads = [threading.Thread(target=race, args=one) for one in races for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [sorted(outcomes, key=str) for _, _, outcomes in races] == [[1008, WELCOME]] * 2


def test_interval_of_a_stream(server):
    """Who wants a frame every two seconds or five gets every second or fifth of those that another stream gets."""
    texts = {1: [], 2: [], 5: []}

    def read(seconds, socket, is_enough):
        assert socket.recv(timeout=20) == WELCOME
        while not is_enough():
            texts[seconds].append(socket.recv(timeout=20))

    def all_are_seen():
        return len(texts[2]) >= 5 and len(texts[5]) >= 3 and {texts[2][-1], texts[5][-1]} <= set(texts[1])

    enough = {1: all_are_seen, 2: lambda: len(texts[2]) >= 5, 5: lambda: len(texts[5]) >= 3}
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as readers:
        sockets = {seconds: stack.enter_context(server.connect(query=f"&interval={seconds}s")) for seconds in texts}
        for done in [readers.submit(read, seconds, socket, enough[seconds]) for seconds, socket in sockets.items()]:
            done.result(60)
    for seconds in (2, 5):
        # The first comes at once.
        places = [texts[1].index(text) for text in texts[seconds][1:]]
        assert [b - a for a, b in itertools.pairwise(places)] == [seconds] * (len(places) - 1), (seconds, places)
    for text in texts[1]:
        check_frame(text)


def test_ten_thousand_workers_that_nobody_claims():
    """Never more than the limit at once; the rest is told when to come back, and room returns by itself."""
    with running("--max-unclaimed", str(LIMIT)) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        accepted, refused = [], 0
        for _ in range(10_000):
            sent = time.monotonic()
            connection.request("POST", "/")
            response = connection.getresponse()
            body = json.loads(response.read())
            if response.status == 200:
                accepted.append((sent, time.monotonic()))
                assert uuid.UUID(body["id"]) and body["status"] is None
            else:
                refused += 1
                assert response.status == 503
                assert 1 <= int(response.headers["Retry-After"]) <= LIFETIME
                assert body.keys() == {"id", "status"}
                assert body["id"] is None and isinstance(body["status"], str) and body["status"]
        assert refused > 0 and len(accepted) >= LIMIT
        # Of any 101 accepted in a row the first was gone before the last came.
        for (sent, _), (_, answered) in zip(accepted, accepted[LIMIT:], strict=False):
            assert answered - sent >= LIFETIME
        time.sleep(LIFETIME + 0.1)
        connection.close()
        with server.connect() as socket:
            assert socket.recv(timeout=20) == WELCOME


def test_full_server_says_so():
    with running("--max-connections", "3") as server:
        sockets = [server.connect() for _ in range(3)]
        assert [socket.recv(timeout=20) for socket in sockets] == [WELCOME] * 3
        with server.connect() as socket:
            texts, code, _ = close_of(socket)
            assert (texts, code) == (["Server is at full capacity. Please try again later."], 1013)
        sockets.pop().close()
        # The place is free once the server has seen the close.
        deadline = time.monotonic() + 60
        while True:
            with server.connect() as socket:
                if socket.recv(timeout=20) == WELCOME:
                    break
            assert time.monotonic() < deadline
        for socket in sockets:
            socket.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [("x" * (64 * 1024 + 1), 1009), (["x" * 1024] * 65, 1009), (["x"] * 1100, 1009)],
    ids=["one frame", "many frames", "many fragments"],
)
def test_a_message_that_is_too_large(server, message, code):
    with server.connect() as socket:
        with pytest.raises(ConnectionClosed):
            socket.send(message)
            while True:
                socket.recv(timeout=20)
        assert socket.protocol.close_rcvd.code == code


def test_the_largest_message_is_echoed(server):
    message = "x" * (64 * 1024)
    with server.connect() as socket:
        socket.send(message)
        assert f"message received {message}" in (socket.recv(timeout=20) for _ in range(30))


def test_too_many_messages(server):
    with server.connect() as socket:
        with pytest.raises(ConnectionClosed):
            for _ in range(3_000):
                socket.send("x")
            while True:
                socket.recv(timeout=20)
        assert socket.protocol.close_rcvd.code == 1008
