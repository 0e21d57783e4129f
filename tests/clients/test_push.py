"""Pushing over TLS, with tokens, and with what System Monitor's own agent said, byte by byte."""

import contextlib
import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from conftest import program, running, until

TOKEN = "0123456789abcdef0123456789abcdef"
RECORDED = Path(__file__).parent / "recordings" / "system-monitor.json"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def authority(folder, name):
    """A certificate that may sign others, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", key, "-out", cert)
    return cert, key


def signed(folder, name, by):
    """A certificate for 127.0.0.1 that this authority signed."""
    cert, key, request, extensions = (folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", by[0], "-CAkey", by[1], "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", cert)
    key.chmod(0o600)
    return cert, key


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ours, other = authority(folder, "ours"), authority(folder, "other")
    token, wrong = folder / "token", folder / "wrong"
    token.write_text(TOKEN + "\n")
    wrong.write_text("f" * 32 + "\n")
    for file in (token, wrong):
        file.chmod(0o600)
    return {"ours": ours[0], "other": other[0], "server": signed(folder, "server", ours), "token": token, "wrong": wrong}


@pytest.fixture
def receiver(keys, tmp_path):
    cert, key = keys["server"]
    with running("--receive", "--auto-register", "--data-dir", str(tmp_path / "there"), "--token-file", str(keys["token"]),
                 "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        yield server


def systems(receiver, keys):
    answer = requests.get(f"https://127.0.0.1:{receiver.port}/systems", verify=str(keys["ours"]),
                          headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    return {one["system_id"]: one for one in answer.json()["systems"]}


class Agent:
    """`psmonitor background`. Its log is kept."""

    def __init__(self, folder, url, *more):
        self.log = folder / "log"
        self.file = self.log.open("a")
        self.process = subprocess.Popen(
            [program(), "background", "--url", url, "--system-id", "web1", "--interval", "1", "--data-dir", str(folder / "here"),
             *map(str, more)], stderr=self.file, env={"PSMONITOR_CONFIG": "/dev/null"})

    def says(self, pattern):
        until(lambda: re.search(pattern, self.log.read_text()), 60)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.file.close()


@contextlib.contextmanager
def agent(*arguments):
    one = Agent(*arguments)
    try:
        yield one
    finally:
        one.stop()


def test_reports_go_over_tls_to_whom_the_file_of_certificates_says_and_to_nobody_else(receiver, keys, tmp_path):
    url = f"https://127.0.0.1:{receiver.port}/systems"
    ask = lambda *more: subprocess.run([program(), "check-url", "--url", url, *map(str, more)], capture_output=True, text=True, timeout=60)
    well = ask("--ca-file", keys["ours"], "--token-file", keys["token"])
    assert (well.returncode, "OK" in well.stdout) == (0, True), well
    for files, hint in [
        (("--ca-file", keys["other"], "--token-file", keys["token"]), "certificate"),
        (("--ca-file", keys["server"][1], "--token-file", keys["token"]), "BEGIN CERTIFICATE"),
        (("--ca-file", keys["ours"], "--token-file", keys["wrong"]), "401"),
        (("--ca-file", keys["ours"]), "--token-file"),
    ]:
        wrong = ask(*files)
        assert wrong.returncode != 0 and hint.lower() in wrong.stderr.lower(), (files, wrong)
    # Whom the file does not name gets nothing: no report, no token.
    with agent(tmp_path, url, "--ca-file", keys["other"], "--token-file", keys["token"]) as one:
        one.says("agent: .*certificate")
        time.sleep(2)
        assert systems(receiver, keys) == {}
    # And all that waited goes to the one whom it names.
    waited = time.time()
    with agent(tmp_path, url, "--ca-file", keys["ours"], "--token-file", keys["token"]):
        until(lambda: systems(receiver, keys).get("web1", {}).get("reports", 0) >= 4)
    one = systems(receiver, keys)["web1"]
    history = requests.get(f"{url}/web1/history?range=5m&series=memory.used", verify=str(keys["ours"]),
                           headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20).json()
    drawn = [moment for moment, mean in zip(history["time"], history["series"]["memory.used"]["mean"]) if mean]
    assert min(drawn) < waited and (one["out_of_order"], one["repeated"]) == (0, 0), (one, drawn)


def test_a_receiver_that_turned_to_tls_loses_no_report(receiver, keys, tmp_path):
    with agent(tmp_path, f"http://127.0.0.1:{receiver.port}/systems", "--token-file", keys["token"]) as one:
        one.says("write https://")
        time.sleep(2)
    begin = time.time()
    with agent(tmp_path, f"https://127.0.0.1:{receiver.port}/systems", "--ca-file", keys["ours"], "--token-file", keys["token"]):
        until(lambda: systems(receiver, keys).get("web1", {}).get("reports", 0) >= 3)
    history = requests.get(f"https://127.0.0.1:{receiver.port}/systems/web1/history?range=5m&series=memory.used",
                           verify=str(keys["ours"]), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20).json()
    drawn = [moment for moment, mean in zip(history["time"], history["series"]["memory.used"]["mean"]) if mean]
    assert min(drawn) < begin, "those of before"


def test_what_its_own_agent_said_is_answered_as_it_was(tmp_path):
    conversation = json.loads(RECORDED.read_text())["conversation"]
    with running("--receive", "--auto-register", "--data-dir", str(tmp_path)) as server:
        for one in conversation:
            body = one["body"].encode()
            head = "\r\n".join([one["request"], f"Host: {server.address}", *one["headers"], f"Content-Length: {len(body)}"])
            with socket.create_connection((server.host, server.port), timeout=20) as wire:
                # In two segments, as requests sends it.
                wire.sendall(head.encode() + b"\r\n\r\n")
                wire.sendall(body)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    piece = wire.recv(65536)
                    assert piece, answer
                    answer += piece
            head, _, rest = answer.partition(b"\r\n\r\n")
            assert int(head.split()[1]) == one["status"], (one, answer)
            assert rest == b"" and (one["status"] == 204 or b"content-length: 0" in head.lower()), answer
        reports = [one["body"] for one in conversation if "send_stats" in one["body"]]
        (listed,) = requests.get(f"{server.url}/systems", timeout=20).json()["systems"]
        assert (listed["system_id"], listed["reports"], listed["out_of_order"]) == ("LINUX-1", len(reports), 0)
        assert requests.get(f"{server.url}/systems/LINUX-1", timeout=20).text == reports[-1]


def test_its_agent_reaches_a_receiver_with_tokens_by_a_name_in_its_url(keys, tmp_path):
    with running("--receive", "--auto-register", "--data-dir", str(tmp_path), "--token-file", str(keys["token"])) as server:
        body = {"action": "check_url"}
        # As its configuration has it: requests makes HTTP Basic of what stands before the @.
        assert requests.post(f"http://agent:{TOKEN}@{server.address}", json=body, timeout=20).status_code == 202
        assert requests.post(f"http://agent:{'f' * 32}@{server.address}", json=body, timeout=20).status_code == 401
        assert requests.post(server.url, json=body, timeout=20).status_code == 401
