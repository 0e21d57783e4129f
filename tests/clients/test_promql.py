"""Prometheus itself scrapes us and node_exporter, and PromQL must answer the same for both: promql.txt.

There are two pairs of a psmonitor and a node_exporter: one pair on this machine, one on files of a machine with sensors,
batteries and clocks. The configuration of Prometheus holds the examples of README.md. The first psmonitor wants a token.

conftest.py has the scraping begin before all other tests and the answers compared after them.
"""

import contextlib
import json
import math
import re
import subprocess
import time
from pathlib import Path

import hardware
import pytest
import requests
from conftest import ROOT, assert_none, running, until
from node_exporter import MISSING_LABELS, NOT_GATHERED, exporter, need, start_on_a_free_port
from test_tls import make_certificate

EXPRESSIONS = [
    line for line in (Path(__file__).parent / "promql.txt").read_text().splitlines() if line and not line.startswith("#")
]
EXAMPLES = re.findall(r"```yaml\nscrape_configs:\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
TOKEN = "a-token-of-the-test-of-prometheus"
INTERVAL = 2
# What $range stands for, how much of it an answer is looked at, and how long to scrape before: seconds.
RANGE, WINDOW, SCRAPING = 60, 12, 78
STEPS = WINDOW // INTERVAL + 1
# The jobs to compare: ours, theirs.
PAIRS = {"this machine": ("psmonitor", "node"), "hardware": ("psmonitor-hardware", "node-hardware")}
# Expressions of which some must answer for the second pair, and those that it is not asked: its node_exporter runs without
# the collectors filesystem and netdev, see below.
SEEN_HARDWARE = r"node_(hwmon|dmi|thermal_zone|cooling_device|power_supply|disk_ata|disk_filesystem|cpu_scaling)_"
NOT_ASKED = r"node_filesystem_|node_network_(receive|transmit)_\w+_total|node_scrape_collector_"

# Expressions whose values need not agree, and why.
OWN_VALUES = {
    r"process_": "each tells of itself",
    r"^scrape_": "Prometheus's own count and time of each scrape",
    r"^node_scrape_collector_duration_seconds": "each tells of itself",
}
# What may lie apart: how far, relative and absolute, and why. Both servers are scraped at their own beat, and each sees
# the descriptors, sockets and memory that scrapes need, at its own moment.
SLACK = {
    r"^node_time_seconds.* - timestamp": (0, 1, "our clock is that of the sample, which is at most an interval old"),
    r"\[\$range\]": (0.1, 0, "an event at the edge of the range is in one scrape and not yet in the other"),
    r"^node_procs_|^node_disk_io_now": (0, 64, "who runs or waits just now"),
    r"node_filefd_allocated": (0.1, 0, "files of the scrapes"),
    r"^node_(sockstat_|netstat_Tcp_CurrEstab|nf_conntrack_entries\{[^}]*\}$)": (0.1, 8, "connections of the scrapes"),
    r"^node_udp_queues|^sum by \(queue\)": (0, 1 << 16, "datagrams on their way"),
    r"^node_memory_(MemTotal|SwapTotal|Huge|DirectMap|CommitLimit|VmallocTotal)\w*\{[^}]*\}$": (0, 0, "these stand still"),
    r"^node_memory_[^/]*$": (0.02, 4 << 20, "memory of the scrapes"),
    r"node_memory_|node_filesystem_(avail|free|files_free)": (0.02, 0, "memory and files of the scrapes"),
}


@contextlib.contextmanager
def prometheus(folder, jobs):
    """Prometheus with these jobs, in YAML, for the length of a block: its address."""
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: {INTERVAL}s}}\nscrape_configs:\n" + "".join(jobs))
    command = [
        need("prometheus", "prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--log.level=warn",
    ]
    with open(folder / "log", "w") as log:
        url, process = start_on_a_free_port(command, "/-/ready", log)
    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def job(name, address, **options):
    return f"  - {json.dumps({'job_name': name, 'static_configs': [{'targets': [address]}], **options})}\n"


def example(text, name, address, token_file):
    """A job as README.md prints it, for this name, server and files; it scrapes as often as the others."""
    replacements = {
        r"(?<=job_name: ).*": name,
        r"(?<=scrape_interval: ).*": f"{INTERVAL}s",
        r'"[^"]*:4500"': f'"{address}"',
        r"/\S*token\S*": token_file,
        r"(?<=ca_file: ).*": token_file.with_name("tls.cert"),
    }
    for pattern, value in replacements.items():
        text = re.sub(pattern, lambda _, value=value: str(value), text)
    return text


@pytest.fixture(scope="session")
def scraped(tmp_path_factory):
    """Prometheus's address, and when every job had been scraped once."""
    folder = tmp_path_factory.mktemp("prometheus")
    token_file = folder / "token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    with open("/proc/diskstats") as table:
        disks = [(line.split()[2], ":".join(line.split()[:2])) for line in table]
    hardware.make_sys(folder / "sys")
    hardware.make_root(folder / "root", disks)
    paths = [f"--path.sysfs={folder}/sys", f"--path.udev.data={folder}/root/run/udev/data", f"--path.rootfs={folder}/root"]
    # Below such a root, its mount points are not there, and netdev asks the running kernel instead of the files.
    paths += ["--no-collector.filesystem", "--no-collector.netdev"]
    plain, with_token, with_tls = EXAMPLES
    cert, key = make_certificate(folder, "tls")
    with (
        running("--token-file", str(token_file)) as ours,
        running("--token-file", str(token_file), "--tls-cert", str(cert), "--tls-key", str(key)) as secured,
        exporter() as (theirs, _),
        running("--sysfs", str(folder / "sys"), "--rootfs", str(folder / "root")) as our_hardware,
        exporter(*paths) as (their_hardware, _),
    ):
        jobs = [
            example(with_token, "psmonitor", ours.address, token_file),
            example(with_tls, "with-tls", secured.address, token_file),
            job("without-token", ours.address),
            job("node", theirs.removeprefix("http://")),
            example(plain, "psmonitor-hardware", our_hardware.address, token_file),
            job("node-hardware", their_hardware.removeprefix("http://")),
            job("chosen", our_hardware.address, params={"collect[]": ["loadavg", "uname"]}),
        ]
        with prometheus(folder, jobs) as url:
            until(lambda: len(instant(url, "up == 1 or (up{job='without-token'})")) == len(jobs))
            yield url, time.monotonic()


def ask(url, what, **parameters):
    answer = requests.get(f"{url}/api/v1/{what}", params=parameters, timeout=30).json()
    assert answer["status"] == "success", (parameters, answer)
    return answer["data"]["result"]


def instant(url, expression):
    return {row["metric"].get("job"): float(row["value"][1]) for row in ask(url, "query", query=expression)}


def answer(url, expression, job, end):
    """The answer's values by labels, over the window that ends at this time."""
    query = expression.replace("$job", job).replace("$range", f"{RANGE}s")
    rows = ask(url, "query_range", query=query, start=end - WINDOW, end=end, step=INTERVAL)
    if expression.startswith("topk(1,"):
        # Which one is the first may change from one scrape to the next where two are alike; its value does not.
        values = sorted((moment, float(value)) for row in rows for moment, value in row["values"])
        return {frozenset(): [value for _, value in values]} if values else {}
    return {labels(row["metric"]): [float(value) for _, value in row["values"]] for row in rows}


def labels(metric):
    """Labels without those that name the server, and without those that we leave out."""
    dropped = {"job", "instance", *MISSING_LABELS.get(metric.get("__name__"), ((), ""))[0]}
    return frozenset((name, value) for name, value in metric.items() if name not in dropped)


def is_ours_to_answer(key):
    return dict(key).get("collector") not in NOT_GATHERED


def complaint(expression, theirs, ours):
    """What is wrong with our answer, if something is.

    A condition may begin or end to hold a scrape apart, so only what one of both answers at every step must be in the other.
    """
    theirs = {key: values for key, values in theirs.items() if is_ours_to_answer(key)}
    missing = [dict(key) for key, values in theirs.items() if len(values) == STEPS and key not in ours]
    added = [dict(key) for key, values in ours.items() if len(values) == STEPS and key not in theirs]
    if missing or added:
        return f"missing: {missing}, too many: {added}"
    if any(re.search(pattern, expression) for pattern in OWN_VALUES):
        return None
    slack = next((slack for pattern, (*slack, _) in SLACK.items() if re.search(pattern, expression)), (0, 0))
    apart = {key: (theirs[key], ours[key]) for key in theirs.keys() & ours.keys()}
    apart = {key: both for key, both in apart.items() if not overlap(*both, *slack)}
    return f"theirs, ours: {[(dict(key), *both) for key, both in apart.items()]}" if apart else None


def overlap(theirs, ours, relative, absolute):
    """Whether two ranges of values meet: what stands still is equal, what moves is near at the same time."""
    known = [[value for value in values if not math.isnan(value)] for values in (theirs, ours)]
    if not all(known):
        return any(map(math.isnan, theirs)) and any(map(math.isnan, ours))
    (low, high), (our_low, our_high) = ((min(values), max(values)) for values in known)
    slack = absolute + (relative + 1e-9) * max(abs(low), abs(high))
    return our_low <= high + slack and our_high >= low - slack


def test_there_are_many_different_expressions():
    assert len(EXPRESSIONS) == len(set(EXPRESSIONS)) > 100
    assert all('job="$job"' in expression for expression in EXPRESSIONS)


def test_the_comparison_sees_what_is_wrong():
    a, b = frozenset({("device", "a")}), frozenset({("device", "b")})
    flat, other, rising, brief = [5.0] * STEPS, [6.0] * STEPS, [float(n) for n in range(STEPS)], [5.0]
    for theirs, ours, is_right in (
        ({a: flat}, {a: flat}, True),
        ({a: flat}, {a: other}, False),
        ({a: flat}, {}, False),
        ({}, {a: flat}, False),
        ({a: flat}, {b: flat}, False),
        ({a: flat, b: brief}, {a: flat}, True),
        ({a: rising}, {a: [value + 1 for value in rising]}, True),
        ({a: rising}, {a: [value * 1000 + 1000 for value in rising]}, False),
        ({a: [math.nan] * STEPS}, {a: [math.nan] * STEPS}, True),
        ({a: flat}, {a: [math.nan] * STEPS}, False),
    ):
        assert (complaint("x", theirs, ours) is None) == is_right, (theirs, ours)


def test_prometheus_scrapes_with_a_token_only(scraped):
    up = instant(scraped[0], "up")
    assert up.pop("without-token") == 0
    assert set(up.values()) == {1}


def test_prometheus_chooses_collectors(scraped):
    names = {row["metric"]["__name__"] for row in ask(scraped[0], "query", query='{job="chosen", __name__=~"node_.*"}')}
    assert {name for name in names if not name.startswith("node_scrape_")} == {
        "node_load1",
        "node_load5",
        "node_load15",
        "node_uname_info",
    }


def missing_scrapes(url, end):
    """Which scrapes of the minute before the end did not come, but for a few, or were no good."""
    missing = {}
    for expression, least in (("count_over_time(up[1m])", 48 / INTERVAL), ("avg_over_time(up[1m])", 0.9)):
        rows = ask(url, "query", query=expression, time=end)
        values = {row["metric"]["job"]: float(row["value"][1]) for row in rows}
        jobs = [job for jobs in PAIRS.values() for job in jobs]
        missing.update({(expression, job): values.get(job) for job in jobs if values.get(job, 0) < least})
    return missing


@pytest.mark.parametrize("pair", PAIRS)
def test_every_expression_answers_the_same(scraped, pair):
    url, begin = scraped
    time.sleep(max(0, begin + SCRAPING - time.monotonic()))
    asked = [expression for expression in EXPRESSIONS if pair != "hardware" or not re.search(NOT_ASKED, expression)]
    answered = set()

    # The last scrapes of all jobs are in by then.
    end = time.time() - INTERVAL
    wrong = missing_scrapes(url, end)
    for expression in asked:
        ours, theirs = (answer(url, expression, job, end) for job in PAIRS[pair])
        if theirs:
            answered.add(expression)
        if found := complaint(expression, theirs, ours):
            wrong[expression] = found
    assert_none(wrong)
    silent = "\n    ".join(expression for expression in asked if expression not in answered)
    print(f"{pair}: {len(asked)} expressions, {len(answered)} answered; these not, on both sides:\n    {silent}")
    assert len(answered) > 200
    assert len([expression for expression in answered if "[$range]" in expression]) > 50
    if pair == "hardware":
        conditions = re.compile(r".* (==|<|>) \S+$")
        seen = {asking for asking in asked if re.match(SEEN_HARDWARE, asking) and not conditions.match(asking)}
        assert seen <= answered, seen - answered
