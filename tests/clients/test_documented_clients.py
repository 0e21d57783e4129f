"""Python clients as psmonitor's users write them: `requests` for the worker, then `websockets` or `websocket-client`."""

import asyncio
import json
import time

import pytest
import requests
import websocket
import websockets
from frames import check_cpu, check_frame, check_network, check_processes, check_space, check_uptime, number
from conftest import WELCOME
from websockets.sync.client import connect


@pytest.mark.parametrize("path", ["/connect", "/ws"])
def test_websockets_as_documented(server, path):
    async def read():
        messages = []
        worker = requests.post(server.url, json={"connection": "monitor"}, timeout=20).json()
        uri = f"ws://{server.address}{path}?id={worker['id']}"
        async with websockets.connect(uri) as socket:
            async for message in socket:
                messages.append((time.monotonic(), message))
                if len(messages) == 7:
                    return messages

    messages = asyncio.run(asyncio.wait_for(read(), 60))
    assert messages[0][1] == WELCOME
    for _, text in messages[1:]:
        check_frame(text)
    # The first frame at once, the others as the server samples, once a second.
    assert messages[1][0] - messages[0][0] < 0.9
    assert messages[6][0] - messages[2][0] == pytest.approx(4, abs=1.2)


@pytest.mark.parametrize("path", ["/connect", "/ws"])
def test_websocket_client(server, path):
    worker = requests.post(server.url, json={"connection": "monitor"}, timeout=20).json()
    socket = websocket.create_connection(f"ws://{server.address}{path}?id={worker['id']}", timeout=20)
    assert socket.recv() == WELCOME
    check_frame(socket.recv())
    socket.send("hello")
    assert "message received hello" in (socket.recv() for _ in range(30))
    socket.close()


def test_websocket_client_app(server):
    """The callback form of websocket-client."""
    seen = []

    def on_message(app, message):
        seen.append(message)
        if len(seen) == 3:
            app.close()

    websocket.WebSocketApp(f"ws://{server.address}/connect?id={server.worker()}", on_message=on_message).run_forever()
    assert seen[0] == WELCOME
    check_frame(seen[1])
    check_frame(seen[2])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (None, None),
        ("[object Object]", "text/plain;charset=UTF-8"),
        ("{not json", "application/json"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        ("a=1", "application/x-www-form-urlencoded"),
    ],
)
def test_any_body_makes_a_worker(server, body, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    response = requests.post(server.url, data=body, headers=headers, timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    worker = response.json()
    assert worker.keys() == {"id", "status", "url", "message"} and worker["status"] is None
    assert worker["url"] == f"/connect?id={worker['id']}"
    with connect(server.ws(f"/connect?id={worker['id']}")) as socket:
        assert socket.recv(timeout=20) == WELCOME


def test_system(server):
    response = requests.get(f"{server.url}/system", timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    system = response.json()
    assert system.keys() >= {"cpu", "mem", "disk", "user", "platform", "processes"}
    check_cpu(system["cpu"])
    check_space(system["mem"])
    check_space(system["disk"])
    assert isinstance(system["user"], str)
    assert system["platform"].keys() >= {"distro", "kernel", "uptime"}
    assert all(isinstance(system["platform"][key], str) for key in ("distro", "kernel"))
    check_uptime(system["platform"]["uptime"])
    check_processes(system["processes"])


def test_network(server):
    response = requests.get(f"{server.url}/network", timeout=20)
    assert response.status_code == 200
    network = response.json()
    check_network(network)
    wireless = network["wireless"]
    assert wireless == {} or wireless.keys() >= {"name", "quality", "channel", "encryption", "address", "signal"}


def test_numbers_are_there_after_two_samples(server):
    """What the first sample cannot tell is null; from the second interval on it must be a number."""
    with server.connect() as socket:
        frames = [check_frame(text) for text in [socket.recv(timeout=20) for _ in range(4)][1:]]
    last = frames[-1]
    assert number(last["cpu"]["usage"])
    assert all(number(row[key]) for row in last["network"]["averages"].values() for key in ("in", "out"))


def test_dashboard(server):
    response = requests.get(server.url, timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert "<html" in response.text.lower()


@pytest.mark.parametrize("message", ["hello", "", json.dumps({"a": "ü"}), "x" * 10_000])
def test_text_is_echoed(server, message):
    with server.connect() as socket:
        assert socket.recv(timeout=20) == WELCOME
        socket.send(message)
        assert f"message received {message}" in (socket.recv(timeout=20) for _ in range(30))


def test_binary_is_echoed_as_text(server):
    with server.connect() as socket:
        assert socket.recv(timeout=20) == WELCOME
        socket.send(b"hello")
        assert "message received hello" in (socket.recv(timeout=20) for _ in range(30))


def test_ping_is_answered(server):
    with server.connect() as socket:
        assert socket.ping().wait(timeout=20)
