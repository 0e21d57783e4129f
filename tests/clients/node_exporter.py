"""Starts Debian's node_exporter for the tests that compare with it; and what it tells that we do not."""

import contextlib
import re
import shutil
import subprocess

import pytest
import requests
from conftest import free_port, until

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

# The default of node_exporter where Debian has not changed it.
MOUNT_POINTS = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"


def first(table, name):
    return next((value for pattern, value in table.items() if re.fullmatch(pattern, name)), None)


def need(name, package):
    path = shutil.which(name)
    if not path:
        pytest.fail(f"{name} is missing; install it with: apt-get install {package}")
    return path


def start_on_a_free_port(command, ready, log=subprocess.DEVNULL):
    """Starts a program with --web.listen-address: its URL and its process."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [*command, f"--web.listen-address={address}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )

    def is_ready():
        assert process.poll() is None, f"{command[0]} has ended"
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"http://{address}{ready}", timeout=20).status_code == 200

    try:
        until(is_ready)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return f"http://{address}", process


@contextlib.contextmanager
def exporter(*arguments):
    """A node_exporter for the length of a block: its URL and its process."""
    path = need("prometheus-node-exporter", "prometheus-node-exporter")
    # Debian's hides what is mounted below /mnt, /media and /run; this is what it does elsewhere, and what we do.
    arguments = (f"--collector.filesystem.mount-points-exclude={MOUNT_POINTS}", *arguments)
    url, process = start_on_a_free_port([path, *arguments], "/")
    try:
        yield url, process
    finally:
        process.kill()
        process.wait()
