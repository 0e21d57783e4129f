"""Starts Debian's node_exporter for the tests that compare with it; and what it tells that we do not."""

import contextlib
import re
import shutil
import socket
import subprocess
import time

import pytest
import requests

# What node_exporter tells and we do not, and why.
MISSING = {
    r"go_.*|promhttp_.*": "the Go runtime and HTTP library of node_exporter itself",
    r"node_exporter_build_info": "says which node_exporter it is; ours is psmonitor_build_info",
    r"node_textfile_.*": "files that other programs wrote for node_exporter are not this program's to tell",
    r"node_(bcache|bonding|btrfs|edac|fibrechannel|infiniband|ipvs|md|mountstats|nfs|nfsd|nvme|rapl|systemd|tape|xfs|zfs)_.*": (
        "collectors for hardware and services that are not gathered"
    ),
}
# Collectors of node_exporter that have no row in node_scrape_collector_*.
NOT_GATHERED = set(
    "bcache bonding btrfs edac fibrechannel infiniband ipvs mdadm nfs nfsd nvme rapl systemd tapestats textfile xfs zfs".split()
)
# Labels that we leave out, and why.
MISSING_LABELS = {
    "node_dmi_info": (
        {"board_serial", "chassis_serial", "product_serial", "product_uuid"},
        "readable by root only; whoever reads the metrics need not be root",
    ),
}


def first(table, name):
    return next((value for pattern, value in table.items() if re.fullmatch(pattern, name)), None)


def need(name, package):
    path = shutil.which(name)
    if not path:
        pytest.fail(f"{name} is missing; install it with: apt-get install {package}")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def exporter(*arguments):
    """A node_exporter for the length of a block: its address and its process."""
    address = f"127.0.0.1:{free_port()}"
    path = need("prometheus-node-exporter", "prometheus-node-exporter")
    command = [path, f"--web.listen-address={address}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"http://{address}/", timeout=5)
                break
            time.sleep(0.05)
        yield f"http://{address}", process
    finally:
        process.kill()
        process.wait()
