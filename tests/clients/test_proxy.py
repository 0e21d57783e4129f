"""docs/proxy.md: its examples with Debian's nginx, Caddy and Apache, below a path and over a UNIX socket."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from conftest import ROOT, WELCOME, free_port, running, until
from websockets.sync.client import connect

PAGE = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
TOKEN = "0123456789abcdef0123456789abcdef"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
# ann, whose password is "secret"
USER = "ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"
SOCKET = "/run/psmonitor/psmonitor.sock"


def example(name):
    return re.search(rf"<!-- run: {name} -->\s*```\w*\n(.*?)```", PAGE, re.S)[1]


def settings():
    return re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]


def nginx(folder, port, path):
    """nginx with the examples of the page, its socket replaced by the one at `path`: how it is started."""
    # The folders of a test are their owner's alone.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
        {user} daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            {example("nginx-http")}
            server {{ listen 127.0.0.1:{port}; server_name mon.example; {example("nginx").replace(SOCKET, str(path))} }}
        }}
    """)
    return ["nginx", "-c", str(folder / "nginx.conf")]


def caddy(folder, port, path):
    """Caddy with the example, at a port without TLS, for every name."""
    site, count = re.subn(r"^mon\.example \{", f"http://:{port} {{\nbind 127.0.0.1", example("caddy"), flags=re.M)
    assert count == 1, "the example is one site"
    (folder / "Caddyfile").write_text("{\nadmin off\n}\n" + site.replace(SOCKET, str(path)))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def apache(folder, port, path):
    """Apache with the example and the modules that it names. Its workers are never root; like the user of the page they
    open the socket by their group."""
    modules = re.search(r"^# a2enmod (.*)$", example("apache"), re.M)[1].split()
    load = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in ["mpm_event", "authz_core", *modules])
    user = "User www-data\nGroup root" if os.geteuid() == 0 else ""
    (folder / "apache.conf").write_text(f"""
        ServerRoot {folder}
        ServerName mon.example
        PidFile {folder}/apache.pid
        DefaultRuntimeDir {folder}
        ErrorLog /dev/stderr
        Listen 127.0.0.1:{port}
        {load}
        {user}
        {example("apache").replace(SOCKET, str(path))}
    """)
    return ["apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND"]


@contextlib.contextmanager
def proxy(make, folder, path):
    """A proxy at a free port: the port."""
    port = free_port()
    program, *arguments = make(folder, port, path)
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    assert found, f"{program} is missing; tests/run python installs it"
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen([found, *arguments], stderr=log, stdout=log, env=home)

    def is_up():
        assert process.poll() is None, f"{program} does not start: " + (folder / "proxy.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    try:
        until(is_up)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module", params=[nginx, caddy, apache], ids=lambda make: make.__name__)
def behind(request):
    """A server behind each of the proxies, with the settings of the page and a user: its own URL, the proxy's port, the server."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path, tokens, users = folder / "psmonitor.sock", folder / "tokens", folder / "users"
        for file, line in ((tokens, TOKEN), (users, USER)):
            file.write_text(line + "\n")
            file.chmod(0o600)
        text = settings().replace(SOCKET, str(path)).replace("/etc/psmonitor/tokens", str(tokens))
        text = text.replace("listen = [", 'listen = ["127.0.0.1:0", ') + f'users-file = "{users}"\n'
        (folder / "psmonitor.toml").write_text(text)
        with running("--config", str(folder / "psmonitor.toml"), listen=False) as server:
            with proxy(request.param, folder, path) as port:
                yield f"http://127.0.0.1:{port}/monitor", port, server


def test_pages_and_answers(behind):
    url, port, _ = behind
    host = {"Host": f"mon.example:{port}"}
    moved = requests.get(url, headers=host, allow_redirects=False, timeout=20)
    assert (moved.status_code, moved.headers.get("Location")) == (308, "/monitor/")
    page = requests.get(f"{url}/", headers=host, timeout=20).text
    files = re.findall(r'(?:src|href)="([^":#]+)"', page)
    assert "<html" in page and len(files) > 2
    for file in files:
        assert requests.get(urljoin(f"{url}/", file), headers=host, timeout=20).status_code == 200, file
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


def test_logins(behind):
    url, port, server = behind
    host = {"Host": f"mon.example:{port}", "Origin": f"http://mon.example:{port}"}
    known = len(server.errors)
    wrong = requests.post(f"{url}/authenticate", json={"username": "ann", "password": "x"}, headers=host, timeout=20)
    assert wrong.status_code == 401
    answer = requests.post(f"{url}/authenticate", json={"username": "ann", "password": "secret"}, headers=host, timeout=20)
    assert answer.status_code == 200, answer.text
    server.wait_for_log("ann logged in from 127.0.0.1", known=known)
    bearer = {"Authorization": f"Bearer {answer.json()['token']}", **host}
    worker = requests.post(f"{url}/worker", headers=bearer, timeout=20).json()
    # The address that browsers see.
    assert worker["url"].startswith(f"ws://mon.example:{port}/monitor/connect?id="), worker


def test_the_real_client_counts(behind):
    """The proxy's client is 127.0.0.1, whatever that says of others."""
    url, _, server = behind
    known = len(server.errors)
    invented = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "evil.example", "Forwarded": "for=192.0.2.9"}
    assert requests.get(f"{url}/system", headers=invented, timeout=20).status_code == 401
    server.wait_for_log("127.0.0.1 GET /monitor/system 401", known=known)
    assert not any("192.0.2" in line for line in server.errors[known:])
