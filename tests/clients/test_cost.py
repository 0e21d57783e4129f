"""What an answer costs, beside the program that tells the same: node_exporter for a scrape, psutil for a list of sockets. In turns,
in CPU time of each process. What Glances costs is in test_glances_beside.py."""

import contextlib
import resource
import socket
import time

import psutil
import pytest
import requests
from conftest import running
from cost import FRACTION, INTERVAL, compare, cpu_seconds
from node_exporter import exporter
from test_metrics import scrape


def test_a_scrape_costs_less_than_node_exporters():
    """With a release build at most a fifth."""

    with running("--interval", INTERVAL) as server, exporter() as (url, process):
        ours, others = compare(
            server.pid, lambda: scrape(server.url), lambda: cpu_seconds(process.pid), lambda: scrape(url)
        )
    print(f"a scrape: psmonitor {ours * 1e6:.0f} us, node_exporter {others * 1e6:.0f} us")
    assert ours <= others / FRACTION


@pytest.mark.parametrize("number", [6, 1_500])
def test_heartbeats_connections_cost_less_than_psutils(number):
    """The list of the same sockets, when these are psutil's process's own. With a release build at most a fifth."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, number + 1_000)), hard))
    with contextlib.ExitStack() as stack, running("--interval", INTERVAL) as server:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        for _ in range(number // 2):
            stack.enter_context(socket.create_connection(tcp.getsockname()))
            stack.enter_context(tcp.accept()[0])

        def ask():
            assert len(requests.get(f"{server.url}/api/network", timeout=20).json()["connections"]) > number

        def ask_psutil():
            assert len(psutil.net_connections(kind="all")) > number

        ours, theirs = compare(server.pid, ask, time.process_time, ask_psutil)
        print(f"{number} sockets: psmonitor {ours * 1e6:.0f} us, psutil {theirs * 1e6:.0f} us")
        assert ours <= theirs / FRACTION
