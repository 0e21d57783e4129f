"""Remote write to Debian's Prometheus and VictoriaMetrics: they take it, have what /metrics says, and lose nothing when they
are killed meanwhile."""

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
import requests
from conftest import free_port, running, until
from prometheus_client.parser import text_string_to_metric_families as parse

SECONDS = 60
INTERVAL = 1
# Constant while a test runs, and one that counts the samples.
COMPARED = ["node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_uname_info", "psmonitor_build_info"]


class Engine:
    """A program that stores series. Started again on the same port and folder."""

    def __init__(self, name, folder):
        tool = shutil.which(name) or pytest.exit(f"{name} is missing; start these tests with tests/run python", 2)
        self.port, self.is_durable = free_port(), name == "prometheus"
        self.url = f"http://127.0.0.1:{self.port}"
        address = f"127.0.0.1:{self.port}"
        if name == "prometheus":
            config = f"{folder}/prometheus.yml"
            with open(config, "w", encoding="utf-8") as file:
                file.write("global: {}\n")
            self.command = [tool, f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
            self.command += [f"--web.listen-address={address}", "--web.enable-remote-write-receiver"]
            self.ready = "/-/ready"
        else:
            self.command = [tool, f"-httpListenAddr={address}", f"-storageDataPath={folder}/data", "-search.latencyOffset=0s"]
            self.ready = "/health"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.is_ready, 60)

    def is_ready(self):
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.url + self.ready, timeout=5).status_code == 200
        return False

    def kill(self):
        # VictoriaMetrics 1.79 confirms what it has in memory and writes it some seconds later: a SIGKILL loses that on its side,
        # whoever sent it. Prometheus has a log for it.
        self.process.send_signal(signal.SIGKILL if self.is_durable else signal.SIGTERM)
        self.process.wait(60)

    def query(self, path, **parameters):
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["result"]

    def samples(self, name, begin, end):
        """Every sample of a series as it was sent: (moment, value)."""
        found = self.query("query", query=f"{name}[{int(end - begin) + 5}s]", time=end)
        return [(float(moment), float(value)) for one in found for moment, value in one["values"]]


@pytest.fixture(params=["prometheus", "victoria-metrics"])
def engine(request):
    with tempfile.TemporaryDirectory() as folder:
        one = Engine(request.param, folder)
        yield one
        one.kill()


def test_it_takes_every_sample_and_a_kill_leaves_no_gap(engine, tmp_path):
    arguments = ["--remote-write-url", f"{engine.url}/api/v1/write", "--remote-write-interval", str(INTERVAL)]
    arguments += ["--remote-write-job", "node", "--remote-write-instance", "here", "--remote-write-label", "site=test"]
    with running(*arguments, "--data-dir", str(tmp_path)) as server:
        own = lambda: server_counts(server)
        begin = time.time()
        until(lambda: own()["sent"] >= 3)
        until(lambda: engine.query("query", query="node_memory_MemTotal_bytes"))
        # What it has is what the page says.
        page = series_of(requests.get(f"{server.url}/metrics", timeout=20).text)
        for name in COMPARED:
            (found,) = engine.query("query", query=name)
            labels = {key: value for key, value in found["metric"].items() if key != "__name__"}
            assert {"job": "node", "instance": "here", "site": "test"}.items() <= labels.items()
            ours = frozenset((k, v) for k, v in labels.items() if k not in ("job", "instance", "site"))
            assert float(found["value"][1]) == page[name, ours], name
        # It dies, and comes back.
        for _ in range(2):
            engine.kill()
            until(lambda: own()["waiting"] >= 2)
            engine.start()
            until(lambda: own()["waiting"] == 0, SECONDS)
        until(lambda: own()["sent"] >= 8, SECONDS)
        end = time.time()
        counts = own()
    assert counts["dropped"] == counts["refused"] == 0
    # It may be a while until the engine shows what it has confirmed.
    until(lambda: len(engine.samples("psmonitor_ticks_total", begin, end + 1)) >= counts["sent"] - 1)
    moments = no_gap(engine, begin, end)
    assert len(moments) == len(set(moments)), "each once"


def no_gap(engine, begin, end):
    moments = [moment for moment, _ in engine.samples("psmonitor_ticks_total", begin, end + 1)]
    assert len(moments) > 6, moments
    gaps = [round(b - a, 2) for a, b in zip(moments, moments[1:])]
    # Samples are taken at ticks a second apart; a busy machine may miss one, a receiver that was away is seconds.
    assert max(gaps) < 2.6 * INTERVAL, gaps
    return moments


def server_counts(server):
    page = series_of(requests.get(f"{server.url}/metrics?collect[]=loadavg", timeout=20).text)
    of = lambda what: page[f"psmonitor_push_{what}", frozenset({("to", "remote_write")})]
    return {
        "sent": of("sent_total"),
        "refused": of("refused_total"),
        "dropped": of("dropped_total"),
        "waiting": of("waiting"),
    }


def series_of(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for family in parse(text) for sample in family.samples
    }


def test_chosen_series_and_no_others(engine):
    arguments = ["--remote-write-url", f"{engine.url}/api/v1/write", "--remote-write-interval", "1"]
    arguments += ["--remote-write-collect", "loadavg,meminfo", "--remote-write-series", "node_load*,node_memory_Mem*"]
    with running(*arguments):
        until(lambda: engine.query("query", query="node_load1"))
        names = requests.get(f"{engine.url}/api/v1/label/__name__/values", timeout=20).json()["data"]
    assert names and all(name.startswith(("node_load", "node_memory_Mem")) for name in names), names
