"""System Monitor: its agent against our receiver, and our agent against its example server, each as its document and the
recorded conversation say."""

import contextlib
import http.server
import json
import subprocess
import threading

import pytest
import requests
from conftest import ROOT, program, running, until

REPORT = json.loads((ROOT / "tests" / "fixtures" / "system-monitor" / "send_stats.json").read_text())


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("receiver")
    with running("--receive", "--auto-register", "--data-dir", str(folder)) as one:
        yield one


def check_url(url):
    """As the agent does."""
    return requests.post(url, json={"action": "check_url"}, timeout=20).status_code == 202


def check_system_id(url, system_id):
    """2: registered, 1: free, 0: an error, as the agent has it."""
    answer = requests.post(url, json={"action": "check_system_id", "system_id": system_id}, timeout=20)
    return {200: 2, 204: 1}.get(answer.status_code, 0)


def test_its_agent_is_served(receiver):
    assert check_url(receiver.url)
    assert check_system_id(receiver.url, "LINUX-1") == 1
    for epoch in range(REPORT["epoch"], REPORT["epoch"] + 50, 10):
        answer = requests.post(receiver.url, json={**REPORT, "epoch": epoch}, timeout=20)
        assert (answer.status_code, answer.content) == (200, b"")
    assert check_system_id(receiver.url, "LINUX-1") == 2
    assert requests.get(f"{receiver.url}/systems/LINUX-1", timeout=20).json() == {**REPORT, "epoch": REPORT["epoch"] + 40}
    (one,) = requests.get(f"{receiver.url}/systems", timeout=20).json()["systems"]
    assert (one["system_id"], one["reports"], one["interval"]) == ("LINUX-1", 5, REPORT["interval"])


class Example(http.server.BaseHTTPRequestHandler):
    """The document's example server: Flask answers text/html with an empty body, and closes."""

    protocol_version = "HTTP/1.1"
    reports, known = [], set()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/json"
        action = body.get("action")
        if action == "check_url":
            status = 202
        elif action == "check_system_id":
            status = 200 if body["system_id"] in self.known else 204
        elif action == "send_stats":
            self.known.add(body["system_id"])
            self.reports.append(body)
            status = 200
        else:
            status = 400
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if status != 204:
            self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def example():
    Example.reports.clear()
    Example.known.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Example)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ours(*arguments):
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=60)


def test_our_agent_reports_to_the_example_server(tmp_path):
    with example() as url:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"system_id": "LINUX-2", "url": url, "interval": 1}))
        assert ours("check-url", "--config", str(config)).returncode == 0
        assert "NOT registered" in ours("check_system_id", "--config", str(config)).stdout
        agent = subprocess.Popen([program(), "background", "--config", str(config)], stderr=subprocess.DEVNULL)
        try:
            until(lambda: len(Example.reports) >= 3)
        finally:
            agent.terminate()
            assert agent.wait(20) == 0
        assert "is registered" in ours("check-system-id", "--config", str(config)).stdout
    epochs = [report["epoch"] for report in Example.reports]
    assert epochs == sorted(set(epochs))
    alike(Example.reports[0], REPORT)
    assert (Example.reports[0]["url"], Example.reports[0]["interval"]) == (url, 1)


def alike(given, documented):
    """Every key of the original is there, with its type. Rows of lists and tables are looked at by the first."""
    for key, value in documented.items():
        assert key in given, key
        if isinstance(value, dict) and key in ("disks", "network"):
            # A container may have no disk; a loopback interface has everybody.
            assert given[key] or key == "disks"
            if given[key]:
                alike(next(iter(given[key].values())), next(iter(value.values())))
        elif isinstance(value, dict):
            alike(given[key], value)
        elif isinstance(value, list):
            alike(given[key][0], value[0])
        else:
            kinds = (int, float) if isinstance(value, int | float) else type(value)
            assert isinstance(given[key], kinds), (key, given[key])
