"""`GET /metrics` against node_exporter 1.5.0 on the same host: names, labels, types, values; and promtool's opinion.

node_exporter is asked again and again around ours; a value of ours must lie between the least and the most of it, or within
the noise of the machine.
"""

import re
import shutil
import subprocess
import time

import hardware
import pytest
import requests
from conftest import assert_none, extreme, meanwhile, running
from node_exporter import MISSING, MISSING_LABELS, NOT_GATHERED, exporter, first, need
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

# File systems of the network and of FUSE can hang; they are not asked.
UNASKED_TYPES = re.compile(r"nfs.*|cifs|smb.*|fuse.*|ceph|9p|virtiofs|afs|glusterfs|lustre")
# Series whose values need not agree, and why.
OWN_VALUES = {
    r"process_.*": "each tells of itself",
    r"node_scrape_collector_duration_seconds": "each tells of itself",
    r"node_time_seconds": "compared by itself below",
}
# Gauges that the machine and the two programs move all the time: (relative, absolute) slack.
NOISE = {
    r"node_memory_.*": (0.02, 64 << 20),
    r"node_sockstat_.*": (0.1, 64),
    r"node_(load|procs|filefd_allocated|netstat_Tcp_CurrEstab|arp).*": (0.1, 64),
    r"node_filesystem_(avail|free)_bytes|node_filesystem_files_free": (0.01, 64 << 20),
    r"node_disk_io_now|node_udp_queues|node_nf_conntrack_entries": (0.1, 1 << 20),
    r"node_timex_.*": (0.01, 0.01),
    r"node_cpu_(scaling_)?frequency_hertz": (0.5, 0),
    r"node_(hwmon|thermal_zone)_temp(_celsius)?": (0, 10),
}


@pytest.fixture(scope="module")
def theirs():
    with exporter() as (url, process):
        yield url, process


def scrape(url, **options):
    answer = requests.get(f"{url}/metrics", timeout=30, **options)
    assert answer.status_code == 200, answer.text
    return answer.text


def read(text):
    """Types by family, and values by name and labels."""
    types, series = {}, {}
    for family in parse(text):
        for sample in family.samples:
            types[sample.name] = family.type
            series[sample.name, frozenset(sample.labels.items())] = sample.value
    return types, series


def expected_series(series):
    """node_exporter's series without the exceptions."""
    for (name, labels), value in series.items():
        labels = dict(labels)
        if first(MISSING, name) or labels.get("collector") in NOT_GATHERED:
            continue
        if name.startswith("node_filesystem_") and UNASKED_TYPES.fullmatch(labels["fstype"]):
            continue
        for label in MISSING_LABELS.get(name, ((), ""))[0]:
            labels.pop(label, None)
        yield (name, frozenset(labels.items())), value


def check_series(their_url, server):
    """Every series of theirs is in ours with the same type and value."""

    def ask():
        server.next_sample()
        return scrape(server.url)

    pages, page = meanwhile(lambda: scrape(their_url), ask)
    their_types, _ = read(pages[0])
    types, ours = read(page)
    # What came or went meanwhile is not looked at.
    theirs = [dict(expected_series(read(one)[1])) for one in pages]
    least, most = extreme(min, theirs), extreme(max, theirs)
    retyped = {name for name, _ in least if types.get(name, their_types[name]) != their_types[name]}
    assert not retyped, retyped
    values = {key: (least[key], ours.get(key), most[key]) for key in least}
    assert len(values) > 200
    assert_none({key: three for key, three in values.items() if not is_right(key[0], *three)})


def is_right(name, least, ours, most):
    if ours is None:
        return False
    if first(OWN_VALUES, name):
        return True
    relative, absolute = first(NOISE, name) or (1e-9, 1e-6)
    slack = absolute + relative * max(abs(least), abs(most))
    return least - slack <= ours <= most + slack


def test_every_series_is_there_and_right(quick, theirs):
    check_series(theirs[0], quick)


def test_time_is_at_most_one_interval_old(quick):
    begin = time.time()
    _, series = read(scrape(quick.url))
    assert begin - 1 < series["node_time_seconds", frozenset()] <= time.time()


def test_hardware_that_this_machine_lacks(tmp_path):
    with open("/proc/diskstats") as table:
        disks = [(line.split()[2], ":".join(line.split()[:2])) for line in table]
    hardware.make_sys(tmp_path / "sys")
    hardware.make_root(tmp_path / "root", disks)
    options = [
        f"--path.sysfs={tmp_path}/sys",
        f"--path.udev.data={tmp_path}/root/run/udev/data",
        f"--path.rootfs={tmp_path}/root",
        # Mount points are below the root too, and not there; netdev asks the running kernel instead of the files.
        "--no-collector.filesystem",
        "--no-collector.netdev",
    ]
    ours = ["--interval", "200ms", "--sysfs", str(tmp_path / "sys"), "--rootfs", str(tmp_path / "root")]
    with exporter(*options) as (url, _), running(*ours) as server:
        _, series = read(scrape(url))
        for name in ("hwmon_temp_celsius", "dmi_info", "thermal_zone_temp", "power_supply_info", "disk_filesystem_info"):
            assert any(key[0] == f"node_{name}" for key in series), f"the fixture shows no node_{name}"
        check_series(url, server)


def test_a_device_that_is_gone_is_gone(tmp_path):
    hardware.make_sys(tmp_path)
    with running("--interval", "200ms", "--sysfs", str(tmp_path)) as server:
        page = scrape(server.url)
        assert 'node_network_up{device="gone0"} 1' in page
        assert 'node_power_supply_info{power_supply="BAT0"' in page
        shutil.rmtree(tmp_path / "class/net/gone0")
        shutil.rmtree(tmp_path / "class/power_supply/BAT0")
        server.next_sample()
        page = scrape(server.url)
        assert "gone0" not in page and "BAT0" not in page
        assert 'node_network_up{device="bond0"} 1' in page


def test_promtool_holds_nothing_against_us(server, theirs):
    promtool = need("promtool", "prometheus")

    def complaints(text):
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
        assert done.returncode in (0, 3), done.stderr
        return set(done.stderr.splitlines() + done.stdout.splitlines())

    assert complaints(scrape(server.url)) - complaints(scrape(theirs[0])) == set()


def test_every_family_has_help_and_type(server):
    page = scrape(server.url)
    helps, types = (set(re.findall(rf"^# {word} (\S+) \S", page, re.M)) for word in ("HELP", "TYPE"))
    names = set(re.findall(r"^([a-zA-Z_:][^{ ]*)[{ ]", re.sub("^#.*$", "", page, flags=re.M), re.M))
    assert names == helps == types


def test_openmetrics_when_asked_for(server):
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    answer = requests.get(f"{server.url}/metrics", headers={"Accept": accept}, timeout=20)
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    names = {sample.name for family in openmetrics(answer.text) for sample in family.samples}
    plain = requests.get(f"{server.url}/metrics", timeout=20)
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert names == {name for name, _ in read(plain.text)[1]}


def test_collect_chooses(server, theirs):
    def names(url, query):
        found = {key for key, _ in expected_series(read(scrape(url, params=query))[1])}
        return {key for key in found if key[0].startswith("node_")}

    query = [("collect[]", "loadavg"), ("collect[]", "uname")]
    assert names(server.url, query) == names(theirs[0], query)
    assert "node_load1" in {name for name, _ in names(server.url, query)}
    # Every collector that theirs runs by default may be named.
    for name in re.findall(r'node_scrape_collector_success{collector="(\w+)"}', scrape(theirs[0])):
        assert f'node_scrape_collector_success{{collector="{name}"}}' in scrape(server.url, params={"collect[]": name})


def test_an_unknown_collector_is_refused(server, theirs):
    for url in (server.url, theirs[0]):
        answer = requests.get(f"{url}/metrics", params={"collect[]": "nope"}, timeout=20)
        assert answer.status_code == 400
        assert "missing collector: nope" in answer.text
    assert "cpufreq, diskstats" in requests.get(f"{server.url}/metrics?collect[]=nope", timeout=20).json()["error"]
