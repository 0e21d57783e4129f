"""docs/proxy.md: its nginx example, with Debian's nginx, below a path and over a UNIX socket."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
import requests
from conftest import ROOT, WELCOME, free_port, running, until
from websockets.sync.client import connect

PAGE = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
TOKEN = "0123456789abcdef0123456789abcdef"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def example(name):
    return re.search(rf"<!-- run: {name} -->\s*```nginx\n(.*?)```", PAGE, re.S)[1]


def settings():
    return re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]


@contextlib.contextmanager
def nginx(folder, path):
    """nginx with the examples of the page, its socket replaced by the one at `path`: the URL."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    # The folders of a test are their owner's alone.
    user = "user root;" if os.geteuid() == 0 else ""
    port = free_port()
    location = example("nginx").replace("/run/psmonitor/psmonitor.sock", str(path))
    (folder / "nginx.conf").write_text(f"""
        {user} daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            {example("nginx-http")}
            server {{ listen 127.0.0.1:{port}; server_name mon.example; {location} }}
        }}
    """)
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(folder / "nginx.conf")], stderr=log, stdout=log)

    def is_up():
        assert process.poll() is None, "nginx does not start: " + (folder / "nginx.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    try:
        until(is_up)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server behind nginx, with the settings of the page: its own URL, nginx's port, the server."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "tokens").write_text(TOKEN + "\n")
    path = folder / "psmonitor.sock"
    text = settings().replace("/run/psmonitor/psmonitor.sock", str(path)).replace("/etc/psmonitor/tokens", str(folder / "tokens"))
    text = text.replace("listen = [", 'listen = ["127.0.0.1:0", ')
    (folder / "psmonitor.toml").write_text(text)
    with running("--config", str(folder / "psmonitor.toml"), listen=False) as server, nginx(folder, path) as port:
        yield f"http://127.0.0.1:{port}/monitor", port, server


def test_pages_and_answers(behind):
    url, port, _ = behind
    host = {"Host": f"mon.example:{port}"}
    moved = requests.get(url, headers=host, allow_redirects=False, timeout=20)
    assert (moved.status_code, moved.headers.get("Location")) == (308, "/monitor/")
    assert "<html" in requests.get(f"{url}/", headers=host, timeout=20).text
    assert requests.get(f"{url}/system", headers=host, timeout=20).status_code == 401
    answer = requests.get(f"{url}/system", headers={**host, **AUTHORIZED}, timeout=20)
    assert answer.status_code == 200 and answer.json()["mem"]["total"] > 0
    assert requests.get(f"{url}/system", headers={"Host": "evil.example", **AUTHORIZED}, timeout=20).status_code == 421
    # A page of the outer address may read, and another may not.
    for origin, status in ((f"http://mon.example:{port}", 200), ("http://evil.example", 403), ("http://localhost:3000", 403)):
        answer = requests.get(f"{url}/system", headers={**host, **AUTHORIZED, "Origin": origin}, timeout=20)
        assert answer.status_code == status, origin


def test_websockets(behind):
    url, port, _ = behind
    worker = requests.post(f"{url}/", headers={"Host": f"mon.example:{port}", **AUTHORIZED}, timeout=20).json()
    assert worker["url"].startswith("/monitor/connect?id=")
    address = f"ws://127.0.0.1:{port}{worker['url']}"
    with connect(address, additional_headers={"Origin": f"http://127.0.0.1:{port}"}, open_timeout=20) as ws:
        assert ws.recv(20) == WELCOME
        for _ in range(2):
            assert "cpu" in json.loads(ws.recv(20))


def test_event_streams_come_as_they_are_sent(behind):
    url, _, _ = behind
    with requests.get(f"{url}/api/v1/stream?interval=500ms", headers=AUTHORIZED, stream=True, timeout=20) as stream:
        assert stream.status_code == 200
        events = (line for line in stream.iter_lines() if line.startswith(b"data: "))
        begin = time.monotonic()
        for _ in range(3):
            assert "cpu" in json.loads(next(events)[6:])
        assert time.monotonic() - begin < 15, "events are held back"


def test_the_real_client_counts(behind):
    """nginx adds its client, 127.0.0.1, to what that says of others."""
    url, _, server = behind
    known = len(server.errors)
    invented = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "evil.example", "Forwarded": "for=192.0.2.9"}
    assert requests.get(f"{url}/system", headers=invented, timeout=20).status_code == 401
    server.wait_for_log("127.0.0.1 GET /monitor/system 401", known=known)
    assert not any("192.0.2" in line for line in server.errors[known:])
